"""svcs and svcadm: the service states of a host, as smf(7) shows and changes them.

    svcs [-aHpx] [-o COLUMN,...] [FMRI ...]
    svcadm enable|disable [-st] FMRI ...      svcadm restart|refresh|clear [-s] FMRI ...

An FMRI may be abbreviated. Exit status: 0; 1 something failed; 2 usage; 3 (`-s`) the instance came to rest in maintenance.
"""

from __future__ import annotations

import getopt
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dladm.libscf.client import Scf, resolve
from dladm.libscf.protocol import ServiceInfo, State
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.paths import host_root
from kernel_sim.sys.errno import Errno, KernelError

OK, FAILED, USAGE, MAINTENANCE = range(4)
WAIT_SECONDS: Final = 60.0
_DAY: Final = 86_400
_RESTING: Final = frozenset({State.ONLINE, State.DEGRADED, State.MAINTENANCE, State.DISABLED})

SVCS_USAGE: Final = "Usage: svcs [-aHpx] [-o col[,col ... ]] [<service> ...]"
SVCADM_USAGE: Final = """Usage: svcadm enable [-st] <service> ...
       svcadm disable [-st] <service> ...
       svcadm restart [-s] <service> ...
       svcadm refresh [-s] <service> ...
       svcadm clear [-s] <service> ..."""


def _stime(since: float) -> str:
    """The time of day within the last day, else month and day."""
    form = "%k:%M:%S" if time.time() - since < _DAY else "%b_%d"
    return time.strftime(form, time.localtime(since))


def _split(fmri: str) -> tuple[str, str]:
    service, _, instance = fmri.removeprefix("svc:/").rpartition(":")
    return service, instance


_ABBREVIATED: Final = {
    State.UNINITIALIZED: "UN", State.DISABLED: "DIS", State.OFFLINE: "OFF", State.ONLINE: "ON",
    State.DEGRADED: "DGD", State.MAINTENANCE: "MNT",
}  # fmt: skip
_COLUMNS: Final[dict[str, tuple[int, Callable[[ServiceInfo], str]]]] = {
    "state": (14, lambda one: one.state + ("*" if one.next_state else "")),
    "nstate": (14, lambda one: one.next_state or "-"),
    "stime": (8, lambda one: _stime(one.since)),
    "fmri": (0, lambda one: one.fmri),
    "svc": (24, lambda one: _split(one.fmri)[0]),
    "inst": (16, lambda one: _split(one.fmri)[1]),
    "ctid": (6, lambda one: str(one.pid) if one.pid else "-"),
    "desc": (0, lambda one: one.description),
    "sta": (3, lambda one: _ABBREVIATED[one.state] + ("*" if one.next_state else "")),
}


def _row(cells: Sequence[str], columns: Sequence[str]) -> str:
    texts = [cell.ljust(_COLUMNS[name][0]) for cell, name in zip(cells[:-1], columns[:-1], strict=True)]
    return " ".join([*texts, cells[-1]])


def _processes(one: ServiceInfo) -> list[str]:
    rows = []
    for pid in one.pids:
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        rows.append(f"{'':14} {_stime(one.since):8} {pid:8d} {name}")
    return rows


def _explain(one: ServiceInfo) -> str:
    when = time.strftime("%B %e, %Y at %I:%M:%S %p %Z", time.localtime(one.since))
    lines = [f"{one.fmri} ({one.description})", f" State: {one.state} since {when}"]
    well = one.state in {State.ONLINE, State.DEGRADED}
    if not well:
        lines.append(f"Reason: {one.reason}")
    lines += [f"   See: {host_root() / one.log}", f"Impact: {'None' if well else 'This service is not running'}."]
    return "\n".join(lines) + "\n"


def _select(found: list[ServiceInfo], patterns: Sequence[str], program: str) -> tuple[list[ServiceInfo], int]:
    """What the operands mean, in their order; a pattern without a match is said and costs the exit status."""
    chosen: list[ServiceInfo] = []
    status = OK
    for pattern in patterns:
        named = resolve(pattern, (one.fmri for one in found))
        if not named:
            print(f"{program}: Pattern '{pattern}' doesn't match any instances", file=sys.stderr)
            status = FAILED
        chosen += [one for one in found if one.fmri in named and one not in chosen]
    return chosen, status


