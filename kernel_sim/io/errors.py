"""Where errors of this machine become errors of the simulated kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kernel_sim.sys.errno import KernelError


@contextlib.contextmanager
def os_errors(what: str) -> Iterator[None]:
    """Turn an `OSError` inside into a `KernelError` that says what was tried."""
    try:
        yield
    except OSError as error:
        raise KernelError.from_os(error, f"{what}: {error.strerror}") from error
