"""The Python twin of the compiled helper."""

from __future__ import annotations

from kernel_sim.mac._hw.coalesce import receive
from kernel_sim.mac._hw.segment import complete, cut

__all__ = ["complete", "cut", "receive"]
