"""show-link -s and show-vnic -s, once and again and again (DLM 5.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel_sim.dev import framing
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.kstat import KSTAT_IOC_READ, KstatEntry, KstatNamed

WARNING = "dladm: warning: kstat_open operation failed\n"


class Kstat:
    """/dev/kstat of a host in memory: what a link has counted, by its name; `counts` multiplies it. Others have no counters."""

    def __init__(self, **counters: tuple[int, int, int, int]) -> None:
        self.counters = counters
        self.counts = 1

    def call(self, message: bytes) -> bytes:
        if message[:4] == framing.pack_open(1)[:4]:
            return framing.pack_reply(framing.Reply(None, 0, b""))
        request = framing.unpack_request(message)
        assert request.command == KSTAT_IOC_READ
        name = KstatEntry.unpack(request.argument).name
        if name not in self.counters:
            return framing.pack_reply(framing.Reply(Errno.ENOENT, request.tag, b""))
        ipackets, rbytes, opackets, obytes = (one * self.counts for one in self.counters[name])
        stats = (
            KstatNamed.u64("ipackets64", ipackets),
            KstatNamed.u64("rbytes64", rbytes),
            KstatNamed.u32("ierrors", 0),
            KstatNamed.u32("opackets", 7),  # the 64-bit one counts
            KstatNamed.u64("opackets64", opackets),
            KstatNamed.u64("obytes64", obytes),
            KstatNamed.u32("oerrors", 3),
        )
        reply = KstatEntry("link", 0, name, "net", stats).pack()
        return framing.pack_reply(framing.Reply(None, request.tag, reply))

    def close(self) -> None:
        pass


@pytest.fixture
def counted(host: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host with two interfaces, an etherstub and two VNICs on it; `host.kstat` counts."""
    for name in ("igb0", "igb1"):
        host.add_phys(name)
    host.ok("create-etherstub -t stub0")
    host.ok("create-vnic -t -l stub0 vnic0")
    host.ok("create-vnic -t -l stub0 vnic1")
    host.kstat = Kstat(
        igb0=(2121813895, 1732931973074, 1542632991, 356238426078),
        vnic0=(300, 30000, 0, 0),
        vnic1=(100, 5000, 0, 0),
    )
    monkeypatch.setattr(type(host), "connect", lambda this, _path: this.kstat)
    return host


def interrupt(host: Any, monkeypatch: pytest.MonkeyPatch, rounds: int, command: str) -> str:
    """Run a command that goes on for ever, and interrupt it after some rounds; what it had handed on by then."""
    left = rounds

    def wait(_host: object, seconds: float) -> None:
        nonlocal left
        assert seconds == 3
        host.kstat.counts += 2
        left -= 1
        if not left:
            raise KeyboardInterrupt

    written: list[str] = []
    monkeypatch.setattr(type(host), "wait", wait)
    monkeypatch.setattr("dladm.cli.messages.Terminal.write", lambda _terminal, lines: written.extend(lines))
    with pytest.raises(KeyboardInterrupt):
        host(command)
    return "".join(f"{line}\n" for line in written)


def test_links_and_those_that_have_counted_nothing(counted: Any) -> None:
    assert counted.ok("show-link -s") == (
        "LINK           IPACKETS  RBYTES  IERRORS   OPACKETS    OBYTES      OERRORS\n"
        "igb0           2121813895 1732931973074 0  1542632991  356238426078 3\n"
        "igb1           0         0       0         0           0           0\n"
        "stub0          0         0       0         0           0           0\n"
        "vnic0          300       30000   0         0           0           3\n"
        "vnic1          100       5000    0         0           0           3\n"
    )
    assert counted.ok("show-link -s -p -o link,oerrors igb0") == "igb0:3\n"
    assert counted.ok("show-link -s -o all igb1") == counted.ok("show-link -s igb1")


