"""How link protection is put in a client's way, and taken out of it: what it looks at, and when it forgets."""

from __future__ import annotations

import pytest

from etherspan.testing.frames import BROADCAST
from etherspan.testing.switch import Station, Switch
from kernel_sim.mac import resource
from kernel_sim.mac.protect.protection import Protection
from kernel_sim.sys.codec import MacResourceProps
from kernel_sim.sys.mac_flow import MPT_RESET, MacProtect, MrpMask
from kernel_sim.sys.message import Chain

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
MULTICAST = bytes.fromhex("01005e000001")


def frame(dst: bytes, src: bytes = B) -> bytes:
    return dst + src + b"\x88\xb5" + bytes(50)


class Learned:
    """What the protection of all clients looked at, and how often one forgot."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.flushed = 0

    def take(self) -> list[bytes]:
        frames, self.frames = self.frames, []
        return frames


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> Learned:
    seen = Learned()

    def learn(_self: Protection, chain: Chain) -> None:
        seen.frames += [bytes(message.data) for message in chain]

    def flush(_self: Protection) -> None:
        seen.flushed += 1

    monkeypatch.setattr(Protection, "learn", learn)
    monkeypatch.setattr(Protection, "flush", flush)
    return seen


def protect(station: Station, switch: Switch, types: int) -> None:
    props = resource.merge(resource.DEFAULTS, MacResourceProps(mask=MrpMask.PROTECT, types=types))
    station.client.set_resources(props, switch.clock)


def test_with_ip_nospoof_all_that_is_received_is_looked_at_and_no_longer_without_it(learned: Learned) -> None:
    switch = Switch()
    a, b = switch.attach(A, all_multicast=True), switch.attach(B)
    protect(a, switch, MacProtect.IPNOSPOOF)
    b.send(frame(A), frame(BROADCAST))
    switch.receive(frame(MULTICAST), frame(A), frame(B))
    assert learned.take() == [frame(A), frame(BROADCAST), frame(MULTICAST), frame(A)]
    assert len(a.take()) == 4
    protect(a, switch, MacProtect.MACNOSPOOF)
    switch.receive(frame(A), frame(BROADCAST))
    protect(a, switch, MPT_RESET)
    switch.receive(frame(A), frame(BROADCAST))
    assert learned.take() == []


def test_a_single_client_learns_too(learned: Learned) -> None:
    switch = Switch()
    a = switch.attach(A)
    protect(a, switch, MacProtect.IPNOSPOOF)
    switch.receive(frame(A), frame(BROADCAST))
    assert learned.take() == [frame(A), frame(BROADCAST)]


def test_what_was_learned_is_forgotten_with_the_address(learned: Learned) -> None:
    switch = Switch()
    a = switch.attach(A)
    protect(a, switch, MacProtect.IPNOSPOOF)
    learned.flushed = 0
    a.client.remove_unicast()
    assert learned.flushed == 1


def test_checks_are_there_while_a_type_is_on(learned: Learned) -> None:
    switch = Switch()
    a = switch.attach(A)
    assert a.client.checks == ()
    protect(a, switch, MacProtect.RESTRICTED)
    assert len(a.client.checks) == 1
    protect(a, switch, MPT_RESET)
    assert a.client.checks == ()


def test_a_client_without_such_properties_has_nothing_in_its_way() -> None:
    switch = Switch()
    a = switch.attach(A)
    client = a.client
    assert (client.checks, client._deliver, client._observed, client._learn) == ((), a, False, None)
    client.set_resources(resource.merge(resource.DEFAULTS, MacResourceProps(mask=MrpMask.PRIORITY)), switch.clock)
    assert (client.checks, client._deliver, client._observed, client._learn) == ((), a, False, None)
