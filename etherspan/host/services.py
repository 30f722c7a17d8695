"""The services of a host, in the order they start."""

from __future__ import annotations

import signal
from typing import Final

from dladm.libscf.protocol import DLMGMTD, RESTARTER, VARPD
from etherspan.host.states import Service
from kernel_sim.dev import paths

KERNEL: Final = "kernel"
"""The simulated kernel's name here; it has no FMRI and is not shown."""

RESTARTER_DESCRIPTION: Final = "master restarter"


def log_path(fmri: str) -> str:
    """Where a service logs, relative to the root: its FMRI without scheme, slashes as dashes."""
    return f"{paths.LOGS}/{fmri.removeprefix('svc:/').replace('/', '-')}.log"


RESTARTER_LOG: Final = log_path(RESTARTER)

SERVICES: Final = {
    service.fmri: service
    for service in (
        Service(
            fmri=KERNEL,
            description="simulated kernel",
            module="kernel_sim",
            doors=(paths.DLD, paths.OVERLAY, paths.KSTAT),
            log=f"{paths.LOGS}/kernel.log",
            stop_seconds=2.0,
        ),
        Service(
            fmri=DLMGMTD,
            description="data-link management daemon",
            module="dladm.dlmgmtd.daemon",
            doors=(paths.DLMGMT_DOOR,),
            log=log_path(DLMGMTD),
            depends_on=(KERNEL,),
        ),
        Service(
            fmri=VARPD,
            description="virtual ARP daemon",
            module="libvarpd.varpd",
            doors=(paths.VARPD_DOOR,),
            log=log_path(VARPD),
            depends_on=(KERNEL, DLMGMTD),
            enabled=False,
            launcher=True,
            refresh=signal.SIGUSR1,
        ),
    )
}
