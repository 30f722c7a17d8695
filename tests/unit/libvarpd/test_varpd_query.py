"""A question: what a plugin may do with the frame that waits, and that it can do nothing once the question is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest

from etherspan.testing.frames import BROADCAST, arp_request, dhcp_discover, neighbour_solicitation, tagged
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import Point, TargLookup, TargPkt
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ETHERTYPE_ARP, ETHERTYPE_IP, parse_header
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.overlay import Overlay
from libvarpd.plugin import DROP, Answer, MacAnswer, Query
from libvarpd.plugins.direct import Direct
from libvarpd.query import Question

ASKER, OWNER = bytes.fromhex("020000000001"), bytes.fromhex("deadbeef0001")
ARP = arp_request(ASKER, "10.55.55.2", "10.55.55.3")
NDP = neighbour_solicitation(ASKER, "fe80::3", "fe80::4")
DHCP = dhcp_discover(ASKER)
OPERATIONS = {targ.OVERLAY_TARG_PKT: "pkt", targ.OVERLAY_TARG_INJECT: "inject", targ.OVERLAY_TARG_RESEND: "resend"}


class OneFrame:
    """A kernel in which one frame waits, request 5. `calls` are what is done with it: (operation, link id, request id, bytes)."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.calls: list[tuple[str, int, int, bytes]] = []
        self.refuse: dict[str, Errno] = {}

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        asked, operation = TargPkt.unpack(argument), OPERATIONS[cmd]
        assert operation == "pkt" or asked.size == len(asked.data)
        self.calls.append((operation, asked.linkid, asked.reqid, asked.data))
        if operation in self.refuse:
            raise KernelError(self.refuse[operation])
        data = self.frame[: asked.size] if operation == "pkt" else asked.data
        return TargPkt(asked.linkid, asked.reqid, len(data), data).pack()

    def close(self) -> None: ...

    @property
    def done(self) -> list[str]:
        return [operation for operation, *_ in self.calls]


class Owner(Direct):
    """Says of every address and client what `answer` says; `asked` are the addresses."""

    name = "owner"
    mode = TargMode.DYNAMIC
    answer: ClassVar[Any] = OWNER
    asked: ClassVar[list[object]] = []

    async def lookup(self, query: Query) -> Answer:
        return DROP

    async def arp(self, query: Query, address: bytes) -> MacAnswer:
        self.asked.append(address)
        return self._answer()

    async def dhcp(self, query: Query) -> MacAnswer:
        self.asked.append(query.request.srcaddr)
        return self._answer()

    def _answer(self) -> MacAnswer:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


def describe(frame: bytes) -> TargLookup:
    header = parse_header(frame)
    assert header is not None
    return TargLookup(
        dlid=7,
        reqid=5,
        varpdid=1,
        vnetid=23,
        hdrsize=header.size,
        pktsize=len(frame) - header.size,
        srcaddr=header.src,
        dstaddr=header.dst,
        sap=header.sap,
        vlan=header.vid,
    )


def question(kernel: OneFrame, plugin: type[Direct] = Owner, **changes: Any) -> Question:
    return Question(Overlay(kernel), describe(kernel.frame), plugin(6, **changes))  # type: ignore[arg-type]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture(autouse=True)
def _owner_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Owner, "answer", OWNER)
    monkeypatch.setattr(Owner, "asked", [])


# ---------------------------------------------------------------------- the frame itself


def test_the_waiting_frame_can_be_seen_and_frames_injected_and_sent_by_its_request() -> None:
    kernel = OneFrame(bytes(range(256)) * 8)
    asked = question(kernel)
    assert run(asked.packet()) == kernel.frame[:1518]
    run(asked.inject(b"up"))
    run(asked.resend(b"down"))
    no_link = targ.OVERLAY_TARG_NO_LINK
    assert kernel.calls == [("pkt", no_link, 5, b""), ("inject", no_link, 5, b"up"), ("resend", no_link, 5, b"down")]
    assert asked.request.reqid == 5


@pytest.mark.parametrize("operation", ["pkt", "inject", "resend"])
def test_what_the_kernel_refuses_the_plugin_is_told(operation: str) -> None:
    kernel = OneFrame(ARP)
    kernel.refuse[operation] = Errno.EINVAL
    asked = question(kernel)
    work = {"pkt": asked.packet, "inject": lambda: asked.inject(b"x"), "resend": lambda: asked.resend(b"x")}[operation]
    with pytest.raises(KernelError) as refused:
        run(work())
    assert refused.value.errno is Errno.EINVAL


@pytest.mark.parametrize("operation", ["inject", "resend"])
def test_a_frame_that_is_too_long_is_refused_by_its_length(operation: str) -> None:
    kernel = OneFrame(ARP)
    asked = question(kernel)
    run(getattr(asked, operation)(bytes(1518)))
    with pytest.raises(VarpdError, match="1519 bytes") as refused:
        run(getattr(asked, operation)(bytes(1519)))
    assert refused.value.errno is Errno.EINVAL
    assert kernel.done == [operation]


