from __future__ import annotations

import struct

from kernel_sim.io import rtnl
from kernel_sim.io.rtnl import Link, Rtm


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link_message(
    *attributes: bytes, kind: int = Rtm.NEWLINK, family: int = 0, arp: int = 1, index: int = 7, flags: int = 0x41
) -> bytes:
    body = struct.pack("=BxHiII", family, arp, index, flags, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body + bytes(-len(body) % 4)


NET0 = (
    attribute(3, b"net0\0"),
    attribute(1, bytes.fromhex("020000000001")),
    attribute(4, struct.pack("=I", 1500)),
    attribute(27, struct.pack("=I", 42)),
    attribute(99, b"not of interest"),
)


def parsed(message: bytes) -> Link | None:
    [(_, payload)] = rtnl.messages(message)
    return rtnl.parse_link(payload)


def test_a_link_message_gives_name_address_mtu_group_and_state() -> None:
    assert parsed(link_message(*NET0)) == Link(7, 1, "net0", bytes.fromhex("020000000001"), 1500, 42, up=True)


def test_a_link_is_up_when_it_is_administratively_and_operationally() -> None:
    for flags in (0x1, 0x40, 0):
        link = parsed(link_message(*NET0, flags=flags))
        assert link is not None
        assert not link.up


def test_a_message_about_a_bridge_port_is_about_no_link() -> None:
    assert parsed(link_message(*NET0, family=7)) is None


def test_several_messages_of_one_datagram_are_all_read() -> None:
    datagram = link_message(attribute(3, b"odd\0")) + link_message(kind=Rtm.DELLINK, index=8)
    kinds = [(kind, rtnl.parse_link(payload)) for kind, payload in rtnl.messages(datagram)]
    assert [kind for kind, _ in kinds] == [Rtm.NEWLINK, Rtm.DELLINK]
    assert kinds[1][1] is not None
    assert kinds[1][1].ifindex == 8


def test_cut_messages_and_attributes_end_the_reading_without_error() -> None:
    whole = link_message(*NET0)
    for end in range(len(whole)):
        assert list(rtnl.messages(whole[:end])) == []
    for end in range(16, len(whole)):
        rtnl.parse_link(memoryview(whole)[16:end])
    zero_length = struct.pack("=IHHII", 0, Rtm.NEWLINK, 0, 0, 0)
    assert list(rtnl.messages(zero_length)) == []
    assert parsed(link_message(struct.pack("=HH", 0, 3))) is not None


def test_the_dump_request_is_one_message() -> None:
    [(kind, payload)] = rtnl.messages(rtnl.dump_request(5))
    assert kind == Rtm.GETLINK
    assert len(payload) == 16
