"""State files and name-value lists: any record survives, and no damage goes unseen."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kernel_sim.sys.overlay_common import Dest
from libvarpd import nvpair
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList
from libvarpd.plugins.direct import Direct
from libvarpd.prop import uint_value
from libvarpd.state import HEADER_SIZE, StateRecord

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))


def lists(depth: int = 2) -> st.SearchStrategy[NvList]:
    """Lists of every type, nested up to `depth` times."""
    values = [
        st.tuples(st.just(kind), numbers) for kind, numbers in (("uint16", U16), ("uint32", U32), ("uint64", U64))
    ]
    kinds: list[st.SearchStrategy[tuple[str, object]]] = [*values, st.tuples(st.just("string"), TEXT)]
    if depth:
        kinds.append(st.tuples(st.just("nvlist"), lists(depth - 1)))
    return st.lists(st.tuples(TEXT, st.one_of(kinds)), max_size=5).map(build)


def build(pairs: list[tuple[str, tuple[str, object]]]) -> NvList:
    made = NvList()
    for name, (kind, value) in pairs:
        getattr(made, f"add_{kind}")(name, value)
    return made


RECORDS = st.builds(StateRecord, U64, U32, U32, U32, TEXT, lists())


@pytest.mark.fact("VPD-I9")
@given(RECORDS)
def test_a_record_survives_encoding_which_is_deterministic(record: StateRecord) -> None:
    data = record.encode()
    assert StateRecord.decode(data) == record
    assert StateRecord.decode(data).encode() == data == record.encode()


@pytest.mark.fact("VPD-I9")
@given(st.none() | st.binary(min_size=12, max_size=12), st.none() | st.integers(1, 65535))
def test_a_restored_direct_instance_saves_the_same_bytes(prefix: bytes | None, port: int | None) -> None:
    instance = Direct(Dest.IP | Dest.PORT, prefix and b"\xfd\0\0\0" + prefix)
    if port is not None:
        instance.setprop("direct/dest_port", uint_value(port))
    data = nvpair.encode(instance.save())
    restored = Direct.restore(None, Dest.IP | Dest.PORT, nvpair.decode(data))  # type: ignore[arg-type]
    assert nvpair.encode(restored.save()) == data


@pytest.mark.fact("VPD-I10")
@given(RECORDS, st.data())
def test_no_single_bit_can_change_unseen(record: StateRecord, data: st.DataObject) -> None:
    encoded = record.encode()
    bit = data.draw(st.integers(0, len(encoded) * 8 - 1))
    damaged = bytearray(encoded)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VarpdError):
        StateRecord.decode(bytes(damaged))


@pytest.mark.fact("VPD-I11")
@given(RECORDS, st.data())
def test_no_truncation_is_accepted_even_with_a_right_checksum(record: StateRecord, data: st.DataObject) -> None:
    encoded = record.encode()
    size = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(VarpdError):
        StateRecord.decode(encoded[:size])
    if size > HEADER_SIZE:
        payload = encoded[HEADER_SIZE:size]
        with pytest.raises(VarpdError):
            StateRecord.decode(struct.pack("=4sI16s", b"varp", 1, hashlib.md5(payload).digest()) + payload)


def accepted(payload: bytes) -> NvList | None:
    try:
        return nvpair.decode(payload)
    except VarpdError:
        return None


@given(st.binary(max_size=200))
@example(bytes.fromhex("01010000 00000000 00000001 00000000 00000000"))
def test_whatever_is_decoded_encodes_to_the_same_bytes(data: bytes) -> None:
    found = accepted(data)
    assert found is None or nvpair.encode(found)[2:] == data[2:]


@given(lists(), st.data())
def test_a_damaged_list_is_refused_or_means_something_else(nvlist: NvList, data: st.DataObject) -> None:
    encoded = bytearray(nvpair.encode(nvlist))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    found = accepted(bytes(encoded))
    assert found is None or nvpair.encode(found)[2:] == bytes(encoded)[2:]
