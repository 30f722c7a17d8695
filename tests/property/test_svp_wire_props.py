"""SVP's codec against its construct declarations, and what must hold of any message and of any bytes (SVP 14)."""

from __future__ import annotations

import ipaddress
import itertools
import uuid
import zlib
from dataclasses import fields
from typing import Any, get_args

import pytest
from construct import ConstructError
from hypothesis import example, given
from hypothesis import strategies as st

from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.layout import LAYOUTS, MESSAGE
from libvarpd.plugins.svp.messages import (
    MAPPED,
    NO_ADDRESS,
    BulkAck,
    BulkReq,
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    Message,
    Op,
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
    is_mapped,
)
from libvarpd.plugins.svp.wire import Frame, Framer, Reason, RemoteProtocolError
from tests.property.svp_strategies import (
    ADDRESS,
    MESSAGE_OF_ANY_KIND,
    MESSAGES,
    RECORD,
    RECORDS,
    SENT,
    STREAM,
    U16,
    U32,
    damaged,
    number,
    octets,
)

KINDS = list(MESSAGES)
FIXED = {
    Ping: 0,
    Pong: 0,
    Vl2Req: 12,
    Vl2Ack: 20,
    Vl3Req: 24,
    Vl3Ack: 28,
    BulkReq: 4,
    LogReq: 20,
    LogRmAck: 4,
    Shootdown: 12,
    RouteReq: 40,
    RouteAck: 48,
}
PADS = {Vl2Req: 6, Shootdown: 6, RouteReq: 6, RouteAck: 46, Vl2Record: 26, Vl3Record: 36, RouteRecord: 70}
"""Where the two bytes that pad are."""
ADDRESSES: dict[type[Any], list[tuple[str, int]]] = {
    Vl2Ack: [("address", 4)],
    Vl3Req: [("address", 0)],
    Vl3Ack: [("address", 12)],
    LogReq: [("address", 4)],
    RouteReq: [("src_address", 8), ("dst_address", 24)],
    RouteAck: [("address", 16)],
    Vl3Record: [("address", 20)],
    RouteRecord: [("src_address", 32), ("dst_address", 48)],
}
"""Where addresses are in bodies and records."""


def declared(value: Any) -> dict[str, Any]:
    """A message or a record as its layout has it."""
    found = {one.name: getattr(value, one.name) for one in fields(value)}
    if isinstance(value, LogAck):
        found["records"] = [declared(one) for one in value.records]
    if isinstance(value, LogRm):
        found["ids"] = list(value.ids)
    return {"type": int(value.type), **found} if isinstance(value, get_args(Record)) else found


