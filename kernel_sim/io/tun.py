"""The tun driver: making a TAP device, its offloads, and what is set through its descriptor.

Every frame that is read or written follows a virtio-net header (`vnet`). A call through the descriptor works in whatever
namespace the TAP is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from dataclasses import dataclass
from typing import Final

from kernel_sim.io import vnet
from kernel_sim.sys.errno import Errno, KernelError, from_host
from kernel_sim.sys.message import Gso

DEVICE: Final = "/dev/net/tun"
IFNAMSIZ: Final = 16

_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000
_IFF_TUN_EXCL: Final = 0x8000
"""Never attach to a TAP that exists."""

_TUNSETIFF: Final = 0x400454CA
_TUNSETOFFLOAD: Final = 0x400454D0
_TUNGETIFF: Final = 0x800454D2
_TUNSETVNETHDRSZ: Final = 0x400454D8
_TUNSETCARRIER: Final = 0x400454E2
_TUNGETDEVNETNS: Final = 0x54E3
_SIOCSIFHWADDR: Final = 0x8924
_ARPHRD_ETHER: Final = 1

_IFREQ_FLAGS: Final = struct.Struct("=16sH22x")
_IFREQ_HWADDR: Final = struct.Struct("=16sH6s16x")
_INT: Final = struct.Struct("=i")


@dataclass(slots=True, frozen=True)
class Offload:
    """A set of offloads the driver may grant: what the consumer's side may send, and the kinds of runs (`Gso`) that may be delivered."""

    flags: int
    runs: frozenset[int]


_CSUM, _TSO4, _TSO6, _USO4, _USO6 = 0x01, 0x02, 0x04, 0x20, 0x40
_TCP_RUNS = frozenset({int(Gso.TCPV4), int(Gso.TCPV6)})
OFFLOADS: Final = (
    Offload(_CSUM | _TSO4 | _TSO6 | _USO4 | _USO6, _TCP_RUNS | {int(Gso.UDP_L4)}),
    Offload(_CSUM | _TSO4 | _TSO6, _TCP_RUNS),
    Offload(_CSUM, _TCP_RUNS),
    Offload(0, _TCP_RUNS),
)
"""From the best down; machines before Linux 6.2 know no UDP runs."""

_ERRORS: Final = {Errno.EBUSY: Errno.EEXIST, Errno.EACCES: Errno.EPERM}
"""What TUNSETIFF says, and what it means here."""


def create(name: str) -> tuple[int, Offload]:
    """Make a TAP called `name` (at most 15 characters) in this thread's network namespace.

    Returns its non-blocking descriptor and what was granted; closing the descriptor removes the TAP. The link is down and has a
    random address. Errors: EEXIST the name is taken, EPERM, ENOENT no tun device, EINVAL name.
    """
    assert 0 < len(name.encode()) < IFNAMSIZ, name  # the driver would cut it without a word
    with contextlib.ExitStack() as undo:
        try:
            fd = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            undo.callback(os.close, fd)
            flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | _IFF_TUN_EXCL
            fcntl.ioctl(fd, _TUNSETIFF, _IFREQ_FLAGS.pack(name.encode(), flags))
            fcntl.ioctl(fd, _TUNSETVNETHDRSZ, _INT.pack(vnet.SIZE))
        except OSError as error:
            number = from_host(error.errno)
            detail = f"cannot make the TAP device {name} from {DEVICE}: {error.strerror}"
            raise KernelError(_ERRORS.get(number, number), detail) from error
        granted = _negotiate(fd)
        undo.pop_all()
        return fd, granted


def _negotiate(fd: int) -> Offload:
    for offload in OFFLOADS[:-1]:
        with contextlib.suppress(OSError):
            fcntl.ioctl(fd, _TUNSETOFFLOAD, offload.flags)
            return offload
    return OFFLOADS[-1]


def set_carrier(fd: int, up: bool) -> None:
    """Set the link state of the TAP."""
    fcntl.ioctl(fd, _TUNSETCARRIER, _INT.pack(up))


def set_address(fd: int, mac: bytes) -> None:
    """Set the TAP's address, in whatever namespace it is."""
    fcntl.ioctl(fd, _SIOCSIFHWADDR, _IFREQ_HWADDR.pack(b"", _ARPHRD_ETHER, mac))


def current_name(fd: int) -> str:
    """The TAP's present name, which may have been changed from outside."""
    request = bytearray(_IFREQ_FLAGS.size)
    fcntl.ioctl(fd, _TUNGETIFF, request)
    return bytes(request[:IFNAMSIZ]).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def namespace(fd: int) -> int:
    """A descriptor of the namespace the TAP is in; the caller closes it."""
    return fcntl.ioctl(fd, _TUNGETDEVNETNS, 0)
