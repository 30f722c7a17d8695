"""The pages of the commands say what the commands have: options, subcommands, tables and exit statuses, compared both ways."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest

import dladm.cli
import etherspan.ipadm
from dladm.cli import main as dladm_main
from dladm.cli import table as dladm_table
from dladm.dlmgmtd import daemon as dlmgmtd
from dladm.getopt import Declared
from dladm.libdladm import linkprop_table
from dladm.libdladm.linkprop_kept import Number
from dladm.libdladm.linkprop_resource import Ringed
from dladm.libscf import repository
from dladm.libscf.protocol import RESTARTER, State
from dladm.ofmt import Column
from etherspan import svc, svccfg
from etherspan.host.services import KERNEL, SERVICES
from etherspan.ipadm import cli as ipadm_cli
from etherspan.ipadm import table as ipadm_table
from etherspan.kstat import command as kstat
from etherspan.snoop import command as snoop
from kernel_sim.dev.paths import ROOT_VARIABLE
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkClass
from libvarpd import daemon as varpd_daemon
from libvarpd import varpd
from tests import mdoc

PAGES = ("dladm", "dlmgmtd", "ipadm", "kstat", "snoop", "svcadm", "svccfg", "svcs", "varpd")
TABLES: dict[str, Sequence[dladm_table.Row] | Sequence[ipadm_table.Row]] = {
    "dladm": dladm_table.ROWS,
    "ipadm": ipadm_table.ROWS,
}
POSIX = "POSIXLY_CORRECT"


def page(name: str) -> mdoc.Page:
    return mdoc.find(f"{name}.8")


# ---------------------------------------------------------------------- what the code has


def declared(options: Iterable[Declared]) -> dict[str, bool]:
    """The options of a table, and whether each takes an argument."""
    found: dict[str, bool] = {}
    for option in options:
        names = [f"-{option.letter}"] if len(option.letter) == 1 else []
        found |= dict.fromkeys([*names, *(f"--{name}" for name in option.long)], option.argument)
    return found


def letters(text: str) -> dict[str, bool]:
    """The options of a getopt string."""
    return {f"-{letter}": colon == ":" for letter, colon in re.findall(r"([^:])(:?)", text)}


def reachable(module: ModuleType, *roots: str) -> list[ast.FunctionDef]:
    """The functions of a module that these may call, and they themselves."""
    tree = ast.parse(inspect.getsource(module))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    todo, seen = list(roots), set[str]()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            named = {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)}
            todo += named & functions.keys()
    return [functions[name] for name in sorted(seen)]


def getopt_string(module: ModuleType, function: str) -> str:
    """What a function hands to getopt."""
    (call,) = (
        node
        for one in reachable(module, function)
        for node in ast.walk(one)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getopt.getopt"
    )
    text = ast.literal_eval(call.args[1])
    assert isinstance(text, str)
    return text


def long_words(module: ModuleType, root: str) -> dict[str, bool]:
    """The long options that functions look for by themselves, such as `--help`."""
    texts = (node.value for one in reachable(module, root) for node in ast.walk(one) if isinstance(node, ast.Constant))
    return {text: False for text in texts if isinstance(text, str) and re.fullmatch(r"--[a-z-]+", text)}


def svcadm_commands() -> dict[str, str]:
    """The subcommands of svcadm with their getopt strings."""
    for one in reachable(svc, "_svcadm"):
        for node in ast.walk(one):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "commands":
                found: dict[str, str] = ast.literal_eval(node.value)
                return found
    raise AssertionError("svcadm has no table of commands any more")


def numbers(node: ast.expr | None, module: ModuleType) -> Iterator[int]:
    """The exit statuses that an expression can have, as far as it says them."""
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            yield value
        case ast.Name(id=name) if isinstance(vars(module).get(name), int):
            yield vars(module)[name]
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*numbers(body, module), *numbers(orelse, module))
        case ast.BoolOp(values=values) | ast.Tuple(elts=values):
            for one in values:
                yield from numbers(one, module)
        case ast.BinOp(left=ast.Constant(value=128), right=ast.Attribute(attr=name)):
            yield 128 + signal.Signals[name]
        case _:
            return


def said(function: ast.FunctionDef, module: ModuleType) -> Iterator[int]:
    """The exit statuses in a function: what it returns, notes as `status` or `done`, or hands on."""
    returns = ast.unparse(function.returns) if function.returns else ""
    for argument, value in zip(reversed(function.args.args), reversed(function.args.defaults), strict=False):
        if argument.arg == "status":
            yield from numbers(value, module)
    for node in ast.walk(function):
        match node:
            case ast.Return(value=returned) if "int" in returns:
                yield from numbers(returned, module)
            case ast.Assign(targets=[ast.Name(id="status" | "done")], value=noted):
                yield from numbers(noted, module)
            case ast.Call(func=ast.Name(id="Exit" | "_fail"), args=args):
                for one in args:
                    yield from numbers(one, module)


def statuses(module: ModuleType, *roots: str) -> set[int]:
    return {number for one in reachable(module, *roots) for number in said(one, module)}


def table_statuses(package: str, main: ModuleType, rows: Sequence[Any]) -> set[int]:
    """Those of a command whose subcommands are in a table."""
    found = statuses(main, "main")
    for row in rows:
        module, _, function = row.handler.partition(":")
        found |= statuses(importlib.import_module(f"{package}.{module}"), function)
    return found


STATUSES: dict[str, Callable[[], set[int]]] = {
    "dladm": lambda: table_statuses("dladm.cli", dladm_main, dladm_table.ROWS),
    "dlmgmtd": lambda: statuses(dlmgmtd, "main"),
    "ipadm": lambda: table_statuses("etherspan.ipadm", ipadm_cli, [r for r in ipadm_table.ROWS if r.name != "help"]),
    "kstat": lambda: statuses(kstat, "main"),
    "snoop": lambda: statuses(snoop, "main"),
    "svcadm": lambda: statuses(svc, "svcadm_main"),
    "svccfg": lambda: statuses(svccfg, "svccfg_main"),
    "svcs": lambda: statuses(svc, "svcs_main"),
    "varpd": lambda: statuses(varpd, "main"),
}
OPTIONS: dict[str, Callable[[], dict[str, bool]]] = {
    "dladm": dict,
    "dlmgmtd": dict,
    "ipadm": dict,
    "kstat": lambda: letters(kstat._OPTIONS) | long_words(kstat, "main"),
    "snoop": lambda: letters(snoop._OPTIONS),
    "svcadm": lambda: long_words(svc, "svcadm_main"),
    "svccfg": lambda: letters(getopt_string(svccfg, "_svccfg")) | long_words(svccfg, "svccfg_main"),
    "svcs": lambda: letters(getopt_string(svc, "_svcs")) | long_words(svc, "svcs_main"),
    "varpd": lambda: letters(varpd._OPTIONS),
}
VARIABLES: dict[str, set[str]] = {
    "dladm": {ROOT_VARIABLE, dladm_main.DEBUG_VARIABLE, POSIX},
    "ipadm": {ROOT_VARIABLE, ipadm_cli.DEBUG_VARIABLE, POSIX},
}


def synopsis(name: str) -> Iterator[tuple[list[str], set[str]]]:
    """The forms of a page's synopsis: the subcommands, and the options with all letters of a group apart."""
    text = (mdoc.MAN / "man8" / f"{name}.8").read_text()
    shown = re.split(r"(?m)^\.Sh ", text)[2]
    assert shown.startswith("SYNOPSIS\n")
    for form in re.split(r"(?m)^\.Nm\n", shown)[1:]:
        first, *_ = form.splitlines() or [""]
        commands = re.findall(r"[a-z][a-z-]+", first) if first.startswith(".Cm ") else []
        options: set[str] = set()
        for group in re.findall(r"\bFl ((?:-[a-z-]+|\w+)(?: \| \w\b)*)", form):
            for word in group.split(" | "):
                options |= {f"-{word}"} if word.startswith("-") else {f"-{letter}" for letter in word}
        yield commands, options


