"""show-linkprop: the properties of each class of links, what is hidden, stored values, unknown names (DLM 5.6, 7.4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel_sim.sys.dld import DLDIOC_GETMACPROP
from kernel_sim.sys.errno import Errno, KernelError

HEAD = "LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE\n"


@pytest.fixture
def host(world_host: Any) -> Any:
    assert world_host.create().status == 0
    world_host.ok("create-vnic -l ov0 vnic0")
    world_host.ok("create-etherstub -t stub0")
    return world_host


GOLDEN_VNIC = """\
vnic0        zone            rw   --             --             --␠
vnic0        state           r-   up             up             up,down␠
vnic0        mtu             rw   1400           1400           576-1400␠
vnic0        secondary-macs  rw   --             --             --␠
vnic0        maxbw           rw   --             --             --␠
vnic0        cpus            rw   --             --             --␠
vnic0        cpus-effective  r-   --             --             --␠
vnic0        pool            rw   --             --             --␠
vnic0        pool-effective  r-   --             --             --␠
vnic0        priority        rw   high           high           low,medium,high␠
vnic0        tagmode         rw   vlanonly       vlanonly       normal,vlanonly␠
vnic0        protection      rw   --             --             mac-nospoof,
                                                                restricted,
                                                                ip-nospoof,
                                                                dhcp-nospoof␠
vnic0        dynamic-methods rw   --             --             dhcpv4,dhcpv6,slaac,
                                                                addrconf␠
