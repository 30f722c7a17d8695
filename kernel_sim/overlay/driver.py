"""The overlay driver: its devices, and the control ioctls on /dev/dld (KRN 1.6 to 1.8).

Each method named after an ioctl takes the argument's bytes and returns what goes back, b"" for those that return nothing; `delete`
may have to wait, and is given the reply to call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kernel_sim.ddi import LinkId, Underlay
from kernel_sim.dld import Reply
from kernel_sim.dls import DlsTable
from kernel_sim.mac.mac import Mac, MacLayer
from kernel_sim.mac.provider import MacRegistration
from kernel_sim.overlay.device import OverlayDevice
from kernel_sim.overlay.drops import DeviceDrop, DropCounters
from kernel_sim.overlay.fm import FaultManager, Impact
from kernel_sim.overlay.mux import ORIGINAL, MuxTable
from kernel_sim.overlay.plugin import EncapInstance, EncapPlugin, PluginFlag, PluginRegistry
from kernel_sim.overlay.properties import Properties, vnetid_max
from kernel_sim.sys.codec import (
    OverlayCreate,
    OverlayLink,
    OverlayNprops,
    OverlayProp,
    OverlayPropinfo,
    OverlayStatus,
)
from kernel_sim.sys.dld import MAXLINKNAMELEN, DatalinkClass
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import VLAN_TAG_LEN, ZERO_MAC
from kernel_sim.sys.overlay import OVERLAY_MTU_DEFAULT, OVERLAY_MTU_MAX, OVERLAY_MTU_MIN, OverlayStatusCode
from kernel_sim.sys.tunables import Tunables


class OverlayDriver:
    """All overlays, in the order they were created."""

    def __init__(
        self,
        *,
        maclayer: MacLayer,
        links: DlsTable,
        underlay: Underlay,
        plugins: PluginRegistry,
        report: Callable[[Impact], None] | None = None,
        tunables: Tunables = ORIGINAL,
    ) -> None:
        self.plugins = plugins
        self.faults = FaultManager(report)
        self.muxes = MuxTable(underlay, maclayer.watch, tunables)
        self.deleted = DropCounters(DeviceDrop)
        self.tunables = tunables
        self._maclayer = maclayer
        self._links = links
        self._devices: dict[int, OverlayDevice] = {}
        self._properties = Properties(plugins, self._vnetid_taken)

    def __iter__(self) -> Iterator[OverlayDevice]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)

    def find(self, linkid: int) -> OverlayDevice:
        """The overlay of a link id. Errors: ENOENT."""
        device = self._devices.get(linkid)
        if device is None:
            raise KernelError(Errno.ENOENT, f"link {linkid} is not an overlay")
        return device

    def close(self) -> None:
        """The kernel goes: every socket is closed, whoever still uses the MAC above it."""
        for device in self:
            if device.in_mux:
                device.stop()

    # ------------------------------------------------------------------ ioctls

    def create(self, argument: bytes) -> bytes:
        """OVERLAY_IOC_CREATE.

        Errors, in this order: EINVAL bad encapsulation name; ENOENT no such plugin; EINVAL its init failed, vnetid too large;
        EEXIST the link is an overlay, or one with that plugin and vnetid exists; those of MAC registration; EEXIST the id names
        a link, ENOENT the id has no name.
        """
        wanted = OverlayCreate.unpack(argument)
        plugin = self.plugins.hold(_checked_encap(wanted.encap))
        try:
            self._create(LinkId(wanted.linkid), wanted.vnetid, plugin)
        except BaseException:
            self.plugins.release(plugin)
            raise
        return b""

    def delete(self, argument: bytes, reply: Reply) -> None:
        """OVERLAY_IOC_DELETE. It answers when no lookup of the overlay is outstanding any more, within a second (KRN-Q9).

        Link id and vnetid are free at once. Errors: ENOENT; EBUSY in use; those of un-naming the link and of the mac layer, undone.
        """
        device = self.find(OverlayLink.unpack(argument).linkid)
        if device.in_mux:
            raise KernelError(Errno.EBUSY, f"overlay {device.linkid} is in use: delete the VNICs on it first")
        self._links.remove(device.linkid)
        try:
            device.mac.unregister()
        except KernelError:
            self._links.add(device.linkid, device.mac)
            raise
        del self._devices[device.linkid]
        self.faults.restore(device.fault)  # KRN-Q29

        def gone() -> None:
            self.deleted.include(device.drops)
            self.plugins.release(device.plugin)
            reply(0, b"")

        device.release(gone)

    def activate(self, argument: bytes) -> bytes:
        """OVERLAY_IOC_ACTIVATE. Errors: ENOENT; EEXIST active; EINVAL a required property is unset; ENXIO not associated."""
        device = self.find(OverlayLink.unpack(argument).linkid)
        if device.active:
            raise KernelError(Errno.EEXIST, f"overlay {device.linkid} is active already")
        self._properties.check_required(device)
        if not device.associated:
            raise KernelError(Errno.ENXIO, f"overlay {device.linkid} has no varpd instance")
        device.activate()
        return b""

    def nprops(self, argument: bytes) -> bytes:
        """OVERLAY_IOC_NPROPS. Errors: ENOENT."""
        asked = OverlayNprops.unpack(argument)
        return OverlayNprops(asked.linkid, self._properties.count(self.find(asked.linkid))).pack()

    def propinfo(self, argument: bytes) -> bytes:
        """OVERLAY_IOC_PROPINFO. Errors: ENOENT link or name; EINVAL id; those of the plugin."""
        asked = OverlayPropinfo.unpack_request(argument)
        prop, name, info = self._properties.info(self.find(asked.linkid), asked.id, asked.name)
        return OverlayPropinfo(asked.linkid, prop, name, info.type, info.perm, info.default, info.poss).pack()

    def getprop(self, argument: bytes) -> bytes:
        """OVERLAY_IOC_GETPROP. Errors: ENOENT link, or name that is no generic property; EINVAL id; those of the plugin."""
        asked = OverlayProp.unpack_request(argument)
        value = self._properties.get(self.find(asked.linkid), asked.id, asked.name)
        return OverlayProp(asked.linkid, asked.id, asked.name, value).pack()

    def setprop(self, argument: bytes) -> bytes:
        """OVERLAY_IOC_SETPROP. Errors: EINVAL size; ENOENT link; ENOTSUP active; then as GETPROP; EPERM read-only; the setter's."""
        wanted = OverlayProp.unpack(argument)
        self._properties.set(self.find(wanted.linkid), wanted.id, wanted.name, wanted.value)
        return b""

    def status(self, argument: bytes) -> bytes:
        """OVERLAY_IOC_STATUS. Errors: ENOENT."""
        linkid = OverlayStatus.unpack(argument).linkid
        message = self.find(linkid).fault.message
        if message is None:
            return OverlayStatus(linkid, OverlayStatusCode.OK).pack()
        return OverlayStatus(linkid, OverlayStatusCode.DEGRADED, message).pack()

    # ------------------------------------------------------------------ inside

    def _create(self, linkid: LinkId, vnetid: int, plugin: EncapPlugin) -> None:
        instance = _init(plugin)
        try:
            self._check_new(linkid, vnetid, plugin)
            device = OverlayDevice(linkid, vnetid, plugin, instance, self.muxes, self._maclayer.watch, self.tunables)
            device.mac = self._register(device)
        except BaseException:
            instance.fini()
            raise
        self._devices[linkid] = device

    def _check_new(self, linkid: LinkId, vnetid: int, plugin: EncapPlugin) -> None:
        if vnetid > vnetid_max(plugin):
            raise KernelError(Errno.EINVAL, f"vnetid {vnetid} is not within 0..{vnetid_max(plugin)}")
        if linkid in self._devices:
            raise KernelError(Errno.EEXIST, f"link {linkid} is an overlay already")
        if self._vnetid_taken(plugin, vnetid):
            raise KernelError(Errno.EEXIST, f"another {plugin.name} overlay has vnetid {vnetid}")

    def _register(self, device: OverlayDevice) -> Mac:
        """Make the device a link, or leave nothing behind."""
        mac = self._maclayer.register(
            MacRegistration(
                linkid=device.linkid,
                provider=device,
                max_sdu=OVERLAY_MTU_DEFAULT,
                mtu_min=OVERLAY_MTU_MIN,
                mtu_max=OVERLAY_MTU_MAX,
                mtu_default=OVERLAY_MTU_DEFAULT,
                margin=VLAN_TAG_LEN if device.plugin.flags & PluginFlag.VLAN else 0,
                address=ZERO_MAC,
                link_class=DatalinkClass.OVERLAY,
                drop_counts=device.drops.counts.items,
                wire_path=device.wire_path,
            )
        )
        try:
            self._links.add(device.linkid, mac)
        except KernelError:
            mac.unregister()
            raise
        return mac

    def _vnetid_taken(self, plugin: EncapPlugin, vnetid: int) -> bool:
        return any(device.vnetid == vnetid and device.plugin is plugin for device in self)


def _init(plugin: EncapPlugin) -> EncapInstance:
    try:
        return plugin.init()
    except KernelError as error:  # KRN-Q31: there is no instance to finish
        raise KernelError(Errno.EINVAL, f"encapsulation {plugin.name}: {error}") from error


def _checked_encap(name: str) -> str:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise KernelError(Errno.EINVAL, "the encapsulation's name is not UTF-8") from error
    if not 0 < size < MAXLINKNAMELEN or "/" in name:
        raise KernelError(Errno.EINVAL, f"{name!r} cannot be the name of an encapsulation")
    return name
