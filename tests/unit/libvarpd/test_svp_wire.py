"""SVP's codec on worked messages, on the ends of every field's range, and on what is no message."""

from __future__ import annotations

import ipaddress
import itertools
import json
import re
import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from libvarpd.plugins.svp import layout, messages, wire
from libvarpd.plugins.svp.messages import (
    MAPPED,
    BulkAck,
    LogAck,
    LogReq,
    LogRm,
    LogType,
    Message,
    Op,
    Ping,
    Record,
    RouteRecord,
    Status,
    Vl2Ack,
    Vl2Record,
    Vl2Req,
    Vl3Ack,
    Vl3Record,
    Vl3Req,
    is_mapped,
)
from libvarpd.plugins.svp.wire import Frame, Framer, Reason, RemoteProtocolError

ROOT = Path(__file__).parents[3]
VECTORS: dict[str, dict[str, Any]] = json.loads((ROOT / "fixtures/svp/vectors.json").read_text())
"""The messages of the sheet's section 13, by its numbers."""

MAC = bytes.fromhex("020820aabbcc")
ID = bytes(range(16))
THERE = MAPPED + bytes([172, 16, 5, 9])
KINDS: tuple[type[Any], ...] = get_args(Message)
RECORDS: tuple[type[Any], ...] = get_args(Record)
SIZES = {
    Op.PING: 0,
    Op.PONG: 0,
    Op.VL2_REQ: 12,
    Op.VL2_ACK: 20,
    Op.VL3_REQ: 24,
    Op.VL3_ACK: 28,
    Op.BULK_REQ: 4,
    Op.LOG_REQ: 20,
    Op.LOG_RM_ACK: 4,
    Op.SHOOTDOWN: 12,
    Op.ROUTE_REQ: 40,
    Op.ROUTE_ACK: 48,
}
"""Bytes of the bodies of fixed size."""
FIXED_PARTS = SIZES | {Op.BULK_ACK: 8, Op.LOG_ACK: 4, Op.LOG_RM: 4}
RECORD_SIZES = {LogType.VL2: 32, LogType.VL3: 44, LogType.ROUTE: 72}


def from_text(name: str, value: Any) -> Any:
    """A field's value, from how the vectors write it."""
    if name == "records":
        return tuple(value_of(one.pop("record"), one) for one in map(dict, value))
    if name == "ids":
        return tuple(uuid.UUID(one).bytes for one in value)
    if name == "id":
        return uuid.UUID(value).bytes
    if name.endswith("mac"):
        return bytes.fromhex(value.replace(":", ""))
    if name.endswith("address"):
        address = ipaddress.ip_address(value)
        return MAPPED + address.packed if address.version == 4 else address.packed
    return value


def value_of(kind: str, given: dict[str, Any]) -> Any:
    return getattr(messages, kind)(**{name: from_text(name, value) for name, value in given.items()})


def vector(name: str) -> tuple[Message, int, int, bytes]:
    one = VECTORS[name]
    return value_of(one["message"], one["fields"]), one["id"], one["version"], bytes.fromhex(one["hex"])


def refusal(op: int, body: bytes) -> Reason:
    with pytest.raises(RemoteProtocolError) as refused:
        wire.decode(op, body)
    assert str(refused.value)
    return refused.value.reason


def extremes(kind: type[Any]) -> Iterator[Any]:
    """Every value of a message or record of fixed size whose fields are all at one end or the other of what the layout holds."""
    sizes = {part.name: part.sizeof() for part in layout.LAYOUTS[kind.__name__].subcons}
    ends = [
        (0, 2 ** (8 * sizes[one.name]) - 1)
        if one.type == "int"
        else (bytes(sizes[one.name]), b"\xff" * sizes[one.name])
        for one in fields(kind)
    ]
    return (kind(*values) for values in itertools.product(*ends))


# ---------------------------------------------------------------------- worked messages


@pytest.mark.parametrize("name", VECTORS)
def test_a_worked_message_is_encoded_to_its_bytes(name: str) -> None:
    message, ident, version, data = vector(name)
    assert wire.encode(message, ident, version) == data
    body = layout.LAYOUTS[type(message).__name__].build(as_declared(message))
    assert layout.MESSAGE.build({"version": version, "op": message.op, "id": ident, "body": body}) == data


