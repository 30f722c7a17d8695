"""kstat: what it asks /dev/kstat, how it prints it, and when."""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etherspan import kstat
from etherspan.kstat import command
from etherspan.kstat.selector import Pattern, matches
from kernel_sim.dev.framing import Reply, pack_reply, unpack_request
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.kstat import (
    KSTAT_CHAIN_MAX,
    KSTAT_IOC_CHAIN,
    KSTAT_IOC_WALK,
    KstatChain,
    KstatEntry,
    KstatNamed,
    pack_entries,
)

CRTIME, SNAPTIME = 12_000_000_345, 1_700_000_000_000_000_001


def entry(module: str, instance: int, name: str, klass: str = "net", **values: int | str) -> KstatEntry:
    stats = tuple(
        KstatNamed.string(key, value) if isinstance(value, str) else KstatNamed.u64(key, value)
        for key, value in values.items()
    )
    return KstatEntry(module, instance, name, klass, stats, CRTIME, SNAPTIME)


class Node:
    """A system whose /dev/kstat has `entries`; `meanwhile` is done once, after the first answer. Waiting only counts the seconds."""

    def __init__(self, entries: list[KstatEntry]) -> None:
        self.entries = entries
        self.generation = 1
        self.meanwhile: Callable[[], None] | None = None
        self.calls: list[int] = []
        self.waits: list[float] = []
        self.at = 0

    def connect(self, path: str) -> Node:
        self.opened = False
        return self

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def close(self) -> None:
        """Nothing."""

    def call(self, raw: bytes) -> bytes:
        if not self.opened:
            self.opened = True
            return pack_reply(Reply(None))
        request = unpack_request(raw)
        self.calls.append(request.command)
        if request.command == KSTAT_IOC_WALK:
            page = self.entries[self.at : self.at + 2]
            self.at = self.at + 2 if page else 0
            return self._answer(request.tag, pack_entries(one.pack() for one in page))
        if request.command == KSTAT_IOC_CHAIN:
            start = KstatChain.unpack(request.argument).start
            headers = tuple(one.header for one in self.entries[start : start + KSTAT_CHAIN_MAX])
            return self._answer(request.tag, KstatChain(start, self.generation, len(self.entries), headers).pack())
        asked = KstatEntry.unpack(request.argument)
        for one in self.entries:
            if (one.module, one.instance, one.name) == (asked.module, asked.instance, asked.name):
                return self._answer(request.tag, one.pack())
        return pack_reply(Reply(Errno.ENOENT, request.tag))

    def _answer(self, tag: int, argument: bytes) -> bytes:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return pack_reply(Reply(None, tag, argument))


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    node = Node(
        [
            entry("link", 0, "vnic0", rbytes64=7, obytes64=9, zonename="global"),
            entry("etherspan", 0, "ov0", "drops", too_big=1),
        ]
    )
    monkeypatch.setattr(command, "LocalSystem", lambda _root: node)
    return node


@pytest.fixture
def run(node: Node, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*argv: str) -> tuple[int, str, str]:
        return (kstat.main(argv), *capsys.readouterr())

    return run


Run = Callable[..., tuple[int, str, str]]


def test_everything_is_printed_in_order_a_line_each_with_class_and_times(run: Run) -> None:
    assert run("-p") == (
        0,
        (
            "etherspan:0:ov0:class\tdrops\n"
            "etherspan:0:ov0:crtime\t12.000000345\n"
            "etherspan:0:ov0:snaptime\t1700000000.000000001\n"
            "etherspan:0:ov0:too_big\t1\n"
            "link:0:vnic0:class\tnet\n"
            "link:0:vnic0:crtime\t12.000000345\n"
            "link:0:vnic0:obytes64\t9\n"
            "link:0:vnic0:rbytes64\t7\n"
            "link:0:vnic0:snaptime\t1700000000.000000001\n"
            "link:0:vnic0:zonename\tglobal\n"
        ),
        "",
    )


@pytest.mark.parametrize(
    "argv",
    [
        ("-p", "link:0:vnic0:rbytes64"),
        ("-p", ":::rbytes64"),
        ("-p", "link:::r*"),
        ("-p", "link:::/^r.*[0-9]$/"),
        ("-p", "-s", "/^r.*[[:digit:]]$/"),
        ("-p", "link:[0-9]:vnic?:rb[a-z]tes64"),
        ("-p", "-s", "rbytes64"),
        ("-p", "-c", "net", "-s", "rbytes64"),
        ("-p", "-m", "link", "-i", "0", "-n", "vnic0", "-s", "r*"),
    ],
)
def test_parts_choose_and_empty_parts_match_all(run: Run, argv: tuple[str, ...]) -> None:
    assert run(*argv) == (0, "link:0:vnic0:rbytes64\t7\n", "")


