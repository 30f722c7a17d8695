"""The compiled data path: frames whose way through the kernel is known go it without the kernel being asked (`_fast/fast.c`).

    TAP ── known conversation ──► socket, or another TAP          socket ── known header and address ──► TAP

A port or socket takes the ordinary way with what it does not know, then asks the kernel for the way (`ddi.TransmitPath` …) and enters
it here. Every way is forgotten before anything but the data path runs: a request on a device node, a timer, a change of a
link. So what holds until something is configured or answered holds for as long as it is remembered, and nobody has to say what has changed.

Frames that meet trouble are given back and go the ordinary way, which counts and drops them. Where the module could not be built,
`available` is False, and everything goes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kernel_sim.ddi import FindTransmitPath, LocalPath, Port, ReceivePaths, TransmitPath, UnderlaySocket
from kernel_sim.io import vnet
from kernel_sim.io.loop import Loop
from kernel_sim.sys.message import Buffer, Chain, Message, Packed

try:
    from kernel_sim.io._fast._fast import ffi, lib
except ImportError:  # no compiler when it was installed
    ffi = lib = None

available: Final = lib is not None
"""Whether the module was built."""

GATHERED_MAX: Final = 1 << 16
DATAGRAM_MAX: Final = 1 << 16
_SCRATCH: Final = 1 << 18
_REFUSED_MAX: Final = 1024
_KEY_MAX: Final = 52
_HEADER_MAX: Final = 64
_FRAME_HEADER: Final = 14
_ENDS: Final = 256
"""Descriptors there is a place for, at first."""
_ADDRESS: Final = 6
_NO_LIMIT: Final = 2**32 - 1

Count = Callable[[int, int], None]
"""Adds frames and bytes to somebody's counters."""


class Lanes:
    """The memory all lanes share, who is at their ends, and the end of what they know.

    `ports` gives by port the descriptor of its TAP and the kinds of runs it takes (a bit for each `Gso`). `sockets` gives by socket what
    tells for a path the descriptor that sends, the socket address it sends to, and how many datagrams at once; None: not that way.
    """

    def __init__(self, loop: Loop) -> None:
        self.memory = memoryview(bytearray(max(GATHERED_MAX + DATAGRAM_MAX, vnet.SIZE + vnet.FRAME_MAX)))
        self.scratch = memoryview(bytearray(_SCRATCH))
        self.memory_address = ffi.from_buffer("uint8_t *", self.memory)
        self.scratch_address = ffi.from_buffer("uint8_t *", self.scratch)
        self._turn = ffi.new("fast_turn_state *")
        self.result = ffi.addressof(self._turn, "result")
        self.ports: dict[Port, Callable[[], tuple[int, int]]] = {}
        self.sockets: dict[UnderlaySocket, Callable[[TransmitPath], tuple[int, bytes, int] | None]] = {}
        self._used: list[Lane] = []
        self._by_descriptor: dict[int, Lane] = {}
        self._ends = ffi.new("fast_end[]", _ENDS)
        self._poll = loop.poll
        self._prepare(loop.fileno())
        loop.disturbed = self.forget
        loop.wait = self.wait

    def _prepare(self, epoll: int) -> None:
        turn = self._turn
        turn.epoll = epoll
        turn.ends, turn.ends_size = self._ends, len(self._ends)
        turn.memory, turn.memory_size = self.memory_address, len(self.memory)
        turn.scratch, turn.scratch_size = self.scratch_address, len(self.scratch)
        turn.gathered_max, turn.datagram_max = GATHERED_MAX, DATAGRAM_MAX

    # ------------------------------------------------------------------ events

    def wait(self, timeout: float) -> Sequence[tuple[int, int]]:
        """See `loop.Wait`: frames whose way is known have passed before it returns, and have been counted."""
        if not self._by_descriptor:
            return self._poll(timeout)
        turn = self._turn
        lib.fast_turn(turn, -1 if timeout < 0 else int(timeout * 1e9))
        changed = turn.changed
        while changed >= 0:
            end = self._ends[changed]
            self._by_descriptor[changed].collect(end.touched)
            end.touched = 0
            changed = end.next
        ready = turn.ready
        return [(ready[number].fd, ready[number].events) for number in range(turn.count)]

    def begun(self, descriptor: int) -> bool:
        """Whether what is ready at a descriptor has been dealt with already, up to what `result` leaves. It is said once."""
        turn = self._turn
        if turn.begun and turn.ready[0].fd == descriptor:
            turn.begun = 0
            return True
        return False

    def register(self, descriptor: int, lane: Lane) -> Any:
        """From now on a lane deals with what is ready at a descriptor. Returns the place for what it knows."""
        if descriptor >= len(self._ends):
            self._ends = _longer(self._ends, descriptor)
            self._turn.ends, self._turn.ends_size = self._ends, len(self._ends)
        self._by_descriptor[descriptor] = lane
        return self._ends[descriptor]

    def unregister(self, descriptor: int) -> None:
        """The opposite."""
        del self._by_descriptor[descriptor]
        end = self._ends[descriptor]
        end.outward = end.inward = ffi.NULL

    # ------------------------------------------------------------------ knowledge

    def forget(self) -> None:
        """Whatever was known may have changed."""
        if self._used:
            for lane in self._used:
                lane.clear()
            self._used.clear()

    def using(self, lane: Lane) -> None:
        """A lane knows something."""
        self._used.append(lane)

    def leave(self, end: Port | UnderlaySocket) -> None:
        """A port loses its TAP, or a socket is closed."""
        self.ports.pop(end, None)  # type: ignore[arg-type]
        self.sockets.pop(end, None)  # type: ignore[arg-type]
        self.forget()


