"""Services killed at each kind of system call of fixed scripts: nothing that was stored is lost, and nothing is left behind.

All rows are a long run (`make soak`); of each row one point is tried always. docs/crash-matrix.md has the rows, and what holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etherspan.host import control
from tests.integration.crash.matrix import KILL, MATRIX, Point, Row
from tests.integration.crash.trial import Trial
from tests.integration.hosts import Host

pytestmark = pytest.mark.namespaces

PAGE = Path(__file__).parents[3] / "docs" / "crash-matrix.md"
POINTS_MIN = 200


def name(row: Row) -> str:
    what = "" if row.what == KILL else row.what.partition("=")[2]
    return f"{row.service} {row.script} {row.call} {row.step or what}".strip().replace(" ", "-")


class Stand:
    """A host for each script, as long as nothing goes wrong on it."""

    def __init__(self, stage: Any, folder: Path) -> None:
        self._stage = stage
        self._folder = folder
        self._numbers = itertools.count(1)
        self._trials: dict[str, Trial] = {}

    def attempt(self, points: Iterable[Point]) -> None:
        """Try them all; a host on which something went wrong is not used again."""
        wrong = []
        for point in points:
            try:
                self._trial(point.script).attempt(point)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other points go on
                wrong.append(f"{point}: {error!r}")
                control.halt_host(self._trials.pop(point.script).host.root)
        assert not wrong, "\n".join(wrong)

    def _trial(self, script: str) -> Trial:
        if script not in self._trials:
            host = Host(self._folder / f"host{next(self._numbers)}", self._stage.namespace())
            self._trials[script] = Trial.begin(host, script, self._folder)
        return self._trials[script]

    def end(self) -> None:
        """Halt each host and look for what is left."""
        for trial in self._trials.values():
            trial.end()
            control.halt_host(trial.host.root)


@pytest.fixture(scope="module")
def stand(module_stage: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    made = Stand(module_stage, tmp_path_factory.mktemp("crash"))
    yield made
    made.end()


@pytest.mark.parametrize("row", MATRIX, ids=name)
def test_one_point_of_each_row(stand: Stand, row: Row) -> None:
    points = list(row.points())
    stand.attempt([points[len(points) // 2]])


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("row", MATRIX, ids=name)
def test_every_point(stand: Stand, row: Row) -> None:
    stand.attempt(row.points())


def table() -> str:
    """The rows as docs/crash-matrix.md has them."""
    lines = [
        "| process | script | call | numbers | in steps of | what happens | points |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in MATRIX:
        process = f"{row.service} {row.step}" if row.step else row.service
        what = "killed" if row.what == KILL else row.what.partition("=")[2]
        numbers = f"{row.first}-{row.last}" if row.last > row.first else f"{row.first}"
        points = len(list(row.points()))
        lines.append(f"| {process} | {row.script} | {row.call} | {numbers} | {row.every} | {what} | {points} |")
    every = [point for row in MATRIX for point in row.points()]
    kills = sum(point.kills for point in every)
    return "\n".join([*lines, "", f"{len(every)} points, {kills} of them kills."])


def test_the_page_has_the_matrix() -> None:
    shown = PAGE.read_text().partition("<!-- matrix -->\n")[2].partition("\n<!-- end -->")[0]
    assert shown == table()


def test_there_are_enough_points() -> None:
    points = [point for row in MATRIX for point in row.points()]
    assert len(set(points)) == len(points)
    assert sum(point.kills for point in points) >= POINTS_MIN
