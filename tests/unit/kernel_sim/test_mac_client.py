"""The way of a frame through a lower MAC: to the wire, to another client, from the wire."""

from __future__ import annotations

import pytest

from etherspan.testing.flows import Flow
from etherspan.testing.frames import BROADCAST
from etherspan.testing.switch import Recorder, Station, Switch
from kernel_sim.mac.stat import ClientDrop, MacDrop
from kernel_sim.sys.message import Chain, Message

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
C = bytes.fromhex("02082000000c")
MULTICAST = bytes.fromhex("01005e000001")


def frame(dst: bytes, src: bytes = A, *, vid: int | None = None, size: int = 50, priority: int = 0) -> bytes:
    tag = b"" if vid is None else b"\x81\x00" + (priority << 13 | vid).to_bytes(2, "big")
    return dst + src + tag + b"\x08\x06" + bytes(range(size))


def drops(station: Station) -> dict[ClientDrop, int]:
    return {reason: count for reason, count in station.client.drops.items() if count}


# ---------------------------------------------------------------------- one active client


@pytest.mark.fact("KRN-Q32")
def test_a_single_client_receives_frames_for_foreign_addresses() -> None:
    switch = Switch()
    a = switch.attach(A)
    switch.receive(frame(C, B), frame(A, B), frame(BROADCAST, B))
    assert a.take() == [frame(C, B), frame(A, B), frame(BROADCAST, B)]
    switch.attach(B)
    switch.receive(frame(C, B))
    assert a.take() == []


@pytest.mark.fact("KRN-Q32")
def test_a_single_vlan_client_receives_untagged_frames() -> None:
    switch = Switch()
    a = switch.attach(A, 7)
    switch.receive(frame(A, B), frame(A, B, vid=7), frame(A, B, vid=8), frame(A, B, vid=0))
    assert a.take() == [frame(A, B), frame(A, B)]
    assert drops(a) == {ClientDrop.RX_VLAN: 2}
    assert a.client.stats.rxsdrops == 2
    switch.attach(B)
    switch.receive(frame(A, B))
    assert a.take() == []


@pytest.mark.fact("KRN-Q36")
def test_a_single_client_sends_to_its_own_address_over_the_wire() -> None:
    switch = Switch()
    a = switch.attach(A)
    a.send(frame(A))
    assert switch.wire.take() == [frame(A)]
    assert a.take() == []
    switch.attach(B)
    a.send(frame(A))
    assert switch.wire.take() == []
    assert a.take() == [frame(A)]


def test_everything_a_single_client_sends_reaches_the_wire_runts_too() -> None:
    switch = Switch()
    a = switch.attach(A)
    sent = [frame(BROADCAST), frame(MULTICAST), frame(B), b"\x01", A]
    a.send(*sent)
    assert switch.wire.take() == sent


# ---------------------------------------------------------------------- several clients


@pytest.mark.fact("KRN-I26")
def test_unicast_to_a_local_address_never_reaches_the_wire() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    a.send(frame(B))
    assert (a.take(), b.take(), switch.wire.take()) == ([], [frame(B)], [])


@pytest.mark.fact("KRN-I26")
def test_unknown_unicast_reaches_the_wire_and_nobody_else() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    a.send(frame(C))
    assert (a.take(), b.take(), switch.wire.take()) == ([], [], [frame(C)])


@pytest.mark.fact("KRN-I26")
def test_an_address_of_another_vlan_is_unknown() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B, 7)
    a.send(frame(B))
    b.send(frame(A, B))
    assert (a.take(), b.take()) == ([], [])
    assert switch.wire.take() == [frame(B), frame(A, B, vid=7)]


@pytest.mark.fact("KRN-I28")
def test_nothing_from_the_wire_goes_back_to_it() -> None:
    switch = Switch()
    switch.attach(A)
    switch.receive(frame(C, B), frame(BROADCAST, B))
    switch.attach(B)
    switch.receive(frame(C, B), frame(BROADCAST, B), frame(MULTICAST, B), frame(A, B))
    assert switch.wire.take() == []


