"""delete-overlay, show-overlay, up-overlay (DLM 3, 6.4, 7.2, 7.3)."""

from __future__ import annotations

from typing import Any

import pytest

from dladm.libdladm import overlay_prop
from dladm.libscf.protocol import State
from kernel_sim.cred import Credentials
from kernel_sim.sys.codec import PropRange, TargDegrade
from kernel_sim.sys.dld import DatalinkFlag
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay import OVERLAY_IOC_GETPROP, OVERLAY_IOC_PROPINFO, OVERLAY_IOC_STATUS
from kernel_sim.sys.overlay_common import PropPerm, PropType
from kernel_sim.sys.overlay_target import OVERLAY_TARG_DEGRADE


def lines(*texts: str) -> str:
    return "".join(f"dladm: {text}\n" for text in texts)


def degrade(host: Any, name: str, message: str) -> None:
    linkid = host.dlmgmt.name2info(name).linkid
    host.kernel.targ(OVERLAY_TARG_DEGRADE, TargDegrade(linkid, message))


# ---------------------------------------------------------------------- show-overlay


def test_golden_show_overlay(host: Any) -> None:
    host.demo()
    assert host.ok("show-overlay demo0") == (
        "LINK               PROPERTY           PERM REQ VALUE      DEFAULT   POSSIBLE\n"
        "demo0              mtu                rw   -   1400       1400      576-8900\n"
        "demo0              vnetid             rw   -   23         --        --\n"
        "demo0              encap              r-   -   vxlan      --        vxlan\n"
        "demo0              varpd/id           r-   -   1          --        --\n"
        "demo0              vxlan/listen_ip    rw   y   10.88.88.69 --       --\n"
        "demo0              vxlan/listen_port  rw   y   4789       4789      1-65535\n"
        "demo0              search             r-   -   direct     --        direct,\n"
        "                                                                    files,svp\n"
        "demo0              direct/dest_ip     rw   y   10.88.88.70 --       --\n"
        "demo0              direct/dest_port   rw   y   4789       --        1-65535\n"
    )


def test_golden_parsable_show_overlay(host: Any) -> None:
    host.demo()
    assert host.ok("show-overlay -p -o property,value demo0") == (
        "mtu:1400\nvnetid:23\nencap:vxlan\nvarpd/id:1\nvxlan/listen_ip:10.88.88.69\nvxlan/listen_port:4789\n"
        "search:direct\ndirect/dest_ip:10.88.88.70\ndirect/dest_port:4789\n"
    )
    assert host.ok("show-overlay --parsable --output default,possible demo0").splitlines()[1:3] == ["--:--", "--:vxlan"]


def test_golden_targets(host: Any) -> None:
    host.demo()
    assert host.ok("show-overlay -t demo0") == (
        "LINK                TARGET            DESTINATION\ndemo0               *:*:*:*:*:*       10.88.88.70:4789\n"
    )
    assert host.ok("show-overlay -t -p -o target,destination demo0") == "*\\:*\\:*\\:*\\:*\\:*:10.88.88.70\\:4789\n"
    assert host.ok("show-overlay -t -p -o destination demo0") == "10.88.88.70:4789\n"


def test_golden_health(host: Any) -> None:
    host.demo()
    host.demo(name="sdc_overlay7957669", vnetid=7957669)
    degrade(host, "sdc_overlay7957669", "cannot reach any remote peers")
    assert host.ok("show-overlay -f") == (
        "LINK                STATUS  DETAILS\n"
        "demo0               ONLINE  -\n"
        "sdc_overlay7957669  DEGRADED cannot reach any remote peers\n"
    )


def test_a_message_with_commas_is_broken_after_them_where_the_column_ends(host: Any) -> None:
    host.demo()
    degrade(host, "demo0", "cannot reach remote peers 10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4")
    assert host.ok("show-overlay -f") == (
        "LINK                STATUS  DETAILS\n"
        "demo0               DEGRADED cannot reach remote peers 10.0.0.1,10.0.0.2,10.0.0.3,\n"
        "                            10.0.0.4\n"
    )
    assert host.ok("show-overlay -f -p -o details") == "cannot reach remote peers 10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4\n"


