"""etherspan sim: fleets in memory, with faults, checked after every step."""

from __future__ import annotations

import gc
import json
import sys
import time

import click

from etherspan.errors import EtherspanError

PIECE = 20
"""Steps of a run between looks at the clock."""


@click.command()
@click.option("--hosts", type=click.IntRange(2, 60_000), default=20, show_default=True, help="Hosts of the fleet.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The run; one seed is one run.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Runs, from that seed on.")
@click.option("--steps", type=click.IntRange(1), default=500, show_default=True, help="Steps of each run.")
@click.option(
    "--loss", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Chance that a datagram is lost."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each run.")
def sim(hosts: int, seed: int, seeds: int, steps: int, loss: float, as_json: bool) -> None:
    """Run a fleet in memory, on a clock of its own, with faults.

    Two tenants have the same MAC and IP addresses; guests talk and move, hosts panic, the server goes away, datagrams are lost, doubled,
    reordered and damaged. After every step it has to hold that no frame reaches the other tenant, that none comes too often, and
    that each has one fate; at the end, that every guest is found where it is. A run ends with the hash of all that happened.
    """
    from etherspan import progress
    from etherspan.testing.fleet import Fleet

    gc.set_threshold(50_000, 20, 100)  # to look through lasting hosts for garbage all the time finds none
    for number in range(seed, seed + seeds):
        gc.unfreeze()
        gc.collect()
        begun = time.perf_counter()
        try:
            progress.tell(f"seed {number}: booting {hosts} hosts")
            fleet = Fleet(hosts, number, loss=loss)
            gc.freeze()
            booted = time.perf_counter()
            for piece in progress.steps(f"seed {number}, steps", steps, PIECE):
                fleet.run(piece)
            fleet.finish()
        except AssertionError as error:
            again = f"etherspan sim --hosts {hosts} --seed {number} --steps {steps} --loss {loss:g}"
            raise EtherspanError(f"seed {number}: {error}\nthe same again: {again}") from error
        ended = time.perf_counter()
        found = {
            "hosts": hosts,
            "seed": number,
            "steps": steps,
            "events": fleet.events,
            "frames": fleet.serial,
            "delivered": len(fleet.delivered),
            "hash": fleet.world.trace.hash,
            "boot_ms_per_host": round((booted - begun) * 1e3 / hosts, 2),
            "us_per_event": round((ended - booted) * 1e6 / fleet.events, 1),
        }
        if as_json:
            print(json.dumps(found), flush=True)
        else:
            print(
                "seed {seed}: {hosts} hosts, {steps} steps, {events} events, {frames} frames, {delivered} delivered\n"
                "  {boot_ms_per_host} ms a host, {us_per_event} us an event\n"
                "  hash {hash}".format(**found),
                flush=True,
            )
    sys.stdout.flush()
