"""`--json`: what comes out is what docs/json-output.md and the schemas in docs/json promise."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dladm.cli.table import ROWS
from etherspan.testing.sim.world import SimWorld
from tests.unit.dladm.cli.conftest import MAP, WorldHost

DOCS = Path(__file__).parents[4] / "docs"
SCHEMAS = {
    path.name.removesuffix(".json"): json.loads(path.read_text()) for path in (DOCS / "json").glob("dladm.*.json")
}

COMMANDS = [
    ("show-link", "show-link", "links"),
    ("show-link -P", "show-link", "links"),
    ("show-link -s", "show-link-statistics", "links"),
    ("show-vnic", "show-vnic", "vnics"),
    ("show-vnic -P", "show-vnic", "vnics"),
    ("show-vnic -s", "show-vnic-statistics", "links"),
    ("show-etherstub", "show-etherstub", "etherstubs"),
    ("show-etherstub -s", "show-etherstub-statistics", "links"),
    ("show-phys", "show-phys", "links"),
    ("show-phys -m", "show-phys-addresses", "addresses"),
    ("show-phys -H", "show-phys-groups", "groups"),
    ("show-phys -P", "show-phys", "links"),
    ("show-linkmap", "show-linkmap", "links"),
    ("show-linkprop", "show-linkprop", "properties"),
    ("show-linkprop -P", "show-linkprop", "properties"),
    ("show-overlay", "show-overlay", "properties"),
    ("show-overlay -f", "show-overlay-fma", "overlays"),
    ("show-overlay -t", "show-overlay-targets", "targets"),
]
EMPTY = {"show-phys -H", "show-phys -P"}
"""There is nothing they could show."""


@pytest.fixture(scope="module")
def net() -> Iterator[WorldHost]:
    """A host with all there is: overlays (one degraded), VNICs (one in a zone, one with properties), an etherstub, an interface."""
    with SimWorld() as world:
        host = WorldHost(world, world.host("a", "10.88.88.69"))
        host.inner.write(MAP, '{"2:8:20:0:0:1": {"ip": "10.88.88.1", "port": 4789}}')
        host.inner.ports.zones.append("web")
        assert host.create().status == 0
        direct = "vxlan/listen_ip=10.88.88.69,direct/dest_ip=10.88.88.70,direct/dest_port=4790"
        host.ok(f"create-overlay -t -e vxlan -s direct -v 24 -p {direct} ov1")
        host.ok("create-vnic -l ov0 -m 2:8:20:0:0:1 -p allowed-ips=10.0.0.5/32,protection=ip-nospoof vnic0")
        host.ok("create-vnic -t -l ov1 -v 7 vnic1")
        host.ok("set-linkprop -t -p zone=web vnic1")
        host.ok("create-etherstub stub0")
        yield host


def document(host: WorldHost, command: str) -> dict[str, Any]:
    """What a command that succeeds prints as JSON: one line."""
    out = host.ok(*shlex.split(command), "--json")
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out)
    return found


def schema_of(found: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = SCHEMAS[found["schema"].removeprefix("etherspan.")]
    return schema


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_every_schema_is_one_and_has_the_name_of_its_file(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    name = schema["properties"]["schema"]["const"]
    assert SCHEMAS[name.removeprefix("etherspan.")] is schema
    assert (schema["title"], schema["$id"]) == (name, f"urn:{name}")


@pytest.mark.parametrize(("command", "name", "key"), COMMANDS, ids=[command for command, *_ in COMMANDS])
def test_what_comes_out_is_what_its_schema_says(net: WorldHost, command: str, name: str, key: str) -> None:
    found = document(net, command)
    assert found["schema"] == f"etherspan.dladm.{name}.v1"
    schema = schema_of(found)
    Draft202012Validator(schema).validate(found)
    columns = schema["properties"][key]["items"]["properties"]
    assert bool(found[key]) is (command not in EMPTY)
    for record in found[key]:
        assert list(record) == list(columns), "every column, in the table's order"


def test_every_show_command_has_it_and_every_schema_is_of_a_mode_of_one() -> None:
    shows = {row.name for row in ROWS if row.name.startswith("show-")}
    assert {row.name for row in ROWS if row.records} == shows
    assert {command.partition(" ")[0] for command, *_ in COMMANDS} == shows
    assert {f"dladm.{name}.v1" for _, name, _ in COMMANDS} == set(SCHEMAS)


def test_the_manual_names_every_schema_and_its_array() -> None:
    rows = re.findall(r"^\| `(?!ipadm ).*` \| (\S+) \| (\S+) \|$", (DOCS / "json-output.md").read_text(), re.MULTILINE)
    assert dict(rows) == {name: key for _, name, key in COMMANDS}


def test_values_have_types(net: WorldHost) -> None:
    links = {link["link"]: link for link in document(net, "show-link")["links"]}
    assert links["vnic1"] == {
        "link": "vnic1",
        "class": "vnic",
        "mtu": 1400,
        "state": "up",
        "bridge": None,
        "over": "ov1",
        "zone": "web",
    }
    [stored] = document(net, "show-link -P vnic0")["links"]
    assert (stored["mtu"], stored["state"], stored["over"]) == (None, None, "ov0")
    [vnic] = document(net, "show-vnic vnic1")["vnics"]
    assert (vnic["vid"], vnic["speed"], vnic["zone"], vnic["macaddrtype"]) == (7, 0, "web", "random")
    [address] = document(net, "show-phys -m")["addresses"]
    assert (address["inuse"], address["client"]) == (True, "net0")
    properties = {one["property"]: one for one in document(net, "show-overlay ov1")["properties"]}
    assert properties["direct/dest_port"] == {
        "link": "ov1",
        "property": "direct/dest_port",
        "perm": "rw",
        "req": True,
        "value": 4790,
        "default": None,
        "possible": ["1-65535"],
    }
    assert properties["search"]["value"] == "direct"
    assert document(net, "show-overlay -f ov1")["overlays"] == [{"link": "ov1", "status": "ONLINE", "details": None}]
    protection, ips = document(net, "show-linkprop -p protection,allowed-ips vnic0")["properties"]
    assert (protection["value"], ips["value"]) == (["ip-nospoof"], ["10.0.0.5/32"])


def test_fields_choose_the_keys_in_their_order(net: WorldHost) -> None:
    found = document(net, "show-link -o mtu,link vnic0")
    assert found == {"schema": "etherspan.dladm.show-link.v1", "links": [{"mtu": 1400, "link": "vnic0"}]}
    assert document(net, "show-link -o all") == document(net, "show-link")
    done = net("show-link -o link,frob vnic0 --json")
    assert done.err == "dladm: warning: ignoring unknown output field: `frob'\n"
    assert json.loads(done.out)["links"] == [{"link": "vnic0"}]


def test_nothing_to_show_is_an_empty_array(host: Any) -> None:
    for command, name, key in COMMANDS:
        assert document(host, command) == {"schema": f"etherspan.dladm.{name}.v1", key: []}


def test_warnings_and_the_exit_status_stay_and_the_rest_is_shown(net: WorldHost) -> None:
    done = net("show-overlay -f nope0 ov1 --json")
    assert (done.err, done.status) == ("dladm: warning: failed to find nope0: object not found\n", 1)
    assert [one["link"] for one in json.loads(done.out)["overlays"]] == ["ov1"]


def test_a_command_that_ends_with_an_error_prints_no_object(net: WorldHost) -> None:
    assert net.fails("show-link nope0 --json") == "dladm: link nope0 is not valid: object not found\n"
    assert net.fails("show-overlay -f --json ov1 stub0") == "dladm: datalink stub0 is not an overlay device\n\n"


def test_it_does_not_go_with_parsable_output(net: WorldHost) -> None:
    for command in ("show-link -p -o link", "show-vnic -p -o link", "show-phys -p -o link", "show-overlay -p -o link"):
        assert net.fails(f"{command} --json") == "dladm: the option --json cannot be used with -p\n"
    assert net.fails("show-linkprop --json -c -o link") == "dladm: the option --json cannot be used with -c\n"


def test_no_usage_entry_tells_of_it() -> None:
    assert not any("json" in row.usage for row in ROWS)


def test_a_name_that_is_no_text_is_json_all_the_same(net: WorldHost) -> None:
    from dladm.ofmt import Column
    from dladm.ofmt_json import JsonFormatter

    lines: JsonFormatter[str] = JsonFormatter([Column("LINK", 10, str)], "s", "links")
    assert list(lines.lines("n\udcff")) == []
    assert lines.document() == '{"schema": "s", "links": [{"link": "n\\udcff"}]}'
    assert json.loads(lines.document())["links"] == []
