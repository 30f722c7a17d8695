"""Results of library calls: the statuses of libdladm, their texts, and how errnos become them (DLM 1.5)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, Self

from kernel_sim.sys.errno import Errno, KernelError


class Status(enum.IntEnum):
    """Statuses. The numbers up to 15 are the original's, since one of its quirks shows them (DLM-Q4); later ones mean nothing."""

    OK = 0
    BADARG = 1
    FAILED = 2
    TOOSMALL = 3
    NOTSUP = 4
    NOTFOUND = 5
    BADVAL = 6
    NOMEM = 7
    EXIST = 8
    LINKINVAL = 9
    PROPRDONLY = 10
    BADVALCNT = 11
    DBNOTFOUND = 12
    DENIED = 13
    IOERR = 14
    TEMPONLY = 15
    PERMONLY = enum.auto()
    NONOTIF = enum.auto()
    LINKBUSY = enum.auto()
    TRYAGAIN = enum.auto()
    FLOW_EXISTS = enum.auto()
    FLOW_INCOMPATIBLE = enum.auto()
    FLOW_IDENTICAL = enum.auto()
    ADDRINUSE = enum.auto()
    MACADDRINVAL = enum.auto()
    INVALIDMACADDR = enum.auto()
    INVALIDMACADDRNIC = enum.auto()
    INVALIDMACADDRINUSE = enum.auto()
    INVALIDMACADDRLEN = enum.auto()
    MACFACTORYSLOTINVALID = enum.auto()
    MACFACTORYSLOTUSED = enum.auto()
    MACFACTORYSLOTALLUSED = enum.auto()
    MACFACTORYNOTSUP = enum.auto()
    INVALIDMACPREFIX = enum.auto()
    INVALIDMACPREFIXLEN = enum.auto()
    VIDINVAL = enum.auto()
    MINMAXBW = enum.auto()
    INVALID_IP = enum.auto()
    INVALID_MTU = enum.auto()
    INVALID_MACMARGIN = enum.auto()
    TOOMANYELEMENTS = enum.auto()
    BADRANGE = enum.auto()
    BADCPUID = enum.auto()
    POOLCPU = enum.auto()
    PERSIST_ON_TEMP = enum.auto()

    @property
    def text(self) -> str:
        """What a command prints for this status."""
        return _TEXTS[self]


_TEXTS: Final = {
    Status.OK: "ok",
    Status.BADARG: "invalid argument",
    Status.FAILED: "operation failed",
    Status.TOOSMALL: "buffer size too small",
    Status.NOTSUP: "operation not supported",
    Status.NOTFOUND: "object not found",
    Status.BADVAL: "invalid value",
    Status.NOMEM: "insufficient memory",
    Status.EXIST: "object already exists",
    Status.LINKINVAL: "invalid link",
    Status.PROPRDONLY: "read-only property",
    Status.BADVALCNT: "invalid number of values",
    Status.DBNOTFOUND: "database not found",
    Status.DENIED: "permission denied",
    Status.IOERR: "I/O error",
    Status.TEMPONLY: "change cannot be persistent",
    Status.PERMONLY: "change must be persistent",
    Status.NONOTIF: "link notification is not supported",
    Status.LINKBUSY: "link busy",
    Status.TRYAGAIN: "try again later",
    Status.FLOW_EXISTS: "link still has flows",
    Status.FLOW_INCOMPATIBLE: "flow(s) with incompatible attributes exists",
    Status.FLOW_IDENTICAL: "a flow with identical attributes exists",
    Status.ADDRINUSE: "address already in use",
    Status.MACADDRINVAL: "invalid MAC address",
    Status.INVALIDMACADDR: "invalid MAC address value",
    Status.INVALIDMACADDRNIC: "MAC address reserved for use by underlying data-link",
    Status.INVALIDMACADDRINUSE: "MAC address is already in use",
    Status.INVALIDMACADDRLEN: "invalid MAC address length",
    Status.MACFACTORYSLOTINVALID: "invalid factory MAC address slot",
    Status.MACFACTORYSLOTUSED: "factory MAC address slot already used",
    Status.MACFACTORYSLOTALLUSED: "all factory MAC address slots are in use",
    Status.MACFACTORYNOTSUP: "factory MAC address slots not supported",
    Status.INVALIDMACPREFIX: "Invalid MAC address prefix value",
    Status.INVALIDMACPREFIXLEN: "Invalid MAC address prefix length",
    Status.VIDINVAL: "invalid VLAN identifier",
    Status.MINMAXBW: "minimum value for maxbw is 1200K",
    Status.INVALID_IP: "invalid IP address",
    Status.INVALID_MTU: "MTU check failed, MTU outside of device's supported range",
    Status.INVALID_MACMARGIN: "MTU check failed, use lower MTU or -f option",
    Status.TOOMANYELEMENTS: "too many elements specified",
    Status.BADRANGE: "invalid range",
    Status.BADCPUID: "non-existent processor ID",
    Status.POOLCPU: "pool and cpus property are mutually exclusive",
    Status.PERSIST_ON_TEMP: "can't create persistent object on top of temporary object",
}

_BY_NUMBER: Final = {int(status): status for status in Status}

_FROM_ERRNO: Final[dict[int, Status]] = {
    0: Status.OK,
    Errno.EINVAL: Status.BADARG,
    Errno.EEXIST: Status.EXIST,
    Errno.ENOENT: Status.NOTFOUND,
    Errno.ENOSPC: Status.TOOSMALL,
    Errno.ENOMEM: Status.NOMEM,
    Errno.ENOTSUP: Status.NOTSUP,
    Errno.ENETDOWN: Status.NONOTIF,
    Errno.EACCES: Status.DENIED,
    Errno.EPERM: Status.DENIED,
    Errno.EIO: Status.IOERR,
    Errno.EBUSY: Status.LINKBUSY,
    Errno.EAGAIN: Status.TRYAGAIN,
    Errno.ENOTEMPTY: Status.FLOW_EXISTS,
    Errno.EOPNOTSUPP: Status.FLOW_INCOMPATIBLE,
    Errno.EALREADY: Status.FLOW_IDENTICAL,
    Errno.EADDRINUSE: Status.ADDRINUSE,
}


UNKNOWN_TEXT: Final = "<unknown error>"
"""The text of a number that is no status."""


def status2str(number: int) -> str:
    """What a command prints for the number of a status; `<unknown error>` for a number that is none."""
    status = _BY_NUMBER.get(number)
    return UNKNOWN_TEXT if status is None else status.text


def from_errno(number: int) -> Status:
    """The status for an illumos errno; FAILED for one without a status of its own."""
    return _FROM_ERRNO.get(number, Status.FAILED)


class DladmError(Exception):
    """A library call failed: its status, and the error list that a command prints as warnings before the status.

    Entries are lines; one that ends in a newline prints an empty line after it, as the original does (DLM-Q5).
    """

    def __init__(self, status: Status, entries: Iterable[str] = ()) -> None:
        super().__init__(status.text)
        self.status = status
        self.entries = tuple(entries)

    @classmethod
    def of(cls, error: KernelError, entries: Iterable[str] = ()) -> Self:
        """What a refusal by the kernel or a daemon becomes."""
        return cls(from_errno(error.errno), entries)
