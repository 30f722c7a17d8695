"""What a picture of a lab is made of (pure): boxes within boxes, and lines between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Box:
    """Something drawn. `key` is its path, unique in the picture; `lines` its text; boxes with `parts` are frames around them."""

    key: tuple[str, ...]
    lines: tuple[str, ...]
    parts: list[Box] = field(default_factory=list)

    def walk(self) -> Iterator[Box]:
        """The box itself and all within."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(slots=True)
class Picture:
    """Boxes from left to right, and lines between two of their keys."""

    underlay: Box
    nodes: list[Box] = field(default_factory=list)
    lines: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
