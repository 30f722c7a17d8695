"""modify-overlay on a host in memory in which everything is real (DLM 3.2, 7.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dladm.libdladm import overlay_target
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status
from etherspan.testing.frames import ethernet
from etherspan.testing.sim.host import HostSystem
from kernel_sim.dev.client import Transport
from kernel_sim.dev.paths import VARPD_DOOR
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import parse_mac

MAC = "2:8:20:a:b:c"
FRAME = ethernet(parse_mac("2:0:0:0:0:2"), parse_mac("2:0:0:0:0:1"), bytes(50))
ALL_TARGETS = "show-overlay -t -p -o target,destination ov0"
USAGE = "usage:     modify-overlay   -d mac | -f | -s mac=ip:port <overlay>\n"
FLUSH = "failed to flush target cache for overlay ov0: "
DELETE = "failed to flush target (null) from overlay target cache ov0: "
SET = "failed to set target (null) for overlay target cache ov0: "


@pytest.fixture
def host(world_host: Any) -> Any:
    """A host with the overlay ov0 of which nothing is known."""
    assert world_host.create().status == 0
    return world_host


def targets(host: Any) -> dict[str, str]:
    rows = (row.replace("\\:", ";").split(":") for row in host.ok(ALL_TARGETS).splitlines())
    return {mac.replace(";", ":"): destination.replace(";", ":") for mac, destination in rows}


# ---------------------------------------------------------------------- what is wrong with the words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-d 1:2:3:4:5:6 -d zz ov0", "the option -d cannot be specified more than once"),
        ("-f --flush-table ov0", "the option -f cannot be specified more than once"),
        ("-s 1:2:3:4:5:6=drop -s x", "the option -s cannot be specified more than once"),
        ("-f -d zz", "invalid mac address: zz\n"),
        ("-d zz -f -f -x", "invalid mac address: zz\n"),
        ("-s zz=10.0.0.5:4789 -f", "invalid mac address: zz\n"),
        ("-s =drop", "invalid mac address: \n"),
        ("", "need to specify one of -d, -f, or -s"),
        ("nope0 nope1", "need to specify one of -d, -f, or -s"),
        ("-d 0:1:2:3:4:5 -f", "only one of -d, -f, or -s may be used"),
        ("-s 0:1:2:3:4:5=junk -d 0:1:2:3:4:5 nope0", "only one of -d, -f, or -s may be used"),
        ("-f", "missing required overlay device\n"),
        ("-f nope0 nope1", "only one overlay device may be specified\n"),
        ("-f nope0", "failed to find overlay nope0: object not found"),
        ("-s 0:1:2:3:4:5=junk nope0", "failed to find overlay nope0: object not found"),
    ],
)
def test_the_first_thing_wrong_is_what_is_said(host: Any, words: str, message: str) -> None:
    assert host.fails(f"modify-overlay {words}") == f"dladm: {message}\n"


@pytest.mark.fact("DLM-Q9")
@pytest.mark.parametrize("argument", ["0:1:2:3:4:5", "zz", ""])
def test_a_set_without_an_equals_sign_is_malformed(host: Any, argument: str) -> None:
    done = host("modify-overlay", "-f", "-s", argument, "ov0")
    assert (done.err, done.status) == (f"dladm: malformed value, expected mac=dest, got: {argument}\n\n", 1)


@pytest.mark.parametrize("option", ["-d", "-s", "--delete-entry", "--set-entry"])
def test_an_option_without_its_argument(host: Any, option: str) -> None:
    assert host.fails("modify-overlay", "ov0", option) == (
        f"dladm: option '-{option.lstrip('-')[0]}' requires a value\n{USAGE}"
    )


def test_an_unknown_option(host: Any) -> None:
    assert host.fails("modify-overlay -x ov0") == f"dladm: unrecognized option '-x'\n{USAGE}"


@pytest.mark.parametrize("text", ["2:8:20:a:b:c", "02:08:20:0A:0B:0C", " 2: 8:0020:\t0000a:b:c"])
def test_ways_to_write_one_mac_address(host: Any, text: str) -> None:
    host.ok("modify-overlay", "-s", f"{text}=drop", "ov0")
    assert targets(host) == {MAC: "drop"}
    host.ok("modify-overlay", "-d", text, "ov0")
    assert targets(host) == {}


@pytest.mark.fact("DLM-Q17")
@pytest.mark.parametrize("text", ["0:1:2:3:4:5zzz", "0:1:2:3:4:5:6", "0:1:2:3:4:5 ", "100:1:2:3:4:5"])
def test_a_mac_address_with_more_than_its_six_numbers_is_none(host: Any, text: str) -> None:
    assert host.fails("modify-overlay", "-d", text, "ov0") == f"dladm: invalid mac address: {text}\n\n"


@pytest.mark.parametrize(
    "text", ["0:1:2:3:4", "0-1-2-3-4-5", "0:1:2:3:4:g", ":1:2:3:4:5", "0x0:1:2:3:4:5", "\u0661:1:2:3:4:5"]
)
def test_what_is_no_mac_address(host: Any, text: str) -> None:
    assert host.fails("modify-overlay", "-s", f"{text}=drop", "ov0") == f"dladm: invalid mac address: {text}\n\n"


# ---------------------------------------------------------------------- destinations


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.0.0.5:4789", "10.0.0.5:4789"),
        ("10.0.0.5:1", "10.0.0.5:1"),
        ("10.0.0.5:65535", "10.0.0.5:65535"),
        ("10.0.0.5: +0080", "10.0.0.5:80"),
        ("drop", "drop"),
        ("DrOp", "drop"),
        pytest.param("fd00::5:4789", "fd00::5:4789", marks=pytest.mark.fact("DLM-Q10")),
        pytest.param("[fd00::5]:4789", "fd00::5:4789", marks=pytest.mark.fact("DLM-Q10")),
        pytest.param("[::ffff:10.0.0.5]:4789", "10.0.0.5:4789", marks=pytest.mark.fact("DLM-Q10")),
    ],
)
@pytest.mark.parametrize("option", ["-s", "--set-entry"])
def test_destinations_that_can_be_set(host: Any, option: str, text: str, shown: str) -> None:
    host.ok("modify-overlay", option, f"{MAC}={text}", "ov0")
    assert targets(host) == {MAC: shown}


@pytest.mark.fact("DLM-Q10")
@pytest.mark.parametrize(
    "text", ["10.0.0.5", "junk:4789", "10.0.0:4789", "fd00::5::4789", "[fd00::5]", "", "=", "a,b:1"]
)
def test_what_is_no_destination_is_refused_and_changes_nothing(host: Any, text: str) -> None:
    host.ok("modify-overlay", "-s", f"{MAC}=10.0.0.1:1", "ov0")
    assert host.fails("modify-overlay", "-s", f"{MAC}={text}", "ov0") == f"dladm: {SET}invalid argument\n"
    assert targets(host) == {MAC: "10.0.0.1:1"}


@pytest.mark.fact("DLM-Q17")
@pytest.mark.parametrize("port", ["0", "70000", "65536", "x", "12x", "12 ", "", "-1", "4294972085", "9" * 5000])
def test_a_port_is_a_number_from_1_to_65535_and_nothing_more(host: Any, port: str) -> None:
    assert host.fails("modify-overlay", "-s", f"{MAC}=10.0.0.5:{port}", "ov0") == f"dladm: {SET}invalid argument\n"


def test_why_a_destination_is_refused_is_a_note(host: Any) -> None:
    notes: list[str] = []
    with Dladm(host.system, note=notes.append) as handle:
        linkid = handle.dlmgmt.name2info("ov0").linkid
        with pytest.raises(DladmError) as refused:
            overlay_target.set_target(handle, linkid, parse_mac(MAC), "10.0.0.5:70000")
    assert refused.value.status is Status.BADARG
    assert notes == ["destination '10.0.0.5:70000': '70000' is no number from 1 to 65535"]


# ---------------------------------------------------------------------- what the changes do


def test_entries_are_set_replaced_deleted_and_flushed(host: Any) -> None:
    for last, to in (("3", "10.0.0.3:1"), ("1", "10.0.0.1:1"), ("2", "drop")):
        host.ok(f"modify-overlay -s 2:0:0:0:0:{last}={to} ov0")
    host.ok("modify-overlay -s 2:0:0:0:0:3=10.0.0.4:2 ov0")
    assert targets(host) == {"2:0:0:0:0:1": "10.0.0.1:1", "2:0:0:0:0:2": "drop", "2:0:0:0:0:3": "10.0.0.4:2"}
    host.ok("modify-overlay --delete-entry 2:0:0:0:0:1 ov0")
    assert set(targets(host)) == {"2:0:0:0:0:2", "2:0:0:0:0:3"}
    host.ok("modify-overlay -d 2:0:0:0:0:2 ov0")
    host.ok("modify-overlay --flush-table ov0")
    assert targets(host) == {}


@pytest.mark.fact("DLM-Q11")
def test_what_was_never_seen_cannot_be_deleted_but_what_was_cleared_can(host: Any) -> None:
    assert host.fails(f"modify-overlay -d {MAC} ov0") == f"dladm: {DELETE}object not found\n"
    host.ok(f"modify-overlay -s {MAC}=drop ov0")
    host.ok(f"modify-overlay -d {MAC} ov0")
    host.ok(f"modify-overlay -d {MAC} ov0")


@pytest.mark.fact("DLM-Q12")
def test_a_destination_lifts_a_drop(host: Any) -> None:
    far = host.world.host("b", "10.88.88.70")
    far.write("map.json", "{}")
    far.dladm("create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=10.88.88.70,files/config=/map.json ov0")
    far.dladm("create-vnic -l ov0 -m 2:0:0:0:0:2 vnic0")
    host.ok("create-vnic -l ov0 -m 2:0:0:0:0:1 vnic0")
    near, port = host.inner.port("vnic0"), far.port("vnic0")
    host.ok("modify-overlay -s 2:0:0:0:0:2=drop ov0")
    near.send(FRAME)
    port.expect_nothing()
    host.ok("modify-overlay -s 2:0:0:0:0:2=10.88.88.70:4789 ov0")
    assert targets(host) == {"2:0:0:0:0:2": "10.88.88.70:4789"}
    near.send(FRAME)
    port.expect(FRAME)


def test_the_library_takes_the_same_destinations(host: Any) -> None:
    with Dladm(host.system) as handle:
        linkid = handle.dlmgmt.name2info("ov0").linkid
        overlay_target.set_target(handle, linkid, parse_mac(MAC), "[fd00::5]:1")
        overlay_target.set_target(handle, linkid, parse_mac("2:0:0:0:0:1"), "drop")
        found = overlay_target.targets(handle, linkid)
        assert [(one.mac, one.destination) for one in found] == [
            (parse_mac("2:0:0:0:0:1"), "drop"),
            (parse_mac(MAC), "fd00::5:1"),
        ]
        overlay_target.delete_target(handle, linkid, parse_mac(MAC))
        overlay_target.flush_targets(handle, linkid)
        assert overlay_target.targets(handle, linkid) == []


def test_a_deleted_entry_is_asked_for_again(host: Any) -> None:
    host.inner.write("etc/overlays/map.json", json.dumps({"2:0:0:0:0:2": {"ip": "10.88.88.70", "port": 4789}}))
    host.inner.svcadm("refresh varpd")
    host.ok("create-vnic -l ov0 -m 2:0:0:0:0:1 vnic0")
    host.ok("modify-overlay -s 2:0:0:0:0:2=10.88.88.71:1 ov0")
    host.ok("modify-overlay -d 2:0:0:0:0:2 ov0")
    host.inner.port("vnic0").send(FRAME)
    host.world.advance(0.1)
    assert targets(host) == {"2:0:0:0:0:2": "10.88.88.70:4789"}


# ---------------------------------------------------------------------- why a change fails

CHANGES = [("-f", FLUSH), (f"-d {MAC}", DELETE), (f"-s {MAC}=10.0.0.5:4789", SET)]


@pytest.mark.fact("DLM-Q11")
@pytest.mark.parametrize(("words", "failure"), CHANGES)
def test_a_point_to_point_overlay_has_no_table(host: Any, words: str, failure: str) -> None:
    props = "vxlan/listen_ip=10.88.88.69,direct/dest_ip=10.88.88.70,direct/dest_port=4789"
    host.ok(f"create-overlay -e vxlan -s direct -v 24 -p {props} demo0")
    expected = f"dladm: {failure}operation not supported\n".replace("ov0", "demo0")
    assert host.fails(f"modify-overlay {words} demo0") == expected
    assert host.ok("show-overlay -t -p -o destination demo0") == "10.88.88.70:4789\n"


@pytest.mark.parametrize(("words", "failure"), CHANGES)
def test_a_link_that_is_no_overlay_is_not_found(host: Any, words: str, failure: str) -> None:
    host.ok("create-etherstub stub0")
    expected = f"dladm: {failure}object not found\n".replace("ov0", "stub0")
    assert host.fails(f"modify-overlay {words} stub0") == expected


@pytest.mark.parametrize(("words", "failure"), CHANGES)
def test_varpd_off_is_not_found_and_a_door_left_behind_fails(host: Any, words: str, failure: str) -> None:
    host.inner.svcadm("disable varpd")
    assert host.fails(f"modify-overlay {words} ov0") == f"dladm: {failure}object not found\n"
    host.inner.write(VARPD_DOOR, b"")
    assert host.fails(f"modify-overlay {words} ov0") == f"dladm: {failure}operation failed\n"


@pytest.mark.parametrize(("words", "failure"), CHANGES)
def test_an_ordinary_user_is_denied_by_varpd(host: Any, words: str, failure: str) -> None:
    host.system = HostSystem(host.inner.inner, Cred(7, 1000, 1000))
    assert host.fails(f"modify-overlay {words} ov0") == f"dladm: {failure}permission denied\n"


@pytest.mark.parametrize(("words", "failure"), CHANGES)
def test_a_door_that_cannot_be_reached_is_denied(host: Any, words: str, failure: str) -> None:
    reachable = host.system

    class Outside:
        def connect(self, path: str) -> Transport:
            if path == VARPD_DOOR:
                raise KernelError(Errno.EACCES, path)
            transport: Transport = reachable.connect(path)
            return transport

        def wait(self, seconds: float) -> None:
            raise AssertionError("nothing is waited for")

    host.system = Outside()
    assert host.fails(f"modify-overlay {words} ov0") == f"dladm: {failure}permission denied\n"


def test_an_overlay_that_is_only_stored_has_no_table(host: Any) -> None:
    host.ok("delete-overlay -t ov0")
    assert host.fails("modify-overlay -f ov0") == f"dladm: {FLUSH}object not found\n"
