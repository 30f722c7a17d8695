"""What a host can do that the original cannot: the variables of etc/system, one by one. All are off unless they are set."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from etherspan.testing.cache.overlay import OWN_MAC, DynamicOverlay
from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, address
from kernel_sim.ddi import SocketAddress
from kernel_sim.sys.tunables import Tunables
from kernel_sim.sys.vxlan import VXLAN_F_VDI, VXLAN_ID_MAX

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
HEADER = bytes.fromhex("0800000000001700")
RESERVED = [bit for bit in range(64) if not (VXLAN_F_VDI << 32 | VXLAN_ID_MAX << 8) >> bit & 1]


def frame(dst: bytes, src: bytes, text: bytes = b"payload") -> bytes:
    return dst + src + b"\x88\xb5" + text.ljust(46, b"\0")


@dataclass
class Receiving:
    """A host with a VNIC whose overlay's one destination is 10.0.0.2; others on its network can send to it as well."""

    tunables: Tunables
    clock: MemoryClock = field(default_factory=MemoryClock)

    def __post_init__(self) -> None:
        self.network = MemoryNetwork(self.clock)
        self.host = MemoryHost(self.clock, self.network, "10.0.0.1", tunables=self.tunables)
        self.port = self.host.create_vnic("vnic0", self.host.create_overlay("demo0", 23, to="10.0.0.2"), A)
        self.senders = {ip: self.network.underlay(ip) for ip in ("10.0.0.2", "10.0.0.3")}

    def arrives(self, *sent: bytes, header: bytes = HEADER, source: str = "10.0.0.2") -> list[bytes]:
        """What the VNIC is given of frames that somebody sends in one piece."""
        opened = self.senders[source].open(address(source), lambda *_, **__: None)
        opened.send(header, sent, address("10.0.0.1"), 4789)
        opened.close()
        self.clock.run()
        return self.port.take()


# ---------------------------------------------------------------------- reserved bits


@pytest.mark.fact("KRN-Q23", "KRN-I3")
def test_every_reserved_bit_is_ignored_or_with_vxlan_strict_dropped_and_counted() -> None:
    assert len(RESERVED) == 39
    original, strict = Receiving(Tunables()), Receiving(Tunables(vxlan_strict=True))
    delivered = [0, 0]
    for bit in RESERVED:
        header = (int.from_bytes(HEADER, "big") | 1 << bit).to_bytes(8, "big")
        for at, host in enumerate((original, strict)):
            delivered[at] += len(host.arrives(frame(A, B), header=header))
    assert delivered == [39, 0]
    assert original.host.drops("mux") == {}
    assert strict.host.drops("mux") == {"rx_reserved_bits": 39}
    assert strict.arrives(frame(A, B)) == [frame(A, B)]


def test_a_header_without_the_flag_is_bad_whatever_else_it_has() -> None:
    strict = Receiving(Tunables(vxlan_strict=True))
    assert strict.arrives(frame(A, B), header=b"\xf7" + HEADER[1:]) == []
    assert strict.host.drops("mux") == {"rx_bad_header": 1}


# ---------------------------------------------------------------------- who may send


def test_anybody_may_send_unless_there_is_a_source_filter() -> None:
    sent = [frame(A, B, bytes((n,)) * 100) for n in range(3)]
    original, filtering = Receiving(Tunables()), Receiving(Tunables(overlay_source_filter=True))
    assert original.arrives(*sent, source="10.0.0.3") == sent
    assert filtering.arrives(*sent, source="10.0.0.3") == []
    assert filtering.host.drops("demo0") == {"rx_unknown_source": 3}
    assert filtering.arrives(*sent) == sent
    assert filtering.host.drops("demo0") == {"rx_unknown_source": 3}


class Asked:
    """A dynamic overlay with a source filter, and somebody at 10.0.0.2 and 10.0.0.3."""

    def __init__(self, **more: int) -> None:
        self.overlay = DynamicOverlay(tunables=Tunables(overlay_source_filter=True, **more))  # type: ignore[arg-type]
        self.others = {ip: self.overlay.network.underlay(ip) for ip in ("10.0.0.2", "10.0.0.3")}

    def hear(self, source: str, src: bytes = B) -> list[bytes]:
        opened = self.others[source].open(address(source), lambda *_, **__: None)
        opened.send(HEADER, [frame(OWN_MAC, src)], address("10.0.0.1"), 4789)
        opened.close()
        self.overlay.clock.run()
        return self.overlay.port.take()

    @property
    def drops(self) -> dict[str, int | str]:
        return self.overlay.host.drops("demo0")


def test_a_sender_that_nobody_has_named_is_asked_for_and_then_heard() -> None:
    asked = Asked()
    assert asked.hear("10.0.0.2") == []
    question = asked.overlay.lookup()
    assert (question.dstaddr, question.srcaddr, question.sap) == (B, OWN_MAC, 0x0800)
    assert asked.hear("10.0.0.2") == [], "still unanswered, and not asked twice"
    asked.overlay.respond(question.reqid, "10.0.0.2")
    assert asked.hear("10.0.0.2") == [frame(OWN_MAC, B)]
    assert asked.hear("10.0.0.3") == [], "a name is for one address"
    assert asked.drops == {"rx_unknown_source": 3}
    assert asked.overlay.walk() == [], "what was asked for without a frame stays out of the table"


