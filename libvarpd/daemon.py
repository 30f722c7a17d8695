"""varpd at work: from the restored state files to the last answered request (VPD 2.2, 2.4).

Instances are restored before workers and door exist, so nobody sees half of them. HUP, QUIT, INT and TERM stop the daemon, USR1 is
a refresh of the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from kernel_sim.dev import paths, service, sockets
from kernel_sim.dev.async_client import AsyncDevice
from kernel_sim.dev.log import Log
from kernel_sim.sys.errno import Errno, KernelError, strerror
from libvarpd.door import Door
from libvarpd.door_server import DoorServer
from libvarpd.handle import Varpd
from libvarpd.hostfiles import HostFiles
from libvarpd.launcher import Daemon
from libvarpd.persist import StateDirectory
from libvarpd.registry import PluginRegistry

DOOR_MODE: Final = 0o600
STOP_SIGNALS: Final = (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT, signal.SIGTERM)
REFRESH_SIGNAL: Final = signal.SIGUSR1
SIGNALS: Final = frozenset({*STOP_SIGNALS, REFRESH_SIGNAL})
"""To be blocked from before the fork until the daemon can handle them."""


class FatalError(Exception):
    """Why the daemon cannot run, for people; it exits with 95."""


@dataclass(slots=True, frozen=True)
class DoorPlace:
    """Where the door is: a name in a directory, and what people call it."""

    folder: int
    name: str
    path: str


@dataclass(slots=True, frozen=True)
class Setup:
    """What was opened while the process was privileged. `privileged` are the users who may change the kernel's cache."""

    overlay: socket.socket
    state: int
    door: DoorPlace
    files: HostFiles
    plugins: PluginRegistry
    privileged: Collection[int]
    log: Log


async def serve(setup: Setup, daemon: Daemon) -> None:
    """Serve until a signal stops it; report to the launcher once it serves.

    Errors: `FatalError` it cannot start, or the kernel has gone; whatever else went wrong beneath (`VarpdPanic`) as it is.
    """
    varpd = Varpd(AsyncDevice(setup.overlay, paths.OVERLAY), setup.plugins, setup.log, files=setup.files)
    async with contextlib.AsyncExitStack() as end:
        end.push_async_callback(varpd.destroy)
        await _restore(varpd, setup.state)
        varpd.lookup_run(2 * (os.cpu_count() or 1) + 1)
        door = _open_door(varpd, setup)
        end.callback(_remove_door, setup.door)
        end.push_async_callback(door.close)
        stopped = _handle_signals(varpd, setup.log)
        daemon.report(0)
        setup.log.info("varpd up", instances=len(varpd.instances), plugins=setup.plugins.names())
        await _outlive_launcher(daemon.launcher_fd, stopped, varpd.failed)
        await _first(stopped, varpd.failed)
    if varpd.failed.done():
        _raise_failure(varpd.failed.result())
    setup.log.info("varpd down", signal=stopped.result().name)


async def _restore(varpd: Varpd, state: int) -> None:
    try:
        directory = StateDirectory(state)
        directory.clear_remains()
        varpd.persist_enable(directory)
        await varpd.persist_restore()
    except KernelError as error:
        raise FatalError(f"failed to enable varpd persistence: {strerror(error.errno)}") from error


def _open_door(varpd: Varpd, setup: Setup) -> DoorServer:
    place = setup.door
    try:
        listener = sockets.bind_seqpacket(place.folder, place.name, DOOR_MODE)
    except KernelError as error:
        raise FatalError(f"failed to create door server at {place.path}: {strerror(error.errno)}") from error
    return DoorServer(Door(varpd, setup.privileged), listener)


def _remove_door(place: DoorPlace) -> None:
    """Leave no door that leads nowhere (VPD-Q33); the device is still held, so it is nobody else's."""
    with contextlib.suppress(OSError):
        os.unlink(place.name, dir_fd=place.folder)


def _handle_signals(varpd: Varpd, log: Log) -> asyncio.Future[signal.Signals]:
    """Handle all signals from now on; the result is the one that stops the daemon."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[signal.Signals] = loop.create_future()

    def stop(number: signal.Signals) -> None:
        if not stopped.done():
            stopped.set_result(number)

    def refresh() -> None:
        log.info("refresh")
        varpd.refresh()

    handlers: dict[signal.Signals, Callable[[], None]] = {one: lambda one=one: stop(one) for one in STOP_SIGNALS}  # type: ignore[misc]
    for number, handler in (handlers | {REFRESH_SIGNAL: refresh}).items():
        loop.add_signal_handler(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return stopped


async def _first(*ends: asyncio.Future[Any]) -> None:
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)


async def _outlive_launcher(launcher_fd: int, *ends: asyncio.Future[Any]) -> None:
    """Once the launcher has gone the restarter is the parent: die with it."""
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[None] = loop.create_future()

    def ended() -> None:
        loop.remove_reader(launcher_fd)
        os.close(launcher_fd)
        gone.set_result(None)

    loop.add_reader(launcher_fd, ended)
    await _first(gone, *ends)
    if gone.done():
        service.arm_parent_death(service.restarter_pid())


def _raise_failure(error: Exception) -> None:
    if isinstance(error, KernelError) and error.errno is Errno.ECONNRESET:
        raise FatalError("the kernel has gone") from error
    raise error
