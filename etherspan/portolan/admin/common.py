"""What the commands share: how they come to the store, and how they show what is in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from etherspan.errors import EtherspanError
from etherspan.portolan.state import default_store, own_store, portolan_dir

if TYPE_CHECKING:
    from etherspan.portolan.store.protocol import Snapshot, Store

T = TypeVar("T")


def with_store(context: click.Context, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the store that was named."""
    from etherspan.portolan.store import open_store

    url = context.obj or default_store()
    if url == own_store():
        _make_own_folder()

    async def main() -> T:
        store = await open_store(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(main())


def _make_own_folder() -> None:
    """Portolan's own folder, if there is none yet; it belongs to whom the server will run as."""
    folder = portolan_dir()
    if folder.exists():
        return
    from etherspan.portolan import user

    if os.geteuid():
        folder.mkdir(mode=user.FOLDER_MODE, parents=True, exist_ok=True)
        return
    who = user.find(None)
    user.hand_over(folder, who if user.can_become(who) else user.User(0, 0, "root"))


def told(events: int) -> None:
    click.echo(f"{events} event{'' if events == 1 else 's'}")


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document."),
        click.option("-o", "fields", metavar="FIELD[,…]", help="Which columns, and in which order."),
        click.option("-p", "parsable", is_flag=True, help="For programs: fields between colons, no heading; needs -o."),
    ):
        command = option(command)
    return command


def show(context: click.Context, table: Any, rows: Callable[[Snapshot], AsyncIterator[Any]], **how: Any) -> None:
    """Print a list, with what was said by `list_options`. Errors: `EtherspanError`, `StoreError`."""
    from etherspan.portolan.admin import tables

    if how["parsable"] and how["fields"] is None:
        raise EtherspanError("-p requires -o")

    async def work(store: Store) -> None:
        async with store.snapshot() as state:
            await tables.show(table, rows(state), how["fields"], parsable=how["parsable"], as_json=how["as_json"])

    with_store(context, work)
