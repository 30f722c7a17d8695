"""Link properties of a VNIC under any sequence of changes, restarts and reboots: in force, and on its line (DLM 5.6, 6.2)."""

from __future__ import annotations

import io
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dladm.cli.main import main
from etherspan.testing.sim.world import SimWorld

DEFAULTS: Final = {
    "mtu": "1400",
    "maxbw": "",
    "priority": "high",
    "cpus": "",
    "protection": "",
    "dynamic-methods": "",
    "promisc-filtered": "on",
    "allowed-ips": "",
    "allowed-dhcp-cids": "",
    "allow-all-dhcp-cids": "false",
    "tagmode": "vlanonly",
    "secondary-macs": "",
}
VALUES: Final = {
    "mtu": {"576": "576", "0x514": "1300", "1400": "1400"},
    "maxbw": {"50": "   50", "1200K": "    1.200", "0": "    0"},
    "priority": {"low": "low", "HIGH": "high"},
    "cpus": {"0": "0", "1,0": "0-1"},
    "protection": {"restricted": "restricted", "ip-nospoof,mac-nospoof": "mac-nospoof,ip-nospoof"},
    "dynamic-methods": {"slaac,dhcpv4": "dhcpv4,slaac", "addrconf": "dhcpv6,slaac"},
    "promisc-filtered": {"off": "off", "on": "on"},
    "allowed-ips": {"10.0.0.5": "10.0.0.5/32", "10.0.0.0/24,fd00::1": "10.0.0.0/24,fd00::1/128"},
    "allowed-dhcp-cids": {"abc": "abc", "0x01": "0x01"},
    "allow-all-dhcp-cids": {"true": "true", "false": "false"},
    "tagmode": {"normal": "normal"},
    "secondary-macs": {"2:8:20:0:0:1": "2:8:20:0:0:1", "2:8:20:0:0:2,2:8:20:0:0:1": "2:8:20:0:0:2,2:8:20:0:0:1"},
}
"""What is typed, and how it is shown."""
BAD: Final = (
    "mtu=575",
    "mtu=1401",
    "maxbw=1",
    "priority=x",
    "allowed-ips=10.0.0.1/8",
    "secondary-macs=x",
    "state=up",
    "zone=a",
    "frob=1",
)


class StoredProperties(RuleBasedStateMachine):
    """`active` is what is in force, `stored` what the line has, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = SimWorld()
        self.host = self.world.host("a", "10.0.0.1")
        self.active = dict(DEFAULTS)
        self.stored: dict[str, str] = {}

    def teardown(self) -> None:
        self.world.close()

    def dladm(self, command: str, *, status: int = 0) -> str:
        out, err = io.StringIO(), io.StringIO()
        assert main(command.split(), system=self.host.system, stdout=out, stderr=err) == status, err.getvalue()
        return out.getvalue()

    @initialize()
    def make(self) -> None:
        props = "vxlan/listen_ip=10.0.0.1,direct/dest_ip=10.0.0.2,direct/dest_port=4789"
        self.dladm(f"create-overlay -e vxlan -s direct -v 1 -p {props} ov0")
        self.dladm("create-vnic -l ov0 v0")

    @rule(
        choice=st.sampled_from([(name, typed) for name, values in VALUES.items() for typed in values]),
        temporary=st.booleans(),
    )
    def set(self, choice: tuple[str, str], temporary: bool) -> None:
        name, typed = choice
        self.dladm(f"set-linkprop {'-t' if temporary else ''} -p {name}={typed} v0")
        self.active[name] = VALUES[name][typed]
        if not temporary:
            self.stored[name] = typed

    @rule(name=st.sampled_from(sorted(DEFAULTS)), temporary=st.booleans())
    def reset(self, name: str, temporary: bool) -> None:
        self.dladm(f"reset-linkprop {'-t' if temporary else ''} -p {name} v0")
        self.active[name] = DEFAULTS[name]
        if not temporary:
            self.stored.pop(name, None)

    @rule(given=st.sampled_from(BAD))
    def refuse(self, given: str) -> None:
        self.dladm(f"set-linkprop -p {given} v0", status=1)

    @rule()
    def down_and_up(self) -> None:
        self.dladm("delete-vnic -t v0")
        self.dladm("up-vnic v0")
        self._come_back()

    @rule()
    def reboot(self) -> None:
        self.host.kill("kernel")
        self._come_back()

    @rule()
    def restart_dlmgmtd(self) -> None:
        self.host.kill("dlmgmtd")

    @rule()
    def init_linkprop(self) -> None:
        self.dladm("init-linkprop v0")
        self.active |= {name: VALUES[name][typed] for name, typed in self.stored.items()}

    def _come_back(self) -> None:
        self.active = DEFAULTS | {name: VALUES[name][typed] for name, typed in self.stored.items()}

    @invariant()
    def what_is_in_force(self) -> None:
        shown = dict(
            line.split(":", 1)
            for line in self.dladm(f"show-linkprop -c -o property,value -p {','.join(DEFAULTS)} v0").splitlines()
        )
        assert {name: value.replace("\\:", ":") for name, value in shown.items()} == self.active

    @invariant()
    def what_is_stored(self) -> None:
        text = self.host.inner.fs.read("etc/dladm/datalink.conf").decode()
        line = next(line for line in text.splitlines() if line.startswith("v0\t"))
        assert line.partition("macaddr=")[2].partition(";")[2] == "".join(
            f"{name}=string,{typed};" for name, typed in self.stored.items()
        )


TestStoredProperties = StoredProperties.TestCase
TestStoredProperties.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
