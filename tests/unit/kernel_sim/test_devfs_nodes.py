from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPorts, MemoryRandom
from kernel_sim.dev import framing, paths
from kernel_sim.dev.client import Device, LocalSystem
from kernel_sim.devfs.nodes import DeviceNodes
from kernel_sim.io.loop import Loop
from kernel_sim.kernel import Kernel
from kernel_sim.overlay.plugins.vxlan import PLUGIN
from kernel_sim.sys import dld, es, overlay, overlay_target
from kernel_sim.sys.codec import (
    EsNameSet,
    KstatChain,
    KstatEntry,
    KstatHeader,
    OverlayCreate,
    OverlayLink,
    OverlayNprops,
)
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import KSTAT_IOC_CHAIN, KSTAT_IOC_READ, KSTAT_IOC_WALK, unpack_entries


@pytest.fixture
def system(tmp_path: Path) -> Iterator[LocalSystem]:
    """A kernel in memory behind real nodes, on a loop of its own."""
    (tmp_path / "dev").mkdir()
    loop = Loop()
    kernel = Kernel(
        clock=loop,
        random=MemoryRandom(),
        underlay=MemoryNetwork(MemoryClock()).underlay("10.0.0.1"),
        ports=MemoryPorts(),
        encap_plugins=[PLUGIN],
    )
    nodes = DeviceNodes(loop, tmp_path, kernel)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield LocalSystem(tmp_path)
    loop.stop()
    thread.join()
    nodes.close()
    kernel.close()
    loop.close()
    assert not [one for one in (tmp_path / "dev").rglob("*") if not one.is_dir()]


WRITER = framing.FREAD | framing.FWRITE | framing.FEXCL


@pytest.mark.parametrize(("path", "mode"), [(paths.DLD, 0o666), (paths.OVERLAY, 0o600), (paths.KSTAT, 0o666)])
def test_each_node_has_its_permissions(system: LocalSystem, path: str, mode: int) -> None:
    found = (system.root / path).stat().st_mode
    assert stat.S_ISSOCK(found)
    assert stat.S_IMODE(found) == mode


def test_the_control_node_creates_an_overlay(system: LocalSystem) -> None:
    with Device.open(system, paths.DLD) as node:
        node.ioctl(es.ES_NAME_SET, EsNameSet(1, dld.DatalinkClass.OVERLAY, 1, "demo0").pack())
        node.ioctl(overlay.OVERLAY_IOC_CREATE, OverlayCreate(1, 23, "vxlan").pack())
        answer = OverlayNprops.unpack(node.ioctl(overlay.OVERLAY_IOC_NPROPS, OverlayNprops(1).pack()))
        assert answer.nprops == 6
        with pytest.raises(KernelError) as caught:
            node.ioctl(0x12345678)
        assert caught.value.errno == Errno.ENOTSUP


def eventually_opens(system: LocalSystem) -> None:
    """The close of one writer makes another possible, as soon as the kernel has seen it."""
    for _ in range(1000):
        try:
            Device.open(system, paths.OVERLAY, WRITER).close()
        except KernelError as error:
            assert error.errno == Errno.EEXIST
        else:
            return
    pytest.fail("the writer that has closed still excludes others")


@pytest.mark.fact("KRN-I20")
def test_one_writer_at_a_time_opens_the_overlay_node(system: LocalSystem) -> None:
    with Device.open(system, paths.OVERLAY, WRITER) as node:
        with pytest.raises(KernelError) as caught:
            Device.open(system, paths.OVERLAY, WRITER)
        assert caught.value.errno == Errno.EEXIST
        with pytest.raises(KernelError) as caught:
            node.ioctl(overlay_target.OVERLAY_TARG_IOCTL | 0xFF)
        assert caught.value.errno == Errno.ENOTTY
    eventually_opens(system)


