"""Error numbers of illumos, the texts its `strerror` prints, and the one exception that carries them.

Numbers travel between processes of a host in this numbering, whatever the machine underneath calls them (KRN 0, DLM 1.5).
`from_host` is the only door through which a Linux number enters.
"""

from __future__ import annotations

import enum
import errno as host_errno


class Errno(enum.IntEnum):
    """illumos error numbers."""

    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    EINTR = 4
    EIO = 5
    ENXIO = 6
    E2BIG = 7
    ENOEXEC = 8
    EBADF = 9
    ECHILD = 10
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    ENOTBLK = 15
    EBUSY = 16
    EEXIST = 17
    EXDEV = 18
    ENODEV = 19
    ENOTDIR = 20
    EISDIR = 21
    EINVAL = 22
    ENFILE = 23
    EMFILE = 24
    ENOTTY = 25
    ETXTBSY = 26
    EFBIG = 27
    ENOSPC = 28
    ESPIPE = 29
    EROFS = 30
    EMLINK = 31
    EPIPE = 32
    EDOM = 33
    ERANGE = 34
    ENOMSG = 35
    EIDRM = 36
    EDEADLK = 45
    ENOLCK = 46
    ECANCELED = 47
    ENOTSUP = 48
    EDQUOT = 49
    ENOSTR = 60
    ENODATA = 61
    ETIME = 62
    ENOSR = 63
    ENONET = 64
    ENOLINK = 67
    ECOMM = 70
    EPROTO = 71
    ENOTACTIVE = 73
    EBADMSG = 77
    ENAMETOOLONG = 78
    EOVERFLOW = 79
    ENOTUNIQ = 80
    EBADFD = 81
    EILSEQ = 88
    ENOSYS = 89
    ELOOP = 90
    ERESTART = 91
    ENOTEMPTY = 93
    EUSERS = 94
    ENOTSOCK = 95
    EDESTADDRREQ = 96
    EMSGSIZE = 97
    EPROTOTYPE = 98
    ENOPROTOOPT = 99
    EPROTONOSUPPORT = 120
    ESOCKTNOSUPPORT = 121
    EOPNOTSUPP = 122
    EPFNOSUPPORT = 123
    EAFNOSUPPORT = 124
    EADDRINUSE = 125
    EADDRNOTAVAIL = 126
    ENETDOWN = 127
    ENETUNREACH = 128
    ENETRESET = 129
    ECONNABORTED = 130
    ECONNRESET = 131
    ENOBUFS = 132
    EISCONN = 133
    ENOTCONN = 134
    ESHUTDOWN = 143
    ETOOMANYREFS = 144
    ETIMEDOUT = 145
    ECONNREFUSED = 146
    EHOSTDOWN = 147
    EHOSTUNREACH = 148
    EALREADY = 149
    EINPROGRESS = 150
    ESTALE = 151

    @classmethod
    def of(cls, number: int) -> Errno:
        """The member with that illumos number; EIO for a number that illumos does not have."""
        return _BY_NUMBER.get(number, cls.EIO)


_BY_NUMBER = {int(member): member for member in Errno}

