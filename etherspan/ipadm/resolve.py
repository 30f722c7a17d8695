"""Addresses that were typed as names of hosts: ROOT/etc/inet/hosts first, then the machine's resolver."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Final

from etherspan.ipadm import names
from etherspan.ipadm.names import Address
from etherspan.ipadm.status import IpadmError, Status
from kernel_sim.dev.paths import HOSTS

_HOST_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?![0-9.]*\Z)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9.])?", re.ASCII)


def resolve(host: str, root: Path) -> Address:
    """The address of a host. Errors: BAD_ADDR nothing of that name; BAD_HOSTNAME several addresses; FAILURE the resolver cannot say."""
    found = names.numeric(host)
    if found is not None:
        return found
    if not _HOST_NAME.fullmatch(host):
        raise IpadmError(Status.BAD_ADDR, f"'{host}' is neither an address nor a host's name")
    addresses = _in_hosts_file(host, root / HOSTS) or _by_resolver(host)
    if len(addresses) > 1:
        raise IpadmError(Status.BAD_HOSTNAME, f"{host}: {', '.join(map(str, addresses))}")
    return addresses[0]


def _in_hosts_file(host: str, path: Path) -> list[Address]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    found: dict[Address, None] = {}
    for line in lines:
        text, *aliases = line.partition("#")[0].split() or [""]
        address = names.numeric(text)
        if address is not None and host.lower() in (alias.lower() for alias in aliases):
            found[address] = None
    return list(found)


def _by_resolver(host: str) -> list[Address]:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:
        unknown = error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}
        raise IpadmError(Status.BAD_ADDR if unknown else Status.FAILURE, f"{host}: {error.strerror}") from error
    found = dict.fromkeys(names.numeric(str(answer[4][0])) for answer in answers)
    return [address for address in found if address is not None]
