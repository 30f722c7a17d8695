"""Link names and ids in memory (DLM 6.1). Pure.

Ids start at 1; the next one is one past the last given, skipping those in use and wrapping, so that a freed id is not used again
soon. Names are unique over the host: a link lent to a zone keeps its name.

Every change is planned first (`create`, `flagged`, `unflagged`, `renamed`, `zoned` give a `Change` and touch nothing) and applied when
the files and the kernel have it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from dladm.dlmgmtd.protocol import ALL_FLAGS, LinkInfo
from dladm.libdladm.linkname import is_valid
from kernel_sim.sys.dld import DATALINK_INVALID_LINKID, DATALINK_MAX_LINKID, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError


@dataclass(slots=True, frozen=True)
class Change:
    """What happens to one link: None before, it comes; None after, it goes."""

    before: LinkInfo | None
    after: LinkInfo | None

    @property
    def linkid(self) -> int:
        """The link's id."""
        link = self.after or self.before
        assert link is not None, "a change of nothing"
        return link.linkid

    @property
    def reverse(self) -> Change:
        """The change back."""
        return Change(self.after, self.before)


class LinkTable:
    """All links of a host, by id and by name."""

    def __init__(self, last: int = 0, highest: int = DATALINK_MAX_LINKID) -> None:
        self._links: dict[int, LinkInfo] = {}
        self._ids: dict[str, int] = {}
        self._order: list[int] = []
        self._last = last
        self._highest = highest

    # ------------------------------------------------------------------ asking

    def get(self, linkid: int) -> LinkInfo:
        """A link by id. Errors: ENOENT."""
        found = self._links.get(linkid)
        if found is None:
            raise KernelError(Errno.ENOENT, f"no link has the id {linkid}")
        return found

    def find(self, name: str) -> LinkInfo:
        """A link by name. Errors: ENOENT."""
        linkid = self._ids.get(name)
        if linkid is None:
            raise KernelError(Errno.ENOENT, f"no link is called {name}")
        return self._links[linkid]

    def has_name(self, name: str) -> bool:
        return name in self._ids

    def walk(self, class_mask: int, flags_mask: int, after: int = 0) -> Iterator[LinkInfo]:
        """Links of these classes that have any of these flags, by ascending id, from past the id `after`."""
        for linkid in self._order[bisect_right(self._order, after) :]:
            link = self._links[linkid]
            if int(link.link_class) & class_mask and int(link.flags) & flags_mask:  # enum's own & takes microseconds
                yield link

    def __iter__(self) -> Iterator[LinkInfo]:
        return (self._links[linkid] for linkid in list(self._order))

    def __len__(self) -> int:
        return len(self._links)

    # ------------------------------------------------------------------ planning

    def create(self, name: str, link_class: int, media: int, flags: int) -> Change:
        """A new link with the next id. Errors: EINVAL name, class or flags; EEXIST name taken; ENOSPC no id left."""
        self._check_name(name)
        wanted = check_flags(flags)
        try:
            known = DatalinkClass(link_class)
        except ValueError as error:
            raise KernelError(Errno.EINVAL, f"{link_class} is no link class") from error
        return Change(None, LinkInfo(self._next_id(), name, known, media, wanted))

    def flagged(self, linkid: int, flags: int) -> Change:
        """A link gets flags. Errors: ENOENT."""
        link = self.get(linkid)
        return Change(link, replace(link, flags=link.flags | check_flags(flags)))

    def unflagged(self, linkid: int, flags: int) -> Change:
        """A link loses flags, and goes with the last one. Errors: ENOENT no such link, or it has none of these."""
        link = self.get(linkid)
        lost = check_flags(flags)
        if not link.flags & lost:
            raise KernelError(Errno.ENOENT, f"link {link.name} is not {_words(lost)}")
        left = link.flags & ~lost
        return Change(link, replace(link, flags=left) if left else None)

    def renamed(self, linkid: int, name: str) -> Change:
        """A link gets another name. Errors: ENOENT, EINVAL, EEXIST."""
        link = self.get(linkid)
        self._check_name(name)
        return Change(link, replace(link, name=name))

    def zoned(self, linkid: int, zone: str) -> Change:
        """A link is lent to a zone, "" gives it back. Errors: ENOENT."""
        link = self.get(linkid)
        return Change(link, replace(link, zone=zone))

    # ------------------------------------------------------------------ doing

    def apply(self, change: Change) -> None:
        """Do what was planned."""
        if change.before is not None:
            assert self._links.get(change.before.linkid) == change.before, "planned on what is no longer so"
            del self._links[change.before.linkid]
            del self._ids[change.before.name]
            del self._order[bisect_right(self._order, change.before.linkid) - 1]
        if change.after is not None:
            assert change.after.linkid not in self._links
            assert change.after.name not in self._ids
            self._links[change.after.linkid] = change.after
            self._ids[change.after.name] = change.after.linkid
            insort(self._order, change.after.linkid)
            if change.before is None:
                self._last = change.after.linkid

    def adopt(self, link: LinkInfo) -> None:
        """Take a link over with the id it has; the next id is not affected (a restart begins to count at 1 again)."""
        last = self._last
        self.apply(Change(None, link))
        self._last = last

    def _check_name(self, name: str) -> None:
        if not is_valid(name):
            raise KernelError(Errno.EINVAL, f"invalid link name '{name}'")
        if name in self._ids:
            raise KernelError(Errno.EEXIST, f"link {name} exists")

    def _next_id(self) -> int:
        linkid = self._last
        for _ in range(len(self._links) + 1):
            linkid = linkid + 1 if DATALINK_INVALID_LINKID <= linkid < self._highest else 1
            if linkid not in self._links:
                return linkid
        raise KernelError(Errno.ENOSPC, "no link id is free")


def check_flags(flags: int) -> DatalinkFlag:
    """ACTIVE, PERSIST or both. Errors: EINVAL."""
    if not flags or flags & ~int(ALL_FLAGS):
        raise KernelError(Errno.EINVAL, f"link flags {flags:#x}")
    return DatalinkFlag(flags)


def _words(flags: DatalinkFlag) -> str:
    return " or ".join(word for flag, word in _FLAG_WORDS.items() if flag in flags)


_FLAG_WORDS: Final = {DatalinkFlag.ACTIVE: "active", DatalinkFlag.PERSIST: "persistent"}
