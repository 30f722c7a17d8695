"""What a target is, and inputs that are made of parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

FRESH: Final = 1000
"""Inputs after which state is made anew, so that what piles up is seen as growth."""

Function = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """A function that takes any bytes, and raises nothing but what is a fault.

    `reaches` is the code it is there for: "file" or "file:name", with the wildcards of fnmatch in the qualified name of a function. Its
    corpus takes nine of ten branches in it (`tests.fuzz.reach`).
    """

    function: Function
    seeds: list[bytes]
    reaches: tuple[str, ...]

    def __call__(self, data: bytes) -> None:
        self.function(data)


TARGETS: Final[dict[str, Target]] = {}


def target(*seeds: bytes, reaches: tuple[str, ...]) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        TARGETS[function.__name__] = Target(function, list(seeds), reaches)
        return function

    return register


def part(kind: int, body: bytes) -> bytes:
    """One part of an input: kind u8, length u16, that many bytes."""
    return bytes((kind,)) + len(body).to_bytes(2, "big") + body


def parts(data: bytes, most: int = 16) -> Iterator[tuple[int, bytes]]:
    """What `part` made, in order; the last may be cut short."""
    at = 0
    while at + 3 <= len(data) and most:
        end = at + 3 + int.from_bytes(data[at + 1 : at + 3], "big")
        yield data[at], data[at + 3 : end]
        at, most = end, most - 1
