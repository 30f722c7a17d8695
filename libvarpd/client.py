"""The client of varpd's door, synchronous (`libvarpd_c_*`, VPD 3.5).

    client = Client.create(system)
    instance = client.instance_create(linkid, "direct")
    prop = client.prop_handle_alloc(instance)
    prop.info_fill_by_name("direct/dest_port")
    prop.set(uint_value(4789))
    client.instance_activate(instance)

Every method raises `VarpdError` with the errno varpd answered: see `libvarpd.handle` for which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self, TypeVar

from kernel_sim.dev.client import System, Transport, call_each
from kernel_sim.dev.paths import VARPD_DOOR
from kernel_sim.sys.codec import CacheEntry, PropRange
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import OVERLAY_PROP_NAMELEN, OVERLAY_PROP_SIZEMAX, Dest, PropPerm, PropType
from kernel_sim.sys.overlay_target import MARKER_BEGIN, TargMode
from libvarpd.door_codec import (
    BY_NAME,
    ERROR_SIZE,
    REQUEST_SIZE,
    CacheArg,
    Command,
    Create,
    Info,
    InstanceId,
    LinkLookup,
    Member,
    Nprops,
    PropValue,
    TargetMode,
    Walk,
    pack_request,
    unpack_header,
)
from libvarpd.errors import VarpdError
from libvarpd.prop import PropInfo

WALK_CHUNK: Final = 100
"""Cache entries asked for at once."""
_WALK_SIZE: Final = Walk.ENTRIES_AT + WALK_CHUNK * CacheEntry.SIZE

_M = TypeVar("_M", bound=Member)


class Client:
    """A connection to varpd. A door whose varpd has stopped can be opened; calls on it are EBADF."""

    def __init__(self, transport: Transport | None) -> None:
        self._transport = transport

    @classmethod
    def create(cls, system: System, path: str = VARPD_DOOR) -> Self:
        """Reach the varpd of a host. Errors (`KernelError`): ENOENT it never ran, or was stopped; EACCES."""
        try:
            return cls(system.connect(path))
        except KernelError as error:
            if error.errno is not Errno.ECONNREFUSED:
                raise
            return cls(None)

    def destroy(self) -> None:
        """Close the connection; harmless when it is closed."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    # ------------------------------------------------------------------ instances

    def instance_create(self, linkid: int, search: str) -> int:
        """Make an instance of a search plugin for an overlay; returns its id. Errors: EINVAL a name of 64 bytes or more; varpd's."""
        _check_name(search)
        return self._ask(Command.CREATE, Create(linkid, search)).id

    def instance_activate(self, instance: int) -> None:
        """Activate an instance."""
        self._ask(Command.ACTIVATE, InstanceId(instance))

    def instance_destroy(self, instance: int) -> None:
        """Destroy an instance."""
        self._ask(Command.DESTROY, InstanceId(instance))

    def instance_lookup(self, linkid: int) -> int:
        """The id of a link's instance. Errors: ENOENT it has none."""
        return self._ask(Command.LOOKUP, LinkLookup(linkid)).id

    def instance_target_mode(self, instance: int) -> tuple[Dest, TargMode]:
        """Parts of a destination it gives, and its mode."""
        answer = self._ask(Command.TARGET_MODE, TargetMode(instance))
        return Dest(answer.dest), TargMode(answer.mode)

    # ------------------------------------------------------------------ properties

    def prop_nprops(self, instance: int) -> int:
        """How many properties an instance has, `search` included."""
        return self._ask(Command.NPROPS, Nprops(instance)).count

    def prop_handle_alloc(self, instance: int) -> Prop:
        """A handle on a property of an instance, to be filled by one of its `info_fill` methods."""
        return Prop(self._ask, instance)

    def prop_walk(self, instance: int) -> list[tuple[PropInfo, bytes | None]]:
        """All properties of an instance, `search` first, with their values: b"" while unset, None for one that cannot be read."""
        indexes = range(self.prop_nprops(instance))
        infos = [
            Info.unpack(_checked(*one)) for one in self._each(Command.PROPINFO, [Info(instance, i) for i in indexes])
        ]
        values: list[bytes | None] = []
        for request, reply in self._each(Command.GETPROP, [PropValue(instance, i) for i in indexes]):
            try:
                values.append(_value(PropValue.unpack(_checked(request, reply))))
            except VarpdError:
                values.append(None)
        return list(zip(map(_prop_info, infos), values, strict=True))

    # ------------------------------------------------------------------ the kernel's cache

    def instance_cache_flush(self, instance: int) -> None:
        """Remove all answers from the kernel's cache. Errors: EPERM; ENOTSUP point mode; varpd's. Those of `set` and `delete` too."""
        self._ask(Command.CACHE_FLUSH, InstanceId(instance))

    def instance_cache_delete(self, instance: int, mac: bytes) -> None:
        """Remove one answer. Errors: ENOENT there is none."""
        self._ask(Command.CACHE_DELETE, CacheArg(instance, CacheEntry(mac)))

    def instance_cache_get(self, instance: int, mac: bytes) -> CacheEntry:
        """The answer for a MAC address. Errors: ENOENT there is none."""
        return self._ask(Command.CACHE_GET, CacheArg(instance, CacheEntry(mac))).entry

    def instance_cache_set(self, instance: int, entry: CacheEntry) -> None:
        """Install an answer."""
        self._ask(Command.CACHE_SET, CacheArg(instance, entry))

    def instance_cache_walk(self, instance: int) -> Iterator[CacheEntry]:
        """All answers in order of MAC address, fetched as they are taken: stop taking, and nothing more is asked (VPD-I39)."""
        asked = Walk(instance, MARKER_BEGIN, WALK_CHUNK)
        while True:
            reply = self._call(Command.CACHE_WALK, asked, _WALK_SIZE)
            found = Walk.unpack_reply(reply)
            if not found.entries:
                return
            yield from found.entries
            asked = replace(asked, marker=found.marker)

    # ------------------------------------------------------------------ inside

    def _ask(self, command: Command, member: _M) -> _M:
        return type(member).unpack(self._call(command, member, REQUEST_SIZE))

    def _call(self, command: Command, member: Member, size: int) -> bytes:
        request = pack_request(command, member, size)
        return _checked(request, self._exchange([request])[0])

    def _each(self, command: Command, members: Sequence[Member]) -> Iterator[tuple[bytes, bytes]]:
        """Requests that do not depend on each other, under way at once, each with its reply."""
        requests = [pack_request(command, member, REQUEST_SIZE) for member in members]
        return zip(requests, self._exchange(requests), strict=True)

    def _exchange(self, requests: Sequence[bytes]) -> list[bytes]:
        if self._transport is None:
            raise VarpdError(Errno.EBADF, "varpd has stopped")
        try:
            return call_each(self._transport, requests)
        except KernelError as error:
            stopped = error.errno is Errno.ECONNRESET
            raise VarpdError(Errno.EBADF if stopped else error.errno, f"varpd: {error}") from error