def test_sets_are_printed_for_people(run: Run) -> None:
    assert run("-m", "etherspan")[1] == (
        "module: etherspan                       instance: 0     \n"
        "name:   ov0                             class:    drops\n"
        "\tcrtime                          12.000000345\n"
        "\tsnaptime                        1700000000.000000001\n"
        "\ttoo_big                         1\n"
        "\n"
    )


def test_names_are_listed_without_values_and_values_stand_behind_a_colon_on_request(run: Run) -> None:
    assert run("-l", ":::too_big")[1] == "etherspan:0:ov0:too_big\n"
    assert run("-C", ":::too_big")[1] == "etherspan:0:ov0:too_big:1\n"


def test_json_is_laid_out_as_the_original_does(run: Run) -> None:
    assert run("-j", ":::/bytes64/") == (
        0,
        (
            '[{\n\t"module": "link",\n\t"instance": 0,\n\t"name": "vnic0",\n\t"class": "net",\n\t"type": 1,\n'
            '\t"snaptime": 1700000000.000000001,\n\t"data": {\n\t\t"obytes64": 9,\n\t\t"rbytes64": 7\n\t}\n}]\n'
        ),
        "",
    )


def test_json_of_everything_is_valid_whatever_texts_it_has(run: Run, node: Node) -> None:
    node.entries.append(entry("m", 1, 'q"', text='a "b"\\'))
    found = json.loads(run("-j")[1])
    assert [(one["module"], one["instance"], one["name"]) for one in found] == [
        ("etherspan", 0, "ov0"),
        ("link", 0, "vnic0"),
        ("m", 1, 'q"'),
    ]
    assert found[2]["data"] == {"crtime": 12.000000345, "snaptime": 1.7e9, "text": 'a "b"\\'}
    assert json.loads(run("-j", "nothing")[1]) == []


def test_sets_and_statistics_are_sorted_whatever_the_case(run: Run, node: Node) -> None:
    node.entries = [
        entry("b", 10, "x", B=1, a=1),
        entry("b", 9, "x", c=1),
        entry("A", 0, "z", c=1),
        entry("a", 0, "Y", c=1),
    ]
    assert run("-l", ":::?")[1].split() == ["a:0:Y:c", "A:0:z:c", "b:9:x:c", "b:10:x:a", "b:10:x:B"]


def test_a_set_that_two_selectors_want_is_printed_for_each(run: Run) -> None:
    assert run("-l", ":::too_big", "etherspan:::too*")[1] == "etherspan:0:ov0:too_big\n" * 2


def test_quiet_prints_nothing_and_says_by_its_status_what_matched(run: Run) -> None:
    assert run("-q", ":::too_big") == (0, "", "")
    assert run("-q", ":::too_small") == (1, "", "")


def test_no_match_is_a_failure(run: Run) -> None:
    assert run("-p", "nothing") == (1, "", "")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("a:b:c:d:e",), "kstat: 'a:b:c:d:e' has more than the four parts module:instance:name:statistic"),
        (
            ("-m", "link", "link:0"),
            "[module[:instance[:name[:statistic]]]] and -m -i -n -s are mutually exclusive",
        ),
        (("-qp",), "-q and -lpj are mutually exclusive"),
        (("-T", "x"), "-T takes d or u"),
        (("0",), "Interval must be an integer >= 1"),
        (("1", "-1"), "Count must be an integer >= 1"),
        (("99999999999",), "Interval is too large"),
        (("1", "99999999999"), "Count is too large"),
        (("1", "2", "3"), "kstat: '3' is one number too many"),
        (("link:::/(/",), "kstat: '(' is no regular expression: missing ), unterminated subpattern at position 0"),
    ],
)
def test_a_wrong_call_is_told(run: Run, node: Node, argv: tuple[str, ...], said: str) -> None:
    assert run(*argv) == (2, "", f"{said}\n{command.USAGE}")
    assert not node.calls


def test_a_letter_that_is_no_option_gives_the_usage(run: Run) -> None:
    assert run("-z") == (0, "", f"kstat: option -z not recognized\n{command.USAGE}")
    assert run("-h") == (0, "", command.USAGE)


def test_options_end_at_the_first_operand(run: Run) -> None:
    assert run("link:0", "-p")[0] == 0
    assert "module: link" in run("link:0", "-p")[1]


def test_an_interval_repeats_with_a_blank_line_between_and_the_count_ends_it(run: Run, node: Node) -> None:
    status, out, _ = run("-l", ":::too_big", "5", "3")
    assert (status, out) == (0, "\n".join(["etherspan:0:ov0:too_big\n"] * 3))
    first, second = node.waits
    assert 0 < first <= 5.0 < second <= 10.0  # moments of one schedule: here, waiting takes no time


