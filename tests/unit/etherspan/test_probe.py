"""The probes, over the loopback interface."""

from __future__ import annotations

import hashlib
import socket
import threading
from random import Random

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etherspan import probe
from etherspan.commands.probe import Size, size_text
from etherspan.errors import EtherspanError


@given(st.binary(max_size=200))
def test_the_checksum_is_the_one_of_rfc_1071(data: bytes) -> None:
    total = sum(int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert probe.internet_checksum(data) == 0xFFFF - total


def answer(line: str) -> int:
    """A server that takes a transfer and says `line`; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def body() -> None:
        with listener:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(1 << 16):
                    pass
                connection.sendall(line.encode())

    threading.Thread(target=body, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize("size", [1, probe.CHUNK, 3 * probe.CHUNK + 17])
def test_a_transfer_arrives_whole(size: int) -> None:
    with probe.listen("127.0.0.1", 0) as listener:
        received: list[probe.Transfer] = []
        thread = threading.Thread(target=lambda: received.append(probe.serve(listener)))
        thread.start()
        sent = probe.send("127.0.0.1", size, listener.getsockname()[1], seed=7)
        thread.join()
    source = Random(7)
    data = b"".join(source.randbytes(min(probe.CHUNK, size - at)) for at in range(0, size, probe.CHUNK))
    assert sent.digest == received[0].digest == hashlib.sha256(data).hexdigest()
    assert sent.size == received[0].size == size


@pytest.mark.parametrize("said", ["10 0000\n", ""])
def test_another_hash_at_the_far_end_is_an_error(said: str) -> None:
    with pytest.raises(EtherspanError, match=r"sent 10 bytes with SHA-256 .*; 127.0.0.1 received (10 0000|nothing)$"):
        probe.send("127.0.0.1", 10, answer(said))


def test_nobody_listening_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(EtherspanError, match=f"^the transfer to 127.0.0.1 port {port} failed: Connection refused$"):
        probe.send("127.0.0.1", 10, port)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(EtherspanError, match=r"^'cn0' is not an IP address$"):
        probe.ping("cn0")


def test_the_summary_counts_what_was_lost() -> None:
    assert probe.PingResult(4, [0.001, 0.002, 0.003]).summary() == (
        "4 sent, 3 received, 25% lost, rtt min/avg/max 1.00/2.00/3.00 ms"
    )
    assert probe.PingResult(2).summary() == "2 sent, 0 received, 100% lost"


def test_sizes_are_read_and_shown() -> None:
    size = Size()
    assert [size.convert(text, None, None) for text in ("64M", "1K", "17", "2G")] == [64 << 20, 1024, 17, 2 << 30]
    assert [size_text(n) for n in (64 << 20, 1024, 17, 2 << 30, 1025)] == [
        "64 MiB",
        "1 KiB",
        "17 bytes",
        "2 GiB",
        "1025 bytes",
    ]
    with pytest.raises(click.BadParameter, match="'64 MB' is not a size"):
        size.convert("64 MB", None, None)
