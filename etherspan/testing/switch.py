"""A lower MAC to test with: its wire records what is sent, its stations what they receive.

    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    a.send(frame)
    assert b.take() == [frame] and switch.wire.take() == []

`take` gives finished frames: runs cut, checksums filled in.
"""

from __future__ import annotations

from collections.abc import Iterable

from etherspan.testing.memory import MemoryClock, MemoryRandom
from kernel_sim.ddi import LinkId
from kernel_sim.mac import hw_emul
from kernel_sim.mac.client import MacClient
from kernel_sim.mac.mac import Mac, MacLayer
from kernel_sim.mac.provider import MacRegistration
from kernel_sim.sys.dld import DatalinkClass, LinkState
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.message import Chain, Message


def finished(messages: Iterable[Message]) -> list[bytes]:
    """The frames that messages stand for, checksums filled in."""
    return [bytes(frame) for message in messages for frame in hw_emul.cut(message)]


def messages(frames: Iterable[Message | bytes]) -> Chain:
    """A chain of messages from messages and plain frames."""
    return [Message(one) if isinstance(one, bytes) else one for one in frames]


class Recorder:
    """Keeps the messages it is called with."""

    def __init__(self) -> None:
        self.seen: Chain = []

    def __call__(self, chain: Chain) -> None:
        self.seen += chain

    def take(self) -> list[bytes]:
        """The frames since the last call."""
        seen, self.seen = self.seen, []
        return finished(seen)


class Wire(Recorder):
    """A provider. `refuses`, when set, is what its start fails with; `calls` are its starts, stops and MTU changes."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: KernelError | None = None
        self.calls: list[str] = []

    def start(self) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def tx(self, chain: Chain) -> None:
        assert self.calls[-1] != "stop", "transmit on a stopped MAC"
        self(chain)

    def set_mtu(self, mtu: int) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.calls.append(f"mtu {mtu}")


class Station(Recorder):
    """A client and its consumer."""

    def __init__(self, client: MacClient) -> None:
        super().__init__()
        self.client = client
        client.set_receive(self)

    def send(self, *frames: Message | bytes) -> None:
        """Let the consumer send frames and runs, in one chain."""
        self.client.transmit(messages(frames))


class Switch:
    """A MAC on a wire, up, with MTUs of 576..9000, at first 1500."""

    def __init__(self, *, margin: int = 4, address: bytes = bytes(6), state: LinkState = LinkState.UP) -> None:
        self.clock = MemoryClock()
        self.layer = MacLayer(MemoryRandom(), self.clock)
        self.wire = Wire()
        self.mac: Mac = self.layer.register(
            MacRegistration(
                linkid=LinkId(1),
                provider=self.wire,
                link_class=DatalinkClass.OVERLAY,
                max_sdu=1500,
                mtu_min=576,
                mtu_max=9000,
                mtu_default=1400,
                margin=margin,
                address=address,
                link_state=state,
            )
        )

    def attach(self, address: bytes, vid: int = 0, *, all_multicast: bool = False) -> Station:
        """A new active client."""
        client = self.mac.open_client(f"client{len(self.mac.clients)}")
        client.all_multicast = all_multicast
        client.add_unicast(address, vid)
        return Station(client)

    def receive(self, *frames: Message | bytes) -> None:
        """Let frames come from the wire, in one chain."""
        self.mac.receive(messages(frames))
