"""`etherspan doctor`."""

from __future__ import annotations

import click


@click.command()
def doctor() -> int:
    """What this machine can do, and how to mend what it cannot; exit 1 when something is missing that is needed."""
    from etherspan import doctor as examination

    checks = examination.examine()
    for line in examination.lines(checks):
        click.echo(line)
    missing = [check.name for check in checks if check.required and not check.ok]
    click.echo()
    if missing:
        click.echo(f"doctor: hosts cannot run here; missing: {', '.join(missing)}")
        return 1
    click.echo("doctor: hosts, labs and the demo can run here")
    return 0
