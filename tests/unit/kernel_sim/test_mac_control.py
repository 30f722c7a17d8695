"""Registration, users, addresses, MTU and link state of a MAC."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etherspan.testing.switch import Switch, Wire
from kernel_sim.ddi import LinkId
from kernel_sim.mac.client import DiagnosedError
from kernel_sim.mac.provider import MacRegistration
from kernel_sim.sys.dld import DatalinkClass, LinkState
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.vnic import VnicDiag

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
NIC = bytes.fromhex("020820ffffff")


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


def refusal(call: Callable[[], object]) -> tuple[Errno, VnicDiag]:
    with pytest.raises(DiagnosedError) as error:
        call()
    return error.value.errno, error.value.diag


# ---------------------------------------------------------------------- registration


def registration(**changes: object) -> MacRegistration:
    usual: dict[str, object] = {
        "linkid": LinkId(5),
        "provider": Wire(),
        "link_class": DatalinkClass.OVERLAY,
        "max_sdu": 1400,
        "mtu_min": 576,
        "mtu_max": 8900,
        "mtu_default": 1400,
    }
    return MacRegistration(**(usual | changes))  # type: ignore[arg-type]


def test_a_link_id_has_one_mac() -> None:
    layer = Switch().layer
    mac = layer.register(registration())
    assert errno_of(lambda: layer.register(registration())) == Errno.EEXIST
    mac.unregister()
    layer.register(registration())


@pytest.mark.parametrize(
    "changes", [{"address": bytes(5)}, {"min_sdu": 0}, {"min_sdu": 1500}, {"mtu_min": 9000}], ids=str
)
def test_an_impossible_registration_is_refused(changes: dict[str, object]) -> None:
    assert errno_of(lambda: Switch().layer.register(registration(**changes))) == Errno.EINVAL


def test_a_mac_with_clients_cannot_be_unregistered() -> None:
    switch = Switch()
    client = switch.mac.open_client("one")
    assert errno_of(switch.mac.unregister) == Errno.EBUSY
    client.close()
    switch.mac.unregister()


def test_a_held_mac_cannot_be_unregistered() -> None:
    switch = Switch()
    switch.mac.hold()
    assert errno_of(switch.mac.unregister) == Errno.EBUSY
    switch.mac.release()
    switch.mac.unregister()


# ---------------------------------------------------------------------- start and stop


def test_the_first_user_starts_the_provider_and_the_last_one_stops_it() -> None:
    switch = Switch()
    switch.mac.open_client("idle")
    assert switch.wire.calls == []
    a, b = switch.attach(A), switch.attach(B)
    assert (switch.wire.calls, switch.mac.users) == (["start"], 2)
    a.client.close()
    assert switch.wire.calls == ["start"]
    b.client.remove_unicast()
    assert switch.wire.calls == ["start", "stop"]
    b.client.remove_unicast()
    assert switch.mac.users == 0


@pytest.mark.fact("KRN-I10")
def test_a_failed_start_leaves_counts_and_addresses_unchanged() -> None:
    switch = Switch()
    switch.wire.refuses = KernelError(Errno.EADDRNOTAVAIL)
    client = switch.mac.open_client("one")
    assert errno_of(lambda: client.add_unicast(A, 0)) == Errno.EADDRNOTAVAIL
    assert (switch.mac.users, switch.mac.active_clients, client.address) == (0, [], None)
    assert not switch.mac.started
    switch.wire.refuses = None
    client.add_unicast(A, 0)
    assert switch.wire.calls == ["start"]


# ---------------------------------------------------------------------- addresses


@pytest.mark.fact("KRN-I11")
def test_an_address_and_vlan_id_belong_to_one_client_of_a_mac() -> None:
    switch = Switch()
    switch.attach(A)
    other = switch.mac.open_client("other")
    assert refusal(lambda: other.add_unicast(A, 0)) == (Errno.EEXIST, VnicDiag.MACADDR_INUSE)
    other.add_unicast(A, 7)
    Switch().attach(A)


def test_a_duplicate_that_nobody_checks_for_is_found_late() -> None:
    switch = Switch()
    switch.attach(A)
    other = switch.mac.open_client("other")
    assert errno_of(lambda: other.add_unicast(A, 0, check_dup=False)) == Errno.EALREADY
    assert (switch.mac.users, other.address) == (1, None)


def test_station_addresses_are_six_bytes_of_unicast() -> None:
    client = Switch().mac.open_client("one")
    invalid = (Errno.EINVAL, VnicDiag.MACADDR_INVALID)
    assert refusal(lambda: client.add_unicast(b"\x01" + bytes(5), 0)) == invalid
    assert refusal(lambda: client.add_unicast(bytes(5), 0)) == invalid


def test_the_address_of_the_mac_itself_is_its_primary_clients_only() -> None:
    switch = Switch(address=NIC)
    client = switch.mac.open_client("one")
    assert refusal(lambda: client.add_unicast(NIC, 0)) == (Errno.EINVAL, VnicDiag.MACADDR_NIC)
    client.add_unicast(NIC, 0, primary=True)
    assert errno_of(lambda: client.set_address(A)) == Errno.ENOTSUP
    second = switch.mac.open_client("two")
    assert refusal(lambda: second.add_unicast(NIC, 0, primary=True)) == (Errno.EEXIST, VnicDiag.MACADDR_INUSE)
    third = switch.mac.open_client("three")
    third.add_unicast(NIC, 7, check_dup=False)


def test_a_client_has_one_address() -> None:
    a = Switch().attach(A)
    assert errno_of(lambda: a.client.add_unicast(B, 0)) == Errno.EBUSY


def test_a_changed_address_gets_the_frames_from_then_on() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    a.client.set_address(NIC)
    a.client.set_address(NIC)
    for dst in (A, NIC):
        b.send(dst + B + b"\x08\x06" + bytes(46))
    assert [frame[:6] for frame in a.take()] == [NIC]
    assert [frame[:6] for frame in switch.wire.take()] == [A]


def test_a_change_of_address_is_refused_for_many_reasons_in_order() -> None:
    switch = Switch(address=NIC)
    idle = switch.mac.open_client("idle")
    a, shared, b = switch.attach(A), switch.attach(A, 7), switch.attach(B, 9)
    multicast = b"\x01" + bytes(5)
    assert refusal(lambda: idle.set_address(multicast)) == (Errno.EINVAL, VnicDiag.MACADDR_INVALID)
    assert errno_of(lambda: idle.set_address(A)) == Errno.ENXIO
    a.client.set_address(A)
    assert errno_of(lambda: a.client.set_address(NIC)) == Errno.EACCES
    assert errno_of(lambda: a.client.set_address(B)) == Errno.EBUSY
    shared.client.close()
    assert errno_of(lambda: a.client.set_address(B)) == Errno.ENOTSUP
    b.client.close()
    a.client.set_address(B)


def test_random_addresses_begin_with_their_prefix_or_are_local_unicast() -> None:
    layer = Switch().layer
    drawn = {layer.random_address(bytes.fromhex("020820")) for _ in range(50)}
    assert len(drawn) == 50
    assert {address[:3] for address in drawn} == {bytes.fromhex("020820")}
    assert {layer.random_address()[0] & 3 for _ in range(50)} == {2}
    assert len(layer.random_address(bytes(5))) == 6
    assert refusal(lambda: layer.random_address(bytes(6))) == (Errno.EINVAL, VnicDiag.MACPREFIXLEN_INVALID)


# ---------------------------------------------------------------------- MTU


@pytest.mark.fact("KRN-I31")
@pytest.mark.parametrize(
    ("mtu", "errno"),
    [(0, Errno.EINVAL), (-1, Errno.EINVAL), (575, Errno.EINVAL), (9001, Errno.EINVAL)],
)
def test_an_mtu_outside_the_range_changes_nothing(mtu: int, errno: Errno) -> None:
    switch = Switch()
    assert errno_of(lambda: switch.mac.set_mtu(mtu)) == errno
    assert (switch.mac.mtu, switch.wire.calls) == (1500, [])


def test_an_mtu_change_is_told_to_the_provider_unless_it_is_none() -> None:
    switch = Switch()
    for mtu in (576, 9000, 9000):
        switch.mac.set_mtu(mtu)
        assert switch.mac.mtu == mtu
    assert switch.wire.calls == ["mtu 576", "mtu 9000"]
    assert (switch.mac.mtu_range, switch.mac.mtu_default) == ((576, 9000), 1400)


def test_an_mtu_that_the_provider_refuses_is_not_taken() -> None:
    switch = Switch()
    switch.wire.refuses = KernelError(Errno.EIO)
    assert errno_of(lambda: switch.mac.set_mtu(600)) == Errno.EIO
    assert switch.mac.mtu == 1500


@pytest.mark.fact("KRN-I31")
def test_an_mtu_below_a_reservation_is_busy_even_where_it_is_out_of_range() -> None:
    switch = Switch()
    a = switch.attach(A)
    a.client.mtu_reserved = 1500
    for mtu in (1, 575, 1499):
        assert errno_of(lambda wanted=mtu: switch.mac.set_mtu(wanted)) == Errno.EBUSY  # type: ignore[misc]
    switch.mac.set_mtu(1500)
    a.client.close()
    switch.mac.set_mtu(1499)


# ---------------------------------------------------------------------- link state


def test_listeners_hear_of_changes_of_the_link_state_only() -> None:
    switch = Switch(state=LinkState.UNKNOWN)
    heard: list[LinkState] = []

    def listen() -> None:
        heard.append(switch.mac.link_state)

    switch.mac.subscribe(listen)
    for state in (LinkState.UP, LinkState.UP, LinkState.DOWN):
        switch.mac.link_update(state)
    switch.mac.unsubscribe(listen)
    switch.mac.link_update(LinkState.UP)
    assert heard == [LinkState.UP, LinkState.DOWN]


def test_a_client_with_company_in_its_vlan_is_up_whatever_the_link() -> None:
    switch = Switch(state=LinkState.DOWN)
    a = switch.attach(A)
    assert a.client.link_state == LinkState.DOWN
    other = switch.attach(B, 7)
    assert a.client.link_state == LinkState.DOWN
    other.client.close()
    switch.attach(B)
    assert a.client.link_state == LinkState.UP


def test_a_second_client_coming_or_going_makes_listeners_look_again_while_the_link_is_not_up() -> None:
    switch = Switch(state=LinkState.DOWN)
    heard: list[int] = []
    switch.mac.subscribe(lambda: heard.append(len(switch.mac.active_clients)))
    a, b = switch.attach(A), switch.attach(B)
    third = switch.attach(NIC)
    third.client.close()
    b.client.close()
    a.client.close()
    assert heard == [2, 1]
    switch.mac.link_update(LinkState.UP)
    heard.clear()
    switch.attach(A)
    switch.attach(B)
    assert heard == []
