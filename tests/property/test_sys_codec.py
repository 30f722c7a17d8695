"""Every ioctl codec against the construct declaration of the same name, byte for byte and both ways."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from construct import Bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_sim.sys import codec
from kernel_sim.sys.dld import PropvalType
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import KstatData, KstatNamed
from kernel_sim.sys.layout import LAYOUTS

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
I32 = st.integers(-(2**31), 2**31 - 1)
MAC = st.binary(min_size=6, max_size=6)
IP = st.binary(min_size=16, max_size=16)


def texts(room: int) -> st.SearchStrategy[str]:
    """Texts for a field of `room` bytes with the NUL."""
    letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    return st.text(letters, max_size=room - 1).filter(lambda text: len(text.encode()) < room)


def addresses(most: int = 20) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=most)


POINT = st.builds(codec.Point, MAC, IP, U16)
ENTRY = st.builds(codec.CacheEntry, MAC, U16, POINT)
RANGE = st.one_of(
    st.just(codec.PropRange()),
    st.lists(st.tuples(U32, U32), max_size=40).map(lambda pairs: codec.PropRange.of_ranges(*pairs)),
    st.lists(texts(100), max_size=20).map(lambda names: codec.PropRange.of_strings(*names)),
)
NAME = st.builds(codec.EsNameSet, U32, U32, U32, texts(32), texts(64))
PHYS = st.builds(codec.EsPhysEntry, U32, texts(32), MAC, U32, st.booleans(), U32, U8)
HEADER = st.builds(codec.KstatHeader, texts(32), I32, texts(32), texts(32), U64)
NUMBERS = {
    KstatData.INT32: I32,
    KstatData.UINT32: U32,
    KstatData.INT64: st.integers(-(2**63), 2**63 - 1),
    KstatData.UINT64: U64,
    KstatData.CHAR: texts(17),
    KstatData.STRING: texts(300),
}
STAT = st.sampled_from(sorted(NUMBERS)).flatmap(
    lambda kind: st.builds(KstatNamed, texts(32), st.just(KstatData(kind)), NUMBERS[kind])
)


IPADDR = st.builds(codec.MacIpaddr, U32, IP, U8)
CID = st.builds(codec.MacDhcpcid, st.binary(max_size=256), I32)


def tuples(of: st.SearchStrategy[Any], most: int = 5) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


def vnic_creates() -> st.SearchStrategy[codec.VnicCreate]:
    return addresses().flatmap(
        lambda mac: st.builds(
            codec.VnicCreate, U32, U32, I32, st.just(len(mac)), st.just(mac), st.integers(0, len(mac)),
            I32, U16, U32, I32, U32, U32, I32,
        )
    )  # fmt: skip


def vnic_infos() -> st.SearchStrategy[codec.VnicInfo]:
    return addresses().flatmap(
        lambda mac: st.builds(
            codec.VnicInfo, U32, U32, I32, st.just(len(mac)), st.just(mac), I32, U32, U16, U32, I32, st.booleans()
        )
    )


def vnic_modifies() -> st.SearchStrategy[codec.VnicModify]:
    return addresses().flatmap(
        lambda mac: st.builds(codec.VnicModify, U32, U32, st.just(len(mac)), I32, st.just(mac), I32, I32)
    )


def iters() -> st.SearchStrategy[codec.TargIter]:
    return tuples(ENTRY).flatmap(
        lambda entries: st.builds(
            codec.TargIter, U32, st.binary(min_size=8, max_size=8), st.just(len(entries)), st.just(entries)
        )
    )


@st.composite
def resources(draw: st.DrawFn) -> codec.MacResourceProps:
    return codec.MacResourceProps(
        mask=draw(U32),
        maxbw=draw(U64),
        priority=draw(I32),
        cpus=draw(tuples(U32)),
        fanout_mode=draw(U32),
        types=draw(U32),
        ipaddrs=draw(st.none() | tuples(IPADDR)),
        cids=draw(st.none() | tuples(CID, 3)),
        allcids=draw(U32),
        dynamic=draw(U32),
        nrxrings=draw(U32),
        ntxrings=draw(U32),
        pool=draw(texts(1024)),
    )


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "OverlayCreate": st.builds(codec.OverlayCreate, U32, U64, texts(32)),
    "OverlayLink": st.builds(codec.OverlayLink, U32),
    "OverlayNprops": st.builds(codec.OverlayNprops, U32, I32),
    "OverlayPropinfo": st.builds(codec.OverlayPropinfo, U32, I32, texts(64), U32, U32, st.binary(max_size=256), RANGE),
    "OverlayProp": st.builds(codec.OverlayProp, U32, I32, texts(64), st.binary(max_size=256)),
    "OverlayStatus": st.builds(codec.OverlayStatus, U32, U32, texts(256)),
    "Point": POINT,
    "TargInfo": st.builds(codec.TargInfo, U32, U32, U64, U64),
    "TargAssociate": st.builds(codec.TargAssociate, U32, U32, U64, U32, POINT),
    "TargId": st.builds(codec.TargId, U32),
    "TargDegrade": st.builds(codec.TargDegrade, U32, texts(256)),
    "TargLookup": st.builds(codec.TargLookup, U64, U64, U64, U64, U64, U64, MAC, MAC, U32, U32, I32),
    "TargResp": st.builds(codec.TargResp, U64, POINT),
    "TargPkt": st.builds(codec.TargPkt, U64, U64, U64, st.binary(max_size=100)),
    "TargList": st.builds(codec.TargList, tuples(U32), U32),
    "CacheEntry": ENTRY,
    "TargCache": st.builds(codec.TargCache, U32, ENTRY),
    "TargIter": iters(),
    "VnicCreate": vnic_creates(),
    "VnicDelete": st.builds(codec.VnicDelete, U32),
    "VnicInfo": vnic_infos(),
    "VnicModify": vnic_modifies(),
    "DldAttr": st.builds(codec.DldAttr, U32, U32, U16),
    "DldMacprop": st.builds(codec.DldMacprop, U32, U32, I32, U32, texts(256), st.binary(max_size=300)),
    "MacIpaddr": IPADDR,
    "MacDhcpcid": CID,
    "MacResourceProps": resources(),
    "EsNameSet": NAME,
    "EsNameClear": st.builds(codec.EsNameClear, U32),
    "EsPhysEntry": PHYS,
    "EsPhysList": st.builds(codec.EsPhysList, U64, tuples(PHYS)),
    "EsPhysWait": st.builds(codec.EsPhysWait, U64),
    "EsLinkList": st.builds(codec.EsLinkList, U32, tuples(NAME)),
    "KstatHeader": HEADER,
    "KstatChain": st.builds(codec.KstatChain, U32, U64, U32, tuples(HEADER)),
}
"""The codecs whose fields lie in memory as they are; PropRange and KstatEntry have tests of their own."""


def in_full_room(of: str, entries: Sequence[Any] | None, room: int) -> tuple[int, list[dict[str, Any]]]:
    """A count and a list of entries filled up with empty ones, as a declaration with a fixed array wants them."""
    empty = {"MacIpaddr": codec.MacIpaddr(0, bytes(16), 0), "MacDhcpcid": codec.MacDhcpcid(b"", 0)}[of]
    filled = [*(entries or ()), *[empty] * (room - len(entries or ()))]
    return 2**32 - 1 if entries is None else len(entries), [as_declared(of, one) for one in filled]


def as_declared(name: str, value: Any) -> dict[str, Any]:
    """The fields that the declaration of `name` wants for a codec's value, derived without the codec."""
    fields: dict[str, Any] = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    for part in LAYOUTS[name].subcons:
        if isinstance(part.subcon, Bytes) and isinstance(part.subcon.length, int):
            given_ = fields[part.name]
            if isinstance(given_, codec.PropRange):
                raw = LAYOUTS["PropRange"].build(range_as_declared(given_))
            else:
                raw = given_.encode() if isinstance(given_, str) else given_
            fields[part.name] = raw.ljust(part.subcon.length, b"\0")
    nested = {"point": "Point", "entry": "CacheEntry"}
    lists = {"headers": "KstatHeader", "links": "EsNameSet"}
    if "entries" in fields:
        lists["entries"] = "EsPhysEntry" if name == "EsPhysList" else "CacheEntry"
    fields |= {key: as_declared(of, fields[key]) for key, of in nested.items() if key in fields}
    for key, of in lists.items():
        if key in fields:
            fields.setdefault("count", len(fields[key]))
            fields[key] = [as_declared(of, one) for one in fields[key]]
    if name == "MacDhcpcid":
        fields["length"] = len(value.cid)
    if name == "MacResourceProps":
        fields |= {"ncpus": len(value.cpus), "cpus": [*value.cpus, *[0] * (128 - len(value.cpus))]}
        fields["ipaddrcnt"], fields["ipaddrs"] = in_full_room("MacIpaddr", value.ipaddrs, 32)
        fields["cidcnt"], fields["cids"] = in_full_room("MacDhcpcid", value.cids, 32)
    sizes = {"OverlayProp": "value", "DldMacprop": "value"}
    if name in sizes:
        fields["size"] = len(getattr(value, sizes[name]))
    if name == "OverlayPropinfo":
        fields |= {"defsize": len(value.default), "posssize": value.poss.size}
    return fields


