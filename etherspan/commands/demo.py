"""`etherspan demo`."""

from __future__ import annotations

import sys

import click

from etherspan import userns
from etherspan.errors import EtherspanError


@click.command()
@click.option("--keep", is_flag=True, help="Leave the lab up, named 'demo'.")
def demo(*, keep: bool) -> int:
    """Two hosts and a Linux VXLAN peer on this machine, checked end to end; the last line says "demo: ok"."""
    from etherspan import demo as show
    from etherspan import doctor
    from etherspan.process import end_on_sigterm

    try:
        doctor.demand()
        end_on_sigterm()
        userns.acquire()
        show.run(keep=keep, say=click.echo)
        userns.release()
    except EtherspanError as error:
        for line in str(error).splitlines():
            click.echo(f"demo: {line}", err=True)
        sys.stdout.flush()
        click.echo("demo: failed")
        return 1
    click.echo("demo: ok")
    return 0
