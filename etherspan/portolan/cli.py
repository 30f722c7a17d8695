"""The `portolan` command: `portolan serve`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from etherspan.errors import EtherspanError
from libvarpd.plugins.svp.messages import SERVER_PORT

if TYPE_CHECKING:
    from etherspan.portolan.daemon import Address

MAX_PORT = 65535


class AddressType(click.ParamType["Address"]):
    """ADDRESS:PORT, an IPv6 address in brackets."""

    name = "address:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        from etherspan.portolan.daemon import Address

        if isinstance(value, Address):
            return value
        host, colon, port = str(value).rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not host.strip("[]") or (":" in host) != bracketed:
            self.fail(f"{value!r} is not ADDRESS:PORT (an IPv6 address stands in brackets)", param, ctx)
        if not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
            self.fail(f"{port!r} is no port number", param, ctx)
        return Address(host.strip("[]"), int(port))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etherspan", message="%(prog)s %(version)s")
def portolan() -> None:
    """The server that tells compute nodes where guests of an overlay network are (SVP)."""


@portolan.command()
@click.option(
    "--store",
    metavar="URL",
    help="sqlite:////PATH or postgresql+psycopg://… (default: SQLite in portolan's own folder).",
)
@click.option(
    "--listen",
    type=AddressType(),
    multiple=True,
    default=(f"127.0.0.1:{SERVER_PORT}",),
    show_default=True,
    help="Where clients connect; may be given several times. [::]:PORT is all addresses, IPv4 too.",
)
@click.option(
    "--metrics", type=AddressType(), help="Serve counters for Prometheus there (needs the extra etherspan[metrics])."
)
@click.option(
    "--user",
    metavar="USER",
    help="Whom to run as when started by root: a name, UID or UID:GID (default: portolan, else nobody).",
)
@click.option(
    "--log", type=click.Path(path_type=Path, dir_okay=False), help="Append the log to a file (default: standard error)."
)
@click.option(
    "--idle-timeout",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Cut clients that ask nothing for so long (default: never).",
)
@click.option(
    "--max-connections",
    type=click.IntRange(min=1),
    default=16384,
    show_default=True,
    help="Turn away more clients than that.",
)
def serve(
    store: str | None,
    listen: tuple[Address, ...],
    metrics: Address | None,
    user: str | None,
    log: Path | None,
    idle_timeout: float | None,
    max_connections: int,
) -> None:
    """Serve until SIGTERM, SIGINT, SIGQUIT or SIGHUP.

    A line "portolan: listening on ADDRESS:PORT" says that it serves.
    """
    from etherspan.portolan import daemon
    from kernel_sim.dev.bunyan import bunyan_log
    from kernel_sim.dev.service import set_process_name

    set_process_name("portolan")
    options = daemon.Options(listen, store, metrics, user, idle_timeout, max_connections)
    with contextlib.ExitStack() as stack:
        stream: BinaryIO = (
            open(sys.stderr.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115 - a descriptor, and not ours to close
            if log is None
            else stack.enter_context(log.open("ab", buffering=0))
        )
        daemon.run(options, bunyan_log(stream, "portolan"), _say)


def _say(line: str) -> None:
    print(f"portolan: {line}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for a failure, 2 for a wrong call, 130 after an interrupt."""
    try:
        result = portolan.main(args=argv, prog_name="portolan", standalone_mode=False)
    except EtherspanError as error:
        return _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"{where}{error.strerror or error}")
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("portolan: interrupted", file=sys.stderr)
        return 130
    return result if isinstance(result, int) else 0


def _fail(text: str) -> int:
    print(f"portolan: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
