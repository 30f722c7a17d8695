"""Pictures of a lab, from its file: the underlay, hosts with their overlays and zones, VXLAN endpoints (pure).

`draw` makes boxes and lines; each format writes those down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dladm.cli.table import BY_NAME
from dladm.getopt import BadOption, Getopt
from etherspan.lab import svg
from etherspan.lab.model import Host, Lab, Vtep
from etherspan.lab.picture import Box, Picture
from etherspan.zonefile import Nic

UNDERLAY = "underlay"


@dataclass(slots=True, frozen=True)
class _Links:
    """What a host's dladm lines make: overlays with their network ids, and each VNIC with the link below it."""

    overlays: Mapping[str, str]
    below: Mapping[str, str]


def _links(host: Host) -> _Links:
    overlays: dict[str, str] = {}
    below: dict[str, str] = {}
    for subcommand, *words in host.dladm:
        if subcommand not in {"create-overlay", "create-etherstub", "create-vnic"}:
            continue
        parser = Getopt(words, BY_NAME[subcommand].options)
        try:
            given = {option.letter: option.argument for option in parser}
        except BadOption:  # dladm will say so
            continue
        for name in parser.operands[:1]:
            if subcommand == "create-vnic":
                below[name] = given.get("l", "")
            else:
                overlays[name] = f"vxlan {given['v']}" if "v" in given else "etherstub"
    return _Links(overlays, below)


def draw(lab: Lab) -> Picture:
    """The picture of a lab."""
    title = (UNDERLAY, str(lab.underlay.subnet), f"mtu {lab.underlay.mtu}")
    picture = Picture(Box((UNDERLAY,), title))
    for name, host in lab.hosts.items():
        _draw_host(picture, name, host)
    for name, vtep in lab.vteps.items():
        _draw_vtep(picture, name, vtep)
    for name, server in lab.portolans.items():
        uplink = Box((name, "net0"), ("net0", str(server.address)))
        picture.nodes.append(Box((name,), (f"{name} (portolan)",), [uplink]))
        picture.lines.append(((UNDERLAY,), uplink.key))
    return picture


def _draw_host(picture: Picture, name: str, host: Host) -> None:
    links = _links(host)
    frame = Box((name,), (name,))
    uplink = Box((name, "net0"), ("net0", str(host.address)))
    frame.parts.append(uplink)
    picture.lines.append(((UNDERLAY,), uplink.key))
    for link, kind in links.overlays.items():
        frame.parts.append(Box((name, link), (link, kind)))
        if kind != "etherstub":
            picture.lines.append((uplink.key, (name, link)))
    in_zones = {link for zone in host.zones.values() for link in zone.nics}
    vnics = [Box((name, link), (link,)) for link in links.below if link not in in_zones]
    for zone_name, zone in host.zones.items():
        parts = [Box((name, link), (link, *_addresses(nic))) for link, nic in zone.nics.items()]
        frame.parts.append(Box((name, zone_name), (f"zone {zone_name}",), parts))
        vnics += parts
    frame.parts += [box for box in vnics if box.key[-1] not in in_zones]
    for box in vnics:
        below = links.below.get(box.key[-1], "")
        if below in links.overlays:
            picture.lines.append(((name, below), box.key))
    picture.nodes.append(frame)


def _addresses(nic: Nic) -> tuple[str, ...]:
    return tuple(map(str, nic.address))


def _draw_vtep(picture: Picture, name: str, vtep: Vtep) -> None:
    uplink = Box((name, "net0"), ("net0", str(vtep.address)))
    device = Box((name, "vxlan0"), ("vxlan0", f"vxlan {vtep.vnetid}", *map(str, vtep.inner)))
    picture.nodes.append(Box((name,), (f"{name} (Linux)",), [uplink, device]))
    picture.lines += [((UNDERLAY,), uplink.key), (uplink.key, device.key)]


def mermaid(lab: Lab) -> str:
    """A Mermaid flowchart."""
    picture = draw(lab)
    ids = _ids(picture)
    lines = ["flowchart TB", f'  {ids[picture.underlay.key]}{{{{"{"<br>".join(picture.underlay.lines)}"}}}}']

    def write(box: Box, indent: str) -> None:
        text = "<br>".join(box.lines)
        if not box.parts:
            lines.append(f'{indent}{ids[box.key]}["{text}"]')
            return
        lines.append(f'{indent}subgraph {ids[box.key]}["{text}"]')
        for part in box.parts:
            write(part, indent + "  ")
        lines.append(f"{indent}end")

    for node in picture.nodes:
        write(node, "  ")
    lines += [f"  {ids[one]} --- {ids[other]}" for one, other in picture.lines]
    return "\n".join(lines) + "\n"


def dot(lab: Lab) -> str:
    """A Graphviz graph."""
    picture = draw(lab)
    ids = _ids(picture)
    lines = [
        "graph lab {",
        "  node [shape=box];",
        f'  {ids[picture.underlay.key]} [label="{_dot_text(picture.underlay)}"];',
    ]

    def write(box: Box, indent: str) -> None:
        if not box.parts:
            lines.append(f'{indent}{ids[box.key]} [label="{_dot_text(box)}"];')
            return
        lines.append(f"{indent}subgraph cluster_{ids[box.key]} {{")
        lines.append(f'{indent}  label="{_dot_text(box)}";')
        for part in box.parts:
            write(part, indent + "  ")
        lines.append(f"{indent}}}")

    for node in picture.nodes:
        write(node, "  ")
    lines += [f"  {ids[one]} -- {ids[other]};" for one, other in picture.lines]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(box: Box) -> str:
    return "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in box.lines)


def _ids(picture: Picture) -> dict[tuple[str, ...], str]:
    """A short identifier for each box."""
    boxes = [picture.underlay, *(box for node in picture.nodes for box in node.walk())]
    return {box.key: f"n{number}" for number, box in enumerate(boxes)}


def _svg(lab: Lab) -> str:
    return svg.render(draw(lab))


FORMATS: Final[Mapping[str, Callable[[Lab], str]]] = {"mermaid": mermaid, "dot": dot, "svg": _svg}
"""Format name to the function that writes a lab in it."""
