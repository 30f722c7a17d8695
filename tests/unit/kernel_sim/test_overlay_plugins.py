"""What a plugin has to declare, how the registry counts its users, and what describes a property."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel_sim.overlay.plugin import EncapPlugin, PluginRegistry
from kernel_sim.overlay.plugins.vxlan import PLUGIN, VxlanPlugin
from kernel_sim.overlay.prop import PropertyHandle
from kernel_sim.sys.errno import Errno, KernelError


def variant(**attributes: object) -> EncapPlugin:
    made: EncapPlugin = type("Variant", (VxlanPlugin,), {"name": "variant", **attributes})()
    return made


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


@pytest.mark.parametrize(
    ("attributes", "errno"),
    [
        ({"version": 2}, Errno.EINVAL),
        ({"name": ""}, Errno.EINVAL),
        ({"flags": 2}, Errno.EINVAL),
        ({"id_size": 0}, Errno.EINVAL),
        ({"id_size": 9}, Errno.ENOTSUP),
        ({"dest": 0}, Errno.EINVAL),
        ({"dest": 8}, Errno.EINVAL),
        ({"decap": None}, Errno.EINVAL),
        ({"propinfo": None}, Errno.EINVAL),
        ({"properties": ("variant/" + "x" * 56,)}, Errno.EINVAL),
    ],
)
def test_a_wrong_declaration_is_refused(attributes: dict[str, object], errno: Errno) -> None:
    registry = PluginRegistry()
    assert errno_of(lambda: registry.register(variant(**attributes))) is errno
    assert registry.names() == ()


@pytest.mark.parametrize(
    "attributes", [{"id_size": 1}, {"id_size": 8}, {"dest": 7}, {"properties": ("variant/" + "x" * 55,)}, {"flags": 0}]
)
def test_the_limits_themselves_are_allowed(attributes: dict[str, object]) -> None:
    assert PluginRegistry([variant(**attributes)]).names() == ("variant",)


def test_something_that_is_no_plugin_at_all_is_refused() -> None:
    assert errno_of(lambda: PluginRegistry([object()])) is Errno.EINVAL  # type: ignore[list-item]


def test_a_name_can_be_registered_once() -> None:
    registry = PluginRegistry([PLUGIN])
    assert errno_of(lambda: registry.register(VxlanPlugin())) is Errno.EEXIST


def test_a_plugin_in_use_stays_until_the_last_user_is_gone() -> None:
    registry = PluginRegistry([PLUGIN])
    assert registry.hold("vxlan") is PLUGIN
    registry.hold("vxlan")
    registry.release(PLUGIN)
    assert errno_of(lambda: registry.unregister("vxlan")) is Errno.EBUSY
    registry.release(PLUGIN)
    registry.unregister("vxlan")
    assert errno_of(lambda: registry.unregister("vxlan")) is Errno.ENOENT
    assert errno_of(lambda: registry.hold("vxlan")) is Errno.ENOENT


def test_a_default_may_have_256_bytes_and_no_more() -> None:
    handle = PropertyHandle()
    handle.set_default(bytes(256))
    assert errno_of(lambda: handle.set_default(bytes(257))) is Errno.E2BIG
    assert handle.default == bytes(256)


def test_possible_values_of_another_kind_are_dropped_without_a_word() -> None:
    handle = PropertyHandle()
    handle.add_range(1, 2)
    handle.add_string("text")
    handle.add_range(5, 9)
    assert handle.poss.ranges == ((1, 2), (5, 9))
    assert handle.poss.strings == ()


def test_possible_values_that_do_not_fit_are_dropped_without_a_word() -> None:
    handle = PropertyHandle()
    for number in range(40):
        handle.add_string(f"plugin{number:03}")
    assert handle.poss.strings == tuple(f"plugin{number:03}" for number in range(24))
