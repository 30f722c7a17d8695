"""Addresses that a client got by DHCP, followed from outside: what it asked for, and what the server answered.

    request ──► transaction ──┬─ granted ──► lease: the client id may use these addresses
                              ├─ refused ──► (its former lease is gone, too)
                              └─ 60 s without an answer ──► (likewise)

A client id has one lease, an address belongs to one client id. A lease ends when its client id releases it, or begins a transaction after
it that ends in any of the three ways; its time is not kept (KRN 6.14).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TRANSACTIONS_MAX: Final = 512
LEASES_MAX: Final = 512
TRANSACTION_SECONDS: Final = 60.0


@dataclass(slots=True)
class Transaction:
    """A request without an answer. `asked` are the addresses that a grant gives, where the request names them; `since` in seconds."""

    client: bytes
    asked: tuple[bytes, ...]
    since: float


class Leases:
    """The transactions and leases of one client and one version of DHCP. Transaction ids, client ids and addresses are bytes."""

    __slots__ = ("_by_address", "_by_client", "_pending")

    def __init__(self) -> None:
        self._pending: dict[bytes, Transaction] = {}
        self._by_client: dict[bytes, tuple[bytes, ...]] = {}
        self._by_address: dict[bytes, bytes] = {}

    def __contains__(self, address: bytes) -> bool:
        return address in self._by_address

    @property
    def pending(self) -> int:
        """Transactions without an answer."""
        return len(self._pending)

    def transaction(self, xid: bytes) -> Transaction | None:
        """The transaction of that id that has no answer yet."""
        return self._pending.get(xid)

    def begin(self, xid: bytes, client: bytes, asked: tuple[bytes, ...], now: float) -> bool:
        """A request of a new transaction; False when there are 512 and it is not followed."""
        if len(self._pending) >= TRANSACTIONS_MAX:
            return False
        self._pending[xid] = Transaction(client, asked, now)
        return True

    def settle(self, xid: bytes, granted: tuple[bytes, ...]) -> bool:
        """The server's answer, which replaces the lease of its client id; nothing granted is a refusal.

        Nothing is taken in if one of the addresses is there twice, or another client id's. False when there are 512 leases.
        """
        client = self._pending[xid].client
        if granted:
            self._forget_before(xid, client)
        del self._pending[xid]
        self.release(client)
        if not granted:
            return True
        if len(self._by_client) >= LEASES_MAX:
            return False
        if len(dict.fromkeys(granted)) == len(granted) and not any(each in self._by_address for each in granted):
            self._by_client[client] = granted
            self._by_address.update(dict.fromkeys(granted, client))
        return True

    def release(self, client: bytes) -> None:
        """The client id gives up its lease, if it has one."""
        for address in self._by_client.pop(client, ()):
            del self._by_address[address]

    def scrub(self, now: float) -> None:
        """End the transactions that have waited for 60 s, and the leases of their client ids."""
        stale = [xid for xid, each in self._pending.items() if now - each.since >= TRANSACTION_SECONDS]
        for xid in stale:
            self.release(self._pending.pop(xid).client)

    def _forget_before(self, xid: bytes, client: bytes) -> None:
        """The answer makes requests that the client sent before it void: their end must not end the lease."""
        earlier = list(self._pending)[: list(self._pending).index(xid)]
        for each in earlier:
            if self._pending[each].client == client:
                del self._pending[each]

    def clear(self) -> None:
        """Forget everything."""
        self._pending.clear()
        self._by_client.clear()
        self._by_address.clear()
