"""Worlds to test in: hosts, overlays and networks in memory on a virtual clock, or in network namespaces (docs/testing.md).

* `world`      what a scenario sees: `World`, `Host`, `Port`; `scenarios` are those that hold everywhere, `topology` what they build on
* `sim`        the world in memory; `netns` the one on this machine
* `chaos`      long random runs in memory
* `cache`      the kernel's target cache beside a model
* `pytest_plugin`  fixtures for the authors of search plugins

Below these, for tests of single parts: `memory`, `host`, `varpd`, `switch`, `nodes` are surroundings of the kernel and of varpd alone;
`frames` and `flows` build frames; `log` reads what services log.

Names resolve on first use: importing this package imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etherspan.testing.netns.world import NetnsWorld
    from etherspan.testing.sim.events import Event, Kind, Trace
    from etherspan.testing.sim.loop import SimLoop, StalledError
    from etherspan.testing.sim.world import SimWorld
    from etherspan.testing.world import Host, Port, Result, World
    from kernel_sim.middleware.faults import Fault, Faults

_HOMES = {
    "Event": "etherspan.testing.sim.events",
    "Fault": "kernel_sim.middleware.faults",
    "Faults": "kernel_sim.middleware.faults",
    "Host": "etherspan.testing.world",
    "Kind": "etherspan.testing.sim.events",
    "NetnsWorld": "etherspan.testing.netns.world",
    "Port": "etherspan.testing.world",
    "Result": "etherspan.testing.world",
    "SimLoop": "etherspan.testing.sim.loop",
    "SimWorld": "etherspan.testing.sim.world",
    "StalledError": "etherspan.testing.sim.loop",
    "Trace": "etherspan.testing.sim.events",
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
