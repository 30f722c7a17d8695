"""VNICs and etherstubs (DLM 5.1 to 5.4, 7.4)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kernel_sim.cred import Credentials
from kernel_sim.sys.dld import DatalinkFlag
from kernel_sim.sys.errno import Errno

RANDOM = r"2:8:20:[0-9a-f]{1,2}:[0-9a-f]{1,2}:[0-9a-f]{1,2}"


def lines(*texts: str) -> str:
    return "".join(f"dladm: {text}\n" for text in texts)


# ---------------------------------------------------------------------- create-vnic


def test_golden_show_vnic(host: Any) -> None:
    host.demo()
    host.demo(name="sdc_overlay7957669", vnetid=7957669)
    host.ok("create-vnic -l demo0 -m 2:8:20:6b:10:d4 foo0")
    host.ok("create-vnic -t -l sdc_overlay7957669 -m 90:B8:d0:1f:d0:2a net1")
    assert host.ok("show-vnic") == (
        "LINK         OVER         SPEED    MACADDRESS        MACADDRTYPE         VID\n"
        "foo0         demo0        0        2:8:20:6b:10:d4   fixed               0\n"
        "net1         sdc_overlay7957669 0  90:b8:d0:1f:d0:2a fixed               0\n"
    )
    assert host.ok("show-vnic -P").splitlines()[1:] == [
        "foo0         demo0        --       2:8:20:6b:10:d4   fixed               0"
    ]


@pytest.mark.parametrize("mac", ["", "-m auto", "-m random", "-m randomX"])
@pytest.mark.fact("DLM-Q32")
def test_an_address_is_random_unless_it_is_given(host: Any, mac: str) -> None:
    host.demo()
    host.ok(f"create-vnic -l demo0 {mac} vnic0")
    shown = host.ok("show-vnic -p -o macaddress,macaddrtype").replace("\\", "")
    assert re.fullmatch(f"{RANDOM}:random\n", shown)


def test_a_random_address_may_have_another_prefix(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 -m random -r 90:b8:d0 vnic0")
    assert host.ok("show-vnic -p -o macaddress").startswith("90:b8:d0:")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (f"-l {'a' * 32}", "link name too long"),
        ("-m random -m random", "cannot specify -m option twice"),
        ("-m 2:8:20:1:2:3 -m auto", "cannot specify -m option twice"),
        ("-m 2:8:xx", "invalid MAC address"),
        ("-m 2:8:200", "invalid MAC address"),
        ("-m ''", "invalid MAC address"),
        ("-r zz", "invalid MAC address"),
        ("-n x", "invalid slot number"),
        ("-V 0", "invalid VRRP identifier '0'"),
        ("-V 256", "invalid VRRP identifier '256'"),
        ("-A inet4", "invalid address family 'inet4'"),
        ("-v 2 -v 3", "the option -v cannot be specified more than once"),
        ("-v 0", "invalid VLAN identifier '0'"),
        ("-v 4095", "invalid VLAN identifier '4095'"),
        ("-v 1x", "invalid VLAN identifier '1x'"),
        ("-f -l demo0 vnic0", "-f option can only be used with -v"),
        (f"-l demo0 {'a' * 31}0", f"link name too long '{'a' * 31}0'"),
        ("-l demo0 vnic", "invalid link name 'vnic'"),
        ("-l nope0 vnic0", "invalid link name 'nope0'"),
        ("-l demo0 -p zone= vnic0", "invalid vnic property"),
    ],
)
def test_what_is_wrong_with_the_command_line(host: Any, words: str, message: str) -> None:
    host.demo()
    assert host.fails(f"create-vnic {words}") == lines(message)


@pytest.mark.fact("DLM-Q32")
@pytest.mark.parametrize("word", ["fixed", "fixedX"])
def test_a_word_that_begins_with_fixed_is_no_address(host: Any, word: str) -> None:
    assert host.fails(f"create-vnic -m {word}") == lines(f"'{word}' is not a valid MAC address")


@pytest.mark.parametrize(
    "words",
    [
        "vnic0",
        "-l demo0",
        "-l demo0 vnic0 vnic1",
        "-l demo0 -r 2:8:20 vnic0",
        "-l demo0 -m auto -r 2:8:20 vnic0",
        "-l demo0 -n 1 vnic0",
        "-l demo0 -m vrrp vnic0",
        "-l demo0 -m vrrp -V 1 vnic0",
        "-l demo0 -V 1 -A inet vnic0",
    ],
)
def test_options_that_do_not_go_together_give_the_usage(host: Any, words: str) -> None:
    host.demo()
    assert host.fails(f"create-vnic {words}").startswith("usage:  dladm <subcommand> <args> ...\n    rename-link")


@pytest.mark.fact("DLM-Q29")
@pytest.mark.parametrize(("option", "shown"), [("-H", "-H"), ("--dev x", ""), ("--cpus 1", ""), ("--bw-limit 1", "")])
def test_options_that_getopt_knows_and_the_command_does_not(host: Any, option: str, shown: str) -> None:
    assert host.fails(f"create-vnic {option}").startswith(
        f"dladm: unrecognized option '{shown}'\nusage:     create-vnic      [-t] -l <link> [-m <value> | auto |\n"
        "\t\t     {factory [-n <slot-id>]} | {random [-r <prefix>]} |\n"
    )


def failure(over: str, status: str) -> str:
    return f"dladm: vnic creation over {over} failed: {status}\n"


def test_a_persistent_vnic_needs_a_persistent_link(host: Any) -> None:
    host.demo("-t")
    assert host.fails("create-vnic -l demo0 v0") == failure(
        "demo0", "can't create persistent object on top of temporary object"
    )
    host.ok("create-vnic -t -l demo0 v0")


def test_a_vnic_goes_over_neither_a_vnic_nor_a_physical_link(host: Any) -> None:
    host.demo()
    host.add_phys("net0")
    host.ok("create-vnic -l demo0 v0")
    assert host.fails("create-vnic -l v0 v1") == failure("v0", "invalid argument")
    assert host.fails("create-vnic -l net0 v1") == failure("net0", "operation not supported")
    assert [link.name for link in host.dlmgmt.walk(8, 3)] == ["v0"]


@pytest.mark.parametrize(
    ("mac", "status"),
    [
        ("2:8:20:1:2:3", "MAC address is already in use"),
        ("1:2:3:4:5:6", "invalid MAC address value"),
        ("0:0:0:0:0:0", "MAC address reserved for use by underlying data-link"),
        (":".join("2" * 21), "invalid MAC address length"),
        ("factory", "factory MAC address slots not supported"),
    ],
)
def test_addresses_that_cannot_be_used(host: Any, mac: str, status: str) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 -m 2:8:20:1:2:3 v0")
    assert host.fails(f"create-vnic -l demo0 -m {mac} v1") == failure("demo0", status)
    assert host.stored("v0")
    assert len(host.dlmgmt.links) == 2


def test_a_prefix_that_leaves_nothing_to_choose_is_refused(host: Any) -> None:
    host.demo()
    message = host.fails("create-vnic -l demo0 -m random -r 2:8:20:1:2:3 v1")
    assert message == failure("demo0", "Invalid MAC address prefix length")
    message = host.fails(f"create-vnic -l demo0 -m random -r {':'.join('2' * 21)} v1")
    assert message == failure("demo0", "Invalid MAC address prefix length")


@pytest.mark.fact("DLM-Q28")
def test_link_busy_is_always_a_matter_of_the_default_tag(host: Any) -> None:
    host.demo()
    expected = "dladm: VLAN over 'demo0' may not use default_tag ID (see dladm(8))\n"
    assert host.fails("create-vnic -l demo0 -v 1 v0") == expected
    host.dlmgmt.refuse["create_linkid"] = Errno.EBUSY
    assert host.fails("create-vnic -l demo0 v0") == expected


def test_an_overlay_whose_listen_address_is_not_here_cannot_start(host: Any) -> None:
    host.ok(
        "create-overlay -e vxlan -s direct -v 23 -p vxlan/listen_ip=10.9.9.9 "
        "-p direct/dest_ip=10.88.88.70,direct/dest_port=4789 ov0"
    )
    assert host.fails("create-vnic -l ov0 v0") == failure("ov0", "operation failed")


def test_names_are_unique(host: Any) -> None:
    host.demo()
    assert host.fails("create-vnic -l demo0 -m auto -v 5 demo0") == failure("demo0", "object already exists")


def test_a_stored_vnic_has_the_line_of_the_original(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 vnic0")
    assert re.fullmatch(
        f"linkover=string,demo0;maddrtype=int,1;vrid=int,0;vraf=int,0;macaddr=string,{RANDOM};", host.stored("vnic0")
    )
    host.ok("create-vnic -l demo0 -m 2:8:20:1:2:3 -v 7 vnic1")
    assert host.stored("vnic1") == (
        "linkover=string,demo0;maddrtype=int,0;vrid=int,0;vraf=int,0;maddrpreflen=int,0;macaddr=string,2:8:20:1:2:3;"
        "vid=int,7;"
    )
    host.ok("create-vnic -t -l demo0 vnic2")
    assert host.stored("vnic2") == ""


def test_force_goes_with_a_vlan_id(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -f -l demo0 -v 7 v0")
    assert host.ok("show-vnic -p -o vid v0") == "7\n"


def test_a_vrrp_vnic_has_the_address_of_its_identifier(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 -m vrrp -V 10 -A inet v0")
    host.ok("create-vnic -l demo0 -m vrrp -V 10 -A inet6 v1")
    assert host.ok("show-vnic -p -o macaddress,macaddrtype").replace("\\", "") == (
        "0:0:5e:0:1:a:vrrp, 10/inet\n0:0:5e:0:2:a:vrrp, 10/inet6\n"
    )


def test_storing_may_fail_and_takes_the_vnic_away(host: Any) -> None:
    host.demo()
    host.dlmgmt.refuse["create_conf"] = Errno.EIO
    assert host.fails("create-vnic -l demo0 v0") == failure("demo0", "I/O error")
    assert host.fails("create-etherstub stub0") == lines("etherstub creation failed: I/O error")
    assert [link.name for link in host.dlmgmt.links.values()] == ["demo0"]
    assert host.ok("delete-overlay demo0") == ""


def test_a_zone_is_given_to_temporary_vnics_only_as_it_is_never_stored(host: Any) -> None:
    host.demo()
    host.kernel.factory.zones.append("web")
    status = "change cannot be persistent"
    assert host.fails("create-vnic -l demo0 -p zone=web v0") == lines(
        f"warning: failed to set property zone: {status}", f"vnic creation over demo0 failed: {status}"
    )
    assert not host.kernel.ports
    host.ok("create-vnic -t -l demo0 -p zone=web v0")
    assert host.kernel.ports["v0"].zone == "web"
    assert host.dlmgmt.name2info("v0").zone == "web"


@pytest.mark.parametrize(
    ("prop", "status"),
    [("zone=nope", "invalid value"), ("zone=a,b", "invalid number of values"), ("frob=1", "object not found")],
)
def test_a_property_that_cannot_be_set_takes_the_vnic_away(host: Any, prop: str, status: str) -> None:
    host.demo()
    name = prop.partition("=")[0]
    assert host.fails(f"create-vnic -t -l demo0 -p {prop} v0") == lines(
        f"warning: failed to set property {name}: {status}", f"vnic creation over demo0 failed: {status}"
    )
    assert len(host.dlmgmt.links) == 1
    assert not host.kernel.ports


def test_an_unprivileged_user_is_denied(host: Any) -> None:
    host.demo()
    host.dld.cred = Credentials(1000, privileged=False)
    assert host.fails("create-vnic -l demo0 v0") == failure("demo0", "permission denied")


def test_a_command_for_another_root_is_only_noted(host: Any, tmp_path: Path) -> None:
    host.demo()
    host.ok("create-vnic", "-R", str(tmp_path), "-l", "net 0", "vnic0")
    host.ok("create-etherstub", f"-R{tmp_path}", "stub0")
    host.ok("delete-vnic", f"--root-dir={tmp_path}", "vnic0")
    script = tmp_path / "var/svc/profile/upgrade_datalink"
    assert script.read_text() == (
        "/sbin/dladm create-vnic -l 'net 0' vnic0\n/sbin/dladm create-etherstub stub0\n/sbin/dladm delete-vnic vnic0\n"
    )
    assert host.ok("show-vnic") == ""
    script.chmod(0o400)
    script.parent.rename(tmp_path / "gone")
    (tmp_path / "var/svc/profile").write_text("")
    assert host.fails("delete-vnic", "-R", str(tmp_path), "x0").startswith("dladm: cannot note the command in ")


# ---------------------------------------------------------------------- zones


def test_the_zone_of_a_vnic_is_shown_on_request_only(host: Any) -> None:
    host.demo()
    host.kernel.factory.zones.append("web")
    host.ok("create-vnic -t -l demo0 -p zone=web v0")
    host.ok("create-vnic -l demo0 v1")
    assert "ZONE" not in host.ok("show-vnic") + host.ok("show-vnic -o all")
    assert host.ok("show-vnic -o link,zone,over") == (
        "LINK         ZONE                OVER\nv0           web                 demo0\nv1           --                  demo0\n"
    )
    assert host.ok("show-vnic -p -o zone,link") == "web:v0\n--:v1\n"
    assert host.ok("show-vnic -P -p -o link,zone") == "v1:--\n"


def test_with_z_only_vnics_of_that_zone_are_found(host: Any) -> None:
    host.demo()
    host.kernel.factory.zones.append("web")
    host.ok("create-vnic -t -l demo0 -p zone=web v0")
    host.ok("create-vnic -l demo0 v1")
    assert host.ok("show-vnic -z web -p -o link") == "v0\n"
    assert host.ok("show-vnic -z global -p -o link") == "v1\n"
    assert host.ok("show-vnic -z other") == ""
    assert host.fails("show-vnic -z web v1") == lines("invalid vnic name 'v1': object not found")
    assert host.fails("delete-vnic -z web v1") == lines("invalid link name 'v1'")
    assert host.fails("delete-vnic -z other v0") == lines("invalid link name 'v0'")
    host.ok("delete-vnic -z web v0")
    host.ok("delete-vnic -z global v1")


def test_json_has_types(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 -m 2:8:20:1:2:3 -v 7 v0")
    assert json.loads(host.ok("show-vnic --json"))["vnics"] == [
        {
            "link": "v0",
            "over": "demo0",
            "speed": 0,
            "macaddress": "2:8:20:1:2:3",
            "macaddrtype": "fixed",
            "vid": 7,
            "zone": None,
        }
    ]
    assert json.loads(host.ok("show-vnic -P --json -o speed,vid"))["vnics"] == [{"speed": None, "vid": 7}]


# ---------------------------------------------------------------------- delete-vnic, up-vnic


def test_delete_vnic(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 v0")
    host.ok("create-etherstub stub0")
    assert host.fails("delete-vnic nope0") == lines("invalid link name 'nope0'")
    assert host.fails("delete-vnic stub0") == lines("'stub0' is not a vnic")
    assert host.fails("delete-etherstub v0") == lines("'v0' is not an etherstub")
    assert host.fails("delete-vnic demo0") == lines("vnic deletion failed: invalid argument")
    assert host.fails("delete-vnic").startswith("usage:  dladm")
    host.ok("delete-vnic v0")
    host.ok("delete-etherstub stub0")
    assert [link.name for link in host.dlmgmt.links.values()] == ["demo0"]
    assert not host.kernel.ports


def test_an_etherstub_in_use_is_busy(host: Any) -> None:
    host.ok("create-etherstub stub0")
    host.ok("create-vnic -l stub0 v0")
    assert host.fails("delete-etherstub stub0") == lines("vnic deletion failed: link busy")


def test_delete_t_keeps_the_line_and_up_vnic_brings_it_back(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 -v 7 v0")
    before = host.ok("show-vnic")
    host.ok("delete-vnic -t v0")
    assert host.ok("show-vnic") == ""
    assert host.fails("delete-vnic -t v0") == lines("vnic deletion failed: object not found")
    host.ok("up-vnic v0")
    assert host.ok("show-vnic") == before
    assert host.fails("up-vnic v0") == lines("could not bring up vnic 'v0': object already exists")


def test_a_vnic_that_is_only_stored_can_be_deleted(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 v0")
    host.ok("delete-vnic -t v0")
    host.ok("delete-vnic v0")
    assert len(host.dlmgmt.links) == 1


def test_up_vnic_brings_all_back_with_their_addresses_etherstubs_first(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 v0")
    host.ok("create-vnic -l demo0 -m 2:8:20:1:2:3 -v 9 v1")
    host.ok("create-etherstub stub0")
    host.ok("create-vnic -l stub0 v2")
    host.ok("create-vnic -t -l stub0 gone0")
    before = host.ok("show-vnic").splitlines()
    host.reboot()
    host.ok("up-overlay")
    host.ok("up-vnic")
    assert host.ok("show-vnic").splitlines() == before[:-1]
    assert host.ok("show-etherstub") == "LINK\nstub0\n"


def test_up_vnic_without_a_name_reports_failures_and_succeeds(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 v0")
    host.reboot()
    done = host("up-vnic")
    assert (done.out, done.err, done.status) == ("", lines("could not bring up vnic 'v0': object not found"), 0)
    assert host.fails("up-vnic nope0") == lines("could not bring up vnic 'nope0': object not found")
    assert host.fails("up-vnic a0 b0").startswith("usage:")


def test_a_line_that_is_no_vnic_s_is_not_brought_up(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 v0")
    host.ok("delete-vnic -t v0")
    del host.dlmgmt.conf[host.dlmgmt.name2info("v0").linkid]["macaddr"]
    assert host.fails("up-vnic v0") == lines("could not bring up vnic 'v0': operation failed")


def test_a_vnic_that_dlmgmtd_does_not_mark_is_taken_down_again(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 v0")
    host.ok("delete-vnic -t v0")
    host.dlmgmt.refuse["up_linkid"] = Errno.EACCES
    assert host.fails("up-vnic v0") == lines("could not bring up vnic 'v0': permission denied")
    assert not host.kernel.ports


# ---------------------------------------------------------------------- show-vnic


def test_show_vnic_selects(host: Any) -> None:
    host.demo()
    host.ok("create-etherstub stub0")
    host.ok("create-vnic -l demo0 v0")
    host.ok("create-vnic -t -l stub0 v1")
    host.ok("create-vnic -l stub0 v2")
    host.ok("delete-vnic -t v2")
    assert host.ok("show-vnic -p -o link") == "v0\nv1\n"
    assert host.ok("show-vnic -P -p -o link,over") == "v0:demo0\nv2:stub0\n"
    assert host.ok("show-vnic -l stub0 -p -o link") == "v1\n"
    assert host.ok("show-vnic -P --link stub0 -p -o link") == "v2\n"
    assert host.ok("show-vnic -p -o link v1") == "v1\n"
    assert host.ok("show-vnic -l demo0 v1") == ""
    assert host.ok("show-vnic stub0") == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nope0", "invalid vnic name 'nope0': object not found"),
        ("-l nope0", "invalid link name 'nope0': object not found"),
        (f"-l {'a' * 32}", "link name too long"),
        ("demo0", "failed to show vnic 'demo0': object not found"),
        ("-P v0", "failed to show vnic 'v0': object not found"),
        ("-p", "output fields must be specified in parsable mode"),
        ("-i 1", "the option -i can be used only with -s"),
    ],
)
def test_what_show_vnic_refuses(host: Any, words: str, message: str) -> None:
    host.demo()
    host.ok("create-vnic -t -l demo0 v0")
    assert host.fails(f"show-vnic {words}") == lines(message)


def test_a_lower_link_without_a_name_is_a_question_mark(host: Any) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 v0")
    del host.dlmgmt.links[host.dlmgmt.name2info("demo0").linkid]
    assert host.ok("show-vnic -p -o over") == "?\n"


# ---------------------------------------------------------------------- etherstubs


def test_etherstubs(host: Any) -> None:
    host.ok("create-etherstub stub0")
    host.ok("create-etherstub -t stub1")
    assert host.ok("show-etherstub") == "LINK\nstub0\nstub1\n"
    assert host.ok("show-etherstub -p -o link stub1") == "stub1\n"
    assert host.ok("show-etherstub -P") == "LINK\nstub0\n"
    assert host.ok("show-link -p -o link,class,mtu,state,over stub0") == "stub0:etherstub:9000:up:\n"
    assert re.fullmatch(
        r"maddrtype=int,3;vrid=int,0;vraf=int,0;maddrslot=int,0;macaddr=string,2:8:20(:[0-9a-f]+){3};",
        host.stored("stub0"),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (f"create-etherstub {'a' * 31}0", f"link name too long '{'a' * 31}0'"),
        ("create-etherstub stub", "invalid link name 'stub'"),
        ("create-etherstub stub0", "etherstub creation failed: object already exists"),
        ("show-etherstub -l stub0", "option not supported for this command"),
        ("show-etherstub nope0", "invalid vnic name 'nope0': object not found"),
    ],
)
def test_what_etherstub_commands_refuse(host: Any, words: str, message: str) -> None:
    host.ok("create-etherstub stub0")
    assert host.fails(words) == lines(message)


def test_a_missing_argument_of_create_etherstub_counts_as_an_unknown_option(host: Any) -> None:
    usage = "usage:     create-etherstub [-t] <link>\n"
    assert host.fails("create-etherstub -R") == f"dladm: unrecognized option '-R'\n{usage}"
    assert host.fails("delete-etherstub -R").startswith("dladm: option '-R' requires a value\n")


@pytest.mark.fact("DLM-Q29")
def test_show_etherstub_does_not_take_the_t_of_its_usage(host: Any) -> None:
    assert host.fails("show-etherstub -t") == (
        "dladm: unrecognized option '-t'\nusage:     show-etherstub   [-t] [<link>]\n\n"
    )


def test_flags_of_a_temporary_etherstub(host: Any) -> None:
    host.ok("create-etherstub -t stub0")
    assert host.dlmgmt.name2info("stub0").flags is DatalinkFlag.ACTIVE
    host.ok("delete-etherstub -t stub0")
    assert host.dlmgmt.links == {}


def test_why_the_kernel_refused_is_noted_where_the_message_has_no_room_for_it(host: Any) -> None:
    props = "vxlan/listen_ip=10.9.9.9,direct/dest_ip=10.88.88.70,direct/dest_port=4789"
    host.ok(f"create-overlay -e vxlan -s direct -v 23 -p {props} demo0")
    assert host.fails("create-vnic -l demo0 vnic0") == "dladm: vnic creation over demo0 failed: operation failed\n"
    assert "Cannot assign requested address" in host.notes[-1]
