"""A protected client among others, and what becomes of every frame it sends.

    guarded = Guarded(types=MacProtect.MACNOSPOOF)
    assert guarded.send(frame) == "macspoofed"     # the counter that moved; "" for a frame that went on

Each `send` also checks what holds for every frame (KRN-I34): one that passes reaches its receivers byte for byte and moves no counter
of link protection; one that fails moves exactly one counter, by its frames, and nobody, no sniffer either, sees anything of it.
"""

from __future__ import annotations

import ipaddress

from etherspan.testing.memory import MemoryClock
from etherspan.testing.switch import Recorder, Station, Switch, finished
from kernel_sim.ddi import V4_MAPPED_PREFIX
from kernel_sim.mac.promisc import PromiscType
from kernel_sim.mac.protect.props import ProtectProps
from kernel_sim.mac.protect.protection import Protection
from kernel_sim.mac.protect.verdict import ProtectDrop
from kernel_sim.mac.stat import ClientDrop
from kernel_sim.sys.codec import MacDhcpcid, MacIpaddr
from kernel_sim.sys.mac_flow import DynamicMethod, MacProtect
from kernel_sim.sys.message import Chain, Message

GUEST = bytes.fromhex("02082000000a")
NEIGHBOUR = bytes.fromhex("02082000000b")
STRANGER = bytes.fromhex("02082000000c")
"""Nobody's address: frames for it go to the wire."""

COUNTERS = (*ProtectDrop, ClientDrop.TX_PROTECT_UNPARSED)


def allowed(text: str) -> MacIpaddr:
    """An entry of `allowed-ips`: an address, or an address and a prefix length. Bits behind the prefix are kept."""
    address = ipaddress.ip_interface(text)
    packed = address.ip.packed
    return MacIpaddr(address.version, V4_MAPPED_PREFIX[: 16 - len(packed)] + packed, address.network.prefixlen)


class Guarded:
    """A MAC with the client GUEST, whose protection is `protection`, and NEIGHBOUR, both in VLAN `vid`.

    `told` is what the watch was told: reason and frames.
    """

    def __init__(
        self,
        *,
        types: MacProtect,
        ips: tuple[str, ...] = (),
        cids: tuple[bytes, ...] = (),
        allcids: bool = False,
        dynamic: DynamicMethod = DynamicMethod.NONE,
        vid: int = 0,
    ) -> None:
        self.clock = MemoryClock()
        self.switch = Switch()
        self.guest = self.switch.attach(GUEST, vid)
        self.neighbour = self.switch.attach(NEIGHBOUR, vid)
        self.protection = Protection(self.guest.client, self.clock)
        self.configure(types=types, ips=ips, cids=cids, allcids=allcids, dynamic=dynamic)
        self.guest.client.checks = (self._check,)
        self.sniffers = [self._sniffer(self.guest), self._sniffer(self.neighbour)]
        self.told: list[tuple[str, int]] = []
        self.switch.mac.watch.observer = lambda _, reason, lost: self.told.append((reason, sum(m.frames for m in lost)))
        self._permitted: Chain = []

    def configure(
        self,
        *,
        types: MacProtect,
        ips: tuple[str, ...] = (),
        cids: tuple[bytes, ...] = (),
        allcids: bool = False,
        dynamic: DynamicMethod = DynamicMethod.NONE,
    ) -> None:
        """Give the guest another protection."""
        entries = tuple(map(allowed, ips))
        ids = tuple(MacDhcpcid(cid) for cid in cids)
        self.protection.configure(ProtectProps(types, entries, ids, allcids, dynamic))

    def send(self, sent: Message | bytes) -> str:
        """Send one frame, or run whose frames share one fate, and see that its fate is a lawful one."""
        message = Message(sent) if isinstance(sent, bytes) else sent
        before = self.counters()
        self.told.clear()
        self.guest.send(message)
        seen = self._take()
        moved = {name: count - before[name] for name, count in self.counters().items() if count != before[name]}
        reasons = {name: count for name, count in self.told if name in COUNTERS}
        if self._permitted:
            assert moved == {} and reasons == {}, f"{moved}, yet the frame went on"
            assert [m.data for m in self._permitted] == [message.data]
            self._expect_delivery(message, seen)
            return ""
        assert list(moved.values()) == [message.frames], f"counters moved by {moved}"
        assert reasons == moved, "the watch was told something else"
        assert seen == [], "a frame that fails is seen by nobody"
        return next(iter(moved))

    def receive(self, *frames: Message | bytes) -> None:
        """The guest receives frames from the wire; what they say is learned."""
        chain = [Message(one) if isinstance(one, bytes) else one for one in frames]
        self.protection.learn(chain)

    def counters(self) -> dict[str, int]:
        """The counters of link protection, and the one of frames that cannot be read."""
        client = self.guest.client
        counts = {str(name): getattr(client.stats, name) for name in ProtectDrop}
        return counts | {str(ClientDrop.TX_PROTECT_UNPARSED): client.drops[ClientDrop.TX_PROTECT_UNPARSED]}

    def _check(self, chain: Chain) -> Chain:
        self._permitted = self.protection.check(chain)
        return self._permitted

    def _sniffer(self, station: Station) -> Recorder:
        recorder = Recorder()
        station.client.promisc_add(PromiscType.ALL, recorder)
        return recorder

    def _take(self) -> list[bytes]:
        places = (self.switch.wire, self.neighbour, self.guest, *self.sniffers)
        return [frame for place in places for frame in place.take()]

    def _expect_delivery(self, message: Message, seen: list[bytes]) -> None:
        lost = sum(count for _, count in self.told)
        if not lost and not self.guest.client.vid:
            assert seen[: message.frames] == finished([message]), "a frame that passes goes on as it is"
