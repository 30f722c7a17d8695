"""modify-overlay: correct the table of an overlay's destinations by hand (DLM 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dladm.cli.call import Call
from dladm.cli.common import find_link
from dladm.libdladm import overlay_target
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError

_FORGOTTEN: Final = "(null)"
"""DLM-Q11: once all options are read, the messages have no argument of one any more."""


@dataclass(slots=True, frozen=True)
class _Change:
    """What an option asks for. `apply` takes handle and link id; `failure` is how the message begins when that fails."""

    failure: str
    apply: Callable[[Dladm, int], None]


def modify_overlay(call: Call) -> int:
    """`modify-overlay -d MAC | -f | -s MAC=DEST NAME`; what is wrong is found in the order of DLM 3.2."""
    die = call.terminal.die
    given: dict[str, _Change] = {}
    for option in call.options():
        if option.letter in given:
            call.terminal.die_twice(option.letter)
        given[option.letter] = _CHANGES[option.letter](call, option.argument)
    if not given:
        die("need to specify one of -d, -f, or -s")
    if len(given) > 1:
        die("only one of -d, -f, or -s may be used")
    if not call.operands:
        die("missing required overlay device\n")
    if len(call.operands) > 1:
        die("only one overlay device may be specified\n")
    name, (change,) = call.operands[0], given.values()
    try:
        link = find_link(call, name)
    except DladmError as error:
        die(f"failed to find overlay {name}", error.status)
    try:
        change.apply(call.handle, link.linkid)
    except DladmError as error:
        die(f"{change.failure} {name}", error.status)
    return 0


def _delete(call: Call, argument: str) -> _Change:
    mac = _mac(call, argument)
    return _Change(
        f"failed to flush target {_FORGOTTEN} from overlay target cache",
        lambda handle, linkid: overlay_target.delete_target(handle, linkid, mac),
    )


def _flush(_call: Call, _argument: str) -> _Change:
    return _Change("failed to flush target cache for overlay", overlay_target.flush_targets)


def _set(call: Call, argument: str) -> _Change:
    address, equals, destination = argument.partition("=")
    if not equals:  # DLM-Q9
        call.terminal.die(f"malformed value, expected mac=dest, got: {argument}\n")
    mac = _mac(call, address)
    return _Change(
        f"failed to set target {_FORGOTTEN} for overlay target cache",
        lambda handle, linkid: overlay_target.set_target(handle, linkid, mac, destination),
    )


_CHANGES: Final = {"d": _delete, "f": _flush, "s": _set}


def _mac(call: Call, text: str) -> bytes:
    try:
        return overlay_target.parse_mac(text)
    except ValueError:
        call.terminal.die(f"invalid mac address: {text}\n")
