"""Change the code in 1,000 places, one at a time, and see which changes no test notices.

    python tools/mutation.py map          run the tests once, to learn which of them reach which line (build/mutation)
    python tools/mutation.py run          draw the mutants, and run for each the tests that reach it; goes on where it was
    python tools/mutation.py report       how many were killed, and those that were not

The mutants of one seed are always the same ones. A mutant is one changed operator, number, condition, result or call. It is killed when a
test fails, or does not end in time. Tests run nearest first: those of whose lines most are in the changed module. `--only
survived` takes the survivors again, after the tests have become better; with `--tests` over new files of tests, which the map lacks.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.machinery
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import construct  # noqa: F401 - loaded once, for all children
import coverage
import hypothesis.stateful  # noqa: F401
import pytest

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "mutation"
DATA = WORK / "coverage"
SECONDS = WORK / "seconds.json"
RESULTS = WORK / "results.jsonl"
TARGETS = (
    *("kernel_sim/overlay", "libvarpd/arp.py", "libvarpd/lookup.py"),
    *("libvarpd/plugins/svp/wire.py", "libvarpd/plugins/svp/messages.py", "libvarpd/plugins/svp/layout.py"),
)
"""The overlay module, varpd's proxies with what calls them, and the SVP codec."""
TESTS = ("tests/unit", "tests/property", "tests/scenarios/test_in_memory.py", "tests/fuzz")
QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning")

COMPARISONS = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Div: ast.Mult,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
}  # fmt: skip
TELLING = {"debug", "info", "warning", "error", "note"}
"""Calls that only put something into a log."""


@dataclass(slots=True, frozen=True, order=True)
class Mutant:
    """`place` is the number of the changed node in the order of `nodes`, `kind` what is done to it."""

    file: str
    line: int
    place: int
    kind: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}:{self.place}:{self.kind}"


def sources() -> list[str]:
    """The files that are changed, relative to the project's folder."""
    found: list[Path] = []
    for one in TARGETS:
        path = ROOT / one
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(path.relative_to(ROOT)) for path in found]


# ---------------------------------------------------------------------- mutants


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of code that runs: no annotations, docstrings, decorators, nor the text of an error or an assertion."""
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "decorator_list", "type_comment"} or (
            isinstance(tree, ast.Raise) and name == "exc"
        ):
            continue
        if isinstance(tree, ast.Assert):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _unheard(child):
                yield child
                yield from nodes(child)


def _unheard(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    return (
        isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
    )


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST]]]:  # noqa: C901 - a row for each kind of change
    """What can be done to a node: a name, and what makes the other node of a copy of it."""
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                if type(op) in COMPARISONS:
                    yield f"compare{at}", lambda it, at=at: _with(it, ops=_replaced(it.ops, at, COMPARISONS))
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            yield "operator", lambda it: _with(it, op=OPERATORS[type(it.op)]())
        case ast.AugAssign(op=op) if type(op) in OPERATORS:
            yield "operator", lambda it: _with(it, op=OPERATORS[type(it.op)]())
        case ast.BoolOp(op=op):
            other = ast.Or if isinstance(op, ast.And) else ast.And
            yield "bool", lambda it: _with(it, op=other())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield "unary", lambda it: it.operand
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Compare):
            yield "negate", lambda it: _with(it, test=ast.UnaryOp(ast.Not(), it.test))
        case ast.Constant(value=bool()):
            yield "flip", lambda it: ast.Constant(not it.value)
        case ast.Constant(value=int() | float()):
            yield "number", lambda it: ast.Constant(it.value + 1)
        case ast.Constant(value=bytes() as value) if value:
            yield "bytes", lambda it: ast.Constant(bytes([it.value[0] ^ 1]) + it.value[1:])
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "result", lambda it: _with(it, value=ast.Constant(None))
        case ast.Expr(value=ast.Call(func=called)) if getattr(called, "attr", "") not in TELLING:
            yield "call", lambda _: ast.Pass()
        case ast.Continue():
            yield "jump", lambda _: ast.Break()
        case ast.Break():
            yield "jump", lambda _: ast.Continue()
        case _:
            return


def _with(node: ast.AST, **fields: object) -> ast.AST:
    made = copy.copy(node)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def _replaced(ops: list[ast.cmpop], at: int, table: dict[type[ast.cmpop], type[ast.cmpop]]) -> list[ast.cmpop]:
    return [table[type(op)]() if place == at else op for place, op in enumerate(ops)]


def mutants(file: str) -> list[Mutant]:
    """All of a file."""
    found = []
    for place, node in enumerate(nodes(ast.parse((ROOT / file).read_text()))):
        for kind, change in _changes(node):
            before, after = ast.unparse(node), ast.unparse(ast.fix_missing_locations(change(copy.deepcopy(node))))
            first, other = before.splitlines()[0], after.splitlines()[0]
            found.append(Mutant(file, node.lineno, place, kind, f"{first}  ->  {other}"))
    return found


def mutated(mutant: Mutant) -> CodeType:
    """The file with that change, compiled."""
    tree = ast.parse((ROOT / mutant.file).read_text())
    wanted = next(node for place, node in enumerate(nodes(tree)) if place == mutant.place)
    change = dict(_changes(wanted))[mutant.kind]

    class Changer(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if node is wanted:
                return ast.copy_location(change(node), node)
            return self.generic_visit(node)

    return compile(ast.fix_missing_locations(Changer().visit(tree)), str(ROOT / mutant.file), "exec")


def drawn(count: int, seed: int) -> list[Mutant]:
    """The mutants of a seed, in the order they are run."""
    every = sorted(one for file in sources() for one in mutants(file))
    return random.Random(seed).sample(every, min(count, len(every)))


# ---------------------------------------------------------------------- which tests reach what


class _Contexts:
    """A pytest plugin: notes the lines of each test apart from the others', and how long each took."""

    def __init__(self) -> None:
        self._coverage = coverage.Coverage.current()
        self.seconds: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        result = yield
        self._coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


