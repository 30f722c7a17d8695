"""One connection to one server address (SVP 9).

      new address                 refused: wait 1, 2, 4 … 32 ticks
    ──────────────► INITIAL ◄─┐     ┌──────────────────────────┐
                       │      │     ▼                          │
                       └──► CONNECTING ◄──── timer ──── BACKOFF
                              │     │                       ▲
                     connected│     │connected, plain       │ lost before anything was answered
                              ▼     ▼                       │
                      VERSIONING ──► ACTIVE ────────────────┤
                      │        PONG  │  │ lost, violation, time-out: queries fail
         no PONG: next time plain    │  └──► INITIAL, and again
                      ▼              ▼ address left DNS
                    INITIAL       WINDDOWN ── idle, or lost ──► GONE      (every other state: GONE at once)

A connection that has just been made says PING in version 2; the version of the PONG is that of the connection from then on (SVP-I41). A
peer that does not answer that is asked no such thing when the connection is made next: it is spoken to in version 1.

What a peer says is checked before it is believed, and any violation ends this connection and no other (SVP-I37): version, operation,
id, that the answer is one to that question, size, checksum. A log whose records make no sense is the exception: its query fails and the
connection lives (SVP-B24).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from libvarpd.plugins.svp.messages import VERSION_ONE, VERSION_TWO, LogReq, Message, Op, Ping, Pong
from libvarpd.plugins.svp.query import Done, Ids, Query
from libvarpd.plugins.svp.wire import FIXED_SIZE, Frame, Framer, Reason, RemoteProtocolError, decode, encode

BACKOFF_MAX: Final = 32
"""Longest wait between two attempts to connect, ticks."""
FAILURES_DEGRADED: Final = 7
"""Failures in a row after which a connection counts as degraded (SVP-I32)."""
QUERY_PERIOD: Final = 30
"""Ticks between two looks for queries that have gone unanswered."""
QUERY_TIMEOUT: Final = 30
"""Age of a query, in ticks, that is too much when it is more."""
PONG_TIMEOUT: Final = 3
"""Ticks that a peer has to say which version it speaks."""
LOG_SIZE: Final = 1024
"""Bytes of log records that are asked for at a time."""
_STATUS_SIZE: Final = 4
BODY_MAX: Final = _STATUS_SIZE + LOG_SIZE
"""Largest body of an answer, bytes: a log's status is not part of what was asked for (SVP-Q7, SVP-B25)."""
_ANSWERS: Final = frozenset({Op.PONG, Op.VL2_ACK, Op.VL3_ACK, Op.LOG_ACK, Op.LOG_RM_ACK, Op.ROUTE_ACK})


class State(enum.Enum):
    """Where in its life a connection is."""

    INITIAL = "initial"
    CONNECTING = "connecting"
    BACKOFF = "backoff"
    VERSIONING = "versioning"
    ACTIVE = "active"
    WINDDOWN = "winddown"
    GONE = "gone"


class Event(enum.Enum):
    """What happens to a connection."""

    TIMER = "timer"
    CONNECTED = "connected"
    CONNECTED_PLAIN = "connected, to be spoken to in version 1"
    REFUSED = "refused"
    PONG = "version known"
    LOST = "lost, violation or time-out"
    LOST_MUTE = "lost before anything was answered"
    FELL_OUT = "address left DNS"
    RETURNED = "address is back"
    IDLE = "no query is left"


class Action(enum.Enum):
    """What a transition does, in the order of its row."""

    CONNECT = "connect"
    PING = "say PING"
    SETTLE = "count as working"
    CLOSE = "close"
    FAIL = "fail queries"
    WAIT = "count a failure and wait"
    PLAIN = "next time in version 1"
    AGAIN = "connect again"


