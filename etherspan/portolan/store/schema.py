"""The tables of a database store, for SQLite and PostgreSQL alike. They carry the names of the original's buckets (SVP 11.3).

`seq` numbers rows in the order in which they were written; transactions are one after the other, so it is the order of their commits too
(SVP-I21). No row refers to another by a foreign key: a mapping may name a node that is not there yet, and is then not answered (SVP-I16).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

VERSION: Final = 1
"""Of what is below. Who changes it adds a step to `migrations`."""

METADATA: Final = MetaData()

_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite keeps a table by its INTEGER PRIMARY KEY, and by nothing else so called."""
_UUID: Final = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

SCHEMA: Final = Table("portolan_schema", METADATA, Column("version", Integer, nullable=False))

NODES: Final = Table(
    "portolan_underlay_mappings",
    METADATA,
    Column("uuid", _UUID, primary_key=True),
    Column("underlay_ip", LargeBinary, nullable=False),
    Column("underlay_port", Integer, nullable=False),
    Column("seq", _NUMBER, nullable=False),
    Index("portolan_underlay_mappings_ip", "underlay_ip"),
    Index("portolan_underlay_mappings_seq", "seq", unique=True),
    sqlite_with_rowid=False,
)

MAPPINGS: Final = Table(
    "portolan_vnet_mac_ip",
    METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("vnet_id", _NUMBER, nullable=False),
    Column("ip", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("cn", _UUID, nullable=False),
    Column("vlan", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("router", Boolean, nullable=False),
    UniqueConstraint("vnet_id", "ip", name="portolan_vnet_mac_ip_key"),
    # Answers where a MAC address is without the table.
    Index("portolan_vnet_mac_ip_mac", "vnet_id", "mac", "deleted", "seq", "cn"),
    Index("portolan_vnet_mac_ip_cn", "vnet_id", "deleted", "cn"),
)

ROUTES: Final = Table(
    "portolan_vnet_routes",
    METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("vnet_id", _NUMBER, nullable=False),
    Column("vlan", Integer, nullable=False),
    Column("subnet", LargeBinary, nullable=False),
    Column("prefix", Integer, nullable=False),
    Column("far_dc", _NUMBER, nullable=False),
    Column("far_vnet_id", _NUMBER, nullable=False),
    Column("far_vlan", Integer, nullable=False),
    Column("far_subnet", LargeBinary, nullable=False),
    Column("far_prefix", Integer, nullable=False),
    Column("router_mac", LargeBinary, nullable=False),
    Column("deleted", Boolean, nullable=False),
    # The addresses that the two subnets begin and end with.
    Column("first", LargeBinary, nullable=False),
    Column("last", LargeBinary, nullable=False),
    Column("far_first", LargeBinary, nullable=False),
    Column("far_last", LargeBinary, nullable=False),
    UniqueConstraint(
        "vnet_id", "vlan", "subnet", "prefix", "far_subnet", "far_prefix", name="portolan_vnet_routes_key"
    ),
    Index("portolan_vnet_routes_age", "vnet_id", "vlan", "deleted", "seq"),
)

EVENTS: Final = Table(
    "portolan_cn_net_events",
    METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("id", LargeBinary, nullable=False),
    Column("cn", _UUID, nullable=False),
    Column("route", Boolean, nullable=False),  # version 2 only
    Column("record", LargeBinary, nullable=False),  # as on the wire
    UniqueConstraint("id", name="portolan_cn_net_events_id"),
    Index("portolan_cn_net_events_cn", "cn", "route", "seq"),
)


def create(dialect: Dialect) -> list[str]:
    """The statements that make all tables, but say no version."""
    statements: list[str] = []
    for table in METADATA.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        by_name = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in by_name]
    return statements
