"""Results of ipadm's operations: the statuses of libipadm, their texts, and how errnos become them (IPA 3.4)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from kernel_sim.sys.errno import Errno


class Status(enum.Enum):
    """A status; its value is the text that the command prints."""

    SUCCESS = "Operation succeeded"
    FAILURE = "Operation failed"
    EAUTH = "Insufficient user authorizations"
    EPERM = "Permission denied"
    NO_BUFS = "No buffer space available"
    NO_MEMORY = "Insufficient memory"
    BAD_ADDR = "Invalid address"
    DAD_FOUND = "Duplicate address detected"
    EXISTS = "Already exists"
    IF_EXISTS = "Interface already exists"
    ADDROBJ_EXISTS = "Address object already exists"
    ADDRCONF_EXISTS = "Addrconf already in progress"
    ENXIO = "Interface does not exist"
    INVALID_ARG = "Invalid argument provided"
    DLPI_FAILURE = "Could not open DLPI link"
    DLADM_FAILURE = "Datalink does not exist"
    ERANGE = "Value is outside the allowed range"
    ESRCH = "Value does not exist"
    EOVERFLOW = "Number of values exceeds the allowed limit"
    NOTFOUND = "Object not found"
    IF_INUSE = "Interface already in use"
    ADDR_INUSE = "Address already in use"
    BAD_HOSTNAME = "Hostname maps to multiple IP addresses"
    ADDR_NOTAVAIL = "Can't assign requested address"
    ALL_ADDRS_NOT_ENABLED = "All addresses could not be enabled"
    TEMPORARY_OBJ = "Persistent operation on temporary object"
    IPC_ERROR = "Could not communicate with ipmgmtd"
    NOTSUP = "Operation not supported"
    OP_DISABLE_OBJ = "Operation not supported on disabled object"
    EBADE = "Invalid data exchange with daemon"

    @property
    def text(self) -> str:
        """What the command prints for this status."""
        return self.value


_BY_ERRNO: Final[Mapping[Errno, Status]] = {
    Errno.ENXIO: Status.ENXIO,
    Errno.ENOMEM: Status.NO_MEMORY,
    Errno.ENOBUFS: Status.NO_BUFS,
    Errno.EINVAL: Status.INVALID_ARG,
    Errno.EBUSY: Status.IF_INUSE,
    Errno.EEXIST: Status.EXISTS,
    Errno.EADDRNOTAVAIL: Status.ADDR_NOTAVAIL,
    Errno.EADDRINUSE: Status.ADDR_INUSE,
    Errno.ENOENT: Status.NOTFOUND,
    Errno.ERANGE: Status.ERANGE,
    Errno.EPERM: Status.EPERM,
    Errno.ENOTSUP: Status.NOTSUP,
    Errno.EOPNOTSUPP: Status.NOTSUP,
    Errno.EBADF: Status.IPC_ERROR,
    Errno.ESRCH: Status.ESRCH,
    Errno.EOVERFLOW: Status.EOVERFLOW,
    Errno.EACCES: Status.EPERM,  # Linux says so of files; the original has no case for it
    Errno.ENODEV: Status.ENXIO,  # Linux's word for an interface that is not there
}


def of_errno(number: int) -> Status:
    """The status for an errno (illumos numbers): FAILURE where no other fits."""
    return _BY_ERRNO.get(Errno(number), Status.FAILURE) if number in set(Errno) else Status.FAILURE


class IpadmError(Exception):
    """An operation that failed. `reason` says more than the status does where there is more to say; it may be empty."""

    def __init__(self, status: Status, reason: str = "") -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.status.text} ({self.reason})" if self.reason else self.status.text
