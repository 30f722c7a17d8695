"""The restarter of a host in memory: the real table of states (`etherspan.host.states`) and the real bytes of its door, over daemons
that live in this process.

The simulated kernel is not its business: its end is the host's (`host`).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from typing import Any, Final

from dladm.doors.message import encode_error, encode_reply
from dladm.libscf.protocol import PRIVILEGED, RESTARTER, Op, ServiceInfo, State, decode_request
from etherspan.host.services import KERNEL, RESTARTER_DESCRIPTION, RESTARTER_LOG, SERVICES
from etherspan.host.states import EXIT_ERR_FATAL, Action, Event, Instance, Phase, advance, ended
from etherspan.testing.log import SimLog
from etherspan.testing.sim.daemons import Daemon
from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.process import SimProcess
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys.errno import Errno, KernelError

EPOCH: Final = 1_500_000_000.0
"""The time of day at which every world begins, in seconds since 1970."""
START_SECONDS: Final = 0.05
"""How long it takes until a daemon begins to work; so one that fails for ever does not do so in one moment."""
_EVENTS: Final = {Op.ENABLE: Event.ENABLE, Op.DISABLE: Event.DISABLE, Op.RESTART: Event.RESTART, Op.CLEAR: Event.CLEAR}


class SimRestarter:
    """Starts daemons and starts them again. `make` gives a new daemon of a service; `process` is the restarter's own."""

    def __init__(
        self, loop: SimLoop, process: SimProcess, make: Mapping[str, Callable[[], Daemon]], log: SimLog
    ) -> None:
        self.process = process
        self.log = log
        self._loop = loop
        self._make = make
        self._daemons: dict[str, Daemon] = {}
        self._moved = asyncio.Event()
        self._instances = {fmri: Instance.at_boot(SERVICES[fmri], self._wall()) for fmri in make}

    def daemon(self, fmri: str) -> Daemon | None:
        """The present run of a service, None while there is none."""
        return self._daemons.get(fmri)

    def phase(self, fmri: str) -> Phase:
        """Where a service is."""
        return self._instances[fmri].phase

    def start(self) -> None:
        """Start what is enabled."""
        self._turn()

    def end(self, fmri: str, status: int) -> None:
        """A service's process has ended by itself: its exit status, negative for a signal's number."""
        daemon = self._daemons.pop(fmri, None)
        if daemon is not None:
            daemon.kill()
            self._move(fmri, ended(self._instances[fmri], status, self._loop.now(), self._wall()))
            self._turn()

    def kill_all(self) -> None:
        """The host's end: every daemon is killed, and none is started again."""
        daemons, self._daemons = self._daemons, {}
        for daemon in daemons.values():
            daemon.kill()
        self.process.kill()

    # ------------------------------------------------------------------ the door

    async def call(self, message: bytes, caller: Cred) -> bytes:
        """A request at the restarter's door, and its reply."""
        try:
            op, fields = decode_request(message)
            if op in PRIVILEGED and caller.uid != 0:
                raise KernelError(Errno.EPERM, f"user {caller.uid} may not {op} services")
            return encode_reply(await self._do(op, fields))
        except KernelError as error:
            return encode_error(error)

    async def _do(self, op: Op, fields: dict[str, Any]) -> dict[str, Any]:
        match op:
            case Op.LIST:
                return {"services": [one.to_json() for one in self._services()]}
            case Op.HOST:
                return {"phase": "up", "group": 0, "boots": 1, "messages": []}
            case Op.WAIT:
                return await self._wait(fields["fmri"], fields["states"], fields["seconds"])
            case Op.REFRESH:
                self._refresh(fields["fmri"])
            case Op.GET_PROPERTIES | Op.SET_PROPERTY | Op.DELETE_PROPERTY:
                raise KernelError(Errno.ENOTSUP, "a host in memory has no properties of services")
            case _:
                if fields["fmri"] == RESTARTER:
                    raise KernelError(Errno.EINVAL, "the restarter is the host's")
                self._event(self._known(fields["fmri"]), _EVENTS[op])
                self._turn()
        return {}

    async def _wait(self, fmri: str, states: list[str], seconds: float) -> dict[str, Any]:
        def found() -> ServiceInfo:
            return next((one for one in self._services() if one.fmri == fmri), None) or self._info(self._known(fmri))

        def met() -> bool:
            return not found().next_state and found().state in states

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not met():
                    await self._moved.wait()
        return {"met": met(), "state": found().state}

    def _refresh(self, fmri: str) -> None:
        if fmri != RESTARTER and self._instances[self._known(fmri)].phase is Phase.ONLINE:
            self._daemons[fmri].refresh()

    def _known(self, fmri: str) -> str:
        if fmri not in self._instances:
            raise KernelError(Errno.ENOENT, f"no service instance {fmri}")
        return fmri

    def _services(self) -> list[ServiceInfo]:
        own = ServiceInfo(
            fmri=RESTARTER,
            state=State.ONLINE,
            next_state="",
            since=EPOCH,
            enabled=True,
            pids=(self.process.pid,),
            restarts=0,
            reason="",
            description=RESTARTER_DESCRIPTION,
            log=RESTARTER_LOG,
        )
        return sorted([own, *map(self._info, self._instances)], key=lambda one: one.fmri)

    def _info(self, fmri: str) -> ServiceInfo:
        one = self._instances[fmri]
        daemon = self._daemons.get(fmri)
        return ServiceInfo(
            fmri=fmri,
            state=one.state,
            next_state=one.next_state or "",
            since=one.since,
            enabled=one.enabled,
            pids=() if daemon is None else (daemon.process.pid,),
            restarts=one.restarts,
            reason=one.reason,
            description=one.service.description,
            log=one.service.log,
        )

    # ------------------------------------------------------------------ services

    def _turn(self) -> None:
        """Start what may be started."""
        for fmri, one in list(self._instances.items()):
            online = (name == KERNEL or self._instances[name].phase is Phase.ONLINE for name in one.service.depends_on)
            if one.phase is Phase.OFFLINE and fmri not in self._daemons and all(online):
                self._event(fmri, Event.GO)

    def _event(self, fmri: str, event: Event, reason: str = "") -> None:
        after, action = advance(self._instances[fmri], event, self._wall(), reason)
        self._move(fmri, after)
        match action:
            case Action.START:
                daemon = self._daemons[fmri] = self._make[fmri]()
                self.process.spawn(self._start(fmri, daemon))
            case Action.STOP:
                self.process.spawn(self._stop(fmri, self._daemons[fmri]))
            case Action.KILL:
                self.end(fmri, -signal.SIGKILL)
            case Action.NOTHING:
                pass

    def _move(self, fmri: str, after: Instance) -> None:
        self._instances[fmri] = after
        self._moved.set()
        self._moved.clear()

    async def _start(self, fmri: str, daemon: Daemon) -> None:
        await asyncio.sleep(START_SECONDS)
        if not daemon.process.alive:  # killed before it began
            return
        started = daemon.process.spawn(daemon.start())
        await asyncio.wait({started})
        error = None if started.cancelled() else started.exception()
        if self._daemons.get(fmri) is not daemon:
            return
        if started.cancelled() or isinstance(error, KernelError):
            self.log.error("cannot start", service=fmri, reason=str(error))
            self.end(fmri, EXIT_ERR_FATAL)
        elif error is not None:
            raise error
        else:
            self._event(fmri, Event.READY)
            self._turn()

    async def _stop(self, fmri: str, daemon: Daemon) -> None:
        if not daemon.process.alive:
            return
        stopped = daemon.process.spawn(daemon.stop())
        await asyncio.wait({stopped})
        if not stopped.cancelled():
            stopped.result()
        if self._daemons.get(fmri) is daemon:
            self.end(fmri, 0)

    def _wall(self) -> float:
        return EPOCH + self._loop.now()
