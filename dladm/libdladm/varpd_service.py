"""varpd as a service: on while there is an overlay, off otherwise (DLM 2.7, 3.1)."""

from __future__ import annotations

import contextlib
from typing import Final

from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status
from dladm.libscf.protocol import VARPD, State
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

FMRI: Final = VARPD
WAIT_SECONDS: Final = 15.0
"""How long a change of the service's state is waited for."""

_STATUSES: Final = {Errno.EACCES: Status.DENIED, Errno.EPERM: Status.DENIED, Errno.ENOENT: Status.NOTFOUND}


def enable(handle: Dladm) -> None:
    """Bring varpd online, unless it is.

    Errors: `DladmError`: DENIED, NOTFOUND without the service, FAILED when it is not online within 15 s or is in maintenance.
    """
    try:
        if handle.scf.state(FMRI) == State.ONLINE:
            return
        handle.scf.enable(FMRI)
        reached = handle.scf.wait(FMRI, {State.ONLINE, State.MAINTENANCE}, WAIT_SECONDS)
    except KernelError as error:
        handle.note(f"enable {FMRI}: {error}")
        raise DladmError(_STATUSES.get(error.errno, Status.FAILED)) from error
    if reached != State.ONLINE:
        handle.note(f"{FMRI} is {reached}, not online")
        raise DladmError(Status.FAILED)


def disable_if_idle(handle: Dladm) -> None:
    """Disable varpd when no overlay is active any more, and wait until it is down. Raises nothing."""
    with contextlib.suppress(KernelError):
        if not handle.dlmgmt.any(DatalinkClass.OVERLAY, DatalinkFlag.ACTIVE):
            handle.scf.disable(FMRI)
            handle.scf.wait(FMRI, {State.DISABLED, State.MAINTENANCE}, WAIT_SECONDS)
