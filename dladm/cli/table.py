"""The subcommands: names, usage entries, options, and where each is implemented (DLM 1.2).

The order is the original's, and the usage text is the entries in that order. `show-` entries end in a newline, which leaves an
empty line after each family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dladm.getopt import Declared
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkClass


@dataclass(slots=True, frozen=True)
class Row:
    """One subcommand.

    `handler` is `module:function` below `dladm.cli`. `usage` is empty for a hidden one. `links` is the mask of link classes that its
    operand may be, for completion. `quiet_getopt`: its option string lacks the leading colon, so that a missing argument counts as
    an unknown option (DLM 5.4). `needs_host`: /dev/dld is opened first. `records` is what `--json` calls the records of a show command, and
    `parsable` the letter of its switch to parsable output.
    """

    name: str
    handler: str
    usage: str = ""
    options: tuple[Declared, ...] = ()
    links: int = 0
    quiet_getopt: bool = False
    needs_host: bool = True
    records: str = ""
    parsable: str = "p"


_TEMPORARY = Declared("t", long=("temporary",), help="not beyond a reboot of the host")
_ROOT_DIR = Declared("R", argument=True, long=("root-dir",), help="note the command for the host below this directory")
_OUTPUT = Declared("o", argument=True, long=("output",), help="columns to print, or all")
_PARSABLE_NAMES: Final = ("parsable", "parseable")
"""Two of them: `--pars` is ambiguous (DLM 1.3)."""
ZONE: Final = Declared("z", argument=True, help="only links of this zone; global is the host itself")
"""SmartOS's, on the commands that have it there; not in the usage text."""
JSON: Final = Declared("json", long=("json",), help="one JSON object, see docs/json-output.md")
"""This project's, on every show command; not in the usage text."""
_PERSISTENT = Declared("P", long=("persistent",), help="the stored configuration")

_STATISTICS = Declared("s", long=("statistics",), help="statistics")
_INTERVAL = Declared("i", argument=True, long=("interval",), help="seconds between statistics")
_PARSABLE = Declared("p", long=_PARSABLE_NAMES, help="one line a record, fields joined by colons")

_SHOW_LINK = (_PARSABLE, _PERSISTENT, _STATISTICS, _INTERVAL, _OUTPUT, ZONE, JSON)
_SHOW_ETHERSTUB = (
    Declared("p", help=_PARSABLE.help),
    Declared("P", help=_PERSISTENT.help),
    Declared("s", help=_STATISTICS.help),
    Declared("i", argument=True, help=_INTERVAL.help),
    _OUTPUT,
    Declared("l", argument=True, long=("link",), help="only those over this link"),
    JSON,
)
"""Without most of the long names that show-link has."""
_SHOW_VNIC = (*_SHOW_ETHERSTUB, ZONE)
_SET_LINKPROP = (
    _TEMPORARY,
    _ROOT_DIR,
    Declared("p", argument=True, long=("prop",), help="prop=value[,value…][,prop=…]"),
    ZONE,
)
_CREATE_VNIC = (
    _TEMPORARY,
    _ROOT_DIR,
    Declared("f", help="skip the check of room for a VLAN tag"),
    Declared("l", argument=True, help="the link below"),
    Declared("m", argument=True, long=("mac-address",), help="an address, random, factory, auto or vrrp"),
    Declared("n", argument=True, long=("slot",), help="factory address slot"),
    Declared("p", argument=True, help="prop=value[,value…][,prop=…]"),
    Declared("r", argument=True, long=("mac-prefix",), help="first bytes of a random address"),
    Declared("v", argument=True, help="VLAN id, 1 to 4094"),
    Declared("V", argument=True, long=("vrid",), help="VRRP identifier, 1 to 255"),
    Declared("A", argument=True, long=("address-family",), help="VRRP address family, inet or inet6"),
    Declared("H", help="not supported"),
    Declared("dev", argument=True, long=("dev",), help="not supported"),
    Declared("cpus", argument=True, long=("cpus",), help="not supported"),
    Declared("bw-limit", argument=True, long=("bw-limit",), help="not supported"),
)

