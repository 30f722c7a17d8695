"""What happens in a world in memory, event by event, and the trace it leaves.

Every frame's way can be followed: it is SENT by a port, put on the WIRE or DROPPED by name or DELIVERED on the same host, meets a FAULT,
ARRIVES or is UNREACHED, and is DELIVERED to a port or DROPPED there. A frame that is parked in the kernel has had no fate yet.

A trace is one line an event; `Trace.hash` is over all of them. Two runs of one seed have one hash, whatever PYTHONHASHSEED is.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What has happened."""

    SENT = "sent"
    """A port's consumer has sent a frame. `where` is the link."""
    DELIVERED = "delivered"
    """A port's consumer was handed a frame (one it refuses is dropped by name besides). `where` is the link."""
    WIRE = "wire"
    """The kernel has sent a datagram. `where` is the bound address, `detail` the destination; `frame` is the inner frame."""
    ARRIVES = "arrives"
    """A datagram has come in. `where` is the bound address; `frame` is the inner frame, as far as it can be told."""
    UNREACHED = "unreached"
    """A datagram nobody listens for. `where` is its destination."""
    DROPPED = "dropped"
    """`where` is the link, or `mux` (then `frame` is without the encapsulation's header, as far as it can be told)."""
    FAULT = "fault"
    """The underlay has done something to a datagram; `detail` is what (`kernel_sim.middleware.faults.Fault`)."""
    INJECTED = "injected"
    """varpd has let a frame come up an overlay."""
    RESENT = "resent"
    """varpd has sent a frame on."""
    VARPD = "varpd"
    """One of varpd's ioctls was answered; `where` is the command, `detail` the errno."""
    PANIC = "panic"
    """The host's kernel has died. Frames that were parked there are told as DROPPED before, `where` is `kernel`."""
    NOTE = "note"
    """Anything else, in words."""


@dataclass(slots=True, frozen=True)
class Event:
    """Something that happened, `at` seconds since the world began."""

    at: float
    host: str
    kind: Kind
    where: str = ""
    detail: str = ""
    frame: bytes | None = None
    became: bytes | None = None
    """What a corrupted frame is now."""

    def __str__(self) -> str:
        frame = "" if self.frame is None else f"{len(self.frame)}:{frame_id(self.frame)}"
        frame += "" if self.became is None else f">{frame_id(self.became)}"
        return f"{self.at:.6f} " + " ".join(
            part for part in (self.host, self.kind, self.where, self.detail, frame) if part
        )


Observer = Callable[[Event], None]


def frame_id(frame: bytes) -> str:
    """A short name for a frame's bytes."""
    return hashlib.blake2b(frame, digest_size=8).hexdigest()


class Trace:
    """All events, as lines. With `keep` false only their number and hash are kept."""

    def __init__(self, *, keep: bool = True) -> None:
        self.lines: list[str] = []
        self.count = 0
        self._keep = keep
        self._hash = hashlib.sha256()

    def __call__(self, event: Event) -> None:
        line = str(event)
        self.count += 1
        self._hash.update(line.encode() + b"\n")
        if self._keep:
            self.lines.append(line)

    @property
    def hash(self) -> str:
        """SHA-256 over all lines, in hexadecimal."""
        return self._hash.hexdigest()
