"""`etherspan bench`."""

from __future__ import annotations

import importlib
import shutil
from types import ModuleType

import click

from etherspan.errors import EtherspanError

GROUPS = {
    "datapath": ("datapath",),
    "control": ("command", "first_packet", "scale", "targets"),
    "svp": ("svp", "svp_fleet"),
    "soak": ("soak",),
}
"""What is measured together: modules of `etherspan.bench`, each with a `main(argv)`."""
PARTS = tuple(dict.fromkeys(part for parts in GROUPS.values() for part in parts))
NEEDS = {"datapath": {"iperf3": "iperf3", "ip": "iproute2", "cc": "gcc"}}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", type=click.Choice(list(dict.fromkeys((*GROUPS, *PARTS)))))
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION]...")
def bench(name: str, options: tuple[str, ...]) -> int:
    """Measure this machine: `datapath` beside Linux vxlan and a naive loop, `control` (commands, first frames, many links,
    large tables), `svp`, or an hour's `soak`. Each can be run by its own name, with options of its own: `etherspan bench datapath --help`.
    """
    parts = GROUPS.get(name, (name,))
    if len(parts) > 1 and options:
        raise click.UsageError(f"{name} measures {', '.join(parts)}; give options to one of them")
    for part in parts:
        missing = [package for program, package in NEEDS.get(part, {}).items() if shutil.which(program) is None]
        if missing:
            raise EtherspanError(f"bench {part} needs more programs: apt-get install {' '.join(sorted(missing))}")
    status = 0
    for part in parts:
        module = importlib.import_module(f"etherspan.bench.{part}")
        click.echo(f"{part}: {_what(module)}", err=True)
        status = module.main(options) or status
    return status


def _what(module: ModuleType) -> str:
    """What a module measures: the first sentence of its text."""
    return (module.__doc__ or "").partition("\n")[0]
