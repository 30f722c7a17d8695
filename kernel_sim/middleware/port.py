"""A port around a port: what a wrap does not change goes through."""

from __future__ import annotations

from kernel_sim.ddi import Port
from kernel_sim.sys.message import Chain


class WrappedPort:
    """See `kernel_sim.ddi.Port`."""

    def __init__(self, inner: Port) -> None:
        self._inner = inner

    def deliver(self, chain: Chain) -> int:
        return self._inner.deliver(chain)

    def allow(self, octets: int | None) -> None:
        self._inner.allow(octets)

    def set_mtu(self, mtu: int) -> None:
        self._inner.set_mtu(mtu)

    def set_mac(self, mac: bytes) -> None:
        self._inner.set_mac(mac)

    def set_link(self, up: bool) -> None:
        self._inner.set_link(up)

    def set_name(self, name: str) -> None:
        self._inner.set_name(name)

    def set_zone(self, zone: str) -> None:
        self._inner.set_zone(zone)

    @property
    def zone(self) -> str:
        return self._inner.zone

    def close(self) -> None:
        self._inner.close()
