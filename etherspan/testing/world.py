"""Worlds that scenarios are written for: hosts on one underlay network, their ports, and time.

    def scenario(world: World) -> None:
        a, b = world.host("a", "10.88.88.1"), world.host("b", "10.88.88.2")
        for host, peer in ((a, b), (b, a)):
            props = f"vxlan/listen_ip={host.address},direct/dest_ip={peer.address},direct/dest_port=4789"
            host.dladm(f"create-overlay -e vxlan -s direct -v 23 -p {props} demo0")
            host.dladm("create-vnic -l demo0 vnic0")
        a.port("vnic0").send(frame)
        b.port("vnic0").expect(frame)

A scenario is plain synchronous code, and runs the same in memory (`sim.world.SimWorld`), where time is virtual, and in network namespaces
(`netns.world.NetnsWorld`), where it is real. Whatever lets time pass says so: `advance`, `expect`, `expect_nothing`, `wait_until`, and
commands that wait for a daemon.
"""

from __future__ import annotations

import abc
import io
import itertools
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from dladm.cli.main import main as dladm
from dladm.libscf.client import Scf
from dladm.libscf.protocol import DLMGMTD, VARPD, State
from etherspan.kstat import Pattern, entries
from etherspan.testing.log import LogRecord
from kernel_sim.dev.client import Device, System
from kernel_sim.dev.framing import FREAD
from kernel_sim.dev.paths import KSTAT
from kernel_sim.mac.stat import DROPS_MODULE

if TYPE_CHECKING:
    from etherspan.testing.portolan import Portolan

SERVICES: Final = {"varpd": VARPD, "dlmgmtd": DLMGMTD}
KERNEL: Final = "kernel"
SERVICE_SECONDS: Final = 15.0
"""How long a service may take to get where it was told to go."""


@dataclass(slots=True, frozen=True)
class Result:
    """What a command left: standard output, standard error, exit status."""

    out: str
    err: str
    status: int


class Port(Protocol):
    """The consumer's side of a VNIC."""

    @property
    def mac(self) -> bytes:
        """The address the VNIC has, 6 bytes."""

    def send(self, *frames: bytes) -> None:
        """Send whole frames, without FCS."""

    def expect(self, *frames: bytes, within: float = 2.0) -> None:
        """Wait for these frames, in this order and with nothing between them; `within` seconds in all. Errors: AssertionError."""

    def expect_nothing(self, seconds: float = 0.2) -> None:
        """Wait, and find that no frame has come. Errors: AssertionError."""

    def take(self) -> list[bytes]:
        """The frames that have come and were not expected yet; does not wait."""


