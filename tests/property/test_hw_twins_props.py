"""The compiled helper and its twin in Python give the same bytes, whatever they are given."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing.flows import CWR, FIN, PSH, Flow
from etherspan.testing.frames import ACK
from kernel_sim.mac import hw_emul
from kernel_sim.mac._hw import plain
from kernel_sim.sys.message import Buffer, Message, Packed
from tests.property.test_hw_emul_props import flows, payloads

if hw_emul.COMPILED in hw_emul.ENGINES:
    from kernel_sim.mac._hw import compiled
elif os.environ.get("CI"):
    raise RuntimeError("the compiled helper is missing: it was installed without a compiler")
else:
    pytest.skip("there was no compiler when this was installed", allow_module_level=True)
lenient = settings(deadline=None, max_examples=300)
_flags = st.sampled_from((ACK, ACK, ACK, ACK | PSH, ACK | FIN, ACK | CWR, ACK | 0x40, ACK | 2, 0x20))
_gaps = st.sampled_from((b"", b"\x08\0\0\0\0\0\x17\0", b"odd"))


def marks(message: Message) -> tuple[object, ...]:
    return (
        bytes(message.data),
        message.partial,
        message.start,
        message.stuff,
        int(message.gso),
        message.mss,
        message.hdr_len,
    )


def owned(frames: Sequence[Buffer]) -> list[bytes]:
    return [bytes(frame) for frame in frames]


@st.composite
def runs(draw: st.DrawFn) -> Message:
    """Runs as they should be, and such with a byte or a mark that is not."""
    flow = draw(flows())
    message = flow.run(
        draw(payloads(most=2000)),
        draw(st.integers(1, 1500)),
        seq=draw(st.integers(0, 2**32 - 1)),
        flags=draw(_flags),
        ident=draw(st.integers(0, 2**16 - 1)),
    )
    message.partial = draw(st.sampled_from((True, True, True, False)))
    octets = bytearray(message.data)
    for _ in range(draw(st.integers(0, 2))):
        octets[draw(st.integers(0, min(len(octets), 140) - 1))] = draw(st.integers(0, 255))
    message.data = draw(st.sampled_from((bytes, bytearray, memoryview)))(octets)
    wrong = draw(st.sampled_from(("", "", "", "", "start", "gso", "mss", "hdr_len")))
    if wrong:
        setattr(message, wrong, getattr(message, wrong) + draw(st.integers(-80, 80)))
    return message


@lenient
@given(runs(), _gaps)
def test_they_cut_alike(message: Message, header: bytes) -> None:
    wanted = owned(plain.cut(message))
    assert owned(compiled.cut(message)) == wanted
    packed = compiled.cut_behind(message, header)
    assert owned(packed) == wanted
    if type(packed) is Packed:
        size = packed.stride
        whole = bytes(packed.buffer)
        assert whole == b"".join(header + frame for frame in wanted)
        assert [whole[at : at + len(header)] for at in range(0, len(whole), size)] == [header] * len(wanted)


@st.composite
def batches(draw: st.DrawFn) -> list[bytes]:
    """Frames of one length, but for a shorter last one: one or two conversations, with all that can go wrong."""
    first = draw(flows())
    second = draw(st.sampled_from((first, first, draw(flows()))))
    size = draw(st.integers(0, 300))
    length = len(first.frame(bytes(size)))
    frames = []
    seq = draw(st.sampled_from((1, 2**32 - 400)))
    for number in range(draw(st.integers(2, 12))):
        flow = draw(st.sampled_from((first, first, first, second)))
        kind = draw(st.sampled_from(("right",) * 6 + ("partial", "damaged", "zero", "noise")))
        payload = draw(st.randoms(use_true_random=False)).randbytes(size)
        flags = draw(_flags) if draw(st.integers(0, 3)) == 0 else ACK
        frame = flow.frame(payload, seq=seq, flags=flags, ident=number)
        if kind == "partial":
            frame = bytes(flow.partial(payload, seq=seq, flags=flags, ident=number).data)
        elif kind == "damaged":
            at = draw(st.integers(0, len(frame) - 1))
            frame = frame[:at] + bytes((frame[at] ^ draw(st.integers(1, 255)),)) + frame[at + 1 :]
        elif kind == "zero":
            place = flow.start + flow.stuff
            frame = frame[:place] + b"\0\0" + frame[place + 2 :]
        elif kind == "noise":
            frame = draw(st.binary(min_size=length, max_size=length))
        seq = (seq + draw(st.sampled_from((size, size, size, 0, 1)))) % 2**32
        frames.append(frame[:length].ljust(length, b"\0"))
    if draw(st.booleans()):
        frames.append(first.frame(bytes(draw(st.integers(0, max(size - 1, 0)))), seq=seq)[:length])
    return frames


@lenient
@given(batches(), st.binary(max_size=9), st.sampled_from((100, 340, 1400, 9000)), st.sampled_from((0, 0, 7, 100)))
def test_they_merge_alike(frames: list[bytes], gap: bytes, mtu: int, segment: int) -> None:
    whole = memoryview(b"".join(gap + frame for frame in frames))
    packed = Packed(whole, len(gap) + len(frames[0]), len(gap))
    assert owned(packed) == frames
    wanted = [marks(message) for message in plain.receive([memoryview(frame) for frame in frames], mtu, segment)]
    assert [marks(message) for message in compiled.receive(packed, mtu, segment)] == wanted
    assert [marks(message) for message in plain.receive(packed, mtu, segment)] == wanted


@lenient
@given(flows(), payloads(least=1, most=60000), st.integers(500, 1400), st.sampled_from((1400, 1500, 8900)))
def test_a_run_that_was_cut_comes_back_as_it_was(flow: Flow, payload: bytes, mss: int, mtu: int) -> None:
    run = flow.run(payload, mss)
    packed = compiled.cut_behind(run, b"8 bytes!")
    assert isinstance(packed, Packed)
    kept = Packed(memoryview(bytes(packed.buffer)), packed.stride, packed.gap)
    assert [marks(one) for one in compiled.receive(kept, mtu)] == [marks(one) for one in plain.receive(list(kept), mtu)]


@given(st.binary(max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_they_see_alike_what_is_uniform(whole: bytes, stride: int, size: int) -> None:
    view = memoryview(whole)
    assert compiled.uniform(view, stride, size) == plain.uniform(view, stride, size)
    last = len(whole) % stride or stride
    if size < last and len(whole) > stride:
        alike = memoryview((whole[:stride] * 5)[: len(whole)])
        assert compiled.uniform(alike, stride, size)


def test_a_datagram_that_ends_too_early_is_unlike_the_others() -> None:
    for whole, stride, size in ((b"\0\xe0xxx", 9, 8), (b"abcabca", 3, 2), (b"", 3, 1)):
        assert not compiled.uniform(memoryview(whole), stride, size)
        assert not plain.uniform(memoryview(whole), stride, size)


def test_what_there_is_no_room_for_is_left_to_the_twin() -> None:
    run = Flow().run(bytes(60000), 1)
    assert len(compiled.cut_behind(run, b"12345678")) == 60000
    frames = [bytes(64)] * 5000
    packed = Packed(memoryview(b"".join(frames)), 64, 0)
    assert len(compiled.receive(packed, 1400)) == 5000


def test_packed_frames_are_a_sequence() -> None:
    packed = Packed(b"..abc..def..g", 5, 2)
    assert owned(packed) == [b"abc", b"def", b"g"]
    assert [bytes(packed[at]) for at in (0, 1, 2, -1)] == [b"abc", b"def", b"g", b"g"]
    assert owned(packed[1:]) == [b"def", b"g"]
    with pytest.raises(IndexError):
        packed[3]


@pytest.mark.parametrize("engine", hw_emul.ENGINES)
def test_an_engine_can_be_chosen(engine: str) -> None:
    before = hw_emul.engine
    try:
        hw_emul.use(engine)
        assert hw_emul.engine == engine
        assert owned(hw_emul.cut_behind(Flow().run(bytes(3000), 1000), b"")) == Flow().frames(bytes(3000), 1000)
    finally:
        hw_emul.use(before)
    with pytest.raises(ValueError, match="none of"):
        hw_emul.use("assembler")
    assert hw_emul.engine == before
