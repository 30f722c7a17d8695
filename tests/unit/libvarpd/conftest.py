"""A varpd in memory, and plugins that do what a test tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from etherspan.testing.varpd import VarpdWorld, varpd_world
from kernel_sim.sys.codec import Point
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.nvpair import NvList
from libvarpd.plugin import Provider
from libvarpd.plugins.direct import Direct
from libvarpd.prop import V4_MAPPED, uint_value


class ListLog:
    """A log that keeps its events: (level, event, keys)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **keys: self.events.append((level, event, keys))

    def named(self, event: str) -> list[dict[str, Any]]:
        """The keys of all events of that name."""
        return [keys for _, found, keys in self.events if found == event]


class Traced(Direct):
    """`direct`, which writes down what is called, and raises what `faults` has for an operation."""

    name = "traced"
    calls: ClassVar[list[str]] = []
    faults: ClassVar[dict[str, Exception]] = {}
    providers: ClassVar[list[Provider]] = []

    @classmethod
    def note(cls, operation: str) -> None:
        cls.calls.append(operation)
        if operation in cls.faults:
            raise cls.faults[operation]

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> Traced:
        cls.note("create")
        cls.providers.append(provider)
        return super().create(provider, dest)

    @classmethod
    def restore(cls, provider: Provider, dest: Dest, saved: NvList) -> Traced:
        cls.note("restore")
        cls.providers.append(provider)
        return super().restore(provider, dest, saved)

    def start(self) -> None:
        self.note("start")
        super().start()

    def save(self) -> NvList:
        self.note("save")
        return super().save()

    def default(self) -> Point:
        self.note("default")
        return super().default()

    def stop(self) -> None:
        self.note("stop")

    def destroy(self) -> None:
        self.note("destroy")

    def refresh(self) -> None:
        self.note("refresh")


@pytest.fixture
def traced() -> Iterator[type[Traced]]:
    """The plugin `traced`, with nothing written down."""
    yield Traced
    for kept in (Traced.calls, Traced.faults, Traced.providers):
        kept.clear()


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def world(traced: type[Traced], log: ListLog) -> Iterator[VarpdWorld]:
    """A host with `direct` and `traced`."""
    with varpd_world(traced, log=log) as made:
        yield made


@pytest.fixture
def dynamic_plugin() -> type[Direct]:
    """A plugin of mode dynamic, whose every answer is the same point."""

    class Moving(Direct):
        name = "moving"
        mode = TargMode.DYNAMIC

        async def lookup(self, query: Any) -> Point:
            return Point(ip=TEN, port=4789)

    return Moving


TEN = V4_MAPPED + bytes([10, 0, 0, 2])


@pytest.fixture
def configure() -> Callable[[VarpdWorld, int], None]:
    """Set address 10.0.0.2 and port 4789 of an instance of `direct` or `traced`."""

    def configure(world: VarpdWorld, instance: int) -> None:
        world.run(world.varpd.prop_set(instance, 1, TEN))
        world.run(world.varpd.prop_set(instance, 2, uint_value(4789)))

    return configure


@pytest.fixture
def instance(world: VarpdWorld, configure: Callable[[VarpdWorld, int], None]) -> Callable[..., int]:
    """Make an instance over a new overlay: `instance("demo0", activate=True)`."""

    def make(link: str = "demo0", search: str = "traced", *, activate: bool = False, set_up: bool = True) -> int:
        vnetid = 23 + len(world.host.kernel.overlays)
        linkid = world.host.create_overlay(link, vnetid, to=None)
        made = world.run(world.varpd.instance_create(linkid, search))
        if set_up:
            configure(world, made)
        if activate:
            world.run(world.varpd.instance_activate(made))
        return made

    return make
