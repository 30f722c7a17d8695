"""Captures of links: what is seen, which way, what is lost, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etherspan.testing.host import ROOT, Answer, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork
from kernel_sim.capture import BACKLOG_BYTES
from kernel_sim.cred import Credentials
from kernel_sim.devfs.snoop import OpenSnoop, SnoopNode
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.snoop import SNOOP_IOC_ATTACH, SNOOP_IOC_READ, Attach, Record, Way, pack_batch, unpack_batch

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
GROUP = b"\xff" * 6


def frame(dst: bytes, src: bytes, text: bytes = b"") -> bytes:
    return dst + src + b"\x88\xb5" + text.ljust(46, b"\0")


class Two:
    """Two hosts with a VNIC each."""

    def __init__(self) -> None:
        self.clock = MemoryClock()
        network = MemoryNetwork(self.clock)
        self.one, self.two = (MemoryHost(self.clock, network, f"10.0.0.{n}") for n in (1, 2))
        self.link = self.one.create_overlay("demo0", 23, to="10.0.0.2")
        self.a = self.one.create_vnic("vnic0", self.link, A)
        self.b = self.two.create_vnic("vnic0", self.two.create_overlay("demo0", 23, to="10.0.0.1"), B)

    def open(self, name: str, snaplen: int = 65535) -> OpenSnoop:
        opened = SnoopNode(self.one.kernel).open(1, ROOT)
        assert ioctl(opened, SNOOP_IOC_ATTACH, Attach(name, snaplen).pack()).errno == 0
        return opened


def ioctl(opened: OpenSnoop, cmd: int, argument: bytes = b"") -> Answer:
    answer = Answer()
    opened.ioctl(cmd, argument, answer)
    return answer


def read(opened: OpenSnoop) -> list[Record]:
    return unpack_batch(ioctl(opened, SNOOP_IOC_READ).result())[1]


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


@pytest.mark.parametrize("link", ["vnic0", "demo0"])
def test_frames_of_both_ways_are_seen_and_still_arrive(link: str) -> None:
    two = Two()
    opened = two.open(link)
    two.a.send(frame(B, A, b"to"))
    two.clock.advance(0.5)
    two.b.send(frame(A, B, b"fro"), frame(GROUP, B, b"all"))
    two.clock.run()
    records = read(opened)
    assert [(one.data, one.way, one.reason) for one in records] == [
        (frame(B, A, b"to"), Way.OUT, ""),
        (frame(A, B, b"fro"), Way.IN, ""),
        (frame(GROUP, B, b"all"), Way.IN, ""),
    ]
    assert records[1].time - records[0].time == 500_000_000
    assert two.b.take() == [frame(B, A, b"to")]
    assert two.a.take() == [frame(A, B, b"fro"), frame(GROUP, B, b"all")]


def test_a_read_waits_for_the_first_frame() -> None:
    two = Two()
    opened = two.open("vnic0")
    waiting = ioctl(opened, SNOOP_IOC_READ)
    assert not waiting.replied
    assert ioctl(opened, SNOOP_IOC_READ).errno == Errno.EBUSY
    two.a.send(frame(B, A))
    assert [one.data for one in unpack_batch(waiting.result())[1]] == [frame(B, A)]


def test_frames_are_cut_to_the_snaplen_and_keep_their_size() -> None:
    two = Two()
    opened = two.open("vnic0", 20)
    two.a.send(frame(B, A))
    (record,) = read(opened)
    assert (record.data, record.size) == (frame(B, A)[:20], 60)


def test_a_dropped_frame_is_seen_with_its_reason() -> None:
    two = Two()
    opened = two.open("demo0")
    two.one.underlay.send_errno = Errno.ENOBUFS
    two.a.send(frame(B, A))
    assert [(one.reason, one.way) for one in read(opened)] == [("", Way.OUT), ("tx_would_block", Way.OUT)]
    before = two.one.kernel.watch.observer
    assert before is not None
    opened.close()
    assert two.one.kernel.watch.observer is None


def test_what_finds_no_room_is_counted() -> None:
    two = Two()
    opened = two.open("vnic0")
    for _ in range(BACKLOG_BYTES // 1434 + 100):
        two.a.send(frame(B, A, bytes(1400)))
    lost, records = unpack_batch(ioctl(opened, SNOOP_IOC_READ).result())
    assert lost > 50
    assert len(records) > 50
    assert unpack_batch(ioctl(opened, SNOOP_IOC_READ).result())[0] == 0


def test_nothing_goes_the_compiled_way_while_somebody_looks() -> None:
    two = Two()
    client = two.one.kernel.links.mac(two.a.linkid).lower
    assert client is not None
    assert client.receive_path() is not None
    for link in ("vnic0", "demo0"):
        opened = two.open(link)
        mac = two.one.kernel.links.mac(two.link)
        assert mac.receive_path(A) is None
        opened.close()
        assert mac.receive_path(A) is not None


def test_a_link_that_goes_takes_its_capture_along() -> None:
    two = Two()
    opened = two.open("vnic0")
    two.one.delete_vnic(two.a.linkid)
    opened.close()
    two.one.delete_overlay(two.link)
    assert two.one.kernel.captures.close_all() is None


def test_an_overlay_that_is_looked_at_is_busy() -> None:
    two = Two()
    opened = two.open("demo0")
    two.one.delete_vnic(two.a.linkid)
    assert errno_of(lambda: two.one.delete_overlay(two.link)) == Errno.EBUSY
    opened.close()
    two.one.delete_overlay(two.link)


def test_who_may_not_and_what_is_not() -> None:
    two = Two()
    node = SnoopNode(two.one.kernel)
    assert errno_of(lambda: node.open(1, Credentials(1000, privileged=False))) == Errno.EPERM
    opened = node.open(1, ROOT)
    assert ioctl(opened, SNOOP_IOC_READ).errno == Errno.ENXIO
    assert ioctl(opened, 1).errno == Errno.ENOTTY
    assert ioctl(opened, SNOOP_IOC_ATTACH, b"abc").errno == Errno.EFAULT
    assert ioctl(opened, SNOOP_IOC_ATTACH, Attach("nolink0").pack()).errno == Errno.ENOENT
    assert ioctl(opened, SNOOP_IOC_ATTACH, Attach("vnic0", 0).pack()).errno == Errno.EINVAL
    assert ioctl(opened, SNOOP_IOC_ATTACH, b"\xff\xff\0\0\xff").errno == Errno.EINVAL
    assert ioctl(opened, SNOOP_IOC_ATTACH, Attach("vnic0").pack()).errno == 0
    assert ioctl(opened, SNOOP_IOC_ATTACH, Attach("vnic0").pack()).errno == Errno.EBUSY


def test_batches_that_are_none() -> None:
    good = pack_batch([Record(1, 60, b"abc", Way.IN, "why").pack()], 3)
    assert unpack_batch(good) == (3, [Record(1, 60, b"abc", Way.IN, "why")])
    for size in (0, 7, 9, len(good) - 1):
        assert errno_of(lambda size=size: unpack_batch(good[:size])) == Errno.EPROTO  # type: ignore[misc]
