"""`etherspan smartos`: overlays on demand."""

from __future__ import annotations

import click

from kernel_sim.dev import paths
from kernel_sim.dev.client import LocalSystem


@click.group()
def smartos() -> None:
    """Networks by NIC tag, after the rules of var/run/smartdc/networking/overlay_rules.json below the host's root."""


@smartos.command("add-nic")
@click.argument("tag", metavar="TAG/NUM")
@click.argument("vnic")
@click.option("--mac", "-m", metavar="MAC", help="The VNIC's MAC address (default: a random one).")
def add_nic(tag: str, vnic: str, mac: str | None) -> None:
    """Make a VNIC on network NUM, and its overlay TAGNUM after the rule TAG if it is not there."""
    from etherspan.smartos import RULES, NicTag, read_rules
    from etherspan.smartos import add_nic as add

    wanted = NicTag.parse(tag)
    root = paths.host_root()
    made = add(LocalSystem(root), read_rules(root / RULES), wanted, vnic, mac)
    click.echo(f"{vnic} is on {wanted.overlay}{', which was made for it' if made else ''}")


@smartos.command()
def rules() -> None:
    """Show the rules."""
    from etherspan.smartos import RULES, read_rules

    for tag, words in read_rules(paths.host_root() / RULES).items():
        click.echo(f"{tag}  {' '.join(words)}")
