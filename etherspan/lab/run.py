"""Programs in a running lab, and what a lab looks like from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from etherspan import execute, netns, zone
from etherspan.errors import EtherspanError
from etherspan.lab import server
from etherspan.lab.journal import LabDir, Phase
from etherspan.lab.model import Lab
from etherspan.lab.source import read_lab
from etherspan.portolan.state import STORE_VARIABLE


@dataclass(slots=True, frozen=True)
class Place:
    """Where a program can run: a namespace, and the ROOT of the host it belongs to (none for a VTEP or server)."""

    namespace: Path
    root: Path | None


def find(where: LabDir, target: str) -> Place:
    """The place called HOST, HOST:ZONE, VTEP or SERVER. Errors: `EtherspanError` that lists the places there are."""
    lab = read_lab(where)
    node, colon, zone_name = target.partition(":")
    if (node in lab.vteps or node in lab.portolans) and not colon:
        place = Place(where.namespace(node), None)
    elif node in lab.hosts:
        root = where.root(node)
        place = Place(zone.namespace(root, zone_name) if colon else where.namespace(node), root)
    else:
        raise EtherspanError(f"lab '{where.name}' has no '{target}'; it has {', '.join(places(where, lab))}")
    if not netns.is_pinned(place.namespace):
        if colon:
            raise EtherspanError(
                f"host '{node}' has no zone '{zone_name}'; the lab has {', '.join(places(where, lab))}"
            )
        raise EtherspanError(
            f"'{target}' is gone (was the machine restarted?); 'etherspan lab down {where.name}' clears up"
        )
    return place


def places(where: LabDir, lab: Lab) -> list[str]:
    """Everything that `find` takes now."""
    found: list[str] = []
    for host in lab.hosts:
        found.append(host)
        found += [f"{host}:{one.name}" for one in zone.list_zones(where.root(host)) if one.running]
    return [*found, *lab.vteps, *lab.portolans]


def replace_process(where: LabDir, target: str, argv: Sequence[str]) -> NoReturn:
    """Become a program in a place of the lab."""
    place = find(where, target)
    env = execute.environment(place.root)
    portolan = read_lab(where).portolans.get(target)
    if portolan is not None:
        env[STORE_VARIABLE] = server.store_url(where, target, portolan)  # what portolanadm changes there
    execute.replace_process(place.namespace, argv, env)


def phase_text(where: LabDir) -> str:
    """`up`, or how far a command that does not run any more came."""
    record = where.read()
    if record.phase is Phase.UP:
        return "up" if netns.is_pinned(where.switch) else "gone"
    return record.phase.value if record.by.alive() else "half-way"
