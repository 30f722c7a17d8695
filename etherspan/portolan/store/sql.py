"""The questions that both databases are asked, in SQL that both understand.

`{keys}` stands for a table `k` of the keys; answers come in its order, one row a key. Rows are those that `rows` reads.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from etherspan.portolan.store.schema import EVENTS, MAPPINGS, NODES, ROUTES


class Question(NamedTuple):
    """What a batch of keys is asked: the keys' columns, and what is said of each."""

    columns: tuple[tuple[str, str], ...]
    """Name and PostgreSQL type."""
    text: str


_HOME: Final = f"""(SELECT home.cn FROM {MAPPINGS.name} AS home
 WHERE home.vnet_id = {{vnet_id}} AND home.mac = {{mac}} AND home.deleted = FALSE ORDER BY home.seq DESC LIMIT 1)"""
"""The node that a MAC address is on: that of the row written last (SVP-Q25)."""
_OWNER: Final = "m.mac, m.router, n.underlay_port, n.underlay_ip"
_MAPPING: Final = "m.vnet_id, m.ip, m.mac, m.cn, m.vlan, m.deleted, m.router"
_ROUTE: Final = (
    "r.vnet_id, r.vlan, r.subnet, r.prefix, r.far_dc, r.far_vnet_id, r.far_vlan, r.far_subnet, r.far_prefix,"
    " r.router_mac, r.deleted"
)
_NODE: Final = "n.uuid, n.underlay_ip, n.underlay_port"

VL2: Final = Question(
    (("vnet_id", "bigint"), ("mac", "bytea")),
    f"""SELECT n.underlay_port, n.underlay_ip FROM {{keys}}
 LEFT JOIN {NODES.name} AS n ON n.uuid = {_HOME.format(vnet_id="k.vnet_id", mac="k.mac")}""",
)
VL3: Final = Question(
    (("vnet_id", "bigint"), ("ip", "bytea")),
    f"""SELECT {_OWNER} FROM {{keys}}
 LEFT JOIN {MAPPINGS.name} AS m ON m.vnet_id = k.vnet_id AND m.ip = k.ip AND m.deleted = FALSE
 LEFT JOIN {NODES.name} AS n ON n.uuid = {_HOME.format(vnet_id="m.vnet_id", mac="m.mac")}""",
)
ROUTE: Final = Question(
    (("vnet_id", "bigint"), ("vlan", "int"), ("src", "bytea"), ("dst", "bytea")),
    f"""SELECT {_OWNER}, {_ROUTE} FROM {{keys}}
 LEFT JOIN {ROUTES.name} AS r ON r.seq = (SELECT fit.seq FROM {ROUTES.name} AS fit
 WHERE fit.vnet_id = k.vnet_id AND fit.vlan = k.vlan AND fit.deleted = FALSE
 AND k.src BETWEEN fit.first AND fit.last AND k.dst BETWEEN fit.far_first AND fit.far_last ORDER BY fit.seq LIMIT 1)
 LEFT JOIN {MAPPINGS.name} AS m ON m.vnet_id = r.far_vnet_id AND m.ip = k.dst AND m.deleted = FALSE
 LEFT JOIN {NODES.name} AS n ON n.uuid = {_HOME.format(vnet_id="m.vnet_id", mac="m.mac")}""",
)
NODE: Final = Question(
    (("uuid", "text"),), f"SELECT {_NODE} FROM {{keys}} LEFT JOIN {NODES.name} AS n ON n.uuid = k.uuid"
)
MAPPING: Final = Question(
    (("vnet_id", "bigint"), ("ip", "bytea")),
    f"SELECT {_MAPPING} FROM {{keys}} LEFT JOIN {MAPPINGS.name} AS m ON m.vnet_id = k.vnet_id AND m.ip = k.ip",
)

# What follows takes its values where `{}` stands.
MAPPINGS_OF: Final = f"""SELECT {_MAPPING} FROM {MAPPINGS.name} AS m
 WHERE m.vnet_id = {{}} AND m.mac = {{}} AND m.deleted = FALSE ORDER BY m.seq"""
