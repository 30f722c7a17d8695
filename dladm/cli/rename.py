"""rename-link (DLM 5.5)."""

from __future__ import annotations

from dladm.cli.call import Call
from dladm.cli.common import find_link, note_for_root
from dladm.libdladm import rename
from dladm.libdladm.status import DladmError


def rename_link(call: Call) -> int:
    """`rename-link [-R DIR] [-z ZONE] OLD NEW`. A link that is lent to a zone is busy, unless `-z` names the zone."""
    root = ""
    for option in call.options():
        root = option.argument
    if len(call.operands) != 2:
        call.usage()
    if root:
        return note_for_root(call, root)
    old, new = call.operands
    try:
        rename.rename_link(call.handle, find_link(call, old), new, lent=call.zone is not None)
    except DladmError as error:
        call.terminal.die("rename operation failed", error.status)
    return 0
