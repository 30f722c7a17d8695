"""Link protection of any frame (KRN-I34): one lawful fate each, and a run has the fates of its frames.

`Guarded.send` checks what holds for every frame: one that passes reaches its receivers byte for byte and moves no counter; one that
fails moves exactly one, by its frames, and neither a receiver nor a sniffer sees anything of it.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing import frames
from etherspan.testing.guarded import GUEST, NEIGHBOUR, STRANGER, Guarded
from kernel_sim.mac import hw_emul
from kernel_sim.mac.protect.verdict import ProtectDrop
from kernel_sim.sys.mac_flow import DynamicMethod, MacProtect
from kernel_sim.sys.message import Message

MACS = st.sampled_from([GUEST, NEIGHBOUR, STRANGER])
V4 = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.7.7", "0.0.0.0", "192.168.1.1"])
V6 = st.sampled_from(["fd00::1", "fd00::2", "fe80::8:20ff:fe00:a", "fe80::1", "::"])
PORTS = st.sampled_from([53, 67, 68, 546, 547, 4789])
TYPES = st.integers(0, 15).map(MacProtect)
IPS = st.sampled_from([(), ("10.0.0.1/32",), ("10.0.0.0/24", "fd00::1/128"), ("fd00::/64",)])
METHODS = st.integers(0, 7).map(DynamicMethod)
DESTINATIONS = st.sampled_from([NEIGHBOUR, STRANGER, frames.BROADCAST])


@st.composite
def packets(draw: st.DrawFn) -> tuple[int, bytes]:
    """An ethertype and a packet, honest, spoofed, or of bytes that mean nothing."""
    payload = draw(st.binary(min_size=1, max_size=60))
    kind = draw(st.sampled_from(["udp4", "udp6", "arp", "ns", "na", "dhcp", "other"]))
    src, src6 = draw(V4), draw(V6)
    made = {
        "udp4": lambda: (0x0800, frames.udp(src, "10.0.0.9", draw(PORTS), draw(PORTS), payload)),
        "udp6": lambda: (0x86DD, frames.udp(src6, "fd00::9", draw(PORTS), draw(PORTS), payload)),
        "arp": lambda: (0x0806, frames.arp_request(draw(MACS), src, "10.0.0.9")[14:]),
        "ns": lambda: (0x86DD, frames.neighbour_solicitation(draw(MACS), src6, "fd00::9")[14:]),
        "na": lambda: (0x86DD, frames.neighbour_advertisement(draw(MACS), src6, NEIGHBOUR, "fd00::9")[14:]),
        "dhcp": lambda: (0x0800, frames.dhcp_discover(draw(MACS))[14:]),
        "other": lambda: (draw(st.integers(0x0600, 0xFFFF).filter(lambda one: one != 0x8100)), payload),
    }
    return made[kind]()


@st.composite
def sent(draw: st.DrawFn) -> bytes:
    """A frame of the guest; sometimes cut short, sometimes with a byte turned over."""
    ethertype, packet = draw(packets())
    frame = bytearray(frames.ethernet(draw(DESTINATIONS), draw(MACS), packet, ethertype=ethertype))
    if draw(st.booleans()):
        at = draw(st.integers(12, len(frame) - 1))
        frame[at] ^= draw(st.integers(1, 255))
    if draw(st.integers(0, 3)) == 0:
        del frame[draw(st.integers(0, len(frame))) :]
    return bytes(frame)


@pytest.mark.fact("KRN-I34")
@settings(max_examples=400)
@given(TYPES, IPS, METHODS, st.lists(sent(), min_size=1, max_size=4))
def test_every_frame_has_one_lawful_fate(
    types: MacProtect, ips: tuple[str, ...], dynamic: DynamicMethod, chain: list[bytes]
) -> None:
    world = Guarded(types=types, ips=ips, dynamic=dynamic)
    for frame in chain:
        world.send(frame)


@given(st.lists(sent(), min_size=1, max_size=8))
def test_of_several_types_the_first_that_refuses_counts(chain: list[bytes]) -> None:
    ips = ("10.0.0.1/32", "fd00::1/128")
    every = MacProtect.MACNOSPOOF | MacProtect.RESTRICTED | MacProtect.IPNOSPOOF | MacProtect.DHCPNOSPOOF
    for frame in chain:
        alone = [Guarded(types=one, ips=ips).send(frame) for one in MacProtect]
        first = next((fate for fate in alone if fate), "")
        assert Guarded(types=every, ips=ips).send(frame) == first, "the first check that fails counts"


@st.composite
def runs(draw: st.DrawFn) -> Message:
    """A run of TCP or UDP segments."""
    v6 = draw(st.booleans())
    src = draw(V6 if v6 else V4)
    dst = "fd00::9" if v6 else "10.0.0.9"
    payload, mss = draw(st.binary(min_size=300, max_size=900)), draw(st.integers(100, 299))
    return frames.tcp_run(draw(DESTINATIONS), draw(MACS), src, dst, payload=payload, mss=mss)


@settings(max_examples=150)
@given(TYPES, IPS, METHODS, runs())
def test_a_run_counts_as_its_frames(
    types: MacProtect, ips: tuple[str, ...], dynamic: DynamicMethod, run: Message
) -> None:
    whole, single = (Guarded(types=types, ips=ips, dynamic=dynamic) for _ in range(2))
    fate = whole.send(run)
    assert {single.send(frame) for frame in hw_emul.cut(run)} == {fate}
    assert counted(whole) == counted(single)
    assert sum(counted(whole).values()) == (run.frames if fate else 0)


def counted(world: Guarded) -> Counter[str]:
    return Counter({str(name): getattr(world.guest.client.stats, name) for name in ProtectDrop})
