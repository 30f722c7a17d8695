"""What the doctor says."""

from __future__ import annotations

import pytest

from etherspan import doctor, trial
from etherspan.errors import EtherspanError

GOOD: dict[str, object] = {**dict.fromkeys(trial.TRIALS), "offloads": ["checksum", "TSO", "USO"]}


def test_lines_are_aligned_and_a_mend_stands_below_what_it_mends() -> None:
    checks = [
        doctor.Check("rights", ok=True, found="root"),
        doctor.Check("tun device", ok=False, found="no /dev/net/tun", mend="as root: modprobe tun"),
        doctor.Check("compiler", ok=False, found="none", mend="apt-get install gcc", required=False),
    ]
    assert list(doctor.lines(checks)) == [
        "ok       rights      root",
        "MISSING  tun device  no /dev/net/tun",
        "                     as root: modprobe tun",
        "absent   compiler    none",
        "                     apt-get install gcc",
    ]


@pytest.mark.parametrize("name", ["namespaces", "pins", "switch", "icmp"])
def test_what_hosts_need_is_demanded_with_its_mend(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(trial, "ask", lambda: GOOD | {name: "Operation not permitted"})
    missing = [check for check in doctor.examine() if check.required and not check.ok]
    assert [check.found for check in missing if "tun" not in check.name] == ["Operation not permitted"]
    with pytest.raises(EtherspanError, match=r"^this machine cannot run hosts as it is\n") as caught:
        doctor.demand()
    assert missing[0].mend in str(caught.value)


def test_what_only_costs_speed_is_not_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ask", lambda: GOOD | {"udp_gro": "no", "vxlan": "no", "offloads": ["checksum"]})
    absent = {check.name for check in doctor.examine() if not check.ok and not check.required}
    assert {"UDP aggregation", "kernel vxlan", "TAP offloads"} <= absent


def test_nothing_more_is_tried_where_namespaces_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ask", lambda: {"namespaces": "Operation not permitted"})
    names = [check.name for check in doctor.examine()]
    assert "namespaces" in names
    assert "switch" not in names
