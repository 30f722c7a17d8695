"""Sockets below a root of any length."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kernel_sim.dev import sockets
from kernel_sim.sys.errno import Errno, KernelError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root far longer than a socket address."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    (deep / "dev").mkdir(parents=True)
    return deep


@pytest.fixture
def listener(root: Path) -> Iterator[socket.socket]:
    with closing(sockets.bind_seqpacket(root, "dev/dld", 0o666)) as sock:
        yield sock


def test_a_message_passes_whatever_the_length_of_the_root(root: Path, listener: socket.socket) -> None:
    with sockets.connect_seqpacket(root, "dev/dld") as client, sockets.accept_seqpacket(listener) as server:
        client.sendall(b"one")
        client.sendall(b"two")
        assert [sockets.receive(server), sockets.receive(server)] == [b"one", b"two"]
    assert listener.getsockname() != ""


def test_the_largest_message_passes_and_a_larger_one_is_told_apart(root: Path, listener: socket.socket) -> None:
    with sockets.connect_seqpacket(root, "dev/dld") as client, sockets.accept_seqpacket(listener) as server:
        for sender, receiver in ((client, server), (server, client)):
            sender.sendall(bytes(sockets.MESSAGE_MAX))
            assert len(sockets.receive(receiver)) == sockets.MESSAGE_MAX
        client.sendall(bytes(sockets.MESSAGE_MAX + 1))
        with pytest.raises(KernelError) as refused:
            sockets.receive(server)
        assert refused.value.errno is Errno.EMSGSIZE


def test_the_end_of_a_connection_is_an_empty_message(root: Path, listener: socket.socket) -> None:
    with sockets.connect_seqpacket(root, "dev/dld") as client, sockets.accept_seqpacket(listener) as server:
        client.close()
        assert sockets.receive(server) == b""


def test_a_reset_connection_is_a_kernel_error(root: Path, listener: socket.socket) -> None:
    with sockets.connect_seqpacket(root, "dev/dld") as client, sockets.accept_seqpacket(listener) as server:
        client.sendall(b"never read")
        server.close()
        with pytest.raises(KernelError) as refused:
            sockets.receive(client)
        assert refused.value.errno is Errno.ECONNRESET


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o640])
def test_permissions_are_as_asked_whatever_the_umask(root: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        with sockets.bind_seqpacket(root, "dev/overlay", mode):
            assert stat.S_IMODE((root / "dev/overlay").stat().st_mode) == mode
    finally:
        os.umask(before)


def test_a_dead_process_s_socket_is_replaced(root: Path) -> None:
    sockets.bind_seqpacket(root, "dev/dld", 0o666).close()
    with sockets.bind_seqpacket(root, "dev/dld", 0o666) as listener, sockets.connect_seqpacket(root, "dev/dld"):
        sockets.accept_seqpacket(listener).close()


def test_a_path_that_is_served_is_not_taken_over(root: Path, listener: socket.socket) -> None:
    with pytest.raises(KernelError, match="dev/dld is served by another process") as refused:
        sockets.bind_seqpacket(root, "dev/dld", 0o666)
    assert refused.value.errno is Errno.EADDRINUSE
    with sockets.connect_seqpacket(root, "dev/dld"):
        pass


def test_a_served_path_with_a_full_backlog_is_not_taken_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_BACKLOG", 0)
    with sockets.bind_seqpacket(root, "dev/dld", 0o666), sockets.connect_seqpacket(root, "dev/dld"):
        with pytest.raises(KernelError) as refused:
            sockets.bind_seqpacket(root, "dev/dld", 0o666)
        assert refused.value.errno is Errno.EADDRINUSE


def test_what_is_no_socket_is_left_alone(root: Path) -> None:
    (root / "dev/dld").write_text("precious")
    with pytest.raises(KernelError, match="is no socket; remove it") as refused:
        sockets.bind_seqpacket(root, "dev/dld", 0o666)
    assert refused.value.errno is Errno.EEXIST
    assert (root / "dev/dld").read_text() == "precious"


def test_nothing_there_is_enoent_and_nobody_listening_is_econnrefused(root: Path) -> None:
    with pytest.raises(KernelError, match="dev/dld") as refused:
        sockets.connect_seqpacket(root, "dev/dld")
    assert refused.value.errno is Errno.ENOENT
    with pytest.raises(KernelError) as refused:
        sockets.connect_seqpacket(root, "nowhere/dld")
    assert refused.value.errno is Errno.ENOENT
    with pytest.raises(KernelError) as refused:
        sockets.bind_seqpacket(root, "nowhere/dld", 0o666)
    assert refused.value.errno is Errno.ENOENT
    sockets.bind_seqpacket(root, "dev/dld", 0o666).close()
    with pytest.raises(KernelError) as refused:
        sockets.connect_seqpacket(root, "dev/dld")
    assert refused.value.errno is Errno.ECONNREFUSED


def test_a_directory_fd_serves_as_the_root(root: Path) -> None:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with (
            sockets.bind_seqpacket(fd, "dev/dld", 0o600) as listener,
            sockets.connect_seqpacket(fd, "dev/dld") as client,
            sockets.accept_seqpacket(listener) as server,
        ):
            client.sendall(b"here")
            assert sockets.receive(server) == b"here"
        inner = os.open(root / "dev", os.O_PATH)
        try:
            sockets.bind_seqpacket(inner, "kstat", 0o666).close()
        finally:
            os.close(inner)
        assert (root / "dev/kstat").is_socket()
    finally:
        os.close(fd)


def test_no_descriptor_is_left_behind_by_failures(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    (root / "dev/dld").write_text("")
    for call in (
        lambda: sockets.connect_seqpacket(root, "dev/none"),
        lambda: sockets.bind_seqpacket(root, "dev/dld", 0o666),
        lambda: sockets.bind_seqpacket(root, "dev/" + "n" * 120, 0o666),
    ):
        with pytest.raises((KernelError, OSError)):
            call()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_peer_is_this_process(root: Path, listener: socket.socket) -> None:
    with sockets.connect_seqpacket(root, "dev/dld"), sockets.accept_seqpacket(listener) as server:
        assert sockets.peer_cred(server) == sockets.Cred(os.getpid(), os.geteuid(), os.getegid())
