"""Questions between a kernel and a plugin that takes its time: frames, answers, changes of mind, ends and restarts in any order.

What varpd says to the kernel is followed word by word (`Conversation`), and what the plugin knows is a dictionary (`Desk`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from etherspan.testing.frames import arp_request, dhcp_discover, ethernet, neighbour_solicitation, udp
from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork
from etherspan.testing.varpd import KernelDevice, MemoryStore
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import OverlayLink, Point, TargId, TargLookup, TargPkt, TargResp
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay import OVERLAY_IOC_ACTIVATE
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError
from libvarpd.handle import Varpd
from libvarpd.nvpair import NvList
from libvarpd.plugin import DROP, Answer, MacAnswer, Provider, Query, SearchPlugin
from libvarpd.prop import V4_MAPPED, PropInfo
from libvarpd.registry import PluginRegistry

OWN, OWNER = bytes.fromhex("020820000001"), bytes.fromhex("deadbeef0001")
MACS = [bytes([2, 0, 0, 0, 0, last]) for last in (1, 2, 3)]
FRAMES = [
    *(ethernet(mac, OWN, udp("10.1.0.1", "10.1.0.2", 1000, 2000, b"hello")) for mac in MACS),
    arp_request(OWN, "10.1.0.1", "10.1.0.2"),
    neighbour_solicitation(OWN, "fe80::1", "fe80::2"),
    dhcp_discover(OWN),
]
POINTS = [Point(ip=V4_MAPPED + bytes([10, 0, 0, last]), port=4789) for last in (2, 3)]
HOW = ["plain", "plain", "plain", "send on", "proxy arp", "proxy ndp", "proxy dhcp", "refuse", "fault", "malformed"]
WORKERS = 3

turns = st.integers(0, 8)


@dataclass
class Conversation:
    """What varpd may say to the kernel: of a request that was handed out, anything, and then one answer."""

    desk: Desk
    outstanding: dict[int, TargLookup] = field(default_factory=dict)

    def handed_out(self, asked: TargLookup) -> None:
        assert asked.reqid not in self.outstanding
        self.outstanding[asked.reqid] = asked

    def said(self, cmd: int, argument: bytes) -> None:
        if cmd in {targ.OVERLAY_TARG_INJECT, targ.OVERLAY_TARG_RESEND}:
            assert TargPkt.unpack(argument).reqid in self.outstanding, "sent after the answer"
        if cmd == targ.OVERLAY_TARG_DROP:
            self._answered(TargResp.unpack(argument).reqid)
        if cmd == targ.OVERLAY_TARG_RESPOND:
            answer = TargResp.unpack(argument)
            asked = self._answered(answer.reqid)
            assert answer.reqid not in self.desk.by_proxy, "a proxy's answer got into the cache"
            assert answer.point == self.desk.directory.get(asked.dstaddr), "a stale answer"

    def _answered(self, reqid: int) -> TargLookup:
        assert reqid in self.outstanding, "answered twice"
        return self.outstanding.pop(reqid)


class WatchedDevice(KernelDevice):
    """/dev/overlay, with somebody listening."""

    listener: Conversation

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        self.listener.said(cmd, argument)
        answer = await super().ioctl(cmd, argument)
        if cmd == targ.OVERLAY_TARG_LOOKUP:
            self.listener.handed_out(TargLookup.unpack(answer))
        return answer


@dataclass
class Ask:
    """A lookup of the plugin that waits to be told how it ends."""

    query: Query
    how: asyncio.Future[str]

    @property
    def mac(self) -> bytes:
        return self.query.request.dstaddr


@dataclass
class Desk:
    """What the plugin knows, and what it is being asked.

    `kept` is every query it ever saw, `by_proxy` the requests for which it last used a proxy.
    """

    directory: dict[bytes, Point | None] = field(default_factory=lambda: dict.fromkeys(MACS, POINTS[0]))
    open: list[Ask] = field(default_factory=list)
    kept: list[Query] = field(default_factory=list)
    by_proxy: set[int] = field(default_factory=set)
    owner: MacAnswer = OWNER
    provider: Provider | None = None
    started: int = 0


class Book(SearchPlugin):
    """Looks an address up at once, and answers when it is told to."""

    name = "book"
    mode = TargMode.DYNAMIC
    desk: Desk

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> Self:
        cls.desk.provider = provider
        return cls()

    @classmethod
    def restore(cls, provider: Provider, dest: Dest, saved: NvList) -> Self:
        return cls.create(provider, dest)

    def start(self) -> None:
        self.desk.started += 1

    def stop(self) -> None:
        assert self.desk.open == [], "stopped with questions outstanding"
        self.desk.started -= 1

    def destroy(self) -> None:
        self.desk.provider = None

    def nprops(self) -> int:
        return 0

    def propinfo(self, index: int) -> PropInfo:
        raise AssertionError

    def getprop(self, name: str) -> bytes:
        raise AssertionError

    def setprop(self, name: str, value: bytes) -> None:
        raise AssertionError

    def save(self) -> NvList:
        return NvList()

    async def lookup(self, query: Query) -> Answer:
        assert self.desk.started == 1
        found = self.desk.directory.get(query.request.dstaddr)
        ask = Ask(query, asyncio.get_running_loop().create_future())
        self.desk.by_proxy.discard(query.request.reqid)
        self.desk.kept.append(query)
        self.desk.open.append(ask)
        try:
            return await self._end(query, await ask.how, found)
        finally:
            try:
                for _ in range(4):  # it tidies up
                    await asyncio.sleep(0)
            finally:
                self.desk.open.remove(ask)

    async def _end(self, query: Query, how: str, found: Point | None) -> Answer:
        if how.startswith("proxy"):
            self.desk.by_proxy.add(query.request.reqid)
            proxies = {"proxy arp": query.proxy_arp, "proxy ndp": query.proxy_ndp, "proxy dhcp": query.proxy_dhcp}
            return await proxies[how]()
        if how == "send on":
            await query.resend(await query.packet())
        if how == "refuse":
            raise VarpdError(Errno.ECONNRESET, "no directory")
        if how == "fault":
            raise ZeroDivisionError
        return Point(ip=b"") if how == "malformed" else found or DROP

    async def arp(self, query: Query, address: bytes) -> MacAnswer:
        return self.desk.owner

    async def dhcp(self, query: Query) -> MacAnswer:
        return self.desk.owner


class Questions(RuleBasedStateMachine):
    """One overlay with a VNIC, and its varpd."""

    def __init__(self) -> None:
        super().__init__()
        clock = MemoryClock()
        self.host = MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1")
        self.linkid = self.host.create_overlay("demo0", 23, to=None)
        self.loop = asyncio.new_event_loop()
        self.store = MemoryStore()
        self.desk = Desk()
        self.conversation = Conversation(self.desk)
        self.registry = PluginRegistry()
        self.registry.register(type("Mine", (Book,), {"desk": self.desk}))
        self.number = 0
        """The instance, 0 for none."""

    def run(self, work: Coroutine[Any, Any, Any], more: int = 0) -> Any:
        """Do it, and turn the loop that many times more."""

        async def both() -> Any:
            result = await work
            for _ in range(more):
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(both())

    @initialize()
    def begin(self) -> None:
        self.run(self.start_daemon())
        self.create_instance()
        self.host.dld(OVERLAY_IOC_ACTIVATE, OverlayLink(self.linkid))
        self.port = self.host.create_vnic("vnic0", self.linkid, OWN)

    async def start_daemon(self) -> None:
        device = WatchedDevice(self.host.varpd)
        device.listener = self.conversation
        self.varpd = Varpd(device, self.registry)
        self.varpd.persist_enable(self.store)
        await self.varpd.persist_restore()
        self.varpd.lookup_run(WORKERS)

    def teardown(self) -> None:
        if hasattr(self, "port"):
            self.everything_is_answered()
            self.run(self.varpd.destroy())
        self.loop.close()

    # ------------------------------------------------------------------ frames and answers

    @rule(frame=st.sampled_from(FRAMES), more=turns)
    def send(self, frame: bytes, more: int) -> None:
        self.port.send(frame)
        self.run(asyncio.sleep(0), more)

    @precondition(lambda self: self.desk.open)
    @rule(pick=st.integers(0, 9), how=st.sampled_from(HOW), owner=st.sampled_from([OWNER, OWNER, DROP]), more=turns)
    def answer(self, pick: int, how: str, owner: MacAnswer, more: int) -> None:
        self.desk.owner = owner
        ask = self.desk.open[pick % len(self.desk.open)]
        if not ask.how.done():
            ask.how.set_result(how)
        self.run(asyncio.sleep(0), more)

    @precondition(lambda self: any(query not in self.asked for query in self.desk.kept))
    @rule(pick=st.integers(0, 9))
    def use_a_question_that_is_answered(self, pick: int) -> None:
        answered = [query for query in self.desk.kept if query not in self.asked]
        query = answered[pick % len(answered)]
        if query.request.reqid not in self.conversation.outstanding:
            with pytest.raises(VarpdError):
                self.run(query.inject(b"late"))

    @property
    def asked(self) -> list[Query]:
        return [ask.query for ask in self.desk.open]

    @rule(pick=st.integers(0, 2), to=st.sampled_from([*POINTS, None]), install=st.booleans(), more=turns)
    def change(self, pick: int, to: Point | None, install: bool, more: int) -> None:
        """The plugin learns something else about a MAC address, and says it, or takes back what it said."""
        mac = MACS[pick]

        async def learn() -> None:
            self.desk.directory[mac] = to
            if self.desk.provider is not None:
                self.desk.provider.inject_varp(mac, to if install else None)

        self.run(learn(), more)

    @rule(pick=st.integers(0, 2), to=st.sampled_from([*POINTS, None]), before=turns, between=turns, more=turns)
    def change_while_asked(self, pick: int, to: Point | None, before: int, between: int, more: int) -> None:
        """The same with a question on its way: the cache forgets, a frame asks, the plugin learns, then or just before it answers."""
        self.change(pick, self.desk.directory[MACS[pick]], install=False, more=12)
        self.send(FRAMES[pick], before)
        self.change(pick, to, install=False, more=between)
        for ask in self.asks_about(MACS[pick]):
            ask.how.set_result("plain")
        self.run(asyncio.sleep(0), more)

    def asks_about(self, mac: bytes) -> list[Ask]:
        return [ask for ask in self.desk.open if ask.mac == mac and not ask.how.done()]

    @rule()
    def time_passes(self) -> None:
        self.host.clock.advance(1)  # every LOOKUP that waits ends
        self.run(asyncio.sleep(0), 4)

    @rule()
    def everything_is_answered(self) -> None:
        for _ in range(200):
            self.run(asyncio.sleep(0), 12)
            if not self.desk.open:
                break
            for ask in self.desk.open:
                if not ask.how.done():
                    ask.how.set_result("plain")
        assert (self.desk.open, self.conversation.outstanding) == ([], {})
        self.nothing_stale_is_cached()

    def nothing_stale_is_cached(self) -> None:
        if self.number:
            _, entries = self.run(self.varpd.cache_walk(self.number, targ.MARKER_BEGIN, 200))
            assert all(entry.point == self.desk.directory.get(entry.mac) for entry in entries)

    # ------------------------------------------------------------------ ends and beginnings

    @precondition(lambda self: self.number)
    @rule(more=turns)
    def destroy_instance(self, more: int) -> None:
        self.run(self.varpd.instance_destroy(self.number), more)
        self.number = 0
        assert (self.desk.open, self.desk.started, self.store.files) == ([], 0, {})

    @precondition(lambda self: not self.number)
    @rule()
    def create_instance(self) -> None:
        self.host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(self.linkid))  # an earlier one's binding stays
        self.number = self.run(self.varpd.instance_create(self.linkid, "book"))
        self.run(self.varpd.instance_activate(self.number))

    @rule()
    def the_daemon_is_replaced(self) -> None:
        self.run(self.varpd.destroy())
        assert self.desk.open == [], "a plugin runs on a closed device"
        self.conversation.outstanding.clear()  # the kernel takes them back
        self.desk.started, self.desk.provider = 0, None
        self.run(self.start_daemon())

    @rule(frame=st.sampled_from(FRAMES), how=st.sampled_from(HOW))
    def quiesce(self, frame: bytes, how: str) -> None:
        """It takes a LOOKUP's second and what the plugin takes, and nothing begins before the workers run again."""
        quiesced = self.loop.create_task(self.varpd.lookup_quiesce())
        self.run(asyncio.sleep(0), 4)
        self.host.clock.advance(1)
        self.run(asyncio.sleep(0), 8)
        assert quiesced.done() == (not self.desk.open)
        for _ in range(20):
            for ask in self.desk.open:
                if not ask.how.done():
                    ask.how.set_result(how)
            how = "plain"
            self.run(asyncio.sleep(0), 12)
        assert (quiesced.done(), self.desk.open, self.conversation.outstanding) == (True, [], {})
        self.port.send(frame)
        self.run(asyncio.sleep(0), 8)
        assert (self.desk.open, self.conversation.outstanding) == ([], {})
        self.run(self.run_workers())

    async def run_workers(self) -> None:
        self.varpd.lookup_run(WORKERS)

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def the_daemon_goes_on(self) -> None:
        if hasattr(self, "port"):
            assert not self.varpd.failed.done(), self.varpd.failed.result()

    @invariant()
    def what_is_outstanding_in_the_kernel_was_not_answered(self) -> None:
        if hasattr(self, "port"):
            assert set(self.conversation.outstanding) <= set(self.host.varpd.outstanding)


Questions.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

TestQuestions = pytest.mark.fact("VPD-I17", "VPD-I18", "VPD-I19", "VPD-I40", "VPD-Q2")(Questions.TestCase)
