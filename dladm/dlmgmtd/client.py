"""The client of dlmgmtd's door: link names, ids and stored configuration.

    with Dlmgmt(system) as dlmgmt:
        linkid = dlmgmt.create_linkid("ov0", DatalinkClass.OVERLAY, DL_ETHER)

Every method raises `KernelError`: EACCES without the datalink-config privilege, ENOENT for a link that is not there (and when the host
is not up), EINVAL for a name or an argument that is not allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from dladm.dlmgmtd.protocol import (
    ALL_FLAGS,
    OPERATIONS,
    ConfType,
    ConfValue,
    LinkInfo,
    Op,
    decode_attrs,
    encode_attrs,
    encode_request,
)
from dladm.doors.client import Door
from dladm.doors.message import decode_reply
from kernel_sim.dev import paths
from kernel_sim.dev.client import System
from kernel_sim.sys.dld import DATALINK_CLASS_ALL

__all__ = ["ConfType", "ConfValue", "Dlmgmt", "LinkInfo"]


class Dlmgmt:
    """dlmgmtd of one host. The door is opened at the first call.

    Link classes and flags are `DatalinkClass` and `DatalinkFlag`, or masks of them.
    """

    def __init__(self, system: System) -> None:
        self._door = Door(system, paths.DLMGMT_DOOR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation; the next call begins another."""
        self._door.close()

    # ------------------------------------------------------------------ ids and names

    def create_linkid(self, name: str, link_class: int, media: int, flags: int = ALL_FLAGS) -> int:
        """Take the next free id for `name`. PERSIST by itself writes nothing: the line comes with `create_conf`.

        Errors: EEXIST the name is taken; EINVAL bad name, class or flags; ENOSPC no id is free.
        """
        fields = {"name": name, "class": int(link_class), "media": media, "flags": int(flags)}
        return int(self._call(Op.CREATE_LINKID, fields)["linkid"])

    def destroy_linkid(self, linkid: int, flags: int = ALL_FLAGS) -> None:
        """Take flags from a link: with PERSIST its stored line goes, with the last flag the link goes.

        Errors: ENOENT no such link, or it has none of these flags; EBUSY the kernel still has a device of this id.
        """
        self._call(Op.DESTROY_LINKID, {"linkid": linkid, "flags": int(flags)})

    def up_linkid(self, linkid: int) -> None:
        """Mark a persistent link active. Errors: EINVAL it is active already (DLM-Q34)."""
        self._call(Op.UP_LINKID, {"linkid": linkid})

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
            after = found[-1].linkid if found else 0
            reply = self._call(Op.WALK, {"classes": int(class_mask), "flags": int(flags_mask), "after": after})
            found += [LinkInfo.from_json(one) for one in reply["links"]]
            more = reply["more"]
        return found

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
        call = self._door.change if OPERATIONS[op].privileged else self._door.read
        return decode_reply(call(encode_request(op, fields)))