NODES_OF: Final = f"""WITH RECURSIVE found(vnet_id, cn) AS (
 SELECT vnet_id, MIN(cn) FROM {MAPPINGS.name} WHERE vnet_id = {{}} AND deleted = FALSE GROUP BY vnet_id
 UNION ALL SELECT found.vnet_id, (SELECT MIN(m.cn) FROM {MAPPINGS.name} AS m
 WHERE m.vnet_id = found.vnet_id AND m.deleted = FALSE AND m.cn > found.cn) FROM found WHERE found.cn IS NOT NULL)
 SELECT cn FROM found WHERE cn IS NOT NULL"""
"""From each node to the next in the index: as much work as there are nodes, not mappings."""
ALL_NODES: Final = f"SELECT {_NODE} FROM {NODES.name} AS n ORDER BY n.seq"
ALL_MAPPINGS: Final = f"SELECT {_MAPPING} FROM {MAPPINGS.name} AS m ORDER BY m.seq"
ALL_MAPPINGS_OF: Final = f"SELECT {_MAPPING} FROM {MAPPINGS.name} AS m WHERE m.vnet_id = {{}} ORDER BY m.seq"
ALL_ROUTES: Final = f"SELECT {_ROUTE} FROM {ROUTES.name} AS r ORDER BY r.seq"
ALL_EVENTS: Final = f"SELECT cn, record FROM {EVENTS.name} ORDER BY seq"
ALL_EVENTS_OF: Final = f"SELECT cn, record FROM {EVENTS.name} WHERE cn = {{}} ORDER BY seq"
REMOVE_ROUTE: Final = f"""DELETE FROM {ROUTES.name} WHERE vnet_id = {{}} AND vlan = {{}} AND subnet = {{}} AND prefix = {{}}
 AND far_subnet = {{}} AND far_prefix = {{}}"""

NODE_COLUMNS: Final = ("seq", "uuid", "underlay_ip", "underlay_port")
MAPPING_COLUMNS: Final = ("seq", "vnet_id", "ip", "mac", "cn", "vlan", "deleted", "router")
ROUTE_COLUMNS: Final = (
    "seq",
    "vnet_id",
    "vlan",
    "subnet",
    "prefix",
    "far_dc",
    "far_vnet_id",
    "far_vlan",
    "far_subnet",
    "far_prefix",
    "router_mac",
    "deleted",
    "first",
    "last",
    "far_first",
    "far_last",
)
EVENT_COLUMNS: Final = ("seq", "id", "cn", "route", "record")


class Put(NamedTuple):
    """How rows are written: where, which columns, what is their key, and what of a row that is there changes."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def on_conflict(self) -> str:
        """What follows the rows."""
        changes = ", ".join(f"{one} = excluded.{one}" for one in self.changed)
        return f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {changes}" if changes else ""

    def values(self, mark: str) -> str:
        """The statement for a row whose values stand where the mark is."""
        marks = ", ".join([mark] * len(self.columns))
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES ({marks}) {self.on_conflict}"


def _changed(columns: tuple[str, ...], kept: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one for one in columns if one not in kept)


_MAPPING_KEY: Final = ("vnet_id", "ip")
_ROUTE_KEY: Final = ("vnet_id", "vlan", "subnet", "prefix", "far_subnet", "far_prefix")
PUT_NODES: Final = Put(NODES.name, NODE_COLUMNS, ("uuid",), ("underlay_ip", "underlay_port"))
PUT_MAPPINGS: Final = Put(MAPPINGS.name, MAPPING_COLUMNS, _MAPPING_KEY, _changed(MAPPING_COLUMNS, _MAPPING_KEY))
PUT_ROUTES: Final = Put(ROUTES.name, ROUTE_COLUMNS, _ROUTE_KEY, _changed(ROUTE_COLUMNS, ("seq", *_ROUTE_KEY)))
PUT_EVENTS: Final = Put(EVENTS.name, EVENT_COLUMNS, ("id",), ())
