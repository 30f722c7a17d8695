"""Where a host's files are: its root directory, and the paths below it that programs agree on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT_VARIABLE: Final = "ETHERSPAN_ROOT"
"""Environment variable that names the host's root directory."""

DLD: Final = "dev/dld"
OVERLAY: Final = "dev/overlay"
KSTAT: Final = "dev/kstat"
SNOOP: Final = "dev/net/snoop"
"""Beside the links: no link can have that name, which ends in no digit."""
DLMGMT_DOOR: Final = "etc/svc/volatile/dladm/dlmgmt_door"
RESTARTER_DOOR: Final = "etc/svc/volatile/restarter_door"
VARPD_RUN: Final = "var/run/varpd"
VARPD_DOOR: Final = "var/run/varpd/varpd.door"
DATALINK_CONF: Final = "etc/dladm/datalink.conf"
DLADM_VOLATILE: Final = "etc/svc/volatile/dladm"
ZONES: Final = "etc/zones"
ZONE_NS: Final = "var/run/zones"
LOGS: Final = "var/svc/log"
HOSTS: Final = "etc/inet/hosts"
SYSTEM: Final = "etc/system"

_REAL_ROOT_DEFAULT: Final = Path("/var/lib/etherspan/host")
_UID_MAP: Final = Path("/proc/self/uid_map")
_ALL_UIDS: Final = ["0", "0", "4294967295"]


def is_real_root() -> bool:
    """True for uid 0 of the machine; false for uid 0 inside a user namespace, whose uids map to others outside."""
    return os.geteuid() == 0 and _UID_MAP.read_text().split() == _ALL_UIDS


def state_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's directory for state of this project: `$XDG_STATE_HOME/etherspan`, by default `~/.local/state/etherspan`."""
    given = environ.get("XDG_STATE_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"  # XDG: a relative path is ignored
    return base / "etherspan"


def host_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The root directory of the host that commands talk to: `ETHERSPAN_ROOT`, else a default for root and one a user."""
    given = environ.get(ROOT_VARIABLE)
    if given:
        return Path(given).absolute()
    return _REAL_ROOT_DEFAULT if is_real_root() else state_home(environ) / "host"
