"""`etherspan lab`: hosts, zones and VXLAN endpoints from one file."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from etherspan import progress, userns


@click.group()
def lab() -> None:
    """Several hosts, zones, VXLAN endpoints and SVP servers on this machine, from one file."""


NAME_OPTION = click.option("--name", "-n", metavar="N", help="The lab's name (default: the only one that is up).")


@lab.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--name", "-n", metavar="N", help="The lab's name (default: the file's, without its ending).")
def up(file: Path, name: str | None) -> None:
    """Bring a lab up, or apply what changed in its [hosts]; what was begun is undone when a step fails."""
    from etherspan import doctor
    from etherspan.lab.source import read_file
    from etherspan.lab.up import up as bring_up
    from etherspan.process import end_on_sigterm

    source = read_file(file)  # mistakes in the file are told before anything of the machine is looked at
    doctor.demand()
    end_on_sigterm()
    userns.acquire()
    name = name if name is not None else file.stem
    progress.tell(f"lab {name}: {', '.join(source.lab.nodes)}")
    where = bring_up(source, name, click.echo)
    click.echo(f"lab {where.name} is up; a command in it:")
    click.echo(f"  etherspan lab exec --name {where.name} HOST[:ZONE] -- COMMAND")


@lab.command()
@click.argument("name", required=False)
def down(name: str | None) -> None:
    """Take a lab down, however far it came up."""
    from etherspan.lab.down import down as take_down
    from etherspan.lab.journal import choose

    userns.acquire()
    where = choose(name)
    progress.tell(f"lab {where.name}: ending what runs in it")
    take_down(where)
    userns.release()
    click.echo(f"lab {where.name} is down")


@lab.command("list")
def list_() -> None:
    """Show the labs there are."""
    from etherspan.lab.journal import all_labs
    from etherspan.lab.run import phase_text

    userns.acquire()
    click.echo(f"{'NAME':<20}{'STATE':<12}FILE")
    for where in all_labs():
        click.echo(f"{where.name:<20}{phase_text(where):<12}{where.read().source}")


@lab.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(name: str | None, *, as_json: bool) -> None:
    """Show the parts of a lab."""
    from etherspan.lab.journal import choose
    from etherspan.lab.status import status as find
    from etherspan.lab.status import table

    userns.acquire()
    found = find(choose(name))
    for line in [json.dumps(found.as_json(), indent=1)] if as_json else table(found):
        click.echo(line)


@lab.command()
@click.argument("name", required=False)
@click.option(
    "--seconds", "-s", type=click.FloatRange(0.1), default=1.0, show_default=True, help="From one to the next."
)
@click.option("--count", "-c", type=click.IntRange(1), help="So many, then end.")
def watch(name: str | None, seconds: float, count: int | None) -> None:
    """Show links with their rates, drops and services, again and again."""
    from etherspan.lab.journal import choose
    from etherspan.lab.watch import watch as draw

    userns.acquire()
    with contextlib.suppress(KeyboardInterrupt):
        draw(choose(name), seconds, count or 0, sys.stdout)


@lab.command()
@click.argument("name", required=False)
@click.option(
    "--format", "-f", "form", type=click.Choice(["mermaid", "dot", "svg"]), default="mermaid", show_default=True
)
def graph(name: str | None, form: str) -> None:
    """Draw a lab: NAME is that of a lab, or a lab file's path."""
    from etherspan.lab import graph as drawing
    from etherspan.lab.journal import choose
    from etherspan.lab.source import read_file, read_lab

    if name is not None and Path(name).suffix == ".toml":
        described = read_file(Path(name)).lab
    else:
        userns.acquire()
        described = read_lab(choose(name))
    click.echo(drawing.FORMATS[form](described), nl=False)


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@NAME_OPTION
@click.argument("place", metavar="HOST[:ZONE]|VTEP|SERVER")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str | None, place: str, command: Sequence[str]) -> None:
    """Run a command on a host, in a zone, at a VTEP or beside a server; its exit status is the command's."""
    from etherspan.lab.journal import choose
    from etherspan.lab.run import replace_process

    userns.acquire()
    argv = list(command)
    if argv[0] == "--":
        argv.pop(0)
    if not argv:
        raise click.UsageError("no command given")
    replace_process(choose(name), place, argv)
