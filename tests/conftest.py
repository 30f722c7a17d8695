"""What every test gets: the record of facts that passed."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

FACT = re.compile(r"^(?:KRN|VPD|SVP|DLM)-[IBQ]\d+$")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--facts", metavar="FILE", help="write the fact ids cited by the tests that passed, as JSON")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("fact"):
            wrong = [one for one in mark.args if not FACT.match(one)]
            if wrong or not mark.args:
                raise pytest.UsageError(f"{item.nodeid}: not a fact id: {wrong or 'none given'}")


@pytest.fixture
def let_others_in() -> Callable[[Path], None]:
    """Let other users pass through a folder of this run, and through those above it up to the machine's temporary folder."""

    def open_up(path: Path) -> None:
        top = Path(tempfile.gettempdir())
        for folder in [path, *path.parents]:
            if folder != top and folder.is_relative_to(top):
                folder.chmod(folder.stat().st_mode | 0o011)

    return open_up


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.passed:
        report.user_properties += [("fact", one) for mark in item.iter_markers("fact") for one in mark.args]
    return None


class _Facts:
    """Collects cited ids in the process that sees every report (the controller under xdist)."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.seen: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seen.update(str(value) for name, value in report.user_properties if name == "fact")

    def pytest_sessionfinish(self) -> None:
        self.target.write_text(json.dumps(sorted(self.seen)))


def pytest_configure(config: pytest.Config) -> None:
    target = config.getoption("--facts")
    if target and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Facts(Path(target)), "facts")
