"""Making an overlay: which network ids there are, when it can be activated, and that nothing can be set afterwards."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, address
from kernel_sim.sys import overlay, overlay_target
from kernel_sim.sys.codec import OverlayCreate, OverlayLink, OverlayProp, TargId
from kernel_sim.sys.dld import DatalinkClass
from kernel_sim.sys.errno import Errno, KernelError

lenient = settings(deadline=None, max_examples=60)
MTU, VNETID, ENCAP, VARPD_ID, LISTEN_IP, LISTEN_PORT = range(6)
LARGEST = 2**24 - 1
vnetids = st.integers(0, LARGEST) | st.integers(LARGEST - 2, LARGEST + 3) | st.integers(0, 2**64 - 1)


def host() -> MemoryHost:
    clock = MemoryClock()
    return MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1")


def refusal(call: Callable[[], object]) -> Errno | None:
    try:
        call()
    except KernelError as error:
        return error.errno
    return None


def u64(value: int) -> bytes:
    return struct.pack("=Q", value)


@pytest.mark.fact("KRN-I7", "KRN-Q2")
@lenient
@given(vnetids, vnetids)
@example(LARGEST, LARGEST - 1)
@example(0, LARGEST)
@example(LARGEST + 1, 0)
def test_a_network_id_has_24_bits_and_the_largest_can_be_created_but_not_set(created: int, wanted: int) -> None:
    one = host()
    linkid = one.name_link("demo0", DatalinkClass.OVERLAY)
    argument = OverlayCreate(linkid, created, "vxlan")
    errno = refusal(lambda: one.dld(overlay.OVERLAY_IOC_CREATE, argument))
    assert errno == (None if created <= LARGEST else Errno.EINVAL)
    if errno is not None:
        return
    assert one.get_property(linkid, VNETID) == u64(created)
    errno = refusal(lambda: one.set_property(linkid, VNETID, u64(wanted)))
    assert errno == (None if wanted < LARGEST else Errno.EINVAL)
    assert one.get_property(linkid, VNETID) == u64(created if errno else wanted)


Step = tuple[str, int, bytes]
ASSOCIATE, DISASSOCIATE, ACTIVATE = ("associate", 0, b""), ("disassociate", 0, b""), ("activate", 0, b"")
LISTEN = ("set", LISTEN_IP, address("10.0.0.1").ip)
values = st.sampled_from([b"", u64(1), u64(1500), u64(4790), LISTEN[2], bytes(16), b"vxlan", bytes(256)])
steps_of = st.sampled_from([LISTEN, ASSOCIATE, DISASSOCIATE, ACTIVATE, ACTIVATE]) | st.tuples(
    st.just("set"), st.integers(-2, 9), values
)


@pytest.mark.fact("KRN-I6")
@lenient
@given(st.lists(steps_of, max_size=14))
@example([ACTIVATE, LISTEN, ACTIVATE, ASSOCIATE, ACTIVATE, ACTIVATE])
@example([ASSOCIATE, ACTIVATE])
@example([LISTEN, ASSOCIATE, ACTIVATE, ("set", MTU, u64(1500))])
@example([LISTEN, ASSOCIATE, ACTIVATE, ("set", 9, u64(1))])
def test_an_overlay_is_activated_once_with_an_address_and_an_instance_and_stays_as_it_is(
    steps: list[Step],
) -> None:
    one = host()
    linkid = one.name_link("demo0", DatalinkClass.OVERLAY)
    one.dld(overlay.OVERLAY_IOC_CREATE, OverlayCreate(linkid, 23, "vxlan"))

    def shown() -> list[bytes]:
        return [one.get_property(linkid, prop) for prop in (MTU, VNETID, ENCAP, LISTEN_IP, LISTEN_PORT)]

    associated = active = False
    for step, prop, value in steps:
        before = shown()
        if step == "set":
            argument = OverlayProp(linkid, prop, "", value)
            errno = refusal(lambda argument=argument: one.dld(overlay.OVERLAY_IOC_SETPROP, argument))  # type: ignore[misc]
            assert errno is Errno.ENOTSUP if active else errno is None or (step, prop, value) != LISTEN
            assert errno is None or shown() == before
        elif step == "associate":
            assert refusal(lambda: one.associate(linkid, "10.0.0.2")) == (Errno.EEXIST if associated else None)
            associated = True
        elif step == "disassociate":
            one.targ(overlay_target.OVERLAY_TARG_DISASSOCIATE, TargId(linkid))
            associated = False
        else:
            listening = bool(one.get_property(linkid, LISTEN_IP))
            missing = None if associated else Errno.ENXIO
            expected = Errno.EEXIST if active else missing if listening else Errno.EINVAL
            assert refusal(lambda: one.dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))) == expected
            active = active or expected is None
        assert one.kernel.links.mac(linkid).link_state == (1 if active else -1)
