"""Broadcast and multicast: who gets copies, and what goes to the wire."""

from __future__ import annotations

import pytest

from etherspan.testing.frames import BROADCAST
from etherspan.testing.switch import Station, Switch
from kernel_sim.mac.stat import ClientDrop, MacDrop
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Chain

A, B, C, D = (bytes.fromhex(f"0208200000{last:02x}") for last in (0xA, 0xB, 0xC, 0xD))
GROUP = bytes.fromhex("01005e000001")
OTHER = bytes.fromhex("3333ff000001")


def frame(dst: bytes, src: bytes = A, vid: int | None = None) -> bytes:
    tag = b"" if vid is None else b"\x81\x00" + vid.to_bytes(2, "big")
    return dst + src + tag + b"\x08\x06" + bytes(46)


def got(*stations: Station) -> list[int]:
    return [len(station.take()) for station in stations]


@pytest.mark.fact("KRN-I27")
def test_a_broadcast_gives_every_other_member_of_the_vlan_a_copy_and_the_wire_one() -> None:
    switch = Switch()
    a, b, c, other = switch.attach(A), switch.attach(B), switch.attach(C), switch.attach(D, 7)
    a.send(frame(BROADCAST))
    assert got(a, b, c, other) == [0, 1, 1, 0]
    assert switch.wire.take() == [frame(BROADCAST)]


@pytest.mark.fact("KRN-I27")
def test_a_broadcast_from_the_wire_gives_all_members_a_copy_and_the_wire_none() -> None:
    switch = Switch()
    a, b, c, other = switch.attach(A), switch.attach(B), switch.attach(C), switch.attach(D, 7)
    switch.receive(frame(BROADCAST))
    assert got(a, b, c, other) == [1, 1, 1, 0]
    switch.receive(frame(BROADCAST, vid=7))
    assert got(a, b, c, other) == [0, 0, 0, 1]
    assert switch.wire.take() == []


def test_multicast_reaches_those_who_joined_and_the_wire() -> None:
    switch = Switch()
    a, b, c = switch.attach(A), switch.attach(B), switch.attach(C)
    c.client.add_multicast(GROUP)
    a.send(frame(GROUP), frame(OTHER))
    assert got(a, b, c) == [0, 0, 1]
    assert switch.wire.take() == [frame(GROUP), frame(OTHER)]
    switch.receive(frame(GROUP), frame(OTHER))
    assert got(a, b, c) == [0, 0, 1]
    assert switch.mac.drops[MacDrop.RX_NO_FLOW] == 1


def test_a_member_of_everything_gets_all_multicast_of_its_vlan() -> None:
    switch = Switch()
    a, b = switch.attach(A, all_multicast=True), switch.attach(B, all_multicast=True)
    c, d = switch.attach(C), switch.attach(D, 7, all_multicast=True)
    c.client.add_multicast(GROUP)
    a.send(frame(GROUP), frame(OTHER))
    assert got(a, b, c, d) == [0, 2, 1, 0]
    switch.receive(frame(GROUP), frame(OTHER), frame(OTHER, vid=7))
    assert got(a, b, c, d) == [2, 2, 1, 1]
    b.client.close()
    switch.receive(frame(GROUP))
    assert got(a, b, c, d) == [1, 0, 1, 0]


def test_a_member_of_everything_that_joins_a_group_too_gets_one_copy() -> None:
    switch = Switch()
    a, b = switch.attach(A, all_multicast=True), switch.attach(B, all_multicast=True)
    b.client.add_multicast(GROUP)
    a.send(frame(GROUP))
    assert got(a, b) == [0, 1]


def test_joins_are_counted() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    b.client.add_multicast(GROUP)
    b.client.add_multicast(GROUP)
    b.client.remove_multicast(GROUP)
    a.send(frame(GROUP))
    assert got(b) == [1]
    b.client.remove_multicast(GROUP)
    a.send(frame(GROUP))
    assert got(b) == [0]
    with pytest.raises(KernelError) as error:
        b.client.remove_multicast(GROUP)
    assert error.value.errno == Errno.EINVAL


@pytest.mark.parametrize("address", [BROADCAST, A])
def test_only_multicast_addresses_can_be_joined(address: bytes) -> None:
    a = Switch().attach(A)
    with pytest.raises(KernelError) as error:
        a.client.add_multicast(address)
    assert error.value.errno == Errno.EINVAL


def test_a_client_without_address_is_in_no_vlan_to_join_in() -> None:
    with pytest.raises(KernelError) as error:
        Switch().mac.open_client("idle").add_multicast(GROUP)
    assert error.value.errno == Errno.ENXIO


def test_copies_go_out_in_slot_order_and_a_free_slot_is_taken_by_the_next() -> None:
    switch = Switch()
    order: list[bytes] = []
    stations = {mac: switch.attach(mac) for mac in (A, B, C)}

    def note(mac: bytes) -> None:
        stations[mac].client.set_receive(lambda _chain: order.append(mac))

    for mac in stations:
        note(mac)
    switch.receive(frame(BROADCAST))
    assert order == [A, B, C]
    stations[B].client.close()
    stations[D] = switch.attach(D)
    note(D)
    order.clear()
    switch.receive(frame(BROADCAST))
    assert order == [A, D, C]


def test_a_fan_out_during_which_members_change_is_abandoned_and_not_sent() -> None:
    switch = Switch()
    a, b, c = switch.attach(A), switch.attach(B), switch.attach(C)

    def leave(_chain: Chain) -> None:
        b.client.close()

    b.client.set_receive(leave)
    a.send(frame(BROADCAST))
    assert got(c) == [0]
    assert switch.wire.take() == []
    assert a.client.drops[ClientDrop.TX_FANOUT] == 1
    a.send(frame(BROADCAST))
    assert got(c) == [1]
    assert switch.wire.take() == [frame(BROADCAST)]


def test_groups_go_with_their_last_member() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    b.client.add_multicast(GROUP)
    b.client.close()
    assert set(switch.mac.flows.vlan(0)) == {A, BROADCAST}
    a.client.close()
    assert switch.mac.flows.vlan(0) == {}
