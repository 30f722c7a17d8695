"""`etherspan host`: boot and halt an emulated host."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

import click

from etherspan import progress, userns
from etherspan.host import control
from kernel_sim.dev.paths import host_root

ROOT_OPTION = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="The host's root directory (default: ETHERSPAN_ROOT).",
)


@click.group()
def host() -> None:
    """Boot and halt the host in a root directory, in the network namespace you are in."""


@host.command()
@ROOT_OPTION
@click.option("--foreground", is_flag=True, help="Stay, and halt the host when interrupted.")
def boot(root: Path | None, *, foreground: bool) -> None:
    """Boot the host; its files are made when there are none."""
    where = _root(root)
    userns.acquire()
    progress.tell(f"{where}: booting")
    control.boot_host(where, foreground=foreground)


@host.command()
@ROOT_OPTION
def halt(root: Path | None) -> None:
    """Halt the host: its services and links end, its files stay."""
    where = _root(root)
    userns.acquire()
    was_up = control.halt_host(where)
    userns.release()
    if not was_up:
        click.echo(f"{where}: was not up")


@host.command()
@ROOT_OPTION
def status(root: Path | None) -> int:
    """Show the host's services; exit 1 when it is down."""
    found = control.host_status(_root(root))
    click.echo(str(found))
    return 0 if found.running else 1


@host.command()
def unit() -> None:
    """Print a systemd unit, etherspan@.service, that boots a host with the machine."""
    text = resources.files("etherspan.host").joinpath("etherspan@.service").read_text(encoding="utf-8")
    click.echo(text.replace("@etherspan@", str(Path(sys.executable).parent / "etherspan")), nl=False)


def _root(given: Path | None) -> Path:
    return given.absolute() if given is not None else host_root()