def _longer(ends: Any, descriptor: int) -> Any:
    """A copy of a table with a place for that descriptor."""
    longer = ffi.new("fast_end[]", 2 * descriptor)
    ffi.memmove(longer, ends, ffi.sizeof(ends))
    return longer


class Lane:
    """What one port or socket knows. `empty`: nothing, so that asking the compiled half would be in vain."""

    kind: str

    def __init__(self, lanes: Lanes) -> None:
        self.empty = True
        self._lanes = lanes
        self._paths: Any = None
        self._counts: list[Count | None] = [None] * lib.FAST_SLOTS
        self._refused: set[bytes] = set()
        self._known: list[int] = []
        self._listed = False
        self._descriptor = -1

    def clear(self) -> None:
        """Know nothing any more."""
        if self._descriptor >= 0:
            self._lanes.unregister(self._descriptor)
            self._descriptor = -1
        for slot in self._known:
            self._paths[slot].key_size = 0
        self._known.clear()
        self._refused.clear()
        self._listed = False
        self.empty = True

    def _refuse(self, key: bytes) -> None:
        """Do not ask again for this one, until something has changed."""
        if len(self._refused) >= _REFUSED_MAX:
            self._refused.clear()
        self._refused.add(key)
        self._list()

    def _place(self, descriptor: int, slot: int, count: Count) -> Any:
        if self._paths is None:
            self._paths = ffi.new(f"{self.kind}[{lib.FAST_SLOTS}]")
        if self._descriptor < 0:
            self._descriptor = descriptor
            self._enter(self._lanes.register(descriptor, self))
        self._counts[slot] = count
        self._known.append(slot)
        self.empty = False
        self._list()
        return self._paths[slot]

    def _list(self) -> None:
        if not self._listed:
            self._listed = True
            self._lanes.using(self)

    def _enter(self, end: Any) -> None:
        """Say what is known at one's descriptor."""
        raise NotImplementedError

    def collect(self, touched: int) -> None:
        """Count what has passed by the places that these bits name."""
        while touched:
            slot = (touched & -touched).bit_length() - 1
            touched &= touched - 1
            path, count = self._paths[slot], self._counts[slot]
            assert count is not None
            count(path.frames, path.octets)
            path.frames = path.octets = 0


