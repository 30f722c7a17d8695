"""Where the values of link properties are kept, and how they are read and changed there (DLM 5.6).

Most are with the mac layer under a number of their own (`Number`, `Zone`, `Addresses`, `Count`, `Unsupported`), those of bandwidth, CPUs
and protection together in one structure (`linkprop_resource.Resource`), one only in datalink.conf (`Stored`).
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dladm.libdladm import macprop
from dladm.libdladm.handle import Dladm
from dladm.libdladm.propvalue import secondary_macs, zone
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.codec import PropRange, PropValue
from kernel_sim.sys.dld import MacProp, MacPropFlag, MacPropPerm
from kernel_sim.sys.errno import Errno, KernelError

Texts = tuple[str, ...]
Undo = Callable[[], None]


class Answers:
    """What the kernel and datalink.conf say of one link; each thing is asked for once."""

    def __init__(self, handle: Dladm, linkid: int) -> None:
        self.handle = handle
        self.linkid = linkid
        self._values: dict[tuple[MacProp, MacPropFlag], tuple[PropValue, MacPropPerm] | DladmError] = {}
        self._stored: Mapping[str, Texts] | None = None

    def value(self, num: MacProp, flags: MacPropFlag = MacPropFlag.CURRENT) -> tuple[PropValue, MacPropPerm]:
        """A property of the mac layer, and what may be done with it. Errors: `DladmError` NOTFOUND, NOTSUP."""
        key = (num, flags)
        if key not in self._values:
            try:
                self._values[key] = macprop.ask(self.handle, self.linkid, num, flags)
            except DladmError as error:
                self._values[key] = error
        found = self._values[key]
        if isinstance(found, DladmError):
            raise DladmError(found.status)
        return found

    def possible(self, num: MacProp) -> PropRange:
        """What a property of the mac layer may be. Errors: `DladmError` NOTFOUND, NOTSUP."""
        return macprop.possible(self.handle, self.linkid, num)

    def stored(self, name: str) -> Texts:
        """The values in datalink.conf. Errors: `DladmError` NOTFOUND: there are none."""
        if self._stored is None:
            self._stored = stored_values(self.handle, self.linkid)
        if name not in self._stored:
            raise DladmError(Status.NOTFOUND)
        return self._stored[name]


def stored_values(handle: Dladm, linkid: int) -> dict[str, Texts]:
    """Everything on a link's line, attributes of other kinds too; nothing for a link without one. Errors: `DladmError`."""
    try:
        return {key: split(value.text) for key, value in handle.dlmgmt.read_conf(linkid).items()}
    except KernelError as error:
        if error.errno == Errno.ENOENT:
            return {}
        raise DladmError.of(error) from error


def split(text: str) -> Texts:
    """The values of a stored text; empty ones vanish."""
    return tuple(value for value in text.split(",") if value)


@dataclass(slots=True, frozen=True)
class Shown:
    """A current value as texts, none when nothing is set, and what may be done with it."""

    texts: Texts
    perm: MacPropPerm


class Kept(abc.ABC):
    """One place. Every method raises `DladmError`: NOTSUP for what the link does not support, NOTFOUND for a link that is down."""

    @abc.abstractmethod
    def read(self, answers: Answers) -> Shown:
        """The current value."""

    def default(self, _answers: Answers) -> Texts:
        """The default where it depends on the link. NOTSUP: there is none."""
        raise DladmError(Status.NOTSUP)

    def possible(self, _answers: Answers) -> Texts:
        """What it may be where that depends on the link. NOTSUP: nobody knows."""
        raise DladmError(Status.NOTSUP)

    def write(self, _handle: Dladm, _linkid: int, _values: Sequence[str] | None) -> Undo:
        """Set it, or with None give it its default again; returns what takes that back. Also BADVAL, BADVALCNT, BADARG …"""
        raise DladmError(Status.PROPRDONLY)