_S, _E, _A = State, Event, Action
TRANSITIONS: Final[Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]]] = {
    (_S.INITIAL, _E.TIMER): (_S.CONNECTING, (_A.CONNECT,)),
    (_S.INITIAL, _E.FELL_OUT): (_S.GONE, ()),
    (_S.BACKOFF, _E.TIMER): (_S.CONNECTING, (_A.CONNECT,)),
    (_S.BACKOFF, _E.FELL_OUT): (_S.GONE, ()),
    (_S.CONNECTING, _E.CONNECTED): (_S.VERSIONING, (_A.PING,)),
    (_S.CONNECTING, _E.CONNECTED_PLAIN): (_S.ACTIVE, ()),
    (_S.CONNECTING, _E.REFUSED): (_S.BACKOFF, (_A.CLOSE, _A.WAIT)),
    (_S.CONNECTING, _E.FELL_OUT): (_S.GONE, (_A.CLOSE,)),
    (_S.VERSIONING, _E.PONG): (_S.ACTIVE, (_A.SETTLE,)),
    (_S.VERSIONING, _E.TIMER): (_S.INITIAL, (_A.CLOSE, _A.FAIL, _A.PLAIN, _A.AGAIN)),
    (_S.VERSIONING, _E.LOST_MUTE): (_S.INITIAL, (_A.CLOSE, _A.FAIL, _A.PLAIN, _A.AGAIN)),
    (_S.VERSIONING, _E.FELL_OUT): (_S.GONE, (_A.CLOSE, _A.FAIL)),
    (_S.ACTIVE, _E.LOST): (_S.INITIAL, (_A.CLOSE, _A.FAIL, _A.AGAIN)),
    (_S.ACTIVE, _E.LOST_MUTE): (_S.BACKOFF, (_A.CLOSE, _A.FAIL, _A.WAIT)),
    (_S.ACTIVE, _E.FELL_OUT): (_S.WINDDOWN, ()),
    (_S.WINDDOWN, _E.IDLE): (_S.GONE, (_A.CLOSE,)),
    (_S.WINDDOWN, _E.LOST): (_S.GONE, (_A.CLOSE, _A.FAIL)),
    (_S.WINDDOWN, _E.LOST_MUTE): (_S.GONE, (_A.CLOSE, _A.FAIL)),
    (_S.WINDDOWN, _E.RETURNED): (_S.ACTIVE, ()),
}
"""The whole state machine. What is not here does not happen, but for FELL_OUT in GONE and the peer's events after it was closed."""


class Peer(Protocol):
    """The other end, as far as the world can reach it. What comes of `connect` is told to `Conn.connected` or `Conn.lost`."""

    def connect(self) -> None:
        """Begin to connect. The answer may not come before this returns."""

    def send(self, data: bytes) -> None:
        """Write bytes, now or when there is room."""

    def close(self) -> None:
        """Let go; nothing is told afterwards. Also when there is no connection."""


