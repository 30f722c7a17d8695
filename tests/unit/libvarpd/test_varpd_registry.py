"""Registering search plugins, and finding them in files and installed packages."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import TargMode
from libvarpd import loader
from libvarpd.errors import VarpdError
from libvarpd.loader import load_directory, load_entry_points
from libvarpd.plugin import DROP, Answer, Query, SearchPlugin
from libvarpd.plugins.direct import Direct
from libvarpd.registry import PluginRegistry


class ListLog:
    """A log that keeps its events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **keys: self.events.append((level, event, keys))


def variant(**changes: Any) -> type[SearchPlugin]:
    return type("Variant", (Direct,), {"name": "variant", **changes})


def refusal(plugin: object, registry: PluginRegistry | None = None) -> tuple[Errno, str]:
    with pytest.raises(VarpdError) as refused:
        (registry or PluginRegistry()).register(plugin)
    return refused.value.errno, refused.value.detail


def test_plugins_are_found_by_name_and_listed_in_name_order() -> None:
    registry = PluginRegistry()
    for name in ("zeta", "Alpha", "direct", "beta"):
        registry.register(variant(name=name))
    assert registry.names() == ["Alpha", "beta", "direct", "zeta"]
    assert [plugin.name for plugin in registry] == registry.names()
    assert registry.find("beta").name == "beta"
    with pytest.raises(VarpdError) as refused:
        registry.find("nope")
    assert refused.value.errno is Errno.ENOENT


def test_the_first_plugin_of_a_name_stays() -> None:
    registry = PluginRegistry()
    registry.register(Direct)
    wanted = (Errno.EEXIST, "module already exists with requested name")
    assert refusal(variant(name="direct"), registry) == wanted
    assert registry.find("direct") is Direct


def test_another_version_is_refused() -> None:
    assert refusal(variant(version=2)) == (Errno.EINVAL, "unsupported registration version")


async def answer(self: SearchPlugin, query: Query) -> Answer:
    return DROP


@pytest.mark.fact("VPD-Q24")
@pytest.mark.parametrize(
    ("plugin", "why"),
    [
        (variant(name=""), "name"),
        (variant(name="n" * 64), "name"),
        (variant(name="é" * 32), "name"),
        (variant(name="a\nb"), "name"),
        (variant(name=b"bytes"), "name"),
        (variant(mode=TargMode.NONE), "mode"),
        (variant(mode=None), "mode"),
        (variant(default=SearchPlugin.default), "needs the operation default"),
        (variant(mode=TargMode.DYNAMIC), "needs the operation lookup"),
        (variant(lookup=lambda self, query: DROP), "coroutines: lookup"),
        (type("Half", (SearchPlugin,), {"name": "half", "mode": TargMode.POINT}), "operations are missing: create"),
        (Direct(Dest.IP), "not a subclass"),
        (object, "not a subclass"),
        (None, "not a subclass"),
    ],
)
def test_what_is_no_complete_plugin_is_refused(plugin: object, why: str) -> None:
    errno, detail = refusal(plugin)
    assert errno is Errno.EINVAL
    assert why in detail


def test_a_dynamic_plugin_with_lookup_is_accepted_and_so_is_a_name_of_63_bytes() -> None:
    registry = PluginRegistry()
    registry.register(variant(mode=TargMode.DYNAMIC, lookup=answer))
    registry.register(variant(name="n" * 63))


# ---------------------------------------------------------------------- files

PLUGIN_FILE = """
from dataclasses import dataclass
from libvarpd.plugins.direct import Direct

@dataclass
class Needs:  # dataclasses look the module up by name
    x: "int"

class Mine(Direct):
    name = "{name}"

PLUGIN = Mine
"""


def test_every_python_file_of_a_directory_is_loaded_in_order_of_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.py").write_text(PLUGIN_FILE.format(name=name))
    (tmp_path / "a.txt").write_text("raise AssertionError")
    (tmp_path / ".py").write_text("raise AssertionError")
    registry, log = PluginRegistry(), ListLog()
    load_directory(registry, tmp_path, log)
    assert (registry.names(), log.events) == (["a", "b", "c"], [])


@pytest.mark.fact("VPD-B4")
@pytest.mark.parametrize(
    "text",
    [
        "this is no python",
        "raise RuntimeError('broken')",
        "import sys; sys.exit(3)",
        "import libvarpd.there_is_no_such_module",
        "nothing = 1",
    ],
)
def test_a_broken_module_is_logged_and_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(text)
    (tmp_path / "b.py").write_text(PLUGIN_FILE.format(name="b"))
    registry, log = PluginRegistry(), ListLog()
    load_directory(registry, tmp_path, log)
    assert registry.names() == ["b"]
    assert log.events == [("exception", "dlopen failed", {"module_path": str(tmp_path / "a.py")})]
    assert not any(str(tmp_path / "a.py") in name for name in sys.modules)


@pytest.mark.fact("VPD-Q26")
def test_a_refused_registration_is_logged_with_its_path_and_the_plugins_name_under_plugin(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(PLUGIN_FILE.format(name="direct"))
    registry, log = PluginRegistry(), ListLog()
    registry.register(Direct)
    load_directory(registry, tmp_path, log)
    keys = {"module_path": str(tmp_path / "a.py"), "plugin": "direct"}
    assert log.events == [("warning", "module already exists with requested name", keys)]


def test_files_of_one_name_in_two_directories_are_two_modules(tmp_path: Path) -> None:
    registry = PluginRegistry()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plugin.py").write_text(PLUGIN_FILE.format(name=name))
        load_directory(registry, tmp_path / name)
    assert registry.names() == ["one", "two"]


@pytest.mark.parametrize(("name", "wanted"), [("absent", Errno.ENOENT), ("file", Errno.ENOTDIR)])
def test_a_directory_that_cannot_be_read_is_an_error(tmp_path: Path, name: str, wanted: Errno) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VarpdError) as refused:
        load_directory(PluginRegistry(), tmp_path / name)
    assert refused.value.errno is wanted


def test_no_directory_at_all_is_invalid() -> None:
    with pytest.raises(VarpdError) as refused:
        load_directory(PluginRegistry(), "")
    assert refused.value.errno is Errno.EINVAL


# ---------------------------------------------------------------------- entry points


def test_installed_packages_offer_direct() -> None:
    registry = PluginRegistry()
    load_entry_points(registry)
    assert registry.find("direct") is Direct


def test_an_entry_point_that_cannot_be_loaded_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        metadata.EntryPoint("zz", "libvarpd.plugins.direct:PLUGIN", loader.ENTRY_POINTS),
        metadata.EntryPoint("aa", "libvarpd.there_is_no_such_module:PLUGIN", loader.ENTRY_POINTS),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: found)
    registry, log = PluginRegistry(), ListLog()
    load_entry_points(registry, log)
    assert registry.names() == ["direct"]
    assert [(level, event) for level, event, _ in log.events] == [("exception", "dlopen failed")]
