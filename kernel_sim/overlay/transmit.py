"""The way out of an overlay, frame by frame (KRN 1.5).

A `Transmitter` is made when a device starts, and made anew when its target changes, so that what is the same for every frame is
worked out once: header, socket, destination. Frames of one size and one conversation leave in one call; a run is cut into its
frames at the last moment.

One failure ends the chain (KRN-Q24): the frames behind it are dropped, by a name of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kernel_sim.ddi import UnderlaySocket
from kernel_sim.mac import hw_emul
from kernel_sim.mac.provider import WirePath
from kernel_sim.overlay.drops import DeviceDrop, DropCounters, send_drop
from kernel_sim.overlay.mux import Mux
from kernel_sim.overlay.plugin import EncapPlugin
from kernel_sim.overlay.target import Destination, Target
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.message import Buffer, Chain, Message


class _Batch(NamedTuple):
    """Frames that leave in one call: of one length, but for a shorter last one, to one destination, from one port."""

    destination: Destination
    port: int
    frames: Sequence[Buffer]
    following: int
    """Index of the first message of the chain that is neither in this batch nor done with before it."""


class Transmitter:
    """Sends the chains of one started device."""

    __slots__ = (
        "_bound_port",
        "_by_conversation",
        "_drops",
        "_fixed",
        "_header",
        "_mux",
        "_plugin",
        "_send",
        "_socket",
        "_source_port",
        "_target",
        "_vnetid",
    )

    def __init__(
        self,
        mux: Mux,
        socket: UnderlaySocket,
        plugin: EncapPlugin,
        vnetid: int,
        target: Target,
        drops: DropCounters[DeviceDrop],
    ) -> None:
        self._mux = mux
        self._socket = socket
        self._send = socket.send
        self._plugin = plugin
        self._vnetid = vnetid
        self._target = target
        self._drops = drops
        self._source_port = plugin.source_port
        self._by_conversation = bool(getattr(plugin, "port_by_conversation", False))
        self._bound_port = mux.address.port
        self._header = plugin.header(vnetid)
        self._fixed = target.fixed

    def send(self, chain: Chain) -> None:
        """Send, park or drop every frame of a chain."""
        for batch in self._batches(chain):
            if batch.destination.resolved_by is not self._mux:
                self._mux.resolve(batch.destination)
            sent, reason = self._emit(batch)
            if reason is not None:
                self._drops.drop_frames(reason, batch.frames[sent:])
                self._drops.drop(DeviceDrop.TX_ABANDONED, chain[batch.following :])
                return

    def path(self, message: Message) -> WirePath | None:
        """How messages of this one's conversation leave, while they all leave alike. Changes nothing."""
        destination = self._fixed or self._target.settled(message)
        if destination is None or self._header is None or not self._by_conversation:
            return None
        if destination.resolved_by is not self._mux:
            self._mux.resolve(destination)
        if destination.errno:
            return None
        port = self._source_port(message.data, self._bound_port)
        return WirePath(self._socket, self._header, destination.to, port, destination.limit)

    def _batches(self, chain: Chain) -> Iterator[_Batch]:
        frames: list[Buffer] = []
        to: Destination | None = None
        port = size = 0
        for position, message in enumerate(chain):
            destination = self._fixed or self._lookup(message)
            if destination is None:
                continue
            data = hw_emul.cut(message)[0] if message.partial and not message.mss else message.data
            source = self._source_port(data, self._bound_port)
            if message.mss:
                if to is not None:
                    yield _Batch(to, port, frames, position)
                    to = None
                yield _Batch(destination, source, self._cut(message), position + 1)
            elif destination is to and source == port and len(data) == size:
                frames.append(data)
            else:
                if to is not None:
                    yield _Batch(to, port, frames, position)
                frames, to, port, size = [data], destination, source, len(data)
        if to is not None:
            yield _Batch(to, port, frames, len(chain))

    def _cut(self, run: Message) -> Sequence[Buffer]:
        return hw_emul.cut(run) if self._header is None else hw_emul.cut_behind(run, self._header)

    def _lookup(self, message: Message) -> Destination | None:
        verdict = self._target.lookup(message)
        if isinstance(verdict, DeviceDrop):
            self._drops.drop(verdict, [message])
            return None
        return verdict

    def _emit(self, batch: _Batch) -> tuple[int, DeviceDrop | None]:
        """Send a batch; how many of its frames surely went, and why not all, if so."""
        destination = batch.destination
        if destination.errno:
            return 0, send_drop(destination.errno)
        if self._header is None:
            return self._emit_each(batch)
        if len(self._header) + len(batch.frames[0]) > destination.limit:
            return 0, DeviceDrop.TX_TOO_BIG
        errno = self._send(self._header, batch.frames, destination.to, batch.port)
        return 0, send_drop(errno) if errno else None

    def _emit_each(self, batch: _Batch) -> tuple[int, DeviceDrop | None]:
        """The same for a plugin whose header differs between frames."""
        for sent, frame in enumerate(batch.frames):
            try:
                header = self._plugin.encap(frame, self._vnetid)
            except KernelError:
                return sent, DeviceDrop.TX_ENCAP
            if len(header) + len(frame) > batch.destination.limit:
                return sent, DeviceDrop.TX_TOO_BIG
            errno = self._send(header, [frame], batch.destination.to, batch.port)
            if errno:
                return sent, send_drop(errno)
        return len(batch.frames), None
