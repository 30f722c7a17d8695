"""Reading is of this machine's own interfaces; what they are is not looked at, what is made of messages is."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator

import pytest

from kernel_sim.io.loop import Loop
from kernel_sim.io.netlink import Netlink
from kernel_sim.io.rtnl import Rtm

GROUP = 4711
MAC = bytes.fromhex("020000000001")


class FakeSocket:
    """Gives prepared datagrams; an int is an errno."""

    def __init__(self, netlink: Netlink, *script: bytes | int) -> None:
        self.script = list(script)
        self.dumps = 0
        self.real = netlink._sock

    def recv(self, _size: int) -> bytes:
        if not self.script:
            raise BlockingIOError
        step = self.script.pop(0)
        if isinstance(step, int):
            raise OSError(step, "failed")
        return step

    def send(self, _message: bytes) -> None:
        self.dumps += 1

    def fileno(self) -> int:
        return self.real.fileno()

    def close(self) -> None:
        self.real.close()


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(index: int, name: str, *, kind: int = Rtm.NEWLINK, arp: int = 1, group: int = 0, mtu: int = 1500) -> bytes:
    body = struct.pack("=BxHiII", 0, arp, index, 0x41, 0)
    body += attribute(3, name.encode() + b"\0") + attribute(1, MAC)
    body += attribute(4, struct.pack("=I", mtu)) + attribute(27, struct.pack("=I", group))
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


DONE = struct.pack("=IHHIIi", 20, Rtm.DONE, 2, 1, 0, 0)
ADDRESS_CHANGED = struct.pack("=IHHII", 16, 20, 0, 0, 0)


@pytest.fixture
def netlink() -> Iterator[Netlink]:
    loop = Loop()
    netlink = Netlink(loop, GROUP)
    netlink._links.clear()
    yield netlink
    netlink.close()
    loop.close()


def feed(netlink: Netlink, *script: bytes | int) -> FakeSocket:
    fake = FakeSocket(netlink, *script)
    netlink._sock = fake  # type: ignore[assignment]
    netlink._readable(1)
    return fake


def names(netlink: Netlink) -> list[str]:
    return [found.name for found in netlink.snapshot()]


def test_this_machines_links_can_be_read() -> None:
    loop = Loop()
    netlink = Netlink(loop, GROUP)
    indexes = [found.ifindex for found in netlink.snapshot()]
    assert indexes == sorted(indexes)
    netlink.close()
    loop.close()


def test_ethernet_interfaces_with_a_link_name_outside_the_group_are_physical_links(netlink: Netlink) -> None:
    feed(
        netlink,
        link(9, "net1", mtu=9000) + link(8, "net0"),
        link(2, "lo0", arp=772) + link(3, "vnic0", group=GROUP) + link(4, "nonumber") + link(5, "en-1"),
    )
    assert names(netlink) == ["net0", "net1"]
    assert netlink.snapshot()[1].mtu == 9000
    assert netlink.snapshot()[0].mac == MAC


@pytest.mark.parametrize("name", ["v01", "0a", "a b0", "x" * 32 + "1"])
def test_names_that_no_link_may_have_are_left_out(netlink: Netlink, name: str) -> None:
    feed(netlink, link(1, name))
    assert names(netlink) == []


def test_a_link_that_is_renamed_badly_joins_the_group_or_goes_is_forgotten(netlink: Netlink) -> None:
    for last in (link(8, "nonumber"), link(8, "net0", group=GROUP), link(8, "net0", kind=Rtm.DELLINK)):
        feed(netlink, link(8, "net0"))
        assert names(netlink) == ["net0"]
        feed(netlink, last)
        assert names(netlink) == []


def test_subscribers_hear_of_changes_of_links_only_and_once_a_batch(netlink: Netlink) -> None:
    heard: list[str] = []
    netlink.subscribe(lambda: heard.append("links"))
    netlink.subscribe_paths(lambda: heard.append("paths"))
    feed(netlink, link(8, "net0"), link(9, "net1"))
    assert heard == ["links", "paths"]
    feed(netlink, link(8, "net0"), ADDRESS_CHANGED)
    assert heard == ["links", "paths", "paths"]


def test_a_tap_that_gets_its_group_within_the_batch_is_never_seen(netlink: Netlink) -> None:
    heard: list[str] = []
    netlink.subscribe(lambda: heard.append("links"))
    feed(netlink, link(8, "vnic0"), link(8, "vnic0", group=GROUP))
    assert heard == []


def test_when_notifications_are_lost_all_links_are_read_again(netlink: Netlink) -> None:
    feed(netlink, link(8, "net0"), link(9, "net1"))
    fake = feed(netlink, errno.ENOBUFS, link(9, "net1") + link(10, "net2"), DONE)
    assert fake.dumps == 1
    assert names(netlink) == ["net1", "net2"]


def test_a_change_while_all_links_are_read_counts(netlink: Netlink) -> None:
    feed(netlink, errno.ENOBUFS, link(8, "net0"), link(8, "net0", kind=Rtm.DELLINK), link(9, "net1"), DONE)
    assert names(netlink) == ["net1"]


def test_a_loss_while_all_links_are_read_makes_it_read_once_more(netlink: Netlink) -> None:
    fake = feed(netlink, errno.ENOBUFS, errno.ENOBUFS, link(8, "net0"), DONE, link(9, "net1"), DONE)
    assert fake.dumps == 2
    assert names(netlink) == ["net1"]


def test_other_errors_are_not_swallowed(netlink: Netlink) -> None:
    with pytest.raises(OSError, match="failed"):
        feed(netlink, errno.EBADF)
