"""The door's commands, message by message, and the client library over them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etherspan.testing.varpd import VarpdWorld
from kernel_sim.dev.client import Transport
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys.codec import CacheEntry, Point, PropRange
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import Dest, PropPerm, PropType
from kernel_sim.sys.overlay_target import MARKER_DONE, TargMode
from libvarpd.client import Client
from libvarpd.door import Door
from libvarpd.door_codec import (
    BY_NAME,
    REQUEST_SIZE,
    CacheArg,
    Command,
    Create,
    Info,
    InstanceId,
    LinkLookup,
    Nprops,
    PropValue,
    TargetMode,
    Walk,
    pack_reply,
    pack_request,
    unpack_header,
)
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.prop import V4_MAPPED, uint_value

Make = Callable[..., int]
TEN = V4_MAPPED + bytes([10, 0, 0, 2])
NOBODY = Cred(5, 1000, 1000)
MEMBERS: dict[Command, Callable[[int], Any]] = {
    Command.ACTIVATE: InstanceId,
    Command.DESTROY: InstanceId,
    Command.NPROPS: Nprops,
    Command.PROPINFO: lambda instance: Info(instance, 0),
    Command.GETPROP: lambda instance: PropValue(instance, 0),
    Command.SETPROP: lambda instance: PropValue(instance, 1, TEN, 16),
    Command.TARGET_MODE: TargetMode,
    Command.CACHE_FLUSH: InstanceId,
    Command.CACHE_DELETE: CacheArg,
    Command.CACHE_GET: CacheArg,
    Command.CACHE_SET: CacheArg,
    Command.CACHE_WALK: lambda instance: Walk(instance, count=1),
}
"""A request of each command that names an instance."""
CHANGES_CACHE = {Command.CACHE_FLUSH, Command.CACHE_DELETE, Command.CACHE_SET}


def call(world: VarpdWorld, request: bytes) -> bytes:
    return world.connect("var/run/varpd/varpd.door").call(request)


def errno_of(world: VarpdWorld, command: Command, member: Any) -> int:
    return unpack_header(call(world, pack_request(command, member)))[1]


# ---------------------------------------------------------------------- what is no request


@pytest.mark.fact("VPD-B7", "VPD-I37")
@pytest.mark.parametrize("size", [1, 8, 615])
def test_a_request_too_short_is_answered_by_8_bytes(world: VarpdWorld, instance: Make, size: int) -> None:
    made = instance()
    request = pack_request(Command.DESTROY, InstanceId(made))[:size]
    assert call(world, request) == struct.pack("=II", 0, Errno.EINVAL)
    assert len(world.varpd.instances) == 1


@pytest.mark.fact("VPD-B8")
@pytest.mark.parametrize("command", [0, 15, 0xFFFFFFFF])
def test_an_unknown_command_is_answered_by_8_bytes(world: VarpdWorld, command: int) -> None:
    request = struct.pack("=II", command, 0).ljust(REQUEST_SIZE, b"\0")
    assert call(world, request) == struct.pack("=II", 0, Errno.EINVAL)


@pytest.mark.fact("VPD-Q34")
def test_a_caller_without_credentials_is_refused(world: VarpdWorld) -> None:
    world.caller = None
    assert call(world, pack_request(Command.LOOKUP, LinkLookup(1))) == struct.pack("=II", 0, Errno.EPERM)


# ---------------------------------------------------------------------- every command


@pytest.mark.fact("VPD-I38")
@pytest.mark.parametrize("size", [616, 617, 3632])
@pytest.mark.parametrize("command", MEMBERS)
def test_a_reply_is_the_request_filled_in(world: VarpdWorld, instance: Make, command: Command, size: int) -> None:
    made = instance(activate=command.name.startswith("CACHE"))
    request = pack_request(command, MEMBERS[command](made), size)
    reply = call(world, request)
    assert (len(reply), unpack_header(reply)[0]) == (size, command)
    assert reply[8:16] == request[8:16]


@pytest.mark.fact("VPD-B9")
@pytest.mark.parametrize("command", MEMBERS)
def test_an_unknown_instance_is_not_found_by_any_command(world: VarpdWorld, command: Command) -> None:
    assert errno_of(world, command, MEMBERS[command](99)) == Errno.ENOENT


@pytest.mark.fact("VPD-I36")
@pytest.mark.parametrize("command", MEMBERS)
def test_only_changes_of_the_cache_need_privileges_and_they_need_them_before_anything_else(
    world: VarpdWorld, command: Command
) -> None:
    world.caller = NOBODY
    wanted = Errno.EPERM if command in CHANGES_CACHE else Errno.ENOENT
    assert errno_of(world, command, MEMBERS[command](99)) == wanted
    world.door = Door(world.varpd, privileged={NOBODY.uid})
    assert errno_of(world, command, MEMBERS[command](99)) == Errno.ENOENT


@pytest.mark.fact("VPD-Q6")
def test_an_instance_may_be_made_configured_activated_and_destroyed_without_privileges(world: VarpdWorld) -> None:
    linkid = world.host.create_overlay("demo0", 23, to=None)
    world.caller = NOBODY
    with Client.create(world) as client:
        made = client.instance_create(linkid, "direct")
        prop = client.prop_handle_alloc(made)
        for name, value in (("direct/dest_ip", TEN), ("direct/dest_port", uint_value(4789))):
            prop.info_fill_by_name(name)
            prop.set(value)
        client.instance_activate(made)
        client.instance_destroy(made)


@pytest.mark.fact("VPD-B11")
def test_a_plugin_name_without_its_nul_is_cut_at_63_bytes(world: VarpdWorld) -> None:
    linkid = world.host.create_overlay("demo0", 23, to=None)
    request = bytearray(pack_request(Command.CREATE, Create(linkid, "direct")))
    request[24:88] = b"a" * 64
    assert Create.unpack(bytes(request)).plugin == "a" * 63
    assert unpack_header(call(world, bytes(request)))[1] == Errno.ENOENT


@pytest.mark.parametrize("index", [3, 0xFFFFFFFF])
@pytest.mark.parametrize("command", [Command.GETPROP, Command.SETPROP])
def test_an_index_past_the_last_property_is_invalid_to_get_and_set(
    world: VarpdWorld, instance: Make, command: Command, index: int
) -> None:
    assert errno_of(world, command, PropValue(instance(), index, TEN, 16)) == Errno.EINVAL


def test_an_unknown_name_is_not_found_and_an_index_past_the_last_invalid(world: VarpdWorld, instance: Make) -> None:
    made = instance()
    assert errno_of(world, Command.PROPINFO, Info(made, BY_NAME, "traced/nothing")) == Errno.ENOENT
    assert errno_of(world, Command.PROPINFO, Info(made, BY_NAME)) == Errno.ENOENT
    assert errno_of(world, Command.PROPINFO, Info(made, 3)) == Errno.EINVAL


def test_property_information_has_its_sizes(world: VarpdWorld, instance: Make) -> None:
    made = instance()
    answers = [Info.unpack(call(world, pack_request(Command.PROPINFO, Info(made, index)))) for index in range(3)]
    assert [one.possible_size for one in answers] == [16 + len("direct\0traced\0"), 16, 24]
    assert [one.default_size for one in answers] == [0, 0, 0]
    assert answers[2].possible[:16] == struct.pack("=IIII", 1, 1, 1, 65535)


@pytest.mark.fact("VPD-B42", "VPD-Q9")
@pytest.mark.parametrize("size", [257, 300, 2**40])
def test_a_value_that_claims_more_than_256_bytes_is_an_overflow(world: VarpdWorld, instance: Make, size: int) -> None:
    made = instance()
    assert errno_of(world, Command.SETPROP, PropValue(made, 1, TEN, size)) == Errno.EOVERFLOW
    assert world.varpd.prop_get(made, 1) == TEN


def test_a_panic_in_a_command_is_answered_and_ends_the_daemon(
    world: VarpdWorld, instance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def panic(number: int) -> None:
        raise VarpdPanic("out of order")

    monkeypatch.setattr(world.varpd, "instance_activate", panic)
    assert errno_of(world, Command.ACTIVATE, InstanceId(instance())) == Errno.EIO
    assert isinstance(world.varpd.failed.result(), VarpdPanic)


# ---------------------------------------------------------------------- the walk

ENTRIES = tuple(CacheEntry(bytes([2, 0, 0, 0, n >> 8, n & 255]), 0, Point(ip=TEN, port=n)) for n in range(1, 251))


@pytest.fixture
def many(world: VarpdWorld, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The kernel's cache has 250 entries; the counts asked for."""
    asked: list[int] = []

    async def cache_iter(linkid: int, marker: bytes, count: int) -> tuple[bytes, tuple[CacheEntry, ...]]:
        asked.append(count)
        if marker == MARKER_DONE:
            return marker, ()
        start = int.from_bytes(marker[:2])
        end = start + count
        return (end.to_bytes(2) + bytes(6) if end < len(ENTRIES) else MARKER_DONE), ENTRIES[start:end]

    monkeypatch.setattr(world.varpd._overlay, "cache_iter", cache_iter)
    return asked


