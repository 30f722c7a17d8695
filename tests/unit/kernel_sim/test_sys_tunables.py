"""ROOT/etc/system: what it sets, and what it says of lines that it does not read."""

from __future__ import annotations

import pytest

from kernel_sim.sys.tunables import MODULES, Tunables, read_system


def test_nothing_is_set_without_a_line() -> None:
    assert read_system("") == (Tunables(), [])
    assert read_system("* set vxlan:vxlan_strict = 1\n\n   \n") == (Tunables(), [])
    assert not any(getattr(Tunables(), name) for name in MODULES)


def test_every_variable_can_be_set() -> None:
    text = "".join(f"set {module}:{name} = 1\n" for name, module in MODULES.items())
    found, complaints = read_system(text)
    assert complaints == []
    assert [getattr(found, name) for name in MODULES] == [True, True, True, 1, 1]


@pytest.mark.parametrize(
    "line",
    [
        "set overlay:overlay_targets_max=4096",
        "set overlay:overlay_targets_max=0004096",
        "  set  overlay:overlay_targets_max  =  0x1000  ",
        "set overlay:overlay_targets_max = 1\nset overlay:overlay_targets_max = 0X1000",
    ],
)
def test_numbers_and_blanks(line: str) -> None:
    assert read_system(line) == (Tunables(overlay_targets_max=4096), [])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "set vxlan:vxlan_strict",
            "line 2: 'set vxlan:vxlan_strict' is not read; write 'set module:variable = number'",
        ),
        ("moddir: /kernel", "line 2: 'moddir: /kernel' is not read; write 'set module:variable = number'"),
        ("set vxlan:vxlan_strict = yes", "line 2: 'set vxlan:vxlan_strict = yes' is not read;"),
        ("set vxlan:vxlan_strict = -1", "line 2: 'set vxlan:vxlan_strict = -1' is not read;"),
        ("set vxlan:vxlan_strict = 2", "line 2: vxlan:vxlan_strict is 0 or 1, not 2"),
        ("set overlay:overlay_targets_max = 4294967296", "line 2: overlay:overlay_targets_max is at most 4294967295"),
        (
            "set zfs:zfs_arc_max = 1",
            "line 2: sorry, variable 'zfs_arc_max' is not defined in the 'zfs' module; there are:",
        ),
        ("set vxlan_strict = 1", "line 2: sorry, variable 'vxlan_strict' is not defined in the '' module"),
    ],
)
def test_a_bad_line_is_told_and_the_others_hold(line: str, complaint: str) -> None:
    found, (said,) = read_system(f"set overlay:overlay_lookup_rate = 7\n{line}\nset overlay:overlay_mac_check = 1\n")
    assert said.startswith(complaint)
    assert found == Tunables(overlay_lookup_rate=7, overlay_mac_check=True)