@pytest.mark.parametrize("name", VECTORS)
def test_the_bytes_of_a_worked_message_are_decoded_to_it(name: str) -> None:
    message, ident, version, data = vector(name)
    [frame] = Framer().feed(data)
    assert (frame.version, frame.op, frame.id) == (version, message.op, ident)
    assert wire.decode(frame.op, frame.body) == message
    assert layout.MESSAGE.parse(data).body == data[16:]


def as_declared(message: Any) -> dict[str, Any]:
    """A message or record as its layout takes it."""
    found = {one.name: getattr(message, one.name) for one in fields(message)}
    if "records" in found:
        found["records"] = [{"type": one.type, **as_declared(one)} for one in found["records"]]
    return found


def test_the_worked_messages_are_those_of_the_sheet() -> None:
    sheet = (ROOT / "docs/reference/svp.md").read_text()
    told = re.split(
        r"^E(\d+) .*$", sheet[sheet.index("## 13.") : sheet.index("## 14.")].split("```")[1], flags=re.MULTILINE
    )[1:]
    assert {
        f"E{number}": bytes.fromhex(data.replace("|", "")) for number, data in zip(*[iter(told)] * 2, strict=True)
    } == {name: bytes.fromhex(one["hex"]) for name, one in VECTORS.items()}
    assert {vector(name)[0].op for name in VECTORS} == set(Op) - {Op.UNKNOWN, Op.BULK_ACK}


# ---------------------------------------------------------------------- layouts


def test_every_message_and_every_record_has_a_layout() -> None:
    assert {kind.op for kind in KINDS} == set(Op) - {Op.UNKNOWN}
    assert {kind.type for kind in RECORDS} == set(LogType)
    assert {kind.__name__ for kind in KINDS + RECORDS} == set(layout.LAYOUTS)
    assert layout.HEADER.sizeof() == wire.HEADER_SIZE == wire.HEADER.size == 16


def test_the_layouts_offsets_are_those_its_docstring_tells() -> None:
    assert layout.__doc__ is not None
    lines = re.sub(r"\n {6,}", "   ", layout.__doc__).splitlines()
    told = {found[1]: line for line in lines if (found := re.match(r" {4}([A-Z]\w+) +0 ", line))}
    assert set(told) == set(layout.LAYOUTS) - {"Ping", "Pong"}
    for name in set(told) - {"LogRm"}:
        expected, at = [], 0
        for part in layout.LAYOUTS[name].subcons:
            if part.name in {"data", "records"}:
                break
            expected.append((str(at), part.name or "pad", str(part.sizeof())))
            at += part.sizeof()
        assert re.findall(r"(\d+) ([a-z]\w*) (\d+)", told[name]) == expected, name
        assert told[name].endswith((f"  {at}", f"  {at} + n")), name


@pytest.mark.fact("SVP-I2")
@pytest.mark.parametrize("kind", KINDS)
def test_a_body_has_the_size_of_its_operation(kind: type[Any]) -> None:
    if kind.op not in SIZES:
        assert kind.op not in wire.FIXED_SIZE
        return
    assert wire.FIXED_SIZE[kind.op] == layout.LAYOUTS[kind.__name__].sizeof() == SIZES[kind.op]
    for message in extremes(kind):
        data = wire.encode(message, 1)
        assert (len(data), data[4:8]) == (16 + SIZES[kind.op], SIZES[kind.op].to_bytes(4))


@pytest.mark.fact("SVP-I2", "SVP-I8")
@pytest.mark.parametrize("count", [0, 1, 2, 63])
def test_a_body_that_varies_has_the_size_of_what_it_holds(count: int) -> None:
    assert len(wire.pack_body(LogRm((ID,) * count))) == 4 + 16 * count
    assert len(wire.pack_body(BulkAck(0, 1, bytes(count)))) == 8 + count
    for kind in RECORDS:
        record = next(extremes(kind))
        assert len(wire.pack_record(record)) == kind.size == RECORD_SIZES[kind.type]
        assert len(wire.pack_body(LogAck(0, (record,) * count))) == 4 + RECORD_SIZES[kind.type] * count


@pytest.mark.fact("SVP-I1")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.op in SIZES])
def test_fields_at_the_ends_of_their_ranges_survive(kind: type[Any]) -> None:
    for message in extremes(kind):
        body = wire.pack_body(message)
        assert wire.decode(kind.op, body) == message
        assert layout.LAYOUTS[kind.__name__].build(as_declared(message)) == body


