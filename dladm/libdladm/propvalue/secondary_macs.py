"""`secondary-macs`: further MAC addresses of a VNIC, at most 31."""

from __future__ import annotations

from collections.abc import Sequence

from dladm.libdladm.propvalue._linkaddr import aton, ntoa
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.ethernet import ETHERADDRL
from kernel_sim.sys.mac_flow import MPT_MAXMACADDR


def parse(values: Sequence[str]) -> tuple[bytes, ...]:
    """Addresses of six bytes in the order given. Which ones may be is the kernel's to say.

    Errors: `DladmError`: BADVALCNT for more than 31; MACADDRINVAL for what is no address; INVALIDMACADDRLEN for one of another length.
    """
    if len(values) >= MPT_MAXMACADDR:
        raise DladmError(Status.BADVALCNT)
    return tuple(map(_address, values))


def format(addresses: Sequence[bytes]) -> tuple[str, ...]:  # noqa: A001
    """Lower case, without leading zeros."""
    return tuple(map(ntoa, addresses))


def _address(value: str) -> bytes:
    address = aton(value)
    if address is None:
        raise DladmError(Status.MACADDRINVAL)
    if len(address) != ETHERADDRL:
        raise DladmError(Status.INVALIDMACADDRLEN)
    return address
