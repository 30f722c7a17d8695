"""What dlmgmtd does with requests: table, files and kernel move together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dladm.dlmgmtd.protocol import (
    ALL_FLAGS,
    WALK_BATCH,
    ConfValue,
    LinkInfo,
    Op,
    Request,
    decode_attrs,
    encode_attrs,
)
from dladm.dlmgmtd.service import LinkService
from dladm.dlmgmtd.store import Store
from kernel_sim.sys.codec import EsPhysEntry, EsPhysList
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

OVERLAY, VNIC, PHYS = DatalinkClass.OVERLAY, DatalinkClass.VNIC, DatalinkClass.PHYS
ACTIVE, PERSIST = DatalinkFlag.ACTIVE, DatalinkFlag.PERSIST


@dataclass
class FakeKernel:
    """Remembers names and devices; `broken` makes every change fail."""

    names: dict[int, LinkInfo] = field(default_factory=dict)
    devices: set[int] = field(default_factory=set)
    interfaces: list[str] = field(default_factory=list)
    broken: bool = False

    def push(self, link: LinkInfo) -> None:
        self._check()
        self.names[link.linkid] = link

    def clear(self, linkid: int) -> None:
        self._check()
        if linkid in self.devices:
            raise KernelError(Errno.EBUSY)
        self.names.pop(linkid, None)

    def _check(self) -> None:
        if self.broken:
            raise KernelError(Errno.EIO, "broken")

    def pushed(self) -> list[LinkInfo]:
        return [self.names[one] for one in sorted(self.names)]

    def has_device(self, link: LinkInfo) -> bool:
        return link.linkid in self.devices

    def phys(self) -> EsPhysList:
        entries = [EsPhysEntry(2 + n, name, bytes(6), 1500, True) for n, name in enumerate(self.interfaces)]
        return EsPhysList(1, tuple(reversed(entries)))


class Recorder:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, /, **keys: object) -> None:
        """Not wanted."""

    def warning(self, event: str, /, **keys: object) -> None:
        self.lines.append(event)

    error = exception = critical = warning


@dataclass
class World:
    root: Path
    kernel: FakeKernel = field(default_factory=FakeKernel)
    log: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        self.store = Store(self.root)
        for path in (self.store.conf_path, self.store.cache_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """A new dlmgmtd over the same kernel and files."""
        self.service = LinkService(self.store, self.kernel, self.log)
        self.service.load()

    def call(self, op: Op, *, privileged: bool = True, **fields: Any) -> dict[str, Any]:
        fields = {"class" if key == "link_class" else key: value for key, value in fields.items()}
        return self.service.handle(Request(op, fields), privileged=privileged)

    def create(self, name: str, link_class: int = OVERLAY, flags: int = ALL_FLAGS) -> int:
        reply = self.call(Op.CREATE_LINKID, name=name, link_class=int(link_class), media=DL_ETHER, flags=int(flags))
        return int(reply["linkid"])

    def create_conf(self, linkid: int, **texts: str) -> None:
        link = self.service.table.get(linkid)
        attrs = encode_attrs({key: ConfValue.of_string(text) for key, text in texts.items()})
        self.call(
            Op.CREATE_CONF, linkid=linkid, name=link.name, link_class=int(link.link_class), media=DL_ETHER, attrs=attrs
        )

    def set_field(self, linkid: int, key: str, text: str) -> None:
        self.call(Op.SET_CONF_FIELD, linkid=linkid, key=key, type="string", text=text)

    def read_conf(self, linkid: int) -> dict[str, str]:
        attrs = decode_attrs(self.call(Op.READ_CONF, linkid=linkid)["attrs"])
        return {key: value.text for key, value in attrs.items()}

    def conf(self) -> str:
        return self.store.conf_path.read_text() if self.store.conf_path.exists() else ""

    def cache(self) -> str:
        return self.store.cache_path.read_text()

    def links(self) -> dict[str, tuple[int, DatalinkFlag]]:
        return {one.name: (one.linkid, one.flags) for one in self.service.table}

    def state(self) -> tuple[object, ...]:
        return self.links(), dict(self.kernel.names), self.conf(), self.cache()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def refused() -> Callable[..., KernelError]:
    def refused(errno: Errno, action: Callable[..., object], *args: Any, **kwargs: Any) -> KernelError:
        with pytest.raises(KernelError) as info:
            action(*args, **kwargs)
        assert info.value.errno is errno
        return info.value

    return refused


Refused = Callable[..., KernelError]


# ---------------------------------------------------------------------- links


def test_a_new_link_is_in_the_kernel_and_in_the_cache_before_the_answer(world: World) -> None:
    linkid = world.create("ov0")
    assert world.kernel.names[linkid] == LinkInfo(1, "ov0", OVERLAY, DL_ETHER, ALL_FLAGS)
    assert world.cache() == "ov0\tlinkid=int,1;zone=string,global;class=int,512;media=int,4;\n"
    assert world.conf() == ""


def test_a_link_that_is_only_persistent_is_known_to_the_kernel_but_not_in_the_cache(world: World) -> None:
    linkid = world.create("ov0", flags=PERSIST)
    assert linkid in world.kernel.names
    assert world.cache() == ""


def test_a_link_that_vanishes_leaves_kernel_cache_and_file(world: World) -> None:
    linkid = world.create("ov0")
    world.create_conf(linkid, vnetid="23")
    world.call(Op.DESTROY_LINKID, linkid=linkid, flags=int(ALL_FLAGS))
    assert world.state() == ({}, {}, "", "")


def test_taking_the_active_flag_keeps_the_stored_line(world: World) -> None:
    linkid = world.create("ov0")
    world.create_conf(linkid, vnetid="23")
    world.call(Op.DESTROY_LINKID, linkid=linkid, flags=int(ACTIVE))
    assert world.links() == {"ov0": (linkid, PERSIST)}
    assert world.kernel.names[linkid].flags == PERSIST
    assert world.cache() == ""
    assert world.conf().startswith("ov0\t")


def test_a_link_with_a_device_in_the_kernel_cannot_vanish(world: World, refused: Refused) -> None:
    linkid = world.create("ov0")
    world.create_conf(linkid, vnetid="23")
    world.kernel.devices.add(linkid)
    before = world.state()
    refused(Errno.EBUSY, world.call, Op.DESTROY_LINKID, linkid=linkid, flags=int(ALL_FLAGS))
    assert world.state() == before


def test_up_marks_a_persistent_link_active_once(world: World, refused: Refused) -> None:
    linkid = world.create("ov0", flags=PERSIST)
    world.call(Op.UP_LINKID, linkid=linkid)
    assert world.links()["ov0"][1] == ALL_FLAGS
    refused(Errno.EINVAL, world.call, Op.UP_LINKID, linkid=linkid)


def test_a_zone_is_told_to_the_kernel_and_recorded_and_global_means_none(world: World) -> None:
    linkid = world.create("v0", VNIC)
    world.call(Op.SET_ZONE, linkid=linkid, zone="web")
    assert world.kernel.names[linkid].zone == "web"
    assert "zone=string,web;" in world.cache()
    world.call(Op.SET_ZONE, linkid=linkid, zone="global")
    assert world.kernel.names[linkid].zone == ""
    assert "zone=string,global;" in world.cache()


def test_a_rename_keeps_the_id_and_reaches_file_kernel_and_what_refers_to_it(world: World) -> None:
    overlay, vnic = world.create("ov0"), world.create("v0", VNIC)
    world.create_conf(overlay, vnetid="23")
    world.create_conf(vnic, linkover="ov0")
    world.call(Op.RENAME, linkid=overlay, name="new0")
    assert world.links()["new0"][0] == overlay
    assert world.kernel.names[overlay].name == "new0"
    assert world.conf().splitlines()[0].startswith("new0\t")
    assert world.read_conf(vnic) == {"linkover": "new0"}


def test_a_walk_is_paged(world: World) -> None:
    for number in range(WALK_BATCH + 3):
        world.create(f"v{number}", VNIC, ACTIVE)
    first = world.call(Op.WALK, classes=int(VNIC), flags=int(ACTIVE), after=0, most=WALK_BATCH)
    assert (len(first["links"]), first["more"]) == (WALK_BATCH, True)
    last = first["links"][-1]["linkid"]
    rest = world.call(Op.WALK, classes=int(VNIC), flags=int(ACTIVE), after=last, most=WALK_BATCH)
    assert ([one["linkid"] for one in rest["links"]], rest["more"]) == ([last + 1, last + 2, last + 3], False)


@pytest.mark.parametrize("op", [Op.LINKID2INFO, Op.READ_CONF, Op.UP_LINKID, Op.REMOVE_CONF])
def test_an_unknown_id_is_not_found(world: World, refused: Refused, op: Op) -> None:
    refused(Errno.ENOENT, world.call, op, linkid=99)


def test_changes_need_the_privilege_and_questions_do_not(world: World, refused: Refused) -> None:
    linkid = world.create("ov0")
    refused(Errno.EACCES, world.call, Op.UP_LINKID, privileged=False, linkid=linkid)
    assert world.call(Op.NAME2INFO, privileged=False, name="ov0")["linkid"] == linkid


# ---------------------------------------------------------------------- stored configuration


def test_a_stored_line_begins_with_class_and_media_and_keeps_the_order(world: World) -> None:
    linkid = world.create("ov0")
    world.create_conf(linkid, vnetid="23", encap="vxlan", search="direct")
    world.set_field(linkid, "direct/dest_ip", "10.0.0.1")
    world.set_field(linkid, "encap", "other")
    assert world.conf() == (
        "ov0\tclass=int,512;media=int,4;vnetid=string,23;encap=string,other;search=string,direct;"
        "direct/dest_ip=string,10.0.0.1;\n"
    )
    assert world.read_conf(linkid) == {
        "vnetid": "23",
        "encap": "other",
        "search": "direct",
        "direct/dest_ip": "10.0.0.1",
    }


def test_storing_makes_a_link_persistent(world: World) -> None:
    linkid = world.create("v0", VNIC, ACTIVE)
    world.set_field(linkid, "mtu", "1300")
    assert world.links()["v0"][1] == ALL_FLAGS
    assert world.conf() == "v0\tclass=int,8;media=int,4;mtu=string,1300;\n"


def test_class_and_media_cannot_be_stored_over(world: World) -> None:
    linkid = world.create("v0", VNIC)
    world.set_field(linkid, "class", "512")
    assert world.conf() == "v0\tclass=int,8;media=int,4;\n"


def test_a_field_is_forgotten_and_one_that_is_not_there_does_not_matter(world: World) -> None:
    linkid = world.create("v0", VNIC)
    world.create_conf(linkid, mtu="1300", zone="x")
    world.call(Op.UNSET_CONF_FIELD, linkid=linkid, key="mtu")
    world.call(Op.UNSET_CONF_FIELD, linkid=linkid, key="nothing")
    assert world.read_conf(linkid) == {"zone": "x"}


def test_removing_the_line_leaves_the_flag_to_destroy(world: World, refused: Refused) -> None:
    linkid = world.create("ov0", flags=PERSIST)
    world.create_conf(linkid, vnetid="1")
    world.call(Op.REMOVE_CONF, linkid=linkid)
    assert (world.conf(), world.links()) == ("", {"ov0": (linkid, PERSIST)})
    refused(Errno.ENOENT, world.call, Op.REMOVE_CONF, linkid=linkid)
    world.call(Op.DESTROY_LINKID, linkid=linkid, flags=int(ALL_FLAGS))
    assert world.links() == {}


def test_a_line_must_be_for_the_link_it_names(world: World, refused: Refused) -> None:
    linkid = world.create("ov0")
    wrong = {"linkid": linkid, "name": "ov1", "class": int(OVERLAY), "media": DL_ETHER, "attrs": []}
    refused(Errno.EINVAL, world.service.handle, Request(Op.CREATE_CONF, wrong), privileged=True)


def test_edits_of_other_lines_by_hand_survive_an_update(world: World) -> None:
    linkid = world.create("ov0")
    world.create_conf(linkid, vnetid="1")
    world.store.conf_path.write_text("# mine\n" + world.conf() + "x0\tclass=int,8;media=int,4;\n")
    world.set_field(linkid, "vnetid", "2")
    assert world.conf().splitlines() == [
        "# mine",
        "ov0\tclass=int,512;media=int,4;vnetid=string,2;",
        "x0\tclass=int,8;media=int,4;",
    ]


# ---------------------------------------------------------------------- failures half-way


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.create("new0"),
        lambda world: world.call(Op.DESTROY_LINKID, linkid=1, flags=int(ALL_FLAGS)),
        lambda world: world.call(Op.DESTROY_LINKID, linkid=1, flags=int(ACTIVE)),
        lambda world: world.call(Op.RENAME, linkid=1, name="new0"),
        lambda world: world.call(Op.SET_ZONE, linkid=1, zone="web"),
        lambda world: world.set_field(2, "mtu", "1300"),
    ],
    ids=["create", "destroy", "deactivate", "rename", "zone", "store"],
)
def test_a_change_that_fails_half_way_changes_nothing(
    world: World, refused: Refused, change: Callable[[World], object]
) -> None:
    world.create_conf(world.create("ov0"), vnetid="23")
    world.create("v0", VNIC, ACTIVE)
    before = world.state()
    world.kernel.broken = True
    refused(Errno.EIO, change, world)
    assert world.state() == before


def test_a_cache_that_cannot_be_written_fails_no_change_and_is_whole_again_with_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KernelError(Errno.ENOSPC, "the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_cache", fail)
        linkid = world.create("ov0")
    assert world.links() == {"ov0": (linkid, ALL_FLAGS)}
    assert world.log.lines == ["the cache of active links is not up to date"]
    world.create("ov1")
    assert [line.split("\t")[0] for line in world.cache().splitlines()] == ["ov0", "ov1"]


def test_a_file_that_cannot_be_written_is_refused_with_its_name(world: World, refused: Refused) -> None:
    linkid = world.create("ov0", flags=ACTIVE)
    world.store.conf_path.mkdir()
    error = refused(Errno.EISDIR, world.create_conf, linkid, vnetid="1")
    assert str(world.store.conf_path) in error.detail
    assert world.links()["ov0"] == (linkid, ACTIVE)


# ---------------------------------------------------------------------- restart


def test_a_restart_finds_active_links_with_their_ids_and_zones(world: World) -> None:
    world.create("a0", VNIC, ACTIVE)
    linkid = world.create("b0", VNIC, ACTIVE)
    world.call(Op.SET_ZONE, linkid=linkid, zone="web")
    world.kernel.devices = {1, 2}
    before = world.state()
    world.start()
    assert world.state() == before
    assert world.service.table.get(linkid).zone == "web"


def test_a_restart_keeps_the_id_of_a_link_that_is_only_persistent(world: World) -> None:
    world.create_conf(world.create("a0", flags=ACTIVE), vnetid="1")
    world.create_conf(linkid := world.create("b0", flags=PERSIST), vnetid="2")
    world.kernel.devices = {1}
    world.start()
    assert world.links() == {"a0": (1, ALL_FLAGS), "b0": (linkid, PERSIST)}


def test_a_restart_takes_back_a_name_whose_client_never_got_its_answer(world: World) -> None:
    world.create("lost0", flags=ACTIVE)
    world.start()
    assert world.state() == ({}, {}, "", "")


def test_ids_begin_at_1_again_after_a_restart(world: World) -> None:
    for number in range(3):
        world.create(f"v{number}", VNIC, ACTIVE)
    world.start()
    assert world.create("w0") == 1


def test_a_boot_gives_ids_to_physical_links_first_then_to_stored_ones_in_file_order(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store.conf_path.write_text("z0\tclass=int,512;media=int,4;\na0\tclass=int,8;media=int,4;\n")
    world.kernel = FakeKernel(interfaces=["net1", "net0"])
    world.start()
    assert world.links() == {"net1": (1, ACTIVE), "net0": (2, ACTIVE), "z0": (3, PERSIST), "a0": (4, PERSIST)}
    assert sorted(world.kernel.names) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("bad\tclass=int,8;media=int,4;", "invalid link name 'bad'"),
        ("v0\tmedia=int,4;", "it has no class"),
        ("v0\tclass=int,8;", "it has no media"),
        ("v0\tclass=string,8;media=int,4;", "it has no class"),
        ("v0\tclass=int,3;media=int,4;", "3 is no link class"),
        ("v0\tclass=int,8;x=string,a=b;", "the value 'a=b' holds a '='"),
    ],
)
@pytest.mark.fact("DLM-Q44")
def test_a_line_that_is_no_links_is_reported_ignored_and_kept(world: World, line: str, reason: str) -> None:
    world.store.conf_path.write_text(f"{line}\nok0\tclass=int,8;media=int,4;\n")
    world.start()
    assert list(world.links()) == ["ok0"]
    assert world.log.lines == [f"datalink.conf line 1: {reason}; the line is kept and ignored"]
    world.create_conf(world.create("new0"), vnetid="1")
    assert world.conf().splitlines()[:2] == [line, "ok0\tclass=int,8;media=int,4;"]


# ---------------------------------------------------------------------- physical links


def test_physical_links_come_and_go_with_the_machine(world: World) -> None:
    world.kernel.interfaces = ["net0"]
    world.service.follow_phys()
    assert world.links() == {"net0": (1, ACTIVE)}
    world.kernel.interfaces = ["net1"]
    world.service.follow_phys()
    assert world.links() == {"net1": (2, ACTIVE)}
    assert list(world.kernel.names) == [2]


def test_a_stored_link_keeps_its_name_from_a_physical_one(world: World) -> None:
    world.create_conf(world.create("net0", flags=PERSIST), vnetid="1")
    world.kernel = FakeKernel(interfaces=["net0"])
    world.start()
    world.service.follow_phys()
    assert world.service.table.find("net0").link_class is OVERLAY
    assert world.log.lines == ["a physical link is left out"]


def test_a_physical_link_with_an_impossible_name_is_left_out(world: World) -> None:
    world.kernel.interfaces = ["lan", "net0"]
    world.service.follow_phys()
    assert list(world.links()) == ["net0"]


def test_physical_links_are_the_machines(world: World, refused: Refused) -> None:
    refused(Errno.EINVAL, world.create, "net0", PHYS, ACTIVE)
    world.kernel.interfaces = ["net0"]
    world.service.follow_phys()
    refused(Errno.EINVAL, world.call, Op.DESTROY_LINKID, linkid=1, flags=int(ACTIVE))
    refused(Errno.EINVAL, world.set_field, 1, "mtu", "1300")


def test_a_physical_link_survives_a_restart_with_its_id(world: World) -> None:
    world.create("v0", VNIC, ACTIVE)
    world.kernel.devices = {1}
    world.kernel.interfaces = ["net0"]
    world.service.follow_phys()
    world.start()
    assert world.links() == {"v0": (1, ACTIVE), "net0": (2, ACTIVE)}
    assert world.service.table.get(2).link_class is PHYS
