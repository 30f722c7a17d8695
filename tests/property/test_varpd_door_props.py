"""The door for any message, any caller and any plugin, and walks of a cache that changes meanwhile."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etherspan.testing.varpd import ROOT_USER, VarpdWorld, varpd_world
from kernel_sim.dev.paths import VARPD_DOOR
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import CacheEntry, Point, TargCache
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import MARKER_BEGIN, MARKER_DONE, OVERLAY_TARGET_CACHE_DROP, TargMode
from libvarpd.client import WALK_CHUNK, Client
from libvarpd.door_codec import (
    BY_NAME,
    REQUEST_SIZE,
    Command,
    Info,
    Nprops,
    PropValue,
    Walk,
    pack_request,
    unpack_header,
)
from libvarpd.plugin import DROP, Answer, Query
from libvarpd.plugins.direct import Direct
from libvarpd.plugins.files import Files
from libvarpd.prop import V4_MAPPED, uint_value

NOBODY = Cred(5, 1000, 1000)
TEN = V4_MAPPED + bytes([10, 0, 0, 2])
CHANGES_CACHE = {Command.CACHE_FLUSH, Command.CACHE_DELETE, Command.CACHE_SET}
MIXES = st.sampled_from([Dest.IP, Dest.IP | Dest.PORT])
PLUGINS: dict[str, Callable[[Dest], int]] = {"direct": lambda dest: dest.bit_count(), "files": lambda _: 1}
"""How many properties an instance of a plugin has, by what its encapsulation needs."""


class Roaming(Direct):
    """`direct`, asked for every MAC address."""

    name = "roaming"
    mode = TargMode.DYNAMIC

    async def lookup(self, query: Query) -> Answer:
        return DROP


@contextlib.contextmanager
def host(needs: int = Dest.IP | Dest.PORT) -> Iterator[tuple[VarpdWorld, int]]:
    """A host, and an overlay whose encapsulation needs that."""
    with varpd_world(Files, Roaming) as world:
        linkid = world.host.create_overlay("demo0", 23, to=None)
        with mock.patch.object(world.host.kernel.overlays.find(linkid).plugin, "dest", needs):
            yield world, linkid


def call(world: VarpdWorld, message: bytes) -> bytes:
    return world.connect(VARPD_DOOR).call(message)


def ask(world: VarpdWorld, command: Command, member: Any) -> tuple[int, Any]:
    reply = call(world, pack_request(command, member))
    return unpack_header(reply)[1], type(member).unpack(reply)


# ---------------------------------------------------------------------- creation and properties


@pytest.mark.fact("VPD-I35")
@given(needs=st.integers(0, 15) | st.integers(0, 2**32 - 1), search=st.sampled_from(sorted(PLUGINS)))
def test_an_instance_can_be_made_exactly_where_an_address_and_at_most_a_port_are_needed(
    needs: int, search: str
) -> None:
    with host(needs) as (world, linkid), Client.create(world) as client:
        try:
            made = client.instance_create(linkid, search)
        except KernelError as error:
            assert error.errno is Errno.ENOTSUP
            assert needs not in {2, 6}
        else:
            assert (made, needs in {2, 6}) == (1, True)


@pytest.mark.fact("VPD-I32", "VPD-I33", "VPD-I34")
@given(
    needs=MIXES, search=st.sampled_from(sorted(PLUGINS)), value=st.binary(max_size=256), beyond=st.integers(0, 2**32)
)
def test_properties_have_one_name_an_index_and_search_is_read_only(
    needs: Dest, search: str, value: bytes, beyond: int
) -> None:
    with host(needs) as (world, linkid), Client.create(world) as client:
        made = client.instance_create(linkid, search)
        count = ask(world, Command.NPROPS, Nprops(made))[1].count
        assert count == 1 + PLUGINS[search](needs)
        for index in range(count):
            errno, by_index = ask(world, Command.PROPINFO, Info(made, index))
            assert (errno, by_index.index) == (0, index)
            errno, by_name = ask(world, Command.PROPINFO, Info(made, BY_NAME, by_index.name))
            assert (errno, by_name.index, by_name.name) == (0, index, by_index.name)
        past = min(count + beyond, BY_NAME - 1)
        assert ask(world, Command.PROPINFO, Info(made, past))[0] == Errno.EINVAL
        assert ask(world, Command.SETPROP, PropValue(made, 0, value, len(value)))[0] == Errno.EPERM
        errno, found = ask(world, Command.GETPROP, PropValue(made, 0))
        assert (errno, found.value[: found.size]) == (0, search.encode() + b"\0")


@pytest.mark.fact("VPD-I31")
@given(
    ip=st.binary(min_size=16, max_size=16).filter(lambda ip: ip[:2] != b"\x20\x02" and any(ip[:12])),
    port=st.integers(1, 65535),
    excess=st.binary(max_size=240),
)
def test_a_value_that_was_set_is_read_back_without_what_was_too_much(ip: bytes, port: int, excess: bytes) -> None:
    with host() as (world, linkid), Client.create(world) as client:
        prop = client.prop_handle_alloc(client.instance_create(linkid, "direct"))
        for index, value in ((1, ip), (2, uint_value(port))):
            prop.info_fill(index)
            assert prop.get() == b""
            prop.set(value + excess)
            assert prop.get() == value


# ---------------------------------------------------------------------- any message

SIZES = st.sampled_from([616, 616, 617, 3416, 3632]) | st.integers(0, 700)
COMMANDS = st.integers(1, 14) | st.sampled_from([0, 15, 16, 2**32 - 1])
BODIES = st.builds(
    lambda number, body: struct.pack("=Q", number) + body,
    st.integers(0, 3) | st.integers(0, 2**64 - 1),
    st.binary(max_size=100),
)
"""What often begins with the id of an instance, or of a link."""


@contextlib.contextmanager
def busy_host() -> Iterator[VarpdWorld]:
    """A host with an instance that is active, 1, and one that is not, 2."""
    with host() as (world, linkid), Client.create(world) as client:
        second = world.host.create_overlay("demo1", 24, to=None)
        for number, link in ((1, linkid), (2, second)):
            assert client.instance_create(link, "roaming") == number
            world.run(world.varpd.prop_set(number, 1, TEN))
            world.run(world.varpd.prop_set(number, 2, uint_value(4789)))
        client.instance_activate(1)
        yield world


def state(world: VarpdWorld) -> object:
    """All that a command could have changed."""
    found = [
        (one.id, one.linkid, one.state, one.properties.get(1), one.properties.get(2)) for one in world.varpd.instances
    ]
    return found, dict(world.store.files), list(world.device.calls)


@pytest.mark.fact("VPD-I37", "VPD-I38")
@given(size=SIZES, command=COMMANDS, body=BODIES)
@example(size=616, command=1, body=struct.pack("=IIQ", 2, 0, 0) + b"direct\0")
def test_any_message_is_answered_in_its_own_size_or_by_8_bytes_without_any_effect(
    size: int, command: int, body: bytes
) -> None:
    message = (struct.pack("=II", command, 0) + body).ljust(size, b"\0")[:size]
    with busy_host() as world:
        before = state(world)
        reply = call(world, message)
        if size < REQUEST_SIZE or not 0 < command < 15:
            assert reply == struct.pack("=II", 0, Errno.EINVAL)
            assert state(world) == before
        else:
            assert (len(reply), unpack_header(reply)[0]) == (size, command)
        assert not world.varpd.failed.done()


@pytest.mark.fact("VPD-I36", "VPD-I38")
@given(size=st.sampled_from([616, 700, 3632]), command=st.sampled_from(sorted(Command)[1:]), body=BODIES)
@example(size=616, command=Command.CACHE_FLUSH, body=struct.pack("=Q", 1))
@example(size=616, command=Command.DESTROY, body=struct.pack("=Q", 1))
def test_only_changes_of_the_cache_are_refused_to_a_caller_without_privileges(
    size: int, command: Command, body: bytes
) -> None:
    message = (struct.pack("=II", command, 0) + body).ljust(size, b"\0")
    replies = []
    for caller in (ROOT_USER, NOBODY):
        with busy_host() as world:
            before = state(world)
            world.caller = caller
            replies.append(call(world, message))
            if caller is NOBODY and command in CHANGES_CACHE:
                assert state(world) == before
    by_root, by_nobody = replies
    if command in CHANGES_CACHE:
        assert by_nobody == struct.pack("=II", command, Errno.EPERM) + message[8:]
        assert unpack_header(by_root)[1] != Errno.EPERM
    else:
        assert by_nobody == by_root


# ---------------------------------------------------------------------- walks


def mac(number: int) -> bytes:
    return bytes([2, 0, 0, 0, number >> 8, number & 255])


def entry(number: int, drop: bool) -> CacheEntry:
    point = Point(ip=TEN, port=number + 1)
    return CacheEntry(mac(number), OVERLAY_TARGET_CACHE_DROP if drop else 0, Point() if drop else point)


def cache(world: VarpdWorld, cmd: int, changed: CacheEntry) -> None:
    with contextlib.suppress(KernelError):  # ENOENT: nobody ever asked for it
        world.host.targ(cmd, TargCache(world.varpd.instances.find(1).linkid, changed))


def fill(world: VarpdWorld, seed: int, count: int) -> dict[int, CacheEntry]:
    """That many entries, by number."""
    chance = random.Random(seed)
    made = {number: entry(number, chance.random() < 0.2) for number in chance.sample(range(1000), count)}
    for one in made.values():
        cache(world, targ.OVERLAY_TARG_CACHE_SET, one)
    return made


@pytest.mark.fact("VPD-I39")
@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 60),
    chunks=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    size=st.sampled_from([616, 700, 3632]),
    changes=st.lists(st.tuples(st.integers(0, 999), st.booleans()), max_size=30),
)
def test_a_walk_gives_each_entry_at_most_once_in_order_whatever_changes_meanwhile(
    seed: int, count: int, chunks: list[int], size: int, changes: list[tuple[int, bool]]
) -> None:
    with busy_host() as world:
        made = fill(world, seed, count)
        untouched = [one for number, one in sorted(made.items()) if number not in dict(changes)]
        ever = [*made.values(), *(entry(number, drop=False) for number, _ in changes)]
        found: list[CacheEntry] = []
        marker, waiting = MARKER_BEGIN, list(changes)
        for step in range(2000):
            asked = Walk(1, marker, chunks[step % len(chunks)])
            reply = Walk.unpack_reply(call(world, pack_request(Command.CACHE_WALK, asked, size)))
            if not reply.entries:
                break
            assert len(reply.entries) <= asked.count
            found += reply.entries
            marker = reply.marker
            for number, remove in waiting[:2]:
                cmd = targ.OVERLAY_TARG_CACHE_REMOVE if remove else targ.OVERLAY_TARG_CACHE_SET
                cache(world, cmd, entry(number, drop=False))
            del waiting[:2]
        assert marker in {MARKER_DONE, MARKER_BEGIN}
        macs = [one.mac for one in found]
        assert macs == sorted(set(macs))
        assert [one for one in found if one in untouched] == untouched
        assert {one.mac for one in found} <= {one.mac for one in ever}


@pytest.mark.fact("VPD-I39")
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), count=st.integers(90, 210), share=st.floats(0, 1))
def test_the_clients_walk_ends_well_when_its_caller_stops_and_asks_for_no_more(
    seed: int, count: int, share: float
) -> None:
    with busy_host() as world, Client.create(world) as client:
        made = fill(world, seed, count)
        wanted = [one for _, one in sorted(made.items())]
        assert list(islice(client.instance_cache_walk(1), count + 1)) == wanted
        world.device.calls.clear()
        taken = int(share * (count - 1)) + 1
        walk = client.instance_cache_walk(1)
        assert [next(walk) for _ in range(taken)] == wanted[:taken]
        walk.close()  # type: ignore[attr-defined]
        assert len(world.device.calls) == -(-taken // WALK_CHUNK)
