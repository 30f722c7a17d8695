"""create-overlay: what it refuses and in which order, what it undoes, what it stores (DLM 2, 7.3)."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_sim.sys.dld import DatalinkFlag
from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError

LISTEN = "vxlan/listen_ip=10.88.88.69"
DEST = "direct/dest_ip=10.88.88.70,direct/dest_port=4789"
BASE = "create-overlay -v 23 -e vxlan -s direct"
USAGE = "usage:     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>\n\t\t     [ -p <prop>=<value>[,...]] <overlay>\n"


def test_golden_create_says_nothing(host: Any) -> None:
    assert host.ok(f"{BASE} -p {LISTEN} -p {DEST} demo0") == ""
    assert host.ok("show-link -p -o link,class,mtu,state") == "demo0:overlay:1400:up\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("create-overlay", "missing required virtual network id"),
        ("create-overlay -v 23", "missing required encapsulation plugin"),
        ("create-overlay -v 23 -e vxlan", "missing required search plugin"),
        ("create-overlay -v 23 -e vxlan -s direct", "missing device name"),
        (f"{BASE} demo0 demo1", "missing device name"),
        (f"{BASE} {'a' * 31}0", f"link name too long '{'a' * 31}0'"),
        (f"{BASE} demo", "invalid link name 'demo'"),
        (f"{BASE} ''", "invalid link name ''"),
        (f"create-overlay -v 23 -e {'e' * 32} -s direct demo0", f"encapsulation plugin name too long '{'e' * 32}'"),
        (f"{BASE} -p vxlan/listen_ip= demo0", "invalid overlay property"),
        (f"{BASE} -p '' demo0", "invalid overlay property"),
        ("create-overlay -v x -e vxlan -s direct demo0", "couldn't parse virtual networkd id: x"),
        ("create-overlay -v 0x17 demo0", "couldn't parse virtual networkd id: 0x17"),
        ("create-overlay -v '23 ' demo0", "couldn't parse virtual networkd id: 23 "),
        ("create-overlay -v 4294967296", "virtual networkd id too large: 4294967296"),
        ("create-overlay -v " + "9" * 5000, "virtual networkd id too large: " + "9" * 5000),
    ],
)
def test_what_is_wrong_with_the_command_line(host: Any, words: str, message: str) -> None:
    assert host.fails(words) == f"dladm: {message}\n"


@pytest.mark.fact("DLM-Q1")
def test_the_network_id_messages_have_the_original_s_typo(host: Any) -> None:
    assert host.fails("create-overlay -v x") == "dladm: couldn't parse virtual networkd id: x\n"
    assert host.fails("create-overlay -v 4294967296") == "dladm: virtual networkd id too large: 4294967296\n"


@pytest.mark.fact("DLM-Q2")
def test_a_search_name_too_long_is_shown_itself(host: Any) -> None:
    message = host.fails(f"create-overlay -v 23 -e vxlan -s {'s' * 32} demo0")
    assert message == f"dladm: search plugin name too long '{'s' * 32}'\n"


@pytest.mark.fact("DLM-Q43")
def test_an_empty_network_id_is_refused(host: Any) -> None:
    assert host.fails(f"create-overlay -v '' -e vxlan -s direct -p {LISTEN},{DEST} demo0") == (
        "dladm: couldn't parse virtual networkd id: \n"
    )


def test_options_are_judged_from_left_to_right(host: Any) -> None:
    assert host.fails("create-overlay -v x -q") == "dladm: couldn't parse virtual networkd id: x\n"
    assert host.fails("create-overlay -q -v x") == f"dladm: unrecognized option '-q'\n{USAGE}"
    assert host.fails("create-overlay -v x -e") == "dladm: couldn't parse virtual networkd id: x\n"
    assert host.fails("create-overlay -v 23 -e") == f"dladm: option '-e' requires a value\n{USAGE}"


@pytest.mark.fact("DLM-Q27")
def test_an_unknown_long_option_shows_nothing_between_the_quotes(host: Any) -> None:
    assert host.fails("create-overlay --bogus") == f"dladm: unrecognized option ''\n{USAGE}"


def test_the_last_of_repeated_options_counts(host: Any) -> None:
    host.ok(f"create-overlay -v 1 -v 23 -e no -e vxlan -s no -s direct -p {LISTEN} -p {DEST} demo0")
    assert host.ok("show-overlay -p -o value demo0").splitlines()[1:3] == ["23", "vxlan"]


def test_a_property_list_of_2047_bytes_with_its_commas_is_the_longest(host: Any) -> None:
    long = "a=" + "x" * 2043
    assert host.fails(f"{BASE} -p {long} -p y demo0") == f"dladm: property list too long '{long},y'\n"
    assert host.fails(f"{BASE} -p {long}xxx demo0") == f"dladm: property list too long '{long}xx'\n"
    assert "property list too long" not in host.fails(f"{BASE} -p {long} demo0")


def lines(*texts: str) -> str:
    return "".join(f"dladm: {text}\n" for text in texts)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("create-overlay -v 23 -e nvgre -s direct demo0", lines("overlay creation failed: object not found")),
        ("create-overlay -v 16777216 -e vxlan -s direct demo0", lines("overlay creation failed: invalid argument")),
        ("create-overlay -v -1 -e vxlan -s direct demo0", lines("overlay creation failed: invalid argument")),
        (
            "create-overlay -v 23 -e vxlan -s nosuch demo0",
            lines(
                "warning: failed to create varpd instance: No such file or directory",
                "overlay creation failed: object not found",
            ),
        ),
        (
            f"{BASE} -p bogus=1 demo0",
            lines("warning: failed to set property bogus", "overlay creation failed: object not found"),
        ),
        (
            f"{BASE} -p vxlan/listen_ip=junk demo0",
            lines("warning: failed to set property vxlan/listen_ip", "overlay creation failed: invalid argument"),
        ),
        (
            f"{BASE} -p svp/host=x demo0",
            lines("warning: failed to set property svp/host", "overlay creation failed: object not found"),
        ),
        (
            f"{BASE} -p {'n' * 64}=1 demo0",
            lines(f"warning: failed to set property {'n' * 64}", "overlay creation failed: invalid argument"),
        ),
        (
            f"{BASE} -p {LISTEN},direct/dest_ip=10.88.88.70 demo0",
            lines(
                "warning: failed to activate varpd instance: Resource temporarily unavailable",
                "warning: unset required property: direct/dest_port",
                "overlay creation failed: try again later",
            ),
        ),
    ],
)
def test_golden_failures_leave_nothing_behind(host: Any, words: str, message: str) -> None:
    assert host.fails(words) == message
    assert host.dlmgmt.links == {}
    assert host.dlmgmt.conf == {}
    assert host.varpd.instances == {}
    host.demo()


@pytest.mark.fact("DLM-Q3")
def test_refused_kernel_properties_end_in_a_proper_text(host: Any) -> None:
    assert host.fails(f"{BASE} -p mtu=9000 demo0") == lines(
        "warning: failed to set property mtu", "overlay creation failed: invalid argument"
    )
    assert host.fails(f"{BASE} -p encap=vxlan demo0") == lines(
        "warning: failed to set property encap", "overlay creation failed: permission denied"
    )


@pytest.mark.fact("DLM-Q4", "DLM-Q5")
@pytest.mark.parametrize(
    ("prop", "status"),
    [
        ("direct/dest_ip=junk", "permission denied"),
        ("direct/dest_port=0", "permission denied"),
        ("direct/foo=1", "I/O error"),
    ],
)
def test_failures_of_search_properties_are_mapped_twice_and_leave_an_empty_line(
    host: Any, prop: str, status: str
) -> None:
    name = prop.partition("=")[0]
    assert host.fails(f"{BASE} -p {LISTEN},{prop} demo0") == (
        f"dladm: warning: failed to set varpd prop: {name}\n\ndladm: overlay creation failed: {status}\n"
    )
    assert any(note.startswith(f"{name}: ") for note in host.notes)
    assert host.varpd.instances == {}


def test_a_varpd_that_fails_at_a_property_is_object_not_found(host: Any) -> None:
    host.varpd.refuse["info_fill_by_name"] = Errno.EBADF
    assert host.fails(f"{BASE} -p {DEST} demo0").endswith("\ndladm: overlay creation failed: object not found\n")


@pytest.mark.fact("DLM-Q17")
@pytest.mark.parametrize("value", ["1400x", "0x578", "", "1 400", "4294968696", "-1", "--1", "18446744073709552000"])
def test_numbers_are_decimal_and_nothing_may_follow(host: Any, value: str) -> None:
    expected = "property mtu" if value else "invalid overlay property"
    assert expected in host.fails(f"{BASE} -p 'mtu={value}' demo0")


def test_numbers_may_have_a_sign_and_blanks_before_them(host: Any) -> None:
    host.ok(*BASE.split(), "-p", f"{LISTEN},{DEST},mtu= +1300", "demo0")
    assert host.ok("show-overlay -p -o value demo0").splitlines()[0] == "1300"


@pytest.mark.fact("DLM-Q18")
@pytest.mark.parametrize(
    ("props", "entry"),
    [
        ("mtu=1300,1400", "failed to set property mtu"),
        ("mtu", "failed to set property mtu"),
        ("direct/dest_port=1,2", "failed to set varpd prop: direct/dest_port"),
        ("direct/dest_port", "failed to set varpd prop: direct/dest_port"),
    ],
)
def test_a_property_takes_exactly_one_value(host: Any, props: str, entry: str) -> None:
    for temporary in ("", "-t "):
        message = host.fails(f"{BASE} {temporary}-p {props} demo0")
        assert message.startswith(f"dladm: warning: {entry}\n")


@pytest.mark.fact("DLM-Q19")
def test_more_than_32_properties_are_refused(host: Any) -> None:
    assert host.fails(f"{BASE} -p {','.join(['mtu=1400'] * 33)} demo0") == "dladm: invalid overlay property\n"


def test_without_a_listen_address_the_walk_reaches_the_instance_that_is_gone(host: Any) -> None:
    assert host.fails(f"{BASE} -p {DEST} demo0") == lines(
        "warning: failed to activate device: Invalid argument",
        "warning: unset required property: vxlan/listen_ip",
        "warning: failed to get varpd props for overlay demo0, varpd id 1: ok",
        "overlay creation failed: invalid argument",
    )
    assert (host.dlmgmt.links, host.varpd.instances) == ({}, {})


def test_a_name_or_a_network_id_that_is_taken_already_exists(host: Any) -> None:
    host.demo()
    assert host.fails(f"{BASE} demo0") == lines("overlay creation failed: object already exists")
    assert host.fails(f"{BASE} demo1") == lines("overlay creation failed: object already exists")
    assert [link.name for link in host.dlmgmt.links.values()] == ["demo0"]


def test_only_the_activated_overlay_s_name_stays(host: Any) -> None:
    host.demo("-t")
    assert host.dlmgmt.name2info("demo0").flags is DatalinkFlag.ACTIVE
    assert host.stored("demo0") == ""


def test_a_persistent_overlay_is_stored_with_its_properties_as_typed(host: Any) -> None:
    host.ok(
        f"{BASE} -p direct/dest_ip=::ffff:10.88.88.70,{LISTEN},mtu=+1300 -p direct/dest_port=4789 -p mtu=1200 demo0"
    )
    assert host.stored("demo0") == (
        "vnetid=int,23;encap=string,vxlan;search=string,direct;vxlan/listen_ip=string,10.88.88.69;mtu=string,1200;"
        "direct/dest_ip=string,::ffff:10.88.88.70;direct/dest_port=string,4789;"
    )


@pytest.mark.fact("DLM-Q42")
def test_a_vnetid_property_is_stored_as_a_number_and_may_not_be_taken(host: Any) -> None:
    host.ok(f"{BASE} -p vnetid=24,{LISTEN},{DEST} demo0")
    assert host.stored("demo0").startswith("vnetid=int,24;encap=")
    assert host.fails(f"{BASE} -p vnetid=24,{LISTEN},{DEST} demo1") == lines(
        "warning: failed to set property vnetid", "overlay creation failed: object already exists"
    )
    host.reboot()
    host.ok("up-overlay")
    assert host.ok("show-overlay -p -o value demo0").splitlines()[1] == "24"


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            "create_conf",
            lines(
                "warning: failed to create persistent configuration for demo0: I/O error",
                "overlay creation failed: I/O error",
            ),
        ),
        (
            "set_conf_field",
            lines("warning: failed to persistently set property vxlan/listen_ip", "overlay creation failed: I/O error"),
        ),
    ],
)
def test_storing_may_fail_and_undoes_the_creation(host: Any, method: str, message: str) -> None:
    host.dlmgmt.refuse[method] = Errno.EIO
    assert host.fails(f"{BASE} -p {LISTEN},{DEST} demo0") == message
    assert host.dlmgmt.links == {}
    del host.dlmgmt.refuse[method]
    host.demo()


def test_the_status_of_storing_a_search_property_is_not_mapped_twice(host: Any) -> None:
    host.dlmgmt.refuse["set_conf_field"] = Errno.EINVAL
    assert host.fails(f"{BASE} -p {DEST} demo0") == (
        "dladm: warning: failed to persistently set varpd prop: direct/dest_ip\n\n"
        "dladm: overlay creation failed: invalid argument\n"
    )


def test_varpd_is_enabled_when_it_is_not_online_and_before_the_name_is_taken(host: Any) -> None:
    host.demo()
    assert host.scf.asked == ["enable"]
    host.demo(name="demo1", vnetid=24)
    assert host.scf.asked == ["enable"]


@pytest.mark.parametrize(
    ("refused", "errno", "status"),
    [
        ("state", Errno.ENOENT, "object not found"),
        ("enable", Errno.EPERM, "permission denied"),
        ("enable", Errno.EACCES, "permission denied"),
        ("enable", Errno.ECONNREFUSED, "operation failed"),
    ],
)
def test_a_varpd_that_cannot_be_enabled_ends_the_creation_without_a_warning(
    host: Any, refused: str, errno: Errno, status: str
) -> None:
    host.scf.refuse[refused] = errno
    assert host.fails(f"{BASE} -p {LISTEN},{DEST} demo0") == lines(f"overlay creation failed: {status}")
    assert host.dlmgmt.links == {}


@pytest.mark.parametrize("state", ["offline", "maintenance"])
def test_a_varpd_that_does_not_come_online_is_operation_failed(host: Any, state: str) -> None:
    host.scf.stuck = state
    assert host.fails(f"{BASE} -p {LISTEN},{DEST} demo0") == lines("overlay creation failed: operation failed")


def test_the_roll_back_disables_varpd_with_the_last_overlay(host: Any) -> None:
    host.fails(f"{BASE} -p bogus=1 demo0")
    assert host.scf.asked == ["enable", "disable"]
    host.demo()
    host.fails("create-overlay -v 24 -e vxlan -s direct -p bogus=1 demo1")
    assert host.scf.asked == ["enable", "disable", "enable"]


@pytest.mark.fact("DLM-Q15")
def test_the_roll_back_leaves_no_line_when_varpd_s_door_is_gone(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_linkid: int, _search: str) -> int:
        host.varpd.up = False
        raise VarpdError(Errno.EBADF)

    monkeypatch.setattr(host.varpd, "instance_create", die)
    assert host.fails(f"{BASE} -p {LISTEN},{DEST} demo0") == lines(
        "warning: failed to create varpd instance: Bad file number", "overlay creation failed: operation failed"
    )
    assert (host.dlmgmt.links, host.dlmgmt.conf) == ({}, {})


def test_a_door_that_is_not_there_is_reported(host: Any) -> None:
    host.varpd.up = True
    assert host.fails(f"{BASE} -p {LISTEN},{DEST} demo0") == lines(
        "warning: failed to create libvarpd handle: No such file or directory",
        "overlay creation failed: object not found",
    )
    assert host.dlmgmt.links == {}


def test_a_caller_without_privilege_is_denied(host: Any) -> None:
    host.dlmgmt.refuse["create_linkid"] = Errno.EACCES
    assert host.fails(f"{BASE} demo0") == lines("overlay creation failed: permission denied")