@pytest.mark.parametrize(
    "act",
    [
        Question.packet,
        lambda asked: asked.inject(b"x"),
        lambda asked: asked.resend(b"x"),
        Question.proxy_arp,
    ],
    ids=["packet", "inject", "resend", "proxy"],
)
def test_nothing_can_be_done_with_a_question_that_is_answered(
    act: Callable[[Question], Coroutine[Any, Any, Any]],
) -> None:
    kernel = OneFrame(ARP)
    asked = question(kernel)
    asked.close()
    with pytest.raises(VarpdError) as refused:
        run(act(asked))
    assert (refused.value.errno, kernel.calls) == (Errno.EINVAL, [])


# ---------------------------------------------------------------------- proxies

PROXIES = [
    (Question.proxy_arp, ARP, bytes([10, 55, 55, 3]), "inject"),
    (Question.proxy_arp, tagged(ARP, 7), bytes([10, 55, 55, 3]), "inject"),
    (Question.proxy_ndp, NDP, bytes.fromhex("fe80") + bytes(13) + b"\4", "inject"),
    (Question.proxy_ndp, tagged(NDP, 7), bytes.fromhex("fe80") + bytes(13) + b"\4", "inject"),
    (Question.proxy_dhcp, DHCP, ASKER, "resend"),
]
each_proxy = pytest.mark.parametrize(
    ("proxy", "frame", "about", "sends"), PROXIES, ids=["arp", "tagged arp", "ndp", "tagged ndp", "dhcp"]
)
Proxy = Callable[[Question], Coroutine[Any, Any, Any]]


@each_proxy
@pytest.mark.fact("VPD-I18")
def test_a_proxy_asks_the_plugin_sends_one_frame_and_answers_drop(
    proxy: Proxy, frame: bytes, about: bytes, sends: str
) -> None:
    kernel = OneFrame(frame)
    assert run(proxy(question(kernel))) == DROP
    assert Owner.asked == [about]
    assert kernel.done == ["pkt", sends]
    sent = kernel.calls[1][3]
    assert sent[6:12] == (OWNER if sends == "inject" else ASKER)
    assert sent[:6] == (ASKER if sends == "inject" else OWNER)


@each_proxy
def test_a_proxy_sends_nothing_when_the_plugin_says_drop(
    proxy: Proxy, frame: bytes, about: bytes, sends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Owner, "answer", DROP)
    kernel = OneFrame(frame)
    assert run(proxy(question(kernel))) == DROP
    assert (Owner.asked, kernel.done) == ([about], ["pkt"])


@each_proxy
@pytest.mark.parametrize("mac", [None, b"short", "de:ad:be:ef:00:01", Point()])
def test_a_mac_address_that_is_none_is_the_plugins_fault_and_nothing_is_sent(
    proxy: Proxy, frame: bytes, about: bytes, sends: str, mac: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Owner, "answer", mac)
    kernel = OneFrame(frame)
    with pytest.raises(TypeError, match="neither a MAC address nor DROP"):
        run(proxy(question(kernel)))
    assert kernel.done == ["pkt"]


@each_proxy
def test_what_is_of_another_kind_is_not_even_fetched(proxy: Proxy, frame: bytes, about: bytes, sends: str) -> None:
    other = NDP if proxy is Question.proxy_arp else ARP
    kernel = OneFrame(other)
    assert run(proxy(question(kernel))) == DROP
    assert (kernel.calls, Owner.asked) == ([], [])


@each_proxy
def test_what_is_malformed_is_fetched_and_dropped_without_asking(
    proxy: Proxy, frame: bytes, about: bytes, sends: str
) -> None:
    kernel = OneFrame(frame)
    asked = question(kernel)
    kernel.frame = frame[:18] + bytes(len(frame) - 18)
    assert run(proxy(asked)) == DROP
    assert (kernel.done, Owner.asked) == (["pkt"], [])


@each_proxy
def test_a_plugin_that_uses_a_proxy_without_the_operation_panics(
    proxy: Proxy, frame: bytes, about: bytes, sends: str
) -> None:
    kernel = OneFrame(frame)
    asked = question(kernel, Direct)
    method = "dhcp" if proxy is Question.proxy_dhcp else "arp"
    with pytest.raises(VarpdPanic, match=f"^direct plugin asked to do {method}, but has no method$"):
        run(proxy(asked))
    assert kernel.done == ["pkt"]


@pytest.mark.parametrize("sap", [ETHERTYPE_ARP, ETHERTYPE_IP])
def test_a_broadcast_is_told_by_its_type(sap: int) -> None:
    frame = BROADCAST + ASKER + sap.to_bytes(2) + ARP[14:]
    kernel = OneFrame(frame)
    run(question(kernel).proxy_arp())
    assert kernel.done == (["pkt", "inject"] if sap == ETHERTYPE_ARP else [])
