"""Whole stores to and from JSON: every row as it stands and in its order, or a message that says which row cannot be."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.portolan import jsonform, transfer
from etherspan.portolan.jsonform import (
    FormError,
    address_text,
    mac_text,
    read_address,
    read_mac,
    read_subnet,
    uuid_text,
)
from etherspan.portolan.store import open_store
from etherspan.portolan.transfer import TransferError, export_document, import_document

UUID = "7d4cbe3a-20c1-4f0b-9d3e-0123456789ab"
NODE = {"uuid": "cn1", "underlay_ip": "192.168.0.1", "underlay_port": 4789}
MAPPING = {"vnet_id": 23, "mac": "02:08:20:00:00:01", "ip": "10.0.0.1", "cn": "cn1"}
ROUTE = {
    "vnet_id": 23,
    "vlan": 4,
    "subnet": "10.0.0.0/24",
    "far_dc": 2,
    "far_vnet_id": 99,
    "far_vlan": 9,
    "far_subnet": "fd00::/64",
    "router_mac": "02:08:20:ff:00:02",
}
VL2 = {"uuid": UUID, "cn": "cn1", "type": "VL2", "vnet_id": 23, "mac": "02:08:20:00:00:01"}
EVENT_ROUTE = {
    "uuid": "7d4cbe3a-20c1-4f0b-9d3e-0123456789ac",
    "cn": "cn1",
    "type": "ROUTE",
    "vnet_id": 23,
    "vlan": 4,
    "subnet": "10.0.0.0/24",
    "far_dc": 2,
    "far_vnet_id": 99,
    "far_vlan": 9,
    "far_subnet": "10.33.7.0/24",
}


async def turned(document: bytes, *earlier: bytes, url: str = "memory://") -> str:
    """A document, put into a store and taken out again."""
    store = await open_store(url)
    try:
        for one in (*earlier, document):
            await import_document(store, io.BytesIO(one), "fleet.json")
        return await exported(store)
    finally:
        await store.close()


async def exported(store: Any) -> str:
    parts: list[str] = []
    await export_document(store, parts.append)
    return "".join(parts)


def through(document: dict[str, Any], url: str = "memory://") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asyncio.run(turned(json.dumps(document).encode(), url=url)))
    return found


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_every_kind_of_row_comes_back_as_it_was(url: str) -> None:
    document = {
        "compute_nodes": [NODE, {**NODE, "uuid": "cn2"}],
        "mappings": [
            MAPPING,
            {**MAPPING, "ip": "fd00:0:1::2", "cn": "unknown", "vlan": 7},
            {**MAPPING, "vnet_id": 0, "deleted": True, "router": True},
            {**MAPPING, "ip": "10.0.0.0", "cn": "cn2"},
        ],
        "routes": [ROUTE, {**ROUTE, "vlan": 5, "deleted": True}],
        "events": [
            EVENT_ROUTE,
            VL2,
            {**VL2, "uuid": UUID[:-1] + "d", "cn": "nobody", "type": "VL3", "ip": "::1", "vlan": 4},
        ],
    }
    del document["events"][2]["mac"]
    assert through(document, url) == document


def test_an_empty_document_is_an_empty_store() -> None:
    assert through({}) == {"compute_nodes": [], "mappings": [], "routes": [], "events": []}


def test_what_may_be_left_out_has_its_default() -> None:
    found = through({"compute_nodes": [{"uuid": "cn1", "underlay_ip": "fd00::1"}]})
    assert found["compute_nodes"] == [{"uuid": "cn1", "underlay_ip": "fd00::1", "underlay_port": 4789}]


@pytest.mark.fact("SVP-I25", "SVP-Q23")
@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:a00:1", "10.0.0.1"),
        ("0:0:0:0:0:FFFF:0a00:0001", "10.0.0.1"),
        ("fd00:0:1::2", "fd00:0:1::2"),
        ("fd00::1:0:0:0:0:2", "fd00:0:1::2"),
        ("FD00:0000:0001:0000:0000:0000:0000:0002", "fd00:0:1::2"),
    ],
)
def test_every_spelling_of_an_address_is_the_same_row(text: str, shortest: str) -> None:
    document = json.dumps({"mappings": [{**MAPPING, "ip": text}]}).encode()
    other = json.dumps({"mappings": [{**MAPPING, "ip": shortest, "cn": "cn2"}]}).encode()
    (row,) = json.loads(asyncio.run(turned(other, document)))["mappings"]
    assert (row["ip"], row["cn"]) == (shortest, "cn2")


def test_an_import_takes_the_place_of_rows_with_the_same_key_and_adds_the_others() -> None:
    first = json.dumps({"mappings": [MAPPING, {**MAPPING, "ip": "10.0.0.2"}]}).encode()
    second = json.dumps({"mappings": [{**MAPPING, "cn": "cn2"}, {**MAPPING, "ip": "10.0.0.3"}]}).encode()
    rows = json.loads(asyncio.run(turned(second, first)))["mappings"]
    assert [(row["ip"], row["cn"]) for row in rows] == [("10.0.0.2", "cn1"), ("10.0.0.1", "cn2"), ("10.0.0.3", "cn1")]


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": (b'{"mappings": [', "not a JSON document"),
    "nothing": (b"", "not a JSON document"),
    "text that is no text": (b'{"mappings": [{"cn": "\xff\xfe"}]}', "not a JSON document"),
    "more behind it": (b"{} {}", "not a JSON document"),
    "a list": (b"[]", "the document is an object with compute_nodes, mappings, routes, events"),
    "unknown section": (
        {"mapping": []},
        "there is no section 'mapping'; there are compute_nodes, mappings, routes, events",
    ),
    "section twice": (b'{"routes": [], "routes": []}', "section 'routes' is there twice"),
    "no list": ({"mappings": {}}, "mappings is no list of rows"),
    "no JSON in a row": (b'{"mappings": [{}, {"vnet_id": nope}]}', "mappings, row 1: vnet_id: it is missing"),
    "no JSON where a row is": (
        b'{"mappings": [' + json.dumps(MAPPING).encode() + b', {"vnet_id": nope}]}',
        "mappings, row 2: not a JSON document: lexical error: invalid string in json text, near '",
    ),
    "a number for a section": ({"mappings": 3}, "mappings is no list of rows"),
    "no object": ({"mappings": [MAPPING, 3]}, "mappings, row 2: it is no object"),
    "unknown key": (
        {"mappings": [{**MAPPING, "vlanid": 3}]},
        "mappings, row 1: vlanid: there is no such key; there are vnet_id, mac,",
    ),
    "key twice": (b'{"mappings": [{"vnet_id": 1, "vnet_id": 2}]}', "mappings, row 1: vnet_id: it is there twice"),
    "key missing": ({"mappings": [{"vnet_id": 1}]}, "mappings, row 1: mac: it is missing"),
    "nested": ({"mappings": [{**MAPPING, "mac": ["a"]}]}, "mappings, row 1: mac: it is no single value"),
    "bad address": (
        {"mappings": [{**MAPPING, "ip": "10.0.0.300"}]},
        "mappings, row 1: ip: '10.0.0.300' is no IP address",
    ),
    "an address with a zone": (
        {"mappings": [{**MAPPING, "ip": "fe80::1%eth0"}]},
        "ip: 'fe80::1%eth0' is no IP address",
    ),
    "bad MAC": (
        {"mappings": [{**MAPPING, "mac": "2:8:20:0:1"}]},
        "mappings, row 1: mac: '2:8:20:0:1' is no MAC address",
    ),
    "MAC too large": ({"mappings": [{**MAPPING, "mac": 2**48}]}, f"mac: {2**48} is no MAC address"),
    "vnet too large": (
        {"mappings": [{**MAPPING, "vnet_id": 2**32}]},
        f"vnet_id: {2**32} is no number from 0 to {2**32 - 1}",
    ),
    "vnet larger than any": ({"mappings": [{**MAPPING, "vnet_id": 2**70}]}, f"vnet_id: {2**70} is no number"),
    "vnet larger still": (b'{"mappings": [{"vnet_id": 1e999}]}', "mappings, row 1: vnet_id: inf is no number"),
    "vnet negative": ({"mappings": [{**MAPPING, "vnet_id": -1}]}, "vnet_id: -1 is no number"),
    "vnet a fraction": ({"mappings": [{**MAPPING, "vnet_id": 1.5}]}, "vnet_id: 1.5 is no number"),
    "vnet true": ({"mappings": [{**MAPPING, "vnet_id": True}]}, "vnet_id: True is no number"),
    "vnet text": ({"mappings": [{**MAPPING, "vnet_id": "1"}]}, "vnet_id: '1' is no number"),
    "VLAN too large": ({"mappings": [{**MAPPING, "vlan": 4096}]}, "vlan: 4096 is no number from 0 to 4095"),
    "deleted a number": ({"mappings": [{**MAPPING, "deleted": 1}]}, "deleted: 1 is neither true nor false"),
    "null": ({"mappings": [{**MAPPING, "cn": None}]}, "cn: None is no name of a compute node"),
    "empty name": ({"compute_nodes": [{**NODE, "uuid": ""}]}, "compute_nodes, row 1: uuid: '' is no name"),
    "port too large": ({"compute_nodes": [{**NODE, "underlay_port": 65536}]}, "underlay_port: 65536 is no number"),
    "same mapping twice": (
        {"mappings": [MAPPING, {**MAPPING, "ip": "::ffff:a00:1"}]},
        "mappings, row 2: vnet_id 23, ip 10.0.0.1: row 1 has the same",
    ),
    "same node twice": ({"compute_nodes": [NODE, NODE]}, "compute_nodes, row 2: uuid cn1: row 1 has the same"),
    "same event twice": ({"events": [VL2, {**VL2, "cn": "cn2"}]}, f"events, row 2: uuid {UUID}: row 1 has the same"),
    "same node in another spelling": (
        {"compute_nodes": [{**NODE, "uuid": UUID}, {**NODE, "uuid": UUID.upper()}]},
        f"compute_nodes, row 2: uuid {UUID}: row 1 has the same",
    ),
    "same route twice": (
        {"routes": [ROUTE, {**ROUTE, "far_dc": 3, "far_subnet": "FD00::/64"}]},
        "routes, row 2: vnet_id 23, vlan 4, subnet 10.0.0.0/24, far_subnet fd00::/64: row 1 has the same",
    ),
    "bad UUID": ({"events": [{**VL2, "uuid": "7d4cbe3a"}]}, "events, row 1: uuid: '7d4cbe3a' is no UUID"),
    "unknown type": ({"events": [{**VL2, "type": "VL4"}]}, "events, row 1: type: 'VL4' is none of VL2, VL3, ROUTE"),
    "VL2 with an address": ({"events": [{**VL2, "ip": "::1"}]}, "events, row 1: ip: there is no such key"),
    "bad subnet": (
        {"routes": [{**ROUTE, "subnet": "10.0.0.0/33"}]},
        "routes, row 1: subnet: '10.0.0.0/33' is no subnet",
    ),
    "subnet without length": (
        {"routes": [{**ROUTE, "subnet": "10.0.0.0"}]},
        "routes, row 1: subnet: '10.0.0.0' is no subnet",
    ),
}


@pytest.mark.fact("SVP-B23")
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_document_says_where_it_is_bad_and_changes_nothing(kind: str) -> None:
    content, wanted = BAD[kind]
    document = (
        content
        if isinstance(content, bytes)
        else json.dumps({"compute_nodes": [{**NODE, "uuid": "new"}], **content}).encode()
    )

    async def work() -> None:
        store = await open_store("sqlite://")
        try:
            await import_document(store, io.BytesIO(json.dumps({"mappings": [MAPPING], "events": []}).encode()), "old")
            before = await exported(store)
            with pytest.raises(TransferError) as refused:
                await import_document(store, io.BytesIO(document), "fleet.json")
            assert str(refused.value).startswith("fleet.json: ")
            assert wanted in str(refused.value)
            assert await exported(store) == before
        finally:
            await store.close()

    asyncio.run(work())


@pytest.mark.fact("SVP-B23")
def test_an_event_that_the_store_has_is_not_imported_again() -> None:
    async def work() -> None:
        store = await open_store("memory://")
        document = json.dumps({"mappings": [MAPPING], "events": [VL2]}).encode()
        await import_document(store, io.BytesIO(document), "x")
        before = await exported(store)
        other = {**VL2, "uuid": UUID[:-1] + "d"}
        again = json.dumps({"mappings": [{**MAPPING, "cn": "cn2"}], "events": [other, VL2]}).encode()
        with pytest.raises(TransferError, match=f"x: events, row 2: uuid {UUID}: the store has an event with it"):
            await import_document(store, io.BytesIO(again), "x")
        assert await exported(store) == before

    asyncio.run(work())


@pytest.mark.parametrize(
    ("again", "number", "earlier"), [(0, 7, 1), (5, 7, 6), (3, 7, 4)], ids=["first", "before", "other batch"]
)
@pytest.mark.fact("SVP-B23")
def test_a_row_that_is_there_twice_is_found_however_far_they_are_apart(
    monkeypatch: pytest.MonkeyPatch, again: int, number: int, earlier: int
) -> None:
    monkeypatch.setattr(transfer, "BATCH", 3)
    rows = [{**MAPPING, "ip": f"10.0.0.{n}"} for n in range(6)]
    document = json.dumps({"mappings": [*rows, rows[again], {**MAPPING, "ip": "10.0.0.99"}]}).encode()
    message = rf"mappings, row {number}: vnet_id 23, ip 10.0.0.{again}: row {earlier} has the same$"
    with pytest.raises(TransferError, match=message):
        asyncio.run(turned(document))


def test_sections_longer_than_a_batch_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BATCH", 3)
    document = {
        "compute_nodes": [{**NODE, "uuid": f"cn{n}"} for n in (5, 4, 3, 2, 1, 0, 9)],
        "mappings": [{**MAPPING, "ip": f"10.0.0.{n}"} for n in (5, 4, 3, 2, 1, 0)],
        "routes": [{**ROUTE, "vlan": n} for n in (5, 4, 3, 2)],
        "events": [{**VL2, "uuid": UUID[:-1] + digit} for digit in "fedcba9876"],
    }
    assert through(document) == document


@pytest.mark.parametrize("number", [1, 4, 5])
def test_an_event_that_the_store_has_is_named_by_its_row(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(transfer, "BATCH", 3)
    events = [{**VL2, "uuid": UUID[:-1] + str(n)} for n in range(6)]
    there = json.dumps({"events": [events[number - 1]]}).encode()
    wanted = f"events, row {number}: uuid {UUID[:-1]}{number - 1}: the store has an event with it"
    with pytest.raises(TransferError, match=wanted):
        asyncio.run(turned(json.dumps({"events": events}).encode(), there, url="sqlite://"))


def test_an_export_is_one_state_and_in_no_writer_s_way(tmp_path: Path) -> None:
    """Another process writes between two rows."""
    url = f"sqlite:///{tmp_path}/store.db"
    rows = [{**MAPPING, "ip": f"10.0.{n >> 8}.{n & 255}"} for n in range(3000)]
    document = {"compute_nodes": [NODE], "mappings": rows, "routes": [], "events": []}
    writer = (
        "import asyncio, sys\n"
        "from etherspan.portolan.producer import Producer\n"
        "from etherspan.portolan.store import open_store\n"
        "async def work():\n"
        "    store = await open_store(sys.argv[1])\n"
        "    await Producer(store).move(23, bytes.fromhex('020820000001'), 'cn2')\n"
        "    await store.close()\n"
        "asyncio.run(work())\n"
    )
    parts: list[str] = []

    def write(text: str) -> None:
        if len(parts) == 100:
            subprocess.run([sys.executable, "-c", writer, url], check=True, timeout=60)
        parts.append(text)

    async def work() -> str:
        store = await open_store(url)
        try:
            await import_document(store, io.BytesIO(json.dumps(document).encode()), "x")
            await export_document(store, write)
            return await exported(store)
        finally:
            await store.close()

    after = json.loads(asyncio.run(work()))
    assert json.loads("".join(parts)) == document
    assert {row["cn"] for row in after["mappings"]} == {"cn2"}


def test_an_import_needs_no_more_memory_for_more_rows(tmp_path: Path) -> None:
    """Both are larger than a batch, so what is compared is what is kept of rows that are written already."""
    first, second = (peak_of_import(tmp_path, count) for count in (20_000, 80_000))
    assert second < first + 3000, "KiB, where 60,000 keys in memory would take more than 6,000"


def peak_of_import(tmp_path: Path, count: int) -> int:
    """KiB."""
    path = tmp_path / f"{count}.json"
    with path.open("w") as file:
        file.write('{"mappings": [')
        for n in range(count):
            row = {**MAPPING, "ip": f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"}
            file.write(("," if n else "") + json.dumps(row))
        file.write("]}")
    program = (
        "import resource, sys\n"
        "from etherspan.portolan.admin.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    argv = [sys.executable, "-c", program, "--store", f"sqlite:///{tmp_path}/{count}.db", "import", str(path)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=100)
    return int(done.stdout.splitlines()[-1])


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(lambda a: address_text(read_address(str(a))))
MACS = st.binary(min_size=6, max_size=6).map(mac_text)
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
VNETS, VLANS, U32 = st.integers(0, 2**32 - 1), st.integers(0, 4095), st.integers(0, 2**32 - 1)
IDS = st.binary(min_size=16, max_size=16).map(uuid_text)


@st.composite
def subnets(draw: st.DrawFn) -> str:
    address = draw(ADDRESSES)
    return f"{address}/{draw(st.integers(0, 128 if ':' in address else 32))}"


def maybe(row: dict[str, Any], **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A row with some of the values that are not as they are by default."""
    return st.sets(st.sampled_from(sorted(more))).map(lambda keys: {**row, **{key: more[key] for key in keys}})


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    def rows(strategy: st.SearchStrategy[dict[str, Any]], *key: str) -> list[dict[str, Any]]:
        return draw(st.lists(strategy, max_size=6, unique_by=lambda row: tuple(str(row[one]) for one in key)))

    mappings = st.fixed_dictionaries({"vnet_id": VNETS, "mac": MACS, "ip": ADDRESSES, "cn": NAMES}).flatmap(
        lambda row: maybe(row, vlan=draw(st.integers(1, 4095)), deleted=True, router=True)
    )
    routes = st.fixed_dictionaries(
        {
            "vnet_id": VNETS,
            "vlan": VLANS,
            "subnet": subnets(),
            "far_dc": U32,
            "far_vnet_id": VNETS,
            "far_vlan": VLANS,
            "far_subnet": subnets(),
            "router_mac": MACS,
        }
    ).flatmap(lambda row: maybe(row, deleted=True))
    head = {"uuid": IDS, "cn": NAMES, "vnet_id": VNETS}
    events = st.one_of(
        st.fixed_dictionaries({**head, "type": st.just("VL2"), "mac": MACS}),
        st.fixed_dictionaries({**head, "type": st.just("VL3"), "ip": ADDRESSES}).flatmap(
            lambda row: maybe(row, vlan=draw(st.integers(1, 4095)))
        ),
        st.fixed_dictionaries(
            {
                **head,
                "type": st.just("ROUTE"),
                "vlan": VLANS,
                "subnet": subnets(),
                "far_dc": U32,
                "far_vnet_id": VNETS,
                "far_vlan": VLANS,
                "far_subnet": subnets(),
            }
        ),
    )
    nodes = st.fixed_dictionaries({"uuid": NAMES, "underlay_ip": ADDRESSES, "underlay_port": st.integers(0, 65535)})
    return {
        "compute_nodes": rows(nodes, "uuid"),
        "mappings": rows(mappings, "vnet_id", "ip"),
        "routes": rows(routes, "vnet_id", "vlan", "subnet", "far_subnet"),
        "events": rows(events, "uuid"),
    }


@settings(deadline=None, max_examples=60)
@given(documents())
def test_what_is_imported_is_exported_verbatim_and_in_order(document: dict[str, Any]) -> None:
    assert through(document) == document
    assert through(document, "sqlite://") == document


@given(subnets())
def test_a_subnet_reads_back(text: str) -> None:
    assert jsonform.subnet_text(read_subnet(text)) == text


@pytest.mark.parametrize(
    ("value", "raw"), [("2:8:20:a:B:c", "0208200a0b0c"), (0x0208200A0B0C, "0208200a0b0c"), (0, "00" * 6)]
)
def test_a_mac_address_has_short_groups_or_is_a_number(value: object, raw: str) -> None:
    assert read_mac(value).hex() == raw


@pytest.mark.parametrize("value", [None, 1.0, True, "", "2:8:20:0:0:1:2", "2-8-20-0-0-1", "g:0:0:0:0:0", -1])
def test_what_is_no_mac_address_is_refused(value: object) -> None:
    with pytest.raises(FormError):
        read_mac(value)
