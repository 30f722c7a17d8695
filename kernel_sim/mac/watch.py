"""Who is told of every frame the kernel loses: where, why, and which frames. Nobody, unless somebody asks (traces, tests).

Places that drop frames count them by name whether or not they are watched, and tell the watch with the same call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kernel_sim.ddi import LinkId
from kernel_sim.sys.message import Message

DropObserver = Callable[[LinkId | str, str, Sequence[Message]], None]
"""Told the link (its id, or its name where that is what is known), the reason, and the messages; their memory is valid during the call."""


class DropWatch:
    """One a kernel. `observer` may be set and cleared at any time."""

    __slots__ = ("observer",)

    def __init__(self) -> None:
        self.observer: DropObserver | None = None

    def tell(self, where: LinkId | str, reason: str, chain: Sequence[Message]) -> None:
        """Frames were dropped."""
        if self.observer is not None and chain:
            self.observer(where, reason, chain)
