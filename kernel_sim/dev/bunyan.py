"""A service log: one bunyan record a line, rendered by structlog (VPD 1.8).

A record has `v` 0, `level`, `name`, `hostname`, `pid`, `tid`, `time` (UTC, milliseconds) and `msg`, which override keys of that name;
the caller's keys come first. So the name of a plugin travels under `plugin` (VPD-Q26).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, cast

import structlog

from kernel_sim.dev.log import Log

LEVELS: Final = {"debug": 20, "info": 30, "warning": 40, "error": 50, "critical": 60}
_INFO: Final = 20  # structlog filters by the numbers of logging


class _Patient:
    """Writes a record as one line; loses it rather than stop the service when it cannot be written (a full disk)."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(f"{line}\n".encode())

    debug = info = warning = error = critical = msg


class Renderer:
    """The last processor of a structlog chain: an event as a line of JSON."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._hostname = socket.gethostname()

    def __call__(self, logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        text = event.pop("event")
        record = dict(event) | {
            "v": 0,
            "level": LEVELS[event.get("level", "info")],
            "name": self._name,
            "hostname": self._hostname,
            "pid": os.getpid(),
            "tid": threading.get_native_id(),
            "time": f"{now}Z",
            "msg": text,
        }
        return json.dumps(record, default=str)


def bunyan_log(stream: BinaryIO, name: str) -> Log:
    """A log whose records go to `stream`, which is to have no buffer of its own; `name` is the service's."""
    logger = structlog.wrap_logger(
        _Patient(stream),
        processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, Renderer(name)],
        wrapper_class=structlog.make_filtering_bound_logger(_INFO),
    )
    return cast("Log", logger)
