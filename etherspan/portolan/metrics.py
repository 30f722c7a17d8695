"""What the server counts, for Prometheus; needs the extra `etherspan[metrics]`.

    portolan_requests_total{op,status}
    portolan_connections, portolan_connections_opened_total, portolan_connections_closed_total{reason}
    portolan_batch_requests, portolan_batch_seconds (histograms), portolan_batches_at_store

The page is served by the server's own loop: no thread, and no name is looked up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from libvarpd.plugins.svp.messages import Op, Status

PATIENCE: Final = 10.0
"""Seconds for a request, and for taking the answer."""
_PATHS: Final = frozenset({b"/", b"/metrics"})
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_SECONDS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class PrometheusMetrics:
    """See `connection.Metrics`. Each has a registry of its own."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self._requests = Counter("portolan_requests", "Requests answered.", ["op", "status"], registry=own)
        self._open = Gauge("portolan_connections", "Connections there are.", registry=own)
        self._opened = Counter("portolan_connections_opened", "Connections that came.", registry=own)
        self._closed = Counter(
            "portolan_connections_closed", "Connections that went, and why.", ["reason"], registry=own
        )
        self._sizes = Histogram("portolan_batch_requests", "Requests answered together.", buckets=_SIZES, registry=own)
        self._seconds = Histogram(
            "portolan_batch_seconds", "From a batch's question to the store's answer.", buckets=_SECONDS, registry=own
        )
        self._asking = Gauge("portolan_batches_at_store", "Batches that the store has not answered yet.", registry=own)

    def opened(self) -> None:
        """See `connection.Metrics`, as for the others."""
        self._opened.inc()
        self._open.inc()

    def closed(self, reason: str) -> None:
        self._closed.labels(reason).inc()
        self._open.dec()

    def asking(self, change: int) -> None:
        self._asking.inc(change)

    def answered(self, counts: Mapping[tuple[Op, Status], int], requests: int, seconds: float) -> None:
        for (op, status), number in counts.items():
            self._requests.labels(op.name, status.name).inc(number)
        self._sizes.observe(requests)
        self._seconds.observe(seconds)

    def page(self) -> bytes:
        """What Prometheus reads."""
        return generate_latest(self._registry)

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Answer GET /metrics there. Errors: `OSError`."""
        return await asyncio.start_server(self._answer, host, port)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(PATIENCE):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._respond(request))
                await writer.drain()
        writer.close()

    def _respond(self, request: bytes) -> bytes:
        method, path, *_ = [*request.split(b"\r\n", 1)[0].split(b" "), b"", b""]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"", "text/plain")
        if path.partition(b"?")[0] not in _PATHS:
            return _response("404 Not Found", b"", "text/plain")
        page = self.page()
        answer = _response("200 OK", page, CONTENT_TYPE_LATEST)
        return answer if method == b"GET" else answer[: -len(page)]


def _response(status: str, body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
