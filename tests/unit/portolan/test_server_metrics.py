"""What the SVP server counts, on both sides: the tally of a batch, and the page for Prometheus."""

from __future__ import annotations

import asyncio

import pytest

from etherspan.portolan.batch import Answers, Batch, Slot, tally
from etherspan.portolan.daemon import Address, absolute, in_own_folder
from etherspan.portolan.metrics import PrometheusMetrics
from etherspan.portolan.records import Place
from etherspan.portolan.store.memory import MemoryStore
from libvarpd.plugins.svp.messages import BulkReq, LogReq, LogRm, Message, Op, Ping, Status, Vl2Req, Vl3Req
from tests.portolan_rows import VNET, event_id, ip, mac
from tests.portolan_talk import HERE, ROUTE_REQ, BrokenStore, request, serving, small_store, status

ASKED: list[Message] = [
    Ping(), Vl2Req(mac(1), VNET), Vl2Req(mac(2), VNET), Vl2Req(mac(77), VNET), Vl3Req(ip("10.0.0.3"), 1, VNET), BulkReq(1),
    LogReq(1024, HERE), LogReq(1024, ip("10.9.9.9")), ROUTE_REQ, LogRm((event_id(1),)), LogRm(()),
]  # fmt: skip


@pytest.mark.parametrize("broken", [(), ("vl2",), ("log",), ("snapshot",), ("transaction",)])
def test_what_is_counted_is_what_was_answered(broken: tuple[str, ...]) -> None:
    async def check() -> None:
        async with serving(BrokenStore(await small_store(), *broken)) as served:
            client = await served.client()
            client.send(b"".join(request(one, 1, 2) for one in ASKED))
            answers = [await client.receive() for _ in ASKED]
            wanted: dict[tuple[Op, Status], int] = {}
            for one in answers:
                which = Op(one.op - 1), Status(status(one))
                wanted[which] = wanted.get(which, 0) + 1
            assert dict(served.counts.requests) == wanted
            assert served.counts.at_store == 0
            assert served.counts.opens == 1

    asyncio.run(check())


def test_kinds_that_were_not_asked_are_not_counted() -> None:
    batch = Batch(0.0, [Slot(Op.VL2_REQ, 1, 1)], vl2=[(1, mac(1))])
    assert tally(batch, Answers(vl2=[Place(1, bytes(16))])) == {(Op.VL2_REQ, Status.OK): 1}


def test_a_page_has_every_count() -> None:
    metrics = PrometheusMetrics()
    metrics.opened()
    metrics.opened()
    metrics.closed("reset")
    metrics.asking(1)
    metrics.answered({(Op.VL2_REQ, Status.OK): 3, (Op.VL3_REQ, Status.FATAL): 1}, 4, 0.002)
    rows = dict(line.rsplit(" ", 1) for line in metrics.page().decode().splitlines() if not line.startswith("#"))
    wanted = {
        "portolan_connections": 1,
        "portolan_connections_opened_total": 2,
        'portolan_connections_closed_total{reason="reset"}': 1,
        "portolan_batches_at_store": 1,
        'portolan_requests_total{op="VL2_REQ",status="OK"}': 3,
        'portolan_requests_total{op="VL3_REQ",status="FATAL"}': 1,
        'portolan_batch_requests_bucket{le="2.0"}': 0,
        'portolan_batch_requests_bucket{le="4.0"}': 1,
        'portolan_batch_seconds_bucket{le="0.001"}': 0,
        'portolan_batch_seconds_bucket{le="0.003"}': 1,
    }
    assert {name: float(rows[name]) for name in wanted} == wanted


def test_two_servers_count_apart() -> None:
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.opened()
    assert b"portolan_connections 1.0" in one.page()
    assert b"portolan_connections 0.0" in other.page()


def test_all_addresses_are_those_of_both_families() -> None:
    assert Address("::", 1).hosts == ("::", "0.0.0.0")
    assert Address("::1", 1).hosts == ("::1",)
    assert [str(Address(host, 1296)) for host in ("::1", "127.0.0.1")] == ["[::1]:1296", "127.0.0.1:1296"]


@pytest.mark.parametrize(
    "url", ["sqlite:////a/b.db", "sqlite://", "postgresql+psycopg://u:p@h/n?host=%2Ftmp%2Fx", "memory://"]
)
def test_a_whole_url_stays_as_it_is(url: str) -> None:
    assert absolute(url).render_as_string(hide_password=False).replace("%2F", "/") == url.replace("%2F", "/")


def test_a_path_is_that_of_where_the_command_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    assert str(absolute("sqlite:///x.db")) == "sqlite:////usr/x.db"


def test_the_folder_of_the_default_store_is_the_servers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETHERSPAN_STATE", "/some/where")
    urls = [
        "sqlite:////some/where/portolan/portolan.db",
        "sqlite:////some/where/portolan/other.db",
        "sqlite://",
        "memory://",
    ]
    assert [in_own_folder(absolute(url)) for url in urls] == [True, False, False, False]


def test_a_server_without_metrics_counts_nothing() -> None:
    from etherspan.portolan.server import Server

    async def check() -> None:
        server = Server(MemoryStore())
        _, port = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(Ping()))
        assert len(await reader.readexactly(16)) == 16
        writer.close()
        await writer.wait_closed()
        await server.stop()

    asyncio.run(check())