def test_one_that_the_plugin_does_not_know_is_not_heard_and_may_be_asked_for_again() -> None:
    asked = Asked()
    for _ in range(2):
        assert asked.hear("10.0.0.3") == []
        asked.overlay.drop(asked.overlay.lookup().reqid)
    assert asked.drops == {"rx_unknown_source": 2}
    assert asked.overlay.target.outstanding == 0


def test_what_was_sent_to_has_been_named_until_the_table_is_flushed() -> None:
    asked = Asked()
    asked.overlay.cache_set(B, "10.0.0.2")
    assert asked.hear("10.0.0.2") == [frame(OWN_MAC, B)]
    asked.overlay.cache_flush()
    assert asked.hear("10.0.0.2") == []


def test_forged_senders_are_asked_for_sixteen_at_a_time() -> None:
    asked = Asked()
    for number in range(100):
        asked.hear("10.0.0.3", b"\x02\x08\x20\x01\x00" + bytes((number,)))
    assert asked.overlay.target.outstanding == 16
    asked.overlay.stop()
    answer = asked.overlay.delete()
    asked.overlay.clock.advance(1.0)
    assert answer.replied


# ---------------------------------------------------------------------- addresses of one's own


def test_a_frame_in_the_name_of_a_vnic_of_the_host_is_taken_or_dropped() -> None:
    original, checking = Receiving(Tunables()), Receiving(Tunables(overlay_mac_check=True))
    mine, others = frame(A, A), [frame(A, B, b"1" * 7), frame(A, B, b"2" * 7)]
    assert original.arrives(mine) == [mine]
    assert checking.arrives(others[0], mine, others[1]) == others
    assert checking.arrives(*others) == others
    assert checking.host.drops("demo0") == {"rx_local_mac": 1}


# ---------------------------------------------------------------------- limits


def macs(count: int) -> list[bytes]:
    return [b"\x02\x08\x20\x02\x00" + bytes((number,)) for number in range(count)]


def test_the_oldest_entry_makes_room() -> None:
    overlay = DynamicOverlay(tunables=Tunables(overlay_targets_max=3))
    for mac in macs(5):
        overlay.port.send(frame(mac, OWN_MAC))
        overlay.respond(overlay.lookup().reqid, "10.0.0.2")
    assert [entry.mac for entry in overlay.walk()] == macs(5)[2:]
    assert overlay.host.drops("demo0") == {}


def test_entries_that_wait_or_drop_stay_and_what_finds_no_room_is_dropped() -> None:
    overlay = DynamicOverlay(tunables=Tunables(overlay_targets_max=2))
    waiting, dropping, other = macs(3)
    overlay.port.send(frame(waiting, OWN_MAC))
    overlay.cache_set_drop(dropping)
    overlay.port.send(frame(other, OWN_MAC), frame(waiting, OWN_MAC))
    assert overlay.host.drops("demo0") == {"tx_targets_full": 1}
    overlay.respond(overlay.lookup().reqid, "10.0.0.2")
    assert len(overlay.sent) == 2


def test_lookups_a_second_are_limited_and_what_is_known_goes_on() -> None:
    overlay = DynamicOverlay(tunables=Tunables(overlay_lookup_rate=2))
    first, second, third, fourth = macs(4)
    for mac in (first, second, third):
        overlay.port.send(frame(mac, OWN_MAC), frame(mac, OWN_MAC))
    assert overlay.host.drops("demo0") == {"tx_lookup_rate": 2}
    for _ in range(2):
        overlay.respond(overlay.lookup().reqid, "10.0.0.2")
    assert len(overlay.sent) == 4
    overlay.port.send(frame(first, OWN_MAC))
    assert len(overlay.sent) == 5
    overlay.clock.advance(0.5)
    overlay.port.send(frame(third, OWN_MAC))
    assert overlay.lookup().dstaddr == third
    overlay.port.send(frame(fourth, OWN_MAC))
    assert overlay.host.drops("demo0") == {"tx_lookup_rate": 3}


def test_nothing_of_it_limits_a_host_that_sets_nothing() -> None:
    overlay = DynamicOverlay()
    for mac in macs(200):
        overlay.port.send(frame(mac, OWN_MAC))
    assert overlay.target.outstanding == 200
    assert overlay.host.drops("demo0") == {}


def test_an_ipv6_sender_is_known_by_its_address() -> None:
    overlay = DynamicOverlay(listen="fd00::1", tunables=Tunables(overlay_source_filter=True))
    other = overlay.network.underlay("fd00::2")
    overlay.cache_set(B, "fd00::2")
    opened = other.open(SocketAddress(address("fd00::2").ip, 4789), lambda *_, **__: None)
    opened.send(HEADER, [frame(OWN_MAC, B)], address("fd00::1"), 4789)
    overlay.clock.run()
    assert overlay.port.take() == [frame(OWN_MAC, B)]
