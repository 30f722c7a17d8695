"""Many links on one host, by the benchmark that prints its figures (`etherspan bench scale`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etherspan import netns
from etherspan.bench import scale

pytestmark = pytest.mark.namespaces


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    namespace = tmp_path / "ns"
    netns.pin(namespace)
    yield tmp_path / "host", namespace
    netns.unpin(namespace)


def test_two_hundred_vnics_are_made_and_gone_again_in_seconds(place: tuple[Path, Path]) -> None:
    found = scale.measure(*place, overlays=100)
    assert found.growth < 3
    assert found.halt_seconds < 3
    assert found.left == []


@pytest.mark.soak
def test_a_command_takes_no_longer_among_three_thousand_links(place: tuple[Path, Path]) -> None:
    found = scale.measure(*place, overlays=1000)
    assert found.growth <= 1.5
    assert found.halt_seconds <= 3
    assert found.left == []
