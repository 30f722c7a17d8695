"""Adopting the instances of an earlier daemon from their state files (VPD 6.4).

A file whose name has the form of a state file's is read, whatever number it claims; one that cannot be restored, whatever the reason,
is put aside as `<name>.bad` (VPD-Q23). Other files are left alone (VPD-I13).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from kernel_sim.dev.log import Log
from kernel_sim.sys.errno import Errno, KernelError
from libvarpd.errors import VarpdError, kernel_has_gone
from libvarpd.persist import StateStore
from libvarpd.state import StateRecord, file_name, number_in


async def restore_files(
    store: StateStore, names: Sequence[str], adopt: Callable[[StateRecord], Awaitable[None]], log: Log
) -> None:
    """Restore what state files say, in order of their numbers.

    Errors: one that cannot be opened or put aside ends the scan with what the machine says (VPD-B56); a kernel that has gone.
    """
    numbered = sorted((number, name) for name in names if (number := number_in(name)) is not None)
    for _, name in numbered:
        data = store.read(name)
        if data is None:
            continue
        try:
            record = StateRecord.decode(data)
            if file_name(record.id) != name:  # VPD-Q39
                raise VarpdError(Errno.EINVAL, f"it holds instance {record.id}")
            await adopt(record)
        except KernelError as error:
            if kernel_has_gone(error):
                raise
            log.warning("state file put aside", file=name, reason=str(error))
            store.quarantine(name)
        else:
            log.info("instance restored", instance=record.id, linkid=record.linkid, plugin=record.plugin)
