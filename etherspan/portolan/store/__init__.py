"""Where mappings, compute nodes, routes and events are kept, behind one protocol.

store = await open_store("sqlite:////var/lib/etherspan/portolan/portolan.db")

memory://                            this process's memory
sqlite:////PATH                      a file; whoever has the rights may write to it at the same time
sqlite://                            a file of its own that goes when it is closed
postgresql+psycopg://USER@HOST/NAME  a PostgreSQL database; needs the extra `etherspan[portolan-pg]`

Any number of processes may have the same store open, but for the first kind.
"""

from __future__ import annotations

from etherspan.portolan.store.protocol import Store, StoreError

__all__ = ["Store", "StoreError", "open_store"]

SCHEMES = ("memory", "sqlite", "postgresql+psycopg", "postgresql")


async def open_store(url: str) -> Store:
    """Open the store that a URL names, and bring its schema up to date.

    Errors: `StoreError` no such kind of store; it cannot be reached; it is no store, or one of a newer version.
    """
    scheme, colon, _ = url.partition("://")
    if not colon or scheme not in SCHEMES:
        raise StoreError(f"{url}: not the URL of a store (one of {', '.join(f'{one}://' for one in SCHEMES)})")
    if scheme == "memory":
        from etherspan.portolan.store.memory import MemoryStore

        return MemoryStore()
    if scheme == "sqlite":
        from etherspan.portolan.store.sqlite import SqliteStore

        return await SqliteStore.open(url)
    try:
        from etherspan.portolan.store.postgres import PostgresStore
    except ImportError as error:
        raise StoreError(f"a PostgreSQL store needs the extra etherspan[portolan-pg]: {error}") from None
    return await PostgresStore.open(url)
