"""From what a database holds to the schema of today.

A database says its version in `portolan_schema`, one row. Whoever opens it runs `plan` under the lock that writers have, in one
transaction: of several servers that start at once the first does the work and the others find it done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy.engine import Dialect

from etherspan.portolan.store.protocol import StoreError
from etherspan.portolan.store.schema import SCHEMA, VERSION, create

Steps = Mapping[int, Callable[[Dialect], Sequence[str]]]

UPGRADES: Final[Steps] = {}
"""What leads from a version to the next. A step is never changed once it is released."""

READ_VERSION: Final = f"SELECT version FROM {SCHEMA.name}"


def plan(found: int | None, dialect: Dialect, *, version: int = VERSION, upgrades: Steps = UPGRADES) -> list[str]:
    """The statements that bring a database up to date; none if it is.

    `found` is its version, None if it has no table that says one. Errors: `StoreError` it is newer, or there is no way from there.
    """
    if found == version:
        return []
    if found is None:
        return [*create(dialect), f"INSERT INTO {SCHEMA.name} (version) VALUES ({version})"]
    if found > version:
        raise StoreError(f"the store has schema version {found}, and this portolan knows {version} and older only")
    statements: list[str] = []
    for step in range(found, version):
        if step not in upgrades:
            raise StoreError(f"nothing leads from schema version {step} to {step + 1}")
        statements += upgrades[step](dialect)
    return [*statements, f"UPDATE {SCHEMA.name} SET version = {version}"]
