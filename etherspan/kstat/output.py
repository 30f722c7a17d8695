"""The forms in which statistics are printed. Pure.

    text       two lines that name the set, a line each statistic, a blank line
    parsable   module:instance:name:statistic<TAB>value, a line each; class is one of the statistics (-p, and -C with a colon for the TAB)
    names      the same without the value (-l)
    json       one array of objects: module, instance, name, class, type, snaptime, data (-j)

`crtime` and `snaptime`, in seconds, are statistics of every set. Statistics are sorted, whatever the case of letters.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from etherspan.kstat.selector import Pattern
from kernel_sim.sys.kstat import KSTAT_TYPE_NAMED, KstatEntry

Value = int | str | float
_SECOND: Final = 1_000_000_000
_STRLEN: Final = 30


class Form(enum.Enum):
    """How values are shown. JSON is beside it: it may come with any."""

    TEXT = enum.auto()
    PARSABLE = enum.auto()
    COLONS = enum.auto()
    NAMES = enum.auto()


@dataclass(slots=True, frozen=True)
class Shown:
    """A set, and the statistics of it that are wanted, as (name, text), in order."""

    entry: KstatEntry
    stats: tuple[tuple[str, str], ...]


def shown(entry: KstatEntry, pattern: Pattern, *, with_class: bool, quote: bool) -> Shown:
    """What a selector wants of a set that it has chosen. `quote` makes texts JSON strings."""
    values: list[tuple[str, str]] = [("crtime", seconds(entry.crtime)), ("snaptime", seconds(entry.snaptime))]
    texts = [("class", entry.klass)] if with_class else []
    for stat in entry.stats:
        if isinstance(stat.value, str):
            texts.append((stat.name, stat.value))
        else:
            values.append((stat.name, str(stat.value)))
    values += [(name, json.dumps(text) if quote else text) for name, text in texts]
    wanted = [pair for pair in values if pattern.wants_statistic(pair[0])]
    return Shown(entry, tuple(sorted(wanted, key=lambda pair: pair[0].casefold())))


def seconds(nanoseconds: int) -> str:
    """A time, with all its digits; `0` for none."""
    return f"{nanoseconds // _SECOND}.{nanoseconds % _SECOND:09d}" if nanoseconds else "0"


def lines(one: Shown, form: Form) -> str:
    """A set in one of the forms that have a line each statistic."""
    entry = one.entry
    if form is Form.TEXT:
        head = (
            f"module: {entry.module[:_STRLEN]:<30}  instance: {entry.instance:<6}\n"
            f"name:   {entry.name[:_STRLEN]:<30}  class:    {entry.klass[:_STRLEN]}\n"
        )
        return head + "".join(f"\t{name:<30}  {value}\n" for name, value in one.stats) + "\n"
    prefix = f"{entry.module}:{entry.instance}:{entry.name}"
    if form is Form.NAMES:
        return "".join(f"{prefix}:{name}\n" for name, _ in one.stats)
    gap = ":" if form is Form.COLONS else "\t"
    return "".join(f"{prefix}:{name}{gap}{value}\n" for name, value in one.stats)


def document(sets: Sequence[Shown]) -> str:
    """All sets as one JSON array, in the layout of the original."""
    return f"[{','.join(map(_object, sets))}]\n"


def _object(one: Shown) -> str:
    entry = one.entry
    members: Iterable[tuple[str, str]] = (
        ("module", json.dumps(entry.module)),
        ("instance", str(entry.instance)),
        ("name", json.dumps(entry.name)),
        ("class", json.dumps(entry.klass)),
        ("type", str(int(KSTAT_TYPE_NAMED))),
        ("snaptime", seconds(entry.snaptime)),
    )
    head = "".join(f'\t"{name}": {text},\n' for name, text in members)
    data = ",\n".join(f"\t\t{json.dumps(name)}: {text}" for name, text in one.stats)
    return f'{{\n{head}\t"data": {{\n{data}\n\t}}\n}}'
