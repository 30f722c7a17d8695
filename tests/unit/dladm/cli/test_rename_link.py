"""rename-link (DLM 5.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etherspan.testing.frames import ethernet, udp
from etherspan.testing.memory import MemoryPort
from etherspan.testing.sim.host import HostSystem
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys.errno import Errno, KernelError

CONF = "etc/dladm/datalink.conf"


def refused(status: str) -> str:
    return f"dladm: rename operation failed: {status}\n"


@pytest.fixture
def net(world_host: Any) -> Any:
    """A host with an overlay, a VNIC on it, and a temporary etherstub."""
    assert world_host.create().status == 0
    world_host.ok("create-vnic -l ov0 -m 2:8:20:0:0:1 vnic0")
    world_host.ok("create-etherstub -t stub0")
    return world_host


def linkid(host: Any, name: str) -> str:
    [found] = [row.split() for row in host.ok("show-linkmap").splitlines() if row.startswith(f"{name} ")]
    return str(found[1])


def line(host: Any, name: str) -> str:
    rows = host.inner.inner.fs.read(CONF).decode().splitlines()
    return next((row.partition("\t")[2] for row in rows if row.startswith(f"{name}\t")), "")


@pytest.mark.parametrize(("old", "new"), [("ov0", "wan0"), ("vnic0", "web0"), ("stub0", "switch0")])
def test_a_link_keeps_its_id_and_loses_its_old_name(net: Any, old: str, new: str) -> None:
    before = linkid(net, old)
    net.ok(f"rename-link {old} {new}")
    assert linkid(net, new) == before
    assert net.fails(f"show-link {old}") == f"dladm: link {old} is not valid: object not found\n"
    net.ok(f"show-link {new}")


def test_the_stored_lines_of_the_link_and_of_what_lies_over_it_follow(net: Any) -> None:
    overlay, vnic = line(net, "ov0"), line(net, "vnic0")
    assert "linkover=string,ov0;" in vnic
    net.ok("rename-link ov0 wan0")
    assert (line(net, "ov0"), line(net, "wan0")) == ("", overlay)
    assert line(net, "vnic0") == vnic.replace("linkover=string,ov0;", "linkover=string,wan0;")
    assert net.ok("show-link -p -o over vnic0") == "wan0\n"
    assert net.ok("show-link -P -p -o over vnic0") == "wan0\n"


def test_the_interface_and_the_statistics_of_a_vnic_follow(net: Any) -> None:
    net.ok("rename-link vnic0 web0")
    assert list(net.inner.ports.ports) == ["web0"]
    port = net.inner.port("web0")
    port.send(ethernet(b"\xff" * 6, port.mac, udp("10.0.0.1", "10.0.0.2", 1, 2, b"x")))
    assert net.ok("show-link -s -p -o opackets web0") == "1\n"


def test_varpd_and_a_reboot_know_the_overlay_by_its_new_name(net: Any) -> None:
    net.ok("rename-link ov0 wan0")
    assert net.ok("show-overlay -p -o link,value wan0").splitlines()[6] == "wan0:files"
    net.inner.kill("kernel")
    assert net.ok("show-link -p -o link,over") == "net0:\nwan0:\nvnic0:wan0\n"
    assert net.ok("show-overlay -f -p -o status wan0") == "ONLINE\n"


def test_the_old_name_is_free_again(net: Any) -> None:
    net.ok("rename-link stub0 stub1")
    net.ok("create-etherstub -t stub0")
    net.ok("rename-link stub0 stub2")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("nope0 web0", "object not found"),
        ("vnic0 stub0", "object already exists"),
        ("vnic0 vnic0", "object already exists"),
        ("vnic0 net0", "object already exists"),
        ("vnic0 web", "invalid argument"),
        ("vnic0 web01", "invalid argument"),
        (f"vnic0 l{'0' * 31}", "invalid argument"),
        ("net0 wan0", "invalid argument"),
    ],
)
def test_what_cannot_be_renamed(net: Any, words: str, status: str) -> None:
    before = net.ok("show-linkmap")
    assert net.fails(f"rename-link {words}") == refused(status)
    assert net.ok("show-linkmap") == before


def test_a_link_that_is_used_is_busy_and_stays_what_it_was(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def up(_port: MemoryPort, _name: str) -> None:
        raise KernelError(Errno.EBUSY, "vnic0 is up")

    monkeypatch.setattr(MemoryPort, "set_name", up)
    stored = line(net, "vnic0")
    assert net.fails("rename-link vnic0 web0") == refused("link busy")
    monkeypatch.undo()
    assert line(net, "vnic0") == stored
    assert net.ok("show-link -p -o state vnic0") == "up\n"
    net.ok("rename-link vnic0 web0")


def test_a_link_of_a_zone_is_busy_unless_the_zone_is_named(net: Any) -> None:
    net.inner.ports.zones.append("web")
    net.ok("set-linkprop -t -p zone=web vnic0")
    assert net.fails("rename-link vnic0 net1") == refused("link busy")
    assert net.fails("rename-link -z global vnic0 net1") == refused("object not found")
    net.ok("rename-link -z web vnic0 net1")
    assert net.ok("show-link -p -o zone net1") == "web\n"


def test_ordinary_users_may_not(net: Any) -> None:
    net.system = HostSystem(net.inner.inner, Cred(7, 1000, 1000))
    assert net.fails("rename-link vnic0 web0") == refused("permission denied")


@pytest.mark.parametrize("words", ["", "vnic0", "vnic0 web0 more0"])
def test_anything_but_two_operands_gives_the_usage(net: Any, words: str) -> None:
    assert net.fails(f"rename-link {words}").startswith("usage:  dladm <subcommand> <args> ...\n")


def test_a_command_for_another_root_is_only_noted(net: Any, tmp_path: Path) -> None:
    net.ok("rename-link", "-R", str(tmp_path), "old0", "new0")
    assert (tmp_path / "var/svc/profile/upgrade_datalink").read_text() == "/sbin/dladm rename-link old0 new0\n"
