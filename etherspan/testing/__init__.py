"""Worlds to test in: hosts, overlays and networks in memory on a virtual clock, or in network namespaces (docs/testing.md).

* `world`       what a scenario sees: `World`, `Host`, `Port`; `topology` are building blocks, `scenarios` those that hold everywhere
* `simworld`    the world in memory, over `simloop` (clock and event loop), `simhost`, `simdaemons`, `simrestarter`, `simprocess`,
                `devices`, `rootfs`, `simlog`; `events` and `hostview` are what can be seen of it, as a trace
* `netnsworld`  the world on this machine, with `netnsport` and `plugindist`
* `chaos`       long random runs, over `chaosworld`; `ledger` and `invariants` are what has to hold in them
* `pytest_plugin`  fixtures for the authors of search plugins

Below these, for tests of single parts: `memory`, `host`, `varpd`, `switch`, `nodes` are surroundings of the kernel and of varpd alone;
`frames` and `flows` build frames.

Names resolve on first use: importing this package imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etherspan.testing.events import Event, Kind, Trace
    from etherspan.testing.netnsworld import NetnsWorld
    from etherspan.testing.simloop import SimLoop, StalledError
    from etherspan.testing.simworld import SimWorld
    from etherspan.testing.world import Host, Port, Result, World
    from kernel_sim.middleware.faults import Fault, Faults

_HOMES = {
    "Event": "etherspan.testing.events",
    "Fault": "kernel_sim.middleware.faults",
    "Faults": "kernel_sim.middleware.faults",
    "Host": "etherspan.testing.world",
    "Kind": "etherspan.testing.events",
    "NetnsWorld": "etherspan.testing.netnsworld",
    "Port": "etherspan.testing.world",
    "Result": "etherspan.testing.world",
    "SimLoop": "etherspan.testing.simloop",
    "SimWorld": "etherspan.testing.simworld",
    "StalledError": "etherspan.testing.simloop",
    "Trace": "etherspan.testing.events",
    "World": "etherspan.testing.world",
}

__all__ = [
    "Event",
    "Fault",
    "Faults",
    "Host",
    "Kind",
    "NetnsWorld",
    "Port",
    "Result",
    "SimLoop",
    "SimWorld",
    "StalledError",
    "Trace",
    "World",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        home = __import__(_HOMES[name], fromlist=[name])
        return globals().setdefault(name, getattr(home, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
