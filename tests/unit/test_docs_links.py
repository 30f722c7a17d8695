"""Links of README and docs lead somewhere, and the drop reasons that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernel_sim.mac import stat
from kernel_sim.overlay.drops import DeviceDrop, MuxDrop

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_reasons_exist(page: Path) -> None:
    known = {str(one) for kind in (DeviceDrop, MuxDrop, stat.ClientDrop, stat.MacDrop) for one in kind}
    fields = {"rx_rings", "tx_rings"}
    named = set(re.findall(r"`((?:rx|tx)_[a-z_]+)`", page.read_text()))
    assert not named - known - fields
