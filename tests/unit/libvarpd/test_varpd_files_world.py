"""`files` overlays in memory: from dladm's calls and a VNIC's frames to the kernel's cache, through the door, the workers and the file."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from etherspan.testing.frames import BROADCAST, ethernet, udp
from etherspan.testing.varpd import VarpdWorld, varpd_world
from kernel_sim.sys.codec import CacheEntry, OverlayLink, OverlayStatus, Point
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ETHERTYPE_ARP, ZERO_MAC
from kernel_sim.sys.overlay import OVERLAY_IOC_ACTIVATE, OVERLAY_IOC_STATUS
from kernel_sim.sys.overlay_common import Dest
from libvarpd.client import Client
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList
from libvarpd.plugin import Provider
from libvarpd.plugins.files import Files
from libvarpd.prop import V4_MAPPED
from libvarpd.state import StateRecord

PATH = "/etc/overlays/map.json"
US, PEER, OTHER, STRANGER = (bytes([2, 0, 0, 0, 0, last]) for last in (1, 2, 3, 9))


class Reader:
    """A provider whose files are those of the test."""

    def __init__(self, provider: Provider, files: dict[str, bytes]) -> None:
        self._provider = provider
        self._files = files

    def read_file(self, path: str) -> bytes:
        if path not in self._files:
            raise VarpdError(Errno.ENOENT, f"{path}: No such file or directory")
        return self._files[path]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)


class MemoryFiles(Files):
    """`files` over a dictionary."""

    files: ClassVar[dict[str, bytes]] = {}

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> MemoryFiles:
        return super().create(Reader(provider, cls.files), dest)  # type: ignore[arg-type]

    @classmethod
    def restore(cls, provider: Provider, dest: Dest, saved: NvList) -> MemoryFiles:
        return super().restore(Reader(provider, cls.files), dest, saved)  # type: ignore[arg-type]


@pytest.fixture
def disk() -> Iterator[dict[str, bytes]]:
    """The host's files."""
    yield MemoryFiles.files
    MemoryFiles.files.clear()


@pytest.fixture
def world(disk: dict[str, bytes], log: Any) -> Iterator[VarpdWorld]:
    with varpd_world(MemoryFiles, log=log) as made:
        yield made


def entry(last: int, **more: Any) -> dict[str, Any]:
    return {"ip": f"192.0.2.{last}", "port": 4789, "arp": f"10.1.0.{last}", **more}


def to(last: int) -> Point:
    return Point(ip=V4_MAPPED + bytes([192, 0, 2, last]), port=4789)


def write(disk: dict[str, bytes], **hosts: dict[str, Any]) -> None:
    disk[PATH] = json.dumps({f"2:0:0:0:0:{name[1:]}": fields for name, fields in hosts.items()}).encode()


def create(world: VarpdWorld, path: str | None = PATH) -> tuple[int, int]:
    """Link id and instance id of an overlay that is not active yet."""
    linkid = world.host.create_overlay("demo0", 23, to=None)
    with Client.create(world) as client:
        instance = client.instance_create(linkid, "files")
    if path is not None:
        world.run(world.varpd.prop_set(instance, 1, path.encode() + b"\0"))
    return linkid, instance


@pytest.fixture
def overlay(world: VarpdWorld, disk: dict[str, bytes]) -> tuple[int, int]:
    """An active overlay over hosts 1, 2 and 3, with workers that answer its questions."""
    write(disk, h1=entry(1), h2=entry(2, **{"dhcp-proxy": "2:0:0:0:0:3"}), h3=entry(3))
    linkid, instance = create(world)
    with Client.create(world) as client:
        client.instance_activate(instance)
    world.host.dld(OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))
    answer_questions(world)
    return linkid, instance


def answer_questions(world: VarpdWorld) -> None:
    async def run() -> None:
        world.varpd.lookup_run(2)

    world.run(run())