def test_statistics_are_listed_in_pages_and_read_by_name(system: LocalSystem) -> None:
    with Device.open(system, paths.DLD) as node:
        node.ioctl(es.ES_NAME_SET, EsNameSet(1, dld.DatalinkClass.OVERLAY, 1, "demo0").pack())
        node.ioctl(overlay.OVERLAY_IOC_CREATE, OverlayCreate(1, 23, "vxlan").pack())
    with Device.open(system, paths.KSTAT, framing.FREAD) as node:
        page = KstatChain.unpack(node.ioctl(KSTAT_IOC_CHAIN, KstatChain().pack()))
        assert page.total == len(page.headers) > 1
        rest = KstatChain.unpack(node.ioctl(KSTAT_IOC_CHAIN, KstatChain(start=1).pack()))
        assert rest.headers == page.headers[1:]
        for header in page.headers:
            found = KstatEntry.unpack(node.ioctl(KSTAT_IOC_READ, KstatEntry(*_name(header)).pack()))
            assert found.header == header
            assert found.stats


def test_a_walk_gives_every_set_with_its_times_and_then_begins_again(system: LocalSystem) -> None:
    with Device.open(system, paths.DLD) as node:
        for linkid in range(1, 80):  # more than one answer holds
            node.ioctl(es.ES_NAME_SET, EsNameSet(linkid, dld.DatalinkClass.OVERLAY, 1, f"demo{linkid}").pack())
            node.ioctl(overlay.OVERLAY_IOC_CREATE, OverlayCreate(linkid, linkid, "vxlan").pack())
    with Device.open(system, paths.KSTAT, framing.FREAD) as node:
        headers: tuple[KstatHeader, ...] = ()
        while page := KstatChain.unpack(node.ioctl(KSTAT_IOC_CHAIN, KstatChain(len(headers)).pack())).headers:
            headers += page
        for _ in range(2):
            answers = list(iter(lambda: node.ioctl(KSTAT_IOC_WALK), b""))
            assert len(answers) > 1
            found = [entry for answer in answers for entry in unpack_entries(answer)]
            assert tuple(entry.header for entry in found) == headers
            assert all(0 < entry.crtime <= entry.snaptime for entry in found)
        created = [one.crtime for one in headers if one.module == "link"]
        assert created == sorted(set(created))


def test_a_walk_leaves_out_links_that_go_meanwhile(system: LocalSystem) -> None:
    with Device.open(system, paths.DLD) as control, Device.open(system, paths.KSTAT, framing.FREAD) as node:
        for linkid in range(1, 80):
            control.ioctl(es.ES_NAME_SET, EsNameSet(linkid, dld.DatalinkClass.OVERLAY, 1, f"demo{linkid}").pack())
            control.ioctl(overlay.OVERLAY_IOC_CREATE, OverlayCreate(linkid, linkid, "vxlan").pack())
        begun = unpack_entries(node.ioctl(KSTAT_IOC_WALK))
        control.ioctl(overlay.OVERLAY_IOC_DELETE, OverlayLink(79).pack())
        rest = [entry for answer in iter(lambda: node.ioctl(KSTAT_IOC_WALK), b"") for entry in unpack_entries(answer)]
        names = {entry.name for entry in (*begun, *rest)}
        assert "demo78" in names
        assert "demo79" not in names


def _name(header: object) -> tuple[str, int, str]:
    return header.module, header.instance, header.name  # type: ignore[attr-defined]


def test_bad_requests_for_statistics_are_errnos(system: LocalSystem) -> None:
    with Device.open(system, paths.KSTAT, framing.FREAD) as node:
        for cmd, argument, number in (
            (0x1234, b"", Errno.ENOTTY),
            (KSTAT_IOC_CHAIN, b"short", Errno.EFAULT),
            (KSTAT_IOC_READ, KstatEntry("no", 0, "such").pack(), Errno.ENOENT),
        ):
            with pytest.raises(KernelError) as caught:
                node.ioctl(cmd, argument)
            assert caught.value.errno == number


def test_nodes_that_cannot_all_be_bound_are_not_bound_at_all(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / paths.DLD).write_text("in the way")
    loop = Loop()
    clock = MemoryClock()
    network = MemoryNetwork(MemoryClock())
    kernel = Kernel(
        clock=clock, random=MemoryRandom(), underlay=network.underlay(), ports=MemoryPorts(), encap_plugins=[]
    )
    with pytest.raises(KernelError) as caught:
        DeviceNodes(loop, tmp_path, kernel)
    assert caught.value.errno == Errno.EEXIST
    assert [entry.name for entry in (tmp_path / "dev").iterdir() if not entry.is_dir()] == ["dld"]
    loop.close()