@pytest.mark.fact("VPD-B48", "VPD-Q8")
def test_a_walk_returns_what_fits_the_message(world: VarpdWorld, instance: Make, many: list[int]) -> None:
    request = pack_request(Command.CACHE_WALK, Walk(instance(), count=200))
    reply = call(world, request)
    found = Walk.unpack_reply(reply)
    assert (len(reply), many, found.count) == (616, [16], 16)
    assert found.entries == ENTRIES[:16]


@pytest.mark.fact("VPD-I39")
def test_the_client_walks_all_entries_once_in_order(world: VarpdWorld, instance: Make, many: list[int]) -> None:
    with Client.create(world) as client:
        assert tuple(client.instance_cache_walk(instance())) == ENTRIES
    assert many == [100, 100, 100, 100]


@pytest.mark.fact("VPD-I39")
def test_who_stops_taking_entries_asks_for_no_more(world: VarpdWorld, instance: Make, many: list[int]) -> None:
    with Client.create(world) as client:
        walk: Iterator[CacheEntry] = client.instance_cache_walk(instance())
        assert [next(walk) for _ in range(100)] == list(ENTRIES[:100])
    assert many == [100]


# ---------------------------------------------------------------------- the client


def test_the_client_leads_an_instance_through_its_life(world: VarpdWorld) -> None:
    linkid = world.host.create_overlay("demo0", 23, to=None)
    with Client.create(world) as client:
        made = client.instance_create(linkid, "direct")
        assert client.instance_lookup(linkid) == made
        assert client.instance_target_mode(made) == (Dest.IP | Dest.PORT, TargMode.POINT)
        assert client.prop_nprops(made) == 3
        prop = client.prop_handle_alloc(made)
        prop.info_fill(1)
        assert (prop.info().name, prop.get()) == ("direct/dest_ip", b"")
        prop.set(TEN)
        assert prop.get() == TEN
        prop.info_fill_by_name("direct/dest_port")
        info = prop.info()
        assert (info.type, info.prot, info.default) == (PropType.UINT, PropPerm.RRW, b"")
        assert info.possible == PropRange.of_ranges((1, 65535))
        prop.set(uint_value(4789))
        client.instance_activate(made)
        mac = bytes(range(6))
        assert client.instance_cache_get(made, mac) == CacheEntry(mac, 0, Point(ip=TEN, port=4789))
        assert [entry.point.port for entry in client.instance_cache_walk(made)] == [4789]
        for change in (
            lambda: client.instance_cache_set(made, CacheEntry(mac)),
            lambda: client.instance_cache_delete(made, mac),
            lambda: client.instance_cache_flush(made),
        ):
            assert refusal(change) is Errno.ENOTSUP
        client.instance_destroy(made)
        assert refusal(lambda: client.instance_lookup(linkid)) is Errno.ENOENT


