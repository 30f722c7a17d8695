"""The underlay: UDP sockets of the host's namespace (KRN 4.4).

A socket bound to an IPv4 address is an IPv4 socket, to an IPv6 address an IPv6 one, to `::` one for both. Datagrams leave without
DF, so that what exceeds the interface's MTU is fragmented, with TTL 255 or hop limit 60. A full send buffer is EAGAIN: the frame
is lost, as in the original.

Frames of one call leave in one system call where the path takes UDP_SEGMENT. It does not when a datagram exceeds the path's MTU
(EMSGSIZE; fragments then have to be made) or the device cannot (EIO, EINVAL): that is remembered for the destination until a link, an
address or a route changes, and datagrams go one by one.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final

from kernel_sim.ddi import V4_MAPPED_PREFIX, Receive, ReceivePaths, SocketAddress, TransmitPath
from kernel_sim.io.errors import os_errors
from kernel_sim.io.fastpath import Lanes, ReceiveLane
from kernel_sim.io.loop import Loop
from kernel_sim.io.srcport import SourcePorts, drop_all_input
from kernel_sim.sys.errno import from_host
from kernel_sim.sys.message import Buffer, Packed

IPV4_TTL: Final = 255
IPV6_HOP_LIMIT: Final = 60
PAYLOAD_MAX: Final = 65_507
"""Bytes of one UDP send, whether cut or not."""
BATCH: Final = 64
"""Receives at one wake-up, at most."""

_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_DONT: Final = 0
_RECEIVE_BUFFER: Final = 8 << 20
_SEND_BUFFER: Final = 4 << 20
_ANCILLARY: Final = 64
_DATAGRAM_MAX: Final = 1 << 16
_GATHERED_MAX: Final = 1 << 16
"""Bytes after which what has been received is handed on."""

_NAME_V4: Final = struct.Struct("=H2s4s8x")
_NAME_V6: Final = struct.Struct("=H2s4x16s4x")
_SEGMENT_SIZE: Final = struct.Struct("=H")
_GRO_SIZE: Final = struct.Struct("=i")
_SEGMENTS_MAX: Final = (128, 64)
"""Most segments of one send: newer machines, older ones."""
_ANY_V6: Final = bytes(16)

_UNCUTTABLE: Final = frozenset({errno.EMSGSIZE, errno.EIO, errno.EINVAL})
_Name = tuple[str, int]


class UdpUnderlay:
    """Implements `ddi.Underlay`."""

    def __init__(self, loop: Loop, lanes: Lanes | None = None) -> None:
        """`lanes` are for datagrams whose way is known."""
        self.loop = loop
        self.lanes = lanes
        self.memory = memoryview(bytearray(_GATHERED_MAX + _DATAGRAM_MAX))
        self._sockets: set[UdpSocket] = set()
        self._source_ports: dict[bytes, SourcePorts] = {}

    def open(
        self,
        address: SocketAddress,
        receive: Receive,
        paths: ReceivePaths | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> UdpSocket:
        """See `ddi.Underlay.open`."""
        opened = UdpSocket(self, address, receive, self._hold_source_ports(address), paths, heard)
        self._sockets.add(opened)
        return opened

    def paths_changed(self) -> None:
        """Forget what was learned about paths and ports that could not be used."""
        for opened in self._sockets:
            opened.forget_paths()
        for ports in self._source_ports.values():
            ports.retry()

    def release(self, opened: UdpSocket, address: SocketAddress) -> None:
        """A socket was closed, or could not be opened."""
        self._sockets.discard(opened)
        ports = self._source_ports[address.ip]
        ports.users -= 1
        if not ports.users:
            ports.close()
            del self._source_ports[address.ip]

    def _hold_source_ports(self, address: SocketAddress) -> SourcePorts:
        ip = address.ip
        ports = self._source_ports.get(ip)
        if ports is None:
            ports = self._source_ports[ip] = SourcePorts(lambda port: _send_socket(SocketAddress(ip, port)))
        ports.users += 1
        return ports


class UdpSocket:
    """Implements `ddi.UnderlaySocket`."""

    def __init__(
        self,
        underlay: UdpUnderlay,
        address: SocketAddress,
        receive: Receive,
        source_ports: SourcePorts,
        paths: ReceivePaths | None,
        heard: Callable[[bytes], None] | None,
    ) -> None:
        self._heard = heard
        self._underlay = underlay
        self._address = address
        self._receive = receive
        self._source_ports = source_ports
        self._port = address.port
        self._ipv4 = address.is_v4
        self._memory = underlay.memory
        self._lane = ReceiveLane(underlay.lanes, paths) if underlay.lanes is not None and paths is not None else None
        self._uncuttable: dict[bytes, int] = {}
        """By destination, the smallest datagram that could not be sent by UDP_SEGMENT."""
        self._segments_max = _SEGMENTS_MAX[0]
        self._last_to: SocketAddress | None = None
        self._last_name: _Name = ("", 0)
        try:
            with os_errors(f"cannot listen on {_text(address)} port {address.port}"):
                self._sock = _listen_socket(address)
        except BaseException:
            underlay.release(self, address)
            raise
        underlay.loop.register(self._sock.fileno(), self._ready, data=True)
        if underlay.lanes is not None:
            underlay.lanes.sockets[self] = self.outlet

    # ------------------------------------------------------------------ out

    def send(self, header: bytes, frames: Sequence[Buffer], to: SocketAddress, source_port: int) -> int:
        """See `ddi.UnderlaySocket.send`. Errors: EAGAIN buffer full, EMSGSIZE over 65,507 bytes, routing errors."""
        sock = self._sock if source_port == self._port else self._source_ports.get(source_port) or self._sock
        if to is not self._last_to:
            self._last_name = (_host(to.ip, v4=self._ipv4), to.port)
            self._last_to = to
        name = self._last_name
        try:
            if type(frames) is Packed:
                self._send_packed(sock, frames, to.ip, name)
            elif len(frames) == 1:
                sock.sendmsg((header, frames[0]), (), 0, name)
            else:
                self._send_many(sock, header, frames, to.ip, name)
        except OSError as error:
            return from_host(error.errno)
        return 0

    def outlet(self, path: TransmitPath) -> tuple[int, bytes, int] | None:
        """The descriptor that sends what goes that way, the socket address it goes to, and how many datagrams at once; for `fastpath`."""
        if path.to.ip in self._uncuttable:
            return None
        port = path.source_port
        sock = self._sock if port == self._port else self._source_ports.get(port) or self._sock
        number = path.to.port.to_bytes(2, "big")
        name = (
            _NAME_V4.pack(socket.AF_INET, number, path.to.ip[12:])
            if self._ipv4
            else _NAME_V6.pack(socket.AF_INET6, number, path.to.ip)
        )
        return sock.fileno(), name, self._segments_max

    def _send_many(self, sock: socket.socket, header: bytes, frames: Sequence[Buffer], ip: bytes, name: _Name) -> None:
        """As few sends as the path allows."""
        size = len(header) + len(frames[0])
        at = 0
        while at < len(frames):
            limit = self._uncuttable.get(ip)
            count = min(len(frames) - at, PAYLOAD_MAX // size or 1, self._segments_max)
            if count < 2 or (limit is not None and size >= limit):
                sock.sendmsg((header, frames[at]), (), 0, name)
                at += 1
                continue
            parts: list[Buffer] = [header] * (2 * count)
            parts[1::2] = frames[at : at + count]
            try:
                sock.sendmsg(parts, ((_SOL_UDP, _UDP_SEGMENT, _SEGMENT_SIZE.pack(size)),), 0, name)
            except OSError as error:
                if error.errno not in _UNCUTTABLE:
                    raise
                self._refused(error.errno, count, size, ip)
                continue
            at += count

    def _send_packed(self, sock: socket.socket, packed: Packed, ip: bytes, name: _Name) -> None:
        """The same for datagrams that are made already, one behind the other."""
        buffer, size = packed.buffer, packed.stride
        total, at = len(buffer), 0
        while at < total:
            limit = self._uncuttable.get(ip)
            count = min(PAYLOAD_MAX // size or 1, self._segments_max)
            if count < 2 or total - at <= size or (limit is not None and size >= limit):
                sock.sendmsg((buffer[at : at + size],), (), 0, name)
                at += size
                continue
            try:
                sock.sendmsg(
                    (buffer[at : at + count * size],), ((_SOL_UDP, _UDP_SEGMENT, _SEGMENT_SIZE.pack(size)),), 0, name
                )
            except OSError as error:
                if error.errno not in _UNCUTTABLE:
                    raise
                self._refused(error.errno, count, size, ip)
                continue
            at += count * size

    def _refused(self, number: int | None, count: int, size: int, ip: bytes) -> None:
        """Learn from a send that was refused as a whole."""
        if number == errno.EINVAL and count > _SEGMENTS_MAX[1]:
            self._segments_max = _SEGMENTS_MAX[1]
        else:
            self._uncuttable[ip] = size if number == errno.EMSGSIZE else 0

    def forget_paths(self) -> None:
        """Try UDP_SEGMENT again everywhere."""
        self._uncuttable.clear()

    # ------------------------------------------------------------------ in

    def _ready(self, _events: int) -> None:
        """Receive what is there, up to a bound. Datagrams that come one by one are gathered while they are of one length."""
        lane = self._lane
        if lane is not None and not lane.empty:
            batches = lane.receive(self._sock.fileno())
            if not batches:
                return
            for begun, end, stride, gathered in batches:
                self._hand_on(lane.memory, begun, end, stride, gathered=gathered)
            if self._sock.fileno() < 0:
                return
        memory = self._memory
        receive_into = self._sock.recvmsg_into
        heard = self._heard
        begun = end = length = 0
        for _ in range(BATCH):
            try:
                size, ancillary, _, sender = receive_into((memory[end:],), _ANCILLARY)
            except BlockingIOError:
                break
            except OSError:  # an error a datagram of ours met on its way
                continue
            alone = ancillary or not size or heard is not None
            if heard is not None:
                heard(_packed(sender[0]))
            if begun < end and (alone or size > length or (end - begun) % length):
                self._hand_on(memory, begun, end, length)
                begun = end
            if alone:
                self._hand_on(
                    memory, end, end + size, _GRO_SIZE.unpack(ancillary[0][2])[0] if ancillary else 0, gathered=False
                )
                begun = end + size
            elif begun == end:
                length = size
            end += size
            if end > _GATHERED_MAX:
                self._hand_on(memory, begun, end, length)
                begun = end = 0
        self._hand_on(memory, begun, end, length)

    def _hand_on(self, memory: memoryview, begun: int, end: int, stride: int, *, gathered: bool = True) -> None:
        """What has been received, unless there is none, or the socket was closed by what came before it."""
        if (begun < end or not gathered) and self._sock.fileno() >= 0:
            received = memory[begun:end]
            lane = self._lane
            key = lane.address(received) if lane is not None else b""
            self._receive(received, stride, gathered=gathered and end - begun > stride)
            descriptor = self._sock.fileno()
            if key and lane is not None and descriptor >= 0:
                lane.learn(key, received, descriptor)

    # ------------------------------------------------------------------ end

    def close(self) -> None:
        """See `ddi.UnderlaySocket.close`."""
        if self._underlay.lanes is not None:
            self._underlay.lanes.leave(self)
        self._underlay.loop.unregister(self._sock.fileno())
        self._sock.close()
        self._underlay.release(self, self._address)


def _packed(host: str) -> bytes:
    """The 16 bytes of an address as a socket gives it."""
    if ":" in host:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return V4_MAPPED_PREFIX + socket.inet_aton(host)


def _text(address: SocketAddress) -> str:
    return _host(address.ip, v4=address.is_v4)


def _host(ip: bytes, *, v4: bool) -> str:
    """An address as the socket calls of one family take it."""
    return socket.inet_ntop(socket.AF_INET, ip[12:]) if v4 else socket.inet_ntop(socket.AF_INET6, ip)


def _listen_socket(address: SocketAddress) -> socket.socket:
    sock = _bound_socket(address, receives=True)
    with contextlib.suppress(OSError):  # before Linux 5.0: every datagram is received alone
        sock.setsockopt(_SOL_UDP, _UDP_GRO, 1)
    return sock


def _send_socket(address: SocketAddress) -> socket.socket:
    return _bound_socket(address, receives=False)


def _bound_socket(address: SocketAddress, *, receives: bool) -> socket.socket:
    """A non-blocking socket with the options of KRN 4.4. Raises `OSError`, leaving nothing open."""
    family = socket.AF_INET if address.is_v4 else socket.AF_INET6
    with contextlib.ExitStack() as undo:
        sock = undo.enter_context(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        if receives:
            _set_buffer(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        else:
            drop_all_input(sock)
        _set_buffer(sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF, _SEND_BUFFER)
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, IPV4_TTL)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address.ip != _ANY_V6)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, IPV6_HOP_LIMIT)
        sock.bind((_text(address), address.port))
        undo.pop_all()
        return sock


def _set_buffer(sock: socket.socket, force: int, plain: int, size: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, plain, size)
