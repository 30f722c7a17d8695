"""What LOOKUP says about the frame at the head (kernel.md 2.7)."""

from __future__ import annotations

import pytest

from etherspan.testing.cache.overlay import OWN_MAC, DynamicOverlay
from etherspan.testing.flows import Flow
from kernel_sim.sys.codec import TargLookup
from kernel_sim.sys.overlay_target import DstType

B = bytes.fromhex("02082000000b")
SRC = bytes.fromhex("deadbeef0001")


@pytest.fixture
def overlay() -> DynamicOverlay:
    return DynamicOverlay()


@pytest.mark.parametrize(
    ("rest", "hdrsize", "sap", "vlan"),
    [
        ("0800", 14, 0x0800, 0),
        ("0806", 14, 0x0806, 0),
        ("86dd", 14, 0x86DD, 0),
        ("ffff", 14, 0xFFFF, 0),
        ("0600", 14, 0x0600, 0),
        ("0000", 14, 0, 0),
        ("0026", 14, 0, 0),
        ("05dc", 14, 0, 0),
        ("05dd", 14, 1501, 0),
        ("05ff", 14, 1535, 0),
        ("810000070800", 18, 0x0800, 7),
        ("8100efff86dd", 18, 0x86DD, 4095),
        ("8100e0000800", 18, 0x0800, 0),
        ("810000000806", 18, 0x0806, 0),
        ("810000070026", 18, 0, 7),
        ("8100000705dc", 18, 0, 7),
        ("8100000705dd", 18, 0x8100, 7),
        ("8100000705ff", 18, 0x8100, 7),
        ("810000070600", 18, 0x0600, 7),
        ("810000078100", 18, 0x8100, 7),
        ("88a800070800", 14, 0x88A8, 0),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 46, 1400])
def test_the_header_is_told(overlay: DynamicOverlay, rest: str, hdrsize: int, sap: int, vlan: int, size: int) -> None:
    frame = B + SRC + bytes.fromhex(rest) + bytes(size)
    overlay.resend(frame)
    got = overlay.lookup()
    assert got == TargLookup(
        dlid=overlay.link,
        reqid=got.reqid,
        varpdid=9,
        vnetid=23,
        hdrsize=hdrsize,
        pktsize=len(frame) - hdrsize,
        srcaddr=SRC,
        dstaddr=B,
        dsttype=DstType.UNICAST,
        sap=sap,
        vlan=vlan,
    )


@pytest.mark.parametrize(
    ("mac", "kind"),
    [
        ("000000000000", DstType.UNICAST),
        ("fe0000000001", DstType.UNICAST),
        ("010000000000", DstType.MULTICAST),
        ("01005e000001", DstType.MULTICAST),
        ("3333ff000001", DstType.MULTICAST),
        ("fffffffffffe", DstType.MULTICAST),
        ("ffffffffffff", DstType.BROADCAST),
    ],
)
def test_the_kind_of_the_destination_is_told(overlay: DynamicOverlay, mac: str, kind: DstType) -> None:
    overlay.port.send(bytes.fromhex(mac) + OWN_MAC + b"\x08\x06" + bytes(46))
    got = overlay.lookup()
    assert (got.dstaddr.hex(), got.dsttype) == (mac, kind)


@pytest.mark.parametrize("rest", ["8100", "81000007", "8100000708", "81001007080045", "8100ffff0800"])
def test_a_frame_with_a_cut_tag_or_the_cfi_bit_is_not_told_of(overlay: DynamicOverlay, rest: str) -> None:
    overlay.resend(B + SRC + bytes.fromhex(rest))
    assert overlay.idle()
    assert overlay.drops == {"tx_bad_header": 1}


def test_a_vlan_vnic_is_told_of_with_the_tag_the_mac_layer_inserts() -> None:
    overlay = DynamicOverlay(started=False)
    port = overlay.host.create_vnic("vnic0", overlay.link, OWN_MAC, vid=7)
    flow = Flow(src=OWN_MAC)
    port.send(flow.run(bytes(2500), 1000))
    got = overlay.lookup()
    assert (got.hdrsize, got.vlan, got.sap, got.srcaddr) == (18, 7, 0x0800, OWN_MAC)
    tagged = Flow(src=OWN_MAC, vid=7).frames(bytes(2500), 1000)
    assert got.pktsize == len(tagged[0]) - 18
    assert overlay.pkt(got.reqid) == tagged[0]


def test_a_short_run_is_told_of_by_its_only_frame(overlay: DynamicOverlay) -> None:
    flow = Flow()
    overlay.port.send(flow.run(bytes(10), 1000))
    assert overlay.lookup().pktsize == len(flow.frame(bytes(10))) - 14
