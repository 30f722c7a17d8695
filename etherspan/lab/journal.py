"""What a lab consists of, on disk: where its parts are, and what was begun for it.

<state>/labs/N/state.json     the journal: each act is written here before it is done
<state>/labs/N/lab.toml       the lab file as it was read
<state>/labs/N/ns/NODE        the namespace of a host, VTEP or server
<state>/labs/N/switch         the namespace of the switch
<state>/labs/N/hosts/HOST     ROOT of a host
<state>/labs/N/portolan/NAME  folder of a server
<state>/labs/N.lock           held by the command that changes the lab
"""

from __future__ import annotations

import enum
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from etherspan.errors import EtherspanError
from etherspan.netvalues import NAME
from etherspan.process import ProcessId
from etherspan.state import state_dir, write_json
from etherspan.zone import MIRRORS

VERSION = 1
"""Of the journal's format."""


class Phase(enum.Enum):
    """Where a lab is in its life. One that is not `UP` and whose command has ended was left half-way."""

    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"


class Act(enum.Enum):
    """What can be undone for a lab, each with the name of the node it is done for."""

    SWITCH = "switch"
    NAMESPACE = "namespace"
    MIRROR = "mirror"
    BOOT = "boot"
    SERVER = "server"


@dataclass(slots=True, frozen=True)
class Step:
    """One act for one node."""

    act: Act
    node: str


@dataclass(slots=True, frozen=True)
class Record:
    """The journal's content. `source` is the path of the lab file, `by` the command that last changed the lab."""

    phase: Phase
    source: str
    by: ProcessId
    steps: tuple[Step, ...] = ()


class LabDir:
    """A lab's folder."""

    def __init__(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise EtherspanError(f"'{name}' is no lab name; 1 to 31 letters, digits, '_' and '-' (see --name)")
        self.name = name
        self.path = labs_folder() / name

    @property
    def file(self) -> Path:
        """The copy of the lab file."""
        return self.path / "lab.toml"

    @property
    def switch(self) -> Path:
        """The namespace of the switch."""
        return self.path / "switch"

    def namespace(self, node: str) -> Path:
        """The namespace of a host, VTEP or server."""
        return self.path / "ns" / node

    def root(self, host: str) -> Path:
        """ROOT of a host."""
        return self.path / "hosts" / host

    def nodename(self, node: str) -> str:
        """The name of a node on this machine."""
        return f"{self.name}.{node}"

    def mirror(self, node: str) -> Path:
        """Where other tools find the node's namespace."""
        return MIRRORS / self.nodename(node)

    def exists(self) -> bool:
        """True from the first act of `lab up` to the last of `lab down`."""
        return (self.path / "state.json").exists()

    def read(self) -> Record:
        """The journal. Errors: `EtherspanError` when there is no such lab."""
        path = self.path / "state.json"
        try:
            data = json.loads(path.read_text())
            return Record(
                Phase(data["phase"]),
                data["file"],
                ProcessId(data["by"]["pid"], data["by"]["start"]),
                tuple(Step(Act(act), node) for act, node in data["steps"]),
            )
        except FileNotFoundError:
            raise EtherspanError(f"there is no lab '{self.name}'; 'etherspan lab list' shows those there are") from None
        except (ValueError, KeyError, TypeError) as error:
            raise EtherspanError(f"{path} is not a lab's journal: {error}") from error

    def write(self, record: Record) -> None:
        """Replace the journal."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(
            self.path / "state.json",
            {
                "version": VERSION,
                "phase": record.phase.value,
                "file": record.source,
                "by": {"pid": record.by.pid, "start": record.by.start},
                "steps": [[step.act.value, step.node] for step in record.steps],
            },
        )

    def begin(self, act: Act, node: str) -> None:
        """Note an act that is about to be done."""
        record = self.read()
        self.write(replace(record, steps=(*record.steps, Step(act, node))))

    def enter(self, phase: Phase) -> None:
        """Note a new phase, brought about by the calling process."""
        self.write(replace(self.read(), phase=phase, by=ProcessId.own()))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only command that changes the lab. Errors: `EtherspanError` when another one does."""
        labs_folder().mkdir(parents=True, exist_ok=True)
        lock = self.path.with_suffix(".lock")
        while True:
            with lock.open("w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    by = f" by process {self.read().by.pid}" if self.exists() else ""
                    raise EtherspanError(
                        f"lab '{self.name}' is being changed{by}; try again when that is done"
                    ) from None
                if not _is_same(file.fileno(), lock):  # its last holder has removed it meanwhile
                    continue
                try:
                    yield
                finally:
                    if not self.exists():
                        lock.unlink()
                return


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def labs_folder() -> Path:
    """The folder with a folder for each lab."""
    return state_dir() / "labs"


def all_labs() -> list[LabDir]:
    """The labs of this user, by name."""
    if not labs_folder().is_dir():
        return []
    names = sorted(one.name for one in labs_folder().iterdir() if one.is_dir() and NAME.fullmatch(one.name))
    return [lab for lab in map(LabDir, names) if lab.exists()]


def choose(name: str | None) -> LabDir:
    """The lab of that name, or the only one there is. Errors: `EtherspanError`."""
    if name is not None:
        lab = LabDir(name)
        lab.read()
        return lab
    labs = all_labs()
    if len(labs) != 1:
        names = ", ".join(one.name for one in labs)
        raise EtherspanError(f"several labs are up, name one of them: {names}" if labs else "no lab is up")
    return labs[0]
