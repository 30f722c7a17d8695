"""Dispatch, usage, the device that is opened first, and what click adds (DLM 1.1, 1.2, 1.4)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dladm.cli.main import main
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.errno import Errno, KernelError

USAGE = """\
usage:  dladm <subcommand> <args> ...
    show-link        [-pP] [-o <field>,..] [-s [-i <interval>]] [<link>]

    set-linkprop     [-t] -p <prop>=<value>[,...] <name>
    reset-linkprop   [-t] [-p <prop>,...] <name>
    show-linkprop    [-cP] [-o <field>,...] [-p <prop>,...] <name>

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


def test_a_subcommand_of_the_original_that_is_missing_here_says_so() -> None:
    message = "dladm: subcommand 'show-phys' is not part of this release; 'dladm help' lists those that are\n"
    assert dladm("show-phys") == ("", message, 1)


@pytest.mark.parametrize(
    ("errno", "text"),
    [(Errno.ENOENT, "object not found"), (Errno.ECONNREFUSED, "operation failed"), (Errno.EACCES, "permission denied")],
)
def test_the_device_is_opened_before_anything_is_parsed(errno: Errno, text: str) -> None:
    for words in ([], ["show-link", "-x"], ["create-overlay"]):
        assert dladm(*words, errno=errno) == ("", f"dladm: could not open /dev/dld: {text}\n", 1)


def test_messages_begin_with_the_last_component_of_the_program_s_name() -> None:
    assert dladm("show-phys", argv0="/usr/sbin/dlx")[1].startswith("dlx: subcommand")


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


def test_a_shell_completes_subcommands_options_and_links(
    host: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.demo()
    host.ok("create-etherstub stub0")
    host.ok("create-vnic -l demo0 vnic0")

    def complete(*words: str) -> list[str]:
        with monkeypatch.context() as shell:
            shell.setenv("_DLADM_COMPLETE", "bash_complete")
            shell.setenv("COMP_WORDS", " ".join(["dladm", *words]))
            shell.setenv("COMP_CWORD", str(len(words)))
            assert host("ignored").status == 0
        return [line.partition(",")[2] for line in capsys.readouterr().out.split()]

    assert complete("show-o") == ["show-overlay"]
    assert "up-overlay" not in complete("")
    assert complete("show-overlay", "") == ["demo0"]
    assert complete("show-link", "") == ["demo0", "stub0", "vnic0"]
    assert complete("show-link", "st") == ["stub0"]
    assert complete("create-vnic", "-l", "") == ["demo0", "stub0", "vnic0"]
    assert complete("create-overlay", "-s", "") == ["direct", "files"]
    assert complete("modify-overlay", "") == ["demo0"]
    assert complete("create-overlay", "") == []
    assert complete("show-overlay", "--p") == ["--parsable", "--parseable"]


def test_completion_without_a_host_is_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_DLADM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "dladm show-link ")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert main([], system=NoHost()) == 0
    assert capsys.readouterr() == ("\n", "")


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
