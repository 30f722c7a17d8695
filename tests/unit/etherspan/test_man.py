"""`etherspan man`: finding pages, showing them, and HTML."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from etherspan import cli, manual

ROOT = Path(__file__).parents[3]
SOURCE = """.Dd November 1, 2026
.Dt {upper} {section}
.Os
.Sh NAME
.Nm {name}
.Nd {summary}
.Sh DESCRIPTION
See
.Xr beta 5
and
.Xr ls 1 .
"""

needs_mandoc = pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four pages in place of ours."""
    where = tmp_path / "pages"
    for name, section, summary in [
        ("alpha", "1", "the first"),
        ("beta", "5", "a file <of>"),
        ("beta", "8", "a daemon"),
        ("some.conf", "5", r"a \&dotted name"),
    ]:
        file = where / f"man{section}" / f"{name}.{section}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SOURCE.format(upper=name.upper(), name=name, section=section, summary=summary))
    (where / "README.md").write_text("no page")
    monkeypatch.setattr(manual, "folder", lambda: where)
    return where


def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Only these programs are there."""
    where = tmp_path / "bin"
    where.mkdir()
    for name, text in scripts.items():
        (where / name).write_text(f"#!/bin/sh\n{text}\n")
        (where / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(where))


def test_a_source_checkout_has_pages() -> None:
    assert manual.folder() == ROOT / "man"
    assert "dladm(8)" in {page.title for page in manual.pages()}


def test_a_list_of_pages(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man"]) == 0
    assert capsys.readouterr().out == (
        "alpha(1)      the first\nbeta(5)       a file <of>\nsome.conf(5)  a dotted name\nbeta(8)       a daemon\n"
    )


@pytest.mark.parametrize(
    ("words", "title"),
    [
        (["alpha"], "alpha(1)"),
        (["beta"], "beta(5)"),
        (["8", "beta"], "beta(8)"),
        (["beta.8"], "beta(8)"),
        (["beta(8)"], "beta(8)"),
        (["some.conf"], "some.conf(5)"),
        (["some.conf.5"], "some.conf(5)"),
    ],
)
def test_a_page_is_found(folder: Path, words: list[str], title: str) -> None:
    *section, name = words
    assert manual.find(name, section[0] if section else None).title == title


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["alfa"], "there is no manual page 'alfa'; did you mean alpha(1)?"),
        (["bet"], "there is no manual page 'bet'; did you mean beta(5) or beta(8)?"),
        (["7", "beta"], "there is no manual page 'beta' in section 7; did you mean beta(5) or beta(8)?"),
        (["zzz"], "there is no manual page 'zzz'; 'etherspan man' lists the pages there are"),
    ],
)
def test_an_unknown_page(folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man", *words]) == 1
    assert capsys.readouterr() == ("", f"etherspan: {message}\n")


def test_no_pages_at_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(folder)
    assert cli.main(["man", "alpha"]) == 1
    assert capsys.readouterr().err == f"etherspan: no manual pages are installed: {folder} has none\n"


@pytest.mark.parametrize("words", [["1", "alpha", "beta"], ["--html", "out", "alpha"]])
def test_a_wrong_call(folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man", *words]) == 2
    assert "PAGE" in capsys.readouterr().err


@needs_mandoc
def test_what_goes_elsewhere_than_to_a_terminal_is_plain(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man", "alpha"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ALPHA(1)")
    assert "\b" not in out
    assert "\n     alpha \u2013 the first\n" in out


def test_a_terminal_gets_a_pager_and_emphasis(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch, mandoc=r"""printf 'N\bNx %s\n' "$4" """)
    shown: list[str] = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(click, "echo_via_pager", shown.append)
    monkeypatch.setenv("COLUMNS", "60")
    assert cli.main(["man", "alpha"]) == 0
    assert shown == ["N\bNx width=58\n"]
    assert capsys.readouterr().out == ""


def test_man_shows_what_mandoc_cannot(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch, mandoc="exit 1", man='echo "$4 $MANWIDTH"')
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["man", "alpha"]) == 0
    assert capsys.readouterr().out == f"{folder / 'man1/alpha.1'} 78\n"


@pytest.mark.parametrize("scripts", [{}, {"man": "exit 1"}])
def test_no_program_is_needed(
    folder: Path,
    scripts: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    programs(tmp_path, monkeypatch, **scripts)
    assert cli.main(["man", "alpha"]) == 0
    assert "     alpha - the first\n" in capsys.readouterr().out


@needs_mandoc
def test_html_has_links_between_pages(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "html"
    assert cli.main(["man", "--html", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 4 pages; begin with {out / 'index.html'}\n"
    assert {path.name for path in out.iterdir()} == {
        "alpha.1.html",
        "beta.5.html",
        "beta.8.html",
        "some.conf.5.html",
        "index.html",
    }
    text = (out / "alpha.1.html").read_text()
    assert 'href="beta.5.html"' in text
    assert 'href="https://manpages.debian.org/ls.1"' in text
    index = (out / "index.html").read_text()
    assert '<a href="beta.5.html">beta(5)</a></td><td>a file &lt;of&gt;</td>' in index


def test_html_needs_mandoc(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch)
    assert cli.main(["man", "--html", str(tmp_path / "html")]) == 1
    assert capsys.readouterr().err == "etherspan: HTML needs mandoc: install the Debian package mandoc\n"
    assert not (tmp_path / "html").exists()


def test_a_wheel_has_every_page_and_shows_it_in(tmp_path: Path) -> None:
    """Build from a copy, so that nothing is left in the checkout, and without a compiler, so that it is quick."""
    source = tmp_path / "source"
    for name in ("dladm", "etherspan", "kernel_sim", "libvarpd", "man"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    env = {**os.environ, "CC": "false"}
    done = subprocess.run(
        [*argv, "-w", tmp_path, source], env=env, capture_output=True, text=True, timeout=100, check=False
    )
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("no package index to take setuptools from")
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    installed = tmp_path / "site/etherspan/man"
    found = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}
    assert found == {page.relative_to(source / "man") for page in (source / "man").glob("man*/*")}

    assert (tmp_path / "site/etherspan/host/etherspan@.service").is_file()

    code = "import sys; sys.path.insert(0, sys.argv[1]); from etherspan import manual; print(manual.folder())"
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "site"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout == f"{installed}\n"
