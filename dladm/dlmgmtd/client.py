"""The client of dlmgmtd's door: link names, ids and stored configuration.

    with Dlmgmt(system) as dlmgmt:
        linkid = dlmgmt.create_linkid("ov0", DatalinkClass.OVERLAY, DL_ETHER)

Every method raises `KernelError`: EACCES without the datalink-config privilege, ENOENT for a link that is not there (and when the host
is not up), EINVAL for a name or an argument that is not allowed.

A daemon that dies while it has a request leaves everything as it was before or as it was to be, and its successor knows which. So a
request whose answer did not come is made again, and one that turns out to be done is content with that: a command does not fail
because the daemon was killed under it. It does fail when the host has booted again meanwhile: its link ids are other links' then, and
nothing of it may reach those.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from dladm.dlmgmtd.protocol import (
    ALL_FLAGS,
    BOOT,
    DAEMON,
    OPERATIONS,
    WALK_BATCH,
    ConfType,
    ConfValue,
    LinkInfo,
    Op,
    decode_attrs,
    encode_attrs,
    encode_request,
)
from dladm.doors.client import TRIES, Door, DoorError
from dladm.doors.message import decode_reply
from kernel_sim.dev import paths
from kernel_sim.dev.client import System
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

__all__ = ["ConfType", "ConfValue", "Dlmgmt", "LinkInfo"]


class Dlmgmt:
    """dlmgmtd of one host. The door is opened at the first call.

    Link classes and flags are `DatalinkClass` and `DatalinkFlag`, or masks of them.
    """

    def __init__(self, system: System) -> None:
        self._door = Door(system, paths.DLMGMT_DOOR)
        self._first: object = None
        self._boot = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation; the next call begins another, of whatever boot."""
        self._door.close()
        self._first, self._boot = None, ""

    # ------------------------------------------------------------------ ids and names

    def create_linkid(self, name: str, link_class: int, media: int, flags: int = ALL_FLAGS) -> int:
        """Take the next free id for `name`. PERSIST by itself writes nothing: the line comes with `create_conf`.

        Errors: EEXIST the name is taken; EINVAL bad name, class or flags; ENOSPC no id is free.
        """
        fields = {"name": name, "class": int(link_class), "media": media, "flags": int(flags)}
        return int(self._call(Op.CREATE_LINKID, fields)["linkid"])

    def destroy_linkid(self, linkid: int, flags: int = ALL_FLAGS) -> None:
        """Take flags from a link: with PERSIST its stored line goes, with the last flag the link goes.

        A daemon that was started after its device went has done so by itself: then it is no error that there is nothing to take.

        Errors: ENOENT no such link, or it has none of these flags; EBUSY the kernel still has a device of this id.
        """
        try:
            self._call(Op.DESTROY_LINKID, {"linkid": linkid, "flags": int(flags)})
        except KernelError as error:
            if not _names_nothing(error) or not self._talks_to_another():
                raise

    def up_linkid(self, linkid: int) -> None:
        """Mark a persistent link active, whose device is there. One that is active already stays so: a daemon that was started
        since the device was made has found it.
        """
        try:
            self._call(Op.UP_LINKID, {"linkid": linkid})
        except KernelError as error:
            if error.errno is not Errno.EINVAL or DatalinkFlag.ACTIVE not in self.linkid2info(linkid).flags:
                raise

    def rename(self, linkid: int, name: str) -> None:
        """Give a link another name; stored lines whose `linkover` is the old name follow. Errors: EEXIST, EINVAL."""
        self._call(Op.RENAME, {"linkid": linkid, "name": name})

    def set_zone(self, linkid: int, zone: str) -> None:
        """Record the zone a link is lent to; "" and "global" mean the host itself."""
        self._call(Op.SET_ZONE, {"linkid": linkid, "zone": zone})

    def linkid2info(self, linkid: int) -> LinkInfo:
        """Errors: ENOENT."""
        return LinkInfo.from_json(self._call(Op.LINKID2INFO, {"linkid": linkid}))

    def name2info(self, name: str) -> LinkInfo:
        """Errors: ENOENT."""
        return LinkInfo.from_json(self._call(Op.NAME2INFO, {"name": name}))

    def walk(self, class_mask: int = DATALINK_CLASS_ALL, flags_mask: int = ALL_FLAGS) -> list[LinkInfo]:
        """The links of these classes that have any of these flags, by ascending id."""
        found: list[LinkInfo] = []
        more = True
        while more:
            page, more = self._page(class_mask, flags_mask, after=found[-1].linkid if found else 0)
            found += page
        return found

    def any(self, class_mask: int = DATALINK_CLASS_ALL, flags_mask: int = ALL_FLAGS) -> bool:
        """Whether a walk would find a link; quick however many there are."""
        return bool(self._page(class_mask, flags_mask, most=1)[0])

    def _page(
        self, class_mask: int, flags_mask: int, *, after: int = 0, most: int = WALK_BATCH
    ) -> tuple[list[LinkInfo], bool]:
        fields = {"classes": int(class_mask), "flags": int(flags_mask), "after": after, "most": most}
        reply = self._call(Op.WALK, fields)
        return [LinkInfo.from_json(one) for one in reply["links"]], bool(reply["more"])

    # ------------------------------------------------------------------ stored configuration

    def read_conf(self, linkid: int) -> dict[str, ConfValue]:
        """The stored attributes in their order, without class and media. Errors: ENOENT nothing is stored for this link."""
        return decode_attrs(self._call(Op.READ_CONF, {"linkid": linkid})["attrs"])

    def create_conf(
        self, linkid: int, name: str, link_class: int, media: int, attributes: Mapping[str, ConfValue]
    ) -> None:
        """Store a link's line, in place of one it may have, and make the link persistent. Empty values are not written.

        Errors: EINVAL name and class are not the link's, or a key or value cannot be written; ENOSPC the line would exceed 1023 bytes.
        """
        rows = encode_attrs(attributes)
        fields = {"linkid": linkid, "name": name, "class": int(link_class), "media": media, "attrs": rows}
        self._call(Op.CREATE_CONF, fields)

    def set_conf_field(self, linkid: int, key: str, value: ConfValue) -> None:
        """Store one attribute: a new key at the end of the line, a known one in its place.

        A link without a line gets one, and becomes persistent. Errors: as `create_conf`.
        """
        self._call(Op.SET_CONF_FIELD, {"linkid": linkid, "key": key, "type": value.type, "text": value.text})

    def unset_conf_field(self, linkid: int, key: str) -> None:
        """Forget one attribute; one that is not stored is no error. Errors: ENOENT nothing is stored for this link."""
        self._call(Op.UNSET_CONF_FIELD, {"linkid": linkid, "key": key})

    def remove_conf(self, linkid: int) -> None:
        """Drop the stored line; the flag PERSIST stays until `destroy_linkid`. Errors: ENOENT nothing is stored for this link."""
        self._call(Op.REMOVE_CONF, {"linkid": linkid})

    def _call(self, op: Op, fields: Mapping[str, Any]) -> dict[str, Any]:
        if not OPERATIONS[op].privileged:
            return self._answer(self._door.read(encode_request(op, fields)))
        message = encode_request(op, fields, self._boot)
        for _attempt in range(TRIES - 1):
            try:
                return self._answer(self._door.change(message))
            except KernelError as error:
                if error.errno is not Errno.ECONNRESET:
                    raise
            if self._is_done(op, fields):
                return {}
        return self._answer(self._door.change(message))

    def _answer(self, raw: bytes) -> dict[str, Any]:
        reply = decode_reply(raw)
        if self._first is None:
            self._first = reply.get(DAEMON)
        self._boot = self._boot or str(reply.get(BOOT, ""))
        return reply

    def _talks_to_another(self) -> bool:
        """Whether the daemon is another one than the one that answered first."""
        first = self._first
        fields = {"classes": 0, "flags": 0, "after": 0, "most": 1}
        now: object = self._call(Op.WALK, fields).get(DAEMON)
        return first is not None and now != first

    def _is_done(self, op: Op, fields: Mapping[str, Any]) -> bool:
        """Whether a change without an answer was made, for those that cannot be made twice."""
        match op:
            case Op.DESTROY_LINKID:
                return not self._flags(fields["linkid"]) & int(fields["flags"])
            case Op.RENAME:
                return bool(self._of_this_boot(Op.LINKID2INFO, fields["linkid"])["name"] == fields["name"])
            case Op.REMOVE_CONF:
                return not self._has_line(fields["linkid"])
            case _:
                return False

    def _flags(self, linkid: int) -> int:
        try:
            return int(self._of_this_boot(Op.LINKID2INFO, linkid)["flags"])
        except KernelError as error:
            if not _names_nothing(error):
                raise
            return 0

    def _has_line(self, linkid: int) -> bool:
        try:
            self._of_this_boot(Op.READ_CONF, linkid)
        except KernelError as error:
            if not _names_nothing(error):
                raise
            return False
        return True

    def _of_this_boot(self, op: Op, linkid: int) -> dict[str, Any]:
        """A question about an id. Errors: ESTALE the id is of an earlier boot."""
        return self._answer(self._door.read(encode_request(op, {"linkid": linkid}, self._boot)))


def _names_nothing(error: KernelError) -> bool:
    """The daemon says that there is no such thing. A door that is not there says nothing of the kind."""
    return error.errno is Errno.ENOENT and not isinstance(error, DoorError)
