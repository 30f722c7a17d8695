"""The VXLAN header codec, and the mask and shift that the receive path does instead."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_sim.sys import vxlan

VNI = st.integers(0, vxlan.VXLAN_ID_MAX)
HEADER = st.binary(min_size=8, max_size=8)
WORDS = struct.Struct("!II")


@pytest.mark.fact("KRN-I2")
@given(VNI)
def test_a_built_header_is_the_i_flag_and_the_id_and_zeros(vnetid: int) -> None:
    assert vxlan.build(vnetid) == b"\x08\0\0\0" + vnetid.to_bytes(3, "big") + b"\0"


@given(VNI, st.binary(max_size=64))
def test_parsing_what_was_built_gives_the_same_id_whatever_follows(vnetid: int, frame: bytes) -> None:
    found = vxlan.parse(vxlan.build(vnetid) + frame)
    assert found == vxlan.VxlanInfo(vnetid)
    assert found.valid


@given(HEADER)
def test_every_bit_of_a_header_survives_parsing(header: bytes) -> None:
    found = vxlan.parse(header)
    again = vxlan.VxlanHeader.build(
        {
            "flags": found.flags,
            "reserved1": found.reserved1,
            "vnetid": found.vnetid,
            "reserved2": found.reserved2,
        }
    )
    assert again == header


@given(HEADER, st.integers(0, 63))
def test_mask_and_shift_of_the_two_words_says_what_the_declaration_says(header: bytes, bit: int) -> None:
    flipped = (int.from_bytes(header, "big") ^ 1 << bit).to_bytes(8, "big")
    for one in (header, flipped):
        first, second = WORDS.unpack(one)
        found = vxlan.parse(one)
        assert bool(first & vxlan.VXLAN_F_VDI) is found.valid
        assert second >> vxlan.VXLAN_VNI_SHIFT == found.vnetid


@given(st.binary(max_size=7))
def test_fewer_than_eight_bytes_are_no_header(datagram: bytes) -> None:
    with pytest.raises(ValueError, match="takes 8 bytes"):
        vxlan.parse(datagram)


@pytest.mark.parametrize("vnetid", [-1, 2**24])
def test_an_id_outside_24_bits_is_refused(vnetid: int) -> None:
    with pytest.raises(ValueError, match=str(vnetid)):
        vxlan.build(vnetid)
