"""set-linkprop, reset-linkprop, init-linkprop (DLM 5.6, 6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dladm.cli.call import Call
from dladm.cli.common import PropertyList, find_link, note_for_root
from dladm.getopt import BadOption, Getopt
from dladm.grammar import Property
from dladm.libdladm import linkprop
from dladm.libdladm.linkprop import Answers
from dladm.libdladm.status import DladmError, Status

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo

INVALID = "invalid link properties specified"


@dataclass(slots=True, frozen=True)
class _Change:
    """The common part of set- and reset-linkprop."""

    link: LinkInfo
    properties: Sequence[Property]
    persistent: bool


def _parse(call: Call, *, reset: bool) -> _Change | None:
    """None when the command was only noted for another root."""
    persistent, root, properties = True, "", PropertyList(call)
    for option in call.options():
        match option.letter:
            case "t":
                persistent = False
            case "R":
                root = option.argument
            case "p":
                properties.add(option.argument)
    name = call.operand()
    wanted = properties.parse(INVALID)
    if reset and any(prop.values for prop in wanted):
        call.terminal.die(INVALID)
    if not reset and not wanted:
        call.terminal.die("link property must be specified")
    if root:
        note_for_root(call, root)
        return None
    return _Change(valid_link(call, name), wanted, persistent)


def valid_link(call: Call, name: str) -> LinkInfo:
    """A link by its name; ends the command where there is none."""
    try:
        return find_link(call, name)
    except DladmError as error:
        call.terminal.die(f"link {name} is not valid", error.status)


def set_linkprop(call: Call) -> int:
    """`set-linkprop [-t] -p PROP=VALUE,… NAME`. The exit status is that of the last property (DLM-Q30)."""
    change = _parse(call, reset=False)
    if change is None:
        return 0
    status = 0
    for prop in change.properties:
        status = 1
        if not prop.values:
            call.terminal.warn(f"no value specified for '{prop.name}'")
            continue
        try:
            linkprop.set(call.handle, change.link.linkid, prop.name, prop.values, persistent=change.persistent)
            status = 0
        except DladmError as error:
            _warn_refused(call, "set", prop, change.link, error)
    return status


def reset_linkprop(call: Call) -> int:
    """`reset-linkprop [-t] [-p PROP,…] NAME`; without `-p` all properties, of which those that cannot be reset are passed over."""
    change = _parse(call, reset=True)
    if change is None:
        return 0
    status = 0
    if change.properties:
        for prop in change.properties:
            status = 0
            try:
                linkprop.reset(call.handle, change.link.linkid, prop.name, persistent=change.persistent)
            except DladmError as error:
                _warn_refused(call, "reset", prop, change.link, error)
                status = 1
        return status
    for one in linkprop.of_class(change.link.link_class):
        try:
            linkprop.reset(call.handle, change.link.linkid, one.name, persistent=change.persistent)
        except DladmError as error:
            if error.status not in {Status.PROPRDONLY, Status.NOTSUP}:
                _warn_cannot(call, "reset", one.name, change.link, error.status)
                status = 1
    return status


def _warn_refused(call: Call, verb: str, prop: Property, link: LinkInfo, error: DladmError) -> None:
    if error.status is Status.NOTFOUND:  # also for a link that is down
        call.terminal.warn(f"invalid link property '{prop.name}'")
        return
    if error.status is Status.BADVAL:
        try:
            words = linkprop.possible(Answers(call.handle, link.linkid), linkprop.find(prop.name))
        except DladmError:
            _warn_cannot(call, "set", prop.name, link, error.status)
            return
        if words:
            call.terminal.warn(f"link property '{prop.name}' must be one of: {','.join(words)}")
        else:
            call.terminal.warn(f"invalid link property '{prop.values[0]}'")
        return
    _warn_cannot(call, verb, prop.name, link, error.status)


def _warn_cannot(call: Call, verb: str, name: str, link: LinkInfo, status: Status) -> None:
    call.terminal.warn(f"cannot {verb} link property '{name}' on '{link.name}'", status)


def init_linkprop(call: Call) -> int:
    """`init-linkprop [-w] [LINK]`, hidden: set again what is stored, of all links but VNICs or of one. It always succeeds.

    With `-w` it is for WiFi links, of which there are none here.
    """
    parser = Getopt(call.words, call.row.options, permute=False)
    try:
        wifi_only = any(given.letter == "w" for given in list(parser))
    except BadOption:
        call.usage()
    call.operands = parser.operands
    name = call.optional_operand()
    link = None if name is None else valid_link(call, name)
    if wifi_only:
        return 0
    if link is None:
        linkprop.init_all(call.handle)
        return 0
    try:
        linkprop.init(call.handle, link.linkid)
    except DladmError as error:
        call.handle.note(f"{link.name}: {error.status.text}")
    return 0
