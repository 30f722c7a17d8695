"""Where this user's hosts and labs are kept, and how small records are written there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kernel_sim.dev.paths import is_real_root, state_home

STATE_VARIABLE: Final = "ETHERSPAN_STATE"
"""Environment variable that names the state directory."""

_REAL_ROOT_DEFAULT: Final = Path("/var/lib/etherspan")


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The state directory: `ETHERSPAN_STATE`, else /var/lib/etherspan for root and `$XDG_STATE_HOME/etherspan` for others."""
    given = environ.get(STATE_VARIABLE)
    if given:
        return Path(given).absolute()
    return _REAL_ROOT_DEFAULT if is_real_root() else state_home(environ)


def write_json(path: Path, value: object) -> None:
    """Replace the file in one step: a reader, or a crash at any instant, sees the old content or the new."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
