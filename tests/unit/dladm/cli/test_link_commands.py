"""show-link and link properties (DLM 5.5, 5.6, 7.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernel_sim.sys.dld import DLDIOC_GETMACPROP
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import KSTAT_IOC_READ, KstatEntry, KstatNamed


def lines(*texts: str) -> str:
    return "".join(f"dladm: {text}\n" for text in texts)


@pytest.fixture
def links(host: Any) -> Any:
    host.demo(name="sdc_overlay7957669")
    host.ok("create-vnic -l sdc_overlay7957669 foo0")
    host.ok("create-etherstub -t stub0")
    return host


# ---------------------------------------------------------------------- show-link


def test_golden_show_link(links: Any) -> None:
    expected = (
        "LINK        CLASS     MTU    STATE    BRIDGE     OVER\n"
        "sdc_overlay7957669 overlay 1400 up    --         --\n"
        "foo0        vnic      1400   up       --         sdc_overlay7957669\n"
        "stub0       etherstub 9000   up       --         --\n"
    )
    assert links.ok("show-link") == expected
    assert links.ok() == expected


def test_golden_stored_links(host: Any) -> None:
    host.demo(name="ov0")
    host.ok("create-vnic -l ov0 vnic0")
    host.ok("create-vnic -t -l ov0 vnic1")
    assert host.ok("show-link -P") == (
        "LINK        CLASS     BRIDGE     OVER\n"
        "ov0         overlay   --         --\n"
        "vnic0       vnic      --         ov0\n"
    )


def test_physical_links_are_shown_and_are_active_only(host: Any) -> None:
    host.add_phys("net0")
    assert host.ok("show-link -p -o link,class,mtu,state,bridge,over") == "net0:phys:1500:up::\n"
    assert host.ok("show-link -P") == ""


def test_one_link(links: Any) -> None:
    assert links.ok("show-link -p -o mtu stub0") == "9000\n"
    assert links.ok("show-link -P -p -o link foo0") == "foo0\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nope0", "link nope0 is not valid: object not found"),
        ("-P stub0", "link stub0 is a temporary link: invalid argument"),
        ("foo0", "link foo0 is temporarily removed: invalid argument"),
        ("-p", "-p requires -o"),
        ("-p -o ALL", '"-o all" is invalid with -p'),
        ("-p -o link,x", "unknown output field: `x'"),
        ("-i 2", "the option -i can be used only with -s"),
        ("-s -i 0", "invalid interval value '0'"),
        ("-s -i x", "invalid interval value 'x'"),
        ("-s -P", "the option -P cannot be used with -s"),
    ],
)
def test_what_show_link_refuses(links: Any, words: str, message: str) -> None:
    links.ok("delete-vnic -t foo0")
    assert links.fails(f"show-link {words}") == lines(message)


def test_two_operands_give_the_usage(links: Any) -> None:
    assert links.fails("show-link foo0 stub0").startswith("usage:  dladm")


def test_a_link_without_a_device_is_passed_over_unless_it_is_asked_for(links: Any) -> None:
    links.add_phys("gone0")
    assert "gone0" not in links.ok("show-link")
    assert links.fails("show-link gone0") == lines("failed to show link gone0: object not found")


def test_a_state_that_cannot_be_had_is_a_question_mark(links: Any) -> None:
    links.dld.refuse[DLDIOC_GETMACPROP] = Errno.ENOTSUP
    assert links.ok("show-link -p -o state stub0") == "?\n"


def test_the_link_below_may_have_lost_its_name(links: Any) -> None:
    del links.dlmgmt.links[1]
    assert links.ok("show-link -p -o over foo0") == "?\n"
    assert links.ok("show-link -P -p -o over foo0") == "sdc_overlay7957669\n"


# ---------------------------------------------------------------------- statistics


class Kstat:
    """/dev/kstat of a host in memory; `counts` multiplies what the links have counted."""

    def __init__(self) -> None:
        self.counts = 1

    def call(self, message: bytes) -> bytes:
        from kernel_sim.dev import framing

        if message[:4] == framing.pack_open(1)[:4]:
            return framing.pack_reply(framing.Reply(None, 0, b""))
        request = framing.unpack_request(message)
        assert request.command == KSTAT_IOC_READ
        name = KstatEntry.unpack(request.argument).name
        if name != "igb0":
            return framing.pack_reply(framing.Reply(Errno.ENOENT, request.tag, b""))
        stats = (
            KstatNamed.u64("ipackets64", 2121813895 * self.counts),
            KstatNamed.u64("rbytes64", 1732931973074 * self.counts),
            KstatNamed.u32("ierrors", 0),
            KstatNamed.u32("opackets", 7),
            KstatNamed.u64("opackets64", 1542632991 * self.counts),
            KstatNamed.u64("obytes64", 356238426078 * self.counts),
            KstatNamed.u32("oerrors", 0),
        )
        reply = KstatEntry("link", 0, name, "net", stats).pack()
        return framing.pack_reply(framing.Reply(None, request.tag, reply))

    def close(self) -> None:
        pass


def test_statistics_as_a_real_system_printed_them(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.add_phys("igb0")
    host.add_phys("igb1")
    monkeypatch.setattr(type(host), "connect", lambda _host, _path: Kstat())
    assert host.ok("show-link -s") == (
        "LINK            IPACKETS   RBYTES   IERRORS    OPACKETS     OBYTES       OERRORS\n"
        "igb0            2121813895 1732931973074 0     1542632991   356238426078 0\n"
    )
    assert host.ok("show-link -s -p -o link,oerrors igb0") == "igb0:0\n"


def test_repeated_statistics_are_what_came_since(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.add_phys("igb0")
    kstat = Kstat()

    def wait(_host: object, seconds: float) -> None:
        assert seconds == 3
        kstat.counts += 2
        if kstat.counts > 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(type(host), "connect", lambda _host, _path: kstat)
    monkeypatch.setattr(type(host), "wait", wait)
    written: list[str] = []
    monkeypatch.setattr("dladm.cli.messages.Terminal.write", lambda _terminal, text: written.extend(text))
    with pytest.raises(KeyboardInterrupt):
        host("show-link -s -i 3 -o opackets")
    assert written == ["OPACKETS", "1542632991", str(2 * 1542632991)]


def test_without_kstat_there_are_no_statistics(links: Any) -> None:
    assert links.fails("show-vnic -s") == lines("could not open /dev/kstat: object not found")


# ---------------------------------------------------------------------- link properties

ROW = "LINK         PROPERTY        PERM VALUE          DEFAULT        POSSIBLE\n"


@pytest.mark.fact("DLM-Q31")
def test_possible_values_are_followed_by_a_blank(links: Any) -> None:
    assert links.ok("show-linkprop foo0") == (
        ROW + "foo0         zone            rw   --             --             -- \n"
    )


def test_parsable_values_are_empty_where_there_are_none(links: Any) -> None:
    assert links.ok("show-linkprop -c -o link,value,possible -p zone foo0") == "foo0::\n"
    assert links.ok("show-linkprop -c -o value") == "\n\n\n"


def test_a_zone_is_set_and_reset(links: Any) -> None:
    links.kernel.factory.zones.append("web")
    links.ok("set-linkprop -t -p zone=web foo0")
    assert links.ok("show-linkprop -c -o value -p zone foo0") == "web\n"
    assert (links.kernel.ports["foo0"].zone, links.dlmgmt.name2info("foo0").zone) == ("web", "web")
    links.ok("reset-linkprop -t -p zone foo0")
    assert (links.kernel.ports["foo0"].zone, links.dlmgmt.name2info("foo0").zone) == ("", "")
    links.ok("set-linkprop -t -p zone=web foo0")
    links.ok("set-linkprop -t -p zone=global foo0")
    assert links.ok("show-linkprop -c -o value -p zone foo0") == "\n"


def test_a_zone_is_never_stored(links: Any) -> None:
    links.kernel.factory.zones.append("web")
    message = lines("warning: cannot set link property 'zone' on 'foo0': change cannot be persistent")
    assert links.fails("set-linkprop -p zone=web foo0") == message
    assert links.kernel.ports["foo0"].zone == ""
    message = lines("warning: cannot reset link property 'zone' on 'foo0': change cannot be persistent")
    assert links.fails("reset-linkprop foo0") == message


def test_on_a_temporary_link_the_missing_t_is_ignored(links: Any) -> None:
    links.kernel.factory.zones.append("web")
    links.ok("create-vnic -t -l stub0 v0")
    links.ok("set-linkprop -p zone=web v0")
    assert links.kernel.ports["v0"].zone == "web"
    links.ok("reset-linkprop v0")
    assert links.kernel.ports["v0"].zone == ""


def test_what_cannot_be_set(links: Any) -> None:
    def refused(words: str) -> str:
        return str(links.fails(f"set-linkprop -t -p {words}")).removeprefix("dladm: warning: ")

    assert refused("zone=nope foo0") == "cannot set link property 'zone' on 'foo0': invalid value\n"
    assert refused("zone=a,b foo0") == "cannot set link property 'zone' on 'foo0': invalid number of values\n"
    assert refused("zone stub0") == "no value specified for 'zone'\n"
    assert refused("frob=1 foo0") == "invalid link property 'frob'\n"
    assert refused("mtu=1300 foo0") == "link property 'mtu' is not part of this release\n"
    links.kernel.factory.zones.append("web")
    assert refused("zone=web stub0") == "cannot set link property 'zone' on 'stub0': operation not supported\n"


def test_dlmgmtd_may_refuse_and_the_link_goes_back(links: Any) -> None:
    links.kernel.factory.zones.append("web")
    links.dlmgmt.refuse["set_zone"] = Errno.EACCES
    message = lines("warning: cannot set link property 'zone' on 'foo0': permission denied")
    assert links.fails("set-linkprop -t -p zone=web foo0") == message
    assert links.kernel.ports["foo0"].zone == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("set-linkprop -p a= foo0", "invalid link properties specified"),
        ("set-linkprop foo0", "link property must be specified"),
        ("set-linkprop -p zone=a nope0", "link nope0 is not valid: object not found"),
        ("reset-linkprop nope0", "link nope0 is not valid: object not found"),
        ("show-linkprop nope0", "link nope0 is not valid: object not found"),
        ("show-linkprop -p zone=a foo0", "invalid link properties specified"),
        ("show-linkprop -p a=1=2 foo0", "invalid link properties specified"),
        ("show-linkprop -c", "output fields must be specified in parsable mode"),
        (f"set-linkprop -p {'x' * 2050} foo0", f"property list too long '{'x' * 2047}'"),
    ],
)
def test_what_link_property_commands_refuse(links: Any, words: str, message: str) -> None:
    assert links.fails(words) == lines(message)


def test_no_operand_or_two_give_the_usage(links: Any) -> None:
    for words in ("set-linkprop -p a=1", "reset-linkprop a0 b0", "show-linkprop a0 b0"):
        assert links.fails(words).startswith("usage:  dladm")


@pytest.mark.fact("DLM-Q30")
def test_the_exit_status_is_that_of_the_last_property(links: Any) -> None:
    done = links("set-linkprop -t -p frob=1,zone=global foo0")
    assert (done.err, done.status) == (lines("warning: invalid link property 'frob'"), 0)
    done = links("set-linkprop -t -p zone=global,frob=1 foo0")
    assert (done.err, done.status) == (lines("warning: invalid link property 'frob'"), 1)
    done = links("reset-linkprop -t -p frob,zone foo0")
    assert (done.err, done.status) == (lines("warning: invalid link property 'frob'"), 0)


def test_reset_without_a_list_passes_over_what_a_link_does_not_support(links: Any) -> None:
    links.ok("reset-linkprop -t stub0")


def test_an_unknown_property_is_a_row_of_question_marks(links: Any) -> None:
    done = links("show-linkprop -p frob,zone foo0")
    assert done.err == lines("warning: cannot get link property 'frob' for foo0: object not found")
    assert done.out == (
        ROW
        + "foo0         frob            ?    ?              ?              ?\n"
        + "foo0         zone            rw   --             --             -- \n"
    )
    assert done.status == 1


def test_a_property_of_a_later_release_says_so(links: Any) -> None:
    done = links("show-linkprop -c -o value -p mtu foo0")
    assert (done.out, done.status) == ("?\n", 1)
    assert done.err == lines("warning: link property 'mtu' is not part of this release")


def test_stored_values(links: Any) -> None:
    assert links.ok("show-linkprop -P foo0") == (
        ROW + "foo0         zone            rw   ?              --             -- \n"
    )
    assert links.ok("show-linkprop -P stub0") == ""
    assert links.ok("show-linkprop -P -c -o link") == "sdc_overlay7957669\nfoo0\n"


def test_a_command_for_another_root_is_only_noted(links: Any, tmp_path: Path) -> None:
    links.ok("set-linkprop", "-p", "zone=web", "-R", str(tmp_path), "foo0")
    links.ok("reset-linkprop", "-R", str(tmp_path), "foo0")
    noted = (tmp_path / "var/svc/profile/upgrade_datalink").read_text()
    assert noted == "/sbin/dladm set-linkprop -p zone=web foo0\n/sbin/dladm reset-linkprop foo0\n"


def test_a_kernel_that_fails_in_the_middle_is_one_line(links: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise KernelError(Errno.ECONNRESET, "dlmgmt_door closed the connection")

    monkeypatch.setattr(type(links.dlmgmt), "walk", gone)
    assert links.fails("show-link") == lines("Connection reset by peer: dlmgmt_door closed the connection")
