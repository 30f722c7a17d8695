"""What a corpus reaches of the code that its target is there for.

    python -m tests.fuzz.reach [TARGET]…      branches reached, of each target, and where the rest is

Each target is measured by itself, in one process: what others reach does not count.
"""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from json import loads
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import coverage

from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]
WANTED = 0.9


def corpus(name: str) -> list[bytes]:
    """A target's inputs: its seeds, and what is kept."""
    kept = CORPUS / f"{name}.hex"
    return [*TARGETS[name].seeds, *map(bytes.fromhex, kept.read_text().split() if kept.exists() else [])]


class Reach(NamedTuple):
    """Branches of the code a target is there for; `missed` by function, as pairs of lines."""

    reached: int
    all: int
    missed: dict[str, list[list[int]]]


def _measured(target: Target) -> coverage.Coverage:
    files = sorted({pattern.partition(":")[0] for pattern in target.reaches})
    return coverage.Coverage(branch=True, data_file=None, config_file=False, include=[str(ROOT / one) for one in files])


def chosen(target: Target, inputs: set[bytes]) -> list[bytes]:
    """Short inputs that take, together with the seeds, every branch that all of them take."""
    measured = _measured(target)
    order = [*target.seeds, *sorted(inputs - {b""} - set(target.seeds), key=lambda data: (len(data), data))]
    measured.start()
    for number, data in enumerate(order):
        measured.switch_context(f"{number:06}")
        target(data)
    measured.stop()
    data = measured.get_data()
    files = data.measured_files()
    known: set[tuple[str, int, int]] = set()
    found = []
    for number, one in enumerate(order):
        data.set_query_context(f"{number:06}")
        arcs = {(file, *arc) for file in files for arc in data.arcs(file) or ()}
        if not arcs <= known and number >= len(target.seeds):
            found.append(one)
        known |= arcs
    return found


def measure(target: Target, inputs: list[bytes]) -> Reach:
    """Run a target on inputs, and see."""
    measured = _measured(target)
    measured.start()
    for data in inputs:
        target(data)
    measured.stop()
    with TemporaryDirectory() as folder:
        measured.json_report(outfile=f"{folder}/reach.json")
        found = loads(Path(folder, "reach.json").read_text())["files"]
    reached = total = 0
    missed: dict[str, list[list[int]]] = {}
    for pattern in target.reaches:
        file, _, names = pattern.partition(":")
        matched = 0
        for path, content in found.items():
            if not fnmatchcase(str(Path(path).resolve().relative_to(ROOT)), file):
                continue
            for name, function in content["functions"].items():
                if name and fnmatchcase(name, names or "*"):
                    matched += 1
                    summary = function["summary"]
                    reached += summary["covered_branches"]
                    total += summary["num_branches"]
                    if function["missing_branches"]:
                        missed[f"{path}:{name}"] = function["missing_branches"]
        assert matched, f"{pattern} names nothing"
    return Reach(reached, total, missed)


def main() -> int:
    short = 0
    for name in sys.argv[1:] or TARGETS:
        found = measure(TARGETS[name], corpus(name))
        share = found.reached / found.all if found.all else 1.0
        short += share < WANTED
        print(f"{name}: {found.reached} of {found.all} branches, {share:.1%}")
        if sys.argv[1:]:
            for where, pairs in found.missed.items():
                print(f"  {where} {pairs}")
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
