"""dlmgmtd killed at random instants of a mix of commands: nothing stored is lost, and each command is carried out all the same.

What happens at *each* instant is in tests/unit/dladm/test_dlmgmt_deaths.py; here are real processes, a real restarter and real TAPs.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Self

import pytest

from dladm.dlmgmtd.datalink_conf import LinkFile
from dladm.libscf.protocol import DLMGMTD, State
from tests.integration.hosts import Host

pytestmark = pytest.mark.namespaces

SEED = 20
CREATES = {"create-etherstub", "create-vnic", "create-overlay"}
LATEST = 0.008
"""Seconds into a command; most have ended by then."""


def mix(host: Host) -> Iterator[tuple[object, ...]]:
    """Commands without end, each of which has to succeed: links of every class come, change and go, stored ones and temporary ones."""
    listen = "vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789"
    number = 0
    while True:
        number += 1
        stub, vnic, new, temp = (f"{kind}{number}" for kind in ("stub", "v", "new", "temp"))
        yield "create-etherstub", stub
        yield "create-vnic", "-l", stub, "-p", "mtu=1400", vnic
        yield "set-linkprop", "-p", "mtu=1300", vnic
        yield "create-vnic", "-t", "-l", stub, temp
        yield "rename-link", vnic, new
        yield "reset-linkprop", "-p", "mtu", new
        yield "delete-vnic", "-t", new
        yield "up-vnic", new
        yield "create-overlay", "-e", "vxlan", "-s", "direct", "-v", number, "-p", listen, f"ov{number}"
        yield "create-vnic", "-l", f"ov{number}", f"onit{number}"
        yield "delete-vnic", temp
        if number > 2:  # so that there is always something to lose
            for old in (f"new{number - 2}", f"onit{number - 2}"):
                yield "delete-vnic", old
            yield "delete-overlay", f"ov{number - 2}"
            yield "delete-etherstub", f"stub{number - 2}"


class Watcher:
    """Reads datalink.conf over and over; `seen` is what it held."""

    def __init__(self, host: Host) -> None:
        self.seen: set[bytes] = set()
        self._host = host
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.0005):
            self.seen.add(self._host.conf())


def check_contents(seen: set[bytes], before: bytes, after: bytes) -> None:
    """What was in the file before and after a command was in it all the time, and nobody saw half a line."""
    lasting = set(before.splitlines()) & set(after.splitlines())
    for content in seen:
        assert not content or content.endswith(b"\n")
        assert lasting <= set(content.splitlines())
        assert not LinkFile.parse(content).problems


def run_and_kill(host: Host, kills: int, wait_for: Callable[..., None]) -> None:
    chance = random.Random(SEED)
    commands = mix(host)
    for _ in range(kills):
        argv, before = next(commands), host.conf()
        old = host.service(DLMGMTD).pid
        killer = threading.Timer(chance.uniform(0, LATEST), os.kill, (old, signal.SIGKILL))
        with Watcher(host) as watcher:
            killer.start()
            status, _out, err = host.attempt(*argv)
            killer.join()

        def again(old: int = old) -> bool:
            now = host.service(DLMGMTD)
            return now.state is State.ONLINE and not now.next_state and now.pid != old

        wait_for(again, "dlmgmtd is online again")
        check_contents(watcher.seen, before, host.conf())
        host.check_agreement()
        if status:  # its link had no device yet, so that the new daemon gave the id back
            assert argv[0] in CREATES, f"{argv}: {err}"
            assert "object not found" in err
            assert host.conf() == before
            host.dladm(*argv)


def test_nothing_is_lost_and_every_command_is_carried_out_however_often_dlmgmtd_is_killed(
    booted: Host, wait_for: Callable[..., None]
) -> None:
    run_and_kill(booted, 24, wait_for)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_three_hundred_kills(booted: Host, wait_for: Callable[..., None]) -> None:
    run_and_kill(booted, 300, wait_for)
