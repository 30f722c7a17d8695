"""The control node /dev/dld: which command does what, who may, and what goes back.

The rules of the original (KRN 1.6): an unknown command is ENOTSUP, a missing privilege EPERM; a command that reads and writes its
argument returns it even when it fails, any other returns nothing then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kernel_sim.cred import Credentials
from kernel_sim.sys.errno import Errno, KernelError

Reply = Callable[[int, bytes], None]
"""How an ioctl ends: 0 or an illumos errno, and the bytes that go back."""


@dataclass(slots=True, frozen=True)
class Command:
    """A command that is done at once: bytes in, bytes out."""

    handler: Callable[[bytes], bytes]
    privileged: bool = True
    copyout: bool = False
    """It reads and writes its argument."""


@dataclass(slots=True, frozen=True)
class ParkingCommand:
    """A command that may answer later; it raises, or calls the reply once."""

    handler: Callable[[bytes, Reply], None]
    privileged: bool = True


class DldNode:
    """Dispatches the ioctls of /dev/dld."""

    def __init__(self) -> None:
        self._commands: dict[int, Command | ParkingCommand] = {}

    def register(self, commands: Mapping[int, Command | ParkingCommand]) -> None:
        """Add commands."""
        self._commands.update(commands)

    def ioctl(self, cmd: int, argument: bytes, cred: Credentials, reply: Reply) -> None:
        """Do a command and call `reply` exactly once, now or later. Errors: ENOTSUP, EPERM, those of the command."""
        command = self._commands.get(cmd)
        if command is None:
            reply(Errno.ENOTSUP, b"")
            return
        copyout = isinstance(command, Command) and command.copyout
        try:
            if command.privileged:
                cred.require_privilege()
            if isinstance(command, ParkingCommand):
                command.handler(argument, reply)
                return
            result = command.handler(argument)
        except KernelError as error:
            reply(error.errno, (error.argument or argument) if copyout else b"")
            return
        reply(0, result)
