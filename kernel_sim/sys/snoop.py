"""/dev/net/snoop: what passes a link, as a stream of records.

An open is attached to one link (SNOOP_IOC_ATTACH) and then read (SNOOP_IOC_READ) for as long as it lasts; READ waits until there is
something. All numbers in native order.

    attach       0 snaplen 4   4 name, UTF-8, to the end
    batch        0 lost 8   8 records, one behind the other
    record       0 time 8   8 size 4   12 captured 4   16 way 1   17 reason size 1   18 pad 2   20 reason   then the captured bytes

`time` are nanoseconds of the monotonic clock, `size` the frame's bytes, `lost` the records that found no room since the last batch.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from kernel_sim.sys.errno import Errno, KernelError

SNOOP_IOC_ATTACH: Final = 0x736E0001
SNOOP_IOC_READ: Final = 0x736E0002
BATCH_BYTES: Final = 128 * 1024
"""A batch ends with the record that reaches this size."""
SNAPLEN_MAX: Final = 65535

_ATTACH: Final = struct.Struct("=I")
_LOST: Final = struct.Struct("=Q")
_RECORD: Final = struct.Struct("=QIIBB2x")


class Way(enum.IntEnum):
    """Where a frame was going."""

    UNKNOWN = 0
    IN = 1
    OUT = 2


@dataclass(slots=True, frozen=True)
class Attach:
    """Which link, and at most how many bytes of each frame."""

    name: str
    snaplen: int = SNAPLEN_MAX

    def pack(self) -> bytes:
        return _ATTACH.pack(self.snaplen) + self.name.encode()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Errors: EFAULT cut short, EINVAL no UTF-8 or a snaplen outside 1..65535."""
        if len(data) < _ATTACH.size:
            raise KernelError(Errno.EFAULT, "an ATTACH that is cut short")
        (snaplen,) = _ATTACH.unpack_from(data)
        if not 0 < snaplen <= SNAPLEN_MAX:
            raise KernelError(Errno.EINVAL, f"a snaplen of {snaplen} is not within 1..{SNAPLEN_MAX}")
        try:
            return cls(data[_ATTACH.size :].decode(), snaplen)
        except UnicodeDecodeError as error:
            raise KernelError(Errno.EINVAL, "a link name that is no UTF-8") from error


@dataclass(slots=True, frozen=True)
class Record:
    """A frame that passed, or with a `reason` one that was dropped. `data` may be less than its `size`."""

    time: int
    size: int
    data: bytes
    way: Way = Way.UNKNOWN
    reason: str = ""

    def pack(self) -> bytes:
        reason = self.reason.encode()[:255]
        return _RECORD.pack(self.time, self.size, len(self.data), self.way, len(reason)) + reason + self.data


def pack_batch(records: Sequence[bytes], lost: int) -> bytes:
    """A reply to READ, of packed records."""
    return _LOST.pack(lost) + b"".join(records)


def unpack_batch(data: bytes) -> tuple[int, list[Record]]:
    """Lost records, and those of a batch. Errors: EPROTO what is no batch."""
    if len(data) < _LOST.size:
        raise KernelError(Errno.EPROTO, "a batch of captured frames that is cut short")
    return _LOST.unpack_from(data)[0], list(_records(data))


def _records(data: bytes) -> Iterator[Record]:
    at = _LOST.size
    while at < len(data):
        if at + _RECORD.size > len(data):
            raise KernelError(Errno.EPROTO, "a captured frame that is cut short")
        time, size, captured, way, reason_size = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        end = at + reason_size + captured
        if end > len(data) or way > max(Way):
            raise KernelError(Errno.EPROTO, "a captured frame that is cut short")
        yield Record(
            time,
            size,
            bytes(data[at + reason_size : end]),
            Way(way),
            data[at : at + reason_size].decode(errors="replace"),
        )
        at = end
