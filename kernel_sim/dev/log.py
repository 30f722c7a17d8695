"""What services and libraries write their log to. Daemons give them bunyan records (`kernel_sim.dev.bunyan`), a library keeps none."""

from __future__ import annotations

from typing import Protocol


class Log(Protocol):
    """An event and keys that say which; structlog's bound loggers have this form. `exception` adds the one being handled."""

    def info(self, event: str, /, **keys: object) -> object: ...
    def warning(self, event: str, /, **keys: object) -> object: ...
    def error(self, event: str, /, **keys: object) -> object: ...
    def critical(self, event: str, /, **keys: object) -> object: ...
    def exception(self, event: str, /, **keys: object) -> object: ...


class NullLog:
    """A log that keeps nothing."""

    def info(self, event: str, /, **keys: object) -> None:
        """Nothing."""

    warning = error = critical = exception = info
