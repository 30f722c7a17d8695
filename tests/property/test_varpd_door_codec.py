"""The door's messages against the construct declarations of the same names, byte for byte and both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_sim.sys.codec import CacheEntry, Point
from kernel_sim.sys.errno import Errno
from libvarpd import door_codec as door
from libvarpd.door_codec import Command, pack_error, pack_reply, pack_request, unpack_header
from libvarpd.door_layout import HEADER, LAYOUTS
from libvarpd.errors import VarpdError

U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
NAME = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=15)
BYTES = st.binary(min_size=256, max_size=256)
POINT = st.builds(Point, st.binary(min_size=6, max_size=6), st.binary(min_size=16, max_size=16), U16)
ENTRY = st.builds(CacheEntry, st.binary(min_size=6, max_size=6), U16, POINT)
MEMBERS: dict[str, tuple[int, st.SearchStrategy[Any]]] = {
    "Create": (80, st.builds(door.Create, U32, NAME, U64)),
    "InstanceId": (8, st.builds(door.InstanceId, U64)),
    "Nprops": (16, st.builds(door.Nprops, U64, U32)),
    "Info": (608, st.builds(door.Info, U64, U32, NAME, U32, U32, BYTES, BYTES, U32, U32)),
    "PropValue": (280, st.builds(door.PropValue, U64, U32, BYTES, st.integers(256, 2**64 - 1))),
    "LinkLookup": (16, st.builds(door.LinkLookup, U32, U64)),
    "TargetMode": (16, st.builds(door.TargetMode, U64, U32, U32)),
    "CacheArg": (48, st.builds(door.CacheArg, U64, ENTRY)),
    "Walk": (24, st.builds(door.Walk, U64, st.binary(min_size=8, max_size=8), U64)),
}


def padded(text: str) -> bytes:
    return text.encode().ljust(64, b"\0")


def entry(one: CacheEntry) -> dict[str, Any]:
    return {"key": one.mac, "flags": one.flags, "mac": one.point.mac, "ip": one.point.ip, "port": one.point.port}


def fields(member: Any) -> dict[str, Any]:
    """What the layout holds for a codec's value."""
    if isinstance(member, door.CacheArg):
        held = entry(member.entry)
        return {"id": member.id, "key": held.pop("key"), "entry": held}
    found = {name: getattr(member, name) for name in member.__slots__}
    return {
        name: padded(value) if isinstance(value, str) else [entry(one) for one in value] if name == "entries" else value
        for name, value in found.items()
    }


def test_every_member_of_the_union_has_a_layout() -> None:
    assert set(MEMBERS) == set(LAYOUTS)
    assert HEADER.sizeof() == door.HEADER_SIZE
    assert max(size for size, _ in MEMBERS.values()) + door.HEADER_SIZE == door.REQUEST_SIZE


@pytest.mark.fact("VPD-Q17")
@pytest.mark.parametrize("name", [name for name in MEMBERS if name != "Walk"])
@given(data=st.data())
def test_a_member_has_the_layouts_bytes_and_they_give_it_back(name: str, data: st.DataObject) -> None:
    size, strategy = MEMBERS[name]
    member = data.draw(strategy)
    built: bytes = LAYOUTS[name].build(fields(member))
    assert member.pack() == built
    assert len(built) == size
    assert type(member).unpack(bytes(8) + built) == member


@given(U64, st.binary(min_size=8, max_size=8), st.lists(ENTRY, max_size=20))
def test_a_walk_has_the_layouts_bytes_and_its_reply_gives_it_back(
    instance: int, marker: bytes, entries: list[CacheEntry]
) -> None:
    walk = door.Walk(instance, marker, len(entries), tuple(entries))
    built: bytes = LAYOUTS["Walk"].build(fields(walk))
    assert (walk.pack(), len(built)) == (built, 24 + 36 * len(entries))
    assert door.Walk.unpack_reply(bytes(8) + built) == walk


@given(st.sampled_from(sorted(Command)), st.sampled_from(sorted(MEMBERS)), st.integers(616, 4000), U32, st.data())
def test_a_reply_keeps_size_and_command_of_its_request(
    command: int, name: str, size: int, errno: int, data: st.DataObject
) -> None:
    request = pack_request(Command(command), data.draw(MEMBERS[name][1]), size)
    assert (len(request), unpack_header(request)) == (size, (command, 0))
    member = data.draw(MEMBERS[name][1])
    reply = pack_reply(request, errno, member)
    assert (len(reply), unpack_header(reply)) == (size, (command, errno))
    assert reply[8 : 8 + len(member.pack())] == member.pack()
    assert pack_reply(request, 0) == request
    assert HEADER.build({"command": command, "errno": errno}) == reply[:8]


def test_an_error_reply_has_8_bytes() -> None:
    assert (len(pack_error(Errno.EINVAL)), unpack_header(pack_error(Errno.EINVAL))) == (8, (0, 22))


@given(st.binary(min_size=616, max_size=700), st.sampled_from(sorted(MEMBERS)))
def test_any_request_unpacks_without_an_error(message: bytes, name: str) -> None:
    getattr(door, name).unpack(message)


@pytest.mark.parametrize("member", [door.InstanceId(2**64), door.Nprops(-1), door.CacheArg(2**64)])
def test_a_value_its_field_cannot_hold_is_refused(member: Any) -> None:
    with pytest.raises(VarpdError) as refused:
        member.pack()
    assert refused.value.errno is Errno.EINVAL
