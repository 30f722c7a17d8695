"""The arguments of create-addr, judged in the original's order (IPA 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from etherspan.ipadm import names
from etherspan.ipadm.cli import Call
from etherspan.ipadm.library import AddrconfRequest, StaticRequest
from etherspan.ipadm.names import DEFAULT_ID
from etherspan.ipadm.status import IpadmError, Status

_YES_NO = {"yes": True, "no": False}


@dataclass(slots=True)
class _Given:
    """The options as they stand; a later one replaces an earlier one."""

    kind: str | None = None
    address: str | None = None
    down: bool = False
    interface_id: str | None = None
    properties: str | None = None
    dhcp: set[str] = field(default_factory=set)


class AddrArguments:
    """What create-addr was given. The constructor ends the command at what makes no sense."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._given = _Given()
        self.persistent = True
        for option in call.options():
            self._take(option.letter, option.argument)
        if self._given.kind is None or len(call.operands) != 1:
            self._die_usage("Invalid arguments")
        self._aobjname = call.operands[0]
        if not self._aobjname.partition("/")[2]:
            self._die_usage(f"invalid address object name: {self._aobjname}")

    def _take(self, letter: str, argument: str) -> None:
        given = self._given
        match letter:
            case "T":
                given.kind = argument
            case "a":
                given.address = argument
            case "d":
                given.down = True
            case "i":
                given.interface_id = argument
            case "p":
                given.properties = argument
            case "t":
                self.persistent = False
            case _:
                given.dhcp.add(letter)

    def request(self) -> StaticRequest | AddrconfRequest:
        """The address to create; ends the command where its type and its options do not go together."""
        given = self._given
        static = given.address is not None or given.down
        addrconf = given.interface_id is not None or given.properties is not None
        foreign = {
            "static": given.address is None or addrconf or bool(given.dhcp),
            "addrconf": static or bool(given.dhcp),
            "dhcp": static or addrconf,
        }
        if given.kind not in foreign:
            self._call.terminal.die(f"Invalid address type {given.kind}")
        if foreign[given.kind]:
            self._die_usage(f"Invalid arguments for type {given.kind}")
        if given.kind == "dhcp":
            self._call.terminal.die("addresses of type dhcp are not part of etherspan; use -T static or -T addrconf")
        return self._addrconf() if given.address is None else self._static(given.address)

    def _static(self, text: str) -> StaticRequest:
        local = remote = other = None
        for name, value in names.suboptions(text, ("local", "remote")):
            if name == "":
                if other is not None:
                    self._die_usage("Invalid address provided")
                other = value
            elif name == "local":
                if local is not None:
                    self._call.terminal.die("Multiple local addresses provided")
                local = value
            else:
                if remote is not None:
                    self._call.terminal.die("Multiple remote addresses provided")
                remote = value
        if local is not None and other is not None:  # the original takes no notice of it
            self._die_usage("Invalid address provided")
        if local is None and (remote is not None or other is None):
            self._die_usage("Missing local address")
        self._check_object()
        self._check("Error in setting local address", local or other or "")
        if remote is not None:
            self._check("Error in setting remote address", remote, remote=True)
        return StaticRequest(self._aobjname, local or other or "", remote or "", not self._given.down)

    def _addrconf(self) -> AddrconfRequest:
        self._check_object()
        interface_id, text = DEFAULT_ID, self._given.interface_id
        if text is not None:
            try:
                interface_id = names.parse_interface_id(text)
            except IpadmError as error:
                self._call.fail("Error in setting interface ID", error)
        chosen = self._properties()
        return AddrconfRequest(
            self._aobjname, interface_id, chosen.get("stateless", True), chosen.get("stateful", True)
        )

    def _properties(self) -> dict[str, bool]:
        """`-p stateless=yes|no,stateful=yes|no`, each at most once."""
        terminal = self._call.terminal
        chosen: dict[str, bool] = {}
        if self._given.properties is None:
            return chosen
        for name, value in names.suboptions(self._given.properties, ("stateless", "stateful")):
            if name == "":
                terminal.die(f"unrecognized option '-p'\nusage: {self._call.row.usage}")
            if name in chosen:
                terminal.die("Duplicate option")
            if value not in _YES_NO:
                terminal.die("Invalid argument")
            chosen[name] = _YES_NO[value]
        if not chosen:
            terminal.die("Invalid arguments for option -p")
        return chosen

    def _check_object(self) -> None:
        try:
            names.check_object(self._aobjname)
        except IpadmError as error:
            self._call.fail("Error in creating address object", error)

    def _check(self, text: str, typed: str, *, remote: bool = False) -> None:
        """Judge an address as libipadm does before it creates anything."""
        try:
            if remote and "/" in typed:
                raise IpadmError(Status.BAD_ADDR, "a remote address has no prefix length")
            self._call.zone.check_typed(typed)
        except IpadmError as error:
            self._call.fail(text, error)

    def _die_usage(self, text: str) -> NoReturn:
        self._call.terminal.die(f"{text}\nusage: {self._call.row.usage}")
