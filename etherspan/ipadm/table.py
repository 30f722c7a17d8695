"""ipadm's subcommands: names, usage entries, options, and where each is implemented (IPA 2.1).

The order is the original's. Its subcommands that are not here are known by name, and refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dladm.getopt import Declared


@dataclass(slots=True, frozen=True)
class Row:
    """One subcommand.

    `handler` is `module:function` below `etherspan.ipadm`; `usage` is empty for a hidden one. `quiet_getopt`: its option string lacks the
    leading colon, so that a missing argument counts as an unknown option. `records` is what `--json` calls the records of a show command.
    """

    name: str
    handler: str
    usage: str = ""
    options: tuple[Declared, ...] = ()
    quiet_getopt: bool = False
    records: str = ""


_TEMPORARY: Final = Declared("t", long=("temporary",), help="not beyond a reboot of the host")
_SHOW: Final = (
    Declared("p", long=("parsable",), help="one line a record, fields joined by colons"),
    Declared("o", argument=True, long=("output",), help="columns to print, or all"),
    Declared("json", long=("json",), help="one JSON object, see docs/json-output.md"),
)
_CREATE_ADDR: Final = (
    Declared("1", long=("primary",), help="of type dhcp"),
    Declared("T", argument=True, long=("type",), help="static or addrconf"),
    Declared("a", argument=True, long=("address",), help="[local=]ADDRESS[/LENGTH]"),
    Declared("d", long=("down",), help="do not bring the address up"),
    Declared("h", argument=True, long=("reqhost",), help="of type dhcp"),
    Declared("i", argument=True, long=("interface-id",), help="ADDRESS/LENGTH, the lower half of addresses"),
    Declared("p", argument=True, long=("prop",), help="stateful=yes|no, stateless=yes|no"),
    Declared("w", argument=True, long=("wait",), help="of type dhcp"),
    _TEMPORARY,
)
_CREATE_ADDR_USAGE: Final = (
    "\tcreate-addr\t[-t] -T static [-d] -a{local|remote}=addr[/prefixlen]\n\t\t\t<addrobj>\n"
    "\tcreate-addr\t[-t] -T dhcp [-w <seconds> | forever]\n\t\t\t[-1] [-h <hostname>] <addrobj>\n"
    "\tcreate-addr\t[-t] -T addrconf [-i interface-id]\n\t\t\t[-p {stateful|stateless}={yes|no}] <addrobj>"
)

ROWS: Final = (
    Row("help", "commands:show_help"),
    Row("create-if", "commands:create_if", "\tcreate-if\t[-t] <interface>", (_TEMPORARY,)),
    Row("create-ip", "commands:create_if", "\tcreate-ip\t[-t] <interface>", (_TEMPORARY,)),
    Row("delete-if", "commands:delete_if", "\tdelete-if\t<interface>\n"),
    Row("delete-ip", "commands:delete_if", "\tdelete-ip\t<interface>\n"),
    Row("disable-if", "commands:disable_if", "\tdisable-if\t-t <interface>", (_TEMPORARY,)),
    Row("enable-if", "commands:enable_if", "\tenable-if\t-t <interface>", (_TEMPORARY,)),
    Row(
        "show-if",
        "show:show_if",
        "\tshow-if\t\t[[-p] -o <field>,...] [<interface>]\n",
        _SHOW,
        quiet_getopt=True,
        records="interfaces",
    ),
    Row("create-addr", "commands:create_addr", _CREATE_ADDR_USAGE, _CREATE_ADDR),
    Row(
        "delete-addr",
        "commands:delete_addr",
        "\tdelete-addr\t[-r] <addrobj>",
        (Declared("r", long=("release",), help="of type dhcp"),),
    ),
    Row(
        "show-addr",
        "show:show_addr",
        "\tshow-addr\t[[-p] -o <field>,...] [<addrobj>]",
        _SHOW,
        quiet_getopt=True,
        records="addrs",
    ),
    Row(
        "refresh-addr",
        "commands:refresh_addr",
        "\trefresh-addr\t[-i] <addrobj>",
        (Declared("i", long=("inform",), help="of type dhcp"),),
    ),
    Row("down-addr", "commands:down_addr", "\tdown-addr\t[-t] <addrobj>", (_TEMPORARY,)),
    Row("up-addr", "commands:up_addr", "\tup-addr\t\t[-t] <addrobj>", (_TEMPORARY,)),
    Row("disable-addr", "commands:disable_addr", "\tdisable-addr\t-t <addrobj>", (_TEMPORARY,)),
    Row("enable-addr", "commands:enable_addr", "\tenable-addr\t-t <addrobj>\n", (_TEMPORARY,)),
)
BY_NAME: Final = {row.name: row for row in ROWS}

_IPMP: Final = "IP multipathing"
_PROPERTIES: Final = "properties of protocols (Linux's are set by sysctl)"
OUTSIDE: Final = {
    **dict.fromkeys(("create-ipmp", "delete-ipmp", "add-ipmp", "remove-ipmp"), _IPMP),
    **{f"{verb}-{noun}": _PROPERTIES for verb in ("set", "reset", "show") for noun in ("ifprop", "addrprop", "prop")},
}
"""Subcommands of the original that are not here, and what etherspan has none of."""


def usage_text() -> str:
    """The usage text, without its last newline."""
    return "\n".join(["usage:  ipadm <subcommand> <args> ...", *(row.usage for row in ROWS if row.usage)])