def test_a_message_of_255_bytes_is_shown_whole(host: Any) -> None:
    host.demo()
    degrade(host, "demo0", "x" * 255)
    assert host.ok("show-overlay -f -p -o details") == "x" * 255 + "\n"


@pytest.mark.fact("DLM-Q24")
def test_details_of_a_healthy_overlay_are_one_dash(host: Any) -> None:
    host.demo()
    assert host.ok("show-overlay -f -p -o details") == "-\n"


@pytest.mark.fact("DLM-Q25")
def test_the_last_of_f_and_t_counts(host: Any) -> None:
    host.demo()
    assert host.ok("show-overlay -f -t -p -o destination") == "10.88.88.70:4789\n"
    assert host.ok("show-overlay -t -f -p -o status") == "ONLINE\n"


def test_without_overlays_nothing_is_printed(host: Any) -> None:
    host.ok("create-etherstub stub0")
    for mode in ("", " -f", " -t"):
        assert host.ok("show-overlay" + mode) == ""


def test_overlays_come_in_order_of_their_ids_and_only_active_ones(host: Any) -> None:
    host.demo(name="b0", vnetid=1)
    host.demo(name="a0", vnetid=2)
    host.demo(name="c0", vnetid=3)
    host.ok("delete-overlay -t c0")
    assert host.ok("show-overlay -f -p -o link") == "b0\na0\n"


def test_unknown_operands_are_warned_of_and_the_others_shown(host: Any) -> None:
    host.demo()
    done = host("show-overlay -f -p -o link nope0 demo0")
    assert (done.out, done.err, done.status) == (
        "demo0\n",
        lines("warning: failed to find nope0: object not found"),
        1,
    )


@pytest.mark.parametrize("mode", ["", "-t "])
@pytest.mark.parametrize("operands", ["stub0", "stub0 demo0", "demo0 stub0"])
def test_an_operand_that_is_no_overlay_fails_the_command(host: Any, mode: str, operands: str) -> None:
    host.demo()
    host.ok("create-etherstub stub0")
    done = host(f"show-overlay {mode}{operands}")
    assert (done.err, done.status) == (lines("warning: stub0 is not an overlay"), 1)
    assert bool(done.out) == ("demo0" in operands)


@pytest.mark.fact("DLM-Q5")
def test_an_operand_that_is_no_overlay_ends_f_at_once(host: Any) -> None:
    host.demo()
    host.ok("create-etherstub stub0")
    assert host.fails("show-overlay -f stub0 demo0") == "dladm: datalink stub0 is not an overlay device\n\n"


def test_field_list_errors(host: Any) -> None:
    host.demo()
    assert host.fails("show-overlay -p") == lines("output fields must be specified in parsable mode")
    assert host.fails("show-overlay -p -o all") == lines("output field `all' invalid in parsable mode")
    assert host.fails("show-overlay -o foo") == lines("no valid output fields")
    done = host("show-overlay -f -o link,foo")
    assert (done.out, done.err, done.status) == (
        "LINK\ndemo0\n",
        lines("warning: ignoring unknown output field: `foo'"),
        0,
    )
    assert host("show-overlay -o all").out == host("show-overlay").out


def test_option_errors(host: Any) -> None:
    usage = "usage:     show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]\n\n"
    assert host.fails("show-overlay -x") == f"dladm: unrecognized option '-x'\n{usage}"
    assert host.fails("show-overlay --pars -o link") == f"dladm: unrecognized option ''\n{usage}"


@pytest.mark.fact("DLM-Q45")
def test_a_long_switch_with_a_value_lacks_an_argument(host: Any) -> None:
    assert host.fails("show-overlay --fma=x").startswith("dladm: option '-f' requires a value\n")


@pytest.mark.fact("DLM-Q6", "DLM-Q7", "DLM-Q8")
def test_a_varpd_outage_shows_in_the_default_mode_only(host: Any) -> None:
    host.demo()
    host.varpd.stop()
    done = host("show-overlay demo0")
    assert len(done.out.splitlines()) == 7
    assert (done.err, done.status) == (
        lines("warning: failed to get varpd props for overlay demo0, varpd id 1: ok"),
        1,
    )
    assert any("varpd properties of demo0" in note for note in host.notes)
    assert host.ok("show-overlay -t demo0") == ""
    assert host.ok("show-overlay -f -p -o status demo0") == "ONLINE\n"


