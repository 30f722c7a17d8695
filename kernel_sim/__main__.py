"""The simulated kernel of one host as a process: `python -m kernel_sim [--root DIR] [--group N] [--engine NAME]`.

The only place where I/O, device nodes and the kernel meet. The process serves until SIGTERM or SIGINT; its death by anything else
is the host's panic. It exits with 95 when it cannot run at all, having said on standard error what is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final

from kernel_sim.dev import confine, paths, service
from kernel_sim.dev.bunyan import bunyan_log
from kernel_sim.dev.log import Log
from kernel_sim.devfs.nodes import DeviceNodes
from kernel_sim.io import fastpath, tun
from kernel_sim.io.entropy import SystemRandom
from kernel_sim.io.fastpath import Lanes
from kernel_sim.io.loop import Loop
from kernel_sim.io.netlink import Netlink
from kernel_sim.io.tap import TapPorts
from kernel_sim.io.udp import UdpUnderlay
from kernel_sim.io.zones import Zones
from kernel_sim.kernel import Kernel
from kernel_sim.mac import hw_emul
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.tunables import Tunables, read_system

EXIT_CANNOT_RUN: Final = 95
"""What a restarter takes as a fatal error: it does not try again."""
ENTRY_POINTS: Final = "etherspan.encap"
LOG: Final = f"{paths.LOGS}/kernel.log"
LOCK: Final = "dev/.lock"
ENGINE: Final = "ETHERSPAN_ENGINE"
"""Environment variable that names the engine of the data path."""
MACHINE_NAMESPACES: Final = Path("/run/netns")

_GROUP_BASE: Final = 0x6500_0000
_GC_YOUNG: Final = 50_000
"""Allocations between collections: frames are many objects and no cycles."""


class CannotRunError(Exception):
    """What is missing, for people."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop, and return the exit status."""
    options = _options(argv)
    with contextlib.ExitStack() as resources:
        try:
            _choose_engine(options.engine)
            _check_tun()
            log = bunyan_log(_prepare_root(options.root, resources), "kernel")
        except CannotRunError as error:
            print(f"kernel: {error}", file=sys.stderr)
            return EXIT_CANNOT_RUN
        try:
            status = _serve(options.root, options.group, log)
        except Exception:
            log.critical("panic", trace=traceback.format_exc())
            raise
        log.info("kernel down")
    return status


def _serve(root: Path, group: int, log: Log) -> int:
    with contextlib.ExitStack() as machine:
        try:
            loop = _assemble(root, group, machine, log.warning)
        except KernelError as error:
            log.critical("cannot run", reason=str(error))
            print(f"kernel: {error}", file=sys.stderr)
            return EXIT_CANNOT_RUN
        service.set_process_name("kernel")
        service.arm_parent_death(service.restarter_pid())
        log.info("kernel up", root=str(root), group=group, engine=hw_emul.engine)
        _confine()
        gc.freeze()
        gc.set_threshold(_GC_YOUNG, 20, 20)
        loop.run()
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kernel_sim", description="The simulated kernel of one host.")
    parser.add_argument("--root", type=Path, default=None, metavar="DIR", help="the host's root directory")
    parser.add_argument(
        "--engine",
        choices=hw_emul.ENGINES,
        default=os.environ.get(ENGINE) or hw_emul.engine,
        help=f"what cuts and merges frames; by default the best there is, or ${ENGINE}",
    )
    parser.add_argument(
        "--group", type=_group, default=_GROUP_BASE | os.getpid(), metavar="N", help="link group of the host's TAPs"
    )
    options = parser.parse_args(argv)
    options.root = (options.root or paths.host_root()).absolute()
    return options


def _group(text: str) -> int:
    number = int(text, 0)
    if not 0 < number < 1 << 31:
        raise argparse.ArgumentTypeError(f"{text}: a link group is a number from 1 to 2147483647")
    return number


