"""The source-port hash: its fast form against the rule, its range, its symmetry."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kernel_sim.overlay.plugins.porthash import frame_hash, source_port

MAC = st.binary(min_size=6, max_size=6)
PROTOCOL = st.sampled_from([0, 1, 6, 17, 43, 44, 50, 51, 58, 60, 132])
PORT = st.integers(1, 65535)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Frames that are nearly right, at any length."""
    tag = draw(st.sampled_from([b"", b"\x81\x00\x00\x07"]))
    kind = draw(st.sampled_from([4, 6, 0]))
    rest = draw(st.binary(max_size=90))
    protocol = draw(PROTOCOL)
    if kind == 4:
        vihl = draw(st.sampled_from([0x45, 0x45, 0x46, 0x4F, 0x40]))
        frag = draw(st.sampled_from([0, 0x4000, 0x2000, 0x2001, 0x1FFF]))
        body = b"\x08\x00" + struct.pack(">BBHHHBB", vihl, 0, 20, 0x1234, frag, 64, protocol) + rest
    elif kind == 6:
        body = b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(rest), protocol, 64) + rest
    else:
        body = rest
    frame = draw(MAC) + draw(MAC) + tag + body
    return frame[: draw(st.integers(0, len(frame)))] if draw(st.booleans()) else frame


@pytest.mark.fact("KRN-I33")
@given(frames() | st.binary(max_size=120), st.integers(1, 65535))
@example(bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(14), 4789)
def test_the_port_is_the_bound_one_or_the_hash_above_49152(frame: bytes, bound: int) -> None:
    hashed = frame_hash(frame)
    assert 0 <= hashed <= 255
    for one in (frame, memoryview(frame), bytearray(frame)):
        assert source_port(one, bound) == (49152 + hashed if hashed else bound)


@pytest.mark.fact("KRN-I33")
@given(
    st.tuples(MAC, MAC),
    st.sampled_from([4, 6]),
    st.binary(min_size=32, max_size=32),
    st.tuples(PORT, PORT),
    st.sampled_from([6, 17, 132]),
    st.binary(max_size=40),
)
def test_both_directions_of_a_conversation_have_one_port(
    macs: tuple[bytes, bytes], version: int, ips: bytes, ports: tuple[int, int], protocol: int, data: bytes
) -> None:
    size = 4 if version == 4 else 16
    src, dst = ips[:size], ips[16 : 16 + size]

    def frame(*, swap: bool) -> bytes:
        one, two = (dst, src) if swap else (src, dst)
        if version == 4:
            network = b"\x08\x00" + struct.pack(">BBHHHBBH", 0x45, 0, 40, 1, 0, 64, protocol, 0)
        else:
            network = b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, 20, protocol, 64)
        ends = ports[::-1] if swap else ports
        return b"".join(macs[::-1] if swap else macs) + network + one + two + struct.pack(">HH", *ends) + data

    assert source_port(frame(swap=False), 4789) == source_port(frame(swap=True), 4789)
