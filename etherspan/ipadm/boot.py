"""The stored configuration of a host's zones: applied when a zone starts, forgotten when it is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dladm.libdladm.handle import Dladm
from etherspan.errors import EtherspanError
from etherspan.ipadm import library, place
from etherspan.ipadm.conf import GLOBAL
from etherspan.ipadm.library import Zone
from etherspan.ipadm.status import IpadmError
from etherspan.ipadm.store import Store
from kernel_sim.dev.client import LocalSystem


def apply_host(root: Path) -> None:
    """Apply what is stored for the host itself, and say what is wrong with the file. The caller is in the host's namespace.

    Errors: `EtherspanError` with a line for each thing that could not be done, which begins with file and line number.
    """
    try:
        store = Store(root)
        conf = store.read_conf()
        problems = [f"{store.conf_path}:{one.line}: {one.text}; the line is kept" for one in conf.problems()]
        problems += [
            f"{store.conf_path}:{conf.first_line(zone)}: zone '{zone}' does not run"
            for zone in conf.zones()
            if zone != GLOBAL and not place.of_zone(root, zone).runs()
        ]
        if GLOBAL in conf.zones():
            with Dladm(LocalSystem(root)) as handle:
                problems += Zone(root, handle, place.of_zone(root, GLOBAL)).apply_stored()
    except IpadmError as error:
        raise EtherspanError(f"ipadm: {error}") from error
    if problems:
        raise EtherspanError("\n".join(problems))


def apply_zone(root: Path, handle: Dladm, zone: str, adopted: Sequence[str]) -> None:
    """Name the addresses that these links of a starting zone have, then apply what is stored for it.

    Errors: `EtherspanError` as `apply_host`.
    """
    try:
        stored = Store(root).read_conf()
        wanted = {*adopted, *(one.ifname for one in stored.interfaces(zone))}
        if not wanted:
            return
        found = Zone(root, handle, place.of_zone(root, zone), library.links(handle, sorted(wanted)))
        found.adopt(adopted)
        problems = found.apply_stored()
    except IpadmError as error:
        raise EtherspanError(f"ipadm: {error}") from error
    if problems:
        raise EtherspanError("\n".join(problems))


def forget_zone(root: Path, zone: str) -> None:
    """Drop what is stored and known of a zone that is being deleted. Errors: `EtherspanError`."""
    store = Store(root)
    try:
        if not store.knows(zone):
            return
        with store.locked():
            store.write_conf(store.read_conf().without_zone(zone))
            store.write_map(store.read_map().without_zone(zone))
    except IpadmError as error:
        raise EtherspanError(f"ipadm: {error}") from error
