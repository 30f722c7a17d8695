"""The `portolanadm` command."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from etherspan.errors import EtherspanError
from etherspan.portolan.admin import rows
from etherspan.portolan.admin.common import with_store
from etherspan.portolan.admin.questions import QUESTIONS

if TYPE_CHECKING:
    from etherspan.portolan.store.protocol import Store

_STANDARD = "-"
"""FILE that is standard input or output."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--store",
    metavar="URL",
    help="sqlite:////PATH or postgresql+psycopg://… (default: SQLite in portolan's own folder).",
)
@click.version_option(package_name="etherspan", message="%(prog)s %(version)s")
@click.pass_context
def portolanadm(context: click.Context, store: str | None) -> None:
    """Change and inspect what portolan answers from, and ask a server."""
    context.obj = store


for _command in (rows.node, rows.mapping, rows.route, rows.log, *QUESTIONS):
    portolanadm.add_command(_command)


@portolanadm.command()
@click.pass_context
def check(context: click.Context) -> int:
    """Look for rows that contradict each other; exit status 1 when there are any."""
    from etherspan.portolan.check import findings

    async def work(store: Store) -> bool:
        found = False
        async with contextlib.aclosing(findings(store)) as lines:
            async for line in lines:
                click.echo(line)
                found = True
        return found

    return int(with_store(context, work))


@portolanadm.command("import")
@click.argument("file")
@click.pass_context
def import_file(context: click.Context, file: str) -> None:
    """Put the rows of a JSON document into the store, all or none. FILE may be - for standard input."""
    from etherspan.portolan.transfer import import_document

    with _document(file) as (stream, name):
        counts = with_store(context, lambda store: import_document(store, stream, name))
    kinds = ((kind.replace("_", " "), count) for kind, count in counts.items())
    click.echo(", ".join(f"{count} {kind.removesuffix('s') if count == 1 else kind}" for kind, count in kinds))


@contextlib.contextmanager
def _document(file: str) -> Iterator[tuple[IO[bytes], str]]:
    """What is in a file, and its name. What comes bit by bit is gathered first: nobody else can write during an import."""
    with contextlib.ExitStack() as stack:
        stream = sys.stdin.buffer if file == _STANDARD else stack.enter_context(Path(file).open("rb"))
        if not stream.seekable():
            gathered = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, gathered)
            gathered.seek(0)
            stream = gathered
        yield stream, "standard input" if file == _STANDARD else file


@portolanadm.command("export")
@click.argument("file")
@click.pass_context
def export_file(context: click.Context, file: str) -> None:
    """Write all rows as a JSON document. FILE may be - for standard output; another is replaced once all is written."""
    from etherspan.portolan.transfer import export_document

    if file == _STANDARD:
        with_store(context, lambda store: export_document(store, sys.stdout.write))
        return
    target = Path(file).resolve()
    if target.exists() and not target.is_file():  # a device, a pipe: nothing to replace
        with target.open("w", encoding="utf-8") as stream:
            with_store(context, lambda store: export_document(store, stream.write))
        return
    fresh = target.with_name(f"{target.name}.new")
    try:
        with fresh.open("w", encoding="utf-8") as stream:
            with_store(context, lambda store: export_document(store, stream.write))
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    0, 1 for a failure or a negative answer, 2 for a wrong call, 130 after an interrupt, 141 when nobody reads the output.
    """
    from etherspan.portolan.store.protocol import StoreError

    try:
        result = portolanadm.main(args=argv, prog_name="portolanadm", standalone_mode=False)
        sys.stdout.flush()
    except (EtherspanError, StoreError) as error:
        return _fail(str(error))
    except BrokenPipeError:
        _discard_output()
        return 128 + signal.SIGPIPE
    except SystemExit:  # what click makes of BrokenPipeError, the output thrown away already
        return 128 + signal.SIGPIPE
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        _discard_output()
        return _fail(f"{where}{error.strerror or error}")
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("portolanadm: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return result if isinstance(result, int) else 0


def _discard_output() -> None:
    """What is left of it cannot be written: let the flush at exit go nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _fail(text: str) -> int:
    print(f"portolanadm: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
