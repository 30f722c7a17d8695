"""/dev/overlay: the node through which varpd resolves destinations. One exclusive opener at a time (KRN 2.5)."""

from __future__ import annotations

from kernel_sim.cred import Credentials
from kernel_sim.kernel import Kernel, OverlayHandle


class OverlayNode:
    """See `server.Node`; the kernel's handle is the open node."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def open(self, flags: int, cred: Credentials) -> OverlayHandle:
        """See `Kernel.overlay_open`. Errors: EPERM, EINVAL flags, EEXIST."""
        return self._kernel.overlay_open(flags, cred)
