"""Dispatch, usage, the device that is opened first, and what click adds (DLM 1.1, 1.2, 1.4)."""

from __future__ import annotations

import importlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dladm.cli.main import main
from dladm.cli.table import BY_NAME, OUTSIDE, ROWS, Row
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.errno import Errno, KernelError

USAGE = """\
usage:  dladm <subcommand> <args> ...
    rename-link      <oldlink> <newlink>
    show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]

    set-linkprop     [-t] -p <prop>=<value>[,...] <name>
    reset-linkprop   [-t] [-p <prop>,...] <name>
    show-linkprop    [-cP] [-o <field>,...] [-p <prop>,...] <name>

    show-phys        [-m | -H | -P] [[-p] [-o <field>[,...]] [<link>]

    create-vnic      [-t] -l <link> [-m <value> | auto |
\t\t     {factory [-n <slot-id>]} | {random [-r <prefix>]} |
\t\t     {vrrp -V <vrid> -A {inet | inet6}} [-v <vid> [-f]]
\t\t     [-p <prop>=<value>[,...]] <vnic-link>
    delete-vnic      [-t] <vnic-link>
    show-vnic        [-pP] [-l <link>] [-s [-i <interval>]] [<link>]

    create-etherstub [-t] <link>
    delete-etherstub [-t] <link>
    show-etherstub   [-t] [<link>]

    create-overlay   [-t] -e <encap> -s <search> -v <vnetid>
\t\t     [ -p <prop>=<value>[,...]] <overlay>
    delete-overlay   [-t] <overlay>
    modify-overlay   -d mac | -f | -s mac=ip:port <overlay>
    show-overlay     [-f | -t] [[-p] -o <field>,...] [<overlay>]

"""


class NoHost:
    """A system where nothing runs, or where `errno` is the answer."""

    def __init__(self, errno: Errno = Errno.ENOENT) -> None:
        self.errno = errno

    def connect(self, path: str) -> Any:
        raise KernelError(self.errno, path)

    def wait(self, seconds: float) -> None:
        raise AssertionError("nothing to wait for")


def dladm(*argv: str, argv0: str = "dladm", errno: Errno = Errno.ENOENT) -> tuple[str, str, int]:
    out, err = io.StringIO(), io.StringIO()
    status = main(argv, system=NoHost(errno), stdout=out, stderr=err, argv0=argv0)
    return out.getvalue(), err.getvalue(), status


def test_an_unknown_subcommand_gives_the_whole_usage_text() -> None:
    assert dladm("frob") == ("", f"dladm: unknown subcommand 'frob'\n{USAGE}", 1)
    assert dladm("show-lin") == ("", f"dladm: unknown subcommand 'show-lin'\n{USAGE}", 1)
    assert dladm("Show-link")[1].startswith("dladm: unknown subcommand 'Show-link'\n")
    assert dladm("-x")[1].startswith("dladm: unknown subcommand '-x'\n")


def test_help_gives_the_usage_text_and_succeeds() -> None:
    assert dladm("help") == ("", USAGE, 0)
    assert dladm("--help") == (USAGE, "", 0)


def test_each_subcommand_has_its_own_help() -> None:
    out, err, status = dladm("create-overlay", "-e", "vxlan", "--help")
    assert out.startswith("usage:     create-overlay   [-t] -e <encap> -s <search> -v <vnetid>\n")
    assert "  -v, --vnetid                 virtual network id\n" in out
    assert (err, status) == ("", 0)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("create-aggr", "link aggregations"),
        ("scan-wifi", "WiFi links"),
        ("show-ether", "settings of Ethernet hardware"),
        ("create-secobj", "secure objects"),
        ("create-vlan", "VLAN links (create-vnic -v gives a VNIC a VLAN id)"),
        ("create-iptun", "IP tunnels"),
        ("delete-phys", "changes of physical links, which are the machine's"),
        ("show-part", "InfiniBand partitions"),
        ("create-simnet", "simulated links"),
        ("show-bridge", "bridges"),
        ("show-usage", "accounting"),
    ],
)
def test_a_subcommand_of_the_original_that_is_outside_says_so_in_one_line(name: str, what: str) -> None:
    message = (
        f"dladm: subcommand '{name}' is not part of etherspan, which has no {what}; 'dladm help' lists what it has\n"
    )
    assert dladm(name, "-t", "x0") == ("", message, 1)


ORIGINALS = re.findall(
    r"\S+",
    """
    help rename-link show-link create-aggr delete-aggr add-aggr remove-aggr modify-aggr show-aggr up-aggr
    scan-wifi connect-wifi disconnect-wifi show-wifi set-linkprop reset-linkprop show-linkprop show-ether
    create-secobj delete-secobj show-secobj init-linkprop init-secobj create-vlan delete-vlan show-vlan up-vlan
    create-iptun delete-iptun modify-iptun show-iptun up-iptun down-iptun delete-phys show-phys init-phys
    show-linkmap create-vnic delete-vnic show-vnic up-vnic create-part delete-part show-part show-ib up-part
    create-etherstub delete-etherstub show-etherstub create-simnet modify-simnet delete-simnet show-simnet
    up-simnet create-bridge modify-bridge delete-bridge add-bridge remove-bridge show-bridge create-overlay
    delete-overlay modify-overlay show-overlay up-overlay show-usage
    """,
)


