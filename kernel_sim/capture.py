"""What passes a link, for snoop: frames as a sniffer of the mac layer sees them, and those that the link loses, with the reason.

A VNIC's capture sees what its consumer sends and gets; that of an overlay or etherstub all that its MAC carries. While one is
open the MAC is started, and nothing on it goes the compiled way, so that no frame passes unseen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from kernel_sim.ddi import LinkId
from kernel_sim.dls import DlsTable
from kernel_sim.mac import hw_emul
from kernel_sim.mac.client import MacClient
from kernel_sim.mac.promisc import PromiscCallback, PromiscFlag, PromiscType
from kernel_sim.mac.watch import DropWatch
from kernel_sim.sys.message import Buffer, Chain
from kernel_sim.sys.snoop import BATCH_BYTES, Attach, Record, Way, pack_batch

BACKLOG_BYTES: Final = 8 << 20
"""What is kept for a reader that is behind; more is lost, and counted."""


class Captures:
    """All captures of a kernel. While there are any, the drop watch is theirs."""

    def __init__(self, links: DlsTable, watch: DropWatch, now: Callable[[], float]) -> None:
        self._links = links
        self._watch = watch
        self._now = now
        self._open: list[Capture] = []
        self._before = watch.observer

    def open(self, wanted: Attach) -> Capture:
        """Begin. Errors: ENOENT there is no such link; those of the MAC's start."""
        linkid = next((one.linkid for one in self._links.names() if one.name == wanted.name), None)
        mac = self._links.mac(0 if linkid is None else linkid)
        made = Capture(self, mac.linkid, wanted, self._now)
        if mac.lower is not None:
            made.sniff(mac.lower, PromiscType.FILTERED)
        else:
            own = mac.open_client(wanted.name)
            made.at_end(own.close)
            try:
                made.sniff(own, PromiscType.ALL)
            except BaseException:
                made.close()
                raise
        if not self._open:
            self._before, self._watch.observer = self._watch.observer, self._dropped
        self._open.append(made)
        return made

    def forget(self, capture: Capture) -> None:
        """One has ended."""
        if capture in self._open:
            self._open.remove(capture)
            if not self._open:
                self._watch.observer = self._before

    def close_all(self) -> None:
        """The kernel ends."""
        for capture in list(self._open):
            capture.close()

    def _dropped(self, where: LinkId | str, reason: str, chain: object) -> None:
        if self._before is not None:
            self._before(where, reason, chain)  # type: ignore[arg-type]
        for capture in self._open:
            if where in (capture.linkid, capture.name):
                capture.lose(reason, chain)  # type: ignore[arg-type]


class Capture:
    """One of them."""

    def __init__(self, captures: Captures, linkid: LinkId, wanted: Attach, now: Callable[[], float]) -> None:
        self.linkid = linkid
        self.name = wanted.name
        self.waiting: Callable[[bytes], None] | None = None
        self._snaplen = wanted.snaplen
        self._captures = captures
        self._now = now
        self._client: MacClient | None = None
        self._ends: list[Callable[[], None]] = []
        self._records: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0

    def sniff(self, client: MacClient, kind: PromiscType) -> None:
        """See a client's frames, or all of its MAC's. Errors: those of the MAC's start."""
        self._client = client
        added: PromiscCallback = client.promisc_add(kind, self._pass, PromiscFlag.DO_FIXUPS)
        self._ends.append(lambda: self._remove(client, added))

    def at_end(self, action: Callable[[], None]) -> None:
        """Do that at the end; what was asked for last is done first."""
        self._ends.append(action)

    def _remove(self, client: MacClient, added: PromiscCallback) -> None:
        if added in client.promisc_callbacks:  # the link may have gone, and its sniffers with it
            client.promisc_remove(added)

    # ------------------------------------------------------------------ records

    def _pass(self, chain: Chain) -> None:
        for message in chain:
            self._add(message.data, self._way(message.data))
        self._serve()

    def lose(self, reason: str, chain: Chain) -> None:
        """Frames that were dropped."""
        for message in chain:
            for frame in hw_emul.cut(message) if message.mss else (message.data,):
                self._add(frame, self._way(frame), str(reason))
        self._serve()

    def _way(self, frame: Buffer) -> Way:
        """Out is what a station of this host sends."""
        client = self._client
        if client is None or len(frame) < 12:
            return Way.UNKNOWN
        source = bytes(frame[6:12])
        ours = source == client.address or any(one.address == source for one in client.mac.active_clients)
        return Way.OUT if ours else Way.IN

    def _add(self, frame: Buffer, way: Way, reason: str = "") -> None:
        data = bytes(frame[: self._snaplen])
        packed = Record(int(self._now() * 1e9), len(frame), data, way, reason).pack()
        if self._bytes + len(packed) > BACKLOG_BYTES:
            self._lost += 1
            return
        self._records.append(packed)
        self._bytes += len(packed)

    def _serve(self) -> None:
        if self.waiting is not None and self._records:
            waiting, self.waiting = self.waiting, None
            waiting(self.take())

    def take(self) -> bytes:
        """A batch of what there is, which may be nothing."""
        records: list[bytes] = []
        size = 0
        while self._records and size < BATCH_BYTES:
            records.append(self._records.popleft())
            size += len(records[-1])
        self._bytes -= size
        lost, self._lost = self._lost, 0
        return pack_batch(records, lost)

    @property
    def empty(self) -> bool:
        """Nothing is to be read."""
        return not self._records

    def close(self) -> None:
        """End it; harmless when it has ended."""
        self.waiting = None
        self._captures.forget(self)
        while self._ends:
            self._ends.pop()()
