"""Checksums, cutting and coalescing, case by case."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from etherspan.testing.flows import CWR, FIN, PSH, TIMESTAMP, Flow
from etherspan.testing.frames import ACK, arp_request, checksum
from kernel_sim.mac import hw_emul
from kernel_sim.mac._hw.ones import ones_sum
from kernel_sim.sys.message import Gso, Message


@pytest.fixture(params=hw_emul.ENGINES, autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """All of this for the compiled helper and for its twin."""
    before = hw_emul.engine
    hw_emul.use(request.param)
    yield
    hw_emul.use(before)


V4 = Flow()
V6 = Flow(v6=True)
UDP4 = Flow(protocol=17)
UDP6 = Flow(protocol=17, v6=True)
OPTIONS = Flow(tcp_options=TIMESTAMP, ip_options=bytes((7, 7, 4, 1, 2, 3, 4, 0)))
FLOWS = {
    "tcp v4": V4,
    "tcp v6": V6,
    "udp v4": UDP4,
    "udp v6": UDP6,
    "tagged tcp v4": Flow(vid=7),
    "tagged tcp v6": Flow(vid=7, v6=True, tcp_options=TIMESTAMP),
    "tagged udp v6": Flow(vid=7, v6=True, protocol=17),
    "ip and tcp options": OPTIONS,
    "extension headers": Flow(v6=True, extensions=(0, 60), tcp_options=TIMESTAMP),
    "udp behind extension headers": Flow(v6=True, extensions=(60, 60), protocol=17),
}
every_flow = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)


def views(frames: list[bytes]) -> list[memoryview]:
    return [memoryview(frame) for frame in frames]


def receive(*frames: bytes, mtu: int = 1400) -> list[Message]:
    return hw_emul.receive(views(list(frames)), mtu)


def data(messages: list[Message]) -> list[bytes]:
    return [bytes(message.data) for message in messages]


def payload(size: int) -> bytes:
    return bytes(i * 7 % 251 for i in range(size))


def patched(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


# ---------------------------------------------------------------------- sums


@pytest.mark.parametrize("size", [0, 1, 2, 20, 255, 256, 257, 1348, 1349, 4096, 9000, 65535, 70001])
def test_a_sum_of_any_length_is_the_sum_of_its_words(size: int) -> None:
    octets = payload(size)
    assert (ones_sum(octets) + checksum(octets)) % 0xFFFF == 0


def test_a_sum_of_all_ones_of_any_length_is_zero() -> None:
    assert [ones_sum(b"\xff" * size) for size in (2, 256, 258, 1400, 65534, 524288)] == [0] * 6


# ---------------------------------------------------------------------- complete


@every_flow
@pytest.mark.parametrize("size", [1, 2, 999, 1000])
def test_a_partial_checksum_is_completed(flow: Flow, size: int) -> None:
    done = hw_emul.complete(flow.partial(payload(size)))
    assert done.data == flow.frame(payload(size))
    assert not done.partial
    assert not done.mss


def test_a_finished_message_completes_to_itself() -> None:
    message = Message(V4.frame(b"x"))
    assert hw_emul.complete(message) is message


def test_completing_does_not_touch_the_original() -> None:
    memory = bytearray(V4.partial(b"hello").data)
    before = bytes(memory)
    hw_emul.complete(Message(memory, partial=True, start=34, stuff=16))
    assert memory == before


def zero_sum_payload(flow: Flow) -> bytes:
    """A payload for which the checksum comes out as 0."""
    missing = int.from_bytes(flow.frame(bytes(2))[flow.start + flow.stuff :][:2], "big")
    return struct.pack(">H", missing)


@pytest.mark.parametrize("flow", [UDP4, UDP6])
def test_a_udp_checksum_of_zero_is_sent_as_ones(flow: Flow) -> None:
    done = bytes(hw_emul.complete(flow.partial(zero_sum_payload(flow))).data)
    assert done[flow.start + 6 : flow.start + 8] == b"\xff\xff"
    run = flow.run(zero_sum_payload(flow) * 2, 2)
    assert [bytes(frame)[flow.start + 6 : flow.start + 8] for frame in hw_emul.cut(run)] == [b"\xff\xff"] * 2


@pytest.mark.parametrize("flow", [V4, V6])
def test_a_tcp_checksum_of_zero_stays_zero(flow: Flow) -> None:
    done = bytes(hw_emul.complete(flow.partial(zero_sum_payload(flow))).data)
    assert done[flow.start + 16 : flow.start + 18] == b"\0\0"
    (frame,) = hw_emul.cut(flow.run(zero_sum_payload(flow), 2))
    assert bytes(frame)[flow.start + 16 : flow.start + 18] == b"\0\0"


@pytest.mark.parametrize(("start", "stuff"), [(200, 16), (34, 60), (34, 40), (-20, 16), (34, -1)])
def test_marks_outside_the_frame_are_ignored(start: int, stuff: int) -> None:
    frame = V4.frame(b"0123456789012345678")
    done = hw_emul.complete(Message(frame, partial=True, start=start, stuff=stuff))
    assert done.data == frame
    assert not done.partial


# ---------------------------------------------------------------------- cut


@every_flow
@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 2000, 2999, 9001])
def test_a_run_is_cut_into_its_frames(flow: Flow, size: int) -> None:
    run = flow.run(payload(size), 1000, flags=ACK | PSH)
    assert hw_emul.cut(run) == flow.frames(payload(size), 1000, flags=ACK | PSH)


@every_flow
def test_an_odd_segment_size_is_cut_as_well(flow: Flow) -> None:
    assert hw_emul.cut(flow.run(payload(3000), 333)) == flow.frames(payload(3000), 333)


def test_fin_and_push_are_on_the_last_frame_only_and_cwr_on_the_first_only() -> None:
    frames = hw_emul.cut(V4.run(payload(2500), 1000, flags=ACK | FIN | PSH | CWR))
    assert [frame[47] for frame in frames] == [ACK | CWR, ACK, ACK | FIN | PSH]


def test_ident_and_sequence_wrap() -> None:
    run = V4.run(payload(3000), 1000, seq=2**32 - 1500, ident=0xFFFF)
    frames = [bytes(frame) for frame in hw_emul.cut(run)]
    assert [frame[18:20] for frame in frames] == [b"\xff\xff", b"\0\0", b"\0\1"]
    assert [int.from_bytes(frame[38:42], "big") for frame in frames] == [2**32 - 1500, 2**32 - 500, 500]
    assert frames == V4.frames(payload(3000), 1000, seq=2**32 - 1500, ident=0xFFFF)


def test_a_run_without_payload_is_one_frame() -> None:
    assert hw_emul.cut(V4.run(b"", 1000)) == [V4.frame(b"")]
    assert hw_emul.cut(UDP4.run(b"", 1000)) == [UDP4.frame(b"")]


def test_one_frame_is_cut_into_itself_with_its_checksum_finished() -> None:
    assert hw_emul.cut(V4.partial(b"hello")) == [V4.frame(b"hello")]
    assert hw_emul.cut(Message(V4.frame(b"hello"))) == [V4.frame(b"hello")]


def test_a_run_whose_checksum_field_holds_nothing_is_cut_all_the_same() -> None:
    for flow in (V4, V6, UDP4, UDP6):
        run = flow.run(payload(2500), 1000)
        run.partial = False
        run.data = patched(bytes(run.data), flow.start + flow.stuff, b"\x12\x34")
        assert hw_emul.cut(run) == flow.frames(payload(2500), 1000)


def test_runs_lie_in_memory_of_any_kind() -> None:
    run = V4.run(payload(2500), 1000)
    for kind in (bytes, bytearray, memoryview):
        run.data = kind(bytes(run.data))
        assert hw_emul.cut(run) == V4.frames(payload(2500), 1000)


@pytest.mark.parametrize(
    "change",
    [
        {"gso": 0},
        {"gso": 3},
        {"start": 10},
        {"start": 30},
        {"hdr_len": 40},
        {"hdr_len": 5000},
        {"start": 2000},
        {"data": b""},
        {"data": b"\0" * 60},
        {"data": bytes(14) + b"\x81\x00" + bytes(44)},
    ],
)
def test_a_run_with_senseless_marks_comes_through_as_one_frame(change: dict[str, object]) -> None:
    run = V4.run(payload(2500), 1000)
    for name, value in change.items():
        setattr(run, name, value)
    assert len(hw_emul.cut(run)) == 1


def test_a_run_with_frames_that_no_ip_length_can_hold_comes_through_as_one_frame() -> None:
    run = Message(
        bytes(12) + b"\x08\x00" + bytes(66000), partial=True, start=34, stuff=16, gso=1, mss=65530, hdr_len=54
    )
    assert len(hw_emul.cut(run)) == 1


@every_flow
def test_every_checksum_of_a_cut_run_satisfies_scapy(flow: Flow) -> None:
    frames = hw_emul.cut(flow.run(payload(2501), 1000, flags=ACK | PSH | CWR))
    assert len(frames) == 3
    for frame in frames:
        dissected = Ether(bytes(frame))
        if not flow.v6:
            del dissected[IP].chksum
            del dissected[IP].len
        else:
            del dissected[IPv6].plen
        del dissected[TCP if TCP in dissected else UDP].chksum
        if UDP in dissected:
            del dissected[UDP].len
        assert bytes(dissected) == bytes(frame)


# ---------------------------------------------------------------------- receive: merging


@every_flow
def test_consecutive_frames_of_a_flow_become_a_run(flow: Flow) -> None:
    (message,) = receive(*flow.frames(payload(4500), 1000, flags=ACK | PSH, ident=500))
    expected = flow.run(payload(4500), 1000, flags=ACK | PSH, ident=500)
    assert message.data == expected.data
    for name in ("partial", "start", "stuff", "gso", "mss", "hdr_len", "frames"):
        assert getattr(message, name) == getattr(expected, name), name


@every_flow
def test_partial_frames_are_merged_like_finished_ones(flow: Flow) -> None:
    halves = [flow.partial(payload(1000), seq=1), flow.partial(payload(1000), seq=1001, ident=2)]
    (message,) = receive(*data(halves))
    assert hw_emul.cut(message) == [
        flow.frame(payload(1000), seq=1),
        flow.frame(payload(1000), seq=1001, ident=2),
    ]


def test_a_shorter_frame_ends_a_run() -> None:
    first = V4.frames(payload(1500), 1000)
    after = V4.frame(payload(500), seq=1501)
    messages = receive(*first, after)
    assert [message.frames for message in messages] == [2, 1]


def test_a_longer_frame_does_not_continue_a_run() -> None:
    messages = receive(V4.frame(payload(500), seq=1), V4.frame(payload(501), seq=501))
    assert data(messages) == [V4.frame(payload(500), seq=1), V4.frame(payload(501), seq=501)]


@pytest.mark.parametrize("flag", [PSH, FIN])
def test_push_and_fin_end_a_run(flag: int) -> None:
    frames = [V4.frame(payload(100), seq=1 + 100 * i, flags=ACK | (flag if i == 1 else 0)) for i in range(4)]
    assert [message.frames for message in receive(*frames)] == [2, 2]


@pytest.mark.parametrize("flags", [0x02 | ACK, 0x04 | ACK, 0x20 | ACK, 0])
def test_segments_with_other_flags_are_never_merged(flags: int) -> None:
    frames = [V4.frame(payload(100), seq=1 + 100 * i, flags=flags) for i in range(3)]
    assert data(receive(*frames)) == frames


def test_only_the_first_frame_of_a_run_has_cwr() -> None:
    frames = [V4.frame(payload(100), seq=1 + 100 * i, flags=ACK | CWR) for i in range(3)]
    assert data(receive(*frames)) == frames
    cut_again = [V4.frame(payload(100), seq=1, flags=ACK | CWR), V4.frame(payload(100), seq=101, ident=2)]
    (message,) = receive(*cut_again)
    assert hw_emul.cut(message) == cut_again


@pytest.mark.parametrize(
    "other",
    [
        Flow(dst=bytes(6)),
        Flow(src=bytes(6)),
        Flow(addresses=bytes(32)),
        Flow(sport=1),
        Flow(ack=78),
        Flow(window=502),
        Flow(tos=3),
        Flow(ttl=63),
        Flow(tcp_options=TIMESTAMP),
        Flow(vid=7),
    ],
)
def test_frames_of_different_flows_are_not_merged(other: Flow) -> None:
    frames = [V4.frame(payload(100), seq=1), other.frame(payload(100), seq=101)]
    assert data(receive(*frames)) == frames


def test_a_gap_in_the_sequence_is_not_bridged() -> None:
    frames = [V4.frame(payload(100), seq=1), V4.frame(payload(100), seq=102)]
    assert data(receive(*frames)) == frames


def test_a_run_goes_on_where_sequence_numbers_wrap() -> None:
    (message,) = receive(*V4.frames(payload(3000), 1000, seq=2**32 - 1500))
    assert message.frames == 3


def test_pure_acknowledgements_stay_alone() -> None:
    frames = [V4.frame(b"", seq=5)] * 3
    assert data(receive(*frames)) == frames


def test_a_run_is_never_longer_than_an_ip_packet() -> None:
    for flow in (V4, V6):
        messages = receive(*flow.frames(payload(80_000), 1340))
        assert [message.frames for message in messages] == [48, 12]
        assert all(len(message.data) <= 65535 + 14 for message in messages)
        assert [bytes(one) for message in messages for one in hw_emul.cut(message)][:2] == flow.frames(
            payload(80_000), 1340
        )[:2]


def test_a_udp_run_has_a_bounded_number_of_frames() -> None:
    frames = [UDP4.frame(payload(18), ident=1 + i) for i in range(100)]
    messages = receive(*frames)
    assert [message.frames for message in messages] == [64, 36]
    assert all(message.gso == Gso.UDP_L4 for message in messages)


def test_udp_datagrams_without_checksum_are_left_alone() -> None:
    frames = [patched(UDP4.frame(payload(100), ident=i), 40, b"\0\0") for i in range(3)]
    messages = receive(*frames)
    assert data(messages) == frames
    assert not any(message.partial for message in messages)


# ---------------------------------------------------------------------- receive: what is wrong stays as it is


@every_flow
def test_a_wrong_checksum_keeps_a_frame_out_of_every_run(flow: Flow) -> None:
    frames = flow.frames(payload(3000), 1000)
    bad = patched(frames[1], len(frames[1]) - 1, bytes((frames[1][-1] ^ 1,)))
    messages = receive(frames[0], bad, frames[2])
    assert data(messages) == [frames[0], bad, frames[2]]
    assert not any(message.partial or message.mss for message in messages)


def test_a_wrong_first_frame_is_passed_on_unchanged() -> None:
    frames = V4.frames(payload(3000), 1000)
    bad = patched(frames[0], 60, b"\xee\xee")
    messages = receive(bad, *frames[1:])
    assert bytes(messages[0].data) == bad
    assert [message.frames for message in messages] == [1, 2]


def test_a_wrong_ipv4_header_checksum_keeps_a_frame_out_of_every_run() -> None:
    frames = V4.frames(payload(3000), 1000)
    bad = patched(frames[1], 24, b"\x11\x11")
    assert data(receive(frames[0], bad, frames[2])) == [frames[0], bad, frames[2]]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0" * 13,
        arp_request(bytes(6), "10.0.0.1", "10.0.0.2"),
        patched(V4.frame(payload(100)), 20, b"\x20\x00"),
        patched(V4.frame(payload(100)), 20, b"\x00\x05"),
        patched(V4.frame(payload(100)), 14, b"\x44"),
        patched(V4.frame(payload(100)), 14, b"\x65"),
        patched(V4.frame(payload(100)), 46, b"\x40"),
        patched(V4.frame(payload(100)), 46, b"\xf0")[:90],
        V4.frame(b"")[:50],
        V6.frame(b"")[:70],
        V6.frame(b"")[:50],
        patched(V6.frame(payload(100)), 14, b"\x40"),
        patched(V6.frame(payload(100)), 20, b"\x2c"),
        Flow(vid=3).frame(b"")[:17],
        Flow(vid=3).frame(b"")[:40],
        Flow(v6=True, extensions=(0,) * 30).frame(payload(10)),
    ],
)
def test_what_is_no_whole_tcp_or_udp_frame_comes_through_as_it_is(frame: bytes) -> None:
    messages = receive(frame, frame)
    assert data(messages) == [frame, frame]
    assert not any(message.partial or message.mss for message in messages)


def test_frames_with_padding_are_not_merged() -> None:
    frames = [V4.frame(b"ab", seq=1 + 2 * i) + bytes(4) for i in range(3)]
    assert data(receive(*frames)) == frames


def test_an_unfinished_routing_header_is_not_looked_behind() -> None:
    flow = Flow(v6=True, extensions=(43,))
    frame = patched(flow.frame(payload(100)), 57, b"\x01")
    frames = [frame, patched(flow.frame(payload(100), seq=101), 57, b"\x01")]
    assert data(receive(*frames)) == frames
    used_up = [flow.frame(payload(100)), flow.frame(payload(100), seq=101)]
    assert [message.frames for message in receive(*(patched(one, 57, b"\0") for one in used_up))] == [2]


# ---------------------------------------------------------------------- receive: kernel peers


@every_flow
@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_partial_checksum_is_recognised_and_marked(flow: Flow, size: int) -> None:
    sent = flow.partial(payload(size))
    (message,) = receive(bytes(sent.data))
    assert message.data == sent.data
    assert (message.partial, message.start, message.stuff, message.mss) == (True, flow.start, flow.stuff, 0)
    assert hw_emul.cut(message) == [flow.frame(payload(size))]


@every_flow
def test_a_checksum_that_is_almost_partial_is_not(flow: Flow) -> None:
    sent = bytes(flow.partial(payload(100)).data)
    at = flow.start + flow.stuff
    off_by_one = patched(sent, at, struct.pack(">H", (int.from_bytes(sent[at : at + 2], "big") + 1) % 65536))
    (message,) = receive(off_by_one)
    assert message.data == off_by_one
    assert not message.partial


def test_a_partial_form_is_the_folded_sum_never_zero() -> None:
    flow = Flow(addresses=bytes((0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xE5)) + bytes(24))
    sent = flow.partial(b"")
    assert bytes(sent.data)[50:52] == b"\xff\xff"
    assert receive(bytes(sent.data))[0].partial
    assert not receive(patched(bytes(sent.data), 50, b"\0\0"))[0].partial


@pytest.mark.parametrize("flow", [V4, V6, OPTIONS, FLOWS["tagged tcp v6"], FLOWS["extension headers"]])
@pytest.mark.parametrize("finished", [False, True])
def test_a_super_frame_becomes_a_run_that_fits_the_mtu(flow: Flow, finished: bool) -> None:
    octets = payload(20_000)
    sent = flow.frame(octets, flags=ACK | PSH) if finished else bytes(flow.partial(octets, flags=ACK | PSH).data)
    (message,) = receive(sent, mtu=1400)
    mss = 1400 - (flow.hdr_len - flow.network)
    assert message.mss == mss
    assert hw_emul.cut(message) == flow.frames(octets, mss, flags=ACK | PSH)
    assert max(len(frame) for frame in hw_emul.cut(message)) == 1400 + flow.network


def test_a_super_frame_with_a_wrong_checksum_comes_through_as_it_is() -> None:
    sent = patched(V4.frame(payload(20_000)), 100, b"\xaa\xaa\xaa")
    (message,) = receive(sent)
    assert message.data == sent
    assert not message.mss


def test_super_frames_are_not_merged_with_each_other() -> None:
    frames = [bytes(V4.partial(payload(5000), seq=1 + 5000 * i).data) for i in range(3)]
    assert [message.mss for message in receive(*frames)] == [1360] * 3


def test_a_udp_datagram_larger_than_the_mtu_stays_one_frame() -> None:
    sent = UDP4.frame(payload(3000))
    assert data(receive(sent)) == [sent]
    (message,) = receive(bytes(UDP4.partial(payload(3000)).data))
    assert message.partial
    assert not message.mss


@pytest.mark.parametrize("flow", [UDP4, UDP6, FLOWS["tagged udp v6"]])
@pytest.mark.parametrize("size", [1001, 2000, 20_000])
def test_a_udp_super_frame_is_a_run_where_its_segment_size_is_known(flow: Flow, size: int) -> None:
    sent = bytes(flow.partial(payload(size)).data)
    (message,) = hw_emul.receive([memoryview(sent)], 1400, 1000)
    assert message.mss == 1000
    assert hw_emul.cut(message) == flow.frames(payload(size), 1000)
    assert hw_emul.claimed_length(memoryview(sent)[: flow.hdr_len]) == len(sent)


def test_a_segment_size_concerns_nothing_but_larger_udp_frames() -> None:
    small, tcp = UDP4.frame(payload(1000)), V4.frame(payload(1300))
    damaged = patched(UDP4.frame(payload(1200)), 60, b"\xff\xff\xff")
    for frame in (small, tcp, damaged):
        (message,) = hw_emul.receive([memoryview(frame)], 1400, 1000)
        assert message.data == frame
        assert not message.mss


def test_only_ip_frames_claim_a_length() -> None:
    assert [hw_emul.claimed_length(memoryview(one)) for one in (b"", bytes(60), V4.frame(b"x")[:37])] == [0, 0, 0]
    for flow in FLOWS.values():
        assert hw_emul.claimed_length(memoryview(flow.frame(payload(77)) + b"pad")) == len(flow.frame(payload(77)))


def test_an_mtu_smaller_than_the_headers_makes_no_run() -> None:
    sent = bytes(V4.partial(payload(200)).data)
    (message,) = receive(sent, mtu=40)
    assert not message.mss
    assert message.partial


# ---------------------------------------------------------------------- receive: memory


@every_flow
def test_results_do_not_refer_to_the_received_memory(flow: Flow) -> None:
    frames = [*flow.frames(payload(2000), 1000), flow.frame(b"lone", seq=9), b"\0" * 20]
    super_frame = bytes(flow.partial(payload(5000)).data)
    memory = [bytearray(frame) for frame in (*frames, super_frame)]
    messages = hw_emul.receive([memoryview(one) for one in memory], 1400)
    before = data(messages)
    for one in memory:
        one[:] = b"\xa5" * len(one)
    assert data(messages) == before