def test_with_an_interval_the_first_link_goes_on_with_what_came_since(
    counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert interrupt(counted, monkeypatch, 3, "show-link -s -i 3 -o link,opackets") == (
        "LINK           OPACKETS\n"
        "igb0           1542632991\n"
        f"igb0           {2 * 1542632991}\n"
        f"igb0           {2 * 1542632991}\n"
    )


def test_with_an_interval_a_link_that_was_named_is_shown(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert interrupt(counted, monkeypatch, 2, "show-link -s -i 3 -p -o link,ipackets vnic1") == "vnic1:100\nvnic1:200\n"


def test_a_counter_that_began_again_counts_nothing_for_once(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_host: object, _seconds: float) -> None:
        if counted.kstat.counts == 0:
            raise KeyboardInterrupt
        counted.kstat.counts = 0

    written: list[str] = []
    monkeypatch.setattr(type(counted), "wait", wait)
    monkeypatch.setattr("dladm.cli.messages.Terminal.write", lambda _terminal, lines: written.extend(lines))
    with pytest.raises(KeyboardInterrupt):
        counted("show-link -s -i 3 -p -o rbytes vnic0")
    assert written == ["30000", "0"]


def test_a_link_that_goes_away_is_shown_no_more(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter((counted.dlmgmt.links.clear, KeyboardInterrupt))

    def wait(_host: object, _seconds: float) -> None:
        then = next(rounds)
        if then is KeyboardInterrupt:
            raise KeyboardInterrupt
        then()

    written: list[str] = []
    monkeypatch.setattr(type(counted), "wait", wait)
    monkeypatch.setattr("dladm.cli.messages.Terminal.write", lambda _terminal, lines: written.extend(lines))
    with pytest.raises(KeyboardInterrupt):
        counted("show-link -s -i 3 -p -o link vnic0")
    assert written == ["vnic0"]


def test_vnics_are_shown_with_their_shares(counted: Any) -> None:
    assert counted.ok("show-vnic -s") == (
        "\tipackets  rbytes      opackets  obytes          \n"
        "vnic0\t300       30000       0         0           \t75.0  \t-\n"
        "vnic1\t100       5000        0         0           \t25.0  \t-\n"
    )


def test_vnics_that_were_chosen_have_a_total(counted: Any) -> None:
    assert counted.ok("show-vnic -s vnic1") == (
        "\tipackets  rbytes      opackets  obytes          \n"
        "Total\t100       5000        0         0           \n"
        "vnic1\t100       5000        0         0           \t100.0 \t-\n"
    )
    assert counted.ok("show-vnic -s -l stub0") == (
        "stub0\tipackets  rbytes      opackets  obytes          %ipkts  %opkts\n"
        "Total\t400       35000       0         0           \n"
        "vnic0\t300       30000       0         0           \t75.0  \t-\n"
        "vnic1\t100       5000        0         0           \t25.0  \t-\n"
    )


def test_with_an_interval_all_vnics_go_on_without_a_total(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert interrupt(counted, monkeypatch, 2, "show-vnic -s -i 3 -l stub0").splitlines()[1:] == [
        "vnic0\t300       30000       0         0           \t75.0  \t-",
        "vnic1\t100       5000        0         0           \t25.0  \t-",
        "vnic0\t600       60000       0         0           \t75.0  \t-",
        "vnic1\t200       10000       0         0           \t25.0  \t-",
    ]


def test_a_link_without_vnics_is_said_to_have_none(counted: Any) -> None:
    assert counted.fails("show-vnic -s -l igb0") == "dladm: device igb0 has no vnics\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-s -s", "the option -s cannot be specified more than once"),
        ("-s -i 1 -i 1", "the option -i cannot be specified more than once"),
        ("-i 1", "the option -i can be used only with -s"),
        ("-s -i 0", "invalid interval value '0'"),
        ("-s -i 1x", "invalid interval value '1x'"),
        ("-s -i -1", "invalid interval value '-1'"),
        ("-s -i 4294967296", "invalid interval value '4294967296'"),
    ],
)
def test_what_is_refused(counted: Any, words: str, message: str) -> None:
    for command in ("show-link", "show-vnic"):
        assert counted.fails(f"{command} {words}") == f"dladm: {message}\n"


def test_statistics_of_vnics_are_of_active_ones_whatever_else_was_asked(counted: Any) -> None:
    assert counted.ok("show-vnic -s -P -p -o link") == counted.ok("show-vnic -s")


def test_json_has_one_object_a_round(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = interrupt(counted, monkeypatch, 2, "show-vnic -s -i 3 --json").splitlines()
    rounds = [json.loads(line) for line in lines]
    assert [one["schema"] for one in rounds] == ["etherspan.dladm.show-vnic-statistics.v1"] * 2
    assert [[link["ipackets"] for link in one["links"]] for one in rounds] == [[300, 100], [600, 200]]


@pytest.mark.parametrize("command", ["show-link -s -p -o ipackets vnic0", "show-vnic -s vnic0"])
def test_without_kstat_there_is_a_warning_and_nothing_was_counted(host: Any, command: str) -> None:
    host.ok("create-etherstub -t stub0")
    host.ok("create-vnic -t -l stub0 vnic0")
    done = host(command)
    assert (done.err, done.status) == (WARNING, 0)
    assert done.out.splitlines()[-1].split() in (["0"], ["vnic0", "0", "0", "0", "0", "-", "-"])
