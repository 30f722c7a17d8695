"""A lab's picture as SVG (pure): the underlay as a bar, a column for each node below it, lines drawn first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from etherspan.lab.picture import Box, Picture

CHARACTER = 7.3
"""Width of a character of the 12-point monospaced font, in pixels."""
LINE = 16
PADDING = 10
GAP = 24


@dataclass(slots=True, frozen=True)
class Placed:
    """A box with its rectangle in pixels."""

    box: Box
    x: float
    y: float
    width: float
    height: float


def render(picture: Picture) -> str:
    """The SVG document."""
    columns = [_size(node) for node in picture.nodes]
    bar_height = LINE + 2 * PADDING
    width = max(
        sum(w for w, _ in columns) + GAP * (len(columns) + 1), _text_width(picture.underlay, one_line=True) + 2 * GAP
    )
    height = bar_height + max(h for _, h in columns) + 3 * GAP
    placed = [Placed(picture.underlay, GAP, GAP, width - 2 * GAP, bar_height)]
    x: float = GAP
    for node, (node_width, _) in zip(picture.nodes, columns, strict=True):
        placed += _place(node, x, 2 * GAP + bar_height, node_width)
        x += node_width + GAP
    where = {one.box.key: one for one in placed}
    parts = [_rectangle(one) for one in placed]
    parts += [_line(where[one], where[other]) for one, other in picture.lines]
    parts += [_text(one, one_line=one.box is picture.underlay) for one in placed]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-family="monospace" font-size="12">'
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _text_width(box: Box, *, one_line: bool = False) -> float:
    longest = len("  ".join(box.lines)) if one_line else max(map(len, box.lines))
    return longest * CHARACTER + 2 * PADDING


def _size(box: Box) -> tuple[float, float]:
    height = len(box.lines) * LINE + 2 * PADDING
    if not box.parts:
        return _text_width(box), height
    inner = [_size(part) for part in box.parts]
    width = max(_text_width(box), max(w for w, _ in inner) + 2 * PADDING)
    return width, height + sum(h + GAP for _, h in inner) - GAP + PADDING


def _place(box: Box, x: float, y: float, width: float) -> Iterator[Placed]:
    yield Placed(box, x, y, width, _size(box)[1])
    top = y + len(box.lines) * LINE + 2 * PADDING
    for part in box.parts:
        yield from _place(part, x + PADDING, top, width - 2 * PADDING)
        top += _size(part)[1] + GAP


def _rectangle(one: Placed) -> str:
    fill = "#f4f4f4" if one.box.parts else "#ffffff"
    return (
        f'<rect x="{one.x:.1f}" y="{one.y:.1f}" width="{one.width:.1f}" height="{one.height:.1f}" rx="4" '
        f'fill="{fill}" stroke="#444444"/>'
    )


def _line(one: Placed, other: Placed) -> str:
    """From the lower edge of one to the upper edge of the other, at the other's middle where it can be upright."""
    x2 = other.x + other.width / 2
    x1 = min(max(x2, one.x), one.x + one.width)
    return f'<line x1="{x1:.1f}" y1="{one.y + one.height:.1f}" x2="{x2:.1f}" y2="{other.y:.1f}" stroke="#444444"/>'


def _text(one: Placed, *, one_line: bool) -> str:
    lines = ["  ".join(one.box.lines)] if one_line else one.box.lines
    spans = "".join(
        f'<tspan x="{one.x + PADDING:.1f}" y="{one.y + PADDING + LINE * (index + 0.75):.1f}">{escape(line)}</tspan>'
        for index, line in enumerate(lines)
    )
    return f'<text xml:space="preserve">{spans}</text>'
