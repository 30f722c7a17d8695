"""The `etherspan` command. A subcommand's module is imported when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

import click

from etherspan.errors import EtherspanError
from kernel_sim.sys.errno import KernelError

COMMANDS: Final = {
    "bench": ("etherspan.commands.bench:bench", "Measure this machine, beside Linux vxlan and a naive loop."),
    "demo": ("etherspan.commands.demo:demo", "Two hosts and a Linux VXLAN peer on this machine, checked end to end."),
    "doctor": ("etherspan.commands.doctor:doctor", "What this machine can do, and how to mend what it cannot."),
    "host": ("etherspan.commands.host:host", "Boot and halt an emulated host."),
    "lab": ("etherspan.commands.lab:lab", "Several hosts, zones and VXLAN endpoints from one file."),
    "man": ("etherspan.commands.man:man", "Show a manual page; without one, list them."),
    "probe": ("etherspan.commands.probe:probe", "Check reachability and integrity from where you are."),
    "sim": ("etherspan.commands.sim:sim", "A fleet in memory with faults, checked after every step."),
    "smartos": ("etherspan.commands.smartos:smartos", "Overlays on demand, by NIC tag."),
    "zone": ("etherspan.commands.zone:zone", "Zones of a host: network namespaces with links of their own."),
}
"""Name to where the command is, and its line of help."""


class LazyGroup(click.Group):
    """A group that imports a subcommand's module when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etherspan", message="%(prog)s %(version)s")
def etherspan() -> None:
    """Emulated illumos hosts with overlay networks, on Linux.

    ETHERSPAN_ROOT names the host that commands talk to.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for a failure, 2 for a wrong call, 130 after an interrupt."""
    try:
        result = etherspan.main(args=argv, prog_name="etherspan", standalone_mode=False)
    except (EtherspanError, KernelError) as error:
        for line in str(error).splitlines():
            print(f"etherspan: {line}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        print(f"etherspan: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("etherspan: interrupted", file=sys.stderr)
        return 130
    return result if isinstance(result, int) else 0
