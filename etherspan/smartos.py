"""Overlays on demand, as a SmartOS host makes them when a VM's NIC asks for one.

There a NIC tag `TAG/NUM` means the overlay of network NUM that is made after the rule TAG. The rules are
`/var/run/smartdc/networking/overlay_rules.json`: one object, a tag for each key, and as value the words of `dladm create-overlay` without
`-v` and name. The overlay is called TAGNUM, is temporary, and is made with the first NIC (public SmartOS documentation: docs/smartos.md).
"""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dladm.cli.main import main as dladm
from etherspan.errors import EtherspanError
from kernel_sim.dev.client import System

RULES: Final = "var/run/smartdc/networking/overlay_rules.json"
_TAG: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*[A-Za-z_]|[A-Za-z_])/([0-9]{1,8})", re.ASCII)
VNETID_MAX: Final = (1 << 24) - 1


@dataclass(slots=True, frozen=True)
class NicTag:
    """A NIC tag that names a network: the rule, and the network's id."""

    tag: str
    vnetid: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read TAG/NUM. Errors: `EtherspanError`."""
        found = _TAG.fullmatch(text)
        if found is None or int(found[2]) > VNETID_MAX:
            raise EtherspanError(
                f"'{text}' is no NIC tag of an overlay; write TAG/NUM, a tag that ends in no digit and 0 to {VNETID_MAX}"
            )
        return cls(found[1], int(found[2]))

    @property
    def overlay(self) -> str:
        """The name of its overlay."""
        return f"{self.tag}{self.vnetid}"


def read_rules(path: Path) -> dict[str, tuple[str, ...]]:
    """The rules in a file: tag to words. Errors: `EtherspanError`: no such file, no object of strings, words that do not belong there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EtherspanError(f"{path}: {error.strerror}; it says how overlays are made, see docs/smartos.md") from error
    except ValueError as error:
        raise EtherspanError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, Mapping):
        raise EtherspanError(f"{path}: expected an object of rules")
    return {str(tag): _words(path, str(tag), value) for tag, value in found.items()}


def _words(path: Path, tag: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise EtherspanError(f"{path}: the rule '{tag}' is no string")
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise EtherspanError(f"{path}: the rule '{tag}' cannot be split into words: {str(error).lower()}") from None
    if any(word == "-v" or word.startswith(("--vnetid", "-v")) for word in words):
        raise EtherspanError(f"{path}: the rule '{tag}' gives a network id (-v), which comes from the NIC tag")
    if not words:
        raise EtherspanError(f"{path}: the rule '{tag}' is empty")
    return words


def add_nic(
    system: System, rules: Mapping[str, tuple[str, ...]], wanted: NicTag, vnic: str, mac: str | None = None
) -> bool:
    """Make a VNIC over the network's overlay, and that first if it is not there; True if it was made.

    Errors: `EtherspanError` with what dladm says; an overlay that was made goes again then.
    """
    made = False
    if not _exists(system, wanted):
        rule = rules.get(wanted.tag)
        if rule is None:
            known = ", ".join(sorted(rules)) or "none"
            raise EtherspanError(
                f"there is no rule '{wanted.tag}' for '{wanted.tag}/{wanted.vnetid}'; there are: {known}"
            )
        _call(system, "create-overlay", "-t", *rule, "-v", str(wanted.vnetid), wanted.overlay)
        made = True
    try:
        address = ("-m", mac) if mac is not None else ()
        _call(system, "create-vnic", "-t", "-l", wanted.overlay, *address, vnic)
    except EtherspanError:
        if made:
            _call(system, "delete-overlay", "-t", wanted.overlay)
        raise
    return made


def _exists(system: System, wanted: NicTag) -> bool:
    """Errors: `EtherspanError` something else has the name."""
    status, out, _ = _run(system, "show-overlay", "-p", "-o", "property,value", wanted.overlay)
    values = dict(line.partition(":")[::2] for line in out.splitlines())
    if status or not values:
        status, _, _ = _run(system, "show-link", "-p", "-o", "class", wanted.overlay)
        if not status:
            raise EtherspanError(f"{wanted.overlay} is a link already, and no overlay")
        return False
    if values.get("vnetid") != str(wanted.vnetid):
        raise EtherspanError(f"{wanted.overlay} is there with network id {values.get('vnetid')}, not {wanted.vnetid}")
    return True


def _run(system: System, *words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return dladm(list(words), system=system, stdout=out, stderr=err), out.getvalue(), err.getvalue()


def _call(system: System, *words: str) -> None:
    status, _, err = _run(system, *words)
    if status:
        raise EtherspanError(f"dladm {words[0]}: {err.strip().replace('dladm: ', '')}")
