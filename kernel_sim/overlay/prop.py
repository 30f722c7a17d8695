"""What describes a property: filled in by the driver for generic properties, by plugins for theirs (KRN 1.6, 1.7)."""

from __future__ import annotations

from kernel_sim.sys.codec import PropRange
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import OVERLAY_PROP_SIZEMAX, PropPerm, PropType


class PropertyHandle:
    """Collects what `propinfo` says about one property.

    Default and possible values are advice for people: setters check for themselves. Ranges and strings beyond what the 256-byte
    descriptor holds, or of another kind than the first, are dropped without a word.
    """

    __slots__ = ("default", "perm", "poss", "type")

    def __init__(self) -> None:
        self.type = PropType.INT
        self.perm = PropPerm(0)
        self.default = b""
        self.poss = PropRange()

    def set_type(self, value: PropType) -> None:
        self.type = value

    def set_perm(self, value: PropPerm) -> None:
        self.perm = value

    def set_default(self, value: bytes) -> None:
        """The value a property has while unset, in its native layout. Errors: E2BIG over 256 bytes."""
        if len(value) > OVERLAY_PROP_SIZEMAX:
            raise KernelError(Errno.E2BIG, f"a default of {len(value)} bytes; at most {OVERLAY_PROP_SIZEMAX}")
        self.default = value

    def add_range(self, low: int, high: int) -> None:
        """A range of possible u32 values, both ends inclusive."""
        self.poss = self.poss.with_range(low, high)

    def add_string(self, value: str) -> None:
        """A possible text."""
        self.poss = self.poss.with_string(value)
