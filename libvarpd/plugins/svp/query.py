"""Queries: what was asked on a connection, and the ids that answers are told apart by (SVP 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from libvarpd.plugins.svp.messages import VERSION_ONE, Message, Op

ID_MIN: Final = 1
ID_MAX: Final = 2**31 - 2
"""Largest id; the original's pool ends before 2^31-1."""

Done: TypeAlias = Callable[[Message | None], None]
"""Told the answer; None when there is none to come: no server, connection torn down, an answer that makes no sense."""


class Ids:
    """Ids of queries in flight, each used once at a time; in ascending order, then from the start again (SVP-I36)."""

    def __init__(self) -> None:
        self._next = ID_MIN
        self._used: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._used)

    def take(self) -> int:
        """An id that nobody has."""
        assert len(self._used) < ID_MAX, "2^31-2 queries are in flight"
        while self._next in self._used:
            self._next = self._after(self._next)
        taken, self._next = self._next, self._after(self._next)
        self._used[taken] = None
        return taken

    def give_back(self, number: int) -> None:
        """The query is over, however it went."""
        del self._used[number]

    @staticmethod
    def _after(number: int) -> int:
        return number + 1 if number < ID_MAX else ID_MIN


@dataclass(slots=True, eq=False)
class Query:
    """A question on its way: `age` is in ticks since it was written."""

    message: Message
    done: Done
    id: int = 0
    version: int = VERSION_ONE
    written: bool = False
    age: int = 0

    @property
    def answer(self) -> Op:
        """The only operation that answers it (SVP-B26)."""
        return Op(self.message.op + 1)
