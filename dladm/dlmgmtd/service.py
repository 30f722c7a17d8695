"""Answering requests: every change goes to the files, the kernel and the table together, or to none of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from dladm.dlmgmtd.active import GLOBAL, ActiveCache
from dladm.dlmgmtd.datalink_conf import Attributes, LinkFile
from dladm.dlmgmtd.names import KernelNames, phys_names
from dladm.dlmgmtd.protocol import (
    OPERATIONS,
    WALK_BATCH,
    ConfType,
    ConfValue,
    LinkInfo,
    Op,
    Request,
    decode_attrs,
    decode_type,
    encode_attrs,
)
from dladm.dlmgmtd.store import Rename, Store
from dladm.dlmgmtd.table import Change, LinkTable
from dladm.libdladm.linkname import is_valid
from kernel_sim.dev.log import Log
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

CLASS: Final = "class"
MEDIA: Final = "media"
LINKOVER: Final = "linkover"
_BASE: Final = (CLASS, MEDIA)


class LinkService:
    """The links of a host: what dlmgmtd does between its door and its files."""

    def __init__(self, store: Store, kernel: KernelNames, log: Log) -> None:
        self.table = LinkTable()
        self.boot = ""
        """Link ids are this boot's; the next one gives them anew."""
        self._store = store
        self._kernel = kernel
        self._log = log
        self._cache = ActiveCache()
        self._followed = LinkFile()
        self._left_out: set[str] = set()
        self._handlers: Mapping[Op, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            Op.CREATE_LINKID: self._create_linkid,
            Op.DESTROY_LINKID: self._destroy_linkid,
            Op.UP_LINKID: self._up_linkid,
            Op.RENAME: self._rename,
            Op.SET_ZONE: self._set_zone,
            Op.LINKID2INFO: lambda fields: self.table.get(fields["linkid"]).to_json(),
            Op.NAME2INFO: lambda fields: self.table.find(fields["name"]).to_json(),
            Op.WALK: self._walk,
            Op.READ_CONF: self._read_conf,
            Op.CREATE_CONF: self._create_conf,
            Op.SET_CONF_FIELD: self._set_conf_field,
            Op.UNSET_CONF_FIELD: self._unset_conf_field,
            Op.REMOVE_CONF: self._remove_conf,
        }

    def handle(self, request: Request, *, privileged: bool) -> dict[str, Any]:
        """Do a request; the fields of its reply.

        Errors: ESTALE the request is of an earlier boot of the host; EACCES without the privilege; those of the operation.
        """
        if request.boot and request.boot != self.boot:
            raise KernelError(Errno.ESTALE, "the host has booted again; link ids of before name other links now")
        shape = OPERATIONS[request.op]
        if shape.privileged and not privileged:
            raise KernelError(Errno.EACCES, f"{request.op} takes the privilege to configure data links")
        if shape.follows_file:
            self._follow_file()
        return self._handlers[request.op](request.fields)

    # ------------------------------------------------------------------ start

    def load(self) -> None:
        """Learn what there is: what the kernel has, its physical links, datalink.conf; then tell the kernel all names.

        A name in the kernel that has neither device nor line was pushed for a client that never got its answer: it is taken back. A
        rename that was under way is done to its end when datalink.conf has it.
        """
        self._prepare_store()
        self._finish_rename()
        self._followed = self._store.read_conf()
        stored = self._stored_links(self._followed)
        phys = phys_names(self._kernel.phys())
        known = sorted(self._kernel.pushed(), key=lambda link: (not self._kernel.has_device(link), link.linkid))
        for link in known:
            flags = self._flags_of(link, stored, has_phys=link.name in phys)
            if flags and not self.table.has_name(link.name):
                self.table.adopt(LinkInfo(link.linkid, link.name, link.link_class, link.media, flags, link.zone))
            else:
                self._kernel.clear(link.linkid)
        self.follow_phys(reserved=stored)
        for name, (link_class, media) in stored.items():
            if not self.table.has_name(name):
                self.table.apply(self.table.create(name, link_class, media, DatalinkFlag.PERSIST))
        for link in self.table:
            self._kernel.push(link)
            self._cache.apply(Change(None, link))
        self._write_cache()

    def _prepare_store(self) -> None:
        """A disk that refuses does not keep the daemon from serving; without a name of the boot no request is of another one."""
        try:
            self._store.clear_remains()
            self.boot = self._store.boot()
        except KernelError as error:
            self._log.warning("remains of an earlier daemon may be there, or this boot has no name", reason=str(error))

    def _finish_rename(self) -> None:
        """Tell the kernel of a rename that reached datalink.conf only; where it refuses, the file is taken back."""
        rename = self._store.read_rename()
        if rename is None:
            return
        file = self._store.read_conf()
        found = [one for one in self._kernel.pushed() if (one.linkid, one.name) == (rename.linkid, rename.old)]
        if found and file.get(rename.new) is not None and file.get(rename.old) is None:
            try:
                self._kernel.push(replace(found[0], name=rename.new))
            except KernelError as error:
                self._log.warning("a rename is taken back", link=rename.old, new=rename.new, reason=str(error))
                self._store.write_conf(file.rename(rename.new, rename.old, LINKOVER))
        self._end_rename()

    def _end_rename(self) -> None:
        """A note that stays matches no link's name any more, and the next one takes its place."""
        try:
            self._store.end_rename()
        except KernelError as error:
            self._log.warning("the note of a rename that has ended stays", reason=str(error))

    def _follow_file(self) -> None:
        """Take up the links that somebody has written into datalink.conf, so that no new link gets the name, and the line, of one."""
        try:
            file = self._store.read_conf()
        except KernelError as error:  # who needs it is told
            self._log.warning("datalink.conf is not followed", reason=str(error))
            return
        if file is self._followed:
            return
        self._followed = file
        for name, (link_class, media) in self._stored_links(file).items():
            try:
                if not self.table.has_name(name):
                    self._commit(self.table.create(name, link_class, media, DatalinkFlag.PERSIST))
                    continue
                link = self.table.find(name)
                if link.link_class == link_class and link.link_class is not DatalinkClass.PHYS:
                    self._commit(self.table.flagged(link.linkid, DatalinkFlag.PERSIST))
            except KernelError as error:
                self._log.warning("a link of datalink.conf is left out", link=name, reason=str(error))

    def _flags_of(self, link: LinkInfo, stored: Mapping[str, tuple[int, int]], *, has_phys: bool) -> DatalinkFlag:
        is_phys = link.link_class is DatalinkClass.PHYS
        active = has_phys if is_phys else self._kernel.has_device(link)
        persistent = not is_phys and stored.get(link.name, (0, 0))[0] == link.link_class
        return (DatalinkFlag.ACTIVE if active else DatalinkFlag.NONE) | (
            DatalinkFlag.PERSIST if persistent else DatalinkFlag.NONE
        )

    def _stored_links(self, file: LinkFile) -> dict[str, tuple[int, int]]:
        """Class and media of each link of datalink.conf; lines that are no link's are reported and left alone (DLM-Q44)."""
        for problem in file.problems:
            self._log.warning(f"datalink.conf {problem}; the line is kept and ignored", line=problem.line)
        found: dict[str, tuple[int, int]] = {}
        for entry in file.entries():
            try:
                if not is_valid(entry.name):
                    raise KernelError(Errno.EINVAL, f"invalid link name '{entry.name}'")
                found[entry.name] = (_class_of(entry.attributes), _number(entry.attributes, MEDIA))
            except KernelError as error:
                line = file.line_number(entry.name)
                text = f"datalink.conf line {line}: {error.detail}; the line is kept and ignored"
                self._log.warning(text, line=line)
        return found

    def follow_phys(self, reserved: Mapping[str, object] | None = None) -> int:
        """Give ids to physical links that came, in ifindex order, and take back those of links that went.

        Names in `reserved` belong to stored links. Returns the generation seen.
        """
        found = self._kernel.phys()
        names = phys_names(found)
        for link in list(self.table.walk(DatalinkClass.PHYS, DatalinkFlag.ACTIVE)):
            if link.name not in names:
                self._commit(self.table.unflagged(link.linkid, DatalinkFlag.ACTIVE))
                self._log.info("physical link went", link=link.name, linkid=link.linkid)
        for name in names:
            taken = self.table.has_name(name)
            if taken and self.table.find(name).link_class is DatalinkClass.PHYS:
                continue
            try:
                if taken or name in (reserved or {}):
                    raise KernelError(Errno.EEXIST, "another link has this name")
                self._commit(self.table.create(name, DatalinkClass.PHYS, DL_ETHER, DatalinkFlag.ACTIVE))
            except KernelError as error:
                if name not in self._left_out:
                    self._log.warning("a physical link is left out", link=name, reason=str(error))
                self._left_out.add(name)
        self._left_out &= names.keys()
        return found.generation

    # ------------------------------------------------------------------ ids and names

    def _create_linkid(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        if fields["class"] == DatalinkClass.PHYS:
            raise KernelError(Errno.EINVAL, "physical links are the machine's and cannot be created")
        change = self.table.create(fields["name"], fields["class"], fields["media"], fields["flags"])
        self._commit(change)
        assert change.after is not None
        return {"linkid": change.after.linkid}

    def _destroy_linkid(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        link = self._own(fields["linkid"])
        change = self.table.unflagged(link.linkid, fields["flags"])
        file = self._store.read_conf()
        running = self._kernel.has_device(link)
        if change.after is None and running:  # before the line goes: a daemon that dies now cannot bring it back
            raise KernelError(Errno.EBUSY, f"link {link.name} exists")
        forgets = fields["flags"] & DatalinkFlag.PERSIST and DatalinkFlag.PERSIST in link.flags
        try:
            self._commit(change, file.remove(link.name) if forgets else file)
        except KernelError:
            if (
                forgets and not running and DatalinkFlag.ACTIVE in link.flags
            ):  # the line stays; the device has gone all the same
                with contextlib.suppress(KernelError):
                    self._commit(self.table.unflagged(link.linkid, DatalinkFlag.ACTIVE))
            raise
        return {}

    def _up_linkid(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        link = self._own(fields["linkid"])
        if DatalinkFlag.ACTIVE in link.flags:
            raise KernelError(Errno.EINVAL, f"link {link.name} is active already")
        self._commit(self.table.flagged(link.linkid, DatalinkFlag.ACTIVE))
        return {}

    def _rename(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        link = self._own(fields["linkid"])
        change = self.table.renamed(link.linkid, fields["name"])
        before = self._store.read_conf()
        file = before.rename(link.name, fields["name"], LINKOVER)
        if file == before:
            self._commit(change)
            return {}
        self._store.begin_rename(Rename(link.linkid, link.name, fields["name"]))
        try:
            self._commit(change, file)
        finally:
            self._end_rename()
        return {}

    def _set_zone(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        zone = "" if fields["zone"] == GLOBAL else fields["zone"]
        self._commit(self.table.zoned(self._own(fields["linkid"]).linkid, zone))
        return {}

    def _walk(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        most = min(max(fields["most"], 1), WALK_BATCH)
        walk = self.table.walk(fields["classes"], fields["flags"], fields["after"])
        found = list(islice(walk, most + 1))
        return {"links": [link.to_json() for link in found[:most]], "more": len(found) > most}

    # ------------------------------------------------------------------ stored configuration

    def _read_conf(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        attributes = self._stored(self._store.read_conf(), self.table.get(fields["linkid"]))
        return {"attrs": encode_attrs({key: value for key, value in attributes.items() if key not in _BASE})}

    def _create_conf(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        link = self._own(fields["linkid"])
        if (fields["name"], fields["class"], fields["media"]) != (link.name, link.link_class, link.media):
            raise KernelError(Errno.EINVAL, f"link {link.linkid} is {link.name} of class {link.link_class.label}")
        attributes = decode_attrs(fields["attrs"])
        lower = attributes.get(LINKOVER)
        if lower is not None and not self.table.has_name(lower.text):  # renamed or deleted since the client looked
            raise KernelError(Errno.ENOENT, f"no link is called {lower.text}; {link.name} cannot be stored over it")
        self._write_line(link, self._store.read_conf(), attributes)
        return {}

    def _set_conf_field(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        link = self._own(fields["linkid"])
        file = self._store.read_conf()
        value = ConfValue(decode_type(fields["type"]), fields["text"])
        self._write_line(link, file, {**(file.get(link.name) or {}), fields["key"]: value})
        return {}

    def _unset_conf_field(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        link = self._own(fields["linkid"])
        file = self._store.read_conf()
        attributes = self._stored(file, link)
        if fields["key"] in attributes:
            left = {key: value for key, value in attributes.items() if key != fields["key"]}
            self._write_line(link, file, left)
        return {}

    def _remove_conf(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        link = self._own(fields["linkid"])
        file = self._store.read_conf()
        self._stored(file, link)
        self._write_conf(file.remove(link.name))
        return {}

    def _write_line(self, link: LinkInfo, file: LinkFile, attributes: Attributes) -> None:
        base = {CLASS: ConfValue.of_int(link.link_class), MEDIA: ConfValue.of_int(link.media)}
        rest = {key: value for key, value in attributes.items() if key not in _BASE}
        self._commit(self.table.flagged(link.linkid, DatalinkFlag.PERSIST), file.put(link.name, {**base, **rest}))

    def _stored(self, file: LinkFile, link: LinkInfo) -> Attributes:
        found = file.get(link.name)
        if found is None:
            raise KernelError(Errno.ENOENT, f"nothing is stored for link {link.name}")
        return found

    def _own(self, linkid: int) -> LinkInfo:
        """A link that may be changed. Errors: ENOENT; EINVAL for a physical one, which belongs to the machine."""
        link = self.table.get(linkid)
        if link.link_class is DatalinkClass.PHYS:
            raise KernelError(Errno.EINVAL, f"{link.name} is a physical link and belongs to the machine")
        return link

    # ------------------------------------------------------------------ all or nothing

    def _commit(self, change: Change, file: LinkFile | None = None) -> None:
        """Bring file, kernel and table to the state after a change; what failed half-way is taken back before the error goes out."""
        before = self._followed
        with contextlib.ExitStack() as undo:
            if file is not None and file is not before:
                self._write_conf(file)
                undo.callback(self._undo, lambda: self._write_conf(before))
            if change.before != change.after:
                undo.callback(self._undo, lambda: self._tell(change.reverse))
                self._tell(change)
                self.table.apply(change)
            undo.pop_all()
        if self._cache.apply(change):
            self._write_cache()

    def _write_conf(self, file: LinkFile) -> None:
        self._store.write_conf(file)
        self._followed = file

    def _tell(self, change: Change) -> None:
        if change.after is not None:
            self._kernel.push(change.after)
        elif change.before is not None:
            self._kernel.clear(change.before.linkid)

    def _undo(self, step: Callable[[], None]) -> None:
        try:
            step()
        except KernelError as error:
            self._log.error("a change that failed could not be taken back", reason=str(error))

    def _write_cache(self) -> None:
        """The cache repeats what the kernel knows, so that a change does not fail for it; the next one writes it whole."""
        try:
            self._store.write_cache(self._cache.render())
        except KernelError as error:
            self._log.warning("the cache of active links is not up to date", reason=str(error))


def _class_of(attributes: Attributes) -> DatalinkClass:
    number = _number(attributes, CLASS)
    try:
        return DatalinkClass(number)
    except ValueError as error:
        raise KernelError(Errno.EINVAL, f"{number} is no link class") from error


def _number(attributes: Attributes, key: str) -> int:
    value = attributes.get(key)
    if value is None or value.type is not ConfType.INT:
        raise KernelError(Errno.EINVAL, f"it has no {key}")
    return value.number()
