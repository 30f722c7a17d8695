"""The log of a server: what this compute node is to forget and to announce (SVP 10). One for each remote.

            timer              records                  all dealt with
    IDLE ────────► ASKING ───────────────► APPLYING ─────────────────────► DORM
     ▲                │ none, or no sense      │ none could be dealt with     │ timer
     ├────────────────┴────────────────────────┘                              ▼
     └──────────────────────────────────────────────────────────────────  REMOVING
                        answered, whatever the status

Events come again until they are removed, and are removed only once they are dealt with: what VL2 records name is out of the kernel's
cache, what VL3 records name has been looked up, whether it was found or not (SVP-I27). So dealing with them twice does no harm
(SVP-I28), and of LOG_REQ and LOG_RM one at most is on its way (SVP-I26). A log that makes no sense changes nothing (SVP-I29).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from libvarpd.plugins.svp.conn import LOG_SIZE
from libvarpd.plugins.svp.messages import (
    LogAck,
    LogReq,
    LogRm,
    Message,
    Record,
    Status,
    Vl2Record,
    Vl3Ack,
    Vl3Record,
    Vl3Req,
    Vl3Type,
    is_mapped,
)
from libvarpd.plugins.svp.query import Done

IDLE_PERIOD: Final = 5
"""Ticks between two LOG_REQ at least, while nothing happens; a random number of `IDLE_SPREAD` at most is added (SVP-I30)."""
IDLE_SPREAD: Final = 5
CONTINUE_PERIOD: Final = 1
"""Ticks until the next step while something happens."""


class State(enum.Enum):
    """What is going on."""

    IDLE = "idle"
    ASKING = "asking"
    APPLYING = "applying"
    DORM = "a LOG_RM is due"
    REMOVING = "removing"
    QUIESCED = "quiesced"


class Event(enum.Enum):
    """What happens."""

    TIMER = "timer"
    NOTHING = "no records"
    RECORDS = "records"
    DEALT_WITH = "dealt with, some at least"
    FAILED = "none could be dealt with"
    REMOVED = "LOG_RM answered, or its connection lost"
    UNSENT = "no connection"
    QUIESCE = "the remote goes away"


class Action(enum.Enum):
    """What a transition does."""

    REQUEST = "send LOG_REQ"
    APPLY = "deal with the records"
    REMOVE = "send LOG_RM"
    WAIT_IDLE = "wait 5 to 10 ticks"
    WAIT = "wait 1 tick"


_S, _E, _A = State, Event, Action
TRANSITIONS: Final[Mapping[tuple[State, Event], tuple[State, Action | None]]] = {
    (_S.IDLE, _E.TIMER): (_S.ASKING, _A.REQUEST),
    (_S.ASKING, _E.NOTHING): (_S.IDLE, _A.WAIT_IDLE),
    (_S.ASKING, _E.RECORDS): (_S.APPLYING, _A.APPLY),
    (_S.APPLYING, _E.DEALT_WITH): (_S.DORM, _A.WAIT),
    (_S.APPLYING, _E.FAILED): (_S.IDLE, _A.WAIT_IDLE),
    (_S.DORM, _E.TIMER): (_S.REMOVING, _A.REMOVE),
    (_S.REMOVING, _E.REMOVED): (_S.IDLE, _A.WAIT),
    (_S.REMOVING, _E.UNSENT): (_S.IDLE, _A.WAIT_IDLE),
    **{(state, _E.QUIESCE): (_S.QUIESCED, None) for state in _S},
}
"""The whole state machine. What comes once it is QUIESCED is too late and does nothing."""


class Site(Protocol):
    """What the log needs of its remote."""

    def ask(self, message: Message, done: Done) -> bool:
        """Ask the server; False, and nothing is told, when no connection can take it."""

    def forget(self, vnet_id: int, mac: bytes, done: Callable[[], None]) -> None:
        """Take a MAC address out of the kernel's cache, of whatever instances have that network; `done` once it is out."""

    def announce(self, vnet_id: int, vlan: int, mac: bytes, address: bytes) -> None:
        """Announce that a guest address (IPv4, 4 bytes) is at a MAC address, in whatever instances have that network."""