@pytest.mark.fact("DLM-Q40")
def test_an_ordinary_user_is_not_owner_but_sees_health(host: Any) -> None:
    host.demo()
    host.dld.cred = Credentials(1000, privileged=False)
    assert host.fails("show-overlay demo0") == lines(
        "warning: failed to get overlay properties for overlay demo0: Not owner"
    )
    assert host.ok("show-overlay -f -p -o status") == "ONLINE\n"
    host.varpd.refuse["call"] = host.varpd.refuse["instance_lookup"] = Errno.EACCES
    assert host.ok("show-overlay -t") == ""


def test_a_property_that_cannot_be_read_is_left_out(host: Any) -> None:
    host.demo()
    host.varpd.refuse["get"] = Errno.EIO
    host.dld.refuse[OVERLAY_IOC_GETPROP] = Errno.EIO
    assert host("show-overlay demo0").out == ""


def test_a_property_without_description_ends_the_walk(host: Any) -> None:
    host.demo()
    host.dld.refuse[OVERLAY_IOC_PROPINFO] = Errno.EIO
    assert host.fails("show-overlay demo0") == lines(
        "warning: failed to get propinfo for overlay demo0, property 0: I/O error"
    )


def test_an_id_that_dlmgmtd_does_not_tell_of_ends_the_walk(host: Any) -> None:
    host.demo()
    host.dlmgmt.refuse["linkid2info"] = Errno.EACCES
    assert host.fails("show-overlay demo0") == lines("warning: failed to get info for datalink id 1: permission denied")


def test_a_link_that_is_no_overlay_has_no_properties(host: Any) -> None:
    host.ok("create-etherstub -t stub0")
    found = overlay_prop.walk(host.handle(), 1)
    assert (found.properties, found.errors) == ((), ("stub0 is not an overlay",))


def test_an_address_of_another_size_is_malformed(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.demo()
    odd = overlay_prop.PropertyView("x/ip", PropType.IP, PropPerm.RRW, bytes(4), b"", PropRange())
    monkeypatch.setattr(overlay_prop, "walk", lambda *_: overlay_prop.PropertyWalk((odd,)))
    done = host("show-overlay -o value,default demo0")
    assert done.err == "dladm: warning: malformed overlay IP property: 4 bytes\n\n"
    assert (done.out, done.status) == ("VALUE      DEFAULT\n--         --\n", 0)


def test_the_kernel_may_not_know_the_status(host: Any) -> None:
    host.demo()
    host.dld.refuse[OVERLAY_IOC_STATUS] = Errno.ENOENT
    assert host.fails("show-overlay -f demo0") == lines("failed to obtain device status for demo0: object not found")


def test_an_overlay_that_is_only_stored_has_no_properties_to_show(host: Any) -> None:
    host.demo()
    host.reboot()
    assert host.ok("show-overlay") == ""
    assert host.fails("show-overlay demo0") == lines(
        "warning: failed to get overlay properties for overlay demo0: No such file or directory"
    )


@pytest.mark.fact("DLM-Q21")
def test_numbers_are_printed_as_they_are() -> None:
    from dladm.libdladm.overlay_prop import decode
    from kernel_sim.sys.overlay_common import PropType

    assert decode(PropType.UINT, (2**64 - 1).to_bytes(8, "little")) == "18446744073709551615"
    assert decode(PropType.UINT, (3_000_000_000).to_bytes(4, "little")) == "3000000000"
    assert decode(PropType.INT, (2**64 - 5).to_bytes(8, "little")) == "-5"
    assert decode(PropType.UINT, b"abc") is None


# ---------------------------------------------------------------------- delete-overlay


def test_delete_takes_everything_away(host: Any) -> None:
    host.demo()
    host.ok("delete-overlay demo0")
    assert (host.dlmgmt.links, host.dlmgmt.conf, host.varpd.instances) == ({}, {}, {})
    assert host.scf.asked == ["enable", "disable"]
    host.demo()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nope0", "failed to delete nope0: object not found"),
        ("vnic0", "failed to delete vnic0: invalid argument"),
        ("demo0", "failed to delete demo0: link busy"),
    ],
)
def test_what_delete_refuses(host: Any, words: str, message: str) -> None:
    host.demo()
    host.ok("create-vnic -l demo0 vnic0")
    assert host.fails(f"delete-overlay {words}") == lines(message)
    assert len(host.dlmgmt.links) == 2
    assert host.ok("show-overlay -t -p -o destination") == "10.88.88.70:4789\n"


