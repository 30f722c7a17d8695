"""VNICs: every check of their creation in order, what they are made of, and that nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from etherspan.testing.frames import BROADCAST
from etherspan.testing.memory import MemoryClock, MemoryPort, MemoryPorts, MemoryRandom
from etherspan.testing.switch import Wire
from kernel_sim import etherstub
from kernel_sim.ddi import LinkId
from kernel_sim.dls import DlsTable
from kernel_sim.mac.mac import Mac, MacLayer
from kernel_sim.mac.promisc import PromiscType
from kernel_sim.mac.provider import MacRegistration
from kernel_sim.sys.codec import VnicCreate, VnicModify
from kernel_sim.sys.dld import DatalinkClass, LinkState
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Message
from kernel_sim.sys.vnic import VnicCreateFlag, VnicDiag, VnicMacAddrType
from kernel_sim.vnic import VnicControl

OVERLAY, STUB, PHYS, V1, V2, V3 = 1, 2, 3, 11, 12, 13
NAMES = {OVERLAY: "demo0", STUB: "stub0", PHYS: "net0", V1: "vnic1", V2: "vnic2", V3: "vnic3"}
CLASSES = {OVERLAY: DatalinkClass.OVERLAY, STUB: DatalinkClass.ETHERSTUB, PHYS: DatalinkClass.PHYS}
A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
C = bytes.fromhex("02082000000c")


class World:
    """A link to make VNICs on, and names for them."""

    def __init__(self, *, margin: int = 4, address: bytes = bytes(6), state: LinkState = LinkState.UP) -> None:
        self.links = DlsTable()
        for linkid, name in NAMES.items():
            self.links.set_name(linkid, CLASSES.get(linkid, DatalinkClass.VNIC), 1, name)
        self.ports = MemoryPorts()
        self.ports.zones.append("web")
        self.layer = MacLayer(MemoryRandom(), MemoryClock())
        self.control = VnicControl(self.layer, self.links, self.ports, etherstub.registration)
        self.wire = Wire()
        self.lower: Mac = self.layer.register(
            MacRegistration(
                LinkId(OVERLAY),
                self.wire,
                DatalinkClass.OVERLAY,
                1400,
                576,
                8900,
                1400,
                margin=margin,
                address=address,
                link_state=state,
            )
        )
        self.links.add(OVERLAY, self.lower)

    def create(self, linkid: int = V1, mac: bytes = A, **changes: object) -> VnicCreate:
        return self.control.create(wanted(linkid, mac, **changes))

    def port(self, linkid: int = V1) -> MemoryPort:
        return self.ports.ports[NAMES[linkid]]

    def nothing_happened(self) -> bool:
        """No client, port, link or MAC of a VNIC is there, and the provider does not run."""
        return (
            self.lower.clients == ()
            and not self.lower.started
            and self.ports.ports == {}
            and [name.linkid for name, _ in self.links.links()] == [OVERLAY]
        )


def wanted(linkid: int = V1, mac: bytes = A, **changes: object) -> VnicCreate:
    plain = VnicCreate(linkid, OVERLAY, VnicMacAddrType.FIXED, len(mac), mac)
    return replace(plain, **changes)  # type: ignore[arg-type]


def refusal(call: Callable[[], object]) -> tuple[Errno, VnicDiag]:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno, VnicDiag(VnicCreate.unpack(error.value.argument).diag)


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


def frame(dst: bytes, src: bytes) -> bytes:
    return dst + src + b"\x08\x06" + bytes(46)


@pytest.fixture
def world() -> World:
    return World()


# ---------------------------------------------------------------------- create


def test_a_vnic_is_a_link_a_client_and_a_port(world: World) -> None:
    created = world.create()
    assert (created.mac_addr, created.mac_len, created.mac_addr_type) == (A, 6, VnicMacAddrType.FIXED)
    mac = world.links.mac(V1)
    assert (mac.link_class, mac.address, mac.mtu, mac.margin) == (DatalinkClass.VNIC, A, 1400, 4)
    assert mac.link_state is LinkState.UP
    port = world.port()
    assert (port.linkid, port.mac, port.mtu, port.up) == (V1, A, 1400, True)
    assert world.wire.calls == ["start"]


def test_frames_pass_between_port_and_wire(world: World) -> None:
    world.create()
    world.port().send(frame(B, A))
    assert [len(one.data) for one in world.wire.seen] == [60]
    world.lower.receive([Message(frame(A, B))])
    assert world.port().take() == [frame(A, B)]


def test_frames_pass_between_two_vnics(world: World) -> None:
    world.create(V1, A)
    world.create(V2, B)
    world.port(V1).send(frame(B, A), frame(BROADCAST, A), frame(bytes.fromhex("3333ff000001"), A))
    assert len(world.port(V2).take()) == 3
    assert world.port(V1).take() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mac_len": 0}, (Errno.EINVAL, VnicDiag.MACADDRLEN_INVALID)),
        ({"mac_len": 21}, (Errno.EINVAL, VnicDiag.MACADDRLEN_INVALID)),
        ({"mac_addr_type": 5, "mac_len": 0}, (Errno.EINVAL, VnicDiag.MACADDRLEN_INVALID)),
        ({"mac_addr_type": 1, "mac_len": 21}, (Errno.EINVAL, VnicDiag.MACADDRLEN_INVALID)),
        ({"mac_addr_type": 3, "mac_prefix_len": 21}, (Errno.EINVAL, VnicDiag.MACPREFIXLEN_INVALID)),
        ({"mac_addr_type": 6}, (Errno.ENOTSUP, VnicDiag.NONE)),
        ({"mac_addr_type": -1}, (Errno.ENOTSUP, VnicDiag.NONE)),
        ({"link_id": 0}, (Errno.EINVAL, VnicDiag.NONE)),
        ({"link_id": 99}, (Errno.ENOENT, VnicDiag.NONE)),
        ({"link_id": STUB}, (Errno.ENOENT, VnicDiag.NONE)),
        ({"link_id": PHYS}, (Errno.ENOTSUP, VnicDiag.NONE)),
        ({"mac_addr_type": 1, "mac_len": 0, "mac_prefix_len": 6}, (Errno.EINVAL, VnicDiag.MACPREFIXLEN_INVALID)),
        ({"mac_addr_type": 2}, (Errno.ENOTSUP, VnicDiag.MACFACTORYNOTSUP)),
        ({"mac_addr": b"\x03" + bytes(5)}, (Errno.EINVAL, VnicDiag.MACADDR_INVALID)),
        ({"mac_addr": BROADCAST}, (Errno.EINVAL, VnicDiag.MACADDR_INVALID)),
        ({"mac_addr": bytes(5), "mac_len": 5}, (Errno.EINVAL, VnicDiag.MACADDR_INVALID)),
        ({"mac_addr": bytes(6)}, (Errno.EINVAL, VnicDiag.MACADDR_NIC)),
        ({"vnic_id": 77}, (Errno.ENOENT, VnicDiag.NONE)),
    ],
    ids=str,
)
def test_a_bad_request_is_refused_with_its_diagnosis(
    world: World, changes: dict[str, object], expected: tuple[Errno, VnicDiag]
) -> None:
    request = replace(wanted(), **changes)  # type: ignore[arg-type]
    assert refusal(lambda: world.control.create(request)) == expected
    assert world.nothing_happened()


@pytest.mark.fact("KRN-Q33")
def test_vlan_1_is_the_port_vlan_of_every_link(world: World) -> None:
    assert refusal(lambda: world.create(vid=1)) == (Errno.EBUSY, VnicDiag.NONE)
    world.create(vid=2)


def test_an_id_that_is_a_vnic_or_an_etherstub_is_taken(world: World) -> None:
    world.create(V1, A)
    assert refusal(lambda: world.create(V1, B)) == (Errno.EEXIST, VnicDiag.NONE)
    world.create(V2, flags=VnicCreateFlag.ANCHOR)
    assert refusal(lambda: world.create(V2, B)) == (Errno.EEXIST, VnicDiag.NONE)


def test_an_id_that_is_another_link_is_taken_and_found_out_last(world: World) -> None:
    assert refusal(lambda: world.create(OVERLAY, A)) == (Errno.EEXIST, VnicDiag.NONE)
    assert world.nothing_happened()


def test_a_vnic_cannot_be_on_a_vnic(world: World) -> None:
    world.create(V1, A)
    assert refusal(lambda: world.create(V2, B, link_id=V1)) == (Errno.EINVAL, VnicDiag.NONE)


@pytest.mark.fact("KRN-I11")
def test_an_address_and_vlan_id_are_unique_on_a_link_but_not_between_links(world: World) -> None:
    world.create(STUB, flags=VnicCreateFlag.ANCHOR)
    world.create(V1, A)
    assert refusal(lambda: world.create(V2, A)) == (Errno.EEXIST, VnicDiag.MACADDR_INUSE)
    world.create(V2, A, vid=7)
    world.create(V3, A, link_id=STUB)


def test_an_unchecked_duplicate_is_refused_late(world: World) -> None:
    world.create(V1, A)
    call = lambda: world.create(V2, A, flags=VnicCreateFlag.NODUPCHECK)  # noqa: E731
    assert refusal(call) == (Errno.EALREADY, VnicDiag.NONE)
    assert len(world.lower.clients) == 1


def test_unchecked_the_address_of_the_link_below_may_be_used() -> None:
    world = World(address=B)
    assert refusal(lambda: world.create(V1, B)) == (Errno.EINVAL, VnicDiag.MACADDR_NIC)
    world.create(V1, B, flags=VnicCreateFlag.NODUPCHECK)


@pytest.mark.fact("KRN-I10")
@pytest.mark.parametrize("errno", [Errno.EAGAIN, Errno.EADDRNOTAVAIL, Errno.EADDRINUSE])
def test_a_link_that_does_not_start_refuses_its_first_vnic(world: World, errno: Errno) -> None:
    world.wire.refuses = KernelError(errno)
    assert refusal(world.create) == (errno, VnicDiag.NONE)
    assert world.nothing_happened()


def test_a_vlan_vnic_needs_a_margin_unless_forced() -> None:
    world = World(margin=0)
    assert refusal(lambda: world.create(vid=7)) == (Errno.ENOTSUP, VnicDiag.MACMARGIN_INVALID)
    assert world.nothing_happened()
    created = world.create(vid=7, flags=VnicCreateFlag.FORCE)
    assert world.control.info(created.vnic_id).force
    assert world.links.mac(V1).margin == 0


def test_a_vlan_vnic_uses_up_the_margin(world: World) -> None:
    world.create(V1, A, vid=7)
    world.create(V2, A)
    assert [world.links.mac(linkid).margin for linkid in (V1, V2)] == [0, 4]
    assert [world.control.vid(linkid) for linkid in (V1, V2, OVERLAY)] == [7, 0, 0]


def test_a_port_that_cannot_be_made_leaves_nothing_behind(world: World) -> None:
    world.ports.refuses = KernelError(Errno.EPERM, "no tun device")
    assert refusal(world.create) == (Errno.EPERM, VnicDiag.NONE)
    assert world.nothing_happened()
    world.create()


def test_checks_are_made_in_the_order_of_the_original(world: World) -> None:
    """Each request is wrong in every way from one check on; mending one way at a time walks down the list."""
    world.create(V1, A)
    world.create(STUB, flags=VnicCreateFlag.ANCHOR)
    world.create(V3, B, link_id=STUB)
    request = wanted(V1, b"\x01" + bytes(5), mac_len=0, link_id=0, vid=1)
    errors = []
    for mend in (
        {"mac_len": 6},
        {"vnic_id": V2},
        {"link_id": 99},
        {"link_id": V1},
        {"link_id": OVERLAY},
        {"vid": 0},
        {"mac_addr": bytes(6)},
        {"mac_addr": A},
    ):
        errors.append(refusal(lambda now=request: world.control.create(now)))  # type: ignore[misc]
        request = replace(request, **mend)
    errors.append(refusal(lambda: world.control.create(request)))
    assert errors == [
        (Errno.EINVAL, VnicDiag.MACADDRLEN_INVALID),
        (Errno.EEXIST, VnicDiag.NONE),
        (Errno.EINVAL, VnicDiag.NONE),
        (Errno.ENOENT, VnicDiag.NONE),
        (Errno.EINVAL, VnicDiag.NONE),
        (Errno.EBUSY, VnicDiag.NONE),
        (Errno.EINVAL, VnicDiag.MACADDR_INVALID),
        (Errno.EINVAL, VnicDiag.MACADDR_NIC),
        (Errno.EEXIST, VnicDiag.MACADDR_INUSE),
    ]


# ---------------------------------------------------------------------- addresses


@pytest.mark.parametrize("kind", [VnicMacAddrType.RANDOM, VnicMacAddrType.AUTO])
def test_an_address_is_made_from_its_prefix(world: World, kind: VnicMacAddrType) -> None:
    prefix = bytes.fromhex("020820")
    created = world.create(mac_addr_type=kind, mac_len=0, mac_addr=prefix, mac_prefix_len=3)
    assert created.mac_addr_type == VnicMacAddrType.RANDOM
    assert (created.mac_addr[:3], created.mac_len) == (prefix, 6)
    assert world.port().mac == created.mac_addr
    assert world.control.info(V1).mac_addr == created.mac_addr


def test_a_random_address_that_comes_along_is_used(world: World) -> None:
    created = world.create(mac_addr_type=VnicMacAddrType.RANDOM)
    assert (created.mac_addr, created.mac_addr_type) == (A, VnicMacAddrType.RANDOM)


def test_primary_uses_the_address_of_the_link_below() -> None:
    world = World(address=B)
    created = world.create(V1, b"", mac_addr_type=VnicMacAddrType.PRIMARY)
    assert created.mac_addr == B
    assert errno_of(lambda: world.control.set_address(V1, C)) == Errno.ENOTSUP
    assert refusal(lambda: world.create(V2, b"", mac_addr_type=VnicMacAddrType.PRIMARY)) == (
        Errno.EEXIST,
        VnicDiag.MACADDR_INUSE,
    )


def test_an_etherstub_has_no_primary_address(world: World) -> None:
    world.create(STUB, flags=VnicCreateFlag.ANCHOR)
    call = lambda: world.create(V1, b"", link_id=STUB, mac_addr_type=VnicMacAddrType.PRIMARY)  # noqa: E731
    assert refusal(call) == (Errno.ENXIO, VnicDiag.NONE)


def test_a_changed_address_is_the_clients_the_links_and_the_ports(world: World) -> None:
    world.create()
    world.control.set_address(V1, C)
    assert (world.port().mac, world.links.mac(V1).address, world.control.info(V1).mac_addr) == (C, C, C)
    world.create(V2, B)
    world.lower.receive([Message(frame(C, B)), Message(frame(A, B))])
    assert world.port().take() == [frame(C, B)]
    assert errno_of(lambda: world.control.set_address(V1, B)) == Errno.ENOTSUP
    assert world.port().mac == C


# ---------------------------------------------------------------------- delete, info, modify


@pytest.mark.fact("KRN-I9")
def test_the_last_vnic_gone_stops_the_link_and_frees_it(world: World) -> None:
    world.create(V1, A)
    world.create(V2, B)
    port = world.port()
    world.control.delete(V1)
    assert port.closed
    assert errno_of(world.lower.unregister) == Errno.EBUSY
    world.control.delete(V2)
    assert world.wire.calls == ["start", "stop"]
    assert world.nothing_happened()
    world.lower.unregister()


def test_what_is_not_a_vnic_cannot_be_used_as_one(world: World) -> None:
    control = world.control
    for call in (
        lambda: control.delete(OVERLAY),
        lambda: control.info(V1),
        lambda: control.modify(VnicModify(V1)),
        lambda: control.set_address(V1, A),
        lambda: control.zone(OVERLAY),
        lambda: control.set_zone(OVERLAY, "web"),
    ):
        assert errno_of(call) == Errno.ENOENT


def test_an_open_vnic_cannot_be_deleted(world: World) -> None:
    world.create()
    sniffer = world.links.mac(V1).open_client("snoop")
    sniffer.promisc_add(PromiscType.ALL, lambda chain: None)
    assert errno_of(lambda: world.control.delete(V1)) == Errno.EBUSY
    assert world.port().closed is False
    sniffer.close()
    world.control.delete(V1)
    assert world.nothing_happened()


def test_a_vnic_held_by_the_naming_layer_cannot_be_deleted(world: World) -> None:
    world.create()
    world.links.hold(V1)
    assert errno_of(lambda: world.control.delete(V1)) == Errno.EBUSY
    world.links.release(V1)
    world.port().send(frame(B, A))
    assert len(world.wire.seen) == 1
    world.control.delete(V1)


def test_opening_a_vnic_gives_the_client_below(world: World) -> None:
    world.create(V1, A)
    world.create(V2, B)
    consumer = world.links.mac(V1).open_client("consumer")
    consumer.transmit([Message(frame(B, A))])
    assert world.port(V2).take() == [frame(B, A)]
    consumer.close()
    world.port(V1).send(frame(B, A))
    assert world.port(V2).take() == [frame(B, A)]


def test_modify_changes_nothing(world: World) -> None:
    world.create()
    before = world.control.info(V1)
    world.control.modify(VnicModify(V1, mac_len=6, mac_addr=C))
    assert world.control.info(V1) == before
    assert before.link_id == OVERLAY


# ---------------------------------------------------------------------- etherstubs


def test_an_etherstub_is_an_anchor_vnic(world: World) -> None:
    created = world.create(STUB, b"", mac_addr_type=VnicMacAddrType.AUTO, flags=VnicCreateFlag.ANCHOR)
    assert (created.link_id, created.mac_addr) == (0, bytes(6))
    assert world.links.mac(STUB).mtu == 9000
    assert world.ports.ports == {}
    assert world.control.info(STUB).vnic_id == STUB
    world.control.modify(VnicModify(STUB))


def test_an_etherstub_in_use_cannot_be_deleted(world: World) -> None:
    world.create(STUB, flags=VnicCreateFlag.ANCHOR)
    world.create(V1, A, link_id=STUB)
    assert errno_of(lambda: world.control.delete(STUB)) == Errno.EBUSY
    world.control.delete(V1)
    world.control.delete(STUB)
    assert errno_of(lambda: world.links.mac(STUB)) == Errno.ENOENT


def test_an_etherstub_whose_id_has_no_name_leaves_nothing_behind(world: World) -> None:
    assert refusal(lambda: world.create(50, flags=VnicCreateFlag.ANCHOR)) == (Errno.ENOENT, VnicDiag.NONE)
    world.links.set_name(50, DatalinkClass.ETHERSTUB, 1, "stub5")
    world.create(50, flags=VnicCreateFlag.ANCHOR)


# ---------------------------------------------------------------------- MTU, link state, zone, name


@pytest.mark.fact("KRN-I31")
def test_a_vnic_reserves_its_mtu_on_the_link_below(world: World) -> None:
    world.create()
    assert errno_of(lambda: world.lower.set_mtu(1399)) == Errno.EBUSY
    world.links.mac(V1).set_mtu(1000)
    assert world.port().mtu == 1000
    world.lower.set_mtu(1000)
    assert errno_of(lambda: world.links.mac(V1).set_mtu(1001)) == Errno.EINVAL
    assert errno_of(lambda: world.links.mac(V1).set_mtu(575)) == Errno.EINVAL
    assert errno_of(lambda: world.links.mac(V1).set_mtu(0)) == Errno.EINVAL
    assert world.links.mac(V1).mtu_range == (576, 1000)
    world.control.delete(V1)
    world.lower.set_mtu(576)


@pytest.mark.fact("KRN-I31")
def test_a_larger_mtu_below_does_not_grow_a_vnic(world: World) -> None:
    world.create()
    world.lower.set_mtu(8900)
    assert (world.links.mac(V1).mtu, world.port().mtu) == (1400, 1400)
    world.links.mac(V1).set_mtu(8900)
    assert world.port().mtu == 8900
    world.create(V2, B)
    assert world.port(V2).mtu == 8900


def test_an_mtu_that_the_port_refuses_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.create()

    def refuse(_self: MemoryPort, _mtu: int) -> None:
        raise KernelError(Errno.EINVAL)

    monkeypatch.setattr(MemoryPort, "set_mtu", refuse)
    assert errno_of(lambda: world.links.mac(V1).set_mtu(1000)) == Errno.EINVAL
    assert world.links.mac(V1).mtu == 1400
    assert errno_of(lambda: world.lower.set_mtu(1000)) == Errno.EBUSY


def test_a_vnic_follows_the_state_of_the_link_below_while_it_is_alone() -> None:
    world = World(state=LinkState.DOWN)
    world.create(V1, A)
    assert (world.links.mac(V1).link_state, world.port().up) == (LinkState.DOWN, False)
    world.create(V2, B)
    assert [world.links.mac(linkid).link_state for linkid in (V1, V2)] == [LinkState.UP] * 2
    assert world.port(V1).up
    world.control.delete(V2)
    assert (world.links.mac(V1).link_state, world.port().up) == (LinkState.DOWN, False)
    world.lower.link_update(LinkState.UP)
    assert (world.links.mac(V1).link_state, world.port().up) == (LinkState.UP, True)


def test_a_deleted_vnic_no_longer_follows_anything() -> None:
    world = World(state=LinkState.DOWN)
    world.create(V1, A)
    port = world.port()
    world.control.delete(V1)
    world.lower.link_update(LinkState.UP)
    assert not port.up


def test_a_port_is_moved_between_zones(world: World) -> None:
    world.create()
    world.control.set_zone(V1, "web")
    assert world.control.zone(V1) == "web"
    assert world.links.mac(V1).kstats("vnic1")[0].stats[-1].value == "web"
    assert errno_of(lambda: world.control.set_zone(V1, "nowhere")) == Errno.ENOENT
    world.control.set_zone(V1, "")
    assert world.links.mac(V1).kstats("vnic1")[0].stats[-1].value == "global"


def test_a_port_follows_the_name_of_its_link(world: World) -> None:
    world.create()
    port = world.port()
    world.links.set_name(V1, DatalinkClass.VNIC, 1, "renamed0")
    world.links.set_name(OVERLAY, DatalinkClass.OVERLAY, 1, "other0")
    assert port.name == "renamed0"


# ---------------------------------------------------------------------- statistics


def test_what_a_port_cannot_take_is_counted_as_frames(world: World) -> None:
    world.create()
    world.port().room = 1
    world.lower.receive([Message(frame(A, B)), Message(frame(A, B)), Message(frame(A, B))])
    entries = {(one.module, one.name): one for one in world.links.mac(V1).kstats("vnic1")}
    assert set(entries) == {
        ("link", "vnic1"),
        ("vnic", "mac"),
        ("vnic1", "mac_rx_swlane0"),
        ("vnic1", "mac_tx_swlane0"),
        ("vnic1", "mac_misc_stat"),
        ("etherspan", "vnic1"),
    }
    drops = {one.name: one.value for one in entries["etherspan", "vnic1"].stats}
    assert drops["rx_consumer_full"] == 2
    shown = {one.name: one.value for one in entries["link", "vnic1"].stats}
    assert (shown["ipackets"], shown["rbytes64"]) == (3, 180)


def test_closing_everything_closes_every_port(world: World) -> None:
    world.create(STUB, flags=VnicCreateFlag.ANCHOR)
    world.create(V1, A)
    world.create(V2, A, link_id=STUB)
    world.links.mac(V1).open_client("snoop")
    world.control.close()
    assert world.nothing_happened()
