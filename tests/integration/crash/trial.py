"""Kill points tried on a booted host: a script up to the kill, what is left then, the step again, and everything deleted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from dladm.dlmgmtd.client import Dlmgmt
from dladm.libscf.protocol import DLMGMTD, RESTARTER, VARPD
from dladm.libscf.protocol import State as ServiceState
from etherspan.host import control
from kernel_sim.sys.dld import DatalinkClass
from tests.integration.conftest import wait_until
from tests.integration.crash.injection import Injection, happened, under_strace
from tests.integration.crash.matrix import BOOT, COMMAND, HALT, KERNEL, STARTD, Point
from tests.integration.crash.scripts import SCRIPTS, Script, Step, run
from tests.integration.crash.state import Holdings, State, check_instances, files, holdings, mounts, state, stored
from tests.integration.hosts import BIN, Host

FMRIS = {"dlmgmtd": DLMGMTD, "varpd": VARPD, STARTD: RESTARTER}
ENDS_THE_BOOT = {KERNEL, STARTD}
"""After these have died the host boots again, so that only what is stored is there."""
_ORDER = (DatalinkClass.VNIC, DatalinkClass.OVERLAY, DatalinkClass.ETHERSTUB)
_SECONDS = 20.0


@dataclass
class Trial:
    """A host, and how a script goes on it when nothing happens: `reference[k]` is the state after k steps."""

    host: Host
    script: Script
    folder: Path
    reference: list[State] = field(default_factory=list)
    kept: frozenset[str] = frozenset()
    base: Holdings | None = None
    count: int = 0

    @classmethod
    def begin(cls, host: Host, script: str, folder: Path) -> Trial:
        """Boot the host and run the script undisturbed."""
        host.boot()
        trial = cls(host, SCRIPTS[script], folder)
        trial.script.prepare(host)
        with Dlmgmt(host.system) as dlmgmt:
            trial.kept = frozenset(one.name for one in dlmgmt.walk())
        trial.reference.append(state(host))
        for step in trial.script.steps:
            assert run(host, step) == 0, step
            trial.reference.append(state(host))
        assert trial.reference[-1] == trial.reference[0], "the script does not end as it began"
        trial.base = holdings(host)
        return trial

    def attempt(self, point: Point) -> None:
        """Try a point. Raises AssertionError where something does not hold, or nothing happened at all."""
        self.count += 1
        log = self.folder / f"strace.{self.count}"
        log.touch()
        match point.service:
            case _ if point.service == COMMAND:
                self._attempt_command(point, log)
            case _ if point.service == BOOT:
                self._attempt_boot(point, log)
            case _ if point.service == HALT:
                self._attempt_halt(point, log)
            case _:
                self._attempt_service(point, log)
        self.clean()

    def end(self) -> None:
        """Halt, look for what is left, boot, and look whether everything is back."""
        control.halt_host(self.host.root)
        self._check_halted()
        self.host.boot()
        self.clean()

    # ------------------------------------------------------------------ where the kill is

    def _attempt_service(self, point: Point, log: Path) -> None:
        """While it serves the script's commands."""
        pid, boots = self._pid(point.service), self.host.status().boots
        with Injection(pid, point.call, point.what, point.when, log) as injection:
            for number, step in enumerate(self.script.steps, 1):  # noqa: B007 - the one that it stops at is examined
                status = run(self.host, step)
                if status or injection.happened:
                    break
            wait_until(lambda: injection.happened, f"{point} happens at all", 5)
        if point.kills:
            self._await_service(point.service, pid, boots)
        self._examine(point, number, step, acknowledged=status == 0)

    def _attempt_command(self, point: Point, log: Path) -> None:
        """While a step of the script, as a process of its own, is at work."""
        for step in self.script.steps[: point.step - 1]:
            assert run(self.host, step) == 0, step
        step = self.script.steps[point.step - 1]
        done = subprocess.run(
            under_strace([str(BIN / step[0]), *step[1:]], point.call, point.what, point.when, log),
            env={**os.environ, "ETHERSPAN_ROOT": str(self.host.root)},
            capture_output=True,
            timeout=60,
        )
        assert happened(log), f"{point} does not happen: {done}"
        before, after = self.reference[point.step - 1], self.reference[point.step]
        lasting = {name: text for name, text in before.stored.items() if after.stored.get(name) == text}
        now = stored(self.host)
        assert lasting.items() <= now.items(), f"lost: {difference(now, before.stored)}"
        if stored(self.host) != after.stored or run(self.host, step):
            self._repeat(step)
        assert stored(self.host) == after.stored, difference(stored(self.host), after.stored)

    def _attempt_boot(self, point: Point, log: Path) -> None:
        """While the restarter boots the host."""
        control.halt_host(self.host.root)
        argv = [sys.executable, "-P", "-m", "etherspan.host.startd", "--root", str(self.host.root)]
        strace = under_strace(argv, point.call, point.what, point.when, log, follow=False)
        process = self.host.namespace.popen(*strace, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: process.poll() is not None, f"{point} happens", _SECONDS)
        finally:
            process.kill()
            process.wait(10)
        assert happened(log), f"{point} does not happen"
        self._after_restarter(boot=True)

    def _attempt_halt(self, point: Point, log: Path) -> None:
        """While the restarter halts the host."""
        pid = self._pid(STARTD)
        with Injection(pid, point.call, point.what, point.when, log, follow=False) as injection:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: injection.happened, f"{point} happens at all", _SECONDS)
        self._after_restarter(boot=False)

    def _after_restarter(self, *, boot: bool) -> None:
        """A boot, or a halt, clears what it has left."""
        wait_until(lambda: not self.host.processes(), "everything ends with the restarter", _SECONDS)
        wait_until(lambda: self.host.namespace.links() == ["lo"], "the TAPs have gone", _SECONDS)
        if not boot:
            control.halt_host(self.host.root)
            self._check_halted()
        self.host.boot()

    def _check_halted(self) -> None:
        assert self.host.processes() == []
        assert self.host.namespace.links() == ["lo"]
        assert mounts(self.host) == 0
        volatile = {one for one in files(self.host) if one.startswith(("dev/", "var/run/", "etc/svc/volatile/"))}
        assert volatile == {"var/run/.svc.startd.lock"}, volatile

    def _pid(self, service: str) -> int:
        return self.host.kernel_pid() if service == KERNEL else self.host.service(FMRIS[service]).pid

    def _await_service(self, service: str, pid: int, boots: int) -> None:
        host = self.host
        if service == KERNEL:
            wait_until(lambda: host.status().boots > boots and host.status().phase == "up", "a boot", _SECONDS)
        elif service == STARTD:
            wait_until(lambda: not host.processes(), "everything ends with the restarter", _SECONDS)
            host.boot()
        else:

            def again() -> bool:
                now = host.service(FMRIS[service])
                wanted = ServiceState.ONLINE if now.enabled else ServiceState.DISABLED
                return now.state is wanted and not now.next_state and now.pid != pid

            wait_until(again, f"{service} is there again", _SECONDS)

    # ------------------------------------------------------------------ what is left

    def _examine(self, point: Point, number: int, step: Step, *, acknowledged: bool) -> None:
        """An acknowledged step was made. Another was made, or not at all, or has stored a part of the link it creates."""
        before, after = self.reference[number - 1], self.reference[number]
        booted = point.kills and point.service in ENDS_THE_BOOT
        if not point.kills:  # what could not be written of the links in force is found again
            self.host.command("svcadm", "restart", "-s", "datalink-management")
        self.host.check_agreement()
        if not booted:
            check_instances(self.host)
        if acknowledged:
            self._expect(step, (after,), booted=booted)
            return
        if not is_part(stored(self.host), before.stored, after.stored):
            self._expect(step, (before, after), booted=booted)
        if stored(self.host) != after.stored or (not booted and state(self.host) != after):
            self._repeat(step)
        self._expect(step, (after,), booted=booted)

    def _repeat(self, step: Step) -> None:
        """The step works the second time; one that creates does once what is left of its link has been deleted."""
        if run(self.host, step) == 0:
            return
        verb, _, kind = step[1].partition("-")
        if step[:3] == ("etherspan", "zone", "create"):
            run(self.host, ("etherspan", "zone", "delete", step[3]))
        else:
            assert verb == "create", f"{step} does not work the second time"
            run(self.host, (step[0], f"delete-{kind}", step[-1]))
        assert run(self.host, step) == 0, f"{step} does not work after what was left has been deleted"

    def _expect(self, step: Step, allowed: tuple[State, ...], *, booted: bool) -> None:
        now = state(self.host)
        text = f"{' '.join(step)}: stored {difference(now.stored, allowed[-1].stored)}"
        if not booted:
            assert now in allowed, f"{text}; shown {difference(now.shown, allowed[-1].shown)}"
            return
        found = [one for one in allowed if now.stored == one.stored]
        assert found, text
        for name in (item.removeprefix("link ") for item in now.stored if item.startswith("link ")):
            was = [one.shown[name] for one in found if name in one.shown]
            assert name in now.shown, f"{name} did not come back"
            assert not was or now.shown[name] in was, f"{name} came back as {now.shown[name]}, was {was}"

    # ------------------------------------------------------------------ afterwards

    def clean(self) -> None:
        """Delete what the script made; then nothing more is held than before it, and what was there before is as it was."""
        for step in self.script.ends:
            run(self.host, step)
        with Dlmgmt(self.host.system) as dlmgmt:
            links = dlmgmt.walk()
        for one in sorted(links, key=lambda link: _ORDER.index(DatalinkClass(link.link_class))):
            if one.name not in self.kept:
                self.host.dladm(f"delete-{DatalinkClass(one.link_class).label}", one.name)
        self.host.check_agreement()
        self._check_holdings()
        now = state(self.host)
        assert now == self.reference[0], (
            f"stored {difference(now.stored, self.reference[0].stored)}; "
            f"shown {difference(now.shown, self.reference[0].shown)}"
        )

    def _check_holdings(self) -> None:
        assert self.base is not None
        base = self.base
        with contextlib.suppress(AssertionError):  # processes and connections take a moment to end
            wait_until(lambda: holdings(self.host).within(base), "nothing is left", 3)
            return
        now = holdings(self.host)
        pairs = {one.name: (getattr(now, one.name), getattr(base, one.name)) for one in fields(Holdings)}
        assert now.within(base), f"left, and was: { {name: two for name, two in pairs.items() if two[0] != two[1]} }"


def is_part(now: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """A line of a link that was being created is there with a part of its attributes, and all else as it was."""
    new = after.keys() - before.keys()
    created = len(new) == 1 and before.keys() < after.keys()
    return created and now.keys() == after.keys() and all(now[name] == before[name] for name in before)


def difference(now: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    """What differs, in words."""
    names = sorted(name for name in {*now, *wanted} if now.get(name) != wanted.get(name))
    return "; ".join(f"{name}: {now.get(name)} instead of {wanted.get(name)}" for name in names) or "the same"