@pytest.mark.fact("DLM-Q33")
def test_delete_parses_options(host: Any) -> None:
    assert host.fails("delete-overlay -x") == (
        "dladm: unrecognized option '-x'\nusage:     delete-overlay   [-t] <overlay>\n"
    )
    for words in ("delete-overlay", "delete-overlay a0 b0"):
        assert host.fails(words).startswith("usage:  dladm <subcommand> <args> ...\n")


@pytest.mark.fact("DLM-Q14")
def test_delete_without_an_instance_succeeds(host: Any) -> None:
    host.demo()
    host.varpd.instances.clear()
    host.ok("delete-overlay demo0")
    assert host.dlmgmt.links == {}


@pytest.mark.fact("DLM-Q14", "DLM-Q15")
def test_delete_with_varpd_down_frees_the_name_and_the_line(host: Any) -> None:
    host.demo()
    host.varpd.stop()
    host.ok("delete-overlay demo0")
    assert (host.dlmgmt.links, host.dlmgmt.conf) == ({}, {})


@pytest.mark.fact("DLM-Q14")
def test_an_overlay_that_is_only_stored_can_be_deleted(host: Any) -> None:
    host.demo()
    host.reboot()
    host.ok("delete-overlay demo0")
    assert (host.dlmgmt.links, host.dlmgmt.conf) == ({}, {})


@pytest.mark.fact("DLM-Q34")
def test_delete_t_keeps_the_line_only_and_up_overlay_brings_it_back(host: Any) -> None:
    host.demo()
    host.ok("delete-overlay -t demo0")
    assert host.dlmgmt.name2info("demo0").flags is DatalinkFlag.PERSIST
    assert host.scf.asked == ["enable", "disable"]
    host.ok("up-overlay demo0")
    assert host.ok("show-overlay -f -p -o link,status") == "demo0:ONLINE\n"


@pytest.mark.fact("DLM-Q34")
def test_delete_t_of_a_temporary_overlay_frees_its_name(host: Any) -> None:
    host.demo("-t")
    host.ok("delete-overlay --temporary demo0")
    assert host.dlmgmt.links == {}


def test_varpd_stays_while_another_overlay_is_active(host: Any) -> None:
    host.demo()
    host.demo(name="demo1", vnetid=24)
    host.ok("delete-overlay demo0")
    assert host.scf.asked == ["enable"]


def test_an_unprivileged_delete_is_denied(host: Any) -> None:
    host.demo()
    host.dld.cred = Credentials(1000, privileged=False)
    assert host.fails("delete-overlay demo0") == lines("failed to delete demo0: permission denied")


# ---------------------------------------------------------------------- up-overlay


def test_up_overlay_restores_what_was_stored_in_order_of_ids(host: Any) -> None:
    host.demo()
    host.demo("-t", name="gone0", vnetid=1)
    host.demo(name="demo1", vnetid=24)
    shown = [host.ok(f"show-overlay -p -o property,value {name}") for name in ("demo0", "demo1")]
    host.reboot()
    host.ok("up-overlay")
    again = [host.ok(f"show-overlay -p -o property,value {name}") for name in ("demo0", "demo1")]
    assert again == [one.replace("varpd/id:3", "varpd/id:2") for one in shown]
    assert host.dlmgmt.name2info("demo0").flags == DatalinkFlag.ACTIVE | DatalinkFlag.PERSIST


@pytest.mark.fact("DLM-Q35")
def test_a_stored_mtu_is_there_as_soon_as_the_overlay_is_up(host: Any) -> None:
    host.ok(
        "create-overlay -e vxlan -s direct -v 23 -p mtu=1300,vxlan/listen_ip=10.88.88.69 "
        "-p direct/dest_ip=10.88.88.70,direct/dest_port=4789 demo0"
    )
    host.reboot()
    host.ok("up-overlay demo0")
    assert host.ok("show-link -p -o mtu demo0") == "1300\n"


