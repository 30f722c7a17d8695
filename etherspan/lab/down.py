"""`lab down`: undo a lab's journal from its end, however far its `up` came."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

from etherspan import netns, zone
from etherspan.errors import EtherspanError
from etherspan.host import control
from etherspan.lab import server
from etherspan.lab.journal import Act, LabDir, Phase


def down(where: LabDir) -> None:
    """Take a lab down. Errors: `EtherspanError`, one line for each thing that could not be undone; `down` can be tried again."""
    with where.locked():
        undo(where)


def undo(where: LabDir) -> None:
    """Undo every act of the journal, then remove the lab's folder; the caller holds the lab's lock. Errors: `EtherspanError`."""
    where.enter(Phase.STOPPING)
    problems: list[str] = []
    for step in reversed(where.read().steps):
        try:
            _UNDO[step.act](where, step.node)
        except EtherspanError as error:
            problems += [f"{step.act.value} {step.node}: {line}" for line in str(error).splitlines()]
    if problems:
        problems.append(f"what is left is in {where.path}; try 'etherspan lab down {where.name}' again")
        raise EtherspanError("\n".join(problems))
    _remove(where)


def _halt(where: LabDir, host: str) -> None:
    root = where.root(host)
    for one in zone.list_zones(root):
        if one.running:
            netns.end_processes(zone.namespace(root, one.name))
        netns.unmirror(zone.namespace(root, one.name), where.mirror(f"{host}.{one.name}"))
    control.halt_host(root)


def _end_namespace(where: LabDir, node: str) -> None:
    for pinned in (*netns.pins_below(where.root(node)), where.namespace(node)):
        if netns.is_pinned(pinned):
            netns.end_processes(pinned)  # a service that was started and not yet recorded, a command of `lab exec`
        netns.unmirror(pinned, where.mirror(f"{node}.{pinned.name}"))
        netns.unpin(pinned)


def _end_mirror(where: LabDir, node: str) -> None:
    netns.unmirror(where.namespace(node), where.mirror(node))


def _end_switch(where: LabDir, _node: str) -> None:
    netns.unpin(where.switch)


_UNDO: Mapping[Act, Callable[[LabDir, str], None]] = {
    Act.BOOT: _halt,
    Act.SERVER: server.stop,
    Act.MIRROR: _end_mirror,
    Act.NAMESPACE: _end_namespace,
    Act.SWITCH: _end_switch,
}


def _remove(where: LabDir) -> None:
    """Remove the folder; the journal goes last, so that an interrupted removal can be repeated."""
    try:
        for child in where.path.iterdir():
            if child.name == "state.json":
                continue
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
        shutil.rmtree(where.path)
    except OSError as error:
        raise EtherspanError(f"cannot remove {error.filename}: {error.strerror}") from error
