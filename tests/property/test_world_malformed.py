"""Malformed questions from the port of a VNIC to a real varpd, in memory: dropped and counted, or answered; varpd never raises."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etherspan.testing import frames
from etherspan.testing.chaos.invariants import check_kernel
from etherspan.testing.chaos.ledger import Ledger
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from etherspan.testing.topology import files_pair, inner4, inner6, mac, numbered
from kernel_sim.sys.ethernet import format_mac

ASKED = {
    "arp": frames.arp_request(mac(1), inner4(1), inner4(2)),
    "solicitation": frames.neighbour_solicitation(mac(1), inner6(1), inner6(2)),
    "dhcp": frames.dhcp_discover(mac(1)),
}


class Asker:
    """Two hosts on a `files` overlay; VNIC 1 asks."""

    def __init__(self, world: SimWorld) -> None:
        self.world = world
        self.ledger = Ledger()
        world.observers.append(self.ledger)
        a, _, self.port, self.other = files_pair(world, v1={"dhcp-proxy": format_mac(mac(2))})
        assert isinstance(a, SimWorldHost)
        self.host = a

    def ask(self, frame: bytes) -> None:
        """Ask, and let everything come of it that will."""
        self.port.send(frame)
        self.world.loop.run()

    def check(self) -> None:
        """varpd is well, nothing is parked, every frame has its fate, and the overlay still works."""
        for host in self.world.hosts.values():
            self.ledger.check(host.name, host.inner.kernel)
            check_kernel(host.inner.kernel)
            assert not [record for record in host.log("varpd") if record.level > 40]
            assert not host.inner.panics
        self.port.take()
        self.other.take()
        self.port.send(numbered(1, 2))
        self.other.expect(numbered(1, 2))


@pytest.mark.parametrize("kind", ASKED)
def test_frames_of_every_length_have_one_fate_each(etherspan_world: SimWorld, kind: str) -> None:
    asker = Asker(etherspan_world)
    whole = ASKED[kind]
    for size in range(1601):
        asker.ask(whole[:size].ljust(size, b"\0"))
    fates = asker.ledger.fates
    assert fates["sent"] == 1601
    assert fates["tx_no_header"] == 14
    assert fates["tx_lookup_drop"] == 1601 - 14
    assert fates["injected" if kind != "dhcp" else "resent"] > 0
    asker.check()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ASKED)),
            st.lists(st.tuples(st.integers(12, 400), st.binary(min_size=1, max_size=4)), max_size=4),
            st.binary(max_size=60),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_whatever_is_asked_varpd_is_well_afterwards(
    asked: list[tuple[str, list[tuple[int, bytes]], bytes]],
) -> None:
    with SimWorld() as world:
        asker = Asker(world)
        for kind, changes, tail in asked:
            frame = bytearray(ASKED[kind] + tail)
            for place, data in changes:
                at = place % len(frame)
                frame[at : at + len(data)] = data
            asker.ask(bytes(frame))
        asker.check()