def plain(parsed: Any) -> Any:
    """What a layout parsed, without what construct keeps beside it."""
    if isinstance(parsed, dict):
        return {name: plain(one) for name, one in parsed.items() if isinstance(name, str) and not name.startswith("_")}
    return [plain(one) for one in parsed] if isinstance(parsed, list) else parsed


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Bytes cut at some places, wherever these are."""
    at = [0, *sorted(one % (len(data) + 1) for one in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(at)]


def drain(reads: list[bytes]) -> tuple[list[Frame], Reason | None]:
    """Everything that a framer gives for some reads, and why it gave up if it did."""
    framer, found = Framer(), []
    try:
        for read in reads:
            found += framer.feed(read)
        found += framer.feed(b"")
    except RemoteProtocolError as error:
        return found, error.reason
    return found, None


def without_pads(kind: type[Any], body: bytes) -> bytes:
    at = PADS.get(kind)
    return body if at is None else body[:at] + bytes(2) + body[at + 2 :]


def test_every_message_and_record_is_drawn() -> None:
    assert set(MESSAGES) == set(get_args(Message))
    assert set(RECORDS) == set(get_args(Record))


# ---------------------------------------------------------------------- the codec and the layouts


@pytest.mark.fact("SVP-I1", "SVP-I2")
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), ident=U32, version=U16)
def test_a_message_survives_and_its_size_is_told(
    kind: type[Any], data: st.DataObject, ident: int, version: int
) -> None:
    message = data.draw(MESSAGES[kind])
    sent = wire.encode(message, ident, version)
    assert len(sent) == 16 + int.from_bytes(sent[4:8])
    assert len(sent) == 16 + FIXED.get(kind, len(wire.pack_body(message)))
    [frame] = Framer().feed(sent)
    assert tuple(frame) == (version, kind.op, ident, sent[16:])
    got = wire.decode(frame.op, frame.body)
    assert (type(got), got) == (kind, message)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), ident=U32, version=U16)
def test_a_message_has_the_bytes_of_its_layout(kind: type[Any], data: st.DataObject, ident: int, version: int) -> None:
    message = data.draw(MESSAGES[kind])
    body: bytes = LAYOUTS[kind.__name__].build(declared(message))
    assert wire.pack_body(message) == body
    whole: bytes = MESSAGE.build({"version": version, "op": int(kind.op), "id": ident, "body": body})
    assert wire.encode(message, ident, version) == whole
    assert wire.decode(kind.op, body) == message


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), ident=U32, version=U16)
def test_a_layout_finds_in_a_messages_bytes_what_was_put_there(
    kind: type[Any], data: st.DataObject, ident: int, version: int
) -> None:
    message = data.draw(MESSAGES[kind])
    sent = wire.encode(message, ident, version)
    whole = plain(MESSAGE.parse(sent))
    assert (whole["version"], whole["op"], whole["size"], whole["id"]) == (version, kind.op, len(sent) - 16, ident)
    assert plain(LAYOUTS[kind.__name__].parse(whole["body"])) == declared(message)


@pytest.mark.parametrize("kind", list(RECORDS))
@given(data=st.data())
def test_a_record_has_the_bytes_of_its_layout(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(RECORDS[kind])
    packed = wire.pack_record(record)
    assert packed == LAYOUTS[kind.__name__].build(declared(record))
    assert plain(LAYOUTS[kind.__name__].parse(packed)) == declared(record)
    assert list(wire.records(packed)) == [record]
    assert list(wire.records(b"\xff" * 7 + packed, 7)) == [record]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_the_codec_takes_the_bodies_that_the_layout_takes_and_finds_the_same(
    kind: type[Any], data: st.DataObject
) -> None:
    body = data.draw(st.binary(max_size=120) | MESSAGES[kind].map(wire.pack_body).flatmap(damaged))
    layout = LAYOUTS[kind.__name__]
    try:
        expected = plain(layout.parse(body))
    except ConstructError:
        with pytest.raises(RemoteProtocolError):
            wire.decode(kind.op, body)
        return
    assert declared(wire.decode(kind.op, body)) == expected


# ---------------------------------------------------------------------- checksums and pads


@pytest.mark.fact("SVP-I3")
@given(SENT, st.integers(0, 2**20))
def test_a_checksum_is_that_of_the_message_without_it_and_a_flipped_bit_shows(
    sent: tuple[Message, int, int], at: int
) -> None:
    data = wire.encode(*sent)
    assert int.from_bytes(data[12:16]) == zlib.crc32(data[:12] + bytes(4) + data[16:])
    bit = at % (8 * len(data))
    broken = bytearray(data)
    broken[bit // 8] ^= 0x80 >> bit % 8
    with pytest.raises(ConstructError):
        MESSAGE.parse(bytes(broken))
    found, reason = drain([bytes(broken)])
    assert found == []
    if not 32 <= bit < 64:
        assert reason is Reason.CRC


@pytest.mark.fact("SVP-I6", "SVP-Q2")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in PADS])
@given(data=st.data(), pad=octets(2), ident=U32)
def test_bytes_that_pad_change_no_message_but_count_for_the_checksum(
    kind: type[Any], data: st.DataObject, pad: bytes, ident: int
) -> None:
    message = data.draw(MESSAGES[kind])
    body = wire.pack_body(message)
    at = PADS[kind]
    assert body[at : at + 2] == bytes(2)
    check_pads(message, body, body[:at] + pad + body[at + 2 :], ident)


@pytest.mark.fact("SVP-I6")
@pytest.mark.parametrize("kind", list(RECORDS))
@given(data=st.data(), pad=octets(2), ident=U32)
def test_bytes_that_pad_change_no_record_but_count_for_the_checksum(
    kind: type[Any], data: st.DataObject, pad: bytes, ident: int
) -> None:
    records = (data.draw(RECORD), data.draw(RECORDS[kind]), data.draw(RECORD))
    body = wire.pack_body(LogAck(0, records))
    at = 4 + records[0].size + PADS[kind]
    assert body[at : at + 2] == bytes(2)
    check_pads(LogAck(0, records), body, body[:at] + pad + body[at + 2 :], ident)


def check_pads(message: Message, body: bytes, padded: bytes, ident: int) -> None:
    [frame] = Framer().feed(wire.frame(message.op, padded, ident))
    assert frame.body == padded
    assert wire.decode(frame.op, frame.body) == message
    if padded != body:
        stale = wire.frame(message.op, body, ident)[:16] + padded
        assert drain([stale]) == ([], Reason.CRC)


@pytest.mark.fact("SVP-B8")
@pytest.mark.parametrize("kind", list(FIXED))
@given(data=st.data(), surplus=st.binary(max_size=64))
def test_bytes_over_change_no_message_of_fixed_size(kind: type[Any], data: st.DataObject, surplus: bytes) -> None:
    message = data.draw(MESSAGES[kind])
    assert wire.decode(kind.op, wire.pack_body(message) + surplus) == message


# ---------------------------------------------------------------------- framing


@pytest.mark.fact("SVP-I4")
@given(STREAM, st.lists(st.integers(0, 2**20), max_size=12))
def test_messages_come_out_the_same_however_their_bytes_come_in(
    sent: list[tuple[Message, int, int]], cuts: list[int]
) -> None:
    found, reason = drain(pieces(b"".join(wire.encode(*one) for one in sent), cuts))
    assert reason is None
    assert [(wire.decode(one.op, one.body), one.id, one.version) for one in found] == sent


@pytest.mark.fact("SVP-I5")
@given(STREAM, SENT, st.integers(0, 2**20), st.integers(1, 40))
def test_a_message_is_there_with_its_last_byte_and_not_before(
    sent: list[tuple[Message, int, int]], last: tuple[Message, int, int], cut: int, step: int
) -> None:
    whole = [wire.encode(*one) for one in sent]
    final = wire.encode(*last)
    part = final[: cut % len(final)]
    stream = b"".join(whole) + part
    ends = [sum(map(len, whole[: n + 1])) for n in range(len(whole))]
    framer = Framer()
    found: list[Frame] = []
    for at in range(0, len(stream), step):
        found += framer.feed(stream[at : at + step])
        given_ = min(at + step, len(stream))
        assert len(found) == sum(end <= given_ for end in ends)
        assert framer.partial + sum(16 + len(one.body) for one in found) == given_
    assert framer.partial == len(part)
    found += framer.feed(final[len(part) :])
    assert [(wire.decode(one.op, one.body), one.id, one.version) for one in found] == [*sent, last]
    assert framer.partial == 0


@given(
    st.lists(SENT.map(lambda one: wire.encode(*one)), max_size=3),
    st.binary(min_size=16, max_size=60) | SENT.flatmap(lambda one: damaged(wire.encode(*one))),
    st.binary(max_size=100),
    st.lists(st.integers(0, 2**20), max_size=12),
)
def test_a_framer_loses_no_message_before_a_bad_one_and_invents_none_behind(
    good: list[bytes], bad: bytes, more: bytes, cuts: list[int]
) -> None:
    stream = b"".join(good) + bad + more
    found, reason = drain([stream])
    assert drain(pieces(stream, cuts)) == (found, reason)
    assert drain([stream[at : at + 1] for at in range(len(stream))]) == (found, reason)
    assert [one.body for one in found[: len(good)]] == [one[16:] for one in good]
    again = b"".join(wire.frame(one.op, one.body, one.id, one.version) for one in found)
    assert stream.startswith(again)
    assert (reason is None) == (next_is_open(stream[len(again) :]))


def next_is_open(rest: bytes) -> bool:
    """Whether more bytes may yet make a message of these."""
    size = int.from_bytes(rest[4:8])
    return len(rest) < 16 or (size <= wire.MAX_BODY and len(rest) < 16 + size)


@given(st.lists(st.binary(max_size=80), max_size=10))
@example([bytes(15), b"\0"])
@example([b"\xff" * 16])
def test_any_bytes_are_framed_or_refused(reads: list[bytes]) -> None:
    found, reason = drain(reads)
    assert b"".join(reads).startswith(b"".join(wire.frame(one.op, one.body, one.id, one.version) for one in found))
    assert reason in {None, Reason.CRC, Reason.TOO_LARGE}


@pytest.mark.fact("SVP-Q1")
@given(octets(4), MESSAGE_OF_ANY_KIND, MESSAGE_OF_ANY_KIND)
def test_an_answer_can_carry_the_very_four_bytes_of_its_question(
    ident: bytes, question: Message, answer: Message
) -> None:
    asked = bytearray(wire.encode(question, 0))
    asked[8:12] = ident
    asked[12:16] = zlib.crc32(asked[:12] + bytes(4) + asked[16:]).to_bytes(4)
    [frame] = Framer().feed(bytes(asked))
    assert wire.encode(answer, frame.id)[8:12] == ident


# ---------------------------------------------------------------------- addresses, ids, statuses


@pytest.mark.fact("SVP-I7")
@pytest.mark.parametrize("kind", list(ADDRESSES))
@given(data=st.data(), address=st.ip_addresses(v=4))
def test_an_ipv4_address_is_mapped_on_the_wire_and_comes_back(
    kind: type[Any], data: st.DataObject, address: ipaddress.IPv4Address
) -> None:
    value = data.draw((MESSAGES | RECORDS)[kind])
    names = [name for name, _ in ADDRESSES[kind]]
    mapped = MAPPED + address.packed
    value = kind(*(mapped if one.name in names else getattr(value, one.name) for one in fields(kind)))
    packed = wire.pack_record(value) if kind in RECORDS else wire.pack_body(value)
    for name, at in ADDRESSES[kind]:
        assert packed[at : at + 16] == bytes(10) + b"\xff\xff" + address.packed
        [got] = wire.records(packed) if kind in RECORDS else [wire.decode(kind.op, packed)]
        back = getattr(got, name)
        assert is_mapped(back)
        assert (ipaddress.IPv4Address(back[12:]), ipaddress.IPv6Address(back).ipv4_mapped) == (address, address)


@pytest.mark.fact("SVP-I7")
def test_every_address_has_16_bytes() -> None:
    for kind in [*MESSAGES, *RECORDS]:
        named = [one.name for one in fields(kind) if one.name.endswith("address")]
        assert named == [name for name, _ in ADDRESSES.get(kind, [])]
        assert [part.sizeof() for part in LAYOUTS[kind.__name__].subcons if part.name in named] == [16] * len(named)
    assert len(NO_ADDRESS) == 16


@given(octets(16))
def test_an_address_is_mapped_when_the_standard_library_says_so(address: bytes) -> None:
    assert is_mapped(address) == (ipaddress.IPv6Address(address).ipv4_mapped is not None)


@pytest.mark.fact("SVP-I8")
@given(U32, st.lists(RECORD, max_size=6), st.binary(min_size=1, max_size=31))
def test_records_fill_a_log_exactly_or_it_is_refused(status: int, records: list[Record], more: bytes) -> None:
    body = wire.pack_body(LogAck(status, tuple(records)))
    sizes = [{Vl2Record: 32, Vl3Record: 44, RouteRecord: 72}[type(one)] for one in records]
    assert len(body) == 4 + sum(sizes)
    ends = {4 + sum(sizes[:n]): n for n in range(len(sizes) + 1)}
    for size in range(4, len(body) + 1):
        if size in ends:
            assert wire.decode(Op.LOG_ACK, body[:size]) == LogAck(status, tuple(records[: ends[size]]))
        else:
            with pytest.raises(RemoteProtocolError) as refused:
                wire.decode(Op.LOG_ACK, body[:size])
            assert refused.value.reason is Reason.RECORD
    with pytest.raises(RemoteProtocolError):
        wire.decode(Op.LOG_ACK, body + more)


@pytest.mark.fact("SVP-B24")
@given(st.lists(RECORD, max_size=4), number(32).filter(lambda kind: not 1 <= kind <= 3), st.binary(max_size=80))
def test_nothing_of_a_log_with_an_unknown_record_is_decoded(records: list[Record], kind: int, more: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        wire.decode(Op.LOG_ACK, wire.pack_body(LogAck(0, tuple(records))) + kind.to_bytes(4) + more)
    assert refused.value.reason is Reason.RECORD


@pytest.mark.fact("SVP-I9")
@given(st.lists(st.uuids(allow_nil=True), min_size=1, max_size=5), RECORD)
def test_an_events_id_is_on_the_wire_in_the_order_of_its_text(ids: list[uuid.UUID], record: Record) -> None:
    texts = [str(one) for one in ids]
    raw = tuple(bytes.fromhex(text.replace("-", "")) for text in texts)
    body = wire.pack_body(LogRm(raw))
    assert body[4:].hex() == "".join(texts).replace("-", "")
    got = wire.decode(Op.LOG_RM, body)
    assert isinstance(got, LogRm)
    assert [str(uuid.UUID(bytes=one)) for one in got.ids] == texts
    kind: Any = type(record)
    event = kind(raw[0], *(getattr(record, one.name) for one in fields(kind)[1:]))
    packed = wire.pack_record(event)
    assert packed[4:20].hex() == texts[0].replace("-", "")
    assert [str(uuid.UUID(bytes=one.id)) for one in wire.records(packed)] == [texts[0]]


@pytest.mark.fact("SVP-I10")
@given(U16, U16, ADDRESS, U32)
def test_the_first_word_of_an_answer_is_its_status_but_of_a_vl2_answer_status_and_port(
    status: int, port: int, address: bytes, wide: int
) -> None:
    packed = wire.pack_body(Vl2Ack(status, port, address))
    assert packed[:4] == status.to_bytes(2) + port.to_bytes(2)
    assert wire.decode(Op.VL2_ACK, packed) == Vl2Ack(status, port, address)
    for kind in (Vl3Ack, BulkAck, LogAck, LogRmAck, RouteAck):
        body = wire.pack_body(kind(wide))
        assert body[:4] == wide.to_bytes(4)
        assert wire.decode(kind.op, body) == kind(wide)


# ---------------------------------------------------------------------- anything at all


@given(number(16) | st.sampled_from(list(Op)) | st.integers(), st.binary(max_size=300))
def test_decode_gives_a_message_or_says_that_it_is_none(op: int, body: bytes) -> None:
    try:
        message = wire.decode(op, body)
    except RemoteProtocolError as error:
        assert error.reason in {Reason.OP, Reason.SIZE, Reason.RECORD}
        assert (error.reason is Reason.OP) == (op not in set(Op) - {Op.UNKNOWN})
        return
    packed = wire.pack_body(message)
    assert message.op == op
    assert wire.decode(op, packed) == message
    if not isinstance(message, LogAck):
        assert packed == without_pads(type(message), body[: len(packed)])


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_decode_of_damaged_bodies_gives_a_message_or_says_that_it_is_none(kind: type[Any], data: st.DataObject) -> None:
    body = data.draw(MESSAGES[kind].map(wire.pack_body).flatmap(damaged))
    try:
        message = wire.decode(kind.op, body)
    except RemoteProtocolError as error:
        assert error.reason in {Reason.SIZE, Reason.RECORD}
    else:
        assert wire.decode(kind.op, wire.pack_body(message)) == message
