"""`etherspan probe`: checks to run inside a zone, a host or a VTEP."""

from __future__ import annotations

import re

import click

from etherspan import probe as probes
from etherspan.errors import EtherspanError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Size(click.ParamType[int]):
    """A number of bytes, with K, M or G for powers of 1024."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]+)([KMG]?)", str(value))
        if match is None:
            self.fail(f"'{value}' is not a size; write it as 64M or the like", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


def size_text(size: int) -> str:
    """A size as people say it."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"


@click.group()
def probe() -> None:
    """Check reachability and integrity from where you are."""


@probe.command()
@click.argument("address")
@click.option("--count", "-c", default=4, show_default=True, type=click.IntRange(1), help="How many requests.")
@click.option("--size", "-s", default=56, show_default=True, type=click.IntRange(0, 65000), help="Bytes in each.")
@click.option("--wait", "-W", default=2.0, show_default=True, type=click.FloatRange(0.01), help="Seconds for each.")
def ping(address: str, count: int, size: int, wait: float) -> int:
    """Send ICMP echo requests; exit 1 when one was not answered."""
    result = probes.ping(address, count, size=size, wait=wait)
    click.echo(f"{address}: {result.summary()}")
    return 0 if len(result.times) == result.sent else 1


@probe.command()
@click.option("--address", "-a", help="Where to listen (default: every address).")
@click.option("--port", "-p", default=probes.PORT, show_default=True, type=click.IntRange(1, 65535))
def receive(address: str | None, port: int) -> None:
    """Wait for one transfer and show its hash."""
    with probes.listen(address, port) as listener:
        click.echo(f"listening on port {port}")
        done = probes.serve(listener)
    click.echo(f"received {size_text(done.size)}\nsha256 {done.digest}")


@probe.command()
@click.argument("address")
@click.argument("size", type=Size(), default="64M")
@click.option("--port", "-p", default=probes.PORT, show_default=True, type=click.IntRange(1, 65535))
@click.option("--seed", type=int, help="For the same pseudo-random bytes each time.")
def send(address: str, size: int, port: int, seed: int | None) -> None:
    """Send SIZE bytes (default 64M) to a `receive` and compare the hashes; exit 1 when they differ."""
    if size == 0:
        raise EtherspanError("nothing to send; the size is 0")
    done = probes.send(address, size, port, seed)
    click.echo(f"sent {size_text(size)} in {done.seconds:.2f} s ({done.rate()})\nsha256 {done.digest}")
