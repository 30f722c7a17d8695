"""create-etherstub, delete-etherstub, show-etherstub (DLM 5.4)."""

from __future__ import annotations

from dladm.cli import vnic as vnics
from dladm.cli.call import Call
from dladm.cli.common import note_for_root, too_long
from dladm.libdladm import linkname, vnic
from dladm.libdladm.status import DladmError
from kernel_sim.sys.dld import DatalinkClass


def create_etherstub(call: Call) -> int:
    """`create-etherstub [-t] NAME`."""
    persistent, root = True, ""
    for option in call.options():
        if option.letter == "t":
            persistent = False
        else:
            root = option.argument
    name = call.operand()
    if too_long(name):
        call.terminal.die(f"link name too long '{name}'")
    if not linkname.is_valid(name):
        call.terminal.die(f"invalid link name '{name}'")
    if root:
        return note_for_root(call, root)
    try:
        vnic.create_etherstub(call.handle, name, persistent=persistent)
    except DladmError as error:
        call.terminal.die_of("etherstub creation failed", error)
    return 0


def delete_etherstub(call: Call) -> int:
    """`delete-etherstub [-t] NAME`."""
    return vnics.delete(call, refused=DatalinkClass.VNIC, what="an etherstub")


def show_etherstub(call: Call) -> int:
    """`show-etherstub [NAME]`; the `-t` of its usage entry is not accepted (DLM-Q29)."""
    return vnics.show(call, DatalinkClass.ETHERSTUB)
