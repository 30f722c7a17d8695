"""An etherstub: a switch with no wire."""

from __future__ import annotations

import pytest

from etherspan.testing.memory import MemoryClock, MemoryRandom
from etherspan.testing.switch import Station
from kernel_sim.ddi import LinkId
from kernel_sim.etherstub import registration
from kernel_sim.mac.mac import Mac, MacLayer
from kernel_sim.sys.dld import DatalinkClass, LinkState
from kernel_sim.sys.errno import Errno, KernelError

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")


@pytest.fixture
def stub() -> Mac:
    return MacLayer(MemoryRandom(), MemoryClock()).register(registration(LinkId(3)))


def attach(stub: Mac, address: bytes) -> Station:
    client = stub.open_client("client")
    client.add_unicast(address, 0)
    return Station(client)


def frame(dst: bytes, src: bytes) -> bytes:
    return dst + src + b"\x08\x06" + bytes(46)


def test_an_etherstub_is_up_from_the_start_with_an_mtu_of_9000(stub: Mac) -> None:
    assert (stub.link_state, stub.mtu, stub.mtu_default) == (LinkState.UP, 9000, 1500)
    assert (stub.link_class, stub.margin, stub.address) == (DatalinkClass.ETHERSTUB, 4, bytes(6))


@pytest.mark.parametrize("mtu", [575, 9001])
def test_its_mtu_is_within_576_and_9000(stub: Mac, mtu: int) -> None:
    with pytest.raises(KernelError) as error:
        stub.set_mtu(mtu)
    assert error.value.errno == Errno.EINVAL
    stub.set_mtu(576)
    stub.set_mtu(9000)


def test_everything_a_single_vnic_sends_is_dropped_by_name(stub: Mac) -> None:
    a = attach(stub, A)
    a.send(frame(B, A), frame(A, A), frame(b"\xff" * 6, A))
    assert a.take() == []
    drops = {one.name: one.value for one in stub.kstats("stub0")[-1].stats}
    assert drops["tx_no_wire"] == 3


def test_vnics_of_an_etherstub_reach_each_other(stub: Mac) -> None:
    a, b = attach(stub, A), attach(stub, B)
    a.send(frame(B, A), frame(b"\xff" * 6, A))
    assert b.take() == [frame(B, A), frame(b"\xff" * 6, A)]
    b.client.close()
    a.client.close()
    assert not stub.started


def test_an_etherstub_counts_no_traffic_of_its_own(stub: Mac) -> None:
    attach(stub, A).send(frame(B, A))
    link, mac, _ = stub.kstats("stub0")
    assert {one.name for one in link.stats if one.value not in {0, "global"}} == {"link_state"}
    assert (mac.module, mac.name) == ("vnic", "mac")
