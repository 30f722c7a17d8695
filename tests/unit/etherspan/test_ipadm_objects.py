"""The volatile map of interfaces and address objects, and the two files on disk."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etherspan.ipadm.boot import forget_zone
from etherspan.ipadm.conf import AddrType, ConfFile, StoredInterface
from etherspan.ipadm.objects import AddressObject, ObjectMap, Plumbed
from etherspan.ipadm.status import IpadmError, Status, of_errno
from etherspan.ipadm.store import Store
from kernel_sim.sys.errno import Errno

ZONES = st.sampled_from(["", "web"])
IFNAMES = st.sampled_from(["vnic0", "vnic1", "net0"])
PLUMBED = st.lists(
    st.builds(Plumbed, IFNAMES, st.integers(1, 99), ZONES), max_size=5, unique_by=lambda one: (one.zone, one.ifname)
)
OBJECTS = st.lists(
    st.builds(
        AddressObject,
        st.builds("{}/{}".format, IFNAMES, st.sampled_from(["v4", "_a", "x"])),
        st.integers(1, 99),
        st.sampled_from([AddrType.STATIC, AddrType.ADDRCONF]),
        st.builds("{}/{}".format, st.ip_addresses(), st.integers(0, 32)).map(ipaddress.ip_interface),
        ZONES,
        st.booleans(),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: (one.zone, one.aobjname),
)


def thing(name: str, ifindex: int, zone: str = "") -> AddressObject:
    return AddressObject(name, ifindex, AddrType.STATIC, ipaddress.ip_interface("10.0.0.1/24"), zone)


@given(PLUMBED, OBJECTS)
def test_the_map_is_read_back_as_it_is_written(interfaces: list[Plumbed], objects: list[AddressObject]) -> None:
    wanted = ObjectMap(tuple(interfaces), tuple(objects))
    assert ObjectMap.parse(wanted.render()) == wanted


@given(st.binary(max_size=200))
def test_any_map_can_be_read(raw: bytes) -> None:
    found = ObjectMap.parse(raw)
    assert ObjectMap.parse(found.render()) == found


def test_the_map_is_written_as_lines_of_pairs() -> None:
    wanted = ObjectMap((Plumbed("vnic0", 7, "web"),), (thing("vnic0/v4", 7),))
    assert wanted.render().decode().splitlines() == [
        "_ifname=vnic0;_ifindex=7;_zone=web;",
        "_aobjname=vnic0/v4;_ifname=vnic0;_ifindex=7;_family=2;_flags=1;_atype=1;_addr=10.0.0.1/24;_up=yes;",
    ]


def test_what_a_vanished_interface_had_is_forgotten() -> None:
    other_zone = thing("vnic0/v4", 7, "web")
    known = ObjectMap(
        (Plumbed("vnic0", 7), Plumbed("vnic1", 8)), (thing("vnic0/v4", 7), thing("vnic1/v4", 8), other_zone)
    )
    assert known.current("", {"vnic0": 9, "vnic1": 8}) == ObjectMap(
        (Plumbed("vnic1", 8),), (thing("vnic1/v4", 8), other_zone)
    )
    assert known.current("", {}, only="vnic0").interfaces == (Plumbed("vnic1", 8),)


def test_addresses_without_a_name_are_called_by_letters() -> None:
    known = ObjectMap()
    names: list[str] = []
    for _ in range(54):
        names.append(known.next_name("", "vnic0"))
        known = known.with_object(thing(names[-1], 7))
    assert [names[0], names[1], names[25], names[26], names[27], names[52]] == [
        f"vnic0/_{letters}" for letters in ("a", "b", "z", "aa", "ab", "ba")
    ]


def test_an_object_keeps_its_place_when_it_changes() -> None:
    known = (
        ObjectMap().with_object(thing("vnic0/a", 7)).with_object(thing("vnic0/b", 7)).with_object(thing("vnic0/a", 8))
    )
    assert [(one.aobjname, one.ifindex) for one in known.objects] == [("vnic0/a", 8), ("vnic0/b", 7)]


# ---------------------------------------------------------------------- statuses


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (Errno.EPERM, Status.EPERM),
        (Errno.EACCES, Status.EPERM),
        (Errno.ENXIO, Status.ENXIO),
        (Errno.EADDRNOTAVAIL, Status.ADDR_NOTAVAIL),
        (Errno.EEXIST, Status.EXISTS),
        (Errno.EIO, Status.FAILURE),
        (9999, Status.FAILURE),
    ],
)
def test_an_errno_becomes_a_status(number: int, status: Status) -> None:
    assert of_errno(number) is status


# ---------------------------------------------------------------------- the files

OLD = ConfFile().with_interface(StoredInterface("old0"))
NEW = ConfFile().with_interface(StoredInterface("new0"))
WRITER = """
import sys
from pathlib import Path
from etherspan.ipadm.conf import ConfFile, StoredInterface
from etherspan.ipadm.store import Store
store = Store(Path(sys.argv[1]))
old, new = (ConfFile().with_interface(StoredInterface(name)) for name in ("old0", "new0"))
with store.locked():
    store.write_conf(old)
    print("ready", flush=True)
    while True:
        store.write_conf(new)
        store.write_conf(old)
"""
LOCKER = """
import sys
from pathlib import Path
from etherspan.ipadm.store import Store
print("here", flush=True)
with Store(Path(sys.argv[1])).locked():
    print("mine", flush=True)
"""


def test_a_host_without_files_has_nothing_stored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.read_conf().render() == b""
    assert store.read_map() == ObjectMap()


@pytest.mark.parametrize("instant", [0.0, 0.003, 0.011])
def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path, instant: float) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        end = time.monotonic() + instant  # the instant is what is varied, nothing is waited for
        while time.monotonic() < end:
            assert Store(tmp_path).read_conf().render() in {OLD.render(), NEW.render()}
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    store = Store(tmp_path)
    assert store.read_conf().render() in {OLD.render(), NEW.render()}
    with store.locked():  # the lock died with its holder
        store.write_conf(NEW)
    assert store.conf_path.read_bytes() == NEW.render()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.write_conf(OLD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IpadmError) as caught:
        store.write_conf(NEW)
    assert caught.value.status is Status.FAILURE
    assert caught.value.reason == f"cannot write {store.conf_path}: No space left on device"
    assert store.conf_path.read_bytes() == OLD.render()
    assert [path.name for path in store.conf_path.parent.iterdir()] == ["ipadm.conf"]


def test_who_holds_the_lock_keeps_others_waiting(tmp_path: Path) -> None:
    with Store(tmp_path).locked():
        other = subprocess.Popen([sys.executable, "-c", LOCKER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "here\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.2)
    assert other.communicate(timeout=10)[0] == "mine\n"
    assert other.returncode == 0


def test_a_zone_that_is_deleted_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_conf(OLD.with_interface(StoredInterface("vnic0", "web")))
    store.write_map(ObjectMap((Plumbed("vnic0", 7, "web"),), (thing("net0/v4", 3),)))
    forget_zone(tmp_path, "web")
    assert store.read_conf().render() == OLD.render()
    assert store.read_map() == ObjectMap((), (thing("net0/v4", 3),))


def test_forgetting_a_zone_that_nothing_is_known_of_writes_nothing(tmp_path: Path) -> None:
    forget_zone(tmp_path, "web")
    assert list(tmp_path.iterdir()) == []