ROWS: Final = (
    Row("help", "main:show_help", needs_host=False),
    Row(
        "rename-link",
        "rename:rename_link",
        "    rename-link      <oldlink> <newlink>",
        (_ROOT_DIR, ZONE),
        DATALINK_CLASS_ALL,
    ),
    Row(
        "show-link",
        "link:show_link",
        "    show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]\n",
        _SHOW_LINK,
        DATALINK_CLASS_ALL,
        records="links",
    ),
    Row(
        "set-linkprop",
        "linkprop:set_linkprop",
        "    set-linkprop     [-t] -p <prop>=<value>[,...] <name>",
        _SET_LINKPROP,
        DATALINK_CLASS_ALL,
    ),
    Row(
        "reset-linkprop",
        "linkprop:reset_linkprop",
        "    reset-linkprop   [-t] [-p <prop>,...] <name>",
        _SET_LINKPROP,
        DATALINK_CLASS_ALL,
    ),
    Row(
        "show-linkprop",
        "linkprop_show:show_linkprop",
        "    show-linkprop    [-cP] [-o <field>,...] [-p <prop>,...] <name>\n",
        (
            Declared("p", argument=True, long=("prop",), help="properties to show"),
            Declared("c", long=_PARSABLE_NAMES, help="one line a property, fields joined by colons"),
            _PERSISTENT,
            _OUTPUT,
            ZONE,
            JSON,
        ),
        DATALINK_CLASS_ALL,
        records="properties",
        parsable="c",
    ),
    Row(
        "init-linkprop",
        "linkprop:init_linkprop",
        options=(Declared("w", help="WiFi links only"),),
        links=DATALINK_CLASS_ALL,
    ),
    Row(
        "show-phys",
        "phys:show_phys",
        "    show-phys        [-m | -H | -P] [[-p] [-o <field>[,...]] [<link>]\n",
        (
            _PARSABLE,
            _PERSISTENT,
            _OUTPUT,
            Declared("m", help="MAC addresses"),
            Declared("H", help="groups of hardware rings"),
            JSON,
        ),
        DatalinkClass.PHYS,
        records="links",
    ),
    Row("show-linkmap", "linkmap:show_linkmap", options=(JSON,), records="links"),
    Row(
        "create-vnic",
        "vnic:create_vnic",
        "    create-vnic      [-t] -l <link> [-m <value> | auto |\n\t\t     {factory [-n <slot-id>]} | {random [-r <prefix>]} |\n"
        "\t\t     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]\n\t\t     [-p <prop>=<value>[,...]] <vnic-link>",
        _CREATE_VNIC,
    ),
    Row(
        "delete-vnic",
        "vnic:delete_vnic",
        "    delete-vnic      [-t] <vnic-link>",
        (_TEMPORARY, _ROOT_DIR, ZONE),
        DatalinkClass.VNIC,
    ),
    Row(
        "show-vnic",
        "vnic:show_vnic",
        "    show-vnic        [-pP] [-l <link>] [-s [-i <interval>]] [<link>]\n",
        _SHOW_VNIC,
        DatalinkClass.VNIC,
        records="vnics",
    ),
    Row("up-vnic", "vnic:up_vnic", links=DatalinkClass.VNIC),
    Row(
        "create-etherstub",
        "etherstub:create_etherstub",
        "    create-etherstub [-t] <link>",
        (_TEMPORARY, _ROOT_DIR),
        quiet_getopt=True,
    ),
    Row(
        "delete-etherstub",
        "etherstub:delete_etherstub",
        "    delete-etherstub [-t] <link>",
        (_TEMPORARY, _ROOT_DIR),
        DatalinkClass.ETHERSTUB,
    ),
    Row(
        "show-etherstub",
        "etherstub:show_etherstub",
        "    show-etherstub   [-t] [<link>]\n",
        _SHOW_ETHERSTUB,
        DatalinkClass.ETHERSTUB,
        records="etherstubs",
    ),
    Row(
        "create-overlay",
        "overlay:create_overlay",
        "    create-overlay   [-t] -e <encap> -s <search> -v <vnetid>\n\t\t     [ -p <prop>=<value>[,...]] <overlay>",
        (
            Declared("e", argument=True, long=("encap",), help="encapsulation plugin, such as vxlan"),
            Declared("s", argument=True, long=("search",), help="search plugin, such as direct or files"),
            Declared("v", argument=True, long=("vnetid",), help="virtual network id"),
            Declared("p", argument=True, long=("prop",), help="prop=value[,prop=value…]"),
            _TEMPORARY,
        ),
    ),
    Row(
        "delete-overlay",
        "overlay:delete_overlay",
        "    delete-overlay   [-t] <overlay>",
        (_TEMPORARY,),
        DatalinkClass.OVERLAY,
    ),
    Row(
        "modify-overlay",
        "overlay_modify:modify_overlay",
        "    modify-overlay   -d mac | -f | -s mac=ip:port <overlay>",
        (
            Declared("d", argument=True, long=("delete-entry",), help="forget where frames to this address go"),
            Declared("f", long=("flush-table",), help="forget where all frames go"),
            Declared("s", argument=True, long=("set-entry",), help="mac=ip:port, mac=[ipv6]:port or mac=drop"),
        ),
        DatalinkClass.OVERLAY,
    ),
    Row(
        "show-overlay",
        "overlay:show_overlay",
        "    show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]\n",
        (
            Declared("f", long=("fma",), help="whether it works, and what is wrong"),
            Declared("t", long=("target",), help="where frames go"),
            _PARSABLE,
            _OUTPUT,
            JSON,
        ),
        DatalinkClass.OVERLAY,
        records="properties",
    ),
    Row("up-overlay", "overlay:up_overlay", links=DatalinkClass.OVERLAY),
)

BY_NAME: Final = {row.name: row for row in ROWS}

_OUTSIDE: Final = {
    "link aggregations": (
        "create-aggr",
        "delete-aggr",
        "add-aggr",
        "remove-aggr",
        "modify-aggr",
        "show-aggr",
        "up-aggr",
    ),
    "WiFi links": ("scan-wifi", "connect-wifi", "disconnect-wifi", "show-wifi"),
    "settings of Ethernet hardware": ("show-ether",),
    "secure objects": ("create-secobj", "delete-secobj", "show-secobj", "init-secobj"),
    "VLAN links (create-vnic -v gives a VNIC a VLAN id)": ("create-vlan", "delete-vlan", "show-vlan", "up-vlan"),
    "IP tunnels": ("create-iptun", "delete-iptun", "modify-iptun", "show-iptun", "up-iptun", "down-iptun"),
    "changes of physical links, which are the machine's": ("delete-phys", "init-phys"),
    "InfiniBand partitions": ("create-part", "delete-part", "show-part", "show-ib", "up-part"),
    "simulated links": ("create-simnet", "modify-simnet", "delete-simnet", "show-simnet", "up-simnet"),
    "bridges": ("create-bridge", "modify-bridge", "delete-bridge", "add-bridge", "remove-bridge", "show-bridge"),
    "accounting": ("show-usage",),
}
OUTSIDE: Final = {name: what for what, names in _OUTSIDE.items() for name in names}
"""Subcommands of the original that are outside this project, and what they are about."""


def usage_text() -> str:
    """The whole usage text, without its last newline."""
    return "\n".join(["usage:  dladm <subcommand> <args> ...", *(row.usage for row in ROWS if row.usage)])