def range_as_declared(value: codec.PropRange) -> dict[str, Any]:
    body: Any = None
    used = 8
    if value.kind is PropvalType.UINT32:
        body = {"ranges": [{"min": low, "max": high} for low, high in value.ranges]}
        used += 8 * len(value.ranges)
    if value.kind is PropvalType.STRING:
        raw = [text.encode() for text in value.strings]
        length = sum(len(one) + 1 for one in raw)
        body = {"nextbyte": length, "strings": raw}
        used += 4 + length
    return {"count": value.count, "kind": int(value.kind), "body": body, "unused": bytes(256 - used)}


def test_every_codec_has_a_declaration_and_a_strategy() -> None:
    classes = {name for name in codec.__all__ if isinstance(getattr(codec, name), type)} - {"KstatNamed"}
    assert classes == set(LAYOUTS) == set(VALUES) | {"PropRange", "KstatEntry"}


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_codec_and_its_declaration_agree_both_ways(name: str) -> None:
    @settings(max_examples=50)
    @given(VALUES[name])
    def agree(value: Any) -> None:
        declared = LAYOUTS[name].build(as_declared(name, value))
        assert value.pack() == declared
        assert type(value).unpack(declared) == value
        assert LAYOUTS[name].build(LAYOUTS[name].parse(declared)) == declared

    agree()


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_buffer_shorter_than_the_layout_is_a_bad_address(name: str) -> None:
    @settings(max_examples=30)
    @given(VALUES[name], st.data())
    def refuse(value: Any, data: st.DataObject) -> None:
        cut = data.draw(st.integers(0, value.SIZE - 1))
        with pytest.raises(KernelError) as refused:
            type(value).unpack(value.pack()[:cut])
        assert refused.value.errno is Errno.EFAULT

    refuse()