class SendLane(Lane):
    """Of a TAP: conversations that its consumer has with others."""

    kind = "fast_out"

    def __init__(self, lanes: Lanes, find: FindTransmitPath) -> None:
        super().__init__(lanes)
        self._find = find
        self._key = ffi.new(f"uint8_t[{_KEY_MAX}]")

    def send(self, tap: int) -> Chain:
        """Send what is waiting at a TAP. Returns what has to go the ordinary way first, before anything else is read; [] if all is well."""
        lanes, result = self._lanes, self._lanes.result
        if not lanes.begun(tap):
            lib.fast_send(
                self._paths, tap, lanes.memory_address, len(lanes.memory), lanes.scratch_address, _SCRATCH, result
            )
            self.collect(result.touched)
        chain: Chain = []
        if result.unsent:
            unsent = lanes.scratch[result.unsent_at : result.unsent_at + result.unsent]
            chain += [Message(bytes(frame)) for frame in Packed(unsent, result.unsent_stride, result.unsent_header)]
        if result.message:
            chain.append(vnet.decode(lanes.memory, result.message))
        return chain

    def conversation(self, frame: Buffer) -> bytes:
        """What tells the conversation of a frame from others; b"" when its frames go the ordinary way always."""
        size = lib.fast_conversation(ffi.from_buffer(frame), len(frame), self._key)
        key = bytes(ffi.buffer(self._key, size))
        return b"" if key in self._refused else key

    def _enter(self, end: Any) -> None:
        end.outward = self._paths

    def learn(self, key: bytes, message: Message, tap: int) -> None:
        """Find out where the frames of a conversation go; `message` is of it, came from that TAP, and has been sent."""
        path = self._find(message)
        slot = lib.fast_out_slot(key, len(key))
        if isinstance(path, LocalPath):
            inlet = self._lanes.ports.get(path.port)
            if inlet is None:
                self._refuse(key)
                return
            place = self._place(tap, slot, path.sent)
            place.fd, place.runs = inlet()
            place.local, place.header_size, place.limit = 1, 0, _NO_LIMIT
        else:
            outlet = None if path is None else self._lanes.sockets.get(path.socket)
            way = None if path is None or outlet is None else outlet(path)
            if path is None or way is None or len(path.header) > _HEADER_MAX:
                self._refuse(key)
                return
            place = self._place(tap, slot, path.sent)
            place.fd, name, place.segments = way
            place.name[0 : len(name)] = name
            place.name_size = len(name)
            place.header[0 : len(path.header)] = path.header
            place.local, place.header_size, place.limit = 0, len(path.header), path.limit
        place.key[0 : len(key)] = key
        place.frames = place.octets = 0
        place.key_size = len(key)


class ReceiveLane(Lane):
    """Of a socket: addresses that are behind TAPs."""

    kind = "fast_in"

    def __init__(self, lanes: Lanes, paths: ReceivePaths) -> None:
        super().__init__(lanes)
        self._find = paths.find
        self._header_size = paths.header_size
        self.memory = lanes.memory

    def receive(self, descriptor: int) -> list[tuple[int, int, int, bool]]:
        """Receive what is waiting. Returns batches of it, in `memory`, that have to go the ordinary way: begin, end, stride, gathered."""
        lanes, result = self._lanes, self._lanes.result
        if not lanes.begun(descriptor):
            lib.fast_receive(
                self._paths,
                descriptor,
                self._header_size,
                lanes.memory_address,
                GATHERED_MAX,
                DATAGRAM_MAX,
                lanes.scratch_address,
                _SCRATCH,
                result,
            )
            self.collect(result.touched)
        batches = (result.batch[number] for number in range(result.batches))
        return [(one.begun, one.end, one.stride, bool(one.gathered)) for one in batches]

    def address(self, datagram: memoryview) -> bytes:
        """The encapsulation header and address of a datagram; b"" when it goes the ordinary way always."""
        size = self._header_size
        if len(datagram) < size + _FRAME_HEADER or datagram[size] & 1:
            return b""
        key = bytes(datagram[: size + _ADDRESS])
        return b"" if key in self._refused else key

    def _enter(self, end: Any) -> None:
        end.inward = self._paths
        end.header_size = self._header_size

    def learn(self, key: bytes, datagram: memoryview, descriptor: int) -> None:
        """Find out where datagrams with that header and address go; `datagram` is one, came from that socket, and has been taken."""
        path = self._find(datagram)
        inlet = None if path is None else self._lanes.ports.get(path.port)
        if path is None or inlet is None or len(key) > _ADDRESS + _HEADER_MAX:
            self._refuse(key)
            return
        place = self._place(descriptor, lib.fast_in_slot(key, len(key)), path.received)
        place.key[0 : len(key)] = key
        place.tap, place.runs = inlet()
        place.mtu = path.mtu
        place.frames = place.octets = 0
        place.key_size = len(key)
