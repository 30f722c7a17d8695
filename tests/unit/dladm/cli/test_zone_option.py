"""`-z ZONE`, SmartOS's, on the commands that have it there (DLM 1.2)."""

from __future__ import annotations

from typing import Any

import pytest

from dladm.cli.table import BY_NAME, ROWS


@pytest.fixture
def zoned(world_host: Any) -> Any:
    """Two VNICs on an etherstub: net1 is lent to zone web, vnic0 is the host's."""
    world_host.inner.ports.zones.append("web")
    world_host.ok("create-etherstub -t stub0")
    world_host.ok("create-vnic -t -l stub0 vnic0")
    world_host.ok("create-vnic -t -l stub0 net1")
    world_host.ok("set-linkprop -t -p zone=web net1")
    return world_host


def test_lists_are_of_that_zone(zoned: Any) -> None:
    assert zoned.ok("show-link -z web -p -o link") == "net1\n"
    assert zoned.ok("show-link -p -o link -z global") == "net0\nstub0\nvnic0\n"
    assert zoned.ok("show-vnic -z web -p -o link") == "net1\n"
    assert zoned.ok("show-link -s -z web -p -o link") == "net1\n"
    assert zoned.ok("show-linkprop -z web -c -o link -p zone") == "net1\n"
    assert zoned.ok("show-link -z nowhere") == ""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("show-link {} {}", "link {} is not valid: object not found"),
        ("show-vnic {} {}", "invalid vnic name '{}': object not found"),
        ("show-linkprop {} {}", "link {} is not valid: object not found"),
        ("set-linkprop -t -p priority=low {} {}", "link {} is not valid: object not found"),
        ("reset-linkprop -t -p priority {} {}", "link {} is not valid: object not found"),
        ("delete-vnic {} {}", "invalid link name '{}'"),
        ("rename-link {} {} x0", "rename operation failed: object not found"),
    ],
)
def test_a_link_of_another_zone_is_not_found(zoned: Any, command: str, message: str) -> None:
    for zone, name in (("web", "vnic0"), ("global", "net1")):
        assert zoned.fails(command.format(f"-z {zone}", name)) == f"dladm: {message.format(name)}\n"


def test_a_link_of_that_zone_is(zoned: Any) -> None:
    zoned.ok("set-linkprop -z web -t -p priority=low net1")
    assert zoned.ok("show-linkprop -c -o value -p priority -z web net1") == "low\n"
    zoned.ok("reset-linkprop -t -z web -p priority net1")
    zoned.ok("rename-link -z web net1 net2")
    zoned.ok("delete-vnic -z web net2")
    assert zoned.ok("show-vnic -p -o link") == "vnic0\n"


def test_no_other_command_has_it_and_no_usage_entry_tells_of_it() -> None:
    having = {row.name for row in ROWS if any(option.letter == "z" for option in row.options)}
    assert having == {
        *("rename-link", "show-link", "set-linkprop", "reset-linkprop", "show-linkprop", "delete-vnic", "show-vnic")
    }
    assert not any("-z" in BY_NAME[name].usage for name in having)