def test_unknown_names_and_too_many_operands(host: Any) -> None:
    assert host.fails("up-overlay nope0") == lines("could not bring up overlay 'nope0': object not found")
    assert host.fails("up-overlay -x") == lines("could not bring up overlay '-x': object not found")
    assert host.fails("up-overlay a0 b0").startswith("usage:  dladm")


def test_a_link_that_is_no_overlay_is_an_entry(host: Any) -> None:
    host.ok("create-etherstub stub0")
    assert host.fails("up-overlay stub0") == lines(
        "warning: stub0 is not an overlay", "could not bring up overlay 'stub0': operation failed"
    )


@pytest.mark.fact("DLM-Q46")
def test_overlays_that_are_up_already_are_failures_and_the_others_come_up(host: Any) -> None:
    host.demo()
    host.demo(name="demo1", vnetid=24)
    host.ok("delete-overlay -t demo1")
    entry = "warning: failed to create overlay device demo0: object already exists"
    assert host.fails("up-overlay demo0") == lines(entry, "could not bring up overlay 'demo0': operation failed")
    assert host.fails("up-overlay") == lines(entry, "could not bring overlays up: operation failed")
    assert host.ok("show-overlay -f -p -o link") == "demo0\ndemo1\n"


@pytest.mark.fact("DLM-Q36")
def test_a_varpd_that_cannot_be_enabled_ends_the_walk(host: Any) -> None:
    host.demo()
    host.demo(name="demo1", vnetid=24)
    host.reboot()
    host.scf.stuck = State.MAINTENANCE
    assert host.fails("up-overlay") == lines(
        "warning: failed to enable svc:/network/varpd:default", "could not bring overlays up: operation failed"
    )


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [("vnetid", None, "object not found"), ("search", None, "object not found"), ("vnetid", "x", "object not found")],
)
def test_a_line_that_lacks_something_is_not_brought_up(host: Any, key: str, value: str | None, status: str) -> None:
    from dladm.dlmgmtd.client import ConfValue

    host.demo()
    host.reboot()
    conf = host.dlmgmt.conf[host.dlmgmt.name2info("demo0").linkid]
    if value is None:
        del conf[key]
    else:
        conf[key] = ConfValue.of_string(value)
    assert host.fails("up-overlay demo0") == lines(
        f"warning: failed to retrieve persistent configuration for demo0: {status}",
        "could not bring up overlay 'demo0': operation failed",
    )


def test_a_line_with_32_properties_has_too_many_elements(host: Any) -> None:
    from dladm.dlmgmtd.client import ConfValue

    host.demo()
    host.reboot()
    conf = host.dlmgmt.conf[host.dlmgmt.name2info("demo0").linkid]
    conf.update({f"vxlan/p{i}": ConfValue.of_string("1") for i in range(29)})
    assert "too many elements specified" in host.fails("up-overlay demo0")
    del conf["vxlan/p0"]
    assert "failed to set property vxlan/p1" in host.fails("up-overlay demo0")


def test_a_failed_bring_up_is_undone_and_may_be_repeated(host: Any) -> None:
    host.demo()
    host.reboot()
    host.varpd.refuse["instance_activate"] = Errno.EIO
    assert host.fails("up-overlay demo0") == lines(
        "warning: failed to activate varpd instance: I/O error",
        "warning: failed to set properties for overlay device demo0: I/O error",
        "could not bring up overlay 'demo0': operation failed",
    )
    host.varpd.refuse.clear()
    host.dlmgmt.refuse["up_linkid"] = Errno.EINVAL
    assert host.fails("up-overlay demo0") == lines(
        "warning: failed to bring datalink up for overlay device demo0: invalid argument",
        "could not bring up overlay 'demo0': operation failed",
    )
    assert host.varpd.instances == {}
    assert host.scf.asked == ["enable", "disable"] * 2
    host.dlmgmt.refuse.clear()
    host.ok("up-overlay demo0")
    assert host.stored("demo0").count("dest_ip") == 1
