"""How packets are printed: a line each, a line a layer (-V), or all fields (-v)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from etherspan.snoop.decode import Layer, mac_text
from etherspan.snoop.packet import Packet
from kernel_sim.sys.snoop import Way

_HEX_ROW: Final = 16
_ADDRESSED: Final = frozenset({"IP", "IPv6", "ARP"})
_WAYS: Final = {Way.UNKNOWN: "", Way.IN: "in", Way.OUT: "out"}


@dataclass(slots=True)
class Style:
    """What is wanted: `detail` "", "V" or "v"; `stamp` "r" since the first packet, "a" time of day, "d" since the one before, "" none."""

    detail: str = ""
    stamp: str = ""
    sizes: bool = False
    dump: tuple[int, int | None] | None = None


class Printer:
    """Makes the lines of one packet after another."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._first = self._before = 0

    def lines(self, number: int, packet: Packet, layers: Sequence[Layer]) -> Iterator[str]:
        """The lines of a packet; `number` counts from 1."""
        style = self._style
        stamp = self._stamp(packet.time)
        if style.detail == "v":
            yield from self._detail(number, packet, layers)
        else:
            shown = layers if style.detail == "V" else layers[-1:]
            if style.detail != "V" and layers[-1].name == "DATA" and len(layers) > 1:
                shown = layers[-2:-1]
            nested = "VXLAN " if any(one.name == "VXLAN" for one in layers) and style.detail != "V" else ""
            source, target = endpoints(layers)
            vni = next((f"VNI={one.values['vnetid']} " for one in layers if one.name == "VXLAN"), "") if nested else ""
            size = f"length: {packet.size:4d}  " if style.sizes else ""
            tail = f"  [{packet.reason}]" if packet.reason else ""
            if style.detail == "V":
                yield "________________________________"
            for one in shown:
                yield f"{number:3d} {stamp:>10} {source:>16} -> {target:<16} {size}{nested}{vni}{one.summary}{tail}".rstrip()
        if style.dump is not None:
            yield ""
            yield from _dump(packet.data, *style.dump)
            yield ""

    def _stamp(self, time: int) -> str:
        self._first = self._first or time
        before, self._before = self._before or time, time
        if self._style.stamp == "a":
            return f"{dt.datetime.fromtimestamp(time / 1e9, tz=None):%H:%M:%S.%f}"[:14]  # noqa: DTZ006 - the clock on the wall
        if self._style.stamp in ("r", "d"):
            return f"{(time - (self._first if self._style.stamp == 'r' else before)) / 1e9:.5f}"
        return ""

    def _detail(self, number: int, packet: Packet, layers: Sequence[Layer]) -> Iterator[str]:
        for layer in layers:
            head = f"{layer.name + ':':<7}"
            yield f"{head} ----- {layer.name.capitalize() if layer.name == 'ETHER' else layer.name} Header -----"
            yield head.rstrip()
            if layer is layers[0]:
                at = dt.datetime.fromtimestamp(packet.time / 1e9, tz=None)  # noqa: DTZ006 - the clock on the wall
                yield f"{head} Packet {number} arrived at {at:%H:%M:%S.%f}"
                if packet.way:
                    yield f"{head} Direction = {_WAYS[packet.way]}"
                if packet.reason:
                    yield f"{head} Dropped = {packet.reason}"
            for name, value in layer.fields:
                yield f"{head} {name} = {value}"
            yield head.rstrip()


def endpoints(layers: Sequence[Layer]) -> tuple[str, str]:
    """Who sends to whom: of the innermost frame, IP addresses if it has any."""
    last = max((at for at, layer in enumerate(layers) if layer.name == "ETHER"), default=0)
    for layer in layers[last:]:
        if layer.name in _ADDRESSED:
            fields = dict(layer.fields)
            if layer.name == "ARP":
                asked = layer.summary.startswith("ARP C")
                return fields["Sender's protocol address"], "(broadcast)" if asked else fields[
                    "Target protocol address"
                ]
            return fields["Source address"], fields["Destination address"]
    values = layers[last].values
    if "src" not in values:
        return "?", "?"
    target = "(broadcast)" if values["dst"] == b"\xff" * 6 else mac_text(values["dst"].hex(":"))
    return mac_text(values["src"].hex(":")), target


def _dump(data: bytes, offset: int, length: int | None) -> Iterator[str]:
    data = data[offset:] if length is None else data[offset : offset + length]
    for at in range(0, len(data), _HEX_ROW):
        row = data[at : at + _HEX_ROW]
        pairs = " ".join(row[i : i + 2].hex() for i in range(0, len(row), 2))
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        yield f"{at + offset:8d}: {pairs:<39}    {text}"
