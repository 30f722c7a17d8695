"""Completion in bash, zsh and fish."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dladm.cli.complete import complete
from dladm.cli.main import main
from dladm.cli.table import BY_NAME
from dladm.libdladm.handle import Dladm
from kernel_sim.sys.errno import Errno, KernelError

BIN = Path(sys.executable).parent
"""Where the console script is."""


class Nowhere:
    """A system on which no host runs."""

    def connect(self, path: str) -> Any:
        raise KernelError(Errno.ENOENT, path)

    def wait(self, seconds: float) -> None:
        raise AssertionError("nothing to wait for")


class Shell:
    """Asks as the shells' scripts ask, for the end of a line."""

    def __init__(self, system: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.system = system
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def ask(self, instruction: str, **environment: str) -> str:
        with self._monkeypatch.context() as patch:
            patch.setenv("_DLADM_COMPLETE", instruction)
            for name, value in environment.items():
                patch.setenv(name, value)
            assert main([], system=self.system, stdout=io.StringIO(), stderr=io.StringIO()) == 0
        out, err = self._capsys.readouterr()
        assert err == ""
        return str(out)

    def bash(self, line: str, breaks: str = "\"'@><=;|&(:") -> list[str]:
        """The items; one after which no blank comes ends in `…`."""
        out = self.ask("bash_complete", COMP_LINE=line, COMP_POINT=str(len(line)), COMP_WORDBREAKS=breaks)
        rows = [row.partition(",") for row in out.splitlines() if row]
        return [text + {"plain": "", "more": "…", "dir": "/"}[kind] for kind, _, text in rows]

    def zsh(self, line: str) -> list[tuple[str, str]]:
        """The items and what is said of them."""
        words = line.split(" ")
        rows = self.ask("zsh_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1)).splitlines()
        return list(zip(rows[1::3], rows[2::3], strict=True))

    def fish(self, line: str) -> list[str]:
        rows = self.ask("fish_complete", COMP_WORDS=line, COMP_CWORD=line.rpartition(" ")[2]).splitlines()
        return [row.partition(",")[2] for row in rows if row]


@pytest.fixture
def shell(world_host: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Before a host with links of all classes; vnic1 is lent to zone web."""
    world_host.inner.ports.zones.append("web")
    assert world_host.create().status == 0
    world_host.ok("create-etherstub stub0")
    world_host.ok("create-vnic -l ov0 vnic0")
    world_host.ok("create-vnic -t -l ov0 -p zone=web vnic1")
    return Shell(world_host.system, monkeypatch, capsys)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Where no host runs."""
    return Shell(Nowhere(), monkeypatch, capsys)


# ---------------------------------------------------------------------- what may be there


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("dladm show-o", ["show-overlay"]),
        ("dladm up-", []),  # hidden ones
        ("dladm he", ["help"]),
        ("dladm frob ", []),
        ("dladm show-overlay --p", ["--parsable", "--parseable"]),
        (
            "dladm show-overlay -",
            ["-f", "--fma", "-t", "--target", "-p", "--parsable", "--parseable", "-o", "--output"],
        ),
        ("dladm show-link ", ["net0", "ov0", "stub0", "vnic0", "vnic1"]),
        ("dladm show-link -p -o link st", ["stub0"]),
        ("dladm show-link net0 ", []),  # it takes one
        ("dladm show-overlay ov0 ", ["ov0"]),  # it takes many
        ("dladm show-overlay -o ", []),
        ("dladm show-phys ", ["net0"]),
        ("dladm modify-overlay ", ["ov0"]),
        ("dladm delete-vnic ", ["vnic0", "vnic1"]),
        ("dladm delete-etherstub ", ["stub0"]),
        ("dladm rename-link v", ["vnic0", "vnic1"]),
        ("dladm rename-link vnic0 ", []),  # a new name
        ("dladm create-overlay ", []),
        ("dladm show-link -- -", []),
        ("dladm create-vnic -l s", ["stub0"]),
        ("dladm create-vnic -ls", ["-lstub0"]),
        ("dladm create-vnic -tls", ["-tlstub0"]),
        ("dladm create-vnic -m ", ["random", "factory", "auto", "vrrp"]),
        ("dladm create-vnic --mac-address r", ["random"]),
        ("dladm create-vnic --mac-a", ["--mac-address"]),
        ("dladm create-vnic -A inet", ["inet", "inet6"]),
        ("dladm create-vnic -R ", ["/"]),
        ("dladm create-overlay -e ", ["vxlan"]),
        ("dladm create-overlay --search ", ["direct", "files", "svp"]),
        ("dladm show-link -z ", ["global", "web"]),
        ("dladm create-overlay -e vxlan -s direct -p direct/", ["direct/dest_ip=…", "direct/dest_port=…"]),
        ("dladm create-overlay -p ", ["mtu=…"]),
        (
            "dladm create-overlay -evxlan -sfiles -p ",
            ["mtu=…", "vxlan/listen_ip=…", "vxlan/listen_port=…", "files/config=…"],
        ),
        ("dladm create-overlay -s direct -p direct/dest_ip=1.2.3.4 -p direct/", ["direct/dest_port=…"]),
        ("dladm set-linkprop -p pri", ["priority=…"]),
        ("dladm set-linkprop -p priority=l", ["low…"]),
        ("dladm set-linkprop -p zone=", ["global…", "web…"]),
        ("dladm set-linkprop -p mtu=1300,pri", ["1300,priority=…"]),
        ("dladm set-linkprop -p mtu=1300,priority=h", ["high…"]),
        ("dladm set-linkprop -p state", []),  # read only
        ("dladm set-linkprop -p frob=", []),
        ("dladm show-linkprop -p sta", ["state…"]),
        ("dladm show-linkprop -p mtu,sta", ["mtu,state…"]),
        ("dladm reset-linkprop -p mtu,mt", []),
        ("dladm create-vnic -p tagm", ["tagmode=…"]),
        ("dladm create-vnic -p forw", []),  # no VNIC has it
    ],
)
def test_what_may_stand_at_the_end_of_a_line(shell: Shell, line: str, items: list[str]) -> None:
    found = shell.bash(line)
    assert found[: len(items)] == items
    assert len(found) == len(items) or line.endswith("-")


def test_lists_of_values_go_on(shell: Shell) -> None:
    found = shell.bash("dladm set-linkprop -p protection=mac-nospoof,", breaks="")
    assert found[:3] == [
        "protection=mac-nospoof,restricted…",
        "protection=mac-nospoof,ip-nospoof…",
        "protection=mac-nospoof,dhcp-nospoof…",
    ]
    assert "protection=mac-nospoof,mtu=…" in found
    assert "protection=mac-nospoof,protection=…" not in found


def test_an_overlay_that_is_up_tells_of_plugins_from_elsewhere(
    world_host: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dladm.libdladm import overlay_prop
    from kernel_sim.sys.codec import PropRange
    from kernel_sim.sys.overlay_common import PropPerm, PropType

    assert world_host.create().status == 0
    views = [
        overlay_prop.PropertyView("search", PropType.STRING, PropPerm.READ, b"svp\0", b"", PropRange.of_strings("svp")),
        overlay_prop.PropertyView("svp/host", PropType.STRING, PropPerm.RW, b"", b"", PropRange()),
    ]
    walk = overlay_prop.PropertyWalk(tuple(views))
    monkeypatch.setattr(overlay_prop, "walk", lambda _handle, _linkid: walk)
    shell = Shell(world_host.system, monkeypatch, capsys)
    assert shell.bash("dladm create-overlay -s ") == ["direct", "files", "svp"]
    assert shell.bash("dladm create-overlay -s svp -p svp/") == ["svp/host=…"]


def test_without_a_host_there_are_commands_options_and_properties_but_no_links(alone: Shell) -> None:
    assert alone.bash("dladm show-link ") == []
    assert alone.bash("dladm show-linkm") == []
    assert alone.bash("dladm show-link --st") == ["--statistics"]
    assert alone.bash("dladm create-overlay -s f") == ["files"]
    assert alone.bash("dladm set-linkprop -p zone=") == ["global…"]


@given(
    words=st.lists(
        st.sampled_from(["-p", "-pmtu=1", "-tl", "-l", "--prop", "--prop=a=b", "--", "-", "x0", "--root-dir", "-z"])
    ),
    command=st.sampled_from(sorted(BY_NAME)),
    incomplete=st.one_of(
        st.text("-plzmtur=,e", max_size=6),
        st.sampled_from(["--prop=", "-pmtu=1,", "mtu=1,protection=restricted,", "-lx", "--pro", "-t"]),
    ),
)
def test_whatever_is_typed_what_is_offered_begins_with_it(command: str, words: list[str], incomplete: str) -> None:
    for one in complete([command, *words], incomplete, lambda: Dladm(Nowhere())):
        assert one.text.startswith(incomplete)


# ---------------------------------------------------------------------- how each shell is answered


def test_bash_is_given_what_comes_after_its_last_word_break(shell: Shell) -> None:
    assert shell.bash("dladm set-linkprop -p zone=w") == ["web…"]
    assert shell.bash("dladm set-linkprop -p zone=w", breaks=" ") == ["zone=web…"]
    assert shell.bash("dladm set-linkprop --prop=zone=w") == ["web…"]
    assert shell.bash("dladm set-linkprop --prop=zo") == ["zone=…"]
    assert shell.bash("dladm  show-link  'vnic0' ") == []
    assert shell.bash("dladm show-link 'vnic") == ["vnic0", "vnic1"]


def test_only_the_line_before_the_cursor_counts(shell: Shell) -> None:
    line = "dladm show-o --fma"
    out = shell.ask("bash_complete", COMP_LINE=line, COMP_POINT="12", COMP_WORDBREAKS="=")
    assert out == "plain,show-overlay\n"


def test_zsh_and_fish_are_given_whole_words_and_help(shell: Shell) -> None:
    assert shell.zsh("dladm show-overlay --f") == [("--fma", "whether it works, and what is wrong")]
    assert shell.zsh("dladm set-linkprop --prop=zone=w") == [("--prop=zone=web", "_")]
    assert shell.zsh("dladm set-linkprop -p mtu=1300,pri") == [("mtu=1300,priority=", "_")]
    assert shell.zsh("dladm show-link ")[0] == ("net0", "_")
    assert shell.fish("dladm show-overlay --f") == ["--fma\twhether it works, and what is wrong"]
    assert shell.fish("dladm set-linkprop -p mtu=1300,pri") == ["mtu=1300,priority="]
    assert shell.fish("dladm set-linkprop --prop=zone=w") == ["--prop=zone=web"]
    assert shell.fish("dladm show-link st") == ["stub0"]


# ---------------------------------------------------------------------- the shells themselves


def script(shell: str) -> str:
    env = {**os.environ, "_DLADM_COMPLETE": f"{shell}_source"}
    done = subprocess.run([BIN / "dladm"], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


def run_shell(argv: list[str], text: str, tmp_path: Path) -> list[str]:
    """Run a script; what it printed. No host runs below `tmp_path`."""
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ETHERSPAN_ROOT": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([*argv, text], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_itself(tmp_path: Path) -> None:
    text = [script("bash"), "complete -p dladm", "compopt() { echo compopt $*; }"]
    for line in ("dladm show-o", "dladm set-linkprop -p mtu=1300,pri", "dladm create-vnic -R "):
        text += [
            f"COMP_LINE={shlex.quote(line)}; COMP_POINT={len(line)}",
            "_dladm_completion dladm",
            'echo "${COMPREPLY[@]}"',
        ]
    assert run_shell(["bash", "--norc", "-c"], "\n".join(text), tmp_path) == [
        "complete -F _dladm_completion dladm",
        "show-overlay",
        "compopt -o nospace",
        "1300,priority=",
        "compopt -o dirnames",
        "",
    ]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_itself(tmp_path: Path) -> None:
    text = [
        "compdef() { print compdef $* }; _describe() { print describe $described }; compadd() { print -r -- $* : $plain $more }",
        script("zsh"),
    ]
    for line in ("dladm show-o", "dladm set-linkprop -p mtu=1300,pri", "dladm show-overlay --f"):
        words = shlex.split(line)
        text += [f"words=({shlex.join(words)}); CURRENT={len(words)}; _dladm_completion"]
    assert run_shell(["zsh", "-f", "-c"], "\n".join(text), tmp_path) == [
        "compdef _dladm_completion dladm",
        "-U -V unsorted -a plain : show-overlay",
        "-U -S -V unsorted -a more : mtu=1300,priority=",
        "describe --fma:whether it works, and what is wrong",
    ]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_itself(tmp_path: Path) -> None:
    lines = ("dladm show-o", "dladm set-linkprop -p mtu=1300,pri", "dladm show-overlay --f")
    text = "\n".join([script("fish"), *(f"complete -C {shlex.quote(line)}" for line in lines)])
    assert run_shell(["fish", "--no-config", "-c"], text, tmp_path) == [
        "show-overlay",
        "mtu=1300,priority=",
        "--fma\twhether it works, and what is wrong",
    ]
