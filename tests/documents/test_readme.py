"""README's picture and tours are what a reader gets. A module of its own: it takes as long as all other documents."""

from __future__ import annotations

import pytest

from tests.documents.conftest import Machine
from tests.documents.markdown import README
from tests.documents.running import check


@pytest.mark.namespaces
def test_what_readme_shows_is_what_comes(machine: Machine) -> None:
    check(README, machine)
