"""The restarter's logic over real processes: services by the table in `states`, and the host itself.

Phase, what is done in it, and what ends it:

    BOOTING    the kernel, then dlmgmtd, then the boot steps     steps done: UP; kernel or dlmgmtd in maintenance: FAILED
    UP         services are started again as the table says      the kernel dies: PANIC
    PANIC      everything is killed, TAPs are deleted            the last process is gone: BOOTING
    HALTING    services are stopped, the kernel last             the last process is gone: DOWN
    FAILED     nothing runs                                      `svcadm clear`: BOOTING
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from dladm.libscf.protocol import DLMGMTD, RESTARTER, VARPD, ServiceInfo, State
from etherspan.host import layout, links
from etherspan.host.children import Children, Contract
from etherspan.host.repository import RepositoryFile
from etherspan.host.services import KERNEL, RESTARTER_DESCRIPTION, RESTARTER_LOG, SERVICES
from etherspan.host.states import Action, Event, Instance, Phase, advance, ended
from kernel_sim.dev.log import Log
from kernel_sim.dev.sockets import connect_seqpacket
from kernel_sim.sys.errno import Errno, KernelError

BOOT: Final = "boot"
BOOT_MODULE: Final = "etherspan.host.boot"
_PROBE_SECONDS: Final = 0.01
_FOREVER: Final = 3600.0


class HostPhase(StrEnum):
    """Where the host is."""

    BOOTING = "booting"
    UP = "up"
    PANIC = "panic"
    HALTING = "halting"
    DOWN = "down"
    FAILED = "failed"


class Restarter:
    """The services of the host at `root`. `booted` is called when a boot has ended, well or with phase FAILED."""

    def __init__(
        self, root: Path, group: int, selector: selectors.BaseSelector, log: Log, booted: Callable[[], None]
    ) -> None:
        self.root = root
        self.group = group
        self.phase = HostPhase.BOOTING
        self.boots = 0
        self.messages: list[str] = []
        """What the boot steps said, and why a boot failed."""
        self._booted = booted
        self._log = log
        self._children = Children(root, selector, self._said, self._ended)
        self._instances: dict[str, Instance] = {}
        self._deadlines: dict[str, float] = {}
        self._repository = RepositoryFile(root)
        self._steps_begun = False
        self._since = time.time()

    # ------------------------------------------------------------------ what the loop calls

    def boot(self) -> None:
        """Begin a boot. Errors: OSError."""
        self.boots += 1
        self._enter(HostPhase.BOOTING)
        self.messages = []
        self._steps_begun = False
        self._deadlines = {}
        layout.empty_volatile(self.root)
        self._instances = {name: Instance.at_boot(one, time.time()) for name, one in SERVICES.items()}
        self.turn()

    def halt(self) -> None:
        """Begin to halt; nothing if that has begun."""
        if self.phase in {HostPhase.HALTING, HostPhase.DOWN}:
            return
        self._enter(HostPhase.HALTING)
        if (steps := self._children.get(BOOT)) is not None:
            steps.signal(signal.SIGTERM)
        for name in self._instances:
            if name != KERNEL:
                self._event(name, Event.DISABLE)
        self.turn()

    def reap(self) -> None:
        """SIGCHLD came."""
        self._children.reap()
        self.turn()

    def turn(self) -> None:
        """Do what has become possible or due: starts, probes, time-outs, the next step of boot, panic and halt."""
        now = time.monotonic()
        for name in list(self._instances):
            self._turn_service(name, now)
        match self.phase:
            case HostPhase.BOOTING:
                self._turn_boot()
            case HostPhase.PANIC if not self._children:
                self._delete_taps()
                self.boot()
            case HostPhase.HALTING:
                self._turn_halt()
            case _:
                pass

    def timeout(self) -> float:
        """Seconds until `turn` has something to look at by itself."""
        if any(one.phase is Phase.STARTING for one in self._instances.values()):
            return _PROBE_SECONDS
        return max(0.0, min(self._deadlines.values(), default=time.monotonic() + _FOREVER) - time.monotonic())

    # ------------------------------------------------------------------ requests

    def services(self) -> list[ServiceInfo]:
        """The restarter and its services, by FMRI."""
        shown = [self._info(one) for name, one in self._instances.items() if name != KERNEL]
        return sorted([self._own_info(), *shown], key=lambda one: one.fmri)

    def request(self, fmri: str, event: Event) -> None:
        """ENABLE, DISABLE, RESTART or CLEAR a service.

        Errors: ENOENT; EINVAL for CLEAR outside maintenance and for what cannot be done to the restarter itself.
        """
        if fmri == RESTARTER:
            self._request_own(event)
            return
        cleared = event is Event.CLEAR and self._shown(fmri).phase is Phase.MAINTENANCE
        if cleared and self.phase is HostPhase.FAILED:
            self._panic("cleared")
        else:
            self._shown(fmri)
            self._event(fmri, event)
        self.turn()

    def refresh(self, fmri: str) -> None:
        """Have a service read its configuration again. Errors: ENOENT."""
        if fmri == RESTARTER:
            return
        instance = self._shown(fmri)
        contract = self._children.get(fmri)
        if instance.phase is Phase.ONLINE and instance.service.refresh and contract is not None:
            contract.signal(instance.service.refresh)

    def _request_own(self, event: Event) -> None:
        if event is not Event.CLEAR:
            raise KernelError(Errno.EINVAL, "the restarter cannot be stopped so; use etherspan host halt")
        if self.phase is not HostPhase.FAILED:
            raise KernelError(Errno.EINVAL, f"{RESTARTER} is not in maintenance")
        self._panic("cleared")
        self.turn()

    def _shown(self, fmri: str) -> Instance:
        if fmri == KERNEL or fmri not in self._instances:
            raise KernelError(Errno.ENOENT, f"no service instance {fmri}")
        return self._instances[fmri]

    def _info(self, one: Instance) -> ServiceInfo:
        contract = self._children.get(one.service.fmri)
        return ServiceInfo(
            fmri=one.service.fmri,
            state=one.state,
            next_state=one.next_state or "",
            since=one.since,
            enabled=one.enabled,
            pids=tuple(contract.pids) if contract is not None else (),
            restarts=one.restarts,
            reason=self._reason(one),
            description=one.service.description,
            log=one.service.log,
        )

    def _reason(self, one: Instance) -> str:
        match one.phase:
            case Phase.ONLINE:
                return ""
            case Phase.DISABLED:
                return "Disabled by an administrator."
            case Phase.STARTING:
                return "Start method is running."
            case Phase.OFFLINE if waits := [name for name in one.service.depends_on if not self._is_online(name)]:
                return f"Dependency {waits[0]} is {self._instances[waits[0]].state}."
            case _:
                return one.reason

    def _own_info(self) -> ServiceInfo:
        failed = self.phase is HostPhase.FAILED
        kernel = self._children.get(KERNEL)
        return ServiceInfo(
            fmri=RESTARTER,
            state=State.MAINTENANCE if failed else State.ONLINE,
            next_state="",
            since=self._since,
            enabled=True,
            pids=(os.getpid(), *(kernel.pids if kernel is not None else ())),
            restarts=self.boots - 1,
            reason=" ".join(self.messages[-1:]) if failed else "",
            description=RESTARTER_DESCRIPTION,
            log=RESTARTER_LOG,
        )

    # ------------------------------------------------------------------ services

    def _is_online(self, name: str) -> bool:
        return self._instances[name].phase is Phase.ONLINE

    def _turn_service(self, name: str, now: float) -> None:
        instance = self._instances[name]
        contract = self._children.get(name)
        ordinary = self.phase in {HostPhase.BOOTING, HostPhase.UP}
        if instance.phase is Phase.OFFLINE and ordinary and contract is None:
            if all(self._is_online(one) for one in instance.service.depends_on):
                self._event(name, Event.GO)
        elif instance.phase is Phase.STARTING and contract is not None and self._answers(instance, contract):
            self._event(name, Event.READY)
        elif now >= self._deadlines.get(name, now + 1):
            self._event(name, Event.TIMEOUT, "Start method timed out." if instance.phase is Phase.STARTING else "")

    def _answers(self, instance: Instance, contract: Contract) -> bool:
        if instance.service.launcher and contract.launched != 0:
            return False
        try:
            for door in instance.service.doors:
                connect_seqpacket(self.root, door).close()
        except KernelError:
            return False
        return True

    def _event(self, name: str, event: Event, reason: str = "") -> None:
        before = self._instances[name]
        after, action = advance(before, event, time.time(), reason)
        self._moved(before, after)
        match action:
            case Action.START:
                self._start(after)
            case Action.STOP:
                self._signal(after, signal.SIGTERM, after.service.stop_seconds)
            case Action.KILL:
                self._signal(after, signal.SIGKILL, None)
            case Action.NOTHING:
                pass

    def _moved(self, before: Instance, after: Instance) -> None:
        name = after.service.fmri
        self._instances[name] = after
        if after.phase is before.phase:
            return
        self._deadlines.pop(name, None)
        report = self._log.warning if after.phase in {Phase.MAINTENANCE, Phase.FAULTING} else self._log.info
        report(f"{name}: {after.phase}", service=name, reason=after.reason)

    def _start(self, instance: Instance) -> None:
        service = instance.service
        kernel = service.fmri == KERNEL
        dying = self._kernel_dying if kernel else None
        try:
            arguments = self._arguments(service.fmri)
        except KernelError as error:
            self._log.error(str(error), service=service.fmri)
            self._event(service.fmri, Event.FAILED_FOR_GOOD, f"{error}.")
            return
        self._children.start(service.fmri, service.module, arguments, adopts=service.launcher, dying=dying)
        self._deadlines[service.fmri] = time.monotonic() + service.start_seconds

    def _arguments(self, name: str) -> Sequence[str]:
        """The command line of a service. Errors: `KernelError`: its properties cannot be read."""
        if name == KERNEL:
            return "--root", str(self.root), "--group", str(self.group)
        return self._repository.include_options() if name == VARPD else ()

    def _signal(self, instance: Instance, number: int, seconds: float | None) -> None:
        contract = self._children.get(instance.service.fmri)
        assert contract is not None, f"{instance.service.fmri} is {instance.phase} without a process"
        contract.signal(number)
        if seconds is None:
            self._deadlines.pop(instance.service.fmri, None)
        else:
            self._deadlines[instance.service.fmri] = time.monotonic() + seconds

    def _said(self, contract: Contract, line: str) -> None:
        self._log.info(line, service=contract.name)
        if contract.name == BOOT:
            self.messages.append(line)

    def _ended(self, contract: Contract) -> None:
        if contract.name == BOOT:
            self._log.info("boot steps ended", status=contract.status)
            return
        before = self._instances[contract.name]
        after = ended(before, contract.status, time.monotonic(), time.time())
        if after.phase is Phase.MAINTENANCE and contract.said:
            self._log.warning("last words", service=contract.name, said=list(contract.said))
            after = replace(after, reason=f"{after.reason} It said: {contract.said[-1]}")
        self._moved(before, after)
        if contract.name == KERNEL and self.phase in {HostPhase.BOOTING, HostPhase.UP}:
            self._kernel_ended(before, after)

    # ------------------------------------------------------------------ boot, panic, halt

    def _enter(self, phase: HostPhase) -> None:
        self.phase = phase
        self._since = time.time()
        self._log.info(f"host: {phase}", boots=self.boots)

    def _turn_boot(self) -> None:
        for name in (KERNEL, DLMGMTD):
            if self._instances[name].phase is Phase.MAINTENANCE:
                self._fail(self._instances[name])
                return
        if not self._is_online(DLMGMTD):
            if self._steps_begun and BOOT not in {one.name for one in self._children}:
                self._done()
            return
        if not self._steps_begun:
            self._steps_begun = True
            self._children.start(BOOT, BOOT_MODULE)
        elif self._children.get(BOOT) is None:
            self._done()

    def _done(self) -> None:
        self._enter(HostPhase.UP)
        self._booted()

    def _fail(self, instance: Instance) -> None:
        self.messages.append(f"{instance.service.description}: {instance.reason}")
        self._enter(HostPhase.FAILED)
        self._children.kill_all()
        self._booted()

    def _kernel_dying(self) -> None:
        """The kernel process has begun to end, wanted or not: its TAPs go at once, rather than one by one with it."""
        if (kernel := self._children.get(KERNEL)) is not None:
            kernel.signal(signal.SIGKILL)
        self._delete_taps()

    def _kernel_ended(self, before: Instance, after: Instance) -> None:
        if before.phase is Phase.ONLINE:
            self._panic(after.reason)

    def _panic(self, reason: str) -> None:
        self._log.warning("panic: the host is booted again", reason=reason)
        self._enter(HostPhase.PANIC)
        self._children.kill_all()

    def _turn_halt(self) -> None:
        others = [one for one in self._children if one.name != KERNEL]
        if not others and self._instances[KERNEL].phase in {Phase.STARTING, Phase.ONLINE, Phase.OFFLINE}:
            self._event(KERNEL, Event.DISABLE)
        if not self._children:
            self._delete_taps()
            self._enter(HostPhase.DOWN)

    def _delete_taps(self) -> None:
        for problem in links.delete_taps(self.root, self.group):
            self._log.warning(problem)
