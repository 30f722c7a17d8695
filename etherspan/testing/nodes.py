"""An in-memory kernel behind real device nodes: for programs that open /dev/dld and /dev/overlay, where links need not carry frames.

with served_kernel(root):
    subprocess.run([sys.executable, "-m", "libvarpd.varpd"], env={**os.environ, "ETHERSPAN_ROOT": str(root)})
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPorts, MemoryRandom
from kernel_sim.devfs.nodes import DeviceNodes
from kernel_sim.io.loop import Loop
from kernel_sim.kernel import Kernel
from kernel_sim.overlay.plugins.vxlan import PLUGIN as VXLAN


@contextlib.contextmanager
def served_kernel(root: Path) -> Iterator[None]:
    """A kernel without network and ports whose nodes are below `root`, served by a thread. Time is real, so LOOKUPs end after a second."""
    (root / "dev").mkdir(parents=True, exist_ok=True)
    loop = Loop()
    kernel = Kernel(
        clock=loop,
        random=MemoryRandom(),
        underlay=MemoryNetwork(MemoryClock()).underlay(),
        ports=MemoryPorts(),
        encap_plugins=(VXLAN,),
    )
    nodes = DeviceNodes(loop, root, kernel)
    thread = threading.Thread(target=loop.run, name="kernel")
    thread.start()
    try:
        yield
    finally:
        loop.stop()
        thread.join()
        nodes.close()
        kernel.close()
        loop.close()
