"""Messages of device nodes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_sim.dev import framing
from kernel_sim.dev.framing import Reply, Request
from kernel_sim.sys.errno import Errno, KernelError


def test_messages_have_the_documented_layout() -> None:
    assert framing.pack_open(7) == struct.pack("=II", 0x6F70656E, 7)
    assert framing.pack_request(Request(0x20050001, 9, b"abc")) == struct.pack("=IIQ", 0x20050001, 3, 9) + b"abc"
    assert framing.pack_reply(Reply(Errno.ENOTSUP, 9, b"abc")) == struct.pack("=iIQ", 48, 3, 9) + b"abc"
    assert framing.pack_reply(Reply(None)) == bytes(16)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=100), st.sampled_from([None, *Errno]))
def test_requests_and_replies_come_back_as_they_were_sent(
    command: int, tag: int, argument: bytes, errno: Errno | None
) -> None:
    assert framing.unpack_request(framing.pack_request(Request(command, tag, argument))) == Request(
        command, tag, argument
    )
    assert framing.unpack_reply(framing.pack_reply(Reply(errno, tag, argument))) == Reply(errno, tag, argument)


@given(st.integers(0, 7))
def test_open_flags_come_back(flags: int) -> None:
    assert framing.unpack_open(framing.pack_open(flags)) == flags


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_a_message_or_a_kernel_error(raw: bytes) -> None:
    for unpack, errno in (
        (framing.unpack_open, Errno.EINVAL),
        (framing.unpack_request, Errno.EINVAL),
        (framing.unpack_reply, Errno.EPROTO),
    ):
        try:
            unpack(raw)
        except KernelError as refused:
            assert refused.errno is errno


@pytest.mark.parametrize("raw", [b"", bytes(8), framing.pack_open(1) + b"x", framing.pack_open(1)[:-1]])
def test_anything_but_an_open_message_is_invalid(raw: bytes) -> None:
    with pytest.raises(KernelError) as refused:
        framing.unpack_open(raw)
    assert refused.value.errno is Errno.EINVAL


@pytest.mark.parametrize("spoil", [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: raw[:15]])
def test_a_message_is_exactly_as_long_as_it_says(spoil: object) -> None:
    assert callable(spoil)
    with pytest.raises(KernelError) as refused:
        framing.unpack_request(spoil(framing.pack_request(Request(1, 2, b"abc"))))
    assert refused.value.errno is Errno.EINVAL
    with pytest.raises(KernelError) as refused:
        framing.unpack_reply(spoil(framing.pack_reply(Reply(None, 2, b"abc"))))
    assert refused.value.errno is Errno.EPROTO


def test_an_errno_illumos_does_not_have_reads_as_an_io_error() -> None:
    assert framing.unpack_reply(struct.pack("=iIQ", -7, 0, 1)).errno is Errno.EIO