@pytest.mark.fact("SVP-I1")
@pytest.mark.parametrize("kind", RECORDS)
def test_records_whose_fields_are_at_the_ends_of_their_ranges_survive(kind: type[Any]) -> None:
    every = tuple(extremes(kind))
    body = wire.pack_body(LogAck(2**32 - 1, every))
    assert wire.decode(Op.LOG_ACK, body) == LogAck(2**32 - 1, every)
    assert layout.LAYOUTS["LogAck"].build(as_declared(LogAck(2**32 - 1, every))) == body


@pytest.mark.fact("SVP-I1")
@pytest.mark.parametrize("ident", [0, 1, 5 << 24, 2**31 - 2, 2**32 - 1])
@pytest.mark.parametrize("version", [0, 1, 2, 65535])
def test_any_id_and_version_survive(ident: int, version: int) -> None:
    data = wire.encode(Ping(), ident, version)
    assert (data[:2], data[8:12]) == (version.to_bytes(2), ident.to_bytes(4))
    assert Framer().feed(data) == [Frame(version, Op.PING, ident, b"")]


@pytest.mark.fact("SVP-I10")
def test_the_status_of_a_vl2_answer_has_16_bits_and_every_other_32() -> None:
    assert wire.pack_body(Vl2Ack(Status.NOTFOUND, 4789))[:4] == bytes.fromhex("0002 12b5")
    assert wire.decode(Op.VL2_ACK, bytes.fromhex("0002 12b5") + bytes(16)) == Vl2Ack(Status.NOTFOUND, 4789)
    others = [kind for kind in KINDS if "status" in {one.name for one in fields(kind)} and kind is not Vl2Ack]
    assert len(others) == 5
    for kind in others:
        message = kind(0x00020003)
        body = wire.pack_body(message)
        assert body[:4] == bytes.fromhex("00020003")
        assert wire.decode(kind.op, body) == message


# ---------------------------------------------------------------------- checksum