class Shootdown:
    """See the module. `address` is what this node is known by, `spread` gives a number from 0 to its argument."""

    def __init__(self, address: bytes, site: Site, spread: Callable[[int], int], note: Callable[[str], None]) -> None:
        self.state = State.IDLE
        self._address = address
        self._site = site
        self._spread = spread
        self._note = note
        self._timer = 0
        self._batch: tuple[Record, ...] = ()
        self._dealt: dict[bytes, None] = {}
        self._open = 0
        self._wait_idle()

    def tick(self) -> None:
        """A second has passed."""
        if self._timer:
            self._timer -= 1
            if not self._timer:
                self._step(Event.TIMER)

    def quiesce(self) -> None:
        """Do nothing more (SVP-Q15)."""
        self._step(Event.QUIESCE)

    def _step(self, event: Event) -> None:
        if self.state is State.QUIESCED:
            return
        self.state, action = TRANSITIONS[self.state, event]
        self._timer = 0
        match action:
            case Action.REQUEST:
                self._request()
            case Action.APPLY:
                self._apply()
            case Action.REMOVE:
                self._remove()
            case Action.WAIT_IDLE:
                self._wait_idle()
            case Action.WAIT:
                self._timer = CONTINUE_PERIOD

    def _wait_idle(self) -> None:
        self._timer = IDLE_PERIOD + self._spread(IDLE_SPREAD)

    def _request(self) -> None:
        if not self._site.ask(LogReq(LOG_SIZE, self._address), self._got):
            self._step(Event.NOTHING)

    def _got(self, answer: Message | None) -> None:
        records: tuple[Record, ...] = ()
        if isinstance(answer, LogAck):
            if answer.status == Status.OK:
                records = answer.records
            else:
                self._note(f"the server gives no log: status {answer.status}")
        self._batch = records
        self._step(Event.RECORDS if records else Event.NOTHING)

    def _apply(self) -> None:
        self._dealt = {}
        self._open = 1  # until all have been begun
        for record in self._batch:
            self._open += 1
            match record:
                case Vl2Record():
                    self._site.forget(record.vnet_id, record.mac, lambda record=record: self._end(record))  # type: ignore[misc]
                case Vl3Record():
                    self._look_up(record)
                case _:  # a route: the kernel has none to forget
                    self._end(record)
        self._end(None)

    def _look_up(self, record: Vl3Record) -> None:
        kind = Vl3Type.IP if is_mapped(record.address) else Vl3Type.IPV6

        def done(answer: Message | None) -> None:
            known = isinstance(answer, Vl3Ack) and answer.status in {Status.OK, Status.NOTFOUND}
            if isinstance(answer, Vl3Ack) and answer.status == Status.OK and is_mapped(record.address):
                self._site.announce(record.vnet_id, record.vlan, answer.mac, record.address[12:])
            self._end(record if known else None)

        if not self._site.ask(Vl3Req(record.address, kind, record.vnet_id), done):
            self._end(None)

    def _end(self, record: Record | None) -> None:
        """One more is done with; `record` if it is dealt with."""
        if self.state is not State.APPLYING:
            return
        if record is not None:
            self._dealt[record.id] = None
        self._open -= 1
        if not self._open:
            self._step(Event.DEALT_WITH if self._dealt else Event.FAILED)

    def _remove(self) -> None:
        ids = tuple(record.id for record in self._batch if record.id in self._dealt)
        if not self._site.ask(LogRm(ids), self._removed):
            self._step(Event.UNSENT)

    def _removed(self, answer: Message | None) -> None:
        status = getattr(answer, "status", Status.OK)
        if status != Status.OK:
            self._note(f"the server does not remove its log: status {status}")
        self._step(Event.REMOVED)
