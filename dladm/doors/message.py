"""Messages of a JSON door: one object each; a reply carries `errno`, an illumos number, 0 for success."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kernel_sim.sys.errno import Errno, KernelError


def encode(fields: Mapping[str, Any]) -> bytes:
    """The bytes of a message."""
    return json.dumps(fields, separators=(",", ":")).encode()


def decode(raw: bytes) -> dict[str, Any]:
    """Errors: EINVAL for anything but one JSON object."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise KernelError(Errno.EINVAL, "not a JSON object") from error
    if not isinstance(found, dict):
        raise KernelError(Errno.EINVAL, "not a JSON object")
    return found


def encode_reply(fields: Mapping[str, Any]) -> bytes:
    """The reply to a request that succeeded."""
    return encode({"errno": 0, **fields})


def encode_error(error: KernelError) -> bytes:
    """The reply to a request that failed."""
    return encode({"errno": int(error.errno), "detail": error.detail})


def decode_reply(raw: bytes) -> dict[str, Any]:
    """The fields of a reply. Errors: the one it carries; EPROTO when it is no reply."""
    try:
        found = decode(raw)
        number = int(found.pop("errno"))
    except (KernelError, KeyError, TypeError, ValueError) as error:
        raise KernelError(Errno.EPROTO, "the door's answer is not a reply") from error
    if number:
        raise KernelError(Errno.of(number), str(found.get("detail", "")))
    return found