def turn(world: VarpdWorld) -> None:
    """Let everything happen that is due."""
    for _ in range(40):
        world.wait(0)


def cache(world: VarpdWorld, instance: int) -> list[CacheEntry]:
    with Client.create(world) as client:
        return list(client.instance_cache_walk(instance))


def status(world: VarpdWorld, linkid: int) -> tuple[int, str]:
    found = OverlayStatus.unpack(world.host.dld(OVERLAY_IOC_STATUS, OverlayStatus(linkid)))
    return found.status, found.message


def packet_to(mac: bytes) -> bytes:
    return ethernet(mac, US, udp("10.1.0.1", "10.1.0.2", 1000, 2000, b"hello"))


def test_a_known_mac_address_gets_into_the_kernels_cache_and_an_unknown_one_does_not(
    world: VarpdWorld, overlay: tuple[int, int]
) -> None:
    port = world.host.create_vnic("vnic0", overlay[0], US)
    for mac in (PEER, STRANGER, OTHER):
        port.send(packet_to(mac))
    turn(world)
    assert cache(world, overlay[1]) == [CacheEntry(PEER, point=to(2)), CacheEntry(OTHER, point=to(3))]
    assert world.host.drops("demo0") == {"tx_lookup_drop": 1}


@pytest.mark.fact("VPD-Q15")
def test_no_stale_mac_address_shows_in_the_cache(world: VarpdWorld, overlay: tuple[int, int]) -> None:
    world.host.create_vnic("vnic0", overlay[0], US).send(packet_to(PEER))
    turn(world)
    assert [one.point.mac for one in cache(world, overlay[1])] == [ZERO_MAC]


def test_arp_is_answered_from_the_file_and_leaves_nothing_in_the_cache(
    world: VarpdWorld, overlay: tuple[int, int]
) -> None:
    port = world.host.create_vnic("vnic0", overlay[0], US)
    asked = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, US, bytes([10, 1, 0, 1]), ZERO_MAC, bytes([10, 1, 0, 3]))
    port.send(ethernet(BROADCAST, US, asked, ethertype=ETHERTYPE_ARP))
    turn(world)
    told = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 2, OTHER, bytes([10, 1, 0, 3]), US, bytes([10, 1, 0, 1]))
    assert port.take() == [ethernet(US, OTHER, told, ethertype=ETHERTYPE_ARP)]
    assert cache(world, overlay[1]) == []


def test_a_dhcp_broadcast_is_sent_to_the_server_of_its_sender(world: VarpdWorld, overlay: tuple[int, int]) -> None:
    for name, mac, found in (("vnic0", US, []), ("vnic1", PEER, [CacheEntry(OTHER, point=to(3))])):
        frame = ethernet(BROADCAST, mac, udp("0.0.0.0", "255.255.255.255", 68, 67, bytes(300)))
        world.host.create_vnic(name, overlay[0], mac).send(frame)
        turn(world)
        assert cache(world, overlay[1]) == found


def test_a_refresh_takes_what_moved_out_of_the_cache_and_leaves_the_rest(
    world: VarpdWorld, overlay: tuple[int, int], disk: dict[str, bytes]
) -> None:
    port = world.host.create_vnic("vnic0", overlay[0], US)
    port.send(packet_to(PEER))
    port.send(packet_to(OTHER))
    turn(world)
    write(disk, h2=entry(7), h3=entry(3))
    refresh(world)
    assert cache(world, overlay[1]) == [CacheEntry(OTHER, point=to(3))]
    port.send(packet_to(PEER))
    turn(world)
    assert cache(world, overlay[1]) == [CacheEntry(PEER, point=to(7)), CacheEntry(OTHER, point=to(3))]


def refresh(world: VarpdWorld) -> None:
    async def run() -> None:
        world.varpd.refresh()

    world.run(run())
    turn(world)


