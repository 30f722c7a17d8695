"""Changing network interfaces over rtnetlink, in the namespace of the thread that opens the connection."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from pyroute2 import IPRoute, NetlinkError

from kernel_sim.sys.errno import Errno, KernelError, from_host

_IFF_UP: Final = 0x1


class LinkConf:
    """A connection to rtnetlink; every failure is a `KernelError` with the machine's errno.

    Close it, in the thread that opened it. One costs a millisecond, so it is not worth keeping.
    """

    def __init__(self) -> None:
        try:
            self._route = IPRoute()
        except OSError as error:
            raise KernelError.from_os(error, f"cannot open rtnetlink: {error.strerror}") from error

    def set(self, name: str, **attributes: int | str) -> None:
        """Change attributes of a link: `mtu`, `address` ("02:…"), `group`, `ifname`, `gso_max_size`, `net_ns_fd` …, in one request.

        Errors: ENXIO, ENODEV no such link; EINVAL; EEXIST the name is taken (there); EADDRNOTAVAIL address …
        """
        with _failing(f"link {name}: {', '.join(f'{key} {value}' for key, value in attributes.items())}"):
            self._route.link("set", index=socket.if_nametoindex(name), **attributes)

    def is_up(self, name: str) -> bool:
        """True for a link that is up. Errors: ENXIO, ENODEV no such link."""
        with _failing(f"link {name}"):
            [found] = self._route.link("get", index=socket.if_nametoindex(name))
            return bool(found["flags"] & _IFF_UP)

    def add_altname(self, name: str, altname: str) -> None:
        """Give a link another name. Errors: EEXIST the name is taken."""
        with _failing(f"link {name}: alternative name {altname}"):
            self._route.link("property_add", index=socket.if_nametoindex(name), altname=altname)

    def drop_altname(self, name: str, altname: str) -> None:
        """Take a name away. Errors: ENOENT."""
        with _failing(f"link {name}: alternative name {altname}"):
            self._route.link("property_del", index=socket.if_nametoindex(name), altname=altname)

    def delete_group(self, group: int) -> None:
        """Delete every link of a group at once. Errors: ENOENT when there is none."""
        with _failing(f"link group {group}"):
            self._route.link("del", group=group)

    def close(self) -> None:
        """Close the connection."""
        self._route.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        raise KernelError(from_host(error.code), what) from error
    except OSError as error:  # if_nametoindex: no such link, in some releases without an errno
        raise KernelError(Errno.ENXIO if error.errno is None else from_host(error.errno), what) from error
