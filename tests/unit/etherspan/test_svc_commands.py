"""svcs and svcadm: what they print, and what they ask of the restarter."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from dladm.libscf.protocol import DLMGMTD, RESTARTER, VARPD, ServiceInfo, State
from etherspan import svc
from kernel_sim.sys.errno import Errno, KernelError

NOON = time.mktime((2026, 1, 9, 9, 5, 7, 0, 0, -1))
PATTERN = "Pattern 'nothing' doesn't match any instances\n"


def service(fmri: str, state: State = State.ONLINE, **changes: object) -> ServiceInfo:
    one = ServiceInfo(fmri, state, "", NOON, state is not State.DISABLED, (), 0, "", "a service", "var/svc/log/x.log")
    return replace(one, **changes)  # type: ignore[arg-type]


class FakeScf:
    """The restarter's services; remembers what was asked, and is in the wanted state at once."""

    def __init__(self) -> None:
        self.services = [
            service(DLMGMTD, next_state="offline"),
            service(VARPD, State.DISABLED, reason="Disabled by an administrator."),
            service(RESTARTER),
        ]
        self.asked: list[tuple[object, ...]] = []
        self.refusal: KernelError | None = None
        self.reached: State | None = None

    def __call__(self, system: object) -> FakeScf:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing."""

    def list(self) -> list[ServiceInfo]:
        return self.services

    def _ask(self, *request: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(request)

    def enable(self, fmri: str, *, temporary: bool) -> None:
        self._ask("enable", fmri, temporary)

    def disable(self, fmri: str, *, temporary: bool) -> None:
        self._ask("disable", fmri, temporary)

    def restart(self, fmri: str) -> None:
        self._ask("restart", fmri)

    def refresh(self, fmri: str) -> None:
        self._ask("refresh", fmri)

    def clear(self, fmri: str) -> None:
        self._ask("clear", fmri)

    def wait(self, fmri: str, states: frozenset[State], seconds: float) -> State:
        self._ask("wait", fmri)
        return self.reached or next(one for one in State if one in states and one is not State.MAINTENANCE)


@pytest.fixture
def scf(monkeypatch: pytest.MonkeyPatch) -> FakeScf:
    scf = FakeScf()
    monkeypatch.setattr(svc, "Scf", scf)
    monkeypatch.setenv("ETHERSPAN_ROOT", "/host")
    monkeypatch.setattr(time, "time", lambda: NOON + 60)
    return scf


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def svcs(scf: FakeScf, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*argv: str) -> tuple[int, str, str]:
        return (svc.svcs_main(argv), *capsys.readouterr())

    return run


@pytest.fixture
def svcadm(scf: FakeScf, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*argv: str) -> tuple[int, str, str]:
        return (svc.svcadm_main(argv), *capsys.readouterr())

    return run


def test_enabled_instances_are_shown_with_state_time_and_fmri(svcs: Run) -> None:
    assert svcs() == (
        0,
        f"STATE          STIME    FMRI\nonline*         9:05:07 {DLMGMTD}\nonline          9:05:07 {RESTARTER}\n",
        "",
    )


def test_all_instances_are_shown_on_request_by_state(svcs: Run) -> None:
    assert [line.split()[0] for line in svcs("-aH")[1].splitlines()] == ["disabled", "online*", "online"]


def test_a_change_of_long_ago_is_shown_by_its_date(svcs: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 100_000)
    assert svcs("-H", "varpd")[1] == f"disabled       Jan_09   {VARPD}\n"


def test_columns_are_chosen(svcs: Run) -> None:
    assert svcs("-o", "sta,nstate,svc,inst", "datalink-management")[1] == (
        "STA NSTATE         SVC                      INST\nON* offline        network/datalink-management default\n"
    )


def test_an_unknown_column_is_named(svcs: Run) -> None:
    status, out, err = svcs("-o", "nothing")
    assert (status, out) == (2, "")
    assert err.startswith('svcs: Unknown column "nothing"')


def test_processes_are_shown_below_their_service(svcs: Run, scf: FakeScf) -> None:
    scf.services = [service(VARPD, pids=(os.getpid(), 1 << 22))]
    comm = Path("/proc/self/comm").read_text().strip()
    assert svcs("-Hp")[1].splitlines()[1] == f"{'':14}  9:05:07 {os.getpid():8d} {comm}"
    assert len(svcs("-Hp")[1].splitlines()) == 2


def test_what_is_wrong_is_explained(svcs: Run, scf: FakeScf) -> None:
    scf.services[1] = service(VARPD, State.MAINTENANCE, enabled=True, reason="Start method timed out.")
    out = svcs("-x")[1]
    assert out.splitlines()[0] == f"{VARPD} (a service)"
    assert re.fullmatch(r" State: maintenance since January  9, 2026 at 09:05:07 AM \w+", out.splitlines()[1])
    assert out.splitlines()[2:] == [
        "Reason: Start method timed out.",
        "   See: /host/var/svc/log/x.log",
        "Impact: This service is not running.",
    ]


def test_nothing_is_explained_where_nothing_is_wrong(svcs: Run) -> None:
    assert svcs("-x") == (0, "", "")


def test_an_instance_that_is_named_is_explained_even_when_it_is_well(svcs: Run) -> None:
    assert svcs("-x", "restarter")[1].splitlines()[-1] == "Impact: None."


def test_a_pattern_without_a_match_is_told_and_the_rest_is_shown(svcs: Run) -> None:
    assert svcs("-H", "nothing", "varpd") == (1, f"disabled        9:05:07 {VARPD}\n", f"svcs: {PATTERN}")


@pytest.mark.parametrize("argv", [("-q",), ("-o",)])
def test_svcs_says_how_it_is_called(svcs: Run, argv: tuple[str, ...]) -> None:
    status, _, err = svcs(*argv)
    assert status == 2
    assert err.endswith(f"{svc.SVCS_USAGE}\n")


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (("enable", "varpd"), [("enable", VARPD, False)]),
        (("enable", "-t", "varpd"), [("enable", VARPD, True)]),
        (("disable", "-st", "varpd"), [("disable", VARPD, True), ("wait", VARPD)]),
        (("restart", "varpd", "restarter"), [("restart", VARPD), ("restart", RESTARTER)]),
        (("refresh", "network/varpd"), [("refresh", VARPD)]),
        (("clear", VARPD), [("clear", VARPD)]),
        (("enable", "-s", "varpd"), [("enable", VARPD, False), ("wait", VARPD)]),
    ],
)
def test_svcadm_asks_for_what_it_is_told(
    svcadm: Run, scf: FakeScf, argv: tuple[str, ...], asked: list[tuple[object, ...]]
) -> None:
    assert svcadm(*argv) == (0, "", "")
    assert scf.asked == asked


def test_svcadm_says_when_an_instance_ends_up_in_maintenance(svcadm: Run, scf: FakeScf) -> None:
    scf.reached = State.MAINTENANCE
    status, _, err = svcadm("enable", "-s", "varpd")
    assert (status, err) == (3, f'svcadm: Instance "{VARPD}" is in maintenance; see svcs -x {VARPD}\n')


def test_svcadm_says_when_it_takes_too_long(svcadm: Run, scf: FakeScf) -> None:
    scf.reached = State.OFFLINE
    status, _, err = svcadm("enable", "-s", "varpd")
    assert (status, err) == (1, f'svcadm: Instance "{VARPD}" is offline after 60 s\n')


def test_a_refusal_names_the_instance_and_the_others_are_still_asked(svcadm: Run, scf: FakeScf) -> None:
    scf.refusal = KernelError(Errno.EPERM, "user 7 may not enable services")
    status, _, err = svcadm("enable", "varpd", "restarter")
    assert status == 1
    assert err.splitlines()[0] == f"svcadm: {VARPD}: Not owner: user 7 may not enable services"
    assert len(err.splitlines()) == 2


def test_svcadm_says_which_pattern_means_nothing(svcadm: Run) -> None:
    assert svcadm("enable", "nothing") == (1, "", f"svcadm: {PATTERN}")


@pytest.mark.parametrize("argv", [(), ("fly", "varpd"), ("enable",), ("enable", "-q", "varpd")])
def test_svcadm_says_how_it_is_called(svcadm: Run, argv: tuple[str, ...]) -> None:
    status, _, err = svcadm(*argv)
    assert status == 2
    assert err.endswith(f"{svc.SVCADM_USAGE}\n")


def test_a_host_that_is_down_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ETHERSPAN_ROOT", str(tmp_path))
    assert svc.svcs_main([]) == 1
    assert capsys.readouterr().err.startswith(f"svcs: no host runs in {tmp_path};")
