"""kstat: what it asks /dev/kstat and how it prints it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etherspan import kstat
from kernel_sim.dev.framing import Reply, pack_reply, unpack_request
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.kstat import KSTAT_CHAIN_MAX, KSTAT_IOC_CHAIN, KstatChain, KstatEntry, KstatNamed


def entry(module: str, instance: int, name: str, **values: int) -> KstatEntry:
    stats = tuple(KstatNamed.u64(key, value) for key, value in values.items())
    return KstatEntry(module, instance, name, "net", stats)


class Node:
    """A system whose /dev/kstat has `entries`; `meanwhile` is done once, after the first page."""

    def __init__(self, entries: list[KstatEntry]) -> None:
        self.entries = entries
        self.generation = 1
        self.meanwhile: Callable[[], None] | None = None

    def connect(self, path: str) -> Node:
        self.opened = False
        return self

    def wait(self, seconds: float) -> None:
        """Never."""

    def close(self) -> None:
        """Nothing."""

    def call(self, raw: bytes) -> bytes:
        if not self.opened:
            self.opened = True
            return pack_reply(Reply(None))
        request = unpack_request(raw)
        if request.command == KSTAT_IOC_CHAIN:
            start = KstatChain.unpack(request.argument).start
            headers = tuple(one.header for one in self.entries[start : start + KSTAT_CHAIN_MAX])
            answer = KstatChain(start, self.generation, len(self.entries), headers).pack()
            if self.meanwhile is not None:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            return pack_reply(Reply(None, request.tag, answer))
        asked = KstatEntry.unpack(request.argument)
        for one in self.entries:
            if (one.module, one.instance, one.name) == (asked.module, asked.instance, asked.name):
                return pack_reply(Reply(None, request.tag, one.pack()))
        return pack_reply(Reply(Errno.ENOENT, request.tag))


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    node = Node([entry("link", 0, "vnic0", rbytes64=7, obytes64=9), entry("etherspan", 0, "ov0", too_big=1)])
    monkeypatch.setattr(kstat, "LocalSystem", lambda _root: node)
    return node


@pytest.fixture
def run(node: Node, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*argv: str) -> tuple[int, str, str]:
        return (kstat.main(argv), *capsys.readouterr())

    return run


Run = Callable[..., tuple[int, str, str]]


def test_everything_is_printed_in_order_a_line_each(run: Run) -> None:
    assert run("-p") == (
        0,
        "etherspan:0:ov0:too_big\t1\nlink:0:vnic0:obytes64\t9\nlink:0:vnic0:rbytes64\t7\n",
        "",
    )


@pytest.mark.parametrize(
    "argv",
    [
        ("-p", "link:0:vnic0:rbytes64"),
        ("-p", ":::rbytes64"),
        ("-p", "link:::r*"),
        ("-p", "-s", "rbytes64"),
        ("-p", "-m", "link", "-i", "0", "-n", "vnic0", "-s", "r*"),
    ],
)
def test_parts_choose_and_empty_parts_match_all(run: Run, argv: tuple[str, ...]) -> None:
    assert run(*argv) == (0, "link:0:vnic0:rbytes64\t7\n", "")


def test_sets_are_printed_for_people(run: Run) -> None:
    assert run("-m", "etherspan")[1] == (
        "module: etherspan                       instance: 0     \n"
        "name:   ov0                             class:    net\n"
        "\ttoo_big                         1\n"
        "\n"
    )


def test_no_match_is_a_failure(run: Run) -> None:
    assert run("-p", "nothing") == (1, "", "")


@pytest.mark.parametrize("argv", [("-z",), ("a:b:c:d:e",), ("-m", "link", "link:0")])
def test_a_wrong_call_is_told(run: Run, argv: tuple[str, ...]) -> None:
    status, out, err = run(*argv)
    assert (status, out) == (2, "")
    assert err.endswith(f"{kstat.USAGE}\n")


def test_more_sets_than_a_page_holds_are_all_read(run: Run, node: Node) -> None:
    node.entries = [entry("link", 0, f"v{number}", n=number) for number in range(KSTAT_CHAIN_MAX + 5)]
    assert len(run("-p")[1].splitlines()) == KSTAT_CHAIN_MAX + 5


def test_the_chain_is_read_again_when_it_changed_between_pages(run: Run, node: Node) -> None:
    node.entries = [entry("link", 0, f"v{number}", n=number) for number in range(KSTAT_CHAIN_MAX + 5)]

    def meanwhile() -> None:
        node.entries = node.entries[10:]
        node.generation += 1

    node.meanwhile = meanwhile
    assert len(run("-p")[1].splitlines()) == KSTAT_CHAIN_MAX - 5


def test_a_set_that_vanishes_meanwhile_is_left_out(run: Run, node: Node) -> None:
    node.meanwhile = node.entries.clear
    assert run("-p") == (1, "", "")


def test_a_host_that_is_down_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ETHERSPAN_ROOT", str(tmp_path))
    assert kstat.main([]) == 3
    assert capsys.readouterr().err.startswith(f"kstat: no host runs in {tmp_path};")