_TEXTS = {
    Errno.EPERM: "Not owner",
    Errno.ENOENT: "No such file or directory",
    Errno.ESRCH: "No such process",
    Errno.EINTR: "Interrupted system call",
    Errno.EIO: "I/O error",
    Errno.ENXIO: "No such device or address",
    Errno.E2BIG: "Arg list too long",
    Errno.ENOEXEC: "Exec format error",
    Errno.EBADF: "Bad file number",
    Errno.ECHILD: "No child processes",
    Errno.EAGAIN: "Resource temporarily unavailable",
    Errno.ENOMEM: "Not enough space",
    Errno.EACCES: "Permission denied",
    Errno.EFAULT: "Bad address",
    Errno.ENOTBLK: "Block device required",
    Errno.EBUSY: "Device busy",
    Errno.EEXIST: "File exists",
    Errno.EXDEV: "Cross-device link",
    Errno.ENODEV: "No such device",
    Errno.ENOTDIR: "Not a directory",
    Errno.EISDIR: "Is a directory",
    Errno.EINVAL: "Invalid argument",
    Errno.ENFILE: "File table overflow",
    Errno.EMFILE: "Too many open files",
    Errno.ENOTTY: "Inappropriate ioctl for device",
    Errno.ETXTBSY: "Text file busy",
    Errno.EFBIG: "File too large",
    Errno.ENOSPC: "No space left on device",
    Errno.ESPIPE: "Illegal seek",
    Errno.EROFS: "Read-only file system",
    Errno.EMLINK: "Too many links",
    Errno.EPIPE: "Broken pipe",
    Errno.EDOM: "Argument out of domain",
    Errno.ERANGE: "Result too large",
    Errno.ENOMSG: "No message of desired type",
    Errno.EIDRM: "Identifier removed",
    Errno.EDEADLK: "Deadlock situation detected/avoided",
    Errno.ENOLCK: "No record locks available",
    Errno.ECANCELED: "Operation canceled",
    Errno.ENOTSUP: "Operation not supported",
    Errno.EDQUOT: "Disc quota exceeded",
    Errno.ENOSTR: "Not a stream device",
    Errno.ENODATA: "No data available",
    Errno.ETIME: "Timer expired",
    Errno.ENOSR: "Out of stream resources",
    Errno.ENONET: "Machine is not on the network",
    Errno.ENOLINK: "Link has been severed",
    Errno.ECOMM: "Communication error on send",
    Errno.EPROTO: "Protocol error",
    Errno.ENOTACTIVE: "Facility is not active",
    Errno.EBADMSG: "Not a data message",
    Errno.ENAMETOOLONG: "File name too long",
    Errno.EOVERFLOW: "Value too large for defined data type",
    Errno.ENOTUNIQ: "Name not unique on network",
    Errno.EBADFD: "File descriptor in bad state",
    Errno.EILSEQ: "Illegal byte sequence",
    Errno.ENOSYS: "Operation not applicable",
    Errno.ELOOP: "Number of symbolic links encountered during path name traversal exceeds MAXSYMLINKS",
    Errno.ERESTART: "Restartable system call",
    Errno.ENOTEMPTY: "Directory not empty",
    Errno.EUSERS: "Too many users",
    Errno.ENOTSOCK: "Socket operation on non-socket",
    Errno.EDESTADDRREQ: "Destination address required",
    Errno.EMSGSIZE: "Message too long",
    Errno.EPROTOTYPE: "Protocol wrong type for socket",
    Errno.ENOPROTOOPT: "Option not supported by protocol",
    Errno.EPROTONOSUPPORT: "Protocol not supported",
    Errno.ESOCKTNOSUPPORT: "Socket type not supported",
    Errno.EOPNOTSUPP: "Operation not supported on transport endpoint",
    Errno.EPFNOSUPPORT: "Protocol family not supported",
    Errno.EAFNOSUPPORT: "Address family not supported by protocol family",
    Errno.EADDRINUSE: "Address already in use",
    Errno.EADDRNOTAVAIL: "Cannot assign requested address",
    Errno.ENETDOWN: "Network is down",
    Errno.ENETUNREACH: "Network is unreachable",
    Errno.ENETRESET: "Network dropped connection because of reset",
    Errno.ECONNABORTED: "Software caused connection abort",
    Errno.ECONNRESET: "Connection reset by peer",
    Errno.ENOBUFS: "No buffer space available",
    Errno.EISCONN: "Transport endpoint is already connected",
    Errno.ENOTCONN: "Transport endpoint is not connected",
    Errno.ESHUTDOWN: "Cannot send after socket shutdown",
    Errno.ETOOMANYREFS: "Too many references: cannot splice",
    Errno.ETIMEDOUT: "Connection timed out",
    Errno.ECONNREFUSED: "Connection refused",
    Errno.EHOSTDOWN: "Host is down",
    Errno.EHOSTUNREACH: "No route to host",
    Errno.EALREADY: "Operation already in progress",
    Errno.EINPROGRESS: "Operation now in progress",
    Errno.ESTALE: "Stale NFS file handle",
}

_FROM_HOST: dict[int, Errno] = {}
for _member in Errno:  # ascending, so that Linux's one number for ENOTSUP and EOPNOTSUPP becomes ENOTSUP
    _number = getattr(host_errno, _member.name, None)
    if _number is not None:
        _FROM_HOST.setdefault(_number, _member)


def strerror(number: int) -> str:
    """The text illumos prints for one of its error numbers (DLM 1.5); "Unknown error" for any other."""
    member = _BY_NUMBER.get(number)
    return "Unknown error" if member is None else _TEXTS[member]


def from_host(number: int | None) -> Errno:
    """The illumos number for a number of this machine (`OSError.errno`); EIO when illumos has no such name, or for None."""
    return Errno.EIO if number is None else _FROM_HOST.get(number, Errno.EIO)


class KernelError(Exception):
    """A refusal by the kernel or by a daemon: an illumos errno, and what it was about.

    `detail` is said to people and logs only; `argument` holds the bytes that came back with a failing ioctl (read-write
    commands of /dev/dld return their argument even then, KRN 1.6).
    """

    def __init__(self, errno: Errno, detail: str = "", *, argument: bytes = b"") -> None:
        super().__init__(errno, detail)
        self.errno = errno
        self.detail = detail
        self.argument = argument

    @classmethod
    def from_os(cls, error: OSError, detail: str = "") -> KernelError:
        """What a failed call to this machine becomes; `detail` says what was tried."""
        return cls(from_host(error.errno), detail)

    def __str__(self) -> str:
        text = strerror(self.errno)
        return f"{text}: {self.detail}" if self.detail else text