def refusal(act: Callable[[], object]) -> Errno:
    with pytest.raises(VarpdError) as refused:
        act()
    return refused.value.errno


@pytest.mark.fact("VPD-Q29")
def test_possible_values_and_default_of_a_property_come_with_their_own_sizes(world: VarpdWorld, instance: Make) -> None:
    with Client.create(world) as client:
        prop = client.prop_handle_alloc(instance())
        prop.info_fill(0)
        assert (prop.info().possible.size, len(prop.info().default)) == (30, 0)


@pytest.mark.fact("VPD-B45")
def test_a_property_handle_that_is_not_filled_is_invalid(world: VarpdWorld, instance: Make) -> None:
    with Client.create(world) as client:
        prop = client.prop_handle_alloc(instance())
        for act in (prop.info, prop.get, lambda: prop.set(TEN)):
            assert refusal(act) is Errno.EINVAL


@pytest.mark.fact("VPD-B44")
def test_a_value_over_256_bytes_is_not_sent(world: VarpdWorld, instance: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client.create(world) as client:
        prop = client.prop_handle_alloc(instance())
        prop.info_fill(1)
        monkeypatch.setattr(world, "door", None)
        assert refusal(lambda: prop.set(bytes(257))) is Errno.EOVERFLOW
        assert refusal(lambda: prop.set(b"")) is Errno.EINVAL


@pytest.mark.fact("VPD-B46")
def test_a_name_of_64_bytes_is_not_sent(world: VarpdWorld, instance: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client.create(world) as client:
        prop = client.prop_handle_alloc(instance())
        monkeypatch.setattr(world, "door", None)
        assert refusal(lambda: prop.info_fill_by_name("n" * 64)) is Errno.EINVAL
        assert refusal(lambda: client.instance_create(1, "n" * 64)) is Errno.EINVAL


class Answering:
    """A system whose door answers every request by `reply(request)`."""

    def __init__(self, reply: Callable[[bytes], bytes]) -> None:
        self.reply = reply

    def connect(self, path: str) -> Transport:
        return self

    def call(self, message: bytes) -> bytes:
        return self.reply(message)

    def close(self) -> None: ...
    def wait(self, seconds: float) -> None: ...


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (lambda request: b"", Errno.EPROTO),
        (lambda request: request[:8], Errno.EPROTO),
        (lambda request: struct.pack("=II", 0, Errno.EINVAL), Errno.EINVAL),
        (lambda request: pack_reply(request, 0)[:-1], Errno.EPROTO),
        (lambda request: struct.pack("=II", 9, 0) + request[8:], Errno.EPROTO),
        (lambda request: pack_reply(request, 0xFFFFFFFF), Errno.EIO),
    ],
)
def test_an_answer_that_is_none_is_a_protocol_error(reply: Callable[[bytes], bytes], wanted: Errno) -> None:
    client = Client.create(Answering(reply))
    assert refusal(lambda: client.instance_lookup(1)) is wanted


