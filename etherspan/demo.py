"""`etherspan demo`: an overlay between two hosts, then between a host and the Linux kernel's vxlan device, checked end to end.

Every command is shown as it is run, after the place it is run in, and any of them can be repeated by hand where the demo is kept
(`etherspan lab exec --name demo cn0:web -- COMMAND`).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from etherspan import execute
from etherspan.errors import EtherspanError
from etherspan.lab.down import down
from etherspan.lab.journal import LabDir
from etherspan.lab.run import find
from etherspan.lab.source import read_text
from etherspan.lab.up import up
from etherspan.process import uninterrupted

LAB: Final = """
[underlay]
subnet = "10.88.88.0/24"
mtu = 1500

[host.cn0]
address = "10.88.88.69"

[host.cn1]
address = "10.88.88.70"

[vtep.linux0]
address = "10.88.88.71"
vnetid = 24
inner = ["10.66.66.9/24"]
flood = ["10.88.88.69"]
"""

KEPT_NAME: Final = "demo"
TRANSFER: Final = "64M"
TRANSFER_TEXT: Final = "64 MiB"
COLUMNS: Final = 80
PATIENCE: Final = 45.0
"""Seconds that one command may take."""

_DIGEST = re.compile(r"sha256 ([0-9a-f]{64})$")


def run(*, keep: bool, say: Callable[[str], None]) -> None:
    """Run the demo. With `keep` its lab stays up, whatever happened. Errors: `EtherspanError` that says which step failed."""
    name = KEPT_NAME if keep else f"{KEPT_NAME}-{os.getpid()}"
    if LabDir(name).exists():
        raise EtherspanError(f"the demo's lab is up already; 'etherspan lab down {name}' takes it down")
    say("Two emulated hosts, cn0 and cn1, and a Linux VXLAN endpoint, linux0,")
    say("on one underlay, 10.88.88.0/24.")
    say("")
    lab = up(read_text(LAB, "etherspan demo"), name, say)
    try:
        _story(Stage(lab, say))
    finally:
        if not keep:
            with uninterrupted():
                down(lab)
    say(f"Every echo request was answered, and 4 transfers of {TRANSFER_TEXT} arrived whole.")
    if keep:
        say("")
        say("The lab stays up. For example:")
        say(f"  etherspan lab exec --name {name} cn0 -- dladm show-overlay")
        say(f"  etherspan lab exec --name {name} cn0:web -- etherspan probe ping 10.55.55.3")
        say(f"  etherspan lab down {name}")


@dataclass(slots=True, frozen=True)
class Stage:
    """Where the demo plays: runs commands in the lab and shows them."""

    lab: LabDir
    say: Callable[[str], None]

    def title(self, text: str) -> None:
        """Begin a chapter."""
        self.say("")
        self.say(text)
        self.say("")

    def run(self, place: str, *argv: str) -> str:
        """Show a command, run it, show and return what it says. Errors: `EtherspanError` when it fails."""
        for line in shown(f"{place}$", argv):
            self.say(line)
        process = self._start(place, argv)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            output = f"(nothing for {PATIENCE:.0f} s)\n"
        finally:
            _end(process)
        for line in output.splitlines():
            self.say(line)
        if process.returncode:
            raise EtherspanError(f"'{shlex.join(argv)}' on {place} failed (exit {process.returncode})")
        return output

    def transfer(self, source: str, target: str, address: str) -> None:
        """Send bytes over TCP from one place to an address of another and compare the hashes. Errors: `EtherspanError`."""
        receive = ["etherspan", "probe", "receive"]
        self.say(f"{target}$ {shlex.join(receive)} &")
        receiver = self._start(target, receive)
        try:
            assert receiver.stdout is not None
            self.say(receiver.stdout.readline().rstrip())
            sent = self.run(source, "etherspan", "probe", "send", address, TRANSFER)
            received, _ = receiver.communicate(timeout=PATIENCE)
            self.say(f"{target}: {received.rstrip()}")
        except subprocess.TimeoutExpired as error:
            raise EtherspanError(f"{target} did not notice the end of the transfer") from error
        finally:
            _end(receiver)
        digests = [_DIGEST.search(text.strip()) for text in (sent, received)]
        if None in digests or len({match[1] for match in digests if match}) != 1:
            raise EtherspanError(f"what {target} received is not what {source} sent")
        self.say("the hashes are equal")

    def _start(self, place: str, argv: list[str] | tuple[str, ...]) -> subprocess.Popen[str]:
        found = find(self.lab, place)
        env = execute.environment(found.root)
        return execute.start(found.namespace, argv, env, stdout=subprocess.PIPE, merge=True)


def shown(prompt: str, argv: Iterable[str]) -> list[str]:
    """A command in lines of 80 columns at the most, as far as its words allow, that a shell takes as one."""
    lines = [prompt]
    together: list[str] = []
    for word in map(shlex.quote, argv):
        if word.startswith("-") or not together[-1:] or not together[-1].startswith("-"):
            together.append(word)
        else:
            together[-1] += f" {word}"  # an option and its value
    for part in together:
        if len(lines[-1]) + len(part) > COLUMNS - len(" ") - len(" \\"):
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {part}"
    return lines


def _end(process: subprocess.Popen[str]) -> None:
    with process:  # closes its pipes and waits
        if process.poll() is None:
            process.kill()


def _story(stage: Stage) -> None:
    stage.title("1. VXLAN network 23 between cn0 and cn1")
    _join(stage, "cn0", vnetid=23, own="10.88.88.69", peer="10.88.88.70", zone="web", address="10.55.55.2/24")
    stage.say("")
    _join(stage, "cn1", vnetid=23, own="10.88.88.70", peer="10.88.88.69", zone="web", address="10.55.55.3/24")

    stage.title("2. Between the zones: ICMP, then TCP in both directions")
    _exchange(stage, "cn0:web", "10.55.55.2", "cn1:web", "10.55.55.3")

    stage.title("3. What the overlay looks like")
    stage.run("cn0", "dladm", "show-overlay", "demo0")
    stage.run("cn0", "dladm", "show-overlay", "-t", "demo0")
    stage.run("cn0", "dladm", "show-overlay", "-f", "demo0")

    stage.title("4. VXLAN network 24 between cn0 and the Linux kernel's vxlan device")
    _join(
        stage, "cn0", vnetid=24, own="10.88.88.69", peer="10.88.88.71", zone="peer", address="10.66.66.2/24", number=1
    )
    stage.say("")
    _exchange(stage, "cn0:peer", "10.66.66.2", "linux0", "10.66.66.9")
    stage.say("")
    stage.run("cn0", "dladm", "show-overlay", "demo1")
    stage.run("cn0", "dladm", "show-overlay", "-t")
    stage.run("cn0", "dladm", "show-overlay", "-f")
    stage.say("")


def _exchange(stage: Stage, one: str, one_address: str, other: str, other_address: str) -> None:
    """Ping and transfer between two places, both ways."""
    stage.run(one, "etherspan", "probe", "ping", other_address)
    stage.run(other, "etherspan", "probe", "ping", one_address)
    stage.say("")
    stage.transfer(one, other, other_address)
    stage.say("")
    stage.transfer(other, one, one_address)


def _join(
    stage: Stage, host: str, *, vnetid: int, own: str, peer: str, zone: str, address: str, number: int = 0
) -> None:
    """Make an overlay, a VNIC over it and a zone that has the VNIC."""
    overlay, vnic = f"demo{number}", f"vnic{number}"
    listen, to = f"vxlan/listen_ip={own}", f"direct/dest_ip={peer},direct/dest_port=4789"
    create = ["create-overlay", "-e", "vxlan", "-s", "direct", "-v", str(vnetid), "-p", listen, "-p", to, overlay]
    stage.run(host, "dladm", *create)
    stage.run(host, "dladm", "create-vnic", "-l", overlay, vnic)
    stage.run(host, "etherspan", "zone", "create", zone, "--address", f"{vnic}={address}")
