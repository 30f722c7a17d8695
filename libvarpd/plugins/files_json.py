"""The text of an overlay file: JSON as RFC 8259 has it, and where a text is something else (VPD 7.2). Pure.

Raw control characters within strings are taken, as in the original, and so are bytes that are not UTF-8: they become lone surrogates,
which no address holds. Numbers are integers of 32 bits with a sign.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeAlias

from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"
KEY_MAX: Final = 32766
"""Bytes of the longest key (VPD-Q36)."""

_INT32: Final = range(-(2**31), 2**31)
_INT32_DIGITS: Final = 11
_BYTE_ORDER_MARK: Final = "\ufeff"
_TOKEN: Final = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|NaN|-?Infinity', re.DOTALL
)
_SHOWN_MAX: Final = 60
_PATH_MAX: Final = 120


class _Refused(Exception):
    """A number that JSON has and this format has not: what it looks like in the text, and why it is refused."""

    def __init__(self, errno: Errno, literal: str, why: str) -> None:
        super().__init__(literal)
        self.errno = errno
        self.literal = literal
        self.why = why


def read_object(data: bytes) -> dict[str, Json]:
    """The object that a file is. Of equal keys the last counts, and stands where it stood (VPD 7.2).

    Errors, with line and column from 1 where there are any: EPROTO not JSON, more than one value (VPD-B26), too deep, or neither
    object nor array; ENOTSUP a fraction or exponent; EINVAL an empty file (VPD-B19), an array (VPD-B21), a number of more than 32
    bits (VPD-Q35), a key of more than `KEY_MAX` bytes.
    """
    if not data:
        raise VarpdError(Errno.EINVAL, "the file is empty")
    text = data.decode("utf-8", "surrogateescape")
    found = _decode(text)
    if isinstance(found, list):
        raise VarpdError(Errno.EINVAL, "the file is an array, where an object is wanted")
    if not isinstance(found, dict):
        raise VarpdError(Errno.EPROTO, f"the file is {described(found)}, where an object is wanted")
    return found


def shown(text: str) -> str:
    """A text of any content and length, for one line of a message."""
    return repr(text[:_SHOWN_MAX])[1:-1] + "..." * (len(text) > _SHOWN_MAX)


def described(value: Json) -> str:
    """A value for a message: scalars as they are written, of the others their kind."""
    if isinstance(value, str):
        return f'"{shown(value)}"'
    return "an object" if isinstance(value, dict) else "an array" if isinstance(value, list) else json.dumps(value)


def _decode(text: str) -> Json:
    if text.startswith(_BYTE_ORDER_MARK):
        raise VarpdError(Errno.EPROTO, "line 1, column 1: a byte order mark")
    try:
        found: Json = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        why = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise VarpdError(Errno.EPROTO, why) from error
    except RecursionError as error:
        raise VarpdError(Errno.EPROTO, "nested too deeply") from error
    except _Refused as error:
        raise VarpdError(error.errno, f"{_where(text, error.literal)}: {shown(error.literal)} {error.why}") from error
    return found


def _integer(literal: str) -> int:
    # the length comes first: of thousands of digits no int is made
    if len(literal) > _INT32_DIGITS or int(literal) not in _INT32:
        raise _Refused(Errno.EINVAL, literal, "does not fit in 32 bits")
    return int(literal)


def _fraction(literal: str) -> int:
    raise _Refused(Errno.ENOTSUP, literal, "is a fraction or has an exponent, which are not supported")


def _constant(literal: str) -> int:
    raise _Refused(Errno.EPROTO, literal, "is not JSON")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in pairs:
        size = len(key.encode("utf-8", "surrogatepass"))
        if size > KEY_MAX:
            raise VarpdError(Errno.EINVAL, f"{shown(key)}: a key of {size} bytes, over {KEY_MAX}")
        found.pop(key, None)
        found[key] = value
    return found


_DECODER: Final[json.JSONDecoder] = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_constant,
    strict=False,
)


def _where(text: str, literal: str) -> str:
    """Line, column and key path of the first such number; what is before it is known to be JSON."""
    path: list[Any] = []
    at = 0
    for token in _TOKEN.finditer(text):
        word, at = token[0], token.start()
        if word == literal:
            break
        if word in "{[":
            path.append("" if word == "{" else 0)
        elif word in "}]":
            path.pop()
        elif word == "," and isinstance(path[-1], int):
            path[-1] += 1
        elif word[0] == '"' and path and isinstance(path[-1], str):
            path[-1] = word[1:-1]  # a key, or a value that no number follows before the next key
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    keys = ".".join(shown(str(step)) for step in path)
    return f"line {line}, column {column}" + (f": {keys[:_PATH_MAX]}" if keys else "")