def _svcs(argv: list[str]) -> int:
    try:
        options, operands = getopt.getopt(argv, "aHpxo:")
    except getopt.GetoptError as wrong:
        print(f"svcs: {wrong}\n{SVCS_USAGE}", file=sys.stderr)
        return USAGE
    given = dict(options)
    columns = [name.lower() for name in given.get("-o", "state,stime,fmri").split(",")]
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown:
        print(f'svcs: Unknown column "{unknown[0]}"; there are: {", ".join(_COLUMNS)}', file=sys.stderr)
        return USAGE
    with Scf(LocalSystem(host_root())) as scf:
        found = scf.list()
    chosen, status = _select(found, operands, "svcs") if operands else (found, OK)
    if "-x" in given:
        wrong_ones = [one for one in chosen if operands or (one.enabled and one.state is not State.ONLINE)]
        sys.stdout.write("\n".join(map(_explain, wrong_ones)))
        return status
    if not operands:
        chosen = sorted(chosen, key=lambda one: (one.state, one.since, one.fmri))
        chosen = [one for one in chosen if "-a" in given or one.state is not State.DISABLED]
    if "-H" not in given and chosen:
        print(_row([name.upper() for name in columns], columns))
    for one in chosen:
        print(_row([_COLUMNS[name][1](one) for name in columns], columns))
        if "-p" in given:
            sys.stdout.writelines(f"{row}\n" for row in _processes(one))
    return status


def _wait(scf: Scf, fmri: str, states: frozenset[State]) -> int:
    reached = scf.wait(fmri, states | {State.MAINTENANCE}, WAIT_SECONDS)
    if reached is State.MAINTENANCE:
        print(f'svcadm: Instance "{fmri}" is in maintenance; see svcs -x {fmri}', file=sys.stderr)
        return MAINTENANCE
    if reached not in states:
        print(f'svcadm: Instance "{fmri}" is {reached} after {WAIT_SECONDS:.0f} s', file=sys.stderr)
        return FAILED
    return OK


def _change(scf: Scf, command: str, fmri: str, *, temporary: bool, wait: bool) -> int:
    after = frozenset({State.DISABLED}) if command == "disable" else _RESTING
    match command:
        case "enable":
            scf.enable(fmri, temporary=temporary)
            after = frozenset({State.ONLINE, State.DEGRADED})
        case "disable":
            scf.disable(fmri, temporary=temporary)
        case "restart":
            scf.restart(fmri)
        case "refresh":
            scf.refresh(fmri)
        case _:
            scf.clear(fmri)
    return _wait(scf, fmri, after) if wait else OK


def _svcadm(argv: list[str]) -> int:
    commands = {"enable": "st", "disable": "st", "restart": "s", "refresh": "s", "clear": "s"}
    if not argv or argv[0] not in commands:
        print(SVCADM_USAGE, file=sys.stderr)
        return USAGE
    command = argv[0]
    try:
        options, operands = getopt.getopt(argv[1:], commands[command])
    except getopt.GetoptError as wrong:
        print(f"svcadm: {wrong}\n{SVCADM_USAGE}", file=sys.stderr)
        return USAGE
    if not operands:
        print(SVCADM_USAGE, file=sys.stderr)
        return USAGE
    given = dict(options)
    with Scf(LocalSystem(host_root())) as scf:
        chosen, status = _select(scf.list(), operands, "svcadm")
        for one in chosen:
            try:
                done = _change(scf, command, one.fmri, temporary="-t" in given, wait="-s" in given)
            except KernelError as error:
                print(f"svcadm: {one.fmri}: {error}", file=sys.stderr)
                done = FAILED
            status = status or done
    return status


def _guarded(program: str, run: Callable[[list[str]], int], argv: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    if "--help" in given:
        print({"svcs": SVCS_USAGE, "svcadm": SVCADM_USAGE}[program])
        return OK
    try:
        return run(given)
    except KernelError as error:
        if error.errno in {Errno.ENOENT, Errno.ECONNREFUSED}:
            print(f"{program}: no host runs in {host_root()}; 'etherspan host boot' starts one", file=sys.stderr)
        else:
            print(f"{program}: cannot ask the restarter of {host_root()}: {error}", file=sys.stderr)
        return FAILED


def svcs_main(argv: Sequence[str] | None = None) -> int:
    """The program `svcs`."""
    return _guarded("svcs", _svcs, argv)


def svcadm_main(argv: Sequence[str] | None = None) -> int:
    """The program `svcadm`."""
    return _guarded("svcadm", _svcadm, argv)
