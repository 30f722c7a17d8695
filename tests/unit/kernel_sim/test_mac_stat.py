"""Counters, by the names under which kstat shows them."""

from __future__ import annotations

import pytest

from etherspan.testing.flows import Flow
from etherspan.testing.frames import BROADCAST
from etherspan.testing.switch import Station, Switch
from kernel_sim.mac import stat
from kernel_sim.mac.stat import ClientDrop, ClientStats
from kernel_sim.sys.dld import LinkState
from kernel_sim.sys.kstat import KstatEntry

A, B, C = (bytes.fromhex(f"0208200000{last:02x}") for last in (0xA, 0xB, 0xC))
GROUP = bytes.fromhex("01005e000001")


def frame(dst: bytes, src: bytes = A, vid: int | None = None) -> bytes:
    tag = b"" if vid is None else b"\x81\x00" + vid.to_bytes(2, "big")
    return dst + src + tag + b"\x08\x06" + bytes(46)


def counted(station: Station) -> dict[str, int]:
    stats = station.client.stats
    return {name: value for name in stats.__slots__ if (value := getattr(stats, name))}


def values(entry: KstatEntry) -> dict[str, int | str]:
    return {one.name: one.value for one in entry.stats}


# ---------------------------------------------------------------------- what is counted


def test_traffic_with_the_wire_is_counted_in_frames_and_bytes() -> None:
    switch = Switch()
    a = switch.attach(A)
    a.send(frame(B), frame(B))
    switch.receive(frame(A, B))
    assert counted(a) == {"opackets": 2, "obytes": 120, "net_packets": 1, "net_bytes": 60}


def test_a_single_client_counts_the_tag_and_several_do_not() -> None:
    switch = Switch()
    a = switch.attach(A, 7)
    a.send(frame(C))
    assert counted(a) == {"opackets": 1, "obytes": 64}
    switch.attach(B)
    a.send(frame(C))
    assert counted(a) == {"opackets": 2, "obytes": 64 + 60}


@pytest.mark.fact("KRN-Q34")
def test_a_rejected_frame_counts_as_sent_and_as_an_output_error_when_switched() -> None:
    switch = Switch()
    a = switch.attach(A)
    switch.attach(B)
    a.send(frame(C, vid=7))
    assert counted(a) == {"opackets": 1, "obytes": 64, "oerrors": 1}


@pytest.mark.fact("KRN-Q34")
def test_a_rejected_frame_of_a_single_client_is_a_transmit_error_and_nothing_else() -> None:
    switch = Switch()
    a = switch.attach(A)
    a.send(frame(C, vid=7))
    assert counted(a) == {"txerrors": 1}
    a.send(frame(C, vid=7), frame(C))
    assert counted(a) == {"txerrors": 2, "opackets": 1, "obytes": 60}


@pytest.mark.fact("KRN-Q34")
@pytest.mark.parametrize("dst", [BROADCAST, GROUP])
def test_a_group_frame_sent_counts_as_multicast_and_as_broadcast(dst: bytes) -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    b.client.add_multicast(GROUP)
    a.send(frame(dst))
    assert counted(a) == {
        "opackets": 1,
        "obytes": 60,
        "multixmt": 1,
        "multixmtbytes": 60,
        "brdcstxmt": 1,
        "brdcstxmtbytes": 60,
    }
    kind = "brdcstrcv" if dst == BROADCAST else "multircv"
    assert counted(b) == {"local_packets": 1, "local_bytes": 60, kind: 1, f"{kind}bytes": 60}


@pytest.mark.fact("KRN-Q34")
def test_with_a_single_client_group_frames_count_as_any_other() -> None:
    switch = Switch()
    a = switch.attach(A)
    a.send(frame(BROADCAST), frame(GROUP))
    switch.receive(frame(BROADCAST), frame(GROUP))
    assert counted(a) == {"opackets": 2, "obytes": 120, "net_packets": 2, "net_bytes": 120}


def test_group_copies_from_the_wire_are_network_traffic() -> None:
    switch = Switch()
    a = switch.attach(A)
    switch.attach(B)
    switch.receive(frame(BROADCAST, C))
    assert counted(a) == {"net_packets": 1, "net_bytes": 60, "brdcstrcv": 1, "brdcstrcvbytes": 60}


def test_local_unicast_counts_as_network_traffic() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    a.send(frame(B))
    assert counted(b) == {"net_packets": 1, "net_bytes": 60}
    assert counted(a) == {"opackets": 1, "obytes": 60}


def test_a_run_counts_as_its_frames() -> None:
    switch = Switch()
    a = switch.attach(A)
    b = switch.attach(B)
    flow = Flow(dst=B)
    a.send(flow.run(bytes(2500), 1000))
    assert counted(a) == {"opackets": 3, "obytes": 2500 + 3 * 54}
    assert counted(b) == {"net_packets": 3, "net_bytes": 2500 + 3 * 54}
    b.client.close()
    b.send(flow.run(bytes(2500), 1000))
    assert b.client.drops[ClientDrop.TX_CLOSED] == 3


