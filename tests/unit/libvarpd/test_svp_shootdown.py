"""The log engine: what it asks when, what it does with records, and what it acknowledges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from libvarpd.plugins.svp import shootdown
from libvarpd.plugins.svp.messages import (
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    Message,
    Record,
    RouteRecord,
    Status,
    Vl2Record,
    Vl3Ack,
    Vl3Record,
    Vl3Req,
    Vl3Type,
)
from libvarpd.plugins.svp.query import Done
from libvarpd.plugins.svp.shootdown import TRANSITIONS, Event, Shootdown, State
from tests.unit.libvarpd.svp_parts import HERE, MAC, MAC2, THERE, VNET

IPV6 = bytes.fromhex("fd210012000000000000000000000012")


def ident(number: int) -> bytes:
    return bytes([number]) * 16


def vl2(number: int, mac: bytes = MAC) -> Vl2Record:
    return Vl2Record(ident(number), mac, VNET)


def vl3(number: int, address: bytes = THERE, vlan: int = 4) -> Vl3Record:
    return Vl3Record(ident(number), address, vlan, VNET)


class Site:
    """A remote: what was asked is in `open`, in order; `told` is what was to be forgotten and announced."""

    def __init__(self) -> None:
        self.reachable = True
        self.open: list[tuple[Message, Done]] = []
        self.told: list[object] = []
        self.forgetting: list[Callable[[], None]] = []
        self.slow = False
        self.chance = 0
        self.notes: list[str] = []
        self.engine = Shootdown(HERE, self, lambda most: min(most, self.chance), self.notes.append)

    def ask(self, message: Message, done: Done) -> bool:
        if self.reachable:
            self.open.append((message, done))
        return self.reachable

    def forget(self, vnet_id: int, mac: bytes, done: Callable[[], None]) -> None:
        assert vnet_id == VNET
        self.told.append(("forget", mac))
        if self.slow:
            self.forgetting.append(done)
        else:
            done()

    def announce(self, vnet_id: int, vlan: int, mac: bytes, address: bytes) -> None:
        assert vnet_id == VNET
        self.told.append(("announce", vlan, mac, address))

    @property
    def asked(self) -> list[Message]:
        return [message for message, _ in self.open]

    def answer(self, answer: Message | None, which: int = 0) -> None:
        self.open.pop(which)[1](answer)

    def ticks_until_asked(self) -> int:
        waited = 0
        while not self.open:
            self.engine.tick()
            waited += 1
            assert waited < 100
        return waited

    def log(self, *records: Record, status: int = Status.OK) -> None:
        """Wait for the LOG_REQ and answer it."""
        self.ticks_until_asked()
        assert self.asked == [LogReq(1024, HERE)]
        self.answer(LogAck(status, records))


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.fact("SVP-I30")
@pytest.mark.parametrize("chance", range(6))
def test_an_idle_log_is_asked_for_after_5_to_10_ticks(site: Site, chance: int) -> None:
    site.chance = chance
    site.ticks_until_asked()  # this wait was drawn before
    for answer in (LogAck(Status.OK), LogAck(Status.FATAL), None):
        site.answer(answer)
        assert site.ticks_until_asked() == 5 + chance


def test_the_random_part_of_a_wait_is_at_most_5() -> None:
    drawn: list[int] = []

    def spread(most: int) -> int:
        drawn.append(most)
        return 0

    Shootdown(HERE, Site(), spread, str)
    assert drawn == [5]


@pytest.mark.fact("SVP-I27", "SVP-I30")
def test_what_is_forgotten_is_acknowledged_a_tick_later_and_the_log_asked_for_another_tick_later(site: Site) -> None:
    site.log(vl2(1), vl2(2, MAC2))
    assert site.told == [("forget", MAC), ("forget", MAC2)]
    assert site.ticks_until_asked() == 1
    assert site.asked == [LogRm((ident(1), ident(2)))]
    site.answer(LogRmAck(Status.OK))
    assert site.ticks_until_asked() == 1
    assert site.asked == [LogReq(1024, HERE)]


@pytest.mark.fact("SVP-I27")
def test_nothing_is_acknowledged_before_the_kernel_has_forgotten_it(site: Site) -> None:
    site.slow = True
    site.log(vl2(1), vl2(2))
    for done in (site.forgetting[1], site.forgetting[0]):
        for _ in range(50):
            site.engine.tick()
        assert site.open == []
        done()
    assert site.ticks_until_asked() == 1
    assert site.asked == [LogRm((ident(1), ident(2)))], "in the order of the log"


@pytest.mark.fact("SVP-I27")
@pytest.mark.parametrize(
    ("answer", "acknowledged"),
    [
        (Vl3Ack(Status.OK, MAC, 4789, HERE), True),
        (Vl3Ack(Status.NOTFOUND), True),
        (Vl3Ack(Status.FATAL), False),
        (None, False),
    ],
)
def test_an_address_is_acknowledged_when_its_lookup_found_it_or_found_nothing(
    site: Site, answer: Message | None, acknowledged: bool
) -> None:
    site.log(vl2(1), vl3(2), vl2(3, MAC2))
    assert site.asked == [Vl3Req(THERE, Vl3Type.IP, VNET)]
    assert site.told == [("forget", MAC), ("forget", MAC2)], "the others do not wait"
    site.engine.tick()
    assert len(site.open) == 1, "but the acknowledgement does"
    site.answer(answer)
    site.ticks_until_asked()
    assert site.asked == [LogRm((ident(1), ident(2), ident(3)) if acknowledged else (ident(1), ident(3)))]


def test_an_address_that_was_found_is_announced_with_its_vlan(site: Site) -> None:
    site.log(vl3(1))
    site.answer(Vl3Ack(Status.OK, MAC, 4789, HERE))
    assert site.told == [("announce", 4, MAC, THERE[12:])]


@pytest.mark.fact("SVP-Q3")
def test_an_ipv6_address_is_looked_up_as_such_and_not_announced(site: Site) -> None:
    site.log(vl3(1, IPV6))
    assert site.asked == [Vl3Req(IPV6, Vl3Type.IPV6, VNET)]
    site.answer(Vl3Ack(Status.OK, MAC, 4789, HERE))
    assert site.told == []
    site.ticks_until_asked()
    assert site.asked == [LogRm((ident(1),))]


@pytest.mark.parametrize("status", [Status.NOTFOUND, Status.FATAL])
def test_an_address_that_was_not_found_is_not_announced(site: Site, status: int) -> None:
    site.log(vl3(1))
    site.answer(Vl3Ack(status, MAC, 4789, HERE))
    assert site.told == []


def test_when_nothing_could_be_dealt_with_the_log_is_idle_again(site: Site) -> None:
    site.log(vl3(1), vl3(2))
    site.answer(None)
    site.answer(None)
    assert site.ticks_until_asked() == 5
    assert site.asked == [LogReq(1024, HERE)]


def test_a_lookup_that_no_connection_can_take_is_not_acknowledged(site: Site) -> None:
    site.ticks_until_asked()
    site.reachable = False
    site.answer(LogAck(Status.OK, (vl3(1), vl2(2))))
    site.reachable = True
    site.ticks_until_asked()
    assert site.asked == [LogRm((ident(2),))]


def test_a_route_is_acknowledged_at_once(site: Site) -> None:
    site.log(RouteRecord(ident(1), 1, 2, 3, HERE, THERE, 0, 0, 120, 120))
    site.ticks_until_asked()
    assert site.asked == [LogRm((ident(1),))]


@pytest.mark.fact("SVP-I29")
@pytest.mark.parametrize("answer", [None, LogAck(Status.FATAL, (vl2(1),)), LogAck(Status.NOTFOUND, (vl2(1),))])
def test_a_log_that_failed_or_makes_no_sense_changes_nothing(site: Site, answer: Message | None) -> None:
    site.ticks_until_asked()
    site.answer(answer)
    assert site.told == []
    assert site.ticks_until_asked() == 5
    assert site.asked == [LogReq(1024, HERE)]


@pytest.mark.fact("SVP-B15", "SVP-B16")
def test_a_server_that_does_not_know_this_node_is_asked_again_and_people_are_told(site: Site) -> None:
    site.log(status=Status.FATAL)
    assert site.ticks_until_asked() == 5
    assert site.notes == ["the server gives no log: status 1"]


@pytest.mark.parametrize("answer", [LogRmAck(Status.FATAL), None])
def test_an_acknowledgement_that_failed_goes_on_as_one_that_did_not(site: Site, answer: Message | None) -> None:
    site.log(vl2(1))
    site.ticks_until_asked()
    site.answer(answer)
    assert site.ticks_until_asked() == 1
    assert site.asked == [LogReq(1024, HERE)]


def test_an_acknowledgement_without_a_connection_is_given_up_for_an_idle_time(site: Site) -> None:
    site.log(vl2(1))
    site.reachable = False
    site.engine.tick()
    site.reachable = True
    assert site.ticks_until_asked() == 5
    assert site.asked == [LogReq(1024, HERE)]


def test_without_a_connection_the_log_is_asked_for_again_after_an_idle_time(site: Site) -> None:
    site.reachable = False
    for _ in range(7):
        site.engine.tick()
    site.reachable = True
    assert site.ticks_until_asked() == 3


@pytest.mark.fact("SVP-I28")
def test_a_batch_that_comes_again_is_dealt_with_again_in_the_same_way(site: Site) -> None:
    batch = (vl2(1), vl3(2))
    seen = []
    for _ in range(2):
        site.told.clear()
        site.log(*batch)
        site.answer(Vl3Ack(Status.OK, MAC, 4789, HERE))
        site.ticks_until_asked()
        seen.append((list(site.told), site.asked))
        site.answer(None)
    assert seen[0] == seen[1]


@pytest.mark.fact("SVP-Q15")
@pytest.mark.parametrize("state", [state for state in State if state is not State.QUIESCED])
def test_it_can_be_ended_in_any_state_and_does_nothing_more(site: Site, state: State) -> None:
    match state:
        case State.ASKING:
            site.ticks_until_asked()
        case State.APPLYING:
            site.log(vl3(1))
        case State.DORM:
            site.log(vl2(1))
        case State.REMOVING:
            site.log(vl2(1))
            site.ticks_until_asked()
    assert site.engine.state is state
    site.engine.quiesce()
    told, still_open = list(site.told), site.open[:]
    for _, done in still_open:
        done(None)
    site.open.clear()
    for _ in range(30):
        site.engine.tick()
    assert (site.told, site.open, site.engine.state) == (told, [], State.QUIESCED)


def test_every_state_and_every_event_is_used() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_the_picture_names_every_state_that_does_something() -> None:
    assert shootdown.__doc__ is not None
    for state in set(State) - {State.QUIESCED}:
        assert state.name in shootdown.__doc__
