"""Reachability and integrity checks between zones, in plain Python: ICMP echo, and a TCP transfer with a hash at both ends.

The transfer's protocol: the client sends bytes and shuts its side down; the server answers with one line, their number and their
SHA-256, and ends.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import ipaddress
import os
import random
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from etherspan.errors import EtherspanError

PORT: Final = 5001
CHUNK: Final = 1 << 20
CONNECT_SECONDS: Final = 10.0
STALL_SECONDS: Final = 30.0
"""A transfer that moves nothing for so long has failed."""

_ECHO: Final = struct.Struct("!BBHHH")
"""ICMP echo: type, code, checksum, identifier, sequence (RFC 792, RFC 4443)."""
_ECHO_TYPES: Final = {4: (8, 0), 6: (128, 129)}
"""Request and reply types by IP version."""
_ICMP_ERRORS: Final = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}
"""What a socket says when somebody on the way has answered with an ICMP error, or address resolution found nobody."""


@dataclass(slots=True)
class PingResult:
    """How echo requests fared; round-trip times in seconds, in the order of the replies."""

    sent: int = 0
    times: list[float] = field(default_factory=list)

    def summary(self) -> str:
        """One line for people."""
        lost = self.sent - len(self.times)
        text = f"{self.sent} sent, {len(self.times)} received, {100 * lost // max(self.sent, 1)}% lost"
        if self.times:
            low, mean, high = min(self.times), sum(self.times) / len(self.times), max(self.times)
            text += f", rtt min/avg/max {low * 1e3:.2f}/{mean * 1e3:.2f}/{high * 1e3:.2f} ms"
        return text


@dataclass(slots=True, frozen=True)
class Transfer:
    """A finished transfer."""

    size: int
    seconds: float
    digest: str

    def rate(self) -> str:
        """Throughput for people, in Mbit/s."""
        return f"{self.size * 8 / max(self.seconds, 1e-6) / 1e6:,.0f} Mbit/s"


def ping(address: str, count: int = 4, interval: float = 0.2, wait: float = 2.0, size: int = 56) -> PingResult:
    """Send `count` echo requests of `size` bytes, one each `interval` seconds at most, each given `wait` seconds.

    Errors: `EtherspanError` when the address is none, there is no route, or raw sockets are not permitted.
    """
    version = _version(address)
    identifier = os.getpid() & 0xFFFF
    result = PingResult()
    try:
        with _icmp_socket(version) as sock:
            sock.connect((address, 0))
            for sequence in range(count):
                begun = time.monotonic()
                result.sent += 1
                with _icmp_errors_ignored():
                    sock.send(_echo(version, identifier, sequence, size))
                if _await_reply(sock, version, identifier, sequence, begun + wait):
                    result.times.append(time.monotonic() - begun)
                if sequence + 1 < count:
                    select.select([], [], [], max(0.0, begun + interval - time.monotonic()))
    except OSError as error:
        raise EtherspanError(f"cannot ping {address}: {error.strerror or error}") from error
    return result


@contextlib.contextmanager
def _icmp_errors_ignored() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _ICMP_ERRORS:
            raise


def _version(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        raise EtherspanError(f"'{address}' is not an IP address") from None


def _icmp_socket(version: int) -> socket.socket:
    if version == 4:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    return socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)


def _echo(version: int, identifier: int, sequence: int, size: int) -> bytes:
    kind = _ECHO_TYPES[version][0]
    data = bytes(index & 0xFF for index in range(size))
    checksum = 0
    if version == 4:  # the kernel fills ICMPv6 checksums
        checksum = internet_checksum(_ECHO.pack(kind, 0, 0, identifier, sequence) + data)
    return _ECHO.pack(kind, 0, checksum, identifier, sequence) + data


def internet_checksum(data: bytes) -> int:
    """RFC 1071, as it stands in a header."""
    padded = data + bytes(len(data) % 2)
    total = int.from_bytes(padded, "big")
    return 0xFFFF - (total % 0xFFFF or (0xFFFF if total else 0))


def _await_reply(sock: socket.socket, version: int, identifier: int, sequence: int, deadline: float) -> bool:
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            break
        packet = b""
        with _icmp_errors_ignored():
            packet = sock.recv(65535)
        if not packet:
            continue
        message = packet[(packet[0] & 0xF) * 4 :] if version == 4 else packet  # IPv4 raw sockets deliver the IP header
        if len(message) >= _ECHO.size:
            kind, _, _, got_identifier, got_sequence = _ECHO.unpack_from(message)
            if (kind, got_identifier, got_sequence) == (_ECHO_TYPES[version][1], identifier, sequence):
                return True
    return False


def listen(address: str | None, port: int) -> socket.socket:
    """A listening socket for `serve`; None is every address of either IP version. Errors: `EtherspanError`."""
    both = address is None and socket.has_dualstack_ipv6()
    where = address or ("::" if both else "0.0.0.0")
    family = socket.AF_INET6 if _version(where) == 6 else socket.AF_INET
    try:
        return socket.create_server((where, port), family=family, backlog=1, dualstack_ipv6=both)
    except OSError as error:
        raise EtherspanError(f"cannot listen on {where} port {port}: {error.strerror or error}") from error


def serve(listener: socket.socket) -> Transfer:
    """Take one transfer from one client and answer it. Errors: `EtherspanError` when it stalls or breaks."""
    try:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(STALL_SECONDS)
            begun = time.monotonic()
            digest, size = hashlib.sha256(), 0
            while data := connection.recv(CHUNK):
                digest.update(data)
                size += len(data)
            seconds = time.monotonic() - begun
            connection.sendall(f"{size} {digest.hexdigest()}\n".encode())
    except OSError as error:
        raise EtherspanError(f"the transfer failed: {error.strerror or error}") from error
    return Transfer(size, seconds, digest.hexdigest())


def send(address: str, size: int, port: int = PORT, seed: int | None = None) -> Transfer:
    """Send `size` pseudo-random bytes (others each time, but for a `seed`) to a `serve` and compare its hash with that of the bytes.

    Errors: `EtherspanError` when nobody listens, it stalls or breaks, or the two ends differ.
    """
    _version(address)
    source = random.Random(seed)
    chunks = [source.randbytes(min(CHUNK, size - start)) for start in range(0, size, CHUNK)]
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    try:
        with socket.create_connection((address, port), CONNECT_SECONDS) as sock:
            sock.settimeout(STALL_SECONDS)
            begun = time.monotonic()
            for chunk in chunks:
                sock.sendall(chunk)
            sock.shutdown(socket.SHUT_WR)
            with sock.makefile("r") as answers:
                answer = answers.readline().split()
            seconds = time.monotonic() - begun
    except OSError as error:
        raise EtherspanError(f"the transfer to {address} port {port} failed: {error.strerror or error}") from error
    if answer != [str(size), digest.hexdigest()]:
        raise EtherspanError(
            f"sent {size} bytes with SHA-256 {digest.hexdigest()}; {address} received {' '.join(answer) or 'nothing'}"
        )
    return Transfer(size, seconds, digest.hexdigest())
