"""The machine's own Ethernet interfaces, followed as they come, go and change (`ddi.PhysLinks`).

A physical link is an Ethernet interface of the host's namespace that is not in the host's link group (its VNICs' TAPs are) and whose
name can be a link name (DLM 1.6).
"""

from __future__ import annotations

import contextlib
import errno
import re
import select
import socket
from collections.abc import Callable, Sequence
from typing import Final

from kernel_sim.ddi import PhysLink
from kernel_sim.io import ethtool, rtnl
from kernel_sim.io.loop import Loop
from kernel_sim.io.rtnl import Rtm, RtnlGroup
from kernel_sim.sys.errno import KernelError

_GROUPS: Final = (
    RtnlGroup.LINK | RtnlGroup.IPV4_IFADDR | RtnlGroup.IPV4_ROUTE | RtnlGroup.IPV6_IFADDR | RtnlGroup.IPV6_ROUTE
)
_SO_RCVBUFFORCE: Final = 33
_RECEIVE_BUFFER: Final = 1 << 20
_DATAGRAM_MAX: Final = 1 << 16
_LINK_NAME: Final = re.compile(r"(?=.{1,31}\Z)[A-Za-z_.](?:[A-Za-z0-9_.]*[A-Za-z_.])?(?:0|[1-9][0-9]*)", re.ASCII)
_ANSWER_WITHIN_MS: Final = 10_000


class Netlink:
    """Follows the links, addresses and routes of the namespace it is made in. Implements `ddi.PhysLinks`."""

    def __init__(self, loop: Loop, group: int) -> None:
        """Read the links there are; `group` is the host's link group. Errors: `KernelError` when netlink is not to be had."""
        self._loop = loop
        self._group = group
        self._links: dict[int, PhysLink] = {}
        self._link_subscribers: list[Callable[[], None]] = []
        self._path_subscribers: list[Callable[[], None]] = []
        self._dumping: dict[int, PhysLink] | None = None
        self._lost = False
        self._sequence = 0
        with contextlib.ExitStack() as undo:
            try:
                self._ioctls = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                self._sock = undo.enter_context(
                    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
                )
                self._prepare()
                self._read_initial()
            except OSError as error:
                raise KernelError.from_os(error, f"cannot follow the machine's links: {error.strerror}") from error
            loop.register(self._sock.fileno(), self._readable)
            undo.pop_all()

    # ------------------------------------------------------------------ what others see

    def snapshot(self) -> Sequence[PhysLink]:
        """See `ddi.PhysLinks.snapshot`."""
        return [self._links[index] for index in sorted(self._links)]

    def subscribe(self, changed: Callable[[], None]) -> None:
        """See `ddi.PhysLinks.subscribe`."""
        self._link_subscribers.append(changed)

    def subscribe_paths(self, changed: Callable[[], None]) -> None:
        """Be called when a link, an address or a route changed, that is, when paths may have."""
        self._path_subscribers.append(changed)

    def close(self) -> None:
        """Stop following."""
        self._loop.unregister(self._sock.fileno())
        self._sock.close()
        self._ioctls.close()

    # ------------------------------------------------------------------ inside

    def _prepare(self) -> None:
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._sock.bind((0, _GROUPS))

    def _read_initial(self) -> None:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        self._ask_for_all()
        while self._dumping is not None:
            if not poll.poll(_ANSWER_WITHIN_MS):
                raise TimeoutError(errno.ETIMEDOUT, "rtnetlink does not answer")
            self._drain()

    def _ask_for_all(self) -> None:
        self._sequence += 1
        self._dumping = {}
        self._lost = False
        self._sock.send(rtnl.dump_request(self._sequence))

    def _readable(self, _events: int) -> None:
        before = dict(self._links)
        self._drain()
        if self._links != before:
            for changed in self._link_subscribers:
                changed()
        for changed in self._path_subscribers:
            changed()

    def _drain(self) -> None:
        """Take all there is before anybody is told: a TAP of ours gets its group right after it appears."""
        while True:
            try:
                datagram = self._sock.recv(_DATAGRAM_MAX)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._notifications_lost()
                continue
            for kind, payload in rtnl.messages(datagram):
                self._take(kind, payload)

    def _notifications_lost(self) -> None:
        """Read all links anew, after the reading that may be going on: the kernel answers one at a time."""
        if self._dumping is None:
            self._ask_for_all()
        else:
            self._lost = True

    def _take(self, kind: int, payload: memoryview) -> None:
        if kind in {Rtm.DONE, Rtm.ERROR}:
            if self._dumping is not None:
                self._links, self._dumping = self._dumping, None
            if self._lost:
                self._ask_for_all()
            return
        if kind not in {Rtm.NEWLINK, Rtm.DELLINK}:
            return
        link = rtnl.parse_link(payload)
        if link is None:
            return
        seen = self._physical(link) if kind == Rtm.NEWLINK else None
        for table in (self._links,) if self._dumping is None else (self._links, self._dumping):
            if seen is None:
                table.pop(link.ifindex, None)
            else:
                table[link.ifindex] = seen

    def _physical(self, link: rtnl.Link) -> PhysLink | None:
        if link.kind != rtnl.ARPHRD_ETHER or link.group == self._group or not _LINK_NAME.fullmatch(link.name):
            return None
        speed, duplex = ethtool.speed_and_duplex(self._ioctls, link.name)
        return PhysLink(link.ifindex, link.name, link.mac, link.mtu, link.up, speed, duplex)
