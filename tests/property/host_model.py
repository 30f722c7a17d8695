"""What a host with etherstubs, overlays and VNICs is, in a few words: links, what lies over what, and who gets a frame.

The model knows no ids, no files, no services and no kernel. It says of a command how it ends and what it says, and of a frame who gets
it. An error is the text after "dladm: "; an empty one is success. `peer` is another host, on which each virtual network has one VNIC,
which gets every frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

EXISTS: Final = "object already exists"
NOT_FOUND: Final = "object not found"
BUSY: Final = "link busy"
INVALID: Final = "invalid argument"
FAILED: Final = "operation failed"
ON_TEMPORARY: Final = "can't create persistent object on top of temporary object"
MAC_IN_USE: Final = "MAC address is already in use"
MTUS: Final = {"etherstub": 9000, "overlay": 1400}
MTU_MOST: Final = {"etherstub": 9000, "overlay": 8900}
"""A VNIC's is that of the link it lies over."""
MTU_LEAST: Final = 576
GROUP: Final = "ff:ff:ff:ff:ff:ff"
PEER_MAC: Final = "2:8:20:0:0:99"


@dataclass
class Link:
    """`saved` links come back at boot, `active` ones are there now; `saved_mtu` is set then. `over` is a name, that of no link if the link
    has been deleted below a VNIC that was not active."""

    name: str
    kind: str
    saved: bool
    mtu: int
    over: str = ""
    active: bool = True
    saved_mtu: int | None = None
    mac: str = ""
    vnetid: int = 0


