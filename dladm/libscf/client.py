"""The client of the restarter's door: what dladm, svcs and svcadm ask of the service management facility.

    scf = Scf(system)
    scf.enable("network/varpd")
    scf.wait("network/varpd", {State.ONLINE, State.MAINTENANCE}, 15.0)

Every method raises `KernelError`: ENOENT no such instance (and no restarter: the host is not up), EEXIST an abbreviation that fits
several, EPERM without the privilege, EINVAL an instance in a state where the request makes no sense.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dladm.doors.client import Door
from dladm.doors.message import decode_reply
from dladm.libscf.protocol import PRIVILEGED, Op, ServiceInfo, State, encode_request
from kernel_sim.dev import paths
from kernel_sim.dev.client import System
from kernel_sim.sys.errno import Errno, KernelError

if TYPE_CHECKING:
    from dladm.libscf.repository import Property

WAIT_SLICE = 30.0
"""The longest one WAIT request parks in the restarter."""


def matches(pattern: str, fmri: str) -> bool:
    """Does an operand of svcs or svcadm mean this instance?

    Accepted: the whole FMRI with or without `svc:/`, the service with or without its instance, any trailing part of the service's
    path, the instance alone after a colon's service part, and shell patterns over the whole FMRI.
    """
    if any(sign in pattern for sign in "*?["):
        return fnmatch.fnmatchcase(fmri, pattern) or fnmatch.fnmatchcase(fmri, f"svc:/{pattern}")
    service, _, instance = fmri.removeprefix("svc:/").rpartition(":")
    wanted = re.sub(r"^svc:/{1,2}(localhost/)?", "", pattern).lstrip("/")
    if wanted == instance:
        return True
    wanted_service, colon, wanted_instance = wanted.partition(":")
    if colon and wanted_instance != instance:
        return False
    whole = pattern.startswith("svc:")
    return bool(wanted_service) and (
        service == wanted_service or (not whole and f"/{service}".endswith(f"/{wanted_service}"))
    )


def resolve(pattern: str, fmris: Iterable[str]) -> list[str]:
    """The instances that `pattern` means."""
    return [one for one in fmris if matches(pattern, one)]


class Scf:
    """The restarter of one host. The door is opened at the first call."""

    def __init__(self, system: System) -> None:
        self._door = Door(system, paths.RESTARTER_DOOR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._door.close()

    def list(self) -> list[ServiceInfo]:
        """Every instance, in the order of their FMRIs."""
        return [ServiceInfo.from_json(one) for one in self._call(Op.LIST)["services"]]

    def info(self, fmri: str) -> ServiceInfo:
        """One instance; `fmri` may be abbreviated."""
        found = self.list()
        named = resolve(fmri, (one.fmri for one in found))
        if not named:
            raise KernelError(Errno.ENOENT, f"{fmri}: no such service instance")
        if len(named) > 1:
            raise KernelError(Errno.EEXIST, f"{fmri}: matches {', '.join(named)}")
        return next(one for one in found if one.fmri == named[0])

    def state(self, fmri: str) -> State:
        """online, offline, disabled, maintenance …"""
        return self.info(fmri).state

    def enable(self, fmri: str, *, temporary: bool = False) -> None:
        """Ask for an instance to be started; returns at once. One that is enabled already stays as it is."""
        self._call(Op.ENABLE, {"fmri": self.info(fmri).fmri, "temporary": temporary})

    def disable(self, fmri: str, *, temporary: bool = False) -> None:
        """Ask for an instance to be stopped; returns at once."""
        self._call(Op.DISABLE, {"fmri": self.info(fmri).fmri, "temporary": temporary})

    def restart(self, fmri: str) -> None:
        """Stop and start an instance that is online; others stay as they are."""
        self._call(Op.RESTART, {"fmri": self.info(fmri).fmri})

    def refresh(self, fmri: str) -> None:
        """Have an instance read its configuration again."""
        self._call(Op.REFRESH, {"fmri": self.info(fmri).fmri})

    def clear(self, fmri: str) -> None:
        """Take an instance out of maintenance. Errors: EINVAL it is not there."""
        self._call(Op.CLEAR, {"fmri": self.info(fmri).fmri})

    def wait(self, fmri: str, states: Collection[State], seconds: float) -> State:
        """Wait until the instance rests in one of `states`, at most `seconds`; returns the state it then has."""
        name = self.info(fmri).fmri
        left = seconds
        while True:
            part = min(left, WAIT_SLICE)
            fields = {"fmri": name, "states": sorted(states), "seconds": part}
            reply = self._call(Op.WAIT, fields)
            left -= part
            if reply["met"] or left <= 0:
                return State(reply["state"])

    def properties(self, fmri: str, *, running: bool = False) -> dict[str, Property]:
        """The properties of a service by name: as they are edited, or those it was started with. Errors: ENOENT it has none."""
        from dladm.libscf.repository import Property

        reply = self._call(Op.GET_PROPERTIES, {"fmri": self.info(fmri).fmri, "running": running})
        return {name: Property.from_json(one) for name, one in reply["properties"].items()}

    def set_property(self, fmri: str, name: str, wanted: Property) -> None:
        """Set a property; it counts from the next refresh on. Errors: ENOENT no such property group; EINVAL type or value."""
        self._call(Op.SET_PROPERTY, {"fmri": self.info(fmri).fmri, "name": name, "property": wanted.to_json()})

    def delete_property(self, fmri: str, name: str) -> None:
        """Delete a property. Errors: ENOENT."""
        self._call(Op.DELETE_PROPERTY, {"fmri": self.info(fmri).fmri, "name": name})

    def host(self) -> dict[str, Any]:
        """The restarter's own account of the host: `phase` (booting, up, halting, failed), `group`, `boots`, `messages`."""
        return self._call(Op.HOST)

    def _call(self, op: Op, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
        call = self._door.change if op in PRIVILEGED else self._door.read
        return decode_reply(call(encode_request(op, fields or {})))
