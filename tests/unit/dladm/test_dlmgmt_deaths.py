"""dlmgmtd ended before each of its system calls: what its successor finds, and what its client makes of it.

A *step* is a call that leaves something behind when the process dies: one of `os` in the store, or an ioctl. A write can also be cut in
the middle.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dladm.dlmgmtd import store as store_module
from dladm.dlmgmtd.client import Dlmgmt
from dladm.dlmgmtd.protocol import ALL_FLAGS, BOOT, DAEMON, ConfValue, LinkInfo, decode_request
from dladm.dlmgmtd.service import LinkService
from dladm.dlmgmtd.store import Store
from dladm.doors.client import DoorError
from dladm.doors.message import encode_error, encode_reply
from kernel_sim.sys.codec import EsPhysList
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

OVERLAY, VNIC = DatalinkClass.OVERLAY, DatalinkClass.VNIC
ACTIVE, PERSIST = DatalinkFlag.ACTIVE, DatalinkFlag.PERSIST
NEVER = 1 << 30


class Killed(BaseException):
    """The process has ended: nothing of it runs any more."""


class Panicked(BaseException):
    """The whole host has ended, and booted again."""


@dataclass
class Fate:
    """When the daemon ends: before its step number `at`, counted from 0; `torn` cuts that step, a write, in the middle."""

    at: int = NEVER
    torn: bool = False
    steps: int = 0
    dead: bool = False
    failure: OSError | None = None
    """Instead of ending, the step and all later ones that write to the disk fail so."""

    def step(self) -> bool:
        """A step is about to be made; True when it is the one that is cut. Raises `Killed`."""
        if self.dead:
            raise Killed
        number, self.steps = self.steps, self.steps + 1
        if number < self.at or self.failure is not None:
            return False
        self.dead = True
        if self.torn:
            return True
        raise Killed

    @property
    def fails(self) -> bool:
        return self.failure is not None and self.steps > self.at


class DyingOs:
    """The `os` of a process that ends."""

    CALLS = frozenset({"open", "write", "fchmod", "fsync", "rename", "unlink", "close"})
    WRITING = frozenset({"open", "write", "fsync", "rename"})

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._open: list[int] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._fate.dead and name == "close":  # the machine closes what a dead process had open
                return real(*args)
            torn = self._fate.step()
            if self._fate.fails and name in self.WRITING:
                raise self._fate.failure or OSError
            if torn:
                if name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                raise Killed
            return real(*args, **kwargs)

        return call


@dataclass
class Kernel:
    """Names and devices; they outlive a daemon."""

    fate: Fate
    names: dict[int, LinkInfo] = field(default_factory=dict)
    devices: set[int] = field(default_factory=set)
    stuck: bool = False
    """TAPs cannot be renamed."""

    def push(self, link: LinkInfo) -> None:
        if self.fate.step():
            raise Killed
        known = self.names.get(link.linkid)
        if self.stuck and known is not None and known.name != link.name:
            raise KernelError(Errno.EEXIST, "an interface has that name")
        self.names[link.linkid] = link

    def clear(self, linkid: int) -> None:
        if self.fate.step():
            raise Killed
        if linkid in self.devices:
            raise KernelError(Errno.EBUSY)
        self.names.pop(linkid, None)

    def pushed(self) -> list[LinkInfo]:
        return [self.names[one] for one in sorted(self.names)]

    def has_device(self, link: LinkInfo) -> bool:
        return link.linkid in self.devices

    def phys(self) -> EsPhysList:
        return EsPhysList(1, ())


class Silent:
    def info(self, event: str, /, **keys: object) -> None:
        """Nobody reads it."""

    warning = error = exception = critical = info


class Machine:
    """A daemon that is started again whenever it has ended; the system that its client talks to, and a transport of it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fate = Fate()
        self.kernel = Kernel(self.fate)
        self.daemons = 0
        self.door_missing = False
        self.store = Store(root)
        for path in (self.store.conf_path, self.store.cache_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(store_module, "os", DyingOs(self.fate))
        self.start()
        self.client = Dlmgmt(self)

    def start(self) -> None:
        vars(self.fate).update(vars(Fate()))
        self.daemons += 1
        self.store = Store(self.store.conf_path.parents[2])
        self.service = LinkService(self.store, self.kernel, Silent())
        self.service.load()

    def boot_again(self) -> None:
        """The host panics: kernel, daemon and volatile files go, and a new daemon gives ids anew."""
        self.kernel = Kernel(self.fate)
        for path in self.store.cache_path.parent.iterdir():
            path.unlink()
        self.start()

    def connect(self, _path: str) -> Machine:
        if self.door_missing:
            raise KernelError(Errno.ENOENT, "the host is booting")
        return self

    def wait(self, _seconds: float) -> None:
        """The daemon is always there."""

    def call(self, message: bytes) -> bytes:
        try:
            reply = self.service.handle(decode_request(message), privileged=True)
            return encode_reply({**reply, DAEMON: self.daemons, BOOT: self.service.boot})
        except Killed:
            self.start()
            raise KernelError(Errno.ECONNRESET, "it was killed") from None
        except Panicked:
            raise KernelError(Errno.ECONNRESET, "it was killed") from None
        except KernelError as error:
            return encode_error(error)

    def close(self) -> None:
        """Nothing is open."""

    # ------------------------------------------------------------------ what can be seen

    def conf(self) -> bytes:
        return self.store.read_file(self.store.conf_path) or b""

    def state(self) -> dict[str, object]:
        return {
            "links": {one.name: (one.link_class, one.flags, one.zone) for one in self.service.table},
            "names": {one.name: (one.link_class, one.flags, one.zone) for one in self.kernel.names.values()},
            "conf": self.conf(),
            "cache": (self.store.read_file(self.store.cache_path) or b"").splitlines(),
            "left": sorted(path.name for path in self.store.conf_path.parents[2].rglob("*.rename")),
        }

    def check(self) -> None:
        """Table, kernel and files agree."""
        links = list(self.service.table)
        assert {one.linkid: one for one in links} == self.kernel.names
        assert {one.linkid for one in links if ACTIVE in one.flags} >= self.kernel.devices
        assert {one.name for one in links if PERSIST in one.flags} >= {
            one.name for one in self.store.read_conf().entries()
        }

    def make(self, name: str, link_class: DatalinkClass, flags: DatalinkFlag = ALL_FLAGS, **conf: str) -> int:
        """A link with a device, and a line if it is persistent."""
        linkid = self.client.create_linkid(name, link_class, DL_ETHER, flags)
        self.kernel.devices.add(linkid)
        if PERSIST in flags:
            attributes = {key: ConfValue.of_string(text) for key, text in conf.items()}
            self.client.create_conf(linkid, name, link_class, DL_ETHER, attributes)
        return linkid


def populated(root: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An overlay (id 1) with a VNIC (2), a temporary VNIC (3), a VNIC that is stored and does not run (4); a line that is no link's."""
    root.mkdir()
    machine = Machine(root, monkeypatch)
    machine.store.replace_file(machine.store.conf_path, b"# mine\nbroken0\tclass=what\n", durable=False)
    machine.make("ov0", OVERLAY, vnetid="23")
    machine.make("v0", VNIC, linkover="ov0", mtu="1300")
    machine.make("t0", VNIC, ACTIVE)
    stored = machine.make("s0", VNIC, linkover="ov0")
    machine.kernel.devices.discard(stored)
    machine.client.destroy_linkid(stored, ACTIVE)
    return machine


def gone(machine: Machine, linkid: int) -> None:
    """Delete a link as dladm does: its device first."""
    machine.kernel.devices.discard(linkid)
    machine.client.destroy_linkid(linkid, ALL_FLAGS)


CHANGES: dict[str, Callable[[Machine], object]] = {
    "create": lambda m: m.client.create_linkid("new0", VNIC, DL_ETHER),
    "create temporary": lambda m: m.client.create_linkid("new0", VNIC, DL_ETHER, ACTIVE),
    "store": lambda m: m.client.create_conf(3, "t0", VNIC, DL_ETHER, {"linkover": ConfValue.of_string("ov0")}),
    "set": lambda m: m.client.set_conf_field(2, "mtu", ConfValue.of_string("1400")),
    "set first": lambda m: m.client.set_conf_field(3, "mtu", ConfValue.of_string("1400")),
    "unset": lambda m: m.client.unset_conf_field(2, "mtu"),
    "forget": lambda m: m.client.remove_conf(4),
    "rename": lambda m: m.client.rename(1, "new0"),
    "rename what is stored only": lambda m: m.client.rename(4, "new0"),
    "rename temporary": lambda m: m.client.rename(3, "new0"),
    "delete": lambda m: gone(m, 2),
    "delete temporary": lambda m: gone(m, 3),
    "delete what is stored only": lambda m: gone(m, 4),
    "delete what runs": lambda m: m.client.destroy_linkid(2, ALL_FLAGS),
    "up": lambda m: (m.kernel.devices.add(4), m.client.up_linkid(4)),
    "zone": lambda m: m.client.set_zone(2, "web"),
}
"""Every operation that changes something, in each of the ways it takes."""
REFUSED = {"delete what runs": Errno.EBUSY}
FLAG_GOES_LATER = "forget"
"""The line goes and the flag stays until the link is destroyed; a new daemon goes by the line."""


def outcome(change: Callable[[Machine], object], machine: Machine) -> Errno | None:
    try:
        change(machine)
    except KernelError as error:
        return error.errno
    return None


@pytest.mark.parametrize("name", CHANGES)
def test_a_daemon_killed_at_any_step_leaves_the_old_file_or_the_new_and_the_command_is_carried_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = CHANGES[name]
    ideal = populated(tmp_path / "ideal", monkeypatch)
    before = ideal.conf()
    ideal.fate.steps = 0
    assert outcome(change, ideal) == REFUSED.get(name)
    steps = ideal.fate.steps
    expected = ideal.state()
    assert steps or name in REFUSED
    for at in range(steps):
        for torn in (False, True):
            machine = populated(tmp_path / f"{at}{torn}", monkeypatch)
            vars(machine.fate).update(vars(Fate(at, torn)))
            seen: list[bytes] = []
            restart = machine.start
            monkeypatch.setattr(machine, "start", lambda: (seen.append(machine.conf()), restart()))  # noqa: B023
            assert outcome(change, machine) == REFUSED.get(name)
            assert len(seen) == 1, "it was not killed"
            assert seen[0] in {before, expected["conf"]}, f"step {at}"
            machine.check()
            assert machine.state() == expected or name == FLAG_GOES_LATER, f"step {at}"
            assert machine.conf() == expected["conf"]


@pytest.mark.parametrize("name", CHANGES)
def test_a_disk_that_fails_from_any_step_on_loses_nothing_and_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = CHANGES[name]
    ideal = populated(tmp_path / "ideal", monkeypatch)
    ideal.fate.steps = 0
    outcome(change, ideal)
    steps, expected = ideal.fate.steps, ideal.state()
    for at in range(steps):
        machine = populated(tmp_path / str(at), monkeypatch)
        before = machine.state()
        full = OSError(28, "No space left on device")
        vars(machine.fate).update(vars(Fate(at, failure=full)))
        ended = outcome(change, machine)
        machine.fate.failure = None
        assert machine.conf() == (expected if ended is None else before)["conf"], f"step {at}"
        machine.check()
        assert not list(tmp_path.rglob("*.new"))
        assert outcome(change, machine) in {None, Errno.ENOENT, Errno.EEXIST, Errno.EINVAL, *REFUSED.values()}
        machine.check()


def test_a_rename_that_the_kernel_refuses_to_a_new_daemon_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = populated(tmp_path / "root", monkeypatch)
    before = machine.state()
    push = Kernel.push

    def die(kernel: Kernel, link: LinkInfo) -> None:
        monkeypatch.setattr(Kernel, "push", push)
        kernel.stuck = True
        raise Killed

    monkeypatch.setattr(Kernel, "push", die)
    assert outcome(lambda m: m.client.rename(1, "new0"), machine) is Errno.EEXIST
    machine.check()
    assert machine.state() == before


@pytest.mark.parametrize(("linkid", "flags"), [(2, ACTIVE), (3, ACTIVE)], ids=["stored", "temporary"])
def test_a_daemon_started_after_the_device_went_has_taken_the_flag_already(
    linkid: int, flags: DatalinkFlag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = populated(tmp_path / "root", monkeypatch)
    machine.kernel.devices.discard(linkid)
    machine.start()
    machine.client.destroy_linkid(linkid, flags)
    with pytest.raises(KernelError) as refused:
        Dlmgmt(machine).destroy_linkid(linkid, flags)  # who has not talked to the daemon before cannot have deleted it
    assert refused.value.errno is Errno.ENOENT
    machine.check()


def test_a_stored_link_whose_device_was_found_by_a_new_daemon_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = populated(tmp_path / "root", monkeypatch)
    machine.kernel.devices.add(4)
    machine.start()
    machine.client.up_linkid(4)
    assert machine.service.table.get(4).flags == ALL_FLAGS
    machine.check()


@pytest.mark.parametrize("name", CHANGES)
def test_a_request_whose_host_has_panicked_reaches_no_link_of_the_next_boot(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = populated(tmp_path / "root", monkeypatch)
    handle = LinkService.handle

    def panic(*_args: Any, **_kwargs: Any) -> Any:
        monkeypatch.setattr(LinkService, "handle", handle)
        machine.boot_again()
        raise Panicked

    machine.kernel.devices.clear()  # so that nothing but the name of the boot is in the way
    before = machine.conf()
    monkeypatch.setattr(LinkService, "handle", panic)
    assert outcome(CHANGES[name], machine) is Errno.ESTALE
    assert machine.conf() == before


@pytest.mark.parametrize("name", ["delete", "delete what is stored only", "forget"])
def test_a_door_that_has_gone_with_the_host_is_no_word_that_a_change_was_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = populated(tmp_path / "root", monkeypatch)
    before = machine.conf()

    def panic(_message: bytes) -> bytes:
        machine.door_missing = True
        raise KernelError(Errno.ECONNRESET, "it was killed")

    monkeypatch.setattr(machine, "call", panic)
    with pytest.raises(KernelError) as refused:
        CHANGES[name](machine)
    assert isinstance(refused.value, DoorError)
    assert machine.conf() == before


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_what_a_killed_daemon_had_begun_to_write_is_removed_by_the_next(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = populated(tmp_path / "root", monkeypatch)
    vars(machine.fate).update(vars(Fate(at)))
    machine.client.unset_conf_field(2, "mtu")
    assert machine.daemons == 2, "it was not killed"
    machine.store.conf_path.with_name("datalink.conf.new").write_bytes(b"half")
    machine.start()
    assert not list(tmp_path.rglob("*.new"))
