"""`autopush`: the STREAMS modules that are pushed when a link is opened: `mod1.mod2.[anchor].mod3`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dladm.libdladm.status import DladmError, Status

MAXAPUSH: Final = 8
"""The most modules."""
FMNAMESZ: Final = 8
"""The longest name of a module."""
ANCHOR: Final = "[anchor]"
_SEPARATORS: Final = re.compile(r"[ .\n]+")


@dataclass(slots=True, frozen=True)
class Autopush:
    """The modules from the bottom up, and after how many of them the anchor lies (0: no anchor)."""

    modules: tuple[str, ...] = ()
    anchor: int = 0


def parse(values: Sequence[str]) -> Autopush:
    """Modules separated by dots, or by blanks as in autopush files; empty ones vanish.

    Errors: `DladmError`: BADVALCNT for another number of values than one and for more than eight modules; BADVAL for a name of more than
    eight characters, a second anchor, or an anchor below the first module.
    """
    if len(values) != 1:
        raise DladmError(Status.BADVALCNT)
    modules: list[str] = []
    anchor = 0
    for word in filter(None, _SEPARATORS.split(values[0])):
        if len(word) > FMNAMESZ:
            raise DladmError(Status.BADVAL)
        if word.lower() != ANCHOR:
            modules.append(word)
        elif anchor or not modules:
            raise DladmError(Status.BADVAL)
        else:
            anchor = len(modules)
        if len(modules) > MAXAPUSH:
            raise DladmError(Status.BADVALCNT)
    return Autopush(tuple(modules), anchor)


def format(push: Autopush) -> tuple[str, ...]:  # noqa: A001
    """One text: the names and the anchor joined by dots; nothing without modules."""
    words = list(push.modules)
    if push.anchor:
        words.insert(push.anchor, ANCHOR)
    return (".".join(words),) if words else ()
