"""Who asks the kernel for something."""

from __future__ import annotations

from dataclasses import dataclass

from kernel_sim.sys.errno import Errno, KernelError


@dataclass(slots=True, frozen=True)
class Credentials:
    """A caller: the user id, and whether it has the datalink-config privilege."""

    uid: int
    privileged: bool

    def require_privilege(self) -> None:
        """Errors: EPERM without the datalink-config privilege."""
        if not self.privileged:
            raise KernelError(Errno.EPERM, f"user {self.uid} lacks the privilege to configure data links")
