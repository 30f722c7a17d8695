"""Link properties: reading and setting them, and bringing back those that are stored (DLM 5.6).

A property that is set on a persistent link is in force at once and on the link's line in datalink.conf, or neither. `linkprop_table` has
the properties, `linkprop_kept` and `linkprop_resource` know where each is kept, `propvalue` knows the syntax of the values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dladm.libdladm import linkprop_resource
from dladm.libdladm.handle import Dladm
from dladm.libdladm.linkprop_kept import Answers, Shown, Texts, Undo, split, stored_values
from dladm.libdladm.linkprop_table import TABLE, LinkProperty, find, of_class
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkClass, DatalinkFlag, MacPropPerm
from kernel_sim.sys.errno import Errno, KernelError

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo

__all__ = [
    "TABLE",
    "Answers",
    "LinkProperty",
    "apply_stored",
    "current",
    "default",
    "find",
    "init",
    "init_all",
    "of_class",
    "permission",
    "possible",
    "reset",
    "set",
    "split_line",
    "stored",
]


def current(answers: Answers, prop: LinkProperty) -> Texts:
    """The values that are in force, none when the property is not set. Errors: `DladmError`: NOTSUP, NOTFOUND (the link is down)."""
    return prop.kept.read(answers).texts


def permission(answers: Answers, prop: LinkProperty) -> MacPropPerm:
    """What may be done with a property of this link. Errors: as `current`, for one that can be written."""
    return _read(answers, prop).perm if prop.writable else MacPropPerm.READ


def _read(answers: Answers, prop: LinkProperty) -> Shown:
    return prop.kept.read(answers)


def default(answers: Answers, prop: LinkProperty) -> Texts:
    """The default values. Errors: `DladmError` NOTSUP for a property without."""
    return (prop.default,) if prop.default else prop.kept.default(answers)


def possible(answers: Answers, prop: LinkProperty) -> Texts:
    """The words or ranges that a value may be. Errors: `DladmError` NOTSUP where there is no list."""
    return prop.possible or prop.kept.possible(answers)


def stored(answers: Answers, prop: LinkProperty) -> Texts:
    """The values in datalink.conf. Errors: `DladmError`: NOTFOUND, TEMPONLY for a property that is never stored."""
    if prop.temporary:
        raise DladmError(Status.TEMPONLY)
    return answers.stored(prop.name)


def set(  # noqa: A001 - the original's word
    handle: Dladm, linkid: int, name: str, values: Sequence[str], *, persistent: bool = True
) -> None:
    """Set a property, and store it for a persistent link unless `persistent` is false.

    Errors: `DladmError`: NOTFOUND (no such property, or the link is down), BADARG (not one of this class of links, or a value that is
    not allowed), TEMPONLY (never stored), PERMONLY (only stored), PROPRDONLY, BADVAL, BADVALCNT, LINKBUSY, DENIED …
    """
    if not values:
        raise DladmError(Status.BADARG)
    _change(handle, linkid, find(name), tuple(values), persistent=persistent)


def reset(handle: Dladm, linkid: int, name: str, *, persistent: bool = True) -> None:
    """Give a property its default again, and forget the stored value of a persistent link unless `persistent` is false.

    Errors: as for `set`; NOTSUP for a property without a default.
    """
    _change(handle, linkid, find(name), None, persistent=persistent)


def _change(handle: Dladm, linkid: int, prop: LinkProperty, values: Texts | None, *, persistent: bool) -> None:
    info = _info(handle, linkid)
    keeps = persistent and DatalinkFlag.PERSIST in info.flags
    if not prop.classes & info.link_class:
        raise DladmError(Status.BADARG)
    if prop.temporary and keeps:
        raise DladmError(Status.TEMPONLY)
    if not prop.writable or info.link_class is DatalinkClass.PHYS:
        raise DladmError(Status.PROPRDONLY)
    undo = prop.kept.write(handle, linkid, values)
    if prop.stored and not persistent:
        raise DladmError(Status.PERMONLY)
    if keeps:
        _store(handle, linkid, prop.name, values, undo)


def _info(handle: Dladm, linkid: int) -> LinkInfo:
    try:
        return handle.dlmgmt.linkid2info(linkid)
    except KernelError as error:
        raise DladmError.of(error) from error


def _store(handle: Dladm, linkid: int, name: str, values: Texts | None, undo: Undo) -> None:
    from dladm.dlmgmtd.client import ConfValue

    try:
        if values is None:
            handle.dlmgmt.unset_conf_field(linkid, name)
        else:
            handle.dlmgmt.set_conf_field(linkid, name, ConfValue.of_string(",".join(values)))
    except KernelError as error:
        if values is None and error.errno == Errno.ENOENT:
            return  # nothing was stored
        handle.note(f"{name} of link {linkid} cannot be stored: {error}")
        try:
            undo()
        except KernelError as second:
            handle.note(f"{name} of link {linkid} keeps its new value: {second}")
        raise DladmError.of(error) from error


def apply_stored(handle: Dladm, linkid: int, link_class: int, line: Mapping[str, Texts]) -> None:
    """Give a link that has just come up the properties on its line: those of the resource structure together, then the others.

    Attributes that are no link properties are passed over. Errors: `DladmError`, those of the first property that cannot be set.
    """
    props = [prop for prop in of_class(link_class) if line.get(prop.name) and prop.writable and not prop.temporary]
    wanted = linkprop_resource.collect((prop.name, line[prop.name]) for prop in props)
    if wanted is not None:
        linkprop_resource.put(handle, linkid, wanted)
    for prop in props:
        if prop.name not in linkprop_resource.ORDER:
            prop.kept.write(handle, linkid, line[prop.name])


def init(handle: Dladm, linkid: int) -> None:
    """Set again what is stored for a link. A property that cannot be set keeps no other from being set.

    Errors: `DladmError`: NOTFOUND no such link; else that of the last property that failed.
    """
    link_class = _info(handle, linkid).link_class
    failure = None
    for name, values in stored_values(handle, linkid).items():
        try:
            apply_stored(handle, linkid, link_class, {name: values})
        except DladmError as error:
            handle.note(f"stored {name} of link {linkid}: {error.status.text}")
            failure = error
    if failure is not None:
        raise failure


def init_all(handle: Dladm) -> None:
    """Set again what is stored for all links except VNICs, which get theirs when they come up; failures are noted only."""
    for link in handle.dlmgmt.walk(DATALINK_CLASS_ALL & ~DatalinkClass.VNIC, DatalinkFlag.PERSIST):
        if DatalinkFlag.ACTIVE in link.flags:
            with contextlib.suppress(DladmError):
                init(handle, link.linkid)


def split_line(properties: Mapping[str, str]) -> dict[str, Texts]:
    """Stored texts as values, for `apply_stored`."""
    return {name: split(text) for name, text in properties.items()}