def field_tables(package: ModuleType) -> set[tuple[str, ...]]:
    """The names of the columns of all tables that a package prints."""
    found = set()
    for one in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(one.name)).values():
            if isinstance(value, tuple) and value and all(isinstance(column, Column) for column in value):
                found.add(tuple(column.name for column in value))
    return found


def link_property(prop: linkprop_table.LinkProperty) -> tuple[str, ...]:
    """A link property as its row in the page should be."""
    classes = {
        DATALINK_CLASS_ALL: "all",
        DatalinkClass.PHYS: "phys",
        DatalinkClass.VNIC: "vnic",
        DatalinkClass.PHYS | DatalinkClass.AGGR | DatalinkClass.VNIC: "phys, vnic",
        DATALINK_CLASS_ALL & ~DatalinkClass.VNIC: "not vnic",
    }
    asked = isinstance(prop.kept, Number) and not prop.default
    return (
        prop.name,
        classes[prop.classes],
        "list" if prop.several else "number" if prop.numeric else "text",
        "rw" if prop.writable else "r-",
        prop.default or ("the link's" if asked else "none"),
        ",".join(prop.possible) or ("the link's" if asked or isinstance(prop.kept, Ringed) else ""),
    )


# ---------------------------------------------------------------------- the pages


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc")
@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say(name: str) -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", mdoc.MAN / "man8" / f"{name}.8"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("name", PAGES)
def test_sections(name: str) -> None:
    found = page(name)
    assert found.description
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"} <= set(
        found.sections
    )
    assert any(line.startswith("line # ") for _, line in found.example), "no example runs"