def test_a_bad_file_degrades_the_overlay_with_the_reason_until_it_is_good_again(
    world: VarpdWorld, overlay: tuple[int, int], disk: dict[str, bytes], log: Any
) -> None:
    port = world.host.create_vnic("vnic0", overlay[0], US)
    good = disk[PATH]
    disk[PATH] = b'{\n "2:0:0:0:0:2": {"ip": "192.0.2.2", "port": 4789.5}}'
    refresh(world)
    degraded, reason = status(world, overlay[0])
    assert degraded == 1
    assert reason.startswith(f"{PATH}: line 2, column 45: 2:0:0:0:0:2.port: 4789.5 is a fraction")
    assert [event["instance"] for event in log.named("refresh failed")] == [overlay[1]]
    assert reason in log.named("refresh failed")[0]["reason"]
    port.send(packet_to(PEER))
    turn(world)
    assert cache(world, overlay[1]) == [CacheEntry(PEER, point=to(2))]
    disk[PATH] = good
    refresh(world)
    assert status(world, overlay[0]) == (0, "")
    assert cache(world, overlay[1]) == [CacheEntry(PEER, point=to(2))]


@pytest.mark.fact("VPD-B15", "VPD-B18", "VPD-B20", "VPD-B21")
def test_what_keeps_the_file_from_being_read_is_what_the_client_is_told(
    world: VarpdWorld, disk: dict[str, bytes]
) -> None:
    _, instance = create(world, path=None)
    client = Client.create(world)

    def activation() -> Errno:
        with pytest.raises(KernelError) as refused:
            client.instance_activate(instance)
        assert world.store.files == {}
        return refused.value.errno

    assert activation() is Errno.EAGAIN
    world.run(world.varpd.prop_set(instance, 1, PATH.encode() + b"\0"))
    assert activation() is Errno.ENOENT
    for text, errno in (
        (b"{", Errno.EPROTO),
        (b"[]", Errno.EINVAL),
        (b'{"2:0:0:0:0:1": {"port": 1e3}}', Errno.ENOTSUP),
    ):
        disk[PATH] = text
        assert activation() is errno
    disk[PATH] = b"{}"
    client.instance_activate(instance)
    client.destroy()
    assert len(world.store.files) == 1


def test_the_next_daemon_reads_the_file_afresh(
    world: VarpdWorld, overlay: tuple[int, int], disk: dict[str, bytes]
) -> None:
    [data] = world.store.files.values()
    assert StateRecord.decode(data).plugin == "files"
    write(disk, h2=entry(8))
    world.restart()
    answer_questions(world)
    world.host.create_vnic("vnic0", overlay[0], US).send(packet_to(PEER))
    turn(world)
    assert cache(world, overlay[1]) == [CacheEntry(PEER, point=to(8))]


def test_every_daemon_that_finds_the_file_broken_degrades_the_overlay_until_one_finds_it_good(
    world: VarpdWorld, overlay: tuple[int, int], disk: dict[str, bytes]
) -> None:
    linkid, _ = overlay
    good, disk[PATH] = disk[PATH], b'{"zz": {}}'
    for _ in range(2):
        world.restart()
        turn(world)
        code, reason = status(world, linkid)
        assert code == 1
        assert reason.startswith(PATH)
    disk[PATH] = good
    world.restart()
    turn(world)
    assert status(world, linkid) == (0, "")
    assert len(world.store.files) == 1


@pytest.mark.fact("VPD-I31", "VPD-B43")
def test_the_path_goes_through_the_door_unchanged(world: VarpdWorld) -> None:
    _, instance = create(world)
    with Client.create(world) as client:
        prop = client.prop_handle_alloc(instance)
        prop.info_fill_by_name("files/config")
        prop.set(b"/etc/other.json\0")
        assert prop.get() == b"/etc/other.json\0"
        with pytest.raises(KernelError) as refused:
            world.run(world.varpd.prop_set(instance, 1, b""))
        assert refused.value.errno is Errno.EINVAL
        assert prop.get() == b"/etc/other.json\0"
