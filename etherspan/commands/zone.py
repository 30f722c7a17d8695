"""`etherspan zone`: zones of the host that ETHERSPAN_ROOT names."""

from __future__ import annotations

from collections.abc import Sequence

import click

from etherspan import execute, netvalues, userns
from etherspan import zone as zones
from etherspan.netvalues import Interface
from etherspan.schema import At, Invalid
from etherspan.zonefile import Nic, Zone
from kernel_sim.dev.paths import host_root


@click.group()
def zone() -> None:
    """Zones: network namespaces with links of their own, made again at each boot."""


@zone.command()
@click.argument("name")
@click.option("--link", "-l", "links", multiple=True, metavar="LINK", help="A link to move there; may be repeated.")
@click.option(
    "--address", "-a", "addresses", multiple=True, metavar="LINK=ADDRESS/LENGTH", help="An address; may be repeated."
)
def create(name: str, links: Sequence[str], addresses: Sequence[str]) -> None:
    """Make a zone, with links and addresses."""
    userns.acquire()
    zones.create(host_root(), name, configuration(links, addresses))


@zone.command()
@click.argument("name")
def delete(name: str) -> None:
    """Remove a zone: its processes end, its links return to the host."""
    userns.acquire()
    zones.delete(host_root(), name)


@zone.command("list")
def list_() -> None:
    """Show the zones of the host."""
    userns.acquire()
    click.echo(f"{'NAME':<20}{'STATUS':<12}LINKS")
    for one in zones.list_zones(host_root()):
        click.echo(f"{one.name:<20}{'running' if one.running else 'configured':<12}{','.join(one.links) or '--'}")


@zone.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str, command: Sequence[str]) -> None:
    """Run a command inside a zone."""
    userns.acquire()
    root = host_root()
    pinned = zones.namespace(root, name)
    if not zones.is_running(root, name):
        zones.read(root, name)  # says so when there is no such zone at all
        raise zones.not_running(name)
    execute.replace_process(pinned, command[1:] if command[0] == "--" else command, execute.environment(root))


def configuration(links: Sequence[str], addresses: Sequence[str]) -> Zone:
    """The zone that options describe. Errors: click's UsageError."""
    nics: dict[str, tuple[Interface, ...]] = {}
    try:
        for link in links:
            nics.setdefault(netvalues.link_name(At(link, ("--link",))), ())
        for text in addresses:
            link, equals, address = text.partition("=")
            if not equals:
                raise click.UsageError(f"--address: '{text}' has no link; write it as LINK=ADDRESS/LENGTH")
            name = netvalues.link_name(At(link, ("--address",)))
            nics[name] = (*nics.get(name, ()), netvalues.interface(At(address, ("--address",))))
    except Invalid as error:
        raise click.UsageError(error.problems[0].message) from error
    return Zone({name: Nic(address) for name, address in nics.items()})
