"""The simulated kernel as a process: start, end, what it leaves, and what hostile peers cannot do to it."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute

from etherspan.netns import unpin
from kernel_sim.dev import confine, framing, paths, sockets
from kernel_sim.dev.client import Device, LocalSystem
from kernel_sim.sys import dld, es
from kernel_sim.sys.codec import DldMacprop, EsPhysList, EsPhysWait, macprop_read
from kernel_sim.sys.errno import Errno, KernelError

pytestmark = pytest.mark.namespaces

MAC = bytes.fromhex("020000000001")


def vnic_in_use(kernel: Any) -> int:
    return kernel.vnic("vnic0", kernel.overlay("demo0", 23, "127.0.0.1", "127.0.0.1"), MAC)  # type: ignore[no-any-return]


# ---------------------------------------------------------------------- end


def test_sigterm_ends_it_cleanly_and_nothing_is_left(namespace: Any, start_kernel: Callable[..., Any]) -> None:
    kernel = start_kernel(namespace)
    vnic_in_use(kernel)
    assert namespace.links() == ["lo", "vnic0"]
    assert kernel.stop() == 0
    assert namespace.links() == ["lo"]
    assert [entry.name for entry in (kernel.root / "dev").rglob("*") if not entry.is_dir()] == [".lock"]
    assert kernel.process.stderr.read() == ""
    assert '"msg": "kernel up"' in kernel.log()
    assert '"msg": "kernel down"' in kernel.log()


def test_after_sigkill_no_tap_is_left_and_a_new_kernel_starts_on_the_same_root(
    namespace: Any, start_kernel: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    kernel = start_kernel(namespace)
    vnic_in_use(kernel)
    kernel.process.kill()
    kernel.process.wait(10)
    wait_for(lambda: namespace.links() == ["lo"], "the TAP is gone")
    again = namespace.popen(sys.executable, "-m", "kernel_sim", "--root", kernel.root)
    try:

        def answers() -> bool:
            try:
                Device.open(LocalSystem(kernel.root), paths.DLD).close()
            except KernelError as error:
                assert error.errno in {Errno.ECONNREFUSED, Errno.ENOENT}
                return False
            return True

        wait_for(answers, "the new kernel answers")
    finally:
        again.kill()
        again.wait(10)


def test_it_dies_with_its_restarter(namespace: Any, tmp_path: Path, wait_for: Callable[..., None]) -> None:
    restarter = """
