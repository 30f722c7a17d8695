"""What plugins ask of libvarpd: entries and announcements, in the order they were asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import Point, TargCache, TargDegrade, TargPkt
from kernel_sim.sys.errno import Errno, KernelError
from libvarpd.errors import VarpdError
from libvarpd.hostfiles import NoFiles
from libvarpd.overlay import Overlay
from libvarpd.prop import V4_MAPPED
from libvarpd.upcalls import CommonObjects, InstanceProvider, Upcalls

LINK = 7
MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
TO = Point(ip=V4_MAPPED + bytes([10, 0, 0, 9]), port=4789)


class Kernel:
    """Takes ioctls; those of `slow` are answered last."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bytes]] = []
        self.refuse: dict[int, Errno] = {}

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        self.calls.append((cmd, argument))
        await asyncio.sleep(0)
        if cmd in self.refuse:
            raise KernelError(self.refuse[cmd])
        return argument

    def close(self) -> None: ...


def play(act: Callable[[InstanceProvider], object], log: Any, **refuse: Errno) -> tuple[Kernel, list[bytes]]:
    """What the kernel was asked, and which MAC addresses changed."""
    kernel, changed = Kernel(), []
    kernel.refuse = {getattr(targ, f"OVERLAY_TARG_{name}"): errno for name, errno in refuse.items()}

    async def run() -> None:
        upcalls = Upcalls(log)
        provider = InstanceProvider(Overlay(kernel), upcalls, NoFiles(), CommonObjects(), LINK, 23)
        provider.changed = changed.append
        act(provider)
        assert kernel.calls == [], "it waited"
        await upcalls.settle()

    asyncio.run(run())
    return kernel, changed


def test_an_answer_is_put_into_the_cache_and_taken_out(log: Any) -> None:
    def act(provider: InstanceProvider) -> None:
        provider.inject_varp(MAC, TO)
        provider.inject_varp(OTHER, None)

    kernel, changed = play(act, log)
    assert changed == [MAC, OTHER]
    assert [cmd for cmd, _ in kernel.calls] == [targ.OVERLAY_TARG_CACHE_SET, targ.OVERLAY_TARG_CACHE_REMOVE]
    first, second = (TargCache.unpack(argument) for _, argument in kernel.calls)
    assert (first.linkid, first.entry.mac, first.entry.flags, first.entry.point) == (LINK, MAC, 0, TO)
    assert (second.linkid, second.entry.mac) == (LINK, OTHER)


@pytest.mark.parametrize(("vlan", "size"), [(0, 42), (7, 46)])
def test_an_announcement_is_injected_by_link(vlan: int, size: int, log: Any) -> None:
    kernel, _ = play(lambda provider: provider.inject_arp(vlan, MAC, bytes([10, 1, 0, 1]), OTHER), log)
    ((cmd, argument),) = kernel.calls
    sent = TargPkt.unpack(argument)
    assert (cmd, sent.linkid, sent.size) == (targ.OVERLAY_TARG_INJECT, LINK, size)
    assert sent.data[:12] == OTHER + MAC


def test_upcalls_reach_the_kernel_in_the_order_they_were_made(log: Any) -> None:
    def act(provider: InstanceProvider) -> None:
        provider.degrade("one")
        provider.inject_varp(MAC, None)
        provider.inject_arp(0, MAC, bytes(4), OTHER)
        provider.inject_varp(MAC, TO)
        provider.degrade("two")
        provider.restore()

    kernel, _ = play(act, log)
    assert [cmd for cmd, _ in kernel.calls] == [
        targ.OVERLAY_TARG_DEGRADE,
        targ.OVERLAY_TARG_CACHE_REMOVE,
        targ.OVERLAY_TARG_INJECT,
        targ.OVERLAY_TARG_CACHE_SET,
        targ.OVERLAY_TARG_DEGRADE,
        targ.OVERLAY_TARG_RESTORE,
    ]
    assert TargDegrade.unpack(kernel.calls[4][1]).message == "two"


@pytest.mark.parametrize(
    "act",
    [
        lambda provider: provider.inject_varp(b"short", TO),
        lambda provider: provider.inject_varp(b"short", None),
        lambda provider: provider.inject_varp(MAC, Point(ip=bytes(4), port=1)),
        lambda provider: provider.inject_varp(MAC, Point(port=65536)),
        lambda provider: provider.inject_arp(4096, MAC, bytes(4), OTHER),
        lambda provider: provider.inject_arp(0, MAC, bytes(16), OTHER),
    ],
)
def test_what_no_ioctl_can_say_is_invalid_at_once_and_changes_nothing(
    act: Callable[[InstanceProvider], None], log: Any
) -> None:
    def refused(provider: InstanceProvider) -> None:
        with pytest.raises(KernelError) as error:
            act(provider)
        assert error.value.errno is Errno.EINVAL

    kernel, changed = play(refused, log)
    assert (kernel.calls, changed, log.events) == ([], [], [])


def test_a_reason_that_is_no_text_is_the_plugins_fault_at_once(log: Any) -> None:
    def act(provider: InstanceProvider) -> None:
        with contextlib.suppress(AttributeError):
            provider.degrade(ValueError("not a text"))  # type: ignore[arg-type]
            pytest.fail("taken")

    assert play(act, log)[0].calls == []


def test_a_refusal_is_logged_but_that_there_is_none_such(log: Any) -> None:
    def act(provider: InstanceProvider) -> None:
        provider.inject_varp(MAC, None)
        provider.inject_varp(MAC, TO)

    play(act, log, CACHE_REMOVE=Errno.ENOENT, CACHE_SET=Errno.ENXIO)
    assert log.named("upcall refused") == [
        {"operation": "inject_varp", "linkid": LINK, "reason": "No such device or address"}
    ]


def test_a_provider_tells_the_network_and_reads_files(log: Any) -> None:
    def act(provider: InstanceProvider) -> None:
        assert provider.vnetid == 23
        with pytest.raises(VarpdError) as refused:
            provider.read_file("/etc/map.json")
        assert refused.value.errno is Errno.ENOENT

    play(act, log)