def _checked(request: bytes, reply: bytes) -> bytes:
    """A reply that says its request was done. Errors: varpd's; EPROTO for what is no reply to it."""
    if len(reply) < ERROR_SIZE:
        raise VarpdError(Errno.EPROTO, f"varpd answered {len(reply)} bytes")
    command, _ = unpack_header(request)
    answered, errno = unpack_header(reply)
    if errno:
        raise VarpdError(Errno.of(errno), f"varpd refused {Command(command).name}")
    if answered != command or len(reply) != len(request):
        raise VarpdError(Errno.EPROTO, f"varpd answered command {answered} in {len(reply)} bytes")
    return reply


def _prop_info(answer: Info) -> PropInfo:
    default = answer.default[: answer.default_size]
    return PropInfo(
        answer.name, PropType(answer.type), PropPerm(answer.prot), default, PropRange.unpack(answer.possible)
    )


def _value(answer: PropValue) -> bytes:
    if answer.size > OVERLAY_PROP_SIZEMAX:
        raise VarpdError(Errno.E2BIG, f"varpd answered a value of {answer.size} bytes")
    return answer.value


class Prop:
    """A property of an instance. `info`, `get` and `set` need an `info_fill` first: EINVAL."""

    def __init__(self, ask: Callable[[Command, Member], Member], instance: int) -> None:
        self._ask = ask
        self._instance = instance
        self._index: int | None = None
        self._info: PropInfo | None = None

    def info_fill(self, index: int) -> None:
        """Fill by index. Errors: EINVAL there is none."""
        self._fill(Info(self._instance, index))

    def info_fill_by_name(self, name: str) -> None:
        """Fill by name. Errors: EINVAL a name of 64 bytes or more (VPD-B46); ENOENT there is none."""
        _check_name(name)
        self._fill(Info(self._instance, BY_NAME, name))

    def info(self) -> PropInfo:
        """What describes it."""
        self._require_index()
        assert self._info is not None
        return self._info

    def get(self) -> bytes:
        """Its value, b"" while unset."""
        answer = self._ask(Command.GETPROP, PropValue(self._instance, self._require_index()))
        assert isinstance(answer, PropValue)
        return _value(answer)

    def set(self, value: bytes) -> None:
        """Set its value. Errors: EINVAL an empty value; EOVERFLOW over 256 bytes; varpd's."""
        index = self._require_index()
        if not value:
            raise VarpdError(Errno.EINVAL, "an empty value")
        self._ask(Command.SETPROP, PropValue(self._instance, index, value, len(value)))

    def _fill(self, asked: Info) -> None:
        answer = self._ask(Command.PROPINFO, asked)
        assert isinstance(answer, Info)
        self._info = _prop_info(answer)
        self._index = answer.index

    def _require_index(self) -> int:
        if self._index is None:
            raise VarpdError(Errno.EINVAL, "the property handle is not filled")
        return self._index


def _check_name(name: str) -> None:
    if len(name.encode("utf-8", "surrogateescape")) >= OVERLAY_PROP_NAMELEN:
        raise VarpdError(Errno.EINVAL, f"{name!r} has {OVERLAY_PROP_NAMELEN} bytes or more")
