"""Instance ids, and the instances by id and by link (VPD 1.2, 1.7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError, VarpdPanic

ID_MIN: Final = 1
ID_MAX: Final = 2**31 - 2
"""Largest instance id; the original's limit INT32_MAX is itself not handed out."""


class IdSpace:
    """Ids from `first` to `last`, handed out next-fit: each larger than the one before, then from the start again."""

    def __init__(self, first: int = ID_MIN, last: int = ID_MAX) -> None:
        self._first = first
        self._last = last
        self._next = first
        self._used: set[int] = set()

    def allocate(self) -> int:
        """An id nobody has (VPD-I1). `VarpdPanic` when there is none left."""
        if len(self._used) > self._last - self._first:
            raise VarpdPanic("out of instance ids")
        while self._next in self._used:
            self._advance()
        found = self._next
        self._used.add(found)
        self._advance()
        return found

    def claim(self, wanted: int) -> None:
        """Take that very id; the order of `allocate` goes on as it was. Errors: EINVAL out of range, or taken (VPD-B53)."""
        if not self._first <= wanted <= self._last:
            raise VarpdError(Errno.EINVAL, f"instance id {wanted} is not within {self._first}..{self._last}")
        if wanted in self._used:
            raise VarpdError(Errno.EINVAL, f"instance id {wanted} is taken")
        self._used.add(wanted)

    def free(self, given: int) -> None:
        """Give an id back."""
        self._used.remove(given)

    def _advance(self) -> None:
        self._next = self._first if self._next == self._last else self._next + 1


class Keyed(Protocol):
    """What the table keeps: something with an id and a link."""

    @property
    def id(self) -> int: ...
    @property
    def linkid(self) -> int: ...


_T = TypeVar("_T", bound=Keyed)


class InstanceTable(Generic[_T]):
    """Instances by id and by link; both always hold the same ones (VPD-I2), in the order they came."""

    def __init__(self) -> None:
        self._by_id: dict[int, _T] = {}
        self._by_link: dict[int, _T] = {}

    def add(self, instance: _T) -> None:
        """Errors: EEXIST the link has an instance (VPD-I3, VPD-Q1)."""
        if instance.linkid in self._by_link:
            raise VarpdError(Errno.EEXIST, f"link {instance.linkid} has an instance")
        assert instance.id not in self._by_id, "ids come from the id space"
        self._by_id[instance.id] = instance
        self._by_link[instance.linkid] = instance

    def remove(self, instance: _T) -> None:
        """Take out of both."""
        del self._by_id[instance.id]
        del self._by_link[instance.linkid]

    def get(self, instance: int) -> _T | None:
        """The instance of that id, if there is one."""
        return self._by_id.get(instance)

    def find(self, instance: int) -> _T:
        """The instance of that id. Errors: ENOENT."""
        if instance not in self._by_id:
            raise VarpdError(Errno.ENOENT, f"no instance {instance}")
        return self._by_id[instance]

    def by_link(self, linkid: int) -> _T:
        """The instance of a link. Errors: ENOENT."""
        if linkid not in self._by_link:
            raise VarpdError(Errno.ENOENT, f"link {linkid} has no instance")
        return self._by_link[linkid]

    def has_link(self, linkid: int) -> bool:
        """Whether the link has an instance."""
        return linkid in self._by_link

    def __iter__(self) -> Iterator[_T]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)
