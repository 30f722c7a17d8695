"""vxlan encapsulation over a real kernel in memory, and its mask-and-shift check against the declared codec."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork
from kernel_sim.overlay.plugins.vxlan import PLUGIN
from kernel_sim.sys import vxlan

VNI = st.integers(0, 0xFFFFFF)
FRAME = st.binary(min_size=14, max_size=1514).filter(lambda frame: frame[12:14] != b"\x81\x00")


@pytest.mark.fact("KRN-I3", "KRN-Q23")
@given(st.binary(max_size=40), st.integers(0, 63))
@example(bytes(8), 59)
def test_the_plugin_reads_every_datagram_as_the_codec_does(datagram: bytes, bit: int) -> None:
    flipped = datagram
    if len(datagram) >= 8:
        flipped = (int.from_bytes(datagram[:8], "big") ^ 1 << bit).to_bytes(8, "big") + datagram[8:]
    for one in (datagram, flipped, memoryview(flipped)):
        found = PLUGIN.decap(one)
        if len(one) < 8:
            assert found is None
            continue
        parsed = vxlan.parse(one)
        assert (found is not None) is parsed.valid
        if found is not None:
            assert found == (parsed.vnetid, 8)


@pytest.mark.fact("KRN-I1", "KRN-I2")
@given(VNI, FRAME)
@example(0, bytes(14))
@example(0xFFFFFF, bytes(1514))
def test_a_frame_comes_out_as_it_went_in_eight_bytes_longer_on_the_wire(vnetid: int, frame: bytes) -> None:
    clock = MemoryClock()
    network = MemoryNetwork(clock)
    one, two = MemoryHost(clock, network, "10.0.0.1"), MemoryHost(clock, network, "10.0.0.2")
    a = one.create_vnic("vnic0", one.create_overlay("demo0", vnetid, to="10.0.0.2"))
    b = two.create_vnic("vnic0", two.create_overlay("demo0", vnetid, to="10.0.0.1"))
    a.send(frame)
    (datagram,) = network.wire
    assert datagram.payload == b"\x08\0\0\0" + vnetid.to_bytes(3, "big") + b"\0" + frame
    clock.run()
    assert b.take() == [frame]