@pytest.mark.fact("KRN-I29")
def test_a_received_frame_reaches_the_owner_of_its_address_and_vlan_only() -> None:
    switch = Switch()
    a, b, a7 = switch.attach(A), switch.attach(B), switch.attach(A, 7)
    switch.receive(frame(A, C), frame(B, C), frame(A, C, vid=7), frame(A, C, vid=8), frame(C, C), frame(B, C, vid=7))
    assert a.take() == [frame(A, C)]
    assert b.take() == [frame(B, C)]
    assert a7.take() == [frame(A, C)]
    assert switch.mac.drops[MacDrop.RX_NO_FLOW] == 3


def test_a_chain_keeps_its_order_for_every_receiver() -> None:
    switch = Switch()
    a, b, c = switch.attach(A), switch.attach(B), switch.attach(C)
    numbered = [frame(dst, size=20 + number) for number, dst in enumerate((B, B, C, B, BROADCAST, C, C, B, A))]
    a.send(*numbered)
    assert b.take() == [one for one in numbered if one[:6] in {B, BROADCAST}]
    assert c.take() == [one for one in numbered if one[:6] in {C, BROADCAST}]
    assert a.take() == [numbered[-1]]
    switch.receive(*numbered)
    assert b.take() == [one for one in numbered if one[:6] in {B, BROADCAST}]


def test_neighbours_in_a_chain_are_handed_on_together() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    calls: list[int] = []
    b.client.set_receive(lambda chain: calls.append(len(chain)))
    a.send(*[frame(B)] * 5)
    switch.receive(*[frame(B)] * 4, frame(A), frame(B))
    assert calls == [5, 4, 1]


def test_local_delivery_hands_on_the_same_message() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    run = Flow().run(bytes(3000), 1000)
    a.send(run)
    assert b.seen[0] is run


def test_a_local_frame_with_a_header_only_is_dropped() -> None:
    switch = Switch()
    a, b, a7, b7 = switch.attach(A), switch.attach(B), switch.attach(A, 7), switch.attach(B, 7)
    a.send(frame(B, size=0), frame(B, size=1))
    a7.send(frame(B, size=0), frame(B, size=1))
    assert (b.take(), b7.take()) == ([frame(B, size=1)], [frame(B, size=1)])
    assert drops(a) == drops(a7) == {ClientDrop.TX_NO_PAYLOAD: 1}


def test_runts_match_nothing_and_go_to_the_wire() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    a.send(b"", B, B + A, b"\xff" * 13)
    assert switch.wire.take() == [b"", B, B + A, b"\xff" * 13]
    switch.receive(b"", B, B + A, b"\xff" * 13, frame(B, vid=0)[:17])
    assert (a.take(), b.take()) == ([], [])
    assert switch.mac.drops[MacDrop.RX_NO_FLOW] == 5


# ---------------------------------------------------------------------- VLAN


@pytest.mark.fact("KRN-I30")
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("vid", [0, 7])
def test_a_tagged_frame_from_an_ordinary_client_is_dropped(alone: bool, vid: int) -> None:
    switch = Switch()
    a = switch.attach(A, vid)
    if not alone:
        switch.attach(B, vid)
    a.send(frame(C, vid=vid), frame(C), frame(C, vid=0), frame(C, vid=9), frame(C)[:12] + b"\x81\x00")
    assert switch.wire.take() == [frame(C, vid=vid or None)]
    assert drops(a) == {ClientDrop.TX_TAGGED: 4}


@pytest.mark.fact("KRN-I30")
@pytest.mark.parametrize("alone", [True, False])
def test_a_frame_of_a_vlan_client_leaves_with_exactly_its_id_and_priority_zero(alone: bool) -> None:
    switch = Switch()
    a = switch.attach(A, 0xABC)
    if not alone:
        switch.attach(B)
    a.send(frame(C))
    assert switch.wire.take() == [C + A + bytes.fromhex("81000abc") + frame(C)[12:]]


