"""What each change writes: rows, and one event a node of the network."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from etherspan.portolan.producer import Producer, ProducerError, random_id
from etherspan.portolan.records import ComputeNode, Event, Mapping, Place, Route, Subnet
from etherspan.portolan.store import Store, StoreError, open_store
from libvarpd.plugins.svp.messages import MAPPED, RouteRecord, Vl2Record, Vl3Record

T = TypeVar("T")
VNET = 23
MAC = bytes.fromhex("020820000001")
MAC2 = bytes.fromhex("020820000002")


def ip(last: int) -> bytes:
    return MAPPED + bytes([10, 0, 0, last])


def told(events: list[Event]) -> dict[str, list[tuple[str, bytes]]]:
    """By node: kinds of events and what they are about, in order."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    for event in events:
        match event.record:
            case Vl2Record():
                what = ("VL2", event.record.mac)
            case Vl3Record():
                what = ("VL3", event.record.address)
            case RouteRecord():
                what = ("ROUTE", event.record.src_address)
        found.setdefault(event.cn, []).append(what)
    return found


class Fleet:
    """A store with nodes cn1 to cn3 and a producer; cn1 and cn2 have a guest on the network, cn3 has one on another."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self.store: Store = self.run(open_store(url))
        numbers = itertools.count(1)
        self.producer = Producer(self.store, lambda: next(numbers).to_bytes(16))
        self.run(self._fill())

    def run(self, work: Awaitable[T]) -> T:
        async def main() -> T:
            return await work

        return self._loop.run_until_complete(main())

    async def _fill(self) -> None:
        async with self.store.transaction() as change:
            await change.put_nodes([ComputeNode(f"cn{n}", MAPPED + bytes([192, 168, 0, n])) for n in (1, 2, 3)])
            await change.put_mappings(
                [
                    Mapping(VNET, ip(1), MAC, "cn1", vlan=4),
                    Mapping(VNET, ip(2), MAC2, "cn2"),
                    Mapping(VNET + 1, ip(1), MAC, "cn3"),
                ]
            )

    def events(self) -> list[Event]:
        async def read() -> list[Event]:
            async with self.store.transaction() as state:
                return [event async for event in state.all_events()]

        return self.run(read())

    def rows(self, vnet_id: int = VNET) -> list[Mapping]:
        async def read() -> list[Mapping]:
            async with self.store.transaction() as state:
                return [row async for row in state.all_mappings(vnet_id)]

        return self.run(read())

    def place(self, mac: bytes, vnet_id: int = VNET) -> Place | None:
        async def read() -> Place | None:
            async with self.store.snapshot() as state:
                return (await state.vl2([(vnet_id, mac)]))[0]

        return self.run(read())

    def close(self) -> None:
        self.run(self.store.close())
        self._loop.close()


@pytest.fixture(params=["memory", "sqlite"])
def fleet(request: pytest.FixtureRequest) -> Callable[[], Fleet]:
    made = Fleet("memory://" if request.param == "memory" else "sqlite://")
    request.addfinalizer(made.close)
    return made  # type: ignore[return-value]


BOTH = ("cn1", "cn2")


def each(*what: tuple[str, bytes]) -> dict[str, list[tuple[str, bytes]]]:
    return {node: list(what) for node in BOTH}


@pytest.mark.fact("SVP-I22")
def test_a_new_guest_is_told_to_every_node_of_its_network_and_to_no_other(fleet: Fleet) -> None:
    assert fleet.run(fleet.producer.put(Mapping(VNET, ip(3), b"abcdef", "cn1", vlan=7))) == 2
    assert told(fleet.events()) == each(("VL3", ip(3)))
    assert {event.record.vlan for event in fleet.events()} == {7}  # type: ignore[union-attr]
    assert len({event.record.id for event in fleet.events()}) == 2, "an id of its own for each"


@pytest.mark.fact("SVP-Q10")
def test_a_node_that_gets_its_first_guest_by_the_change_is_told_as_well(fleet: Fleet) -> None:
    fleet.run(fleet.producer.put(Mapping(VNET, ip(3), b"abcdef", "cn3")))
    assert set(told(fleet.events())) == {"cn1", "cn2", "cn3"}


@pytest.mark.fact("SVP-Q10", "SVP-I22")
def test_a_node_that_loses_its_last_guest_by_the_change_is_told_as_well(fleet: Fleet) -> None:
    assert fleet.run(fleet.producer.remove(VNET, MAC2)) == 2
    assert told(fleet.events()) == each(("VL2", MAC2))
    fleet.run(fleet.producer.remove(VNET, MAC))
    assert told(fleet.events())["cn2"] == [("VL2", MAC2)], "it has no guest there any more"


@pytest.mark.fact("SVP-I22")
def test_a_move_is_told_by_vl3_for_each_address_and_then_vl2(fleet: Fleet) -> None:
    fleet.run(fleet.producer.put(Mapping(VNET, ip(9), MAC, "cn1")))
    before = len(fleet.events())
    assert fleet.run(fleet.producer.move(VNET, MAC, "cn2")) == 6
    assert told(fleet.events()[before:]) == each(("VL3", ip(1)), ("VL3", ip(9)), ("VL2", MAC))
    assert fleet.place(MAC) == Place(4789, MAPPED + bytes([192, 168, 0, 2]))
    assert [row.vlan for row in fleet.rows() if row.ip == ip(1)] == [4], "the rest of it stays"


def test_a_move_to_a_node_without_guests_there_is_told_to_that_node(fleet: Fleet) -> None:
    fleet.run(fleet.producer.move(VNET, MAC, "cn3"))
    assert set(told(fleet.events())) == {"cn1", "cn2", "cn3"}


@pytest.mark.fact("SVP-I22")
def test_another_address_is_told_by_vl3_for_the_old_and_then_the_new(fleet: Fleet) -> None:
    assert fleet.run(fleet.producer.change_address(VNET, MAC, ip(1), ip(7))) == 4
    assert told(fleet.events()) == each(("VL3", ip(1)), ("VL3", ip(7)))
    assert {(row.ip, row.deleted) for row in fleet.rows() if row.mac == MAC} == {(ip(1), True), (ip(7), False)}


def test_a_guest_that_loses_one_of_its_addresses_is_still_there(fleet: Fleet) -> None:
    fleet.run(fleet.producer.put(Mapping(VNET, ip(9), MAC, "cn1")))
    before = len(fleet.events())
    fleet.run(fleet.producer.remove(VNET, MAC, ip(1)))
    assert told(fleet.events()[before:]) == each(("VL3", ip(1)))
    assert fleet.place(MAC) is not None
    fleet.run(fleet.producer.remove(VNET, MAC, ip(9)))
    assert told(fleet.events()[before + 2 :]) == each(("VL2", MAC))
    assert fleet.place(MAC) is None


def test_removing_a_guest_leaves_tombstones_whose_address_can_be_used_again(fleet: Fleet) -> None:
    fleet.run(fleet.producer.remove(VNET, MAC))
    assert [(row.ip, row.deleted) for row in fleet.rows() if row.mac == MAC] == [(ip(1), True)]
    fleet.run(fleet.producer.put(Mapping(VNET, ip(1), b"abcdef", "cn2")))
    assert [(row.mac, row.deleted) for row in fleet.rows() if row.ip == ip(1)] == [(b"abcdef", False)]


@pytest.mark.fact("SVP-I14")
def test_the_same_mac_address_on_another_network_is_another_one(fleet: Fleet) -> None:
    fleet.run(fleet.producer.move(VNET, MAC, "cn2"))
    assert fleet.place(MAC, VNET + 1) == Place(4789, MAPPED + bytes([192, 168, 0, 3]))
    assert "cn3" not in told(fleet.events())


def test_an_address_taken_over_tells_of_the_mac_address_that_had_it_and_has_nothing_else(fleet: Fleet) -> None:
    fleet.run(fleet.producer.put(Mapping(VNET, ip(1), b"abcdef", "cn2")))
    assert told(fleet.events()) == each(("VL3", ip(1)), ("VL2", MAC))


def test_a_row_written_for_another_node_is_a_move(fleet: Fleet) -> None:
    fleet.run(fleet.producer.put(Mapping(VNET, ip(1), MAC, "cn2")))
    assert told(fleet.events()) == each(("VL3", ip(1)), ("VL2", MAC))
    assert fleet.place(MAC) == Place(4789, MAPPED + bytes([192, 168, 0, 2]))


def test_one_mac_address_is_not_put_on_two_nodes(fleet: Fleet) -> None:
    with pytest.raises(ProducerError, match=r"02:08:20:00:00:01 is on node cn1, not cn2: move it first"):
        fleet.run(fleet.producer.put(Mapping(VNET, ip(8), MAC, "cn2")))
    assert fleet.events() == []


ROUTE = Route(VNET, 4, Subnet(ip(0), 120), 2, 99, 9, Subnet(MAPPED + bytes([10, 33, 7, 0]), 120), b"router")


def test_a_route_is_told_to_the_nodes_of_the_network_it_starts_in(fleet: Fleet) -> None:
    assert fleet.run(fleet.producer.put_route(ROUTE)) == 2
    assert told(fleet.events()) == each(("ROUTE", ip(0)))
    record = fleet.events()[0].record
    assert isinstance(record, RouteRecord)
    assert (record.dst_vnet_id, record.dcid, record.src_prefix, record.dst_prefix) == (99, 2, 120, 120)
    assert fleet.run(fleet.producer.remove_route(VNET, 4, ROUTE.subnet, ROUTE.far_subnet)) == 2
    assert told(fleet.events()) == each(("ROUTE", ip(0)), ("ROUTE", ip(0)))
    with pytest.raises(ProducerError, match="virtual network 23 has no such route"):
        fleet.run(fleet.producer.remove_route(VNET, 4, ROUTE.subnet, ROUTE.far_subnet))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.remove(VNET, b"nobody"),
        lambda p: p.remove(VNET, MAC, ip(77)),
        lambda p: p.remove(VNET + 5, MAC),
        lambda p: p.move(VNET, b"nobody", "cn1"),
        lambda p: p.change_address(VNET, MAC, ip(77), ip(78)),
        lambda p: p.change_address(VNET, MAC, ip(1), ip(2)),
        lambda p: p.change_address(VNET, MAC, ip(2), ip(78)),
        lambda p: p.remove_node("cn9"),
    ],
)
def test_what_is_not_there_cannot_be_changed(fleet: Fleet, change: Callable[[Producer], Awaitable[object]]) -> None:
    before = fleet.rows()
    with pytest.raises(ProducerError):
        fleet.run(change(fleet.producer))
    assert (fleet.rows(), fleet.events()) == (before, [])


def test_compute_nodes_come_and_go_without_events(fleet: Fleet) -> None:
    fleet.run(fleet.producer.put_node(ComputeNode("cn1", ip(200), 4790)))
    assert fleet.place(MAC) == Place(4790, ip(200))
    fleet.run(fleet.producer.remove_node("cn1"))
    assert fleet.place(MAC) is None
    assert fleet.events() == []


@pytest.mark.fact("SVP-I23")
def test_a_change_whose_events_cannot_be_written_does_not_happen(fleet: Fleet) -> None:
    stuck = Producer(fleet.store, lambda: bytes(16))
    with pytest.raises(StoreError):
        fleet.run(stuck.move(VNET, MAC, "cn2"))
    assert fleet.place(MAC) == Place(4789, MAPPED + bytes([192, 168, 0, 1]))
    assert fleet.events() == []


@pytest.mark.fact("SVP-I23")
def test_whoever_sees_the_events_sees_the_rows(fleet: Fleet) -> None:
    async def work() -> None:
        moving = asyncio.ensure_future(fleet.producer.move(VNET, MAC, "cn2"))
        while True:
            async with fleet.store.transaction() as state:
                events = [event async for event in state.all_events()]
                rows = {row.cn for row in await state.mappings_of(VNET, MAC)}
            assert bool(events) == (rows == {"cn2"})
            if moving.done():
                return
            await asyncio.sleep(0)

    fleet.run(work())


@pytest.mark.fact("SVP-Q12")
def test_a_network_with_thousands_of_rows_and_tombstones_loses_no_node(fleet: Fleet) -> None:
    async def fill() -> None:
        async with fleet.store.transaction() as change:
            await change.put_mappings(
                [
                    Mapping(
                        VNET, MAPPED + b"\x0b" + n.to_bytes(3), b"\x02\0\0" + n.to_bytes(3), "cn1", deleted=n % 2 == 0
                    )
                    for n in range(3000)
                ]
            )
            await change.put_mappings([Mapping(VNET, MAPPED + b"\x0c\0\0\1", b"last  ", "cn3")])

    fleet.run(fill())
    fleet.run(fleet.producer.move(VNET, MAC, "cn2"))
    assert set(told(fleet.events())) == {"cn1", "cn2", "cn3"}


@pytest.mark.fact("SVP-Q27")
def test_an_updated_row_has_the_values_it_was_given(fleet: Fleet) -> None:
    row = Mapping(VNET, ip(1), MAC, "cn1", vlan=5, router=True)
    fleet.run(fleet.producer.put(row))
    assert [one for one in fleet.rows() if one.ip == ip(1)] == [row]


def test_ids_are_random_uuids() -> None:
    made = [random_id() for _ in range(100)]
    assert len(set(made)) == 100
    assert {(one[6] >> 4, one[8] >> 6) for one in made} == {(4, 2)}
