"""The pages of formats, properties, interfaces and of portolan's commands say what the code has, compared both ways."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from types import ModuleType

import click
import pytest

import libvarpd.plugin as varpd_plugin
from dladm.libdladm import vnic_conf
from etherspan import zonefile
from etherspan.lab import file as lab_file
from etherspan.portolan import cli as portolan_cli
from etherspan.portolan.admin import cli as portolanadm_cli
from etherspan.portolan.state import STORE_VARIABLE
from kernel_sim.overlay import plugin as encap_plugin
from kernel_sim.overlay.drops import DeviceDrop, MuxDrop
from kernel_sim.overlay.plugins import vxlan
from kernel_sim.sys import tunables
from kernel_sim.sys.dld import DatalinkClass
from libvarpd.plugins import files_table
from libvarpd.plugins.svp import layout
from libvarpd.plugins.svp.messages import LogType, Op, Status
from tests import mdoc

DEFENCES = (DeviceDrop.TX_TARGETS_FULL, DeviceDrop.TX_LOOKUP_RATE, DeviceDrop.RX_SOURCE, DeviceDrop.RX_LOCAL_MAC)

# ---------------------------------------------------------------------- properties


def shown_properties(page: mdoc.Page) -> dict[str, tuple[str, ...]]:
    """What the examples of a page print of properties; that this is what the command prints is seen where they run."""
    rows = (text.removeprefix("line ").split(":") for _, text in page.example if text.count(":") == 4)
    return {name: tuple("-" if cell == "--" else cell for cell in cells) for name, *cells in rows}


def test_properties_of_overlays() -> None:
    page = mdoc.find("overlay.7")
    told = {}
    for subsection in page.below("PROPERTIES"):
        for name, *cells in page.table("PROPERTIES", subsection):
            told[name] = tuple(cells)
    assert told == shown_properties(page)


def test_properties_of_vxlan() -> None:
    assert mdoc.find("vxlan.4p").names("DESCRIPTION", "Properties") == list(vxlan.PLUGIN.properties)


# ---------------------------------------------------------------------- the protocol


def test_operations_and_statuses_of_svp() -> None:
    page = mdoc.find("svp.7")
    operations = page.table("DESCRIPTION", "Operations")
    assert [(int(row[0]), row[1]) for row in operations] == [(op.value, op.name) for op in Op if op is not Op.UNKNOWN]
    statuses = page.table("DESCRIPTION", "Status")
    assert [(int(row[0]), row[1]) for row in statuses] == [(status.value, status.name) for status in Status]


def test_header_of_svp() -> None:
    rows = mdoc.find("svp.7").table("DESCRIPTION", "Header")
    assert rows == [(str(at), str(size), name) for at, size, name in fields(layout.HEADER)]


def fields(struct: object) -> Iterator[tuple[int, int, str]]:
    at = 0
    for one in struct.subcons:  # type: ignore[attr-defined]
        yield at, one.sizeof(), one.name or "pad"
        at += one.sizeof()


OPEN = {"BulkAck": "data", "LogAck": "records", "LogRm": "ids"}
"""Messages that end in something of any length."""


@pytest.mark.parametrize("section", ["MESSAGES", "RECORDS"])
def test_layouts_of_svp(section: str) -> None:
    page = mdoc.find("svp.7")
    told = page.below(section)
    records = [name for name in layout.LAYOUTS if name.endswith("Record")]
    empty = ["Ping", "Pong"]
    assert told == (records if section == "RECORDS" else [n for n in layout.LAYOUTS if n not in [*records, *empty]])
    for name in told:
        rows = [(int(at), size, what) for at, size, what in page.table(section, name)]
        if name in OPEN:
            assert rows.pop() == (rows[-1][0] + int(rows[-1][1]), "n", OPEN[name])
        else:
            assert rows == [(at, str(size), what) for at, size, what in fields(layout.LAYOUTS[name])], name


def test_sizes_and_types_of_svp() -> None:
    page = mdoc.find("svp.7")
    bodies = {row[1]: row[2] for row in page.table("DESCRIPTION", "Operations")}
    for name, struct in layout.LAYOUTS.items():
        op = "".join(f"_{c}" if c.isupper() else c.upper() for c in name).lstrip("_")
        if op in bodies and "n" not in bodies[op]:
            assert int(bodies[op]) == struct.sizeof(), name
    text = (mdoc.MAN / "man7/svp.7").read_text()
    for kind in LogType:
        _, _, record = text.partition(f".Ss {kind.name.capitalize()}Record\n")
        assert f"\nType {kind.value}.\n" in record.split(".Bl")[0]


def test_the_question_of_svp_and_its_answer() -> None:
    _, _, shown = (mdoc.MAN / "man7/svp.7").read_text().partition(".Bd -literal\n")
    request, answer = (bytes.fromhex(part) for part in shown.partition("\n.Ed")[0].split("\n\n"))
    asked, answered = layout.MESSAGE.parse(request), layout.MESSAGE.parse(answer)
    assert (asked.op, answered.op, asked.id) == (Op.VL2_REQ, Op.VL2_ACK, answered.id)
    assert layout.LAYOUTS["Vl2Req"].parse(asked.body).vnet_id == 23
    assert layout.LAYOUTS["Vl2Ack"].parse(answered.body).port == 4789


# ---------------------------------------------------------------------- files


def keys_read(module: ModuleType) -> dict[str, set[str]]:
    """The keys that each function of a module knows in a table: the arguments of `At.table`."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "at.table":
                    found[node.name] = {ast.literal_eval(one) for one in call.args}
    return found