def _choose_engine(name: str) -> None:
    try:
        hw_emul.use(name)
    except ValueError as error:  # argparse does not check what comes from the environment
        raise CannotRunError(f"${ENGINE}: {error}") from error


def _check_tun() -> None:
    try:
        os.close(os.open(tun.DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        mend = "modprobe tun" if isinstance(error, FileNotFoundError) else f"give this user access to {tun.DEVICE}"
        raise CannotRunError(f"cannot open {tun.DEVICE}: {error.strerror}; {mend}") from error


def _prepare_root(root: Path, resources: contextlib.ExitStack) -> BinaryIO:
    """Take the root for this process and open its log."""
    try:
        for folder in ("dev", paths.LOGS):
            (root / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
        lock = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        resources.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return resources.enter_context((root / LOG).open("ab", buffering=0))
    except BlockingIOError as error:
        raise CannotRunError(f"a kernel is running already with the root {root}; halt that host first") from error
    except OSError as error:
        raise CannotRunError(f"cannot use the root {root}: {error.strerror} ({error.filename})") from error


def _assemble(root: Path, group: int, machine: contextlib.ExitStack, report: Callable[[str], object]) -> Loop:
    """Everything there is, closed in reverse order by `machine`."""
    _raise_descriptor_limit()
    loop = Loop()
    machine.callback(loop.close)
    _stop_on_signals(loop, machine)
    netlink = Netlink(loop, group)
    machine.callback(netlink.close)
    lanes = Lanes(loop) if hw_emul.engine == hw_emul.COMPILED and fastpath.available else None
    underlay = UdpUnderlay(loop, lanes)
    netlink.subscribe_paths(underlay.paths_changed)
    ports = TapPorts(loop, Zones(root / paths.ZONE_NS, MACHINE_NAMESPACES), group, report, lanes)
    machine.callback(ports.close)
    kernel = Kernel(
        clock=loop,
        random=SystemRandom(),
        underlay=underlay,
        ports=ports,
        encap_plugins=(),
        phys=netlink,
        tunables=_read_system(root / paths.SYSTEM, report),
    )
    machine.callback(kernel.close)
    machine.callback(ports.remove_devices)  # all at once, before each is closed
    _load_encap_plugins(kernel, report)
    machine.callback(DeviceNodes(loop, root, kernel).close)
    return loop


def _confine() -> None:
    """Keep what TAPs and the namespaces of zones need, and nothing else of root."""
    confine.keep_capabilities((confine.CAP_NET_ADMIN, confine.CAP_SYS_ADMIN))
    confine.forbid_calls(but=(confine.SETNS,))


def _read_system(file: Path, report: Callable[[str], object]) -> Tunables:
    """What etc/system sets. What is wrong with it is reported, and the rest holds; without the file nothing is set."""
    try:
        tunables, complaints = read_system(file.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return Tunables()
    except OSError as error:
        report(f"{file}: {error.strerror}; no variable is set")
        return Tunables()
    for complaint in complaints:
        report(f"{file}: {complaint}")
    return tunables


def _load_encap_plugins(kernel: Kernel, report: Callable[[str], object]) -> None:
    """Register what every installed distribution offers, in order of name. A plugin that cannot be used is reported and left out."""
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            kernel.overlays.plugins.register(entry.load())
        except Exception as error:  # noqa: BLE001 - somebody else's code
            report(f"encapsulation plugin {entry.name} ({entry.value}) left out: {error!r}")


def _raise_descriptor_limit() -> None:
    """A VNIC takes one descriptor, a listen address up to 256."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _stop_on_signals(loop: Loop, machine: contextlib.ExitStack) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        loop.stop()

    machine.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(loop.waker, warn_on_full_buffer=False))
    for number in (signal.SIGTERM, signal.SIGINT):
        machine.callback(signal.signal, number, signal.signal(number, stop))


if __name__ == "__main__":
    sys.exit(main())
