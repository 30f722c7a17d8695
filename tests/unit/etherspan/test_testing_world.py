"""The world in memory: its hosts, their services and files, what can be seen of it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from dladm.libscf.client import Scf
from dladm.libscf.protocol import DLMGMTD, RESTARTER, VARPD, State
from etherspan import testing
from etherspan.testing.sim.daemons import VarpdDaemon
from etherspan.testing.sim.host import HostSystem
from etherspan.testing.sim.rootfs import ConfigFiles, Folder, LinkStore, RootFs
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from etherspan.testing.topology import files_overlay, files_pair, mac, numbered, table, vnic
from etherspan.testing.varpd import MemoryStore
from kernel_sim.dev import framing, paths
from kernel_sim.dev.client import Device
from kernel_sim.dev.sockets import Cred
from kernel_sim.middleware.faults import Fault
from kernel_sim.sys.dld import DLDIOC_ATTR
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Chain
from libvarpd.client import Client
from libvarpd.errors import VarpdError


@pytest.fixture
def host(etherspan_world: SimWorld) -> SimWorldHost:
    return etherspan_world.host("h1", "10.88.88.1")


def errno_of(error: pytest.ExceptionInfo[KernelError]) -> Errno:
    return error.value.errno


# ---------------------------------------------------------------------- services


def test_a_booted_host_has_dlmgmtd_and_no_varpd(host: SimWorldHost) -> None:
    with Scf(host.system) as scf:
        assert {one.fmri: one.state for one in scf.list()} == {
            RESTARTER: State.ONLINE,
            DLMGMTD: State.ONLINE,
            VARPD: State.DISABLED,
        }


def test_a_service_is_enabled_disabled_and_restarted(host: SimWorldHost) -> None:
    host.svcadm("enable varpd")
    with Scf(host.system) as scf:
        first = scf.info("varpd").pid
        host.svcadm("restart varpd")
        assert scf.info("varpd").pid not in {0, first}
        host.svcadm("disable varpd")
        assert scf.info("varpd").pids == ()
    assert host.state("varpd") is State.DISABLED


def test_a_killed_service_is_started_again_and_counted(host: SimWorldHost) -> None:
    host.svcadm("enable varpd")
    host.kill("varpd")
    host.kill("dlmgmtd")
    with Scf(host.system) as scf:
        assert [scf.info(name).restarts for name in ("varpd", "datalink-management")] == [1, 1]


def test_a_service_that_dies_three_times_before_it_is_up_needs_clear(host: SimWorldHost) -> None:
    with Scf(host.system) as scf:
        scf.enable("varpd")
        for _ in range(3):
            host.inner.kill(VARPD)
        assert scf.state("varpd") is State.MAINTENANCE
    host.svcadm("clear varpd")
    assert host.state("varpd") is State.ONLINE


def test_clear_outside_maintenance_is_einval(host: SimWorldHost) -> None:
    with Scf(host.system) as scf, pytest.raises(KernelError) as error:
        scf.clear("varpd")
    assert errno_of(error) is Errno.EINVAL


def test_a_daemon_that_cannot_start_goes_to_maintenance(host: SimWorldHost) -> None:
    held = Device.open(host.system, paths.OVERLAY, 7)
    with Scf(host.system) as scf:
        scf.enable("varpd")
        assert scf.wait("varpd", {State.ONLINE, State.MAINTENANCE}, 5) is State.MAINTENANCE
    held.close()


def test_wait_ends_with_its_time(host: SimWorldHost, etherspan_world: SimWorld) -> None:
    before = etherspan_world.loop.now()
    with Scf(host.system) as scf:
        assert scf.wait("varpd", {State.ONLINE}, 3) is State.DISABLED
    assert etherspan_world.loop.now() == pytest.approx(before + 3)


def test_users_may_look_at_services_and_not_change_them(host: SimWorldHost) -> None:
    with Scf(HostSystem(host.inner, Cred(1, 1000, 1000))) as scf:
        assert scf.state("varpd") is State.DISABLED
        with pytest.raises(KernelError) as error:
            scf.enable("varpd")
    assert errno_of(error) is Errno.EPERM


# ---------------------------------------------------------------------- doors and nodes


def test_the_door_of_a_stopped_varpd_is_gone_and_that_of_a_killed_one_leads_nowhere(host: SimWorldHost) -> None:
    host.svcadm("enable varpd")
    open_client = Client.create(host.system)
    host.inner.kill(VARPD)
    with Client.create(host.system) as client, pytest.raises(VarpdError) as error:
        client.instance_lookup(1)
    assert errno_of(error) is Errno.EBADF
    with pytest.raises(VarpdError) as error:
        open_client.instance_lookup(1)
    assert errno_of(error) is Errno.EBADF
    host.svcadm("enable varpd")
    host.svcadm("disable varpd")
    with pytest.raises(KernelError) as missing:
        Client.create(host.system)
    assert errno_of(missing) is Errno.ENOENT


def test_users_reach_the_control_node_and_not_the_overlay_node(host: SimWorldHost) -> None:
    user = HostSystem(host.inner, Cred(1, 1000, 1000))
    with Device.open(user, paths.DLD) as device, pytest.raises(KernelError) as error:
        device.ioctl(DLDIOC_ATTR, b"")
    assert errno_of(error) is Errno.EFAULT
    with pytest.raises(KernelError) as error:
        Device.open(user, paths.OVERLAY)
    assert errno_of(error) is Errno.EACCES


def test_messages_that_are_none_are_answered_as_on_a_socket(host: SimWorldHost) -> None:
    transport = host.system.connect(paths.DLD)
    assert framing.unpack_reply(transport.call(b"hello")).errno is Errno.EINVAL
    request = framing.pack_request(framing.Request(DLDIOC_ATTR, 7))
    assert framing.unpack_reply(transport.call(request)) == framing.Reply(Errno.EBADF, 7)


def test_a_panic_ends_open_connections(host: SimWorldHost) -> None:
    device = Device.open(host.system, paths.DLD)
    host.kill("kernel")
    with pytest.raises(KernelError) as error:
        device.ioctl(DLDIOC_ATTR, b"")
    assert errno_of(error) is Errno.ECONNRESET
    host.dladm("show-link")


def test_a_host_that_is_down_has_no_nodes(host: SimWorldHost) -> None:
    host.inner.panic()
    done = host.dladm("show-link", check=False)
    assert (done.status, done.err) == (1, "dladm: could not open /dev/dld: object not found\n")


# ---------------------------------------------------------------------- a killed varpd


def test_a_varpd_killed_in_the_middle_of_its_work_does_nothing_more(host: SimWorldHost) -> None:
    """What would undo a half-finished operation runs in Python, as nothing does in a process that is killed; it has no effect."""
    host.svcadm("enable varpd")
    daemon = host.inner.restarter.daemon(VARPD)
    assert isinstance(daemon, VarpdDaemon)
    store = MemoryStore(daemon._state)

    async def half_way() -> None:
        with contextlib.ExitStack() as undo:
            undo.callback(store.remove, 1)
            store.write(1, b"half-way")
            await asyncio.sleep(10)

    daemon.process.spawn(half_way())
    host.inner.loop.run()
    assert host.inner.fs.read(f"{paths.VARPD_RUN}/1.varpd") == b"half-way"
    host.inner.kill(VARPD)
    host.inner.loop.run()
    assert host.inner.fs.read(f"{paths.VARPD_RUN}/1.varpd") == b"half-way"


def test_what_a_boot_complains_of_is_kept(host: SimWorldHost) -> None:
    files_overlay(host, table({1: host.address}))
    host.write("/etc/overlays/map.json", "{")
    host.kill("kernel")
    assert any("failed to activate varpd instance" in line for line in host.inner.messages)


# ---------------------------------------------------------------------- files


def test_configuration_files_are_read_as_varpds_user_would() -> None:
    fs = RootFs()
    fs.write("/etc/overlays/map.json", b"{}")
    fs.write("etc/secret", b"", 0o600)
    fs.write(f"{paths.VARPD_RUN}/near.json", b"[]")
    files = ConfigFiles(fs)
    assert files.read("/etc/../etc/overlays//map.json") == b"{}"
    assert files.read("near.json") == b"[]"
    for path, errno in (
        ("/etc", Errno.EISDIR),
        ("/etc/secret", Errno.EACCES),
        ("/etc/none", Errno.ENOENT),
        ("", Errno.ENOENT),
        ("a\0b", Errno.EINVAL),
    ):
        with pytest.raises(VarpdError) as error:
            files.read(path)
        assert errno_of(error) is errno, path


def test_a_folder_is_a_view_of_the_files_in_it() -> None:
    fs = RootFs()
    folder = Folder(fs, "var/run")
    folder["one"] = b"1"
    assert fs.read("var/run/one") == b"1"
    assert dict(folder) == {"one": b"1"}
    del folder["one"]
    assert (len(folder), folder.get("one")) == (0, None)
    with pytest.raises(FileNotFoundError):
        fs.read("var/run/one")


def test_link_files_are_real_ones(host: SimWorldHost) -> None:
    host.dladm("create-etherstub stub0")
    assert b"stub0" in host.inner.fs.read(paths.DATALINK_CONF)
    assert "stub0" in {entry.name for entry in LinkStore(host.inner.fs).read_conf().entries()}
    assert b"stub0" in host.inner.fs.read(f"{paths.DLADM_VOLATILE}/network-datalink-management:default.cache")


# ---------------------------------------------------------------------- frames and faults


def test_expect_says_what_came_instead(etherspan_world: SimWorld) -> None:
    _, _, p, q = files_pair(etherspan_world)
    p.send(numbered(1, 2, 1))
    with pytest.raises(AssertionError, match=r"(?s)h2:vnic2: 1 frames expected, 1 have come; number 1 differs"):
        q.expect(numbered(1, 2, 2))
    with pytest.raises(AssertionError, match=r"(?s)1 frames expected, 0 have come.*got +nothing"):
        q.expect(numbered(1, 2, 2))
    p.send(numbered(1, 2, 3))
    with pytest.raises(AssertionError, match=r"(?s)0 frames expected, 1 have come.*expected nothing"):
        q.expect_nothing()


def test_expect_waits_no_longer_than_it_was_told(etherspan_world: SimWorld) -> None:
    _, _, _, q = files_pair(etherspan_world)
    before = etherspan_world.loop.now()
    with pytest.raises(AssertionError):
        q.expect(numbered(1, 2), within=3.0)
    assert etherspan_world.loop.now() == pytest.approx(before + 3.0)


def test_wait_until_says_what_it_waited_for(host: SimWorldHost) -> None:
    with pytest.raises(AssertionError, match="h1: not within 2 s: the moon"):
        host.wait_until(lambda: False, 2, "the moon")


def test_expect_drops_says_what_was_dropped(host: SimWorldHost) -> None:
    with pytest.raises(AssertionError, match=r"h1 has dropped \{\}, expected was \{'ov0:tx_lookup_drop': 1\}"):
        host.expect_drops({"ov0:tx_lookup_drop": 1}, within=0.1)


def test_parted_hosts_do_not_reach_each_other_and_others_do(etherspan_world: SimWorld) -> None:
    a, b, c = (etherspan_world.host(f"h{number}", f"10.88.88.{number}") for number in (1, 2, 3))
    for one in (a, b, c):
        files_overlay(one, table({1: a.address, 2: b.address, 3: c.address}))
    p, q, r = vnic(a, 1), vnic(b, 2), vnic(c, 3)
    etherspan_world.part("h1", "h2")
    p.send(numbered(1, 2), numbered(1, 3))
    r.expect(numbered(1, 3))
    q.send(numbered(2, 1))
    p.expect_nothing()
    q.expect_nothing()
    assert [one.faults.counts[Fault.PARTITION] for one in (a, b, c)] == [1, 1, 0]
    etherspan_world.heal()
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))


def test_every_way_of_a_frame_is_in_the_trace(etherspan_world: SimWorld) -> None:
    _, _, p, q = files_pair(etherspan_world)
    etherspan_world.trace.lines.clear()
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    kinds = [line.split()[1:3] for line in etherspan_world.trace.lines]
    assert kinds == [
        ["h1", "sent"],
        ["h1", "varpd"],  # LOOKUP
        ["h1", "wire"],
        ["h1", "varpd"],  # RESPOND
        ["h2", "arrives"],
        ["h2", "delivered"],
    ]


def test_a_datagram_that_nobody_listens_for_is_in_the_trace(etherspan_world: SimWorld) -> None:
    _, b, p, _ = files_pair(etherspan_world)
    b.dladm("delete-vnic vnic2")
    p.send(numbered(1, 2))
    etherspan_world.advance(0.1)
    assert any(" unreached " in f" {line} " and f"{b.address}:4789" in line for line in etherspan_world.trace.lines)


def test_two_worlds_of_one_seed_have_one_trace() -> None:
    def run(seed: int) -> str:
        with SimWorld(seed=seed) as world:
            a, _, p, q = files_pair(world)
            a.dladm("create-vnic -l ov0 vnic7")
            world.faults("h1").loss = 0.5
            for serial in range(20):
                p.send(numbered(1, 2, serial))
            world.advance(1.0)
            q.take()
            return world.trace.hash

    assert run(1) == run(1) != run(2)


# ---------------------------------------------------------------------- the drop watch


def test_the_watch_is_told_each_frame_that_is_counted(etherspan_world: SimWorld) -> None:
    a, b, p, q = files_pair(etherspan_world)
    a.dladm("create-etherstub stub0")
    s = vnic(a, 8, over="stub0")
    t = vnic(a, 9, over="stub0")
    assert isinstance(a, SimWorldHost)
    assert isinstance(b, SimWorldHost)
    told: list[tuple[str, str, bytes]] = []
    before = a.inner.kernel.watch.observer
    assert before is not None

    def note(where: object, reason: str, chain: object) -> None:
        assert isinstance(chain, list | tuple)
        told.extend((str(where), str(reason), bytes(message.data)) for message in chain)

    a.inner.kernel.watch.observer = note
    a.ports.ports["vnic9"].room = 0
    s.send(
        numbered(8, 9), numbered(8, 5), mac(9) + mac(8) + b"\x88\xb5", numbered(8, 9)[:12] + b"\x81\x00\0\7" + b"x" * 40
    )
    p.send(b"short")
    etherspan_world.advance(0.1)
    t.take()
    q.take()
    a.inner.kernel.watch.observer = before
    assert sorted((reason, data) for _, reason, data in told) == sorted(
        [
            ("rx_consumer_full", numbered(8, 9)),
            ("tx_no_wire", numbered(8, 5)),
            ("tx_no_payload", mac(9) + mac(8) + b"\x88\xb5"),
            ("tx_vlan_tagged", numbered(8, 9)[:12] + b"\x81\x00\0\7" + b"x" * 40),
            ("tx_no_header", b"short"),
        ]
    )
    assert sum(a.drops().values()) == len(told)
    assert {where for where, reason, _ in told if reason == "rx_consumer_full"} == {"vnic9"}


def test_an_unwatched_kernel_hands_chains_over_whole(host: SimWorldHost) -> None:
    host.dladm("create-etherstub stub0")
    vnic(host, 1, over="stub0")
    taker = vnic(host, 2, over="stub0")
    sizes: list[int] = []
    port = list(host.inner.kernel.vnics._vnics.values())[1].port
    deliver = port.deliver

    def count(chain: Chain) -> int:
        sizes.append(len(chain))
        return deliver(chain)

    port.deliver = count  # type: ignore[method-assign]
    sent = [numbered(1, 2, serial) for serial in range(3)]
    for observer in (host.inner.kernel.watch.observer, None):
        host.inner.kernel.watch.observer = observer
        host.ports.ports["vnic1"].send(*sent)
        assert taker.take() == sent
    assert sizes == [1, 1, 1, 3]


def test_public_names_are_there() -> None:
    assert {name: getattr(testing, name).__name__ for name in testing.__all__} == {
        name: name for name in testing.__all__
    }
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        testing.Nothing  # noqa: B018