def test_every_subcommand_of_the_original_is_known_and_no_other() -> None:
    assert {*BY_NAME, *OUTSIDE} == {*ORIGINALS}
    assert not set(BY_NAME) & set(OUTSIDE)
    here = [name for name in ORIGINALS if name in BY_NAME]
    assert [row.name for row in ROWS] == here, "in the original's order"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_handler_exists(row: Row) -> None:
    module, _, function = row.handler.partition(":")
    assert callable(getattr(importlib.import_module(f"dladm.cli.{module}"), function))


@pytest.mark.parametrize(
    ("errno", "text"),
    [(Errno.ENOENT, "object not found"), (Errno.ECONNREFUSED, "operation failed"), (Errno.EACCES, "permission denied")],
)
def test_the_device_is_opened_before_anything_is_parsed(errno: Errno, text: str) -> None:
    for words in ([], ["show-link", "-x"], ["create-overlay"]):
        assert dladm(*words, errno=errno) == ("", f"dladm: could not open /dev/dld: {text}\n", 1)


def test_messages_begin_with_the_last_component_of_the_program_s_name() -> None:
    assert dladm("show-aggr", argv0="/usr/sbin/dlx")[1].startswith("dlx: subcommand")


def test_without_a_host_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    env = {**os.environ, "ETHERSPAN_ROOT": str(tmp_path)}
    program = "import sys; from dladm.cli.main import main; sys.argv[0] = '/usr/sbin/dladm'; sys.exit(main())"
    argv = [sys.executable, "-W", "error", "-c", program, "show-link"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "dladm: could not open /dev/dld: object not found\n"
        f"dladm: no host runs in {tmp_path}; 'etherspan host boot' starts one\n"
    )


def test_start_up_leaves_heavy_modules_alone() -> None:
    program = (
        "import sys, dladm.cli.main, dladm.cli.link, dladm.cli.overlay, dladm.dlmgmtd.client, libvarpd.client\n"
        "print(*sorted({'asyncio', 'construct', 'ply', 'pyroute2', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\n"


OPTION_ERRORS = [
    ("show-overlay -x", "unrecognized option '-x'"),
    ("show-overlay --frob", "unrecognized option ''"),
    ("show-overlay --pars", "unrecognized option ''"),
    ("show-overlay -o", "option '-o' requires a value"),
    ("show-overlay --output", "option '-o' requires a value"),
    ("show-overlay --fma=x", "option '-f' requires a value"),
    ("show-link --parsable=yes", "option '-p' requires a value"),
    ("show-vnic --parsable", "unrecognized option ''"),
    ("show-linkprop --pars", "unrecognized option ''"),
    ("rename-link -R", "option '-R' requires a value"),
    ("rename-link -t a0 b0", "unrecognized option '-t'"),
    ("show-phys -s", "unrecognized option '-s'"),
    ("delete-overlay -x", "unrecognized option '-x'"),
    ("create-etherstub -R", "unrecognized option '-R'"),
    ("show-etherstub -t", "unrecognized option '-t'"),
    ("create-vnic -H", "unrecognized option '-H'"),
    ("create-vnic --dev=x", "unrecognized option ''"),
    ("create-vnic --cpus 1", "unrecognized option ''"),
    ("create-vnic --bw-limit 1", "unrecognized option ''"),
]


@pytest.mark.parametrize(("words", "text"), OPTION_ERRORS)
def test_an_option_that_cannot_be_taken_gives_the_usage_entry_of_the_subcommand(
    host: Any, words: str, text: str
) -> None:
    usage = BY_NAME[words.split(maxsplit=1)[0]].usage
    assert host.fails(words) == f"dladm: {text}\nusage: {usage}\n"


def test_options_may_follow_operands_unless_posixly_correct(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.demo()
    assert host.ok("show-overlay demo0 -f -p -o status") == "ONLINE\n"
    monkeypatch.setenv("POSIXLY_CORRECT", "1")
    assert host("show-overlay demo0 -f").err.count("failed to find -f: object not found") == 1


def test_causes_that_the_original_hides_are_noted_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    from dladm.cli import main as module

    seen: list[str] = []

    class Handle:
        def __init__(self, _system: object, *, note: Any) -> None:
            note("the cause")

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            seen.append("closed")

        def open_dld(self) -> None:
            raise DladmError(Status.DENIED)

    monkeypatch.setattr(module, "Dladm", Handle)
    assert "the cause" not in dladm("show-link")[1]
    monkeypatch.setenv("DLADM_DEBUG", "1")
    assert dladm("show-link")[1].startswith("dladm: debug: the cause\n")
    assert seen == ["closed", "closed"]


def test_names_that_are_no_text_are_printed_all_the_same() -> None:
    from dladm.cli.messages import Terminal

    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    Terminal("dladm", stream, stream).warn("name \udcff")
    assert raw.getvalue() == b"dladm: warning: name \\udcff\n"


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    program = (
        "import sys\n"
        "from dladm.cli.main import main\n"
        "class System:\n"
        "    def connect(self, path): raise SystemExit('not reached')\n"
        "sys.exit(main(['--help'], system=System()))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
