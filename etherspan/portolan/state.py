"""Where portolan keeps its store unless it is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from etherspan.state import state_dir

STORE_NAME: Final = "portolan.db"
STORE_VARIABLE: Final = "PORTOLAN_STORE"
"""Environment variable that names a store."""


def portolan_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of portolan: /var/lib/etherspan/portolan for root, `$XDG_STATE_HOME/etherspan/portolan` for others; see `state_dir`."""
    return state_dir(environ) / "portolan"


def default_store(environ: Mapping[str, str] = os.environ) -> str:
    """The URL of the store: `PORTOLAN_STORE`, else the one in there."""
    given = environ.get(STORE_VARIABLE)
    if given:
        return given
    return f"sqlite:///{portolan_dir(environ) / STORE_NAME}"
