"""Two hundred dladm commands at once against one host: each succeeds or fails cleanly, and what is left is what some order would leave."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from dladm.cli import turns
from dladm.dlmgmtd.client import Dlmgmt
from dladm.dlmgmtd.datalink_conf import LinkFile
from dladm.libscf.protocol import VARPD, State
from kernel_sim.dev import paths
from tests.integration.hosts import BIN, Host

pytestmark = pytest.mark.namespaces

SEED = 200
LISTEN = "vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789"
MTUS = (1100, 1200, 1300, 1400, 1450, 1500)


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    argv: tuple[str, ...]
    status: int
    out: str
    err: str


Runner = Callable[[Host, Sequence[tuple[str, ...]]], list[Ended]]


def fork_all(host: Host, commands: Sequence[tuple[str, ...]]) -> list[Ended]:
    """A process for each command, all waiting at one gate that is opened when the last is there."""
    gate, opener = os.pipe()
    waiting: list[tuple[int, int, tuple[str, ...]]] = []
    for argv in commands:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(opener)
            _child(host, argv, gate, writing)
        os.close(writing)
        waiting.append((child, reading, argv))
    os.close(gate)
    os.close(opener)
    ended: list[Ended] = []
    for child, reading, argv in waiting:
        with os.fdopen(reading) as said:
            told = said.read()
        os.waitpid(child, 0)
        ended.append(Ended(argv, *json.loads(told)))
    return ended


def _child(host: Host, argv: tuple[str, ...], gate: int, writing: int) -> None:
    try:
        os.read(gate, 1)
        result: tuple[int, str, str] = host.attempt(*argv)
    except BaseException:  # noqa: BLE001 - told to the parent
        result = (99, "", traceback.format_exc())
    os.write(writing, json.dumps(result).encode())
    os._exit(0)


def start_all(host: Host, commands: Sequence[tuple[str, ...]]) -> list[Ended]:
    """The command itself, sixteen at a time."""

    def run(argv: tuple[str, ...]) -> Ended:
        done = subprocess.run(
            [sys.executable, BIN / "dladm", *argv],
            env={**os.environ, "ETHERSPAN_ROOT": str(host.root)},
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(argv, done.returncode, done.stdout, done.stderr)

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(run, commands))


def prepare(host: Host) -> None:
    host.dladm("create-etherstub", "stub0")
    for number in range(30):
        host.dladm("create-vnic", "-l", "stub0", f"old{number}")


def commands() -> Iterator[tuple[str, ...]]:
    """Two hundred; no order of them can make one fail that is not in `ONE_OF`."""
    for number in range(60):
        yield "create-vnic", "-l", "stub0", f"new{number}"
    for number in range(5):
        for _ in range(8):
            yield "create-vnic", "-l", "stub0", f"same{number}"
    for number in range(20):
        for _ in range(2):
            yield "delete-vnic", f"old{number}"
    for number in range(20, 25):
        for mtu in MTUS:
            yield "set-linkprop", "-p", f"mtu={mtu}", f"old{number}"
    for number in range(25, 30):
        for side in "ab":
            yield "rename-link", f"old{number}", f"{side}old{number}"
    for number in range(10):
        yield overlay(f"ov{number}", number)
    for number in range(20, 25):
        for side in "ab":
            yield overlay(f"{side}ov{number}", number)


def overlay(name: str, vnetid: int) -> tuple[str, ...]:
    return "create-overlay", "-e", "vxlan", "-s", "direct", "-v", str(vnetid), "-p", LISTEN, name


def rivals(argv: tuple[str, ...]) -> tuple[str, ...]:
    """What commands have in common of which exactly one can succeed."""
    match argv[0]:
        case "create-overlay":
            return argv[0], argv[argv.index("-v") + 1]
        case "rename-link":
            return argv[0], argv[1]
        case "set-linkprop":
            return argv
        case _:
            return argv[0], argv[-1]


def judge(host: Host, ended: Sequence[Ended]) -> None:
    winners: dict[tuple[str, ...], list[Ended]] = {}
    for one in ended:
        assert one.status in {0, 1}, f"{one.argv}: {one.err}"
        assert "Traceback" not in one.err
        assert (one.err == "") == (one.status == 0), f"{one.argv}: {one.err}"
        assert one.err.count("\n") <= 1
        winners.setdefault(rivals(one.argv), [])
        if one.status == 0:
            winners[rivals(one.argv)].append(one)
    assert {key: len(won) for key, won in winners.items() if len(won) != 1} == {}
    won = [one.argv for (found,) in winners.values() for one in [found]]
    names = {argv[-1] for argv in won if argv[0] in {"create-vnic", "create-overlay", "rename-link"}}
    assert set(host.links()) == {"stub0", *(f"old{number}" for number in range(20, 25)), *names}
    with Dlmgmt(host.system) as dlmgmt:
        links = dlmgmt.walk()
    assert len({one.linkid for one in links}) == len(links)
    for number in range(20, 25):
        shown = host.dladm("show-linkprop", "-c", "-o", "value", "-p", "mtu", f"old{number}").strip()
        stored = LinkFile.parse(host.conf()).get(f"old{number}")
        assert stored is not None
        assert stored["mtu"].text == shown
        assert int(shown) in MTUS
    assert host.state(VARPD) is State.ONLINE
    rows = host.dladm("show-overlay", "-p", "-o", "link,property,value").splitlines()
    assert len([row for row in rows if ":varpd/id:" in row]) == 15
    host.check_agreement()


@pytest.mark.parametrize(
    "run", [fork_all, pytest.param(start_all, marks=[pytest.mark.soak, pytest.mark.timeout(300)])], ids=["forked", "16"]
)
def test_two_hundred_commands_at_once_leave_what_some_order_of_them_would(booted: Host, run: Runner) -> None:
    prepare(booted)
    every = list(commands())
    assert len(every) == 200
    random.Random(SEED).shuffle(every)
    judge(booted, run(booted, every))


def test_varpd_is_not_disabled_under_an_overlay_that_is_made_while_the_last_one_goes(booted: Host) -> None:
    booted.dladm(*overlay("ov0", 1))
    for number in range(1, 4):
        ended = fork_all(booted, [("delete-overlay", f"ov{number - 1}"), overlay(f"ov{number}", 1 + number)])
        assert [(one.status, one.err) for one in ended] == [(0, ""), (0, "")]
        assert booted.state(VARPD) is State.ONLINE
        assert booted.links() == {f"ov{number}": "overlay"}
        booted.dladm("show-overlay", f"ov{number}")
        booted.check_agreement()


def test_a_command_goes_on_without_its_turn_when_somebody_keeps_it_too_long(tmp_path: Path) -> None:
    class Waiting(turns.LocalSystem):
        waited = 0.0

        def wait(self, seconds: float) -> None:
            self.waited += seconds

    (tmp_path / paths.DLADM_VOLATILE).mkdir(parents=True)
    first, second = Waiting(tmp_path), Waiting(tmp_path)
    with turns.turn("create-vnic", first), turns.turn("delete-vnic", second, patience=1.0):
        assert (first.waited, second.waited) == (0.0, pytest.approx(1.0, abs=turns.STEP))
    third = Waiting(tmp_path)
    with turns.turn("create-vnic", third), turns.turn("show-vnic", third):
        assert third.waited == 0.0


def test_a_command_without_a_host_waits_for_nothing(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(turns.turn("create-vnic", turns.LocalSystem(tmp_path)))
    assert list(tmp_path.iterdir()) == []
