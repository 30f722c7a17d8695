"""The subcommands that change something (IPA 2, 3)."""

from __future__ import annotations

from collections.abc import Callable

from etherspan.ipadm.arguments import AddrArguments
from etherspan.ipadm.cli import Call
from etherspan.ipadm.status import IpadmError, Status


def create_if(call: Call) -> int:
    """`create-if [-t] INTERFACE`, also called create-ip."""
    temporary = "t" in call.switches()
    if len(call.operands) != 1:
        call.terminal.die(f"usage: {call.row.usage}")
    ifname = call.operands[0]
    try:
        call.zone.create_interface(ifname, persistent=not temporary)
    except IpadmError as error:
        call.fail(f"Could not create {ifname} ", error)
    return 0


def delete_if(call: Call) -> int:
    """`delete-if INTERFACE`, also called delete-ip. It knows no options: whatever its only word is, it is the interface."""
    if len(call.words) != 1:
        call.usage()
    ifname = call.words[0]
    try:
        call.zone.delete_interface(ifname)
    except IpadmError as error:
        call.fail(f"Could not delete {ifname}", error)
    return 0


def enable_if(call: Call) -> int:
    """`enable-if -t INTERFACE`."""
    ifname = _temporary_operand(call)
    try:
        missing = call.zone.enable_interface(ifname)
    except IpadmError as error:
        call.fail(f"Could not enable {ifname} ", error)
    if missing:
        call.note(IpadmError(Status.ALL_ADDRS_NOT_ENABLED, ", ".join(missing)))
        call.terminal.warn(Status.ALL_ADDRS_NOT_ENABLED.text)
    return 0


def disable_if(call: Call) -> int:
    """`disable-if -t INTERFACE`."""
    ifname = _temporary_operand(call)
    try:
        call.zone.disable_interface(ifname)
    except IpadmError as error:
        call.fail(f"Could not disable {ifname}", error)
    return 0


def create_addr(call: Call) -> int:
    """`create-addr [-t] -T TYPE … INTERFACE/NAME`."""
    arguments = AddrArguments(call)
    try:
        call.zone.create_address(arguments.request(), persistent=arguments.persistent)
    except IpadmError as error:
        call.fail("Could not create address", error)
    return 0


def delete_addr(call: Call) -> int:
    """`delete-addr [-r] INTERFACE/NAME`; `-r` is for type dhcp."""
    release = "r" in call.switches()
    aobjname = call.operand()
    return _on_address(call, "could not delete address", lambda: _delete(call, aobjname, release=release))


def _delete(call: Call, aobjname: str, *, release: bool) -> None:
    if release:
        call.zone.require_object(aobjname)
        raise IpadmError(Status.NOTSUP, f"{aobjname} is not of type dhcp")
    call.zone.delete_address(aobjname)


def enable_addr(call: Call) -> int:
    """`enable-addr -t INTERFACE/NAME`."""
    aobjname = _temporary_operand(call)
    return _on_address(call, "could not enable address", lambda: call.zone.enable_address(aobjname))


def disable_addr(call: Call) -> int:
    """`disable-addr -t INTERFACE/NAME`."""
    aobjname = _temporary_operand(call)
    return _on_address(call, "could not disable address", lambda: call.zone.disable_address(aobjname))


def up_addr(call: Call) -> int:
    """`up-addr [-t] INTERFACE/NAME`."""
    return _set_up(call, up=True)


def down_addr(call: Call) -> int:
    """`down-addr [-t] INTERFACE/NAME`."""
    return _set_up(call, up=False)


def _set_up(call: Call, *, up: bool) -> int:
    persistent = "t" not in call.switches()
    aobjname = call.operand()
    text = f"Could not mark the address {'up' if up else 'down'}"
    return _on_address(call, text, lambda: call.zone.set_up(aobjname, up=up, persistent=persistent))


def refresh_addr(call: Call) -> int:
    """`refresh-addr [-i] INTERFACE/NAME`; `-i` asks a DHCP server, which nothing here does."""
    inform = "i" in call.switches()
    aobjname = call.operand()
    try:
        call.zone.refresh_address(aobjname)
        if inform:
            raise IpadmError(Status.NOTSUP, "nothing here speaks DHCP")
    except IpadmError as error:
        call.note(error)
        call.terminal.die(f"could not refresh address {error.status.text}")
    return 0


def _temporary_operand(call: Call) -> str:
    """The operand of a subcommand that wants `-t`."""
    temporary = "t" in call.switches()
    operand = call.operand()
    if not temporary:
        call.terminal.die(f"persistent operation not supported for {call.row.name}")
    return operand


def _on_address(call: Call, text: str, act: Callable[[], None]) -> int:
    try:
        act()
    except IpadmError as error:
        call.fail(text, error)
    return 0
