"""One overlay: a MAC provider whose wire is a UDP socket (KRN 1.1 to 1.5).

              CREATE            ASSOCIATE             ACTIVATE
     (none) ---------> inactive ---------> VARPD ---------> ACTIVATED, link up
                                                             |   ^
                                          first MAC user: start   last MAC user gone: stop
                                                             v   |
                                                            IN_MUX, socket open, traffic

Disassociating clears VARPD and nothing else: traffic flows on with the target there was. There is no way back from ACTIVATED.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

from kernel_sim.ddi import LinkId, ReceivePath, UnderlaySocket
from kernel_sim.mac import hw_emul
from kernel_sim.mac.mac import Mac
from kernel_sim.mac.provider import WirePath
from kernel_sim.mac.watch import DropWatch
from kernel_sim.overlay.drops import DeviceDrop, DropCounters
from kernel_sim.overlay.fm import Fault
from kernel_sim.overlay.mux import ORIGINAL, Mux, MuxTable
from kernel_sim.overlay.plugin import EncapInstance, EncapPlugin
from kernel_sim.overlay.target import Target
from kernel_sim.overlay.transmit import Transmitter
from kernel_sim.sys.dld import LinkState
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ETHER_HDR_LEN, ETHERADDRL
from kernel_sim.sys.message import Chain, Message
from kernel_sim.sys.overlay import OVERLAY_MTU_DEFAULT, OVERLAY_MTU_MAX, OVERLAY_MTU_MIN
from kernel_sim.sys.tunables import Tunables


class DeviceFlag(enum.IntFlag):
    """Flags of a device, with the values of KRN 1.2. Those of threads inside tx and rx do not exist on one loop; of the
    others, degradation is kept in `OverlayDevice.fault`.
    """

    NONE = 0
    ACTIVATED = 0x01
    IN_MUX = 0x02
    VARPD = 0x20


class OverlayDevice:
    """An overlay device. The driver sets `mac` right after registering it."""

    def __init__(
        self,
        linkid: LinkId,
        vnetid: int,
        plugin: EncapPlugin,
        instance: EncapInstance,
        muxes: MuxTable,
        watch: DropWatch | None = None,
        tunables: Tunables = ORIGINAL,
    ) -> None:
        self.linkid = linkid
        self.vnetid = vnetid
        self.plugin = plugin
        self.instance = instance
        self.flags = DeviceFlag.NONE
        self.target: Target | None = None
        self.fault = Fault()
        self.drops = DropCounters(DeviceDrop, watch, linkid)
        self.mac: Mac
        self._mtu = OVERLAY_MTU_DEFAULT
        self._mac_check = tunables.overlay_mac_check
        self._muxes = muxes
        self._socket: tuple[Mux, UnderlaySocket] | None = None
        self._transmitter: Transmitter | None = None

    @property
    def active(self) -> bool:
        """ACTIVATE succeeded."""
        return bool(self.flags & DeviceFlag.ACTIVATED)

    @property
    def in_mux(self) -> bool:
        """Started: it holds a socket."""
        return bool(self.flags & DeviceFlag.IN_MUX)

    @property
    def associated(self) -> bool:
        """Between ASSOCIATE and DISASSOCIATE."""
        return bool(self.flags & DeviceFlag.VARPD)

    # ------------------------------------------------------------------ what the mac layer calls

    def start(self) -> None:
        """First user of the MAC: open or share the socket.

        Errors: EAGAIN not activated, what the plugin says about its socket (vxlan: EINVAL no listen address), what opening it
        gives (EADDRNOTAVAIL, EADDRINUSE, EEXIST another encapsulation has it …).
        """
        if not self.active:
            raise KernelError(Errno.EAGAIN, f"overlay {self.linkid} is not activated")
        mux, socket = self._muxes.open(self.plugin, self.instance.socket())
        mux.add(self)
        self._socket = mux, socket
        self.flags |= DeviceFlag.IN_MUX
        self._prepare()

    def stop(self) -> None:
        """Last user of the MAC is gone: leave the mux. Nothing moves while this runs, so there is nothing to drain."""
        assert self._socket is not None
        mux, _ = self._socket
        mux.remove(self)
        self._socket = self._transmitter = None
        self.flags &= ~DeviceFlag.IN_MUX
        self._muxes.close(mux)

    def tx(self, chain: Chain) -> None:
        """Consume a chain: every frame is sent, parked or dropped by name."""
        if self._transmitter is None:
            self.drops.drop(DeviceDrop.TX_NOT_STARTED, chain)
        else:
            self._transmitter.send(chain)

    def wire_path(self, message: Message) -> WirePath | None:
        """See `mac.provider.WirePath`."""
        return self._transmitter.path(message) if self._transmitter is not None else None

    def receive_path(self, frame: memoryview) -> ReceivePath | None:
        """See `ddi.ReceivePaths`."""
        if self._mac_check:
            return None
        found = self.mac.receive_path(bytes(frame[:ETHERADDRL]))
        return None if found is None else ReceivePath(found[0], self._mtu, found[1])

    def set_mtu(self, mtu: int) -> None:
        """Record an MTU the mac layer wants. Errors: EINVAL outside 576..8900."""
        if not OVERLAY_MTU_MIN <= mtu <= OVERLAY_MTU_MAX:
            raise KernelError(Errno.EINVAL, f"MTU {mtu} is not within {OVERLAY_MTU_MIN}..{OVERLAY_MTU_MAX}")
        self._mtu = mtu

    # ------------------------------------------------------------------ what the mux and /dev/overlay call

    def receive(self, frames: Sequence[memoryview], segment: int = 0) -> None:
        """Frames from the wire, in order. They are not validated here (KRN 3)."""
        if self._mac_check:
            frames = self._not_ours(frames)
        self.mac.receive(hw_emul.receive(frames, self._mtu, segment))

    def _not_ours(self, frames: Sequence[memoryview]) -> Sequence[memoryview]:
        """The frames that do not come in the name of one of our VNICs."""
        ours = {client.address for client in self.mac.active_clients}
        passed = [frame for frame in frames if bytes(frame[ETHERADDRL : 2 * ETHERADDRL]) not in ours]
        if len(passed) < len(frames):
            lost = [frame for frame in frames if bytes(frame[ETHERADDRL : 2 * ETHERADDRL]) in ours]
            self.drops.drop_frames(DeviceDrop.RX_LOCAL_MAC, lost)
        return passed

    def admits(self, source: bytes, frames: Sequence[memoryview]) -> bool:
        """See `mux.Receiver`. A sender nobody has named is asked for by the MAC address it sends from, and is heard once it is named."""
        if self.target is not None and self.target.named(source):
            return True
        self.drops.drop_frames(DeviceDrop.RX_SOURCE, frames)
        if self.target is not None and frames and len(frames[0]) >= ETHER_HDR_LEN:
            first = frames[0]
            self.target.identify(bytes(first[ETHERADDRL : 2 * ETHERADDRL]), bytes(first[:ETHERADDRL]))
        return False

    def inject(self, frame: bytes) -> None:
        """A frame from varpd, as if just received; the device need not be started (KRN 2.7)."""
        self.mac.receive([Message(frame)])

    def resend(self, frame: bytes) -> None:
        """A frame from varpd into the transmit routine, with a lookup of its own (KRN-Q38: its fate is not told)."""
        self.tx([Message(frame)])

    def activate(self) -> None:
        """The device may be used from now on, and its link is up for ever."""
        self.flags |= DeviceFlag.ACTIVATED
        self.mac.link_update(LinkState.UP)

    def associate(self, target: Target) -> None:
        """Install a target in place of any other, which hands on what it has parked (KRN-Q18)."""
        released = self.target.retire(target) if self.target is not None else []
        self.target = target
        self.flags |= DeviceFlag.VARPD
        self._prepare()
        if released:
            self.tx(released)

    def disassociate(self) -> None:
        """Forget varpd's instance; the target stays in use."""
        self.flags &= ~DeviceFlag.VARPD

    def release(self, gone: Callable[[], None]) -> None:
        """The device is deleted: let go of target and plugin instance, and call back when that is done, within a second."""

        def released() -> None:
            self.instance.fini()
            gone()

        if self.target is None:
            released()
        else:
            self.target.teardown(released)

    def _prepare(self) -> None:
        """Work out again what is the same for every frame; called after each change of socket or target."""
        if self._socket is not None and self.target is not None:
            self._transmitter = Transmitter(*self._socket, self.plugin, self.vnetid, self.target, self.drops)
