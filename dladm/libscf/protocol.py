"""What travels on the restarter's door: one JSON object a message, a reply to every request.

Request `{"op": NAME, ...}`, reply `{"errno": N, ...}`. Instances are named by their full FMRI here; the client resolves the short
forms that people type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dladm.doors import message
from kernel_sim.sys.errno import Errno, KernelError

RESTARTER = "svc:/system/svc/restarter:default"
DLMGMTD = "svc:/network/datalink-management:default"
VARPD = "svc:/network/varpd:default"


class State(StrEnum):
    """The states of smf(7)."""

    UNINITIALIZED = "uninitialized"
    DISABLED = "disabled"
    OFFLINE = "offline"
    ONLINE = "online"
    DEGRADED = "degraded"
    MAINTENANCE = "maintenance"


@dataclass(slots=True, frozen=True)
class ServiceInfo:
    """One service instance.

    `next_state` is "" unless it is changing; `since` is seconds since the epoch; `pids` are its processes, the first one its main
    process; `restarts` counts unasked-for starts since boot; `reason` says in words why it is not online, "" when it is; `log` is a
    path below the root.
    """

    fmri: str
    state: State
    next_state: str
    since: float
    enabled: bool
    pids: tuple[int, ...]
    restarts: int
    reason: str
    description: str
    log: str

    @property
    def pid(self) -> int:
        """The main process, 0 for none."""
        return self.pids[0] if self.pids else 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ServiceInfo:
        return cls(**{**found, "state": State(found["state"]), "pids": tuple(found["pids"])})


class Op(StrEnum):
    """The operations of the door. All but LIST, WAIT, HOST and GET_PROPERTIES need root or the restarter's own user."""

    LIST = "list"
    WAIT = "wait"
    HOST = "host"
    ENABLE = "enable"
    DISABLE = "disable"
    RESTART = "restart"
    REFRESH = "refresh"
    CLEAR = "clear"
    GET_PROPERTIES = "get-properties"
    SET_PROPERTY = "set-property"
    DELETE_PROPERTY = "delete-property"


PRIVILEGED = frozenset({Op.ENABLE, Op.DISABLE, Op.RESTART, Op.REFRESH, Op.CLEAR, Op.SET_PROPERTY, Op.DELETE_PROPERTY})
_FIELDS: Mapping[Op, Mapping[str, tuple[type, ...]]] = {
    Op.LIST: {},
    Op.HOST: {},
    Op.WAIT: {"fmri": (str,), "states": (list,), "seconds": (int, float)},
    Op.ENABLE: {"fmri": (str,), "temporary": (bool,)},
    Op.DISABLE: {"fmri": (str,), "temporary": (bool,)},
    Op.RESTART: {"fmri": (str,)},
    Op.REFRESH: {"fmri": (str,)},
    Op.CLEAR: {"fmri": (str,)},
    Op.GET_PROPERTIES: {"fmri": (str,), "running": (bool,)},
    Op.SET_PROPERTY: {"fmri": (str,), "name": (str,), "property": (dict,)},
    Op.DELETE_PROPERTY: {"fmri": (str,), "name": (str,)},
}


def encode_request(op: Op, fields: Mapping[str, Any]) -> bytes:
    return message.encode({"op": op, **fields})


def decode_request(raw: bytes) -> tuple[Op, dict[str, Any]]:
    """Read a request. Errors: EINVAL not JSON or not the fields of its operation; ENOTSUP unknown operation."""
    found = message.decode(raw)
    name = found.pop("op", None)
    if not isinstance(name, str) or name not in set(Op):
        raise KernelError(Errno.ENOTSUP, f"the restarter has no operation {name!r}")
    op = Op(name)
    fields = _FIELDS[op]
    if found.keys() != fields.keys() or any(type(found[key]) not in kinds for key, kinds in fields.items()):
        raise KernelError(Errno.EINVAL, f"{op} takes {', '.join(fields) or 'nothing'}")
    return op, found
