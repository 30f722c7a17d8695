"""What can go wrong in varpd, and whose matter it is.

`VarpdError` is an answer: its errno goes to the client that asked. `VarpdPanic` is the end: a state the daemon cannot go on from
(VPD 1.8). Refusals by the simulated kernel arrive as `kernel_sim.sys.errno.KernelError`, the class that `VarpdError` extends, so one
`except KernelError` covers both.
"""

from __future__ import annotations

from typing import Final

from kernel_sim.sys.errno import Errno, KernelError

_GONE: Final = frozenset({Errno.ECONNRESET, Errno.EBADF})


class VarpdError(KernelError):
    """A request refused by libvarpd or by a search plugin: an illumos errno, and a detail for logs and people."""


class VarpdPanic(Exception):
    """What makes the original abort. The daemon ends with SIGABRT; inside a test it can be caught."""


def kernel_has_gone(error: KernelError) -> bool:
    """Whether an ioctl failed because there is no kernel any more. A plugin's own `VarpdError` never says that, whatever its errno."""
    return not isinstance(error, VarpdError) and error.errno in _GONE
