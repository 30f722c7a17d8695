"""What the properties of SVP draw from: every message and log record, the ends of each field's range often."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from libvarpd.plugins.svp.messages import (
    MAPPED,
    BulkAck,
    BulkReq,
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    Message,
    Ping,
    Pong,
    Record,
    RouteAck,
    RouteRecord,
    RouteReq,
    Shootdown,
    Vl2Ack,
    Vl2Record,
    Vl2Req,
    Vl3Ack,
    Vl3Record,
    Vl3Req,
)


def number(bits: int, *more: int) -> st.SearchStrategy[int]:
    """Numbers of a width, its ends often."""
    return st.sampled_from([0, 1, 2**bits - 2, 2**bits - 1, *more]) | st.integers(0, 2**bits - 1)


def octets(size: int) -> st.SearchStrategy[bytes]:
    return st.sampled_from([bytes(size), b"\xff" * size]) | st.binary(min_size=size, max_size=size)


U8, U16, U32 = number(8), number(16), number(32)
VNET = number(32, 2**24 - 1, 2**24)
VLAN = number(16, 4094, 4095)
MAC = octets(6)
ID = octets(16)
ADDRESS = octets(16) | octets(4).map(MAPPED.__add__)
RECORDS: dict[type[Any], st.SearchStrategy[Any]] = {
    Vl2Record: st.builds(Vl2Record, ID, MAC, VNET),
    Vl3Record: st.builds(Vl3Record, ID, ADDRESS, VLAN, VNET),
    RouteRecord: st.builds(RouteRecord, ID, VNET, VNET, U32, ADDRESS, ADDRESS, VLAN, VLAN, U8, U8),
}
RECORD: st.SearchStrategy[Record] = st.one_of(*RECORDS.values())
MESSAGES: dict[type[Any], st.SearchStrategy[Any]] = {
    Ping: st.just(Ping()),
    Pong: st.just(Pong()),
    Vl2Req: st.builds(Vl2Req, MAC, VNET),
    Vl2Ack: st.builds(Vl2Ack, U16, U16, ADDRESS),
    Vl3Req: st.builds(Vl3Req, ADDRESS, number(32, 0x00020000), VNET),
    Vl3Ack: st.builds(Vl3Ack, U32, MAC, U16, ADDRESS),
    BulkReq: st.builds(BulkReq, U32),
    BulkAck: st.builds(BulkAck, U32, U32, st.binary(max_size=100)),
    LogReq: st.builds(LogReq, U32, ADDRESS),
    LogAck: st.builds(LogAck, U32, st.lists(RECORD, max_size=8).map(tuple)),
    LogRm: st.builds(LogRm, st.lists(ID, max_size=64).map(tuple)),
    LogRmAck: st.builds(LogRmAck, U32),
    Shootdown: st.builds(Shootdown, MAC, VNET),
    RouteReq: st.builds(RouteReq, VNET, VLAN, ADDRESS, ADDRESS),
    RouteAck: st.builds(RouteAck, U32, U32, VNET, VLAN, U16, ADDRESS, MAC, MAC, U8, U8),
}
MESSAGE_OF_ANY_KIND: st.SearchStrategy[Message] = st.one_of(*MESSAGES.values())
SENT = st.tuples(MESSAGE_OF_ANY_KIND, U32, U16)
"""A message, its id, its version."""
STREAM = st.lists(SENT, min_size=1, max_size=6)


def damaged(body: bytes) -> st.SearchStrategy[bytes]:
    """Bodies that are almost one: cut, continued, or with bytes changed."""
    at = st.integers(0, max(0, len(body) - 1))
    return st.one_of(
        st.just(body),
        at.map(lambda end: body[:end]),
        st.binary(max_size=50).map(lambda more: body + more),
        st.just(body + body[4:]),
        st.tuples(at, st.binary(min_size=1, max_size=4)).map(
            lambda one: body[: one[0]] + one[1] + body[one[0] + len(one[1]) :]
        ),
    )
