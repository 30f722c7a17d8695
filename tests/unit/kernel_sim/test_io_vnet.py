from __future__ import annotations

import struct

import pytest

from kernel_sim.io import vnet
from kernel_sim.sys.message import Gso, Message

ETHERNET, IPV4, TCP = 14, 20, 32
START = ETHERNET + IPV4


def memory(header: tuple[int, ...], frame: bytes, at: int = 0) -> memoryview:
    return memoryview(bytearray(at) + struct.pack("=BBHHHH", *header) + frame)


def tcp_frame(payload: int) -> bytes:
    """Only the length of the TCP header matters."""
    return bytes(START + 12) + bytes([TCP // 4 << 4]) + bytes(TCP - 13) + bytes(payload)


def decoded(header: tuple[int, ...], frame: bytes, at: int = 0) -> Message:
    view = memory(header, frame, at)
    return vnet.decode(view[at:], len(view) - at)


def test_a_plain_frame_becomes_a_plain_message() -> None:
    message = decoded((0, 0, 0, 0, 0, 0), b"frame", at=7)
    assert message.data == b"frame"
    assert not message.partial
    assert not message.mss


def test_an_unfinished_checksum_becomes_a_partial_message() -> None:
    message = decoded((1, 0, 0, 0, START, 16), tcp_frame(100))
    assert (message.partial, message.start, message.stuff, message.mss) == (True, START, 16, 0)


@pytest.mark.parametrize("kind", [Gso.TCPV4, Gso.TCPV6])
def test_the_headers_of_a_tcp_run_are_measured_not_believed(kind: Gso) -> None:
    message = decoded((1, kind, 3000, 1348, START, 16), tcp_frame(5000))
    assert (message.gso, message.mss, message.hdr_len) == (kind, 1348, START + TCP)
    assert message.frames == 4


def test_a_udp_run_repeats_eight_bytes_of_transport_header() -> None:
    message = decoded((1, Gso.UDP_L4, 0, 1000, START, 6), bytes(START + 8 + 2500))
    assert (message.gso, message.hdr_len, message.frames) == (Gso.UDP_L4, START + 8, 3)


def test_the_ecn_mark_does_not_hide_the_kind_of_a_run() -> None:
    assert decoded((1, Gso.TCPV4 | 0x80, 0, 1348, START, 16), tcp_frame(5000)).gso == Gso.TCPV4


@pytest.mark.parametrize(
    ("header", "frame"),
    [
        ((1, 0, 0, 0, 0xFFFF, 16), tcp_frame(10)),
        ((1, 0, 0, 0, START, 0xFFFF), tcp_frame(10)),
        ((0, Gso.TCPV4, 0, 1348, START, 16), tcp_frame(5000)),
    ],
    ids=["start outside", "checksum outside", "run without checksum"],
)
def test_a_header_that_points_outside_its_frame_is_not_believed(header: tuple[int, ...], frame: bytes) -> None:
    message = decoded(header, frame)
    assert not message.partial
    assert not message.mss
    assert bytes(message.data) == frame


@pytest.mark.parametrize(
    ("header", "frame"),
    [
        ((1, 77, 0, 1348, START, 16), tcp_frame(5000)),
        ((1, Gso.TCPV4, 0, 0, START, 16), tcp_frame(5000)),
        ((1, Gso.TCPV4, 0, 1348, START, 16), bytes(START + 40)),
        ((1, Gso.TCPV4, 0, 1348, START, 16), tcp_frame(0)),
        ((1, Gso.TCPV4, 0, 1348, START, 2), bytes(START + 10)),
    ],
    ids=["unknown kind", "no size", "TCP header too short", "no payload", "TCP header cut"],
)
def test_a_run_that_cannot_be_one_is_one_frame(header: tuple[int, ...], frame: bytes) -> None:
    message = decoded(header, frame)
    assert message.partial
    assert not message.mss


def test_small_frames_are_copied_and_large_ones_lent() -> None:
    view = memory((0, 0, 0, 0, 0, 0), bytes(vnet.COPY_MAX))
    assert isinstance(vnet.decode(view, len(view)).data, bytes)
    view = memory((0, 0, 0, 0, 0, 0), bytes(vnet.COPY_MAX + 1))
    assert isinstance(vnet.decode(view, len(view)).data, memoryview)


@pytest.mark.parametrize(
    "message",
    [
        Message(tcp_frame(100)),
        Message(tcp_frame(100), partial=True, start=START, stuff=16),
        Message(tcp_frame(5000), partial=True, start=START, stuff=16, gso=Gso.TCPV4, mss=1348, hdr_len=START + TCP),
        Message(bytes(START + 2508), partial=True, start=START, stuff=6, gso=Gso.UDP_L4, mss=1000, hdr_len=START + 8),
    ],
    ids=["plain", "partial", "tcp run", "udp run"],
)
def test_a_written_header_reads_back_as_the_same_marks(message: Message) -> None:
    view = memoryview(vnet.encode(message) + bytes(message.data))
    back = vnet.decode(view, len(view))
    for mark in ("partial", "start", "stuff", "gso", "mss", "hdr_len"):
        assert getattr(back, mark) == getattr(message, mark)
