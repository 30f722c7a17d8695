"""What a shell may complete: options, names of links, values of options (an addition to the original).

    eval "$(_DLADM_COMPLETE=bash_source dladm)"

A host that does not run has no links, and completion says nothing about that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

import click
from click.shell_completion import CompletionItem

from dladm.cli.table import Row
from dladm.libdladm.handle import Dladm
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkFlag
from kernel_sim.sys.errno import KernelError

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_VALUES: Final = {
    ("create-overlay", "e"): ("vxlan",),
    ("create-overlay", "s"): ("direct", "files"),
    ("create-vnic", "m"): ("random", "factory", "auto", "vrrp"),
    ("create-vnic", "A"): ("inet", "inet6"),
}
"""Values of options that have few."""
_LINK_OPTIONS: Final = {("create-vnic", "l"), ("show-vnic", "l")}
"""Options whose value is a link."""


def parameters(row: Row, open_handle: Callable[[], Dladm]) -> list[click.Parameter]:
    """The options and operands of a subcommand as click declares them."""
    found: list[click.Parameter] = []
    for option in row.options:
        names = [f"-{option.letter}"] if len(option.letter) == 1 else []
        names += [f"--{name}" for name in option.long]
        key = (row.name, option.letter)
        links = _links(DATALINK_CLASS_ALL, open_handle) if key in _LINK_OPTIONS else _words(_VALUES.get(key, ()))
        flag = not option.argument
        found.append(click.Option([*names, f"_{option.letter}"], is_flag=flag, help=option.help, shell_complete=links))
    found.append(click.Option(["--help", "_help"], is_flag=True, help="how to use it"))
    found.append(click.Argument(["links"], nargs=-1, shell_complete=_links(row.links, open_handle)))
    return found


def _words(words: tuple[str, ...]) -> Completer:
    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]

    return complete


def _links(classes: int, open_handle: Callable[[], Dladm]) -> Completer:
    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if not classes:
            return []
        with contextlib.suppress(KernelError), open_handle() as handle:
            links = handle.dlmgmt.walk(classes, DatalinkFlag.ACTIVE | DatalinkFlag.PERSIST)
            return [CompletionItem(link.name) for link in links if link.name.startswith(incomplete)]
        return []

    return complete
