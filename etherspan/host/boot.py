"""The boot steps, once kernel and dlmgmtd are there: overlays, VNICs and etherstubs, zones, addresses. `python -m etherspan.host.boot`.

A step that fails does not keep the next from being tried. What went wrong is on standard error, a line each; the exit status is 1
then. Steps that have nothing to do are not begun.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from dladm.dlmgmtd.client import Dlmgmt
from etherspan.ipadm import IPADM_CONF
from kernel_sim.dev import paths
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.service import arm_parent_death, restarter_pid
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import KernelError

STEPS: Final = (
    (DatalinkClass.OVERLAY, "up-overlay"),
    (DatalinkClass.VNIC | DatalinkClass.ETHERSTUB, "up-vnic"),
)


def _up(system: LocalSystem, link_classes: int, subcommand: str) -> bool:
    with Dlmgmt(system) as dlmgmt:
        wanted = dlmgmt.walk(link_classes, DatalinkFlag.PERSIST)
    if not wanted:
        return True
    from dladm.cli.main import main as dladm

    return dladm([subcommand], system=system) == 0


def _zones(root: Path) -> bool:
    if not any((root / paths.ZONES).glob("*.toml")):
        return True
    from etherspan import zone
    from etherspan.errors import EtherspanError

    try:
        zone.boot(root)
    except EtherspanError as error:
        print(error, file=sys.stderr)
        return False
    return True


def _addresses(root: Path) -> bool:
    if not (root / IPADM_CONF).exists():
        return True
    from etherspan.errors import EtherspanError
    from etherspan.ipadm.boot import apply_host

    try:
        apply_host(root)
    except EtherspanError as error:
        print(error, file=sys.stderr)
        return False
    return True


def main() -> int:
    """Take the steps; the exit status."""
    arm_parent_death(restarter_pid())
    root = paths.host_root()
    system = LocalSystem(root)
    done = True
    for link_classes, subcommand in STEPS:
        try:
            done &= _up(system, link_classes, subcommand)
        except KernelError as error:
            print(f"{subcommand}: {error}", file=sys.stderr)
            done = False
    done &= _zones(root)
    done &= _addresses(root)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