class Conn:
    """See the module. `changed` is told whenever `state` or `degraded` may have changed, `note` what people may want to know."""

    def __init__(
        self,
        address: bytes,
        peer: Peer,
        ids: Ids,
        changed: Callable[[Conn], None],
        note: Callable[[str], None],
    ) -> None:
        self.address = address
        self.state = State.INITIAL
        self.version = VERSION_ONE
        self.failures = 0
        self._peer = peer
        self._ids = ids
        self._changed = changed
        self._note = note
        self._framer = Framer(BODY_MAX)
        self._queries: dict[int, Query] = {}
        self._plain = False
        self._answered = False
        self._again = False
        self._timer = 0
        self._query_timer = QUERY_PERIOD
        self._full = False

    @property
    def degraded(self) -> bool:
        """Whether it has failed too often in a row (SVP-I32)."""
        return self.failures >= FAILURES_DEGRADED

    @property
    def proven(self) -> bool:
        """Whether the peer has answered anything since the connection was made."""
        return self._answered

    def start(self) -> None:
        """Connect for the first time."""
        self._step(Event.TIMER)

    def ask(self, message: Message, done: Done) -> None:
        """Ask the peer something; only while ACTIVE."""
        assert self.state is State.ACTIVE, "only an active connection takes queries"
        self._ask(message, done, self.version)

    # ------------------------------------------------------------------ what the world says

    def tick(self) -> None:
        """A second has passed."""
        self._again = False
        if self._timer:
            self._timer -= 1
            if not self._timer:
                self._step(Event.TIMER)
        self._query_timer -= 1
        for query in self._queries.values():
            query.age += query.written
        if not self._query_timer:
            self._query_timer = QUERY_PERIOD
            if self.state in {State.ACTIVE, State.WINDDOWN} and any(
                query.age > QUERY_TIMEOUT for query in self._queries.values()
            ):
                self._lose("a query was not answered in time")

    def connected(self) -> None:
        """The connection is made."""
        self._framer = Framer(BODY_MAX)
        self._answered = self._full = False
        self.version = VERSION_ONE
        self._step(Event.CONNECTED_PLAIN if self._plain else Event.CONNECTED)

    def lost(self, why: str) -> None:
        """There is no connection, or none any more: refused, closed by the peer, broken."""
        if self.state is State.CONNECTING:
            if not self.failures:
                self._note(f"cannot connect: {why}")
            self._step(Event.REFUSED)
        else:
            self._lose(why)

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        try:
            frames = self._framer.feed(data)
            while frames:
                for frame in frames:
                    if self.state not in {State.VERSIONING, State.ACTIVE, State.WINDDOWN}:
                        return  # an answer made somebody end it
                    self._take(frame)
                frames = self._framer.feed(b"")
        except RemoteProtocolError as error:
            self._lose(f"protocol violation: {error}")

    def hold(self) -> None:
        """There is no room to write."""
        self._full = True

    def resume(self) -> None:
        """There is room to write again."""
        self._full = False
        for query in tuple(self._queries.values()):
            if not query.written and not self._full:
                self._write(query)

    # ------------------------------------------------------------------ what its owner says

    def fall_out(self) -> None:
        """The address is no longer one of the server's (SVP-I38): outstanding queries are still waited for."""
        if self.state in {State.WINDDOWN, State.GONE}:
            return
        self._step(Event.FELL_OUT)
        self._end_if_idle()

    def come_back(self) -> None:
        """The address is one of the server's again."""
        if self.state is State.WINDDOWN:
            self._step(Event.RETURNED)

    def end(self) -> None:
        """Close at once; queries fail (SVP-Q15)."""
        self.fall_out()
        if self.state is State.WINDDOWN:
            self._step(Event.LOST)

    # ------------------------------------------------------------------ the machine

    def _step(self, event: Event) -> None:
        self.state, actions = TRANSITIONS[self.state, event]
        self._timer = 0
        failed: tuple[Query, ...] = ()
        for action in actions:
            match action:
                case Action.CONNECT:
                    self._peer.connect()
                case Action.PING:
                    self._timer = PONG_TIMEOUT
                    self._ask(Ping(), self._versioned, VERSION_TWO)
                case Action.SETTLE:
                    self.failures = 0
                case Action.CLOSE:
                    self._peer.close()
                case Action.FAIL:
                    failed, self._queries = tuple(self._queries.values()), {}
                case Action.WAIT:
                    self.failures += 1
                    self._timer = min(BACKOFF_MAX, 2 ** min(self.failures - 1, 5))
                    self._plain = False
                case Action.PLAIN:
                    self._plain = True
                case Action.AGAIN:
                    self._connect_again()
        for query in failed:
            self._ids.give_back(query.id)
        self._changed(self)
        for query in failed:
            query.done(None)

    def _connect_again(self) -> None:
        """At once, but once a tick: a peer that only hangs up is not called in a loop."""
        if self._again:
            self._timer = 1
        else:
            self._again = True
            self._step(Event.TIMER)

    def _lose(self, why: str) -> None:
        if self.state not in {State.VERSIONING, State.ACTIVE, State.WINDDOWN}:
            return
        self._note(f"connection lost: {why}")
        if self._answered:
            self._plain = False
        self._step(Event.LOST if self._answered else Event.LOST_MUTE)

    def _end_if_idle(self) -> None:
        if self.state is State.WINDDOWN and not self._queries:
            self._step(Event.IDLE)

    # ------------------------------------------------------------------ queries

    def _ask(self, message: Message, done: Done, version: int) -> None:
        query = Query(message, done, self._ids.take(), version)
        self._queries[query.id] = query
        if not self._full:
            self._write(query)

    def _write(self, query: Query) -> None:
        query.written = True
        self._peer.send(encode(query.message, query.id, query.version))

    def _take(self, frame: Frame) -> None:
        """One answer. Errors: `RemoteProtocolError`."""
        if frame.op not in _ANSWERS:
            raise RemoteProtocolError(Reason.OP, f"operation {frame.op} is no answer")
        query = self._queries.get(frame.id)
        if query is None or not query.written:
            raise RemoteProtocolError(Reason.ID, f"id {frame.id:#x} is that of no query")
        if frame.op != query.answer:
            raise RemoteProtocolError(Reason.OP, f"{Op(frame.op).name} answers no {query.message.op.name}")
        if query.answer is not Op.PONG and frame.version != query.version:
            raise RemoteProtocolError(Reason.VERSION, f"version {frame.version} was not agreed on")
        if len(frame.body) != FIXED_SIZE.get(frame.op, len(frame.body)):
            raise RemoteProtocolError(Reason.SIZE, f"{len(frame.body)} bytes are no body of {Op(frame.op).name}")
        if isinstance(query.message, LogReq) and len(frame.body) > _STATUS_SIZE + query.message.count:
            raise RemoteProtocolError(
                Reason.SIZE, f"{len(frame.body)} bytes of log, {query.message.count} were asked for"
            )
        answer = self._decode(frame)
        if isinstance(answer, Pong):
            self._agree(frame.version)
        del self._queries[query.id]
        self._ids.give_back(query.id)
        self._settle()
        query.done(answer)
        self._end_if_idle()

    def _decode(self, frame: Frame) -> Message | None:
        try:
            return decode(frame.op, frame.body)
        except RemoteProtocolError as error:
            if error.reason is not Reason.RECORD:
                raise
            self._note(f"log ignored: {error}")  # SVP-B24
            return None

    def _agree(self, version: int) -> None:
        if not VERSION_ONE <= version <= VERSION_TWO:
            raise RemoteProtocolError(Reason.VERSION, f"version {version} is unknown")
        self.version = version

    def _versioned(self, answer: Message | None) -> None:
        if answer is not None and self.state is State.VERSIONING:
            self._step(Event.PONG)

    def _settle(self) -> None:
        """The peer has answered something, so it works."""
        if not self._answered:
            self._answered = True
            if self.failures and self.state is State.ACTIVE:
                self.failures = 0
                self._changed(self)
