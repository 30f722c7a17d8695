"""SEQPACKET sockets below a host's root, bound and reached through a directory fd.

A socket address holds 108 bytes, which a long root soon uses up; `/proc/self/fd/N/NAME` stays short whatever the directory is.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kernel_sim.sys.errno import Errno, KernelError

MESSAGE_MAX: Final = 256 * 1024
"""Bytes of the largest message either side may send."""
_BACKLOG: Final = 128
_UCRED: Final = struct.Struct("=iII")

Root = int | str | os.PathLike[str]
"""A directory: an open fd, or a path."""


@dataclass(slots=True, frozen=True)
class Cred:
    """Who is at the other end, as the kernel of this machine vouches: process id, effective user and group at connect."""

    pid: int
    uid: int
    gid: int


@contextlib.contextmanager
def _parent(root: Root, relpath: str) -> Iterator[tuple[int, str]]:
    folder, name = os.path.split(relpath)
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    base, where = (root, folder or ".") if isinstance(root, int) else (None, f"{os.fspath(root)}/{folder}")
    fd = os.open(where, flags, dir_fd=base)
    try:
        yield fd, name
    finally:
        os.close(fd)


def _address(folder: int, name: str) -> str:
    return f"/proc/self/fd/{folder}/{name}"


def _seqpacket() -> socket.socket:
    return _roomy(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))


def _roomy(sock: socket.socket) -> socket.socket:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, MESSAGE_MAX)
    return sock


def _clear_stale(folder: int, name: str, relpath: str) -> None:
    """Remove the socket a dead process left. EADDRINUSE when somebody listens, EEXIST when it is no socket."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise KernelError(Errno.EEXIST, f"{relpath} is in the way and is no socket; remove it")
    with _seqpacket() as probe:
        probe.settimeout(0)
        with contextlib.suppress(ConnectionRefusedError):
            with contextlib.suppress(BlockingIOError):  # a full backlog: somebody is alive behind it
                probe.connect(_address(folder, name))
            raise KernelError(Errno.EADDRINUSE, f"{relpath} is served by another process")
    os.unlink(name, dir_fd=folder)


def bind_seqpacket(root: Root, relpath: str, mode: int) -> socket.socket:
    """A listening socket at `relpath` below `root` with permissions `mode`; a dead process's socket there is replaced.

    Errors (`KernelError`): EADDRINUSE when a live process serves that path, EEXIST when something else is there, and what the
    machine says (ENOENT no such folder, EACCES …).
    """
    try:
        with _parent(root, relpath) as (folder, name), contextlib.ExitStack() as undo:
            _clear_stale(folder, name, relpath)
            sock = undo.enter_context(_seqpacket())
            os.fchmod(sock.fileno(), mode)  # what bind creates is never wider than this, whatever the umask
            sock.bind(_address(folder, name))
            os.chmod(name, mode, dir_fd=folder)
            sock.listen(_BACKLOG)
            undo.pop_all()
            return sock
    except OSError as error:
        raise KernelError.from_os(error, f"cannot listen at {relpath}: {error.strerror}") from error


def accept_seqpacket(listener: socket.socket) -> socket.socket:
    """The next connection of a `bind_seqpacket` socket, with room to send the largest message.

    An accepted socket does not inherit the listener's room (measured: 212,960 bytes are its limit). `OSError` as it is
    (`BlockingIOError` when there is none).
    """
    return _roomy(listener.accept()[0])


def connect_seqpacket(root: Root, relpath: str) -> socket.socket:
    """A socket connected to the listener at `relpath` below `root`.

    Errors (`KernelError`): ENOENT nothing there, ECONNREFUSED nobody listens, EACCES not allowed.
    """
    try:
        with _parent(root, relpath) as (folder, name), contextlib.ExitStack() as undo:
            sock = undo.enter_context(_seqpacket())
            sock.connect(_address(folder, name))
            undo.pop_all()
            return sock
    except OSError as error:
        raise KernelError.from_os(error, relpath) from error


def peer_cred(sock: socket.socket) -> Cred:
    """Credentials of the peer, taken at connect (SO_PEERCRED)."""
    return Cred(*_UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))


def receive(sock: socket.socket) -> bytes:
    """The next message, b"" at end of connection. Errors: EMSGSIZE for one larger than `MESSAGE_MAX`; `BlockingIOError` as it is."""
    memory = _ROOM.memory
    try:
        size, _, flags, _ = sock.recvmsg_into((memory,))
    except BlockingIOError:
        raise
    except OSError as error:
        raise KernelError.from_os(error, f"connection failed: {error.strerror}") from error
    if flags & socket.MSG_TRUNC:
        raise KernelError(Errno.EMSGSIZE, f"a message may have {MESSAGE_MAX} bytes")
    return bytes(memoryview(memory)[:size])


class _Room(threading.local):
    """Memory for the largest message, a thread each: made anew for each message it would cost more than the rest of a call."""

    def __init__(self) -> None:
        self.memory = bytearray(MESSAGE_MAX)


_ROOM: Final = _Room()
