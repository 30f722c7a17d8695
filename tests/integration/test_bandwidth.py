"""The bandwidth limit on real TAPs: TCP between two hosts goes as fast as the limit says, whoever of the two has it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from kernel_sim.sys.codec import DldMacprop, MacResourceProps, macprop_value
from kernel_sim.sys.dld import DLDIOC_SETMACPROP, MacProp
from kernel_sim.sys.mac_flow import MRP_MAXBW_RESETVAL, MrpMask

pytestmark = pytest.mark.namespaces

MAC_A = bytes.fromhex("02082000000a")
MAC_B = bytes.fromhex("02082000000b")
WARM_UP_SECONDS = 0.5
WINDOW_SECONDS = 1.5
WINDOWS = 8
"""Windows measured at most; the first that is not too slow will do: on a loaded machine there are slow ones."""
FRAME, PAYLOAD = 1414, 1348
"""Bytes of a full frame with an MTU of 1400, and of TCP payload in it (timestamps are on)."""
MEGABIT = 1_000_000


@dataclass(slots=True, frozen=True)
class Pair:
    """Two hosts, a kernel and a VNIC each."""

    a: Any
    b: Any
    vnic_a: int
    vnic_b: int

    def limit(self, a: int | None = None, b: int | None = None) -> None:
        """Limits in bit/s of the VNICs of the two hosts."""
        for kernel, vnic, rate in ((self.a, self.vnic_a, a), (self.b, self.vnic_b, b)):
            value = MRP_MAXBW_RESETVAL if rate is None else rate
            props = MacResourceProps(mask=MrpMask.MAXBW, maxbw=value)
            wanted = DldMacprop(0, vnic, MacProp.RESOURCE, value=macprop_value(MacProp.RESOURCE, props))
            kernel.dld.ioctl(DLDIOC_SETMACPROP, wanted.pack())


@pytest.fixture(scope="module")
def pair(module_stage: Any) -> Pair:
    wire = module_stage.wire()
    a, b = module_stage.kernel(wire.a), module_stage.kernel(wire.b)
    vnic_a = a.vnic("vnic0", a.overlay("ov0", 23, "10.88.88.1", "10.88.88.2"), MAC_A)
    vnic_b = b.vnic("vnic0", b.overlay("ov0", 23, "10.88.88.2", "10.88.88.1"), MAC_B)
    wire.a.address("vnic0", "10.55.55.1/24")
    wire.b.address("vnic0", "10.55.55.2/24")
    return Pair(a, b, vnic_a, vnic_b)


@contextlib.contextmanager
def stream(pair: Pair) -> Iterator[socket.socket]:
    """A TCP connection on which host a sends all it can; yields host b's end."""
    listener = pair.b.namespace.run(lambda: socket.create_server(("10.55.55.2", 0)))
    with listener:
        address = listener.getsockname()
        sender = pair.a.namespace.run(lambda: socket.create_connection(address, timeout=10))
        receiver, _ = listener.accept()
    receiver.settimeout(10)

    def send() -> None:
        with contextlib.suppress(OSError):  # the receiver has seen enough
            while True:
                sender.sendall(bytes(1 << 18))

    thread = threading.Thread(target=send)
    thread.start()
    with sender:
        try:
            yield receiver
        finally:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            receiver.close()
            with contextlib.suppress(OSError):  # the reset of the receiver may have ended the connection already
                sender.shutdown(socket.SHUT_RDWR)
            thread.join()


def rate(receiver: socket.socket, seconds: float) -> float:
    """Bit/s of whole frames that carry what is received from now on."""
    memory = bytearray(1 << 20)
    begin = time.monotonic()
    octets = 0
    while time.monotonic() < begin + seconds:
        octets += receiver.recv_into(memory)
    return octets * 8 * FRAME / PAYLOAD / (time.monotonic() - begin)


def measured(pair: Pair, limit: int) -> float:
    """The rate of the first window that reaches nine tenths of the limit, else of the last one; no window is over it by a tenth."""
    with stream(pair) as receiver:
        rate(receiver, WARM_UP_SECONDS)
        for _ in range(WINDOWS):
            found = rate(receiver, WINDOW_SECONDS)
            assert found <= 1.1 * limit
            if found >= 0.9 * limit:
                break
    return found


@pytest.fixture
def limited(pair: Pair) -> Iterator[Callable[..., None]]:
    yield pair.limit
    pair.limit()


@pytest.mark.parametrize("megabits", [10, 100, 1000])
def test_a_sender_is_held_to_its_limit(pair: Pair, limited: Callable[..., None], megabits: int) -> None:
    limited(a=megabits * MEGABIT)
    assert measured(pair, megabits * MEGABIT) >= 0.9 * megabits * MEGABIT
    lane = pair.a.kstat("vnic0", "mac_tx_swlane0")
    assert lane["blockcnt"] > 0
    assert lane["txsdrops"] == 0


@pytest.mark.parametrize("megabits", [10, 100, 1000])
def test_a_receiver_is_held_to_its_limit(pair: Pair, limited: Callable[..., None], megabits: int) -> None:
    limited(b=megabits * MEGABIT)
    assert measured(pair, megabits * MEGABIT) >= 0.9 * megabits * MEGABIT