def bitwise_crc(data: bytes) -> int:
    """CRC-32/ISO-HDLC by its definition."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_the_checksum_is_crc_32() -> None:
    assert wire.crc32(b"1234", b"56789") == bitwise_crc(b"123456789") == 0xCBF43926


@pytest.mark.fact("SVP-I3")
@pytest.mark.parametrize("name", VECTORS)
def test_a_checksum_covers_the_message_with_its_own_bytes_zero(name: str) -> None:
    _, _, _, data = vector(name)
    covered = data[:12] + bytes(4) + data[16:]
    assert int.from_bytes(data[12:16]) == bitwise_crc(covered) == zlib.crc32(covered)


@pytest.mark.fact("SVP-I3")
@pytest.mark.parametrize("name", ["E1", "E3", "E11", "E19"])
def test_no_message_with_a_flipped_bit_passes(name: str) -> None:
    _, _, _, data = vector(name)
    for bit in range(8 * len(data)):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        framer = Framer()
        if 32 <= bit < 64 and int.from_bytes(broken[4:8]) > len(data) - 16:
            limited = Framer(len(data))  # its size says that it is not whole, or is too much
            try:
                assert limited.feed(bytes(broken)) == []
            except RemoteProtocolError as error:
                assert error.reason is Reason.TOO_LARGE
            continue
        with pytest.raises(RemoteProtocolError) as refused:
            framer.feed(bytes(broken))
        assert refused.value.reason is Reason.CRC


# ---------------------------------------------------------------------- bodies that are not as they should be


@pytest.mark.fact("SVP-B8")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.op in SIZES])
@pytest.mark.parametrize("surplus", [b"\0", b"\xff", bytes(4), b"\xaa" * 100])
def test_surplus_bytes_of_a_body_are_ignored(kind: type[Any], surplus: bytes) -> None:
    for message in itertools.islice(extremes(kind), 5):
        [frame] = Framer().feed(wire.frame(kind.op, wire.pack_body(message) + surplus, 1))
        assert wire.decode(frame.op, frame.body) == message


@pytest.mark.parametrize("op", FIXED_PARTS)
def test_a_body_shorter_than_its_fixed_part_is_refused(op: Op) -> None:
    for size in range(FIXED_PARTS[op]):
        assert refusal(op, bytes(size)) is Reason.SIZE
        assert refusal(op, b"\xff" * size) is Reason.SIZE
    wire.decode(op, bytes(FIXED_PARTS[op]))


def test_the_old_log_request_without_an_address_is_refused() -> None:
    assert refusal(Op.LOG_REQ, (1024).to_bytes(4)) is Reason.SIZE


@pytest.mark.parametrize("op", [-1, 0, 16, 99, 256, 65535, 2**32 + 1])
def test_an_unknown_operation_is_refused(op: int) -> None:
    assert refusal(op, bytes(100)) is Reason.OP


@pytest.mark.parametrize("count", [0, 1, 3, 2**28, 2**28 + 2, 2**32 - 1])
def test_a_removal_that_does_not_hold_the_ids_it_counts_is_refused(count: int) -> None:
    assert refusal(Op.LOG_RM, count.to_bytes(4) + ID * 2) is Reason.SIZE


@pytest.mark.parametrize("over", [-17, -16, -1, 1, 16])
def test_a_removal_of_two_ids_has_36_bytes(over: int) -> None:
    assert wire.decode(Op.LOG_RM, (2).to_bytes(4) + ID * 2) == LogRm((ID, ID))
    assert refusal(Op.LOG_RM, ((2).to_bytes(4) + ID * 4)[: 36 + over]) is Reason.SIZE


def test_a_removal_of_nothing_is_one() -> None:
    assert wire.decode(Op.LOG_RM, bytes(4)) == LogRm(())


@pytest.mark.fact("SVP-B24")
@pytest.mark.parametrize("kind", [0, 4, 9, 0x01000000, 0x00010000, 2**32 - 1])
@pytest.mark.parametrize("before", [0, 1])
def test_a_log_with_a_record_of_unknown_type_is_refused_whole(kind: int, before: int) -> None:
    good = wire.pack_record(Vl2Record(ID, MAC, 7))
    assert refusal(Op.LOG_ACK, bytes(4) + good * before + kind.to_bytes(4) + good[4:]) is Reason.RECORD
    assert refusal(Op.LOG_ACK, bytes(4) + good * before + kind.to_bytes(4) + bytes(100) + good) is Reason.RECORD


@pytest.mark.fact("SVP-B24", "SVP-I8")
@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("before", [0, 1])
def test_a_log_whose_last_record_is_cut_is_refused_whole(kind: type[Any], before: int) -> None:
    good = wire.pack_record(Vl3Record(ID, THERE, 4, 7))
    last = wire.pack_record(next(extremes(kind)))
    for size in range(1, len(last)):
        assert refusal(Op.LOG_ACK, bytes(4) + good * before + last[:size]) is Reason.RECORD
    answer = wire.decode(Op.LOG_ACK, bytes(4) + good * before + last)
    assert isinstance(answer, LogAck)
    assert len(answer.records) == before + 1


def test_a_status_that_is_not_ok_does_not_keep_records_from_being_read() -> None:
    record = Vl2Record(ID, MAC, 7)
    assert wire.decode(Op.LOG_ACK, (1).to_bytes(4) + wire.pack_record(record)) == LogAck(Status.FATAL, (record,))


@pytest.mark.parametrize("type_", [0, 1, 2, 9, 0x00020000, 2**32 - 1])
def test_an_address_type_that_nobody_defined_is_read_as_it_is(type_: int) -> None:
    assert wire.decode(Op.VL3_REQ, wire.pack_body(Vl3Req(THERE, type_, 7))) == Vl3Req(THERE, type_, 7)


# ---------------------------------------------------------------------- what cannot be a message


@pytest.mark.parametrize(
    "message",
    [
        Vl2Req(MAC, 2**32),
        Vl2Req(MAC, -1),
        Vl2Ack(2**16),
        Vl3Ack(0, MAC, 65536),
        LogReq(2**32, THERE),
        LogAck(0, (Vl3Record(ID, THERE, 65536, 1),)),
        LogAck(0, (RouteRecord(ID, 1, 2, 3, THERE, THERE, 0, 0, 256, 0),)),
    ],
)
def test_a_number_that_its_field_cannot_hold_is_not_encoded(message: Message) -> None:
    with pytest.raises(struct.error):
        wire.encode(message, 1)


@pytest.mark.parametrize("ids", [(b"",), (ID[:15],), (ID, ID + b"\0")])
def test_an_id_that_is_no_uuid_is_not_encoded(ids: tuple[bytes, ...]) -> None:
    with pytest.raises(AssertionError):
        wire.encode(LogRm(ids), 1)


# ---------------------------------------------------------------------- framing


@pytest.mark.fact("SVP-B9")
@pytest.mark.parametrize("size", [wire.MAX_BODY + 1, 2**31, 0xFFFFFFFF])
def test_a_body_that_is_too_large_is_refused_when_its_header_is_there(size: int) -> None:
    header = struct.pack("!HHIII", 1, Op.LOG_RM, size, 1, 0)
    framer = Framer()
    assert framer.feed(header[:15]) == []
    with pytest.raises(RemoteProtocolError) as refused:
        framer.feed(header[15:])
    assert refused.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("limit", [0, 12, 1028, wire.MAX_BODY])
def test_the_largest_body_is_taken_and_one_byte_more_is_not(limit: int) -> None:
    assert Framer(limit).feed(wire.frame(Op.PING, bytes(limit), 1)) == [Frame(1, Op.PING, 1, bytes(limit))]
    with pytest.raises(RemoteProtocolError):
        Framer(limit).feed(wire.frame(Op.PING, bytes(limit + 1), 1))


def test_messages_before_a_bad_one_come_first_and_then_there_is_nothing_but_the_error() -> None:
    good = wire.encode(Vl2Req(MAC, 7), 1)
    broken = good[:-1] + b"\0"
    framer = Framer()
    assert [frame.id for frame in framer.feed(good + good + broken + good)] == [1, 1]
    for more in (b"", good, b"", broken + good):
        with pytest.raises(RemoteProtocolError, match="checksum 0x"):
            framer.feed(more)


def test_a_message_that_comes_byte_by_byte_is_whole_at_its_last_byte() -> None:
    data = wire.frame(Op.BULK_ACK, bytes(wire.MAX_BODY), 77)
    framer = Framer()
    for at in range(len(data) - 1):
        assert framer.feed(data[at : at + 1]) == []
    assert framer.partial == len(data) - 1
    assert framer.feed(data[-1:]) == [Frame(1, Op.BULK_ACK, 77, data[16:])]
    assert framer.partial == 0


@pytest.mark.fact("SVP-Q17")
def test_a_header_that_comes_in_two_pieces_does_not_move_the_body() -> None:
    data = wire.encode(Vl3Req(THERE, 1, 7), 3)
    for first, second in itertools.combinations(range(1, len(data)), 2):
        framer = Framer()
        frames = framer.feed(data[:first]) + framer.feed(data[first:second]) + framer.feed(data[second:])
        assert [wire.decode(frame.op, frame.body) for frame in frames] == [Vl3Req(THERE, 1, 7)]
        assert framer.partial == 0


# ---------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "mapped"),
    [
        ("::ffff:10.0.0.1", True),
        ("::ffff:0.0.0.0", True),
        ("::10.0.0.1", False),
        ("::", False),
        ("::1", False),
        ("fd00::ffff:a00:1", False),
        ("::fffe:10.0.0.1", False),
        ("::1:ffff:10.0.0.1", False),
    ],
)
def test_an_ipv4_address_is_told_by_its_first_12_bytes(text: str, mapped: bool) -> None:
    assert is_mapped(ipaddress.IPv6Address(text).packed) is mapped


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_tells_its_size(kind: type[Any]) -> None:
    assert kind.size == {messages.LogType.VL2: 32, messages.LogType.VL3: 44}.get(kind.type, 72)


def test_numbers_of_the_protocol() -> None:
    assert [(one.name, int(one)) for one in messages.Status] == [
        ("OK", 0),
        ("FATAL", 1),
        ("NOTFOUND", 2),
        ("BADL3TYPE", 3),
        ("BADBULK", 4),
    ]
    assert [(one.name, int(one)) for one in messages.BulkType] == [("VL2", 1), ("VL3", 2)]
    assert not any(messages.NO_MAC + messages.NO_ADDRESS)
    assert len(messages.NO_MAC) == 6
    assert len(messages.NO_ADDRESS) == 16


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_answer_does_not_tell_is_zero(kind: type[Any]) -> None:
    """A server that refuses gives the status only."""
    if "status" in {one.name for one in fields(kind)}:
        refused = kind(messages.Status.NOTFOUND)
        values = [getattr(refused, one.name) for one in fields(kind)][1:]
        assert not any(any(value) if isinstance(value, bytes) else value for value in values)
