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


def own_store(environ: Mapping[str, str] = os.environ) -> str:
    """The URL of the store in there."""
    return f"sqlite:///{portolan_dir(environ) / STORE_NAME}"


def default_store(environ: Mapping[str, str] = os.environ) -> str:
    """The URL of the store that is meant where none is named: `PORTOLAN_STORE`, else our own."""
    return environ.get(STORE_VARIABLE) or own_store(environ)