@pytest.mark.parametrize("name", PAGES)
def test_options(name: str) -> None:
    assert page(name).options() == OPTIONS[name]()


@pytest.mark.parametrize("name", PAGES)
def test_synopsis_has_no_other_options(name: str) -> None:
    """Per subcommand: what the synopsis shows is explained below."""
    known = page(name)
    own = known.options()
    for commands, shown in synopsis(name):
        for explained in [known.options(command) for command in commands] or [own]:
            assert shown <= explained.keys(), commands


@pytest.mark.parametrize("name", TABLES)
def test_subcommands(name: str) -> None:
    found = page(name)
    assert found.below("SUBCOMMANDS") == [row.name for row in TABLES[name]]
    for row in TABLES[name]:
        assert found.options(row.name) == declared(row.options), row.name


def test_subcommands_of_click() -> None:
    group = dladm_main.DladmGroup("dladm")
    with group.make_context("dladm", []) as context:
        assert page("dladm").below("SUBCOMMANDS") == group.list_commands(context)


def test_subcommands_of_svcadm() -> None:
    found = page("svcadm")
    assert found.below("SUBCOMMANDS") == list(svcadm_commands())
    for name, text in svcadm_commands().items():
        assert found.options(name) == letters(text), name


def test_subcommands_of_svccfg() -> None:
    nobody: Any = None
    commands = svccfg.Configurator(nobody)._commands
    assert page("svccfg").below("SUBCOMMANDS") == list(commands)
    for name in commands:
        assert page("svccfg").options(name) == {}, name


@pytest.mark.parametrize("name", PAGES)
def test_exit_statuses(name: str) -> None:
    assert {int(one) for one in page(name).names("EXIT STATUS")} == STATUSES[name]()


@pytest.mark.parametrize("name", PAGES)
def test_environment(name: str) -> None:
    assert set(page(name).names("ENVIRONMENT")) == VARIABLES.get(name, {ROOT_VARIABLE})


@pytest.mark.parametrize(("name", "package"), [("dladm", dladm.cli), ("ipadm", etherspan.ipadm)])
def test_fields(name: str, package: ModuleType) -> None:
    lists = page(name).lists_in("SUBCOMMANDS", kind="tag")
    shown = {tuple(item.text for item in one.items if item.head[:1] == ["Sy"]) for one in lists}
    assert shown - {()} == field_tables(package)


def test_link_properties() -> None:
    rows = page("dladm").table("LINK PROPERTIES")
    assert rows == [link_property(prop) for prop in linkprop_table.TABLE]


def test_each_link_property_is_explained() -> None:
    (explained, *_inner) = page("dladm").lists_in("LINK PROPERTIES", kind="tag")
    assert [item.text for item in explained.items] == [prop.name for prop in linkprop_table.TABLE]


def test_service_properties() -> None:
    rows = page("svccfg").table("PROPERTIES")
    assert rows == [
        (fmri, name, one.type, " ".join(one.values))
        for fmri, properties in repository.MANIFEST.items()
        for name, one in properties.items()
    ]
    assert page("svccfg").names("PROPERTIES", "") == [row[1] for row in rows]
    assert set(page("svccfg").names("PROPERTIES", "Types")) == repository.TYPES


def test_tables_of_svcs() -> None:
    found = page("svcs")
    assert found.names("DESCRIPTION", "Columns") == [name.upper() for name in svc._COLUMNS]
    assert found.names("DESCRIPTION", "States") == list(State)
    assert set(found.names("DESCRIPTION", "Services")) == {RESTARTER, *SERVICES} - {KERNEL}


def test_signals_of_varpd() -> None:
    (listed,) = page("varpd").lists_in("DESCRIPTION", "Signals")
    names = {word for item in listed.items for word in item.text.replace(",", " ").split()}
    assert names == {one.name for one in varpd_daemon.SIGNALS}
