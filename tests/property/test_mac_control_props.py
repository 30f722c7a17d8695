"""Users, groups, addresses and MTUs of a MAC under any sequence of control calls."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from etherspan.testing.frames import BROADCAST
from etherspan.testing.switch import Recorder, Switch
from kernel_sim.mac.client import MacClient
from kernel_sim.mac.promisc import PromiscCallback, PromiscType
from kernel_sim.sys.errno import Errno, KernelError

MACS = st.sampled_from([bytes((2, 8, 0x20, 0, 0, last)) for last in range(1, 4)])
VIDS = st.sampled_from((0, 2))
GROUPS = st.sampled_from([bytes.fromhex("01005e000001"), bytes.fromhex("3333ff000001")])
MTUS = st.sampled_from((0, 575, 576, 1000, 1499, 1500, 1501, 9000, 9001))


class Control(RuleBasedStateMachine):
    """One MAC; the model is what each client was told."""

    clients = Bundle("clients")
    sniffers = Bundle("sniffers")

    def __init__(self) -> None:
        super().__init__()
        self.switch = Switch()
        self.mac = self.switch.mac
        self.addresses: dict[MacClient, tuple[bytes, int]] = {}
        self.joined: dict[MacClient, list[bytes]] = {}
        self.reserved: dict[MacClient, int] = {}
        self.tapped: list[PromiscCallback] = []
        self.mtu = 1500

    @rule(target=clients, everything=st.booleans())
    def open(self, everything: bool) -> MacClient:
        client = self.mac.open_client("client")
        client.all_multicast = everything
        self.joined[client] = []
        return client

    @rule(client=clients, mac=MACS, vid=VIDS)
    def add_unicast(self, client: MacClient, mac: bytes, vid: int) -> None:
        try:
            client.add_unicast(mac, vid)
        except KernelError as error:
            busy = client in self.addresses
            assert error.errno == (Errno.EBUSY if busy else Errno.EEXIST)
            assert busy or (mac, vid) in self.addresses.values()
        else:
            assert (mac, vid) not in self.addresses.values()
            self.addresses[client] = (mac, vid)

    @rule(client=clients)
    def remove_unicast(self, client: MacClient) -> None:
        client.remove_unicast()
        self.addresses.pop(client, None)
        self.joined[client] = []

    @rule(client=clients, group=GROUPS)
    def join(self, client: MacClient, group: bytes) -> None:
        try:
            client.add_multicast(group)
        except KernelError as error:
            assert error.errno == Errno.ENXIO
            assert client not in self.addresses
        else:
            self.joined[client].append(group)

    @rule(client=clients, group=GROUPS)
    def leave(self, client: MacClient, group: bytes) -> None:
        try:
            client.remove_multicast(group)
        except KernelError as error:
            assert error.errno == Errno.EINVAL
            assert group not in self.joined[client]
        else:
            self.joined[client].remove(group)

    @rule(client=clients, mac=MACS)
    def change_address(self, client: MacClient, mac: bytes) -> None:
        try:
            client.set_address(mac)
        except KernelError as error:
            assert error.errno in {Errno.ENXIO, Errno.EBUSY, Errno.ENOTSUP}
        else:
            self.addresses[client] = (mac, client.vid)

    @rule(target=sniffers, client=clients, kind=st.sampled_from(PromiscType))
    def tap(self, client: MacClient, kind: PromiscType) -> PromiscCallback:
        callback = client.promisc_add(kind, Recorder())
        self.tapped.append(callback)
        return callback

    @rule(callback=consumes(sniffers))
    def untap(self, callback: PromiscCallback) -> None:
        if callback in self.tapped:
            callback.client.promisc_remove(callback)
            self.tapped.remove(callback)

    @rule(client=consumes(clients))
    def close(self, client: MacClient) -> None:
        client.close()
        self.tapped = [one for one in self.tapped if one.client is not client]
        for told in (self.addresses, self.joined, self.reserved):
            told.pop(client, None)

    @rule(client=clients)
    def reserve(self, client: MacClient) -> None:
        client.mtu_reserved = self.reserved[client] = self.mtu

    @rule(mtu=MTUS)
    def set_mtu(self, mtu: int) -> None:
        try:
            self.mac.set_mtu(mtu)
        except KernelError as error:
            if mtu > 0 and any(mtu < one for one in self.reserved.values()):
                assert error.errno == Errno.EBUSY
            else:
                assert error.errno == Errno.EINVAL
                assert not 576 <= mtu <= 9000
        else:
            self.mtu = mtu

    @rule()
    @precondition(lambda self: self.joined or self.tapped)
    def unregister_while_in_use(self) -> None:
        with pytest.raises(KernelError) as error:
            self.mac.unregister()
        assert error.value.errno == Errno.EBUSY

    @invariant()
    def users_are_addresses_and_sniffers(self) -> None:
        assert self.mac.users == len(self.addresses) + len(self.tapped)
        calls = [call for call in self.switch.wire.calls if not call.startswith("mtu")]
        assert calls == ["start", "stop"] * (len(calls) // 2) + ["start"] * (len(calls) % 2)
        assert self.mac.started == bool(len(calls) % 2) == (self.mac.users > 0)

    @invariant()
    def flows_are_addresses_and_groups(self) -> None:
        for vid in (0, 2):
            here = {client: mac for client, (mac, own) in self.addresses.items() if own == vid}
            groups = {group for client in here for group in self.joined[client]}
            flows = self.mac.flows.vlan(vid)
            assert set(flows) == set(here.values()) | groups | ({BROADCAST} if here else set())
            everybody = {client for client in here if client.all_multicast}
            for group in groups:
                wanted = everybody | {client for client in here if group in self.joined[client]}
                members = flows[group].members  # type: ignore[union-attr]
                assert set(members) == wanted
                assert len(members) == len(wanted)
            if here:
                assert set(flows[BROADCAST].members) == set(here)  # type: ignore[union-attr]
            assert set(self.mac.flows.other_multicast(vid).members) == everybody

    @invariant()
    def the_mtu_holds_all_reservations(self) -> None:
        assert self.mac.mtu == self.mtu
        assert 576 <= self.mtu <= 9000
        assert all(one <= self.mtu for one in self.reserved.values())


Control.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestControl = pytest.mark.fact("KRN-I31")(Control.TestCase)