class Host(abc.ABC):
    """A host of a world, booted. `system` is what clients of it talk to, as root."""

    def __init__(self, name: str, addresses: Sequence[str], system: System) -> None:
        self.name = name
        self.addresses = tuple(addresses)
        self.system = system

    @property
    def address(self) -> str:
        """Its first underlay address."""
        return self.addresses[0]

    # ------------------------------------------------------------------ what differs between worlds

    @abc.abstractmethod
    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Make or replace a file below the host's root, with the folders it is in."""

    @abc.abstractmethod
    def port(self, name: str) -> Port:
        """The consumer's side of a VNIC of that name; it stays good while the VNIC is there."""

    @abc.abstractmethod
    def log(self, service: str = "varpd") -> list[LogRecord]:
        """What a service has logged, `varpd` or `dlmgmtd`."""

    @abc.abstractmethod
    def kill(self, service: str) -> None:
        """SIGKILL to `varpd`, `dlmgmtd` or `kernel`. Services are started again; the kernel's end is the host's, which boots again.

        Returns when what was killed is up again.
        """

    @abc.abstractmethod
    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Let time pass until a condition holds. Errors: AssertionError, which says `what` was waited for."""

    # ------------------------------------------------------------------ commands

    def dladm(self, *words: str, check: bool = True) -> Result:
        """Run dladm: one line, split as a shell would, or the words. With `check` a failure is an AssertionError."""
        argv = shlex.split(words[0]) if len(words) == 1 else list(words)
        out, err = io.StringIO(), io.StringIO()
        status = dladm(argv, system=self.system, stdout=out, stderr=err)
        done = Result(out.getvalue(), err.getvalue(), status)
        assert status == 0 or not check, f"{self.name}: dladm {shlex.join(argv)}: exit {status}\n{done.err}"
        return done

    def svcadm(self, line: str) -> None:
        """`enable`, `disable`, `restart`, `refresh` or `clear` and a service; returns when that is done."""
        command, service = shlex.split(line)
        fmri = SERVICES[service]
        refreshed = self._refreshes(service)
        with Scf(self.system) as scf:
            {
                "enable": scf.enable,
                "disable": scf.disable,
                "restart": scf.restart,
                "refresh": scf.refresh,
                "clear": scf.clear,
            }[command](fmri)
            if command == "refresh":
                self.wait_until(lambda: self._refreshes(service) > refreshed, SERVICE_SECONDS, f"{service} to refresh")
                return
            wanted = State.DISABLED if command == "disable" else State.ONLINE
            reached = scf.wait(fmri, {wanted, State.MAINTENANCE}, SERVICE_SECONDS)
        assert reached is wanted, f"{self.name}: {service} is {reached}"

    def state(self, service: str) -> State:
        """The state of `varpd` or `dlmgmtd`."""
        with Scf(self.system) as scf:
            return scf.state(SERVICES[service])

    # ------------------------------------------------------------------ statistics

    def kstat(self, pattern: str) -> dict[str, int | str]:
        """Statistics that fit MODULE:INSTANCE:NAME:STATISTIC (an empty part fits all, `*` and `?` as in a shell), by that."""
        wanted = Pattern.parse(pattern)
        found: dict[str, int | str] = {}
        with Device.open(self.system, KSTAT, FREAD) as device:
            for entry in entries(device, [wanted]):
                head = f"{entry.module}:{entry.instance}:{entry.name}"
                found |= {f"{head}:{one.name}": one.value for one in entry.stats if wanted.wants_statistic(one.name)}
        return found

    def drops(self) -> dict[str, int]:
        """How many frames were lost where and why, `link:reason`; those that are not 0 only."""
        every = self.kstat(f"{DROPS_MODULE}:::")
        return {name.removeprefix(f"{DROPS_MODULE}:0:"): int(count) for name, count in every.items() if count}

    def expect_drops(self, wanted: Mapping[str, int], *, within: float = 2.0) -> None:
        """Wait until `drops` are these and no others. Errors: AssertionError."""
        try:
            self.wait_until(lambda: self.drops() == wanted, within, f"drops {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{self.name} has dropped {self.drops()}, expected was {wanted}") from error

    def _refreshes(self, service: str) -> int:
        return sum(record.msg == "refresh" for record in self.log(service))


class World(abc.ABC):
    """See the module; to be used in a `with` statement, or closed."""

    @abc.abstractmethod
    def host(self, name: str, *addresses: str) -> Host:
        """Boot a host with these addresses on the underlay network."""

    @abc.abstractmethod
    def portolan(self, name: str, address: str, store: Any = None) -> Portolan:
        """Start an SVP server with that address on the underlay network, over a store of its own or another server's."""

    @abc.abstractmethod
    def advance(self, seconds: float) -> None:
        """Let time pass."""

    @abc.abstractmethod
    def close(self) -> None:
        """Halt all hosts and give everything back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def describe(frame: bytes) -> str:
    """A frame for messages: addresses, type, length, and its first bytes."""
    if len(frame) < 14:
        return f"{len(frame)} bytes: {frame.hex()}"
    return f"{frame[6:12].hex(':')} > {frame[:6].hex(':')} type {frame[12:14].hex()} {len(frame)} bytes: {frame[14:60].hex()}"


def compare(who: str, got: Sequence[bytes], wanted: Sequence[bytes]) -> None:
    """Errors: AssertionError, with the first difference in words, unless they are the same."""
    for place, (have, want) in enumerate(itertools.zip_longest(got, wanted)):
        if have != want:
            raise AssertionError(
                f"{who}: {len(wanted)} frames expected, {len(got)} have come; number {place + 1} differs:"
                f"\n  expected {'nothing' if want is None else describe(want)}"
                f"\n  got      {'nothing' if have is None else describe(have)}"
            )