def test_a_walk_whose_answer_claims_more_entries_than_it_has_is_refused() -> None:
    client = Client.create(Answering(lambda request: pack_reply(request, 0, Walk(1, count=101))))
    assert refusal(lambda: list(client.instance_cache_walk(1))) is Errno.EINVAL


def failing(errno: Errno) -> Callable[[bytes], bytes]:
    def reply(request: bytes) -> bytes:
        raise KernelError(errno)

    return reply


def test_a_door_whose_daemon_has_stopped_is_a_bad_file() -> None:
    class Refusing(Answering):
        def connect(self, path: str) -> Transport:
            raise KernelError(Errno.ECONNREFUSED)

    stopped = Client.create(Refusing(bytes))
    assert refusal(lambda: stopped.instance_lookup(1)) is Errno.EBADF
    died = Client.create(Answering(failing(Errno.ECONNRESET)))
    assert refusal(lambda: died.instance_lookup(1)) is Errno.EBADF
    stopped.destroy()
    assert refusal(lambda: Client(None).instance_activate(1)) is Errno.EBADF


def test_a_door_that_is_not_there_is_not_found() -> None:
    class Missing(Answering):
        def connect(self, path: str) -> Transport:
            raise KernelError(Errno.ENOENT)

    with pytest.raises(KernelError) as refused:
        Client.create(Missing(bytes))
    assert refused.value.errno is Errno.ENOENT