@dataclass(slots=True, frozen=True)
class Number(Kept):
    """A number with the mac layer. Without `reset` its default is the kernel's."""

    num: MacProp
    parse: Callable[[Sequence[str]], int]
    format: Callable[[int], Texts]
    reset: int | None = None

    def read(self, answers: Answers) -> Shown:
        value, perm = answers.value(self.num)
        assert isinstance(value, int)
        return Shown(self.format(value), perm)

    def default(self, answers: Answers) -> Texts:
        value, _perm = answers.value(self.num, MacPropFlag.DEFAULT)
        assert isinstance(value, int)
        return self.format(value)

    def possible(self, answers: Answers) -> Texts:
        found = answers.possible(self.num)
        return tuple(str(low) if low == high else f"{low}-{high}" for low, high in found.ranges)

    def write(self, handle: Dladm, linkid: int, values: Sequence[str] | None) -> Undo:
        before, _perm = macprop.ask(handle, linkid, self.num)
        wanted = self._default_of(handle, linkid) if values is None else self.parse(values)
        return _put(handle, linkid, self.num, int(wanted), before)

    def _default_of(self, handle: Dladm, linkid: int) -> int:
        if self.reset is not None:
            return self.reset
        value, perm = macprop.ask(handle, linkid, self.num, MacPropFlag.DEFAULT)
        if perm != MacPropPerm.RW:
            raise DladmError(Status.NOTSUP)
        assert isinstance(value, int)
        return value


@dataclass(slots=True, frozen=True)
class Count(Kept):
    """A number of the mac layer that can only be read, such as how many rings are free."""

    num: MacProp
    format: Callable[[int], Texts]

    def read(self, answers: Answers) -> Shown:
        value, _perm = answers.value(self.num)
        assert isinstance(value, int)
        return Shown(self.format(value), MacPropPerm.READ)


class Zone(Kept):
    """The zone that a link is lent to: the kernel moves its TAP, dlmgmtd notes whose it is."""

    def read(self, answers: Answers) -> Shown:
        value, perm = answers.value(MacProp.ZONE)
        return Shown(zone.format(str(value)), perm)

    def write(self, handle: Dladm, linkid: int, values: Sequence[str] | None) -> Undo:
        wanted = "" if values is None else zone.parse(values)
        before = str(macprop.get(handle, linkid, MacProp.ZONE))
        try:
            macprop.set(handle, linkid, MacProp.ZONE, wanted)
        except KernelError as error:
            raise DladmError(Status.BADVAL) if error.errno == Errno.ENOENT else DladmError.of(error) from error

        def move_back() -> None:
            macprop.set(handle, linkid, MacProp.ZONE, before)

        try:
            handle.dlmgmt.set_zone(linkid, wanted)
        except KernelError as error:
            move_back()
            raise DladmError.of(error) from error

        def undo() -> None:
            move_back()
            handle.dlmgmt.set_zone(linkid, before)

        return undo


class Addresses(Kept):
    """The secondary addresses of a VNIC."""

    def read(self, answers: Answers) -> Shown:
        value, perm = answers.value(MacProp.SECONDARY_ADDRS)
        assert isinstance(value, tuple)
        return Shown(secondary_macs.format(value), perm)

    def write(self, handle: Dladm, linkid: int, values: Sequence[str] | None) -> Undo:
        wanted = () if values is None else secondary_macs.parse(values)
        before = macprop.get(handle, linkid, MacProp.SECONDARY_ADDRS)
        return _put(handle, linkid, MacProp.SECONDARY_ADDRS, wanted, before)


@dataclass(slots=True, frozen=True)
class Stored(Kept):
    """A property that nothing but datalink.conf has (illumos: what a bridge reads from there)."""

    name: str
    usual: str
    parse: Callable[[Sequence[str]], object]

    def read(self, answers: Answers) -> Shown:
        try:
            return Shown(answers.stored(self.name), MacPropPerm.RW)
        except DladmError:
            return Shown((self.usual,), MacPropPerm.RW)

    def write(self, _handle: Dladm, _linkid: int, values: Sequence[str] | None) -> Undo:
        if values is not None:
            self.parse(values)
        return _nothing


@dataclass(slots=True, frozen=True)
class Unsupported(Kept):
    """A property that no link here has; its values are judged all the same."""

    parse: Callable[[Sequence[str]], object]

    def read(self, _answers: Answers) -> Shown:
        raise DladmError(Status.NOTSUP)

    def write(self, _handle: Dladm, _linkid: int, values: Sequence[str] | None) -> Undo:
        if values is not None:
            self.parse(values)
        raise DladmError(Status.NOTSUP)


def _put(handle: Dladm, linkid: int, num: MacProp, wanted: PropValue, before: PropValue) -> Undo:
    try:
        macprop.set(handle, linkid, num, wanted)
    except KernelError as error:
        raise DladmError.of(error) from error
    return lambda: macprop.set(handle, linkid, num, before)


def _nothing() -> None:
    pass