def test_keys_of_lab_files() -> None:
    page = mdoc.find("etherspan-lab.5")
    read = keys_read(lab_file)
    told = {name: set(page.names("DESCRIPTION", name)) for name in page.below("DESCRIPTION")}
    zones = keys_read(zonefile)
    assert told == {
        "underlay": read["_underlay"],
        "hosts": set(),
        "host.NAME": read["_host"],
        "host.NAME.zone.NAME": zones["read_zone"],
        "host.NAME.zone.NAME.nic.LINK": zones["_read_nic"],
        "vtep.NAME": read["_vtep"],
        "portolan.NAME": read["_portolan"],
    }
    assert {name.partition(".")[0] for name in told} == read["read_lab"]


def texts(module: ModuleType) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_fields_of_overlay_files() -> None:
    told = set(mdoc.find("overlay_files.5").names("DESCRIPTION", ""))
    named = {text for text in texts(files_table) if text.isascii() and text.replace("-", "").isalpha()}
    assert told <= named
    entry = {field.replace("_", "-") for field in files_table.Entry.__dataclass_fields__} - {"target"}
    assert told == entry | {"ip", "port"}


def test_keys_of_datalink_conf() -> None:
    page = mdoc.find("datalink.conf.5")
    assert set(page.names("DESCRIPTION", "Keys of VNICs and etherstubs")) == vnic_conf._OWN
    text = (mdoc.MAN / "man5/datalink.conf.5").read_text()
    for kind in (DatalinkClass.PHYS, DatalinkClass.VNIC, DatalinkClass.ETHERSTUB, DatalinkClass.OVERLAY):
        assert f"{kind.value} {kind.name.lower()}" in text  # type: ignore[union-attr]


def test_variables_of_system() -> None:
    told = mdoc.find("system.5").names("DESCRIPTION", "Variables")
    assert told == [f"{module}:{name}" for name, module in tunables.MODULES.items()]
    text = (mdoc.MAN / "man5/system.5").read_text()
    counted = {drop.value for drop in (*DEFENCES, MuxDrop.RESERVED_BITS)}
    assert counted == set(re.findall(r"^\.Li ([rt]x_\w+)", text, re.MULTILINE))


# ---------------------------------------------------------------------- plugin interfaces


def members(*kinds: type) -> list[str]:
    """What a class declares for others, in its order."""
    found: dict[str, None] = {}
    for kind in kinds:
        found |= dict.fromkeys(name for name in {**kind.__annotations__, **vars(kind)} if not name.startswith("_"))
    return list(found)


def told(page: mdoc.Page) -> dict[str, list[str]]:
    return {sub: [name.split(" ")[0] for name in page.names("DESCRIPTION", sub)] for sub in page.below("DESCRIPTION")}


def test_search_plugins() -> None:
    found = told(mdoc.find("varpd_plugin.3"))
    assert sorted(found.pop("The query")) == sorted(members(varpd_plugin.Query))
    assert sorted(found.pop("The provider")) == sorted(members(varpd_plugin.Provider))
    assert sorted(name for names in found.values() for name in names) == sorted(members(varpd_plugin.SearchPlugin))


def test_encapsulation_plugins() -> None:
    found = told(mdoc.find("overlay_encap.3"))
    assert sorted(found.pop("Operations of an instance")) == sorted(members(encap_plugin.EncapInstance))
    assert sorted(name for names in found.values() for name in names) == sorted(members(encap_plugin.EncapPlugin))


# ---------------------------------------------------------------------- portolan


def leaves(group: click.Command, path: Sequence[str] = ()) -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        for name in sorted(group.commands):
            yield from leaves(group.commands[name], (*path, name))
    else:
        yield " ".join(path), group


def options(command: click.Command) -> dict[str, bool]:
    found = {"-h": False, "--help": False}
    for one in command.params:
        if isinstance(one, click.Option) and not one.hidden:
            found |= dict.fromkeys((*one.opts, *one.secondary_opts), not one.is_flag)
    return found


@pytest.mark.parametrize(
    ("name", "group"), [("portolan", portolan_cli.portolan), ("portolanadm", portolanadm_cli.portolanadm)]
)
def test_portolan(name: str, group: click.Group) -> None:
    page = mdoc.find(f"{name}.8")
    assert page.options() == options(group)
    commands = dict(leaves(group))
    assert page.below("SUBCOMMANDS") == list(commands)
    for path, command in commands.items():
        assert page.options(path) == options(command), path
    assert set(page.names("ENVIRONMENT")) == {STORE_VARIABLE, "ETHERSPAN_STATE"}