# ---------------------------------------------------------------------- kstats


@pytest.mark.fact("KRN-Q25")
def test_a_lower_link_shows_no_traffic_and_its_drops_under_names_of_their_own() -> None:
    switch = Switch()
    a = switch.attach(A)
    switch.attach(B)
    a.send(frame(C))
    switch.receive(frame(C, B))
    link, mac, drops = switch.mac.kstats("demo0")
    assert (link.module, link.instance, link.name, link.klass) == ("link", 0, "demo0", "net")
    numbers = values(link)
    assert numbers.pop("link_state") == 1
    assert numbers.pop("zonename") == "global"
    assert set(numbers.values()) == {0}
    assert (drops.module, drops.instance, drops.name, drops.klass) == ("etherspan", 0, "demo0", "drops")
    assert values(drops) == {"rx_no_active_client": 0, "rx_no_flow": 1}
    assert (mac.module, mac.instance, mac.name) == ("overlay", 1, "mac")
    assert values(mac)["promisc"] == 1


def test_link_statistics_have_the_names_and_widths_of_the_original() -> None:
    entry = stat.link_kstat("vnic0", ClientStats(), LinkState.UP, "")
    assert [(one.name, one.type.name) for one in entry.stats] == [
        ("ifspeed", "UINT64"),
        ("multircv", "UINT32"),
        ("brdcstrcv", "UINT32"),
        ("multixmt", "UINT32"),
        ("brdcstxmt", "UINT32"),
        ("norcvbuf", "UINT32"),
        ("ierrors", "UINT32"),
        ("noxmtbuf", "UINT32"),
        ("oerrors", "UINT32"),
        ("collisions", "UINT32"),
        ("rbytes", "UINT32"),
        ("ipackets", "UINT32"),
        ("obytes", "UINT32"),
        ("opackets", "UINT32"),
        ("rbytes64", "UINT64"),
        ("ipackets64", "UINT64"),
        ("obytes64", "UINT64"),
        ("opackets64", "UINT64"),
        ("link_state", "UINT32"),
        ("link_duplex", "UINT32"),
        ("unknowns", "UINT32"),
        ("zonename", "STRING"),
    ]


@pytest.mark.fact("KRN-I35")
def test_the_32_bit_counters_are_the_64_bit_ones_cut_off() -> None:
    stats = ClientStats(net_packets=2**32 + 5, local_packets=1, net_bytes=2**33 + 7, opackets=2**32, obytes=2**40 - 1)
    shown = values(stat.link_kstat("vnic0", stats, LinkState.UP, "z1"))
    assert shown["ipackets64"] == 2**32 + 6
    assert shown["zonename"] == "z1"
    for name in ("rbytes", "ipackets", "obytes", "opackets"):
        wide = shown[f"{name}64"]
        assert isinstance(wide, int)
        assert shown[name] == wide % 2**32


def test_an_unknown_link_state_is_all_ones() -> None:
    assert values(stat.link_kstat("demo0", None, LinkState.UNKNOWN, ""))["link_state"] == 0xFFFFFFFF


def test_lanes_and_miscellaneous_counters_show_a_clients_traffic() -> None:
    stats = ClientStats(
        net_packets=3, net_bytes=300, local_packets=2, local_bytes=200, rxsdrops=1, opackets=4, obytes=400, oerrors=5
    )
    stats.txerrors, stats.multircv, stats.brdcstrcvbytes = 6, 7, 8
    rx, tx, misc = stat.client_kstats("vnic0", stats)
    assert [(one.module, one.name) for one in (rx, tx, misc)] == [
        ("vnic0", "mac_rx_swlane0"),
        ("vnic0", "mac_tx_swlane0"),
        ("vnic0", "mac_misc_stat"),
    ]
    assert values(rx) == {
        "ipackets": 5,
        "rbytes": 500,
        "local": 2,
        "localbytes": 200,
        "intrs": 3,
        "intrbytes": 300,
        "rxsdrops": 1,
    }
    assert values(tx) == {
        "obytes": 400,
        "opackets": 4,
        "oerrors": 5,
        "blockcnt": 0,
        "unblockcnt": 0,
        "txsdrops": 0,
    }
    shown = values(misc)
    assert (shown["txerrors"], shown["multircv"], shown["brdcstrcvbytes"], shown["opackets"]) == (6, 7, 8, 0)


def test_every_set_of_statistics_can_travel() -> None:
    entries = [
        *Switch().mac.kstats("demo0"),
        *stat.client_kstats("vnic0", ClientStats(net_packets=2**64 - 1)),
    ]
    for entry in entries:
        assert KstatEntry.unpack(entry.pack()) == entry
