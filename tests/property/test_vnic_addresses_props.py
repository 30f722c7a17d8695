"""VNICs of two overlays: which addresses they may have, and when the overlay below them can be deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPort
from kernel_sim.sys.errno import Errno, KernelError

MACS = [bytes((2, 8, 0x20, 0, 0, last)) for last in (1, 2)]
Place = tuple[int, bytes, int]
places = st.tuples(st.integers(0, 1), st.sampled_from(MACS), st.sampled_from((0, 7)))
SAME, OTHER_VLAN, OTHER_OVERLAY = (0, MACS[0], 0), (0, MACS[0], 7), (1, MACS[0], 0)


def refusal(call: Callable[[], object]) -> Errno | None:
    try:
        call()
    except KernelError as error:
        return error.errno
    return None


@pytest.mark.fact("KRN-I9", "KRN-I11")
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(places, st.booleans()), max_size=12))
@example([(SAME, True), (SAME, True), (OTHER_VLAN, True), (OTHER_OVERLAY, True), (SAME, False), (SAME, True)])
def test_address_and_vlan_are_one_vnics_and_an_overlay_with_vnics_stays(steps: list[tuple[Place, bool]]) -> None:
    """A step makes a VNIC, or deletes the one that is there."""
    clock = MemoryClock()
    host = MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1")
    links = [host.create_overlay(f"demo{number}", number, to="10.0.0.2") for number in (0, 1)]
    there: dict[Place, MemoryPort] = {}
    for number, (place, wanted) in enumerate(steps):
        overlay, mac, vid = place
        if wanted:
            made: list[MemoryPort] = []
            errno = refusal(lambda: made.append(host.create_vnic(f"vnic{number}", links[overlay], mac, vid=vid)))  # noqa: B023
            assert errno == (Errno.EEXIST if place in there else None)
            there.update((place, port) for port in made)
        elif place in there:
            host.delete_vnic(there.pop(place).linkid)
        _check_users(host, links, there)
    for place in list(there):
        assert refusal(lambda: host.delete_overlay(links[place[0]])) is Errno.EBUSY  # noqa: B023
        _check_users(host, links, there)
        host.delete_vnic(there.pop(place).linkid)
    for link in links:
        host.delete_overlay(link)
    assert len(host.kernel.overlays) == 0


def _check_users(host: MemoryHost, links: list[int], there: dict[Place, MemoryPort]) -> None:
    assert len(host.ports) == len(there)
    for number, link in enumerate(links):
        mine = [place for place in there if place[0] == number]
        mac = host.kernel.links.mac(link)
        assert (mac.users, len(mac.active_clients)) == (len(mine), len(mine))
        assert host.kernel.overlays.find(link).in_mux == bool(mine)
