"""`etherspan man`: the manual pages."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from etherspan import manual

_SECTION_AND_PAGE = 2


@click.command()
@click.argument("page", metavar="[SECTION] PAGE", nargs=-1)
@click.option(
    "--html",
    "into",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write all pages there as HTML, with links between them.",
)
def man(page: Sequence[str], into: Path | None) -> None:
    """Show a manual page; without one, list them."""
    if into is not None:
        if page:
            raise click.UsageError("--html writes all pages; it takes no PAGE")
        count = manual.write_html(into)
        click.echo(f"{into}: {count} pages; begin with {into / 'index.html'}")
    elif not page:
        found = manual.pages()
        width = max((len(one.title) for one in found), default=0)
        for one in found:
            click.echo(f"{one.title:<{width}}  {one.summary()}")
    elif len(page) > _SECTION_AND_PAGE:
        raise click.UsageError("one PAGE at a time")
    else:
        *section, name = page
        _show(manual.find(name, section[0] if section else None))


def _show(page: manual.Page) -> None:
    terminal = sys.stdout.isatty()
    text = manual.render(page, columns=shutil.get_terminal_size().columns, emphasis=terminal)
    if terminal:
        click.echo_via_pager(text)
    else:
        click.echo(text, nl=False)