@dataclass
class Model:
    links: dict[str, Link] = field(default_factory=dict)

    # ------------------------------------------------------------------ what can be seen

    def shown(self) -> list[tuple[str, str, int, str]]:
        """Name, class, MTU and what it lies over, of the active links."""
        return sorted((one.name, one.kind, one.mtu, one.over) for one in self.links.values() if one.active)

    def stored(self) -> list[tuple[str, str, str]]:
        """Name, class and what it lies over, of those that come back at boot."""
        return sorted((one.name, one.kind, one.over) for one in self.links.values() if one.saved)

    def addresses(self) -> list[tuple[str, str]]:
        """Name and MAC address of the active VNICs."""
        return sorted((one.name, one.mac) for one in self._active("vnic"))

    def overlays(self) -> list[tuple[str, int]]:
        """Name and virtual network of the active overlays."""
        return sorted((one.name, one.vnetid) for one in self._active("overlay"))

    def _active(self, kind: str) -> list[Link]:
        return [one for one in self.links.values() if one.active and one.kind == kind]

    def _above(self, link: Link) -> list[Link]:
        """The active VNICs over a link."""
        return [one for one in self._active("vnic") if one.over == link.name]

    # ------------------------------------------------------------------ commands

    def create_etherstub(self, name: str, *, temporary: bool) -> str:
        if name in self.links:
            return f"etherstub creation failed: {EXISTS}"
        self.links[name] = Link(name, "etherstub", not temporary, MTUS["etherstub"])
        return ""

    def create_overlay(self, name: str, vnetid: int, *, temporary: bool) -> str:
        if name in self.links or any(one.vnetid == vnetid for one in self._active("overlay")):
            return f"overlay creation failed: {EXISTS}"
        self.links[name] = Link(name, "overlay", not temporary, MTUS["overlay"], vnetid=vnetid)
        return ""

    def create_vnic(self, name: str, lower: str, mac: str, *, temporary: bool) -> str:
        over = self.links.get(lower)
        if over is None:
            return f"invalid link name '{lower}'"
        failed = f"vnic creation over {lower} failed: "
        if not temporary and not over.saved:
            return failed + ON_TEMPORARY
        if over.kind == "vnic":
            return failed + INVALID
        if name in self.links:
            return failed + EXISTS
        refused = self._refused(over, mac)
        if refused:
            return failed + refused
        self.links[name] = Link(name, "vnic", not temporary, over.mtu, lower, mac=mac)
        return ""

    def _refused(self, over: Link, mac: str) -> str:
        """Why no VNIC with that address can come up over a link."""
        if not over.active:
            return NOT_FOUND
        if over.kind == "vnic":
            return INVALID
        return MAC_IN_USE if any(one.mac == mac for one in self._above(over)) else ""

    def delete_vnic(self, name: str, *, temporary: bool) -> str:
        return self._delete_vnic(name, "a vnic", "etherstub", temporary=temporary)

    def delete_etherstub(self, name: str, *, temporary: bool) -> str:
        return self._delete_vnic(name, "an etherstub", "vnic", temporary=temporary)

    def _delete_vnic(self, name: str, what: str, refused: str, *, temporary: bool) -> str:
        link = self.links.get(name)
        if link is None:
            return f"invalid link name '{name}'"
        if link.kind == refused:
            return f"'{name}' is not {what}"
        failed = "vnic deletion failed: "
        if link.kind == "overlay":
            return failed + INVALID
        return self._delete(link, failed, temporary=temporary)

    def delete_overlay(self, name: str, *, temporary: bool) -> str:
        link = self.links.get(name)
        failed = f"failed to delete {name}: "
        if link is None:
            return failed + NOT_FOUND
        if link.kind != "overlay":
            return failed + INVALID
        return self._delete(link, failed, temporary=temporary)

    def _delete(self, link: Link, failed: str, *, temporary: bool) -> str:
        if temporary and not link.active:
            return failed + NOT_FOUND
        if self._above(link):
            return failed + BUSY
        link.active = False
        if not (temporary and link.saved):
            del self.links[link.name]
        return ""

    def rename(self, old: str, new: str) -> str:
        failed = "rename operation failed: "
        if old not in self.links:
            return failed + NOT_FOUND
        if new in self.links:
            return failed + EXISTS
        for one in self.links.values():
            if one.over == old:
                one.over = new
        link = self.links.pop(old)
        link.name = new
        self.links[new] = link
        return ""

    def set_mtu(self, name: str, mtu: int, *, temporary: bool) -> str:
        link = self.links.get(name)
        if link is None:
            return f"link {name} is not valid: {NOT_FOUND}"
        failed = f"warning: cannot set link property 'mtu' on '{name}': "
        if not link.active:
            return "warning: invalid link property 'mtu'"
        if mtu not in range(MTU_LEAST, self._mtu_most(link) + 1):
            return failed + INVALID
        if any(one.mtu > mtu for one in self._above(link)):
            return failed + BUSY
        link.mtu = mtu
        if link.saved and not temporary:
            link.saved_mtu = mtu
        return ""

    def _mtu_most(self, link: Link) -> int:
        return self.links[link.over].mtu if link.kind == "vnic" else MTU_MOST[link.kind]

    def up_vnic(self, name: str) -> str:
        link = self.links.get(name)
        failed = f"could not bring up vnic '{name}': "
        if link is None or not link.saved:
            return failed + NOT_FOUND
        if link.kind == "overlay":
            return failed + FAILED
        refused = self._up(link)
        return failed + refused if refused else ""

    def _up(self, link: Link) -> str:
        """Bring a stored link up; why it does not come up."""
        if link.kind == "vnic":
            over = self.links.get(link.over)
            if over is None:
                return NOT_FOUND
            if link.active:
                return EXISTS
            refused = self._refused(over, link.mac)
            if refused:
                return refused
        if link.active:
            return EXISTS
        if link.saved_mtu is not None and link.saved_mtu > self._mtu_most(link):
            return INVALID
        link.active = True
        link.mtu = link.saved_mtu or (self.links[link.over].mtu if link.kind == "vnic" else MTUS[link.kind])
        return ""

    def reboot(self) -> None:
        """Temporary links are gone, stored ones are as they were stored; what cannot come up stays down."""
        self.links = {name: one for name, one in self.links.items() if one.saved}
        for link in self.links.values():
            link.active = False
        for kind in ("overlay", "etherstub", "vnic"):
            for link in self.links.values():
                if link.kind == kind:
                    self._up(link)

    # ------------------------------------------------------------------ frames

    def reached(self, sender: Link, to: str) -> list[str]:
        """Who gets a frame of a VNIC: VNICs of this host, the sender itself if it has that address, and `peer`."""
        over = self.links[sender.over]
        clients = self._above(over)
        here = [] if len(clients) == 1 else [one.name for one in clients if to == one.mac]
        if to == GROUP:
            here = [one.name for one in clients if one is not sender]
        outside = over.kind == "overlay" and (to == GROUP or not here)
        return sorted(here + (["peer"] if outside else []))

    def reached_from_peer(self, vnetid: int, to: str) -> list[str]:
        """The same for a frame that the peer sends. A VNIC that is alone gets every frame."""
        for over in self._active("overlay"):
            if over.vnetid == vnetid:
                clients = self._above(over)
                return sorted(one.name for one in clients if to in {one.mac, GROUP} or len(clients) == 1)
        return []