@pytest.mark.parametrize(
    "name", sorted(set(codec.__all__) - {"macprop_read", "macprop_value", "KstatNamed", "PropValue"})
)
def test_hostile_bytes_give_a_value_or_an_errno_and_nothing_else(name: str) -> None:
    cls = getattr(codec, name)

    @settings(max_examples=50)
    @given(st.one_of(st.binary(max_size=200), st.binary(min_size=cls.SIZE, max_size=cls.SIZE + 120)))
    def survive(raw: bytes) -> None:
        try:
            cls.unpack(raw)
        except KernelError as refused:
            assert refused.errno in {Errno.EFAULT, Errno.EINVAL}

    survive()


@given(RANGE)
def test_a_possible_values_descriptor_agrees_with_its_declaration(value: codec.PropRange) -> None:
    declared = LAYOUTS["PropRange"].build(range_as_declared(value))
    assert value.pack() == declared
    assert codec.PropRange.unpack(declared) == value
    assert value.size <= 256
    assert LAYOUTS["PropRange"].build(LAYOUTS["PropRange"].parse(declared)) == declared


@given(HEADER, tuples(STAT), U64)
def test_a_set_of_statistics_agrees_with_its_declaration(
    header: codec.KstatHeader, stats: tuple[KstatNamed, ...], snaptime: int
) -> None:
    value = codec.KstatEntry(header.module, header.instance, header.name, header.klass, stats, header.crtime, snaptime)
    found = LAYOUTS["KstatEntry"].parse(value.pack())
    assert [record.name.rstrip(b"\0").decode() for record in found.stats] == [stat.name for stat in stats]
    assert [record.type for record in found.stats] == [stat.type for stat in stats]
    strings = [stat.value.encode() for stat in stats if stat.type is KstatData.STRING]
    assert found.texts == b"".join(text + b"\0" for text in strings)
    assert (found.crtime, found.snaptime) == (header.crtime, snaptime)
    for record, stat in zip(found.stats, stats, strict=True):
        if isinstance(stat.value, int):
            assert int.from_bytes(record.value[:8], sys.byteorder, signed=stat.value < 0) % 2**32 == stat.value % 2**32
    assert codec.KstatEntry.unpack(value.pack()) == value
    assert LAYOUTS["KstatEntry"].build(found) == value.pack()


@given(U32, I32, st.binary(min_size=64, max_size=64), st.binary(min_size=592, max_size=592))
def test_a_property_request_needs_nothing_but_what_the_caller_fills(
    linkid: int, prop: int, name: bytes, garbage: bytes
) -> None:
    raw = linkid.to_bytes(4, sys.byteorder) + prop.to_bytes(4, sys.byteorder, signed=True) + name + garbage
    for cls in (codec.OverlayPropinfo, codec.OverlayProp):
        asked = cls.unpack_request(raw)
        assert (asked.linkid, asked.id) == (linkid, prop)
        assert asked.name.encode("utf-8", "surrogateescape") == name[:63].split(b"\0")[0]
