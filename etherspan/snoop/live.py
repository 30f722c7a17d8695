"""Links that are watched while frames pass."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Final

from etherspan.errors import EtherspanError
from etherspan.snoop.packet import Packet
from kernel_sim.dev import framing, paths
from kernel_sim.dev.client import Device, System
from kernel_sim.sys.errno import Errno, KernelError, strerror
from kernel_sim.sys.snoop import SNOOP_IOC_ATTACH, SNOOP_IOC_READ, Attach, Way, unpack_batch

_ALL_PROTOCOLS: Final = 0x0003
_PACKET_OUTGOING: Final = 4


def watch(system: System, link: str, snaplen: int) -> Iterator[Packet]:
    """What passes a link of the host, from now on and without end.

    Errors: `EtherspanError`: no host, no right, no such link.
    """
    try:
        device = Device.open(system, paths.SNOOP, framing.FREAD)
    except KernelError as error:
        if error.errno is Errno.ENOENT:
            raise EtherspanError("the host is not up: 'etherspan host boot' boots it") from error
        raise EtherspanError(f"cannot capture: {strerror(error.errno)}; only root and who runs the host may") from error
    try:
        device.ioctl(SNOOP_IOC_ATTACH, Attach(link, snaplen).pack())
    except KernelError as error:
        device.close()
        if error.errno is Errno.ENOTSUP:
            return _interface(link, snaplen)
        what = "there is no such link" if error.errno is Errno.ENOENT else strerror(error.errno)
        raise EtherspanError(f"cannot capture on '{link}': {what}; 'dladm show-link' lists the links") from error
    return _records(device)


def _records(device: Device) -> Iterator[Packet]:
    try:
        since_1970 = time.time_ns() - time.monotonic_ns()
        while True:
            try:
                lost, records = unpack_batch(device.ioctl(SNOOP_IOC_READ))
            except KernelError as error:
                raise EtherspanError(f"the capture has ended: {strerror(error.errno)}") from error
            for one in records:
                yield Packet(one.time + since_1970, one.size, one.data, one.way, one.reason, lost)
                lost = 0
    finally:
        device.close()


def _interface(link: str, snaplen: int) -> Iterator[Packet]:
    """An interface of the machine, which a physical link is. Errors: `EtherspanError`."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    except PermissionError as error:
        raise EtherspanError(f"cannot capture on '{link}': the machine's interfaces need CAP_NET_RAW") from error
    try:
        sock.bind((link, _ALL_PROTOCOLS))
    except OSError as error:
        sock.close()
        raise EtherspanError(f"cannot capture on '{link}': {error.strerror}; it is no interface here") from error
    return _frames(sock, snaplen)


def _frames(sock: socket.socket, snaplen: int) -> Iterator[Packet]:
    with sock:
        while True:
            data, (_, _, kind, *_) = sock.recvfrom(65535 + 64)
            way = Way.OUT if kind == _PACKET_OUTGOING else Way.IN
            yield Packet(time.time_ns(), len(data), data[:snaplen], way)
