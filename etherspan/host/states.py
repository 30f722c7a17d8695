"""What happens to a service, as a table. Pure.

The rules:

* A service is DISABLED, or OFFLINE until what it depends on is online. Then it is STARTING until its doors answer, then ONLINE.
* A service that ends is started again. Ending while STARTING is a failure: with exit status 95 or 96, or as the third failure within
  10 s with no completed start in between, it goes to MAINTENANCE, which only `svcadm clear` ends. One whose doors do not answer in
  time is FAULTING: it is killed, then in MAINTENANCE.
* STOPPING is on the way to OFFLINE (a restart) or DISABLED, whichever is asked for when it has ended.

What the table does not name changes nothing. The simulated kernel is such a service too, except that its end is a panic of the host,
which is not the table's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from dladm.libscf.protocol import State
from kernel_sim.sys.errno import Errno, KernelError

EXIT_ERR_FATAL: Final = 95
EXIT_ERR_CONFIG: Final = 96
FAILURE_WINDOW: Final = 10.0
FAILURE_LIMIT: Final = 3


class Phase(StrEnum):
    """Where a service is."""

    DISABLED = "disabled"
    OFFLINE = "offline"
    STARTING = "starting"
    ONLINE = "online"
    STOPPING = "stopping"
    FAULTING = "faulting"
    MAINTENANCE = "maintenance"


class Event(StrEnum):
    """What happens to it. The first four are asked for, the others come by themselves."""

    ENABLE = "enable"
    DISABLE = "disable"
    RESTART = "restart"
    CLEAR = "clear"
    GO = "dependencies are online"
    READY = "doors answer"
    TIMEOUT = "too slow"
    ENDED = "ended"
    FAILED_FOR_GOOD = "failed for good"


class Action(StrEnum):
    """What the restarter has to do then."""

    NOTHING = "nothing"
    START = "start"
    STOP = "stop"
    KILL = "kill"


REST: Final = None
"""In place of a phase: OFFLINE for an enabled service, DISABLED for another."""

TABLE: Final[Mapping[tuple[Phase, Event], tuple[Phase | None, Action]]] = {
    (Phase.DISABLED, Event.ENABLE): (Phase.OFFLINE, Action.NOTHING),
    (Phase.OFFLINE, Event.DISABLE): (Phase.DISABLED, Action.NOTHING),
    (Phase.OFFLINE, Event.GO): (Phase.STARTING, Action.START),
    (Phase.STARTING, Event.READY): (Phase.ONLINE, Action.NOTHING),
    (Phase.STARTING, Event.ENDED): (Phase.OFFLINE, Action.NOTHING),
    (Phase.STARTING, Event.FAILED_FOR_GOOD): (Phase.MAINTENANCE, Action.NOTHING),
    (Phase.STARTING, Event.TIMEOUT): (Phase.FAULTING, Action.KILL),
    (Phase.STARTING, Event.DISABLE): (Phase.STOPPING, Action.STOP),
    (Phase.STARTING, Event.RESTART): (Phase.STOPPING, Action.STOP),
    (Phase.ONLINE, Event.ENDED): (Phase.OFFLINE, Action.NOTHING),
    (Phase.ONLINE, Event.DISABLE): (Phase.STOPPING, Action.STOP),
    (Phase.ONLINE, Event.RESTART): (Phase.STOPPING, Action.STOP),
    (Phase.STOPPING, Event.ENDED): (REST, Action.NOTHING),
    (Phase.STOPPING, Event.TIMEOUT): (Phase.STOPPING, Action.KILL),
    (Phase.FAULTING, Event.ENDED): (Phase.MAINTENANCE, Action.NOTHING),
    (Phase.FAULTING, Event.DISABLE): (Phase.STOPPING, Action.KILL),
    (Phase.MAINTENANCE, Event.CLEAR): (REST, Action.NOTHING),
    (Phase.MAINTENANCE, Event.DISABLE): (Phase.DISABLED, Action.NOTHING),
}

_SMF: Final[Mapping[Phase, tuple[State, State | None]]] = {
    Phase.DISABLED: (State.DISABLED, None),
    Phase.OFFLINE: (State.OFFLINE, None),
    Phase.STARTING: (State.OFFLINE, State.ONLINE),
    Phase.ONLINE: (State.ONLINE, None),
    Phase.FAULTING: (State.OFFLINE, State.MAINTENANCE),
    Phase.MAINTENANCE: (State.MAINTENANCE, None),
}

_RUNNING: Final = frozenset({Phase.STARTING, Phase.ONLINE, Phase.STOPPING, Phase.FAULTING})


@dataclass(slots=True, frozen=True)
class Service:
    """What the restarter knows of a service before it runs.

    `fmri` is what people call it, `module` the Python module to run; it is up when every path in `doors`, relative to the root,
    accepts connections and, for a `launcher`, when the process that was started has left with status 0. `refresh` is the number of the
    signal that has it read its configuration again, 0 for none. `log` is a path below the root.
    """

    fmri: str
    description: str
    module: str
    doors: tuple[str, ...]
    log: str
    depends_on: tuple[str, ...] = ()
    enabled: bool = True
    launcher: bool = False
    refresh: int = 0
    start_seconds: float = 60.0
    stop_seconds: float = 10.0


@dataclass(slots=True, frozen=True)
class Instance:
    """A service and how it is. `since` is the moment of its last change of state, in seconds since the epoch."""

    service: Service
    phase: Phase
    enabled: bool
    since: float
    reason: str = ""
    restarts: int = 0
    failures: tuple[float, ...] = ()

    @classmethod
    def at_boot(cls, service: Service, wall: float) -> Instance:
        """How a service is when the host boots."""
        return cls(service, Phase.OFFLINE if service.enabled else Phase.DISABLED, service.enabled, wall)

    @property
    def state(self) -> State:
        """Its state as smf(7) has it."""
        return State.ONLINE if self.phase is Phase.STOPPING else _SMF[self.phase][0]

    @property
    def next_state(self) -> State | None:
        """The state it is on the way to, None when it rests."""
        if self.phase is Phase.STOPPING:
            return State.OFFLINE if self.enabled else State.DISABLED
        return _SMF[self.phase][1]

    @property
    def running(self) -> bool:
        """True while there are processes of it."""
        return self.phase in _RUNNING


def advance(instance: Instance, event: Event, wall: float, reason: str = "") -> tuple[Instance, Action]:
    """What an event makes of a service, and what is to be done. `reason` is kept while it is not online.

    Errors: EINVAL for CLEAR outside maintenance.
    """
    if event is Event.CLEAR and instance.phase is not Phase.MAINTENANCE:
        raise KernelError(Errno.EINVAL, f"{instance.service.fmri} is not in maintenance")
    if event in {Event.ENABLE, Event.DISABLE}:
        instance = replace(instance, enabled=event is Event.ENABLE)
    found = TABLE.get((instance.phase, event))
    if found is None:
        return instance, Action.NOTHING
    phase, action = found
    if phase is REST:
        phase = Phase.OFFLINE if instance.enabled else Phase.DISABLED
    moved = replace(instance, phase=phase, reason="" if phase is Phase.ONLINE else reason or instance.reason)
    if event is Event.READY or event is Event.CLEAR:
        moved = replace(moved, failures=())
    if phase is Phase.DISABLED or event is Event.CLEAR:
        moved = replace(moved, reason="")
    changed = (moved.state, moved.next_state) != (instance.state, instance.next_state)
    return (replace(moved, since=wall) if changed else moved), action


def ended(instance: Instance, status: int, now: float, wall: float) -> Instance:
    """What the end of its last process makes of a service.

    `status` is the exit status, negative for the number of a signal; `now` a monotonic time, for the failure window.
    """
    how = f"exited with status {status}" if status >= 0 else f"was killed by signal {-status}"
    if instance.phase is Phase.ONLINE:
        counted = replace(instance, restarts=instance.restarts + 1)
        return advance(counted, Event.ENDED, wall, f"The service {how}.")[0]
    if instance.phase is not Phase.STARTING:
        return advance(instance, Event.ENDED, wall)[0]
    if (named := _FATAL.get(status)) is not None:
        return advance(instance, Event.FAILED_FOR_GOOD, wall, f"Start method exited with {named}.")[0]
    failures = (*(one for one in instance.failures if one > now - FAILURE_WINDOW), now)
    counted = replace(instance, failures=failures, restarts=instance.restarts + 1)
    if len(failures) >= FAILURE_LIMIT:
        return advance(counted, Event.FAILED_FOR_GOOD, wall, f"Restarting too quickly; start method {how}.")[0]
    return advance(counted, Event.ENDED, wall, f"Start method {how}.")[0]


_FATAL: Final = {EXIT_ERR_FATAL: "$SMF_EXIT_ERR_FATAL", EXIT_ERR_CONFIG: "$SMF_EXIT_ERR_CONFIG"}
