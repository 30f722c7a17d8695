"""VLAN tags of messages (KRN 6.8): which id a frame has, putting a tag in, taking it out."""

from __future__ import annotations

from typing import Final

from kernel_sim.sys.ethernet import ETHERTYPE_VLAN, VLAN_HDR_LEN, VLAN_ID_MASK, VLAN_TAG_LEN
from kernel_sim.sys.message import Buffer, Message

VID_NONE: Final = 0
"""Untagged; priority-tagged frames have this id, too (KRN 6.2)."""
TAG_OFFSET: Final = 12
"""Bytes before the tag: the two addresses."""

_TPID: Final = ETHERTYPE_VLAN.to_bytes(2, "big")


def tag_bytes(vid: int) -> bytes:
    """The four bytes of a tag with priority 0 and CFI 0 (KRN-I30)."""
    return _TPID + vid.to_bytes(2, "big")


def is_tagged(data: Buffer) -> bool:
    """True when the type field says so, whether or not the rest of the tag is there."""
    return data[TAG_OFFSET : TAG_OFFSET + 2] == _TPID


def frame_vid(data: Buffer) -> int:
    """The VLAN id of a frame; -1 when a tag is cut short. An untagged frame has 0."""
    if not is_tagged(data):
        return VID_NONE
    if len(data) < VLAN_HDR_LEN:
        return -1
    return (data[14] << 8 | data[15]) & VLAN_ID_MASK


def insert_tag(message: Message, tag: bytes) -> Message:
    """The message with a tag behind its addresses. It must have at least an Ethernet header."""
    data = message.data
    return message.with_data(b"".join((data[:TAG_OFFSET], tag, data[TAG_OFFSET:])), shift=VLAN_TAG_LEN)


def strip_tag(message: Message) -> Message:
    """The message without its tag. It must be tagged."""
    data = message.data
    return message.with_data(b"".join((data[:TAG_OFFSET], data[TAG_OFFSET + VLAN_TAG_LEN :])), shift=-VLAN_TAG_LEN)
