"""The link naming layer: which name, class and zone a link id has, and which MAC stands behind it.

dlmgmtd gives out ids and names, and pushes them here before anybody can use them; the kernel never asks (an id that was not pushed
is ENOENT). A MAC becomes a link when it is added under a pushed id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kernel_sim.ddi import LinkId
from kernel_sim.mac.mac import Mac
from kernel_sim.sys.dld import DATALINK_INVALID_LINKID, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError


@dataclass(slots=True, frozen=True)
class LinkName:
    """What dlmgmtd said about a link id. `zone` is "" for the global zone."""

    linkid: LinkId
    name: str
    link_class: DatalinkClass
    flags: DatalinkFlag = DatalinkFlag.NONE
    zone: str = ""


Renamed = Callable[[LinkName], None]


class DlsTable:
    """Names and links by id. `generation` changes whenever a link comes, goes or is renamed; `now` tells monotonic seconds."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self.generation = 0
        self._now = now
        self._created: dict[LinkId, float] = {}
        self._names: dict[LinkId, LinkName] = {}
        self._links: dict[LinkId, Mac] = {}
        self._holds: dict[LinkId, int] = {}
        self._listeners: list[Renamed] = []

    # ------------------------------------------------------------------ names, pushed from outside

    def set_name(self, linkid: int, link_class: int, flags: int, name: str, zone: str = "") -> None:
        """Name an id, or change what is said about it; listeners hear of a changed name. Errors: EINVAL id 0, class, no name."""
        if linkid == DATALINK_INVALID_LINKID or not name:
            raise KernelError(Errno.EINVAL, f"link id {linkid} cannot have the name {name!r}")
        try:
            known_class = DatalinkClass(link_class)
        except ValueError as error:
            raise KernelError(Errno.EINVAL, f"link class {link_class:#x}") from error
        key = LinkId(linkid)
        before = self._names.get(key)
        after = self._names[key] = LinkName(key, name, known_class, DatalinkFlag(flags), zone)
        if before is not None and before.name != name:
            self.generation += 1
            for listener in self._listeners:
                listener(after)

    def clear_name(self, linkid: int) -> None:
        """Forget an id. Errors: ENOENT; EBUSY while a link has it."""
        found = self.info(linkid)
        if found.linkid in self._links:
            raise KernelError(Errno.EBUSY, f"link {found.name} exists")
        del self._names[found.linkid]

    def info(self, linkid: int) -> LinkName:
        """What was pushed for an id. Errors: ENOENT."""
        found = self._names.get(LinkId(linkid))
        if found is None:
            raise KernelError(Errno.ENOENT, f"link id {linkid} has no name")
        return found

    def name(self, linkid: int) -> str:
        """The name of an id. Errors: ENOENT."""
        return self.info(linkid).name

    def names(self) -> list[LinkName]:
        """Everything that was pushed, by ascending id."""
        return [self._names[linkid] for linkid in sorted(self._names)]

    def subscribe(self, listener: Renamed) -> None:
        """Be told of each link whose name changes, with the new one."""
        self._listeners.append(listener)

    # ------------------------------------------------------------------ links

    def add(self, linkid: int, mac: Mac) -> None:
        """Make a MAC the link of an id. Errors: EEXIST the id has a link; ENOENT it has no name."""
        key = LinkId(linkid)
        if key in self._links:
            raise KernelError(Errno.EEXIST, f"link {self.name(linkid)} exists")
        self.info(linkid)
        self._links[key] = mac
        self._created[key] = self._now()
        self.generation += 1

    def remove(self, linkid: int) -> None:
        """Take a MAC's link away; its name stays. Errors: ENOENT; EBUSY while somebody holds it."""
        self.mac(linkid)
        key = LinkId(linkid)
        if self._holds.get(key):
            raise KernelError(Errno.EBUSY, f"link {self.name(linkid)} is held open")
        del self._links[key]
        del self._created[key]
        self.generation += 1

    def has(self, mac: Mac, linkid: LinkId) -> bool:
        """True while that MAC is the link of that id."""
        return self._links.get(linkid) is mac

    def created(self, linkid: LinkId) -> float:
        """When a link was added, in monotonic seconds. Errors: ENOENT."""
        self.mac(linkid)
        return self._created[linkid]

    def mac(self, linkid: int) -> Mac:
        """The MAC of a link. Errors: ENOENT; ENOTSUP for a physical link, which belongs to the machine."""
        found = self._links.get(LinkId(linkid))
        if found is not None:
            return found
        name = self.info(linkid)
        if name.link_class is DatalinkClass.PHYS:
            raise KernelError(Errno.ENOTSUP, f"{name.name} is a physical link")
        raise KernelError(Errno.ENOENT, f"link {name.name} does not exist")

    def links(self) -> Iterator[tuple[LinkName, Mac]]:
        """All links with their MACs, in the order they were added."""
        return ((self._names[linkid], mac) for linkid, mac in self._links.items())

    def hold(self, linkid: int) -> None:
        """Keep a link from being removed. Errors: ENOENT."""
        self.mac(linkid)
        key = LinkId(linkid)
        self._holds[key] = self._holds.get(key, 0) + 1

    def release(self, linkid: int) -> None:
        """Give a hold back."""
        key = LinkId(linkid)
        self._holds[key] -= 1
        if not self._holds[key]:
            del self._holds[key]
