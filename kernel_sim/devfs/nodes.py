"""The device nodes at their places below ROOT/dev."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kernel_sim.dev import paths, sockets
from kernel_sim.devfs.dld import DldNode
from kernel_sim.devfs.kstat import KstatNode
from kernel_sim.devfs.overlay import OverlayNode
from kernel_sim.devfs.server import Node, NodeServer
from kernel_sim.devfs.snoop import SnoopNode
from kernel_sim.io.loop import Loop
from kernel_sim.kernel import Kernel

_NODES: Final[tuple[tuple[str, int, Callable[[Kernel], Node]], ...]] = (
    (paths.OVERLAY, 0o600, OverlayNode),
    (paths.KSTAT, 0o666, KstatNode),
    (paths.SNOOP, 0o600, SnoopNode),
    (paths.DLD, 0o666, DldNode),  # last: who finds it finds all
)
"""Path, permissions, and what serves it. Rights on the open ones come from credentials."""


class DeviceNodes:
    """All nodes of a kernel, served while this is open."""

    def __init__(self, loop: Loop, root: Path, kernel: Kernel) -> None:
        """Errors: those of `sockets.bind_seqpacket`; nothing stays bound then."""
        self._close = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            for path, mode, make in _NODES:
                (root / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                listener = sockets.bind_seqpacket(root, path, mode)
                undo.callback(_unlink, root / path)
                undo.callback(NodeServer(loop, listener, make(kernel)).close)
            self._close = undo.pop_all()

    def close(self) -> None:
        """End every connection and remove the nodes."""
        self._close.close()


def _unlink(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