def test_a_run_of_a_vlan_client_is_tagged_frame_by_frame() -> None:
    switch = Switch()
    a = switch.attach(A, 7)
    run = Flow().run(bytes(3000), 1000)
    a.send(run)
    assert switch.wire.take() == Flow(vid=7).frames(bytes(3000), 1000)


def test_a_runt_cannot_be_tagged() -> None:
    switch = Switch()
    a = switch.attach(A, 7)
    a.send(C + A, frame(C))
    assert switch.wire.take() == [frame(C, vid=7)]
    assert drops(a) == {ClientDrop.TX_SHORT: 1}


@pytest.mark.fact("KRN-I29")
def test_vlan_consumers_never_see_tags() -> None:
    switch = Switch()
    a, b = switch.attach(A, 7), switch.attach(B, 7)
    a.send(frame(B), frame(BROADCAST))
    switch.receive(frame(B, A, vid=7), frame(BROADCAST, A, vid=7))
    assert b.take() == [frame(B), frame(BROADCAST), frame(B), frame(BROADCAST)]


def test_a_received_run_is_stripped_of_its_tag() -> None:
    switch = Switch()
    a = switch.attach(A, 7)
    switch.receive(Flow(vid=7).run(bytes(3000), 1000))
    assert a.take() == Flow().frames(bytes(3000), 1000)


def test_priority_tags_reach_untagged_clients_unstripped() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    switch.receive(frame(A, C, vid=0, priority=5))
    assert a.take() == [frame(A, C, vid=0, priority=5)]
    b.client.close()
    switch.receive(frame(A, C, vid=0, priority=5), frame(A, C, vid=3))
    assert a.take() == [frame(A, C, vid=0, priority=5)]


def test_frames_too_short_to_judge_are_receive_drops_of_a_single_client() -> None:
    switch = Switch()
    a = switch.attach(A)
    switch.receive(b"", frame(A)[:13], frame(A, vid=0)[:17], frame(A)[:14])
    assert a.take() == [frame(A)[:14]]
    assert drops(a) == {ClientDrop.RX_SHORT: 3}


# ---------------------------------------------------------------------- life


def test_a_client_without_address_sends_nothing() -> None:
    switch = Switch()
    client = switch.mac.open_client("idle")
    client.transmit([Message(frame(B))])
    assert client.drops[ClientDrop.TX_CLOSED] == 1
    assert switch.wire.take() == []


def test_what_a_closed_client_is_still_given_is_dropped_by_name() -> None:
    switch = Switch()
    a = switch.attach(A)
    a.client.close()
    a.send(frame(B), Flow().run(bytes(3000), 1000))
    assert a.client.drops[ClientDrop.TX_CLOSED] == 4
    assert switch.mac.clients == ()


def test_frames_for_a_mac_without_active_clients_are_dropped_by_name() -> None:
    switch = Switch()
    switch.mac.open_client("idle")
    switch.receive(frame(A))
    assert switch.mac.drops[MacDrop.RX_NO_CLIENT] == 1


def test_a_client_nobody_reads_counts_and_drops() -> None:
    switch = Switch()
    a = switch.attach(A)
    a.client.set_receive(None)
    switch.receive(frame(A), Flow().run(bytes(3000), 1000))
    assert a.client.stats.ipackets == 4
    assert drops(a) == {ClientDrop.RX_UNREAD: 4}


def test_transmit_checks_see_every_chain_first_and_can_thin_it_out() -> None:
    switch = Switch()
    a = switch.attach(A)
    sniffer = Recorder()

    def only_mine(chain: Chain) -> Chain:
        return [message for message in chain if message.data[6:12] == A]

    a.client.checks = (only_mine,)
    a.send(frame(B, C), frame(B), frame(B, C))
    a.send(frame(B, C))
    assert switch.wire.take() == [frame(B)]
    assert sniffer.seen == []
    assert a.client.stats.opackets == 1
