"""The secondary addresses of a VNIC (`secondary-macs`): each is one more client of the lower MAC, with the same consumer (KRN 6.1).

Such a client receives unicast to its address and nothing else: group frames reach the VNIC once, by its primary address. What it
receives counts as the VNIC's, and the VNIC's bandwidth limit holds for all of it. Nothing is sent through it: the VNIC sends as its
primary, so mac-nospoof lets only frames with the primary address as source pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from kernel_sim.mac.client import MacClient
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.mac_flow import MPT_MAXMACADDR


class SecondaryAddresses:
    """The further addresses of the VNIC whose client is `primary`."""

    def __init__(self, primary: MacClient) -> None:
        self._primary = primary
        self._clients: list[MacClient] = []

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The addresses, in the order they were given."""
        return tuple(client.address for client in self._clients if client.address is not None)

    def set(self, addresses: Sequence[bytes]) -> None:
        """Have these addresses and no others.

        Errors: EINVAL more than 31; those of `MacClient.add_unicast` (EINVAL not a station address, or the lower MAC's own; EEXIST
        in use in this VLAN, also by this VNIC). The addresses are then those there were.
        """
        if len(addresses) >= MPT_MAXMACADDR:
            raise KernelError(Errno.EINVAL, f"{len(addresses)} secondary addresses, at most {MPT_MAXMACADDR - 1}")
        before = self.addresses
        self.close()
        try:
            self._open(addresses)
        except KernelError:
            self.close()
            self._open(before)
            raise

    def rename(self) -> None:
        """The VNIC has another name."""
        for client in self._clients:
            client.name = self._primary.name

    def close(self) -> None:
        """Give all of them up."""
        while self._clients:
            self._clients.pop().close()

    def _open(self, addresses: Sequence[bytes]) -> None:
        primary = self._primary
        for address in addresses:
            client = primary.mac.open_client(primary.name)
            self._clients.append(client)
            client.stats, client.drops = primary.stats, primary.drops
            client.unicast_only = True
            client.add_unicast(address, primary.vid)
            client.set_receive(primary.deliver)
