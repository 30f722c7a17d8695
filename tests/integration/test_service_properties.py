"""varpd's include path, as svccfg sets it: plugins of the host, over restarts and boots."""

from __future__ import annotations

import pytest

from dladm.libscf.protocol import VARPD, State
from etherspan.host import control
from etherspan.host.repository import REPOSITORY
from tests.integration.hosts import Host

pytestmark = pytest.mark.namespaces

PLUGIN = """
from kernel_sim.sys.codec import Point
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.plainplugin import PlainPlugin
from libvarpd.plugin import DROP

class Mine(PlainPlugin):
    name = "mine"
    mode = TargMode.DYNAMIC

    async def lookup(self, query):
        return DROP

PLUGIN = Mine
"""


def searches(host: Host) -> str:
    """The search plugins that an overlay may have."""
    return host.dladm("show-overlay", "-p", "-o", "property,possible", "ov0").split("search:")[1].split("\n")[0]


def test_a_directory_that_svccfg_adds_gives_varpd_more_plugins(booted: Host) -> None:
    plugins = booted.root / "opt/plugins"
    plugins.mkdir(parents=True)
    (plugins / "mine.py").write_text(PLUGIN)
    for name in ("opt", "opt/plugins"):
        (booted.root / name).chmod(0o755)
    booted.overlay("ov0", 23)
    assert searches(booted) == "direct,files,svp"

    booted.command("svccfg", "-s", "varpd", "addpropvalue", "varpd/include_path", "astring:", "/opt/plugins")
    booted.command("svcadm", "restart", "-s", "varpd")
    assert searches(booted) == "direct,files,svp", "an edit counts from a refresh on"
    booted.command("svcadm", "refresh", "varpd")
    booted.command("svcadm", "restart", "-s", "varpd")
    assert searches(booted) == "direct,files,mine,svp"
    booted.dladm("create-overlay", "-e", "vxlan", "-s", "mine", "-v", 24, "-p", "vxlan/listen_ip=127.0.0.1", "ov1")

    control.halt_host(booted.root)
    booted.boot()
    assert booted.status().messages == ()
    assert searches(booted) == "direct,files,mine,svp"
    assert "ONLINE" in booted.dladm("show-overlay", "-f", "ov1")


def test_a_repository_that_cannot_be_read_is_named_and_changes_nothing(booted: Host) -> None:
    path = booted.root / REPOSITORY
    path.write_text("{ damaged")
    done = booted.command("svcadm", "enable", "-s", "varpd", check=False)
    assert done.returncode == 3
    assert booted.state(VARPD) is State.MAINTENANCE
    assert str(path) in booted.command("svcs", "-x", "varpd").stdout
    edit = booted.command("svccfg", "-s", "varpd", "setprop", "varpd/include_path", "=", "/x", check=False)
    assert (edit.returncode, str(path) in edit.stderr) == (1, True)
    assert path.read_text() == "{ damaged"
    path.unlink()
    booted.command("svcadm", "clear", "-s", "varpd")
    assert booted.state(VARPD) is State.ONLINE