def test_numbers_and_selectors_mix(run: Run, node: Node) -> None:
    assert run("-l", "1", ":::too_big", "2")[1] == "etherspan:0:ov0:too_big\n\netherspan:0:ov0:too_big\n"


def test_something_that_matched_once_is_a_success(run: Run, node: Node) -> None:
    node.meanwhile = node.entries.clear
    assert run("-q", "etherspan", "1", "2")[0] == 0


@given(due=st.integers(0, 1000), interval=st.integers(1, 60), late=st.floats(0, 500))
def test_a_schedule_keeps_its_beat_and_leaves_out_what_it_missed(due: int, interval: int, late: float) -> None:
    now = due + late
    following = command.after(due, interval, now)
    assert (following - due) % interval == 0
    assert now < following <= now + interval


def test_a_timestamp_stands_before_each_listing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda form: f"<{form}>")
    assert run("-T", "u", "-l", ":::too_big", "1", "2")[1] == "\n".join(["<%s>\netherspan:0:ov0:too_big\n"] * 2)
    assert run("-Td", "-l", ":::too_big")[1].startswith("<%B %e, %Y at %I:%M:%S %p %Z>\n")


def test_an_interrupt_ends_it_without_a_trace(run: Run, node: Node) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    node.wait = interrupted  # type: ignore[method-assign]
    assert run("-l", ":::too_big", "1") == (130, "etherspan:0:ov0:too_big\n", "")


READER_GONE = """
import os, sys
from etherspan.kstat import command
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
def show(device, request):
    sys.stdout.write("x" * 100000)
    sys.stdout.flush()
command.show = show
class Device:
    open = classmethod(lambda cls, *_: cls())
    def __enter__(self): return self
    def __exit__(self, *_): pass
command.Device = Device
sys.exit(command.main(["1"]))
"""


def test_the_end_of_the_pipe_ends_it_without_a_trace() -> None:
    done = subprocess.run([sys.executable, "-c", READER_GONE], stderr=subprocess.PIPE, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("words", "reads"), [((":::",), 0), (("link:0:vnic0", "etherspan:0:ov0"), 2)])
def test_sets_that_are_named_outright_are_read_one_by_one_and_all_others_in_one_walk(
    run: Run, node: Node, words: tuple[str, ...], reads: int
) -> None:
    run("-q", *words)
    assert len([one for one in node.calls if one != KSTAT_IOC_WALK]) == reads
    assert (KSTAT_IOC_WALK in node.calls) == (not reads)


def test_more_headers_than_a_page_holds_are_all_read(node: Node) -> None:
    node.entries = [entry("link", 0, f"v{number}", n=number) for number in range(KSTAT_CHAIN_MAX + 5)]
    assert len(kstat.chain(device(node))) == KSTAT_CHAIN_MAX + 5


def test_the_chain_is_read_again_when_it_changed_between_pages(node: Node) -> None:
    node.entries = [entry("link", 0, f"v{number}", n=number) for number in range(KSTAT_CHAIN_MAX + 5)]

    def meanwhile() -> None:
        node.entries = node.entries[10:]
        node.generation += 1

    node.meanwhile = meanwhile
    assert len(kstat.chain(device(node))) == KSTAT_CHAIN_MAX - 5


def device(node: Node) -> command.Device:
    return command.Device.open(node, "dev/kstat")


def test_a_set_that_is_not_there_is_left_out(run: Run) -> None:
    assert run("-l", "link:0:vnic9", "link:0:vnic0")[1].startswith("link:0:vnic0:")


GLOB = st.text(st.sampled_from("ab*?[]!-"), max_size=8).filter(lambda one: "[]" not in one and "[!]" not in one)


@given(GLOB, st.text(st.sampled_from("ab-]!["), max_size=6))
def test_globs_match_as_those_of_the_standard_library(pattern: str, text: str) -> None:
    assert matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)


@given(st.text(max_size=8))
def test_a_backslash_takes_the_next_character_as_it_is(text: str) -> None:
    assert matches("".join(f"\\{sign}" for sign in text), text)


def test_every_part_of_a_selector_counts() -> None:
    wanted = Pattern("m", "1", "n")
    assert wanted.wants(entry("m", 1, "n"))
    assert not any(map(wanted.wants, (entry("M", 1, "n"), entry("m", 11, "n"), entry("m", 1, "nn"))))


def test_a_host_that_is_down_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ETHERSPAN_ROOT", str(tmp_path))
    assert kstat.main([]) == 3
    assert capsys.readouterr().err.startswith(f"kstat: no host runs in {tmp_path};")
