"""The log of a service in memory: records that tests read, with the levels of bunyan as in the real ones."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel_sim.dev.bunyan import LEVELS


@dataclass(slots=True, frozen=True)
class LogRecord:
    """One record: its level (30 info, 40 warning, 50 error, 60 critical), its text, and the keys that say which."""

    level: int
    msg: str
    keys: Mapping[str, Any] = field(default_factory=dict)


class SimLog:
    """See `kernel_sim.dev.log.Log`. `records` are all there are."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []

    def info(self, event: str, /, **keys: object) -> None:
        self._add("info", event, keys)

    def warning(self, event: str, /, **keys: object) -> None:
        self._add("warning", event, keys)

    def error(self, event: str, /, **keys: object) -> None:
        self._add("error", event, keys)

    def critical(self, event: str, /, **keys: object) -> None:
        self._add("critical", event, keys)

    def exception(self, event: str, /, **keys: object) -> None:
        """As `error`, with the trace of the exception being handled under `exception`."""
        kind, error, trace = sys.exc_info()
        self._add("error", event, keys | {"exception": "".join(traceback.format_exception(kind, error, trace))})

    def _add(self, level: str, event: str, keys: Mapping[str, object]) -> None:
        self.records.append(LogRecord(LEVELS[level], event, keys))