def learn() -> int:
    """Run the tests, and write down which reach which line."""
    WORK.mkdir(parents=True, exist_ok=True)
    cover = coverage.Coverage(data_file=str(DATA), branch=True, include=[str(ROOT / file) for file in sources()])
    cover.start()
    contexts = _Contexts()
    argv = [*QUIET, "-m", "not soak and not namespaces", "--timeout", "600", *TESTS]
    status = pytest.main(argv, plugins=[contexts])
    cover.stop()
    cover.save()
    SECONDS.write_text(json.dumps(contexts.seconds))
    return int(status)


class Reach:
    """Which tests reach a mutant, nearest first, as many as fit into `budget` seconds."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._seconds: dict[str, float] = json.loads(SECONDS.read_text())
        self._lines: dict[str, dict[int, list[str]]] = {}
        self._in: dict[str, Counter[str]] = {}
        every: Counter[str] = Counter()
        data = coverage.CoverageData(str(DATA))
        data.read()
        for file in sources():
            lines = data.contexts_by_lineno(str(ROOT / file))
            self._lines[file] = lines
            self._in[file] = Counter(test for tests in lines.values() for test in tests if test)
            every.update(self._in[file])
        self._every = every

    def tests(self, mutant: Mutant) -> list[str]:
        near = self._in[mutant.file]
        lines = self._lines[mutant.file]
        reaching = {test for test in lines.get(mutant.line, []) if test} or (
            set(near) if "" in lines.get(mutant.line, [""]) else set()
        )
        ranked = sorted(
            reaching, key=lambda test: (-round(near[test] / self._every[test], 1), self._seconds.get(test, 0), test)
        )
        chosen, left = [], self._budget
        for test in ranked:
            if self._seconds.get(test, 0) <= left:
                chosen.append(test)
                left -= self._seconds.get(test, 0)
        return chosen[:400]


# ---------------------------------------------------------------------- running them


def _become(mutant: Mutant, tests: list[str]) -> int:
    """In a child: run the tests over the changed module."""
    code = mutated(mutant)
    name = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return code if fullname == name else original(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
    return int(pytest.main([*QUIET, "-x", *tests]))


def _start(mutant: Mutant, tests: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    status = 70
    with contextlib.suppress(BaseException):
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        status = _become(mutant, tests)
    os._exit(status)


def run(count: int, seed: int, jobs: int, budget: float, only: str, these: list[str]) -> int:
    """Run the mutants that have no result yet; with `only`, those whose last result it is once more; with `these`, over these tests."""
    os.chdir(ROOT)
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = tempfile.mkdtemp(prefix="mutation")
    sys.path.insert(0, str(ROOT))
    WORK.mkdir(parents=True, exist_ok=True)
    done = results()
    wanted = [one for one in drawn(count, seed) if (done.get(one.name) == only if only else one.name not in done)]
    reach = Reach(budget)
    running: dict[int, tuple[Mutant, float, int]] = {}
    with RESULTS.open("a") as log:

        def settle(mutant: Mutant, result: str, tests: int) -> None:
            log.write(json.dumps({"name": mutant.name, "text": mutant.text, "result": result, "tests": tests}) + "\n")
            log.flush()

        while wanted or running:
            while wanted and len(running) < jobs:
                mutant = wanted.pop(0)
                tests = these or reach.tests(mutant)
                if tests:
                    running[_start(mutant, tests)] = mutant, time.monotonic() + budget * 3 + 30, len(tests)
                else:
                    settle(mutant, "unreached", 0)
            for pid, (mutant, end, tests) in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    settle(mutant, "survived" if os.waitstatus_to_exitcode(status) in {0, 5} else "killed", tests)
                elif time.monotonic() > end:
                    os.killpg(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    settle(mutant, "killed", tests)
                else:
                    continue
                del running[pid]
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    return 0


def results() -> dict[str, str]:
    """The last result of each mutant that has one."""
    if not RESULTS.exists():
        return {}
    return {one["name"]: one["result"] for one in map(json.loads, RESULTS.read_text().splitlines())}


def report(count: int, seed: int) -> int:
    """Print the figures and the survivors."""
    done = results()
    wanted = drawn(count, seed)
    have = [one for one in wanted if one.name in done]
    by_file: dict[str, Counter[str]] = defaultdict(Counter)
    for one in have:
        by_file[one.file][done[one.name]] += 1
    for file, counts in sorted(by_file.items()):
        print(f"{file}: {counts['killed']} of {counts.total()}")
    killed = sum(counts["killed"] for counts in by_file.values())
    print(f"all: {killed} of {len(have)} killed, {killed / max(len(have), 1):.1%}; {len(wanted) - len(have)} not run")
    for one in sorted(have):
        if done[one.name] != "killed":
            print(f"{one.name} {done[one.name]}: {one.text}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("map", "run", "report"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--budget", type=float, default=15.0, help="seconds of tests for a mutant")
    parser.add_argument("--tests", nargs="*", default=[], help="files of tests to run, whatever they reach")
    parser.add_argument("--only", default="", help="a result: run the mutants again that have it")
    args = parser.parse_args()
    if args.what == "map":
        return learn()
    if args.what == "run":
        return run(args.count, args.seed, args.jobs, args.budget, args.only, args.tests)
    return report(args.count, args.seed)


if __name__ == "__main__":
    sys.exit(main())