import os, subprocess, sys
env = {**os.environ, "ETHERSPAN_RESTARTER": str(os.getpid())}
child = subprocess.Popen([sys.executable, "-m", "kernel_sim", "--root", sys.argv[1]], env=env)
print(child.pid, flush=True)
child.wait()
"""
    parent = namespace.popen(sys.executable, "-c", restarter, tmp_path, stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    wait_for((tmp_path / paths.DLD).exists, "the kernel is up")
    wait_for(lambda: "kernel up" in (tmp_path / paths.LOGS / "kernel.log").read_text(), "the kernel is armed")
    parent.kill()
    parent.communicate()
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or "Z" in status(pid), "the kernel is dead")


def status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


# ---------------------------------------------------------------------- cannot run


def cannot_run(*argv: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "kernel_sim", *map(str, argv)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 95
    return done.stderr


def test_a_second_kernel_on_a_root_says_so(namespace: Any, start_kernel: Callable[..., Any]) -> None:
    kernel = start_kernel(namespace)
    assert f"a kernel is running already with the root {kernel.root}" in cannot_run("--root", kernel.root)
    Device.open(kernel.system, paths.DLD).close()


def test_a_root_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert f"cannot use the root {tmp_path}/file/host" in cannot_run("--root", tmp_path / "file" / "host")


def test_a_node_that_cannot_be_bound_is_named(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / paths.KSTAT).touch()
    assert f"{paths.KSTAT} is in the way" in cannot_run("--root", tmp_path)
    assert [entry.name for entry in (tmp_path / "dev").iterdir() if entry.is_socket()] == []


# ---------------------------------------------------------------------- physical links


def phys(kernel: Any) -> EsPhysList:
    return EsPhysList.unpack(kernel.dld.ioctl(es.ES_PHYS_LIST))


def test_the_machines_interfaces_are_its_physical_links_and_its_taps_are_not(
    wire: Any, start_kernel: Callable[..., Any]
) -> None:
    kernel = start_kernel(wire.a, "--group", "99")
    vnic_in_use(kernel)
    [net0] = phys(kernel).entries
    assert (net0.name, net0.mtu, net0.up, net0.speed, net0.duplex) == ("net0", 1500, True, 10_000, 2)
    assert net0.mac == wire.a.run(lambda: mac_of("net0"))


def mac_of(name: str) -> bytes:
    with IPRoute() as ip:
        [found] = ip.link("get", ifname=name)
        return bytes.fromhex(found.get_attr("IFLA_ADDRESS").replace(":", ""))


def test_links_that_come_change_and_go_are_followed(
    wire: Any, start_kernel: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    kernel = start_kernel(wire.a)
    generation = phys(kernel).generation
    with Device.open(kernel.system, paths.DLD) as waiting:
        wire.a.run(lambda: add_pair("test7", "nonumber"))
        woken = EsPhysWait.unpack(waiting.ioctl(es.ES_PHYS_WAIT, EsPhysWait(generation).pack()))
    assert woken.generation != generation
    wait_for(lambda: [entry.name for entry in phys(kernel).entries] == ["net0", "test7"], "it is listed")
    wire.a.run(lambda: change("test7", ifname="test8", mtu=1234))
    wait_for(lambda: ("test8", 1234) in [(entry.name, entry.mtu) for entry in phys(kernel).entries], "it is changed")
    wire.a.run(lambda: delete("test8"))
    wait_for(lambda: [entry.name for entry in phys(kernel).entries] == ["net0"], "it is gone")


def add_pair(one: str, other: str) -> None:
    with IPRoute() as ip:
        ip.link("add", ifname=one, kind="veth", peer={"ifname": other})


def change(name: str, **attributes: object) -> None:
    with IPRoute() as ip:
        ip.link("set", index=socket.if_nametoindex(name), **attributes)


def delete(name: str) -> None:
    with IPRoute() as ip:
        ip.link("del", index=socket.if_nametoindex(name))


# ---------------------------------------------------------------------- zones


def zone_of(kernel: Any, linkid: int) -> str:
    asked = DldMacprop(0, linkid, dld.MacProp.ZONE, 0, "zone", bytes(256))
    answer = DldMacprop.unpack(kernel.dld.ioctl(dld.DLDIOC_GETMACPROP, asked.pack()))
    return str(macprop_read(dld.MacProp.ZONE, answer.value))


def test_it_keeps_what_taps_and_zones_need_and_nothing_else(namespace: Any, start_kernel: Callable[..., Any]) -> None:
    kernel = start_kernel(namespace)
    text = Path(f"/proc/{kernel.process.pid}/status").read_text()
    rows = {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    kept = 1 << confine.CAP_NET_ADMIN | 1 << confine.CAP_SYS_ADMIN
    assert [int(rows[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")] == [0, kept, kept, 0]
    assert (rows["NoNewPrivs"], rows["Seccomp"]) == ("1", "2" if confine.able()["seccomp"] else "0")


def test_the_zone_property_moves_the_tap_and_follows_it_home(
    namespace: Any,
    make_namespace: Callable[[], Any],
    start_kernel: Callable[..., Any],
    wait_for: Callable[..., None],
) -> None:
    kernel = start_kernel(namespace)
    linkid = vnic_in_use(kernel)
    web = make_namespace()
    kernel.add_zone("web", web)
    with pytest.raises(KernelError) as caught:
        kernel.set_zone(linkid, "nowhere")
    assert caught.value.errno == Errno.ENOENT
    kernel.set_zone(linkid, "web")
    assert (namespace.links(), web.links()) == (["lo"], ["lo", "vnic0"])
    assert zone_of(kernel, linkid) == "web"
    unpin(kernel.root / paths.ZONE_NS / "web")
    web.close()
    wait_for(lambda: namespace.links() == ["lo", "vnic0"], "the TAP is back")
    wait_for(lambda: zone_of(kernel, linkid) in {"", "global"}, "the property follows")
    assert "returns to the host" in kernel.log()
    kernel.delete_vnic(linkid)
    assert namespace.links() == ["lo"]


# ---------------------------------------------------------------------- garbage


def test_garbage_on_the_nodes_does_not_disturb_anybody_else(namespace: Any, start_kernel: Callable[..., Any]) -> None:
    kernel = start_kernel(namespace)
    chaos = random.Random(4711)
    for path in (paths.DLD, paths.OVERLAY, paths.KSTAT):
        for number in range(60):
            with sockets.connect_seqpacket(kernel.root, path) as peer:
                peer.settimeout(5)
                if number % 3:
                    peer.send(framing.pack_open(chaos.choice([0, 1, 2, 3, 7, 0xFFFFFFFF])))
                    sockets.receive(peer)
                for _ in range(5):
                    peer.send(garbage(chaos))
                if number % 2:
                    sockets.receive(peer)
    vnic_in_use(kernel)
    assert kernel.process.poll() is None


def garbage(chaos: random.Random) -> bytes:
    if chaos.random() < 0.5:
        return chaos.randbytes(chaos.randrange(1, 2000))
    command = chaos.choice([0x20050001, 0x01710001, 0x0D1D001B, 0x6F767402, 0x4B01, chaos.getrandbits(32)])
    argument = chaos.randbytes(chaos.choice([0, 4, 48, 600, 70_000]))
    return framing.pack_request(framing.Request(command, chaos.getrandbits(64), argument))


def test_another_user_reads_but_does_not_configure(namespace: Any, start_kernel: Callable[..., Any]) -> None:
    if not paths.is_real_root():
        pytest.skip("a user namespace with one user has no other")
    kernel = start_kernel(namespace)
    vnic_in_use(kernel)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # a user without rights
        os._exit(as_nobody(kernel.root, writing))
    os.close(writing)
    with os.fdopen(reading) as answers:
        text = answers.read()
    assert os.waitpid(child, 0)[1] == 0, text
    assert text == "EPERM EACCES read"


def as_nobody(root: Path, out: int) -> int:
    try:
        folder = os.open(root, os.O_PATH)
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        said = []
        device = Device.open(LocalSystem(f"/proc/self/fd/{folder}"), paths.DLD)
        for path, cmd in ((paths.DLD, 0x20050001), (paths.OVERLAY, 0)):
            try:
                if path == paths.DLD:
                    device.ioctl(cmd, bytes(48))
                else:
                    Device.open(LocalSystem(f"/proc/self/fd/{folder}"), path)
            except KernelError as error:
                said.append(error.errno.name)
        device.ioctl(es.ES_PHYS_LIST)
        os.write(out, " ".join([*said, "read"]).encode())
    except BaseException as error:  # noqa: BLE001 - a forked child must not return into pytest
        os.write(out, repr(error).encode())
        return 1
    return 0


def test_signals_during_start_are_not_lost(namespace: Any, tmp_path: Path) -> None:
    process = namespace.popen(sys.executable, "-m", "kernel_sim", "--root", tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) in {0, -signal.SIGTERM}
    assert namespace.links() == ["lo"]