vnic0        promisc-filtered rw  on             on             off,on␠
vnic0        allowed-ips     rw   --             --             --␠
vnic0        allowed-dhcp-cids rw --             --             --␠
vnic0        allow-all-dhcp-cids rw false        false          false,true␠
vnic0        rxrings         rw   --             --             --␠
vnic0        rxrings-effective r- --             --             --␠
vnic0        txrings         rw   --             --             --␠
vnic0        txrings-effective r- --             --             --␠
vnic0        txrings-available r- 0              --             --␠
vnic0        rxrings-available r- 0              --             --␠
vnic0        rxhwclnt-available r- 0             --             --␠
vnic0        txhwclnt-available r- 0             --             --␠
"""


def test_a_vnic(host: Any) -> None:
    expected = HEAD + GOLDEN_VNIC.replace("␠", " ")
    lines = host.ok("show-linkprop vnic0").splitlines(keepends=True)
    heads = [line for line in lines if line == HEAD]
    assert len(heads) == 2, "the head comes again after 23 rows"
    assert HEAD + "".join(line for line in lines if line != HEAD) == expected


OF_CLASS = {
    "vnic0": "autopush zone state mtu secondary-macs maxbw cpus cpus-effective pool pool-effective priority tagmode protection "
    "dynamic-methods promisc-filtered allowed-ips allowed-dhcp-cids allow-all-dhcp-cids rxrings rxrings-effective txrings "
    "txrings-effective txrings-available rxrings-available rxhwclnt-available txhwclnt-available",
    "ov0": "autopush zone state mtu maxbw cpus cpus-effective pool pool-effective priority forward protection "
    "dynamic-methods allowed-ips allowed-dhcp-cids allow-all-dhcp-cids rxrings rxrings-effective txrings "
    "txrings-effective txrings-available rxrings-available rxhwclnt-available txhwclnt-available",
    "net0": "speed autopush zone duplex state mtu maxbw cpus cpus-effective pool pool-effective priority tagmode forward protection "
    "dynamic-methods allowed-ips allowed-dhcp-cids allow-all-dhcp-cids rxrings rxrings-effective txrings "
    "txrings-effective txrings-available rxrings-available rxhwclnt-available txhwclnt-available",
}
OF_CLASS["stub0"] = OF_CLASS["ov0"]


@pytest.mark.parametrize("link", sorted(OF_CLASS))
def test_properties_come_in_the_order_of_the_table(host: Any, link: str) -> None:
    assert host.ok(f"show-linkprop -c -o property {link}").split() == OF_CLASS[link].split()


@pytest.mark.parametrize("link", sorted(OF_CLASS))
def test_what_a_link_does_not_support_is_hidden_from_people_only(host: Any, link: str) -> None:
    rows = host.ok(f"show-linkprop -o property {link}").split()
    missing = [name for name in OF_CLASS[link].split() if name not in rows]
    assert missing[0] == "autopush"
    assert host.ok(f"show-linkprop -c -o perm,value,default,possible -p autopush {link}") == "--:--::\n"
    assert host.ok(f"show-linkprop -p autopush {link}") == (
        HEAD + f"{link:<12} autopush        --   --             --             -- \n"
    )


def test_a_physical_link_is_read_only(host: Any) -> None:
    assert host.ok("show-linkprop -p speed,duplex,state,mtu net0") == (
        HEAD
        + "net0         speed           r-   10000          --             -- \n"
        + "net0         duplex          r-   unknown        --             half,full \n"
        + "net0         state           r-   up             up             up,down \n"
        + "net0         mtu             r-   1500           --             -- \n"
    )
    perms = dict(row.split(":") for row in host.ok("show-linkprop -c -o property,perm net0").split())
    assert {name for name, perm in perms.items() if perm == "--"} == {"autopush", "rxrings", "txrings"}
    assert {perm for perm in perms.values() if perm != "--"} == {"r-"}


def test_mtu_of_each_class(host: Any) -> None:
    rows = host.ok("show-linkprop -c -o link,perm,value,default,possible -p mtu").split()
    assert rows[1:] == ["ov0:rw:1400:1400:576-8900", "vnic0:rw:1400:1400:576-1400", "stub0:rw:9000:1500:576-9000"]


def test_golden_two_allowed_addresses(host: Any) -> None:
    host.ok("set-linkprop -p allowed-ips=10.0.0.5,10.0.0.6 vnic0")
    assert host.ok("show-linkprop -p mtu,protection,promisc-filtered,allowed-ips vnic0") == (
        HEAD
        + "vnic0        mtu             rw   1400           1400           576-1400 \n"
        + "vnic0        protection      rw   --             --             mac-nospoof,\n"
        + "                                                                restricted,\n"
        + "                                                                ip-nospoof,\n"
        + "                                                                dhcp-nospoof \n"
        + "vnic0        promisc-filtered rw  on             on             off,on \n"
        + "vnic0        allowed-ips     rw   10.0.0.5/32,   --             -- \n"
        + "                                  10.0.0.6/32                   \n"
    )


@pytest.mark.fact("DLM-Q31")
def test_possible_values_are_followed_by_a_blank_except_in_parsable_output(host: Any) -> None:
    assert host.ok("show-linkprop -p zone,state vnic0") == (
        HEAD
        + "vnic0        zone            rw   --             --             -- \n"
        + "vnic0        state           r-   up             up             up,down \n"
    )
    assert host.ok("show-linkprop -c -o possible -p zone,state vnic0") == "\nup,down\n"


def test_parsable_cells_where_there_is_nothing(host: Any) -> None:
    """A default that the table spells `--` is printed as such, a value that is not set is empty."""
    rows = host.ok("show-linkprop -c -o property,value,default,possible -p zone,maxbw,priority,txrings-available vnic0")
    assert rows == "zone:::\nmaxbw::--:\npriority:high:high:low,medium,high\ntxrings-available:0::\n"


def test_without_an_operand_all_links_are_shown(host: Any) -> None:
    assert host.ok("show-linkprop -c -o link,value -p state") == "net0:up\nov0:up\nvnic0:up\nstub0:up\n"


# ---------------------------------------------------------------------- unknown names


def test_an_unknown_property_is_a_row_of_question_marks(host: Any) -> None:
    done = host("show-linkprop -p frob,zone vnic0")
    assert done.err == "dladm: warning: cannot get link property 'frob' for vnic0: object not found\n"
    assert done.out == (
        HEAD
        + "vnic0        frob            ?    ?              ?              ?\n"
        + "vnic0        zone            rw   --             --             -- \n"
    )
    assert done.status == 1


def test_so_is_a_property_of_other_links(host: Any) -> None:
    done = host("show-linkprop -c -o property,perm,value,default,possible -p forward,mtu vnic0")
    assert done.err == "dladm: warning: cannot get link property 'forward' for vnic0: invalid argument\n"
    assert (done.out, done.status) == ("forward:?:?:?:?\nmtu:rw:1400:1400:576-1400\n", 1)


def test_columns_that_do_not_need_the_value_do_not_miss_it(host: Any) -> None:
    assert host.ok("show-linkprop -c -o link,property -p frob vnic0") == "vnic0:frob\n"


def test_names_may_be_in_any_case(host: Any) -> None:
    assert host.ok("show-linkprop -c -o property,value -p MTU vnic0") == "MTU:1400\n"


# ---------------------------------------------------------------------- stored values


def test_stored_values(host: Any) -> None:
    host.ok("set-linkprop -p maxbw=50,allowed-ips=10.0.0.0/24,10.1.0.1 vnic0")
    host.ok("set-linkprop -t -p priority=low vnic0")
    assert host.ok("show-linkprop -P -p zone,mtu,maxbw,priority,allowed-ips,frob vnic0") == (
        HEAD
        + "vnic0        zone            rw   ?              --             -- \n"
        + "vnic0        mtu             rw   --             1400           576-1400 \n"
        + "vnic0        maxbw           rw   50             --             -- \n"
        + "vnic0        priority        rw   --             high           low,medium,high \n"
        + "vnic0        allowed-ips     rw   10.0.0.0/24,   --             -- \n"
        + "                                  10.1.0.1                      \n"
        + "vnic0        frob            --   --             --             -- \n"
    )


def test_stored_values_of_a_link_that_is_down(host: Any) -> None:
    host.ok("set-linkprop -p maxbw=50 vnic0")
    host.ok("delete-vnic -t vnic0")
    assert host.ok("show-linkprop -P -c -o property,perm,value,default -p maxbw vnic0") == "maxbw:--:50:--\n"
    assert host.ok("show-linkprop vnic0") == ""


def test_a_link_of_the_wrong_kind_of_existence_prints_nothing(host: Any) -> None:
    assert host.ok("show-linkprop -P stub0") == ""
    assert host.ok("show-linkprop -P -c -o link -p mtu") == "ov0\nvnic0\n"


# ---------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nope0", "link nope0 is not valid: object not found"),
        ("-p zone=a nope0", "link nope0 is not valid: object not found"),
        ("-p zone=a vnic0", "invalid link properties specified"),
        ("-p a=1=2 vnic0", "invalid link properties specified"),
        ("-p , vnic0", "invalid link properties specified"),
        ("-c vnic0", "output fields must be specified in parsable mode"),
        ("-c -o all vnic0", "output field `all' invalid in parsable mode"),
        ("-o x vnic0", "no valid output fields"),
    ],
)
def test_what_is_refused(host: Any, words: str, message: str) -> None:
    assert host.fails(f"show-linkprop {words}") == f"dladm: {message}\n"


def test_two_operands_give_the_usage(host: Any) -> None:
    assert host.fails("show-linkprop vnic0 ov0").startswith("usage:  dladm")


def test_parsable_is_c_and_not_p(host: Any) -> None:
    usage = "usage:     show-linkprop    [-cP] [-o <field>,...] [-p <prop>,...] <name>\n\n"
    assert host.fails("show-linkprop vnic0 -p") == f"dladm: option '-p' requires a value\n{usage}"


# ---------------------------------------------------------------------- JSON


def test_json_has_types(host: Any) -> None:
    host.ok("set-linkprop -p maxbw=50,allowed-ips=10.0.0.5 vnic0")
    found = json.loads(host.ok("show-linkprop --json -p mtu,maxbw,allowed-ips,protection,zone,txrings-available vnic0"))
    rows = {row["property"]: row for row in found["properties"]}
    assert rows["mtu"] == {
        "link": "vnic0",
        "property": "mtu",
        "perm": "rw",
        "value": 1400,
        "default": 1400,
        "possible": ["576-1400"],
    }
    assert [rows[name]["value"] for name in ("maxbw", "allowed-ips", "protection", "zone", "txrings-available")] == [
        "50",
        ["10.0.0.5/32"],
        None,
        None,
        0,
    ]
    assert rows["protection"]["possible"] == ["mac-nospoof", "restricted", "ip-nospoof", "dhcp-nospoof"]
    assert (rows["maxbw"]["default"], rows["maxbw"]["possible"]) == (None, None)


def test_json_of_what_cannot_be_had(host: Any) -> None:
    done = host("show-linkprop --json -p frob vnic0")
    assert json.loads(done.out)["properties"] == [
        {"link": "vnic0", "property": "frob", "perm": None, "value": None, "default": None, "possible": None}
    ]
    assert (done.err, done.status) == (
        "dladm: warning: cannot get link property 'frob' for vnic0: object not found\n",
        1,
    )


def test_a_link_that_goes_while_it_is_shown_has_question_marks(host: Any, monkeypatch: Any) -> None:
    from dladm.libdladm.handle import Dladm

    plain = Dladm.ioctl

    def gone(handle: Dladm, command: int, argument: bytes) -> bytes:
        if command == DLDIOC_GETMACPROP:
            raise KernelError(Errno.ENOENT)
        return plain(handle, command, argument)

    monkeypatch.setattr(Dladm, "ioctl", gone)
    done = host("show-linkprop -p mtu vnic0")
    assert done.out == HEAD + "vnic0        mtu             ?    ?              ?              ?\n"
    assert (done.err, done.status) == (
        "dladm: warning: cannot get link property 'mtu' for vnic0: object not found\n",
        1,
    )
