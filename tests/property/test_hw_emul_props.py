"""Checksums, cutting and coalescing against frames that are built one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing.flows import CWR, FIN, PSH, TIMESTAMP, Flow
from etherspan.testing.frames import ACK, TCP, UDP
from kernel_sim.mac import hw_emul
from kernel_sim.sys.message import Gso, Message


@pytest.fixture(params=hw_emul.ENGINES, autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """All of this for the compiled helper and for its twin."""
    before = hw_emul.engine
    hw_emul.use(request.param)
    yield
    hw_emul.use(before)


lenient = settings(deadline=None)
_words = st.integers(0, 2**16 - 1)
_option_words = st.lists(st.binary(min_size=4, max_size=4), max_size=10).map(b"".join)


@st.composite
def flows(draw: st.DrawFn, protocols: Sequence[int] = (TCP, UDP)) -> Flow:
    v6 = draw(st.booleans())
    protocol = draw(st.sampled_from(protocols))
    return Flow(
        protocol=protocol,
        v6=v6,
        vid=draw(st.sampled_from((None, None, 0, 7, 4094))),
        ip_options=b"" if v6 else draw(st.sampled_from((b"", b"", b"\x01" * 4, bytes(40)))),
        extensions=draw(st.sampled_from(((), (), (0,), (60, 60)))) if v6 else (),
        tcp_options=draw(st.one_of(st.just(TIMESTAMP), _option_words)) if protocol == TCP else b"",
        dst=draw(st.binary(min_size=6, max_size=6)),
        addresses=draw(st.binary(min_size=32, max_size=32)),
        sport=draw(_words),
        dport=draw(_words),
        ack=draw(st.integers(0, 2**32 - 1)),
        window=draw(_words),
        tos=draw(st.integers(0, 255)),
        ttl=draw(st.integers(0, 255)),
    )


@st.composite
def payloads(draw: st.DrawFn, least: int = 0, most: int = 3000) -> bytes:
    size = draw(st.integers(least, most))
    return draw(st.randoms(use_true_random=False)).randbytes(size)


_flags = st.sampled_from((ACK, ACK | PSH, ACK | FIN | PSH, ACK | CWR, ACK | CWR | 0x40 | FIN))
_sequences = st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 3000, 2**32 - 1))
_idents = st.one_of(_words, st.just(0xFFFF))


@lenient
@given(flows(), payloads(), st.integers(15, 1500), _flags, _sequences, _idents)
def test_a_run_is_cut_into_the_frames_it_stands_for(
    flow: Flow, payload: bytes, mss: int, flags: int, seq: int, ident: int
) -> None:
    run = flow.run(payload, mss, seq=seq, flags=flags, ident=ident)
    before = bytes(run.data)
    frames = hw_emul.cut(run)
    assert frames == flow.frames(payload, mss, seq=seq, flags=flags, ident=ident)
    assert len(frames) == run.frames
    assert sum(map(len, frames)) == run.bytes_on_wire
    assert run.data == before


@lenient
@given(flows(), payloads(0, 1500))
def test_a_partial_frame_is_completed_to_the_finished_one(flow: Flow, payload: bytes) -> None:
    assert hw_emul.complete(flow.partial(payload)).data == flow.frame(payload)


@lenient
@given(flows(), payloads(2), st.integers(1, 60), _flags, _sequences, _idents)
def test_what_was_cut_is_put_together_again(
    flow: Flow, payload: bytes, pieces: int, flags: int, seq: int, ident: int
) -> None:
    mss = max(-(-len(payload) // (pieces + 1)), len(payload) // 60 + 1)
    mss = min(mss, 1200, len(payload) - 1)
    run = flow.run(payload, mss, seq=seq, flags=flags, ident=ident)
    (again,) = hw_emul.receive([memoryview(bytes(frame)) for frame in hw_emul.cut(run)], 1500)
    assert again.data == run.data
    marks = ("partial", "start", "stuff", "gso", "mss", "hdr_len")
    assert [getattr(again, name) for name in marks] == [getattr(run, name) for name in marks]


@lenient
@given(flows(protocols=(TCP,)), payloads(1500, 20000), st.integers(576, 1500))
def test_a_tcp_super_frame_is_cut_to_the_mtu(flow: Flow, payload: bytes, mtu: int) -> None:
    sent = bytes(flow.partial(payload).data)
    (run,) = hw_emul.receive([memoryview(sent)], mtu)
    mss = mtu - (flow.hdr_len - flow.network)
    assert hw_emul.cut(run) == flow.frames(payload, mss)


@st.composite
def wire_batches(draw: st.DrawFn) -> list[bytes]:
    """Frames of a few flows, in order or not, right, partial or damaged, and some that are no frames."""
    talkers = [Flow(), Flow(sport=7), Flow(v6=True), Flow(protocol=UDP), Flow(protocol=UDP, v6=True, vid=3)]
    frames: list[bytes] = []
    position = 1
    for number in range(draw(st.integers(1, 12))):
        flow = draw(st.sampled_from(talkers[: draw(st.integers(1, 5))]))
        payload = bytes(draw(st.sampled_from((0, 1, 40, 41, 100, 100, 100, 100))))
        kind = draw(st.sampled_from(("right", "right", "right", "right", "partial", "damaged", "padded", "noise")))
        flags = draw(st.sampled_from((ACK, ACK, ACK, ACK | PSH, ACK | 2)))
        frame = flow.frame(payload, seq=position, flags=flags, ident=number)
        if kind == "partial":
            frame = bytes(flow.partial(payload, seq=position, flags=flags, ident=number).data)
        elif kind == "damaged":
            at = draw(st.integers(0, len(frame) - 1))
            frame = frame[:at] + bytes((frame[at] ^ draw(st.integers(1, 255)),)) + frame[at + 1 :]
        elif kind == "padded":
            frame += bytes(draw(st.integers(1, 6)))
        elif kind == "noise":
            frame = draw(st.binary(max_size=80))
        position += draw(st.sampled_from((len(payload), len(payload), len(payload), 0, 1)))
        frames.append(frame)
    return frames


def _plain(frame: bytes) -> bytes:
    """What a frame is to its receiver: a partial checksum counts as finished, IPv4 ident and its checksum as nothing."""
    (message,) = hw_emul.receive([memoryview(frame)], 1500)
    octets = bytearray(hw_emul.complete(message).data)
    if octets[12:15] == b"\x08\x00\x45" and len(octets) >= 34:
        octets[18:20] = octets[24:26] = b"\0\0"
    return bytes(octets)


@lenient
@given(wire_batches())
def test_nothing_is_lost_changed_or_reordered_by_merging(batch: list[bytes]) -> None:
    chain = hw_emul.receive([memoryview(frame) for frame in batch], 1500)
    assert sum(message.frames for message in chain) == len(batch)
    after = [bytes(frame) for message in chain for frame in hw_emul.cut(message)]
    assert [_plain(frame) for frame in after] == [_plain(frame) for frame in batch]
    for message in chain:
        if message.mss:
            assert message.frames > 1
            assert message.partial


@lenient
@given(
    st.binary(max_size=120),
    st.booleans(),
    st.integers(-5, 200),
    st.integers(-5, 200),
    st.sampled_from((0, 1, 3, 4, 5, 99)),
    st.integers(0, 70000),
    st.integers(-5, 200),
)
def test_no_bytes_and_marks_whatever_upset_it(
    data: bytes, partial: bool, start: int, stuff: int, gso: int, mss: int, hdr_len: int
) -> None:
    message = Message(data, partial=partial, start=start, stuff=stuff, gso=gso, mss=mss, hdr_len=hdr_len)
    hw_emul.complete(message)
    assert hw_emul.cut(message)


@lenient
@given(st.lists(st.binary(max_size=100), max_size=5), st.integers(0, 2000))
def test_no_received_bytes_whatever_upset_it(frames: list[bytes], mtu: int) -> None:
    chain = hw_emul.receive([memoryview(frame) for frame in frames], mtu)
    assert sum(message.frames for message in chain) >= len(frames)


@lenient
@given(flows(), st.integers(0, 120), st.data())
def test_no_damaged_header_upsets_it(flow: Flow, at: int, data: st.DataObject) -> None:
    run = flow.run(bytes(500), 100)
    octets = bytearray(run.data)
    octets[at % len(octets)] = data.draw(st.integers(0, 255))
    run.data = bytes(octets)
    assert hw_emul.cut(run)
    assert hw_emul.receive([memoryview(run.data)] * 2, 300)


def test_the_kinds_of_runs_have_the_numbers_of_the_virtio_header() -> None:
    assert [int(kind) for kind in (Gso.NONE, Gso.TCPV4, Gso.TCPV6, Gso.UDP_L4)] == [0, 1, 4, 5]
