"""Messages on a device node, in native byte order.

    open     u32 magic, u32 flags                            first message of a connection, answered by a reply with tag 0
    request  u32 command, u32 length, u64 tag, argument
    reply    i32 errno,   u32 length, u64 tag, argument      by illumos number; replies may come out of order

`length` is that of the argument, and each message is exactly as long as it says. A server answers a malformed request with
EINVAL and tag 0. A client that gets a malformed reply raises EPROTO.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer

OPEN_MAGIC: Final = 0x6F70656E
FREAD: Final = 0x1
FWRITE: Final = 0x2
FEXCL: Final = 0x4

_OPEN: Final = struct.Struct("=II")
_REQUEST: Final = struct.Struct("=IIQ")
_REPLY: Final = struct.Struct("=iIQ")
HEADER_LEN: Final = 16
"""Bytes before the argument, of requests and replies alike."""


@dataclass(slots=True, frozen=True)
class Request:
    """One ioctl. `tag` is the caller's, and comes back with the reply."""

    command: int
    tag: int
    argument: bytes = b""


@dataclass(slots=True, frozen=True)
class Reply:
    """The answer to the request, or open (tag 0), with that tag; `errno` None is success."""

    errno: Errno | None
    tag: int = 0
    argument: bytes = b""


def pack_open(flags: int) -> bytes:
    """8 bytes; `flags` is an or of FREAD, FWRITE, FEXCL."""
    return _OPEN.pack(OPEN_MAGIC, flags)


def unpack_open(message: Buffer) -> int:
    """The flags of an open message. Errors: EINVAL when it is none."""
    if len(message) == _OPEN.size:
        magic, flags = _OPEN.unpack(message)
        if magic == OPEN_MAGIC:
            return int(flags)
    raise KernelError(Errno.EINVAL, f"{len(message)} bytes that are no open message came first on a connection")


def pack_request(request: Request) -> bytes:
    """16 bytes and the argument."""
    return _REQUEST.pack(request.command, len(request.argument), request.tag) + request.argument


def unpack_request(message: Buffer) -> Request:
    """Errors: EINVAL when the message is not exactly one request."""
    if len(message) >= HEADER_LEN:
        command, length, tag = _REQUEST.unpack_from(message)
        if length == len(message) - HEADER_LEN:
            return Request(command, tag, bytes(message[HEADER_LEN:]))
    raise KernelError(Errno.EINVAL, f"{len(message)} bytes that are no request")


def pack_reply(reply: Reply) -> bytes:
    """16 bytes and the argument."""
    return _REPLY.pack(reply.errno or 0, len(reply.argument), reply.tag) + reply.argument


def unpack_reply(message: Buffer) -> Reply:
    """Errors: EPROTO when the message is not exactly one reply. An errno that illumos does not have reads as EIO."""
    if len(message) >= HEADER_LEN:
        number, length, tag = _REPLY.unpack_from(message)
        if length == len(message) - HEADER_LEN:
            return Reply(Errno.of(number) if number else None, tag, bytes(message[HEADER_LEN:]))
    raise KernelError(Errno.EPROTO, f"{len(message)} bytes that are no reply")
