"""Random bytes from the machine."""

from __future__ import annotations

import os


class SystemRandom:
    """Implements `ddi.Random`."""

    def bytes(self, count: int) -> bytes:
        """See `ddi.Random.bytes`."""
        return os.urandom(count)
