"""Pictures of labs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from etherspan.lab import file, graph
from etherspan.lab.model import Lab

LABS = Path(__file__).parents[3] / "fixtures" / "labs"
SVG = "{http://www.w3.org/2000/svg}"


def lab(name: str) -> Lab:
    return file.parse((LABS / name).read_text(), name)


def test_mermaid_shows_hosts_overlays_zones_and_what_is_on_what() -> None:
    assert graph.mermaid(lab("linux-peer.toml")) == (
        "flowchart TB\n"
        '  n0{{"underlay<br>10.88.88.0/24<br>mtu 1500"}}\n'
        '  subgraph n1["cn0"]\n'
        '    n2["net0<br>10.88.88.69"]\n'
        '    n3["demo0<br>vxlan 23"]\n'
        '    subgraph n4["zone web"]\n'
        '      n5["vnic0<br>10.55.55.2/24<br>fd55::2/64"]\n'
        "    end\n"
        "  end\n"
        '  subgraph n6["linux0 (Linux)"]\n'
        '    n7["net0<br>10.88.88.71"]\n'
        '    n8["vxlan0<br>vxlan 23<br>10.55.55.9/24<br>fd55::9/64"]\n'
        "  end\n"
        "  n0 --- n2\n"
        "  n2 --- n3\n"
        "  n3 --- n5\n"
        "  n0 --- n7\n"
        "  n7 --- n8\n"
    )


def test_a_server_is_on_the_underlay_and_on_nothing_else() -> None:
    picture = graph.draw(lab("three-hosts-svp.toml"))
    (server,) = [node for node in picture.nodes if node.key == ("one",)]
    assert [box.lines for box in server.walk()] == [("one (portolan)",), ("net0", "10.88.88.5")]
    assert [line for line in picture.lines if "one" in line[1]] == [(("underlay",), ("one", "net0"))]


def test_dot_holds_the_same_lines() -> None:
    text = graph.dot(lab("linux-peer.toml"))
    assert text.startswith("graph lab {\n")
    assert '    n3 [label="demo0\\nvxlan 23"];\n' in text
    assert [line.strip() for line in text.splitlines() if " -- " in line] == [
        "n0 -- n2;", "n2 -- n3;", "n3 -- n5;", "n0 -- n7;", "n7 -- n8;",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["two-hosts.toml", "linux-peer-ipv6.toml"])
def test_svg_is_well_formed_and_every_box_lies_within_its_frame(name: str) -> None:
    described = lab(name)
    root = ET.fromstring(graph.FORMATS["svg"](described))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [tuple(float(r.attrib[k]) for k in ("x", "y", "width", "height")) for r in root.iter(f"{SVG}rect")]
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
    for index, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[:index]:
            apart = x >= x2 + w2 or x2 >= x + w or y >= y2 + h2 or y2 >= y + h
            inside = x >= x2 and y >= y2 and x + w <= x2 + w2 and y + h <= y2 + h2
            assert apart or inside
    texts = ["".join(t.itertext()) for t in root.iter(f"{SVG}tspan")]
    assert {*described.hosts} <= set(texts)
    assert len(list(root.iter(f"{SVG}line"))) == len(graph.draw(described).lines)


def test_vnics_outside_zones_etherstubs_and_bad_lines_are_drawn_as_far_as_they_are_known() -> None:
    described = file.parse(
        '[underlay]\nsubnet = "10.0.0.0/24"\n[host.a]\naddress = "10.0.0.1"\n'
        'dladm = ["create-etherstub stub0", "create-vnic -l stub0 vnic0", "create-vnic -q", "show-link"]\n',
        "x",
    )
    picture = graph.draw(described)
    assert [box.lines[0] for box in picture.nodes[0].walk()] == ["a", "net0", "stub0", "vnic0"]
    assert picture.lines == [(("underlay",), ("a", "net0")), (("a", "stub0"), ("a", "vnic0"))]
