"""What travels on dlmgmtd's door: one JSON object a message, a reply to every request.

Request `{"op": NAME, FIELD: VALUE ...}`, reply `{"errno": N, ...}` with N an illumos errno and 0 for success. `OPERATIONS` gives the
fields of every operation and whether it changes anything (then the caller needs the datalink-config privilege). A reply of success also
carries `daemon`, a number by which a client notices that it talks to another daemon than before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from dladm.doors import message
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

WALK_BATCH: Final = 256
"""The most links in one WALK reply; the client asks again from the last id."""
DAEMON: Final = "daemon"
BOOT: Final = "boot"
ALL_FLAGS: Final = DatalinkFlag.ACTIVE | DatalinkFlag.PERSIST


class ConfType(StrEnum):
    """The types of stored attributes."""

    STRING = "string"
    INT = "int"
    BOOLEAN = "boolean"


@dataclass(slots=True, frozen=True)
class ConfValue:
    """A stored attribute: its type and its text as it stands in the file."""

    type: ConfType
    text: str

    @classmethod
    def of_string(cls, text: str) -> Self:
        return cls(ConfType.STRING, text)

    @classmethod
    def of_int(cls, number: int) -> Self:
        return cls(ConfType.INT, str(number))

    def number(self) -> int:
        """The value of an INT. Errors: EINVAL for other types."""
        if self.type is not ConfType.INT:
            raise KernelError(Errno.EINVAL, f"{self.text!r} is stored as {self.type}, not as int")
        return int(self.text)


@dataclass(slots=True, frozen=True)
class LinkInfo:
    """A link as dlmgmtd knows it. `zone` is the zone it is lent to, "" for the host itself."""

    linkid: int
    name: str
    link_class: DatalinkClass
    media: int
    flags: DatalinkFlag
    zone: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "linkid": self.linkid,
            "name": self.name,
            "class": int(self.link_class),
            "media": self.media,
            "flags": int(self.flags),
            "zone": self.zone,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        return cls(
            linkid=found["linkid"],
            name=found["name"],
            link_class=DatalinkClass(found["class"]),
            media=found["media"],
            flags=DatalinkFlag(found["flags"]),
            zone=found["zone"],
        )


class Op(StrEnum):
    """The operations of the door."""

    CREATE_LINKID = "create-linkid"
    DESTROY_LINKID = "destroy-linkid"
    UP_LINKID = "up-linkid"
    RENAME = "rename"
    SET_ZONE = "set-zone"
    LINKID2INFO = "linkid2info"
    NAME2INFO = "name2info"
    WALK = "walk"
    READ_CONF = "read-conf"
    CREATE_CONF = "create-conf"
    SET_CONF_FIELD = "set-conf-field"
    UNSET_CONF_FIELD = "unset-conf-field"
    REMOVE_CONF = "remove-conf"


@dataclass(slots=True, frozen=True)
class Shape:
    """The fields of a request, whether it needs the privilege, and whether links that were written by hand count for its answer."""

    fields: Mapping[str, type]
    privileged: bool = False
    asks_file: bool = False

    @property
    def follows_file(self) -> bool:
        """datalink.conf is looked at before it is done."""
        return self.privileged or self.asks_file


OPERATIONS: Final[Mapping[Op, Shape]] = {
    Op.CREATE_LINKID: Shape({"name": str, "class": int, "media": int, "flags": int}, privileged=True),
    Op.DESTROY_LINKID: Shape({"linkid": int, "flags": int}, privileged=True),
    Op.UP_LINKID: Shape({"linkid": int}, privileged=True),
    Op.RENAME: Shape({"linkid": int, "name": str}, privileged=True),
    Op.SET_ZONE: Shape({"linkid": int, "zone": str}, privileged=True),
    Op.LINKID2INFO: Shape({"linkid": int}),
    Op.NAME2INFO: Shape({"name": str}, asks_file=True),
    Op.WALK: Shape({"classes": int, "flags": int, "after": int, "most": int}, asks_file=True),
    Op.READ_CONF: Shape({"linkid": int}),
    Op.CREATE_CONF: Shape({"linkid": int, "name": str, "class": int, "media": int, "attrs": list}, privileged=True),
    Op.SET_CONF_FIELD: Shape({"linkid": int, "key": str, "type": str, "text": str}, privileged=True),
    Op.UNSET_CONF_FIELD: Shape({"linkid": int, "key": str}, privileged=True),
    Op.REMOVE_CONF: Shape({"linkid": int}, privileged=True),
}


@dataclass(slots=True, frozen=True)
class Request:
    """A request whose fields have the types of `OPERATIONS`."""

    op: Op
    fields: Mapping[str, Any]
    boot: str = ""
    """The boot of the host that its link ids are of, when the client knows it."""


def encode_request(op: Op, fields: Mapping[str, Any], boot: str = "") -> bytes:
    return message.encode({"op": op, **fields, **({BOOT: boot} if boot else {})})


def decode_request(raw: bytes) -> Request:
    """Read a request. Errors: EINVAL not JSON or not the fields of its operation; ENOTSUP unknown operation."""
    found = message.decode(raw)
    name = found.pop("op", None)
    if not isinstance(name, str) or name not in set(Op):
        raise KernelError(Errno.ENOTSUP, f"dlmgmtd has no operation {name!r}")
    op = Op(name)
    boot = found.pop(BOOT, "")
    fields = OPERATIONS[op].fields
    if found.keys() != fields.keys():
        raise KernelError(Errno.EINVAL, f"{op} takes {', '.join(fields)}")
    if not isinstance(boot, str):
        raise KernelError(Errno.EINVAL, f"{op}: {BOOT} must be str")
    for key, kind in fields.items():
        if type(found[key]) is not kind:  # a bool is no int here
            raise KernelError(Errno.EINVAL, f"{op}: {key} must be {kind.__name__}")
    return Request(op, found, boot)


def encode_attrs(attrs: Mapping[str, ConfValue]) -> list[list[str]]:
    """Attributes in order, as `[key, type, text]` rows."""
    return [[key, value.type, value.text] for key, value in attrs.items()]


def decode_attrs(rows: list[Any]) -> dict[str, ConfValue]:
    """Read what `encode_attrs` made. Errors: EINVAL."""
    found: dict[str, ConfValue] = {}
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not all(isinstance(one, str) for one in row):
            raise KernelError(Errno.EINVAL, "an attribute is [key, type, text]")
        key, kind, text = row
        found[key] = ConfValue(decode_type(kind), text)
    return found


def decode_type(name: str) -> ConfType:
    """Errors: EINVAL."""
    if name not in set(ConfType):
        raise KernelError(Errno.EINVAL, f"{name!r} is not one of {', '.join(ConfType)}")
    return ConfType(name)
