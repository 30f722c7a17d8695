"""The plugin as varpd sees it, over real sockets on the loopback interface where it needs any."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_sim.sys.codec import Point, TargLookup
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import BROADCAST, ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6
from kernel_sim.sys.overlay_common import Dest, PropPerm, PropType
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList
from libvarpd.plugin import DROP, Common
from libvarpd.plugins.svp import loop as svp_loop
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.loop import Client, address_text, hosts_entries
from libvarpd.plugins.svp.messages import (
    LogReq,
    Message,
    Op,
    Pong,
    Status,
    Vl2Ack,
    Vl2Req,
    Vl3Ack,
    Vl3Req,
    Vl3Type,
)
from libvarpd.plugins.svp.plugin import PLUGIN, Svp
from libvarpd.plugins.svp.remote import RemoteKey
from libvarpd.prop import V4_MAPPED, uint_value
from tests.unit.libvarpd.svp_parts import HERE, MAC, THERE, VNET, FakeInstance, fitting

BOTH = Dest.IP | Dest.PORT
IPV6_GUEST = bytes.fromhex("fd210012000000000000000000000012")


class FakeProvider:
    """See `libvarpd.plugin.Provider`: writes down what it is told."""

    def __init__(self, vnetid: int = VNET) -> None:
        self.vnetid = vnetid
        self.told: list[object] = []
        self.files: dict[str, bytes] = {}
        self.warnings: list[str] = []
        self.objects: dict[type[Common], Any] = {}
        self.kernel_waits = False
        self.waiting: list[asyncio.Future[None]] = []

    def read_file(self, path: str) -> bytes:
        if path not in self.files:
            raise VarpdError(Errno.ENOENT, path)
        return self.files[path]

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def common(self, kind: Any) -> Any:
        return self.objects.setdefault(kind, kind())

    def inject_varp(self, mac: bytes, target: Point | None) -> asyncio.Future[None]:
        self.told.append(("varp", mac, target))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.kernel_waits:
            self.waiting.append(done)
        else:
            done.set_result(None)
        return done

    def inject_arp(self, vlan: int, source_mac: bytes, source_ip: bytes, destination_mac: bytes) -> None:
        self.told.append(("arp", vlan, source_mac, source_ip, destination_mac))

    def degrade(self, text: str) -> None:
        assert len(text.encode()) < 256
        self.told.append(("degrade", text))

    def restore(self) -> None:
        self.told.append("restore")


class FakeQuery:
    """See `libvarpd.plugin.Query`; the proxies say that they were asked, and ask for an address in their turn if there is one."""

    def __init__(self, plugin: Svp, sap: int, dst: bytes, address: bytes | None = None) -> None:
        self.request = TargLookup(vnetid=VNET, dstaddr=dst, sap=sap)
        self.used: list[str] = []
        self.answer: object = None
        self._plugin = plugin
        self._address = address

    async def proxy_arp(self) -> object:
        return await self._proxy("arp")

    async def proxy_ndp(self) -> object:
        return await self._proxy("ndp")

    async def proxy_dhcp(self) -> object:
        return await self._proxy("dhcp")

    async def _proxy(self, kind: str) -> object:
        self.used.append(kind)
        if self._address is not None:
            self.answer = await self._plugin.arp(self, self._address)  # type: ignore[arg-type]
        return DROP


class Server:
    """A server on the loopback interface. `respond` gives the answer to a question, None for none; `asked` is what came."""

    def __init__(self, respond: Callable[[Message], Message | None] = fitting) -> None:
        self.respond = respond
        self.asked: list[Message] = []
        self.connections: list[ServerConnection] = []
        self.open = 0

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        server = await asyncio.get_running_loop().create_server(lambda: ServerConnection(self), host, port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            await until(lambda: not being_accepted(server))  # a server that is closed meanwhile loses their sockets
            server.close()
            for connection in self.connections:
                connection.transport.abort()
            await until(lambda: not self.open)
            await server.wait_closed()


class ServerConnection(asyncio.Protocol):
    """One of its connections."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._framer = wire.Framer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.connections.append(self)
        self._server.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.open -= 1

    def data_received(self, data: bytes) -> None:
        for frame in self._framer.feed(data):
            message = wire.decode(frame.op, frame.body)
            self._server.asked.append(message)
            answer = self._server.respond(message)
            if answer is not None:
                version = 1 if isinstance(answer, Pong) else frame.version
                self.transport.write(wire.encode(answer, frame.id, version))


def made(provider: FakeProvider, **properties: object) -> Svp:
    """An instance with properties; those of a server on this machine unless others are given."""
    plugin = Svp.create(provider, BOTH)  # type: ignore[arg-type]
    values = {"host": "127.0.0.1", "port": 1296, "underlay_ip": HERE, "underlay_port": 4789, **properties}
    for name, value in values.items():
        raw = uint_value(value) if isinstance(value, int) else value
        if isinstance(value, str):
            raw = value.encode() + b"\0"
        if value is not None:
            plugin.setprop(f"svp/{name}", raw)  # type: ignore[arg-type]
    return plugin


def being_accepted(server: asyncio.Server) -> bool:
    """Whether there is a connection that no protocol has been told of."""
    waiting = select.select([one.fileno() for one in server.sockets], [], [], 0)[0]
    return bool(waiting) or any("_accept_connection" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def until(condition: Callable[[], bool]) -> None:
    """Turn the loop until something holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it asks for is told by nobody
            await asyncio.sleep(0.001)


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await work

    asyncio.run(main())


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(svp_loop, "TICK", 0.01)
    yield


def is_active(plugin: Svp) -> bool:
    return plugin._remote is not None and any(conn.state.value == "active" for conn in plugin._remote.conns)


# ------------------------------------------------------------------ properties


def test_it_is_registered_as_svp_of_mode_dynamic() -> None:
    assert (PLUGIN.name, PLUGIN.mode) == ("svp", TargMode.DYNAMIC)


def test_its_properties_are_as_documented(provider: FakeProvider) -> None:
    plugin = Svp.create(provider, BOTH)  # type: ignore[arg-type]
    infos = [plugin.propinfo(index) for index in range(plugin.nprops())]
    assert [(info.name, info.type, info.prot, info.default) for info in infos] == [
        ("svp/host", PropType.STRING, PropPerm.RRW, b""),
        ("svp/port", PropType.UINT, PropPerm.RRW, uint_value(1296)),
        ("svp/underlay_ip", PropType.IP, PropPerm.RRW, b""),
        ("svp/underlay_port", PropType.UINT, PropPerm.RRW, uint_value(1339)),
    ]
    assert [plugin.getprop(info.name) for info in infos] == [b"", uint_value(1296), b"", uint_value(1339)]


@pytest.mark.parametrize(
    "dest", [Dest.IP, Dest.PORT, Dest.ETHERNET, Dest.IP | Dest.ETHERNET, Dest.IP | Dest.PORT | Dest.ETHERNET]
)
def test_it_gives_an_address_and_a_port_and_nothing_else(provider: FakeProvider, dest: Dest) -> None:
    for make in (lambda: Svp.create(provider, dest), lambda: Svp.restore(provider, dest, NvList())):  # type: ignore[arg-type]
        with pytest.raises(VarpdError) as refused:
            make()
        assert refused.value.errno is Errno.ENOTSUP


@pytest.mark.parametrize("name", ["svp/port", "svp/underlay_port"])
def test_ports_are_1_to_65535(provider: FakeProvider, name: str) -> None:
    plugin = made(provider)
    for good in (1, 65535):
        plugin.setprop(name, uint_value(good))
        assert plugin.getprop(name) == uint_value(good)
    for bad in (0, 65536, 2**64 - 1):
        with pytest.raises(VarpdError) as refused:
            plugin.setprop(name, uint_value(bad))
        assert refused.value.errno is Errno.EINVAL
    with pytest.raises(VarpdError) as refused:
        plugin.setprop(name, bytes(7))
    assert refused.value.errno is Errno.EOVERFLOW
    assert plugin.getprop(name) == uint_value(65535)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("10.0.0.1", True),
        ("10.0.0.224", True),  # the original takes its last octet for a multicast address's first
        ("fd00::1", True),
        ("::", True),
        ("::1", True),
        ("::10.0.0.1", False),
        ("2002:a00:1::1", False),
        ("ff02::1", False),
        ("224.0.0.1", False),
        ("239.255.255.255", False),
    ],
)
def test_what_is_no_underlay_address_is_refused(provider: FakeProvider, text: str, good: bool) -> None:
    plugin = made(provider, underlay_ip=None)
    address = ipaddress.ip_address(text)
    raw = address.packed if address.version == 6 else V4_MAPPED + address.packed
    if good:
        plugin.setprop("svp/underlay_ip", raw)
        assert plugin.getprop("svp/underlay_ip") == raw
    else:
        with pytest.raises(VarpdError) as refused:
            plugin.setprop("svp/underlay_ip", raw)
        assert refused.value.errno is Errno.EINVAL
        assert plugin.getprop("svp/underlay_ip") == b""


def test_a_property_that_does_not_exist_is_refused(provider: FakeProvider) -> None:
    plugin = made(provider)
    for call in (lambda: plugin.getprop("svp/dcid"), lambda: plugin.setprop("svp/dcid", uint_value(1))):
        with pytest.raises(VarpdError) as refused:
            call()
        assert refused.value.errno is Errno.EINVAL


def test_a_name_of_255_bytes_is_the_longest(provider: FakeProvider) -> None:
    plugin = made(provider)
    plugin.setprop("svp/host", b"x" * 255 + b"\0")
    assert plugin.getprop("svp/host") == b"x" * 255 + b"\0"
    for bad in (b"", b"\0", b"x" * 256 + b"\0"):
        with pytest.raises(VarpdError):
            plugin.setprop("svp/host", bad)


@pytest.mark.fact("SVP-Q19")
@pytest.mark.parametrize("bad", [b"", b"\0", b"x" * 256 + b"\0", b"y" * 400])
def test_a_name_is_checked_before_anything_of_it_is_kept(provider: FakeProvider, bad: bytes) -> None:
    plugin = made(provider, host="portolan.test")
    with pytest.raises(VarpdError):
        plugin.setprop("svp/host", bad)
    assert plugin.getprop("svp/host") == b"portolan.test\0"


VALUES = {
    "svp/host": b"portolan.test\0",
    "svp/port": uint_value(7),
    "svp/underlay_ip": HERE,
    "svp/underlay_port": uint_value(8),
}


@pytest.mark.fact("SVP-Q21")
@given(st.sets(st.sampled_from(sorted(VALUES))))
def test_whether_a_property_is_set_depends_on_no_other(names: set[str]) -> None:
    saved = NvList()  # an empty one leaves all of them unset
    plugin = Svp.restore(FakeProvider(), BOTH, saved)  # type: ignore[arg-type]
    for name in sorted(names):
        plugin.setprop(name, VALUES[name])
    assert {name: plugin.getprop(name) for name in VALUES} == {
        name: VALUES[name] if name in names else b"" for name in VALUES
    }


# ------------------------------------------------------------------ life


@pytest.mark.parametrize("missing", ["host", "underlay_ip"])
def test_it_does_not_start_before_its_properties_are_set(provider: FakeProvider, missing: str) -> None:
    async def work() -> None:
        with pytest.raises(VarpdError) as refused:
            made(provider, **{missing: None}).start()
        assert refused.value.errno is Errno.EAGAIN
        assert missing in str(refused.value)
        assert provider.objects == {}

    run(work())


@pytest.mark.fact("SVP-I42")
@given(
    host=st.none() | st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=255),
    port=st.integers(1, 65535),
    underlay_ip=st.none()
    | st.ip_addresses(v=6)
    .map(lambda a: a.packed)
    .filter(lambda raw: raw[0] != 0xFF and raw[:2] != b"\x20\x02" and any(raw[:12])),
    underlay_port=st.integers(1, 65535),
)
def test_what_was_saved_comes_back(host: str | None, port: int, underlay_ip: bytes | None, underlay_port: int) -> None:
    before = made(FakeProvider(), host=host, port=port, underlay_ip=underlay_ip, underlay_port=underlay_port)
    after = Svp.restore(FakeProvider(), BOTH, before.save())  # type: ignore[arg-type]
    for index in range(before.nprops()):
        name = before.propinfo(index).name
        assert after.getprop(name) == before.getprop(name)


def test_the_saved_form_is_the_originals(provider: FakeProvider) -> None:
    saved = made(provider, host="portolan.coal", underlay_ip=V4_MAPPED + bytes([10, 0, 0, 1])).save()
    assert [(name, value) for name, _, value in saved] == [
        ("svp/host", "portolan.coal"),
        ("svp/port", 1296),
        ("svp/underlay_ip", "::ffff:10.0.0.1"),
        ("svp/underlay_port", 4789),
    ]


@pytest.mark.fact("SVP-I42")
@pytest.mark.parametrize("left_out", ["svp/host", "svp/port", "svp/underlay_ip", "svp/underlay_port"])
def test_what_was_saved_in_part_does_not_start(provider: FakeProvider, left_out: str) -> None:
    whole, part = made(provider).save(), NvList()
    for name, _, value in whole:
        if name != left_out:
            part.add_string(name, value) if isinstance(value, str) else part.add_uint16(name, value)  # type: ignore[arg-type]
    plugin = Svp.restore(provider, BOTH, part)  # type: ignore[arg-type]
    assert plugin.getprop(left_out) == b""
    assert list(plugin.save()) == list(part)

    async def work() -> None:
        with pytest.raises(VarpdError) as refused:
            plugin.start()
        assert refused.value.errno is Errno.EAGAIN

    run(work())


def test_a_saved_address_that_is_none_is_refused(provider: FakeProvider) -> None:
    saved = NvList()
    saved.add_string("svp/underlay_ip", "10.0.0.300")
    with pytest.raises(VarpdError) as refused:
        Svp.restore(provider, BOTH, saved)  # type: ignore[arg-type]
    assert refused.value.errno is Errno.EINVAL


def test_instances_of_one_server_share_a_remote_that_ends_with_the_last(provider: FakeProvider) -> None:
    async def work() -> None:
        server = Server()
        async with server.listening() as port:
            one, other = made(provider, port=port), made(provider, port=port)
            apart = made(provider, port=port, underlay_ip=THERE)
            for plugin in (one, other, apart):
                plugin.start()
            assert one._remote is other._remote is not apart._remote
            await until(lambda: is_active(one) and is_active(apart))
            assert len(server.connections) == 2
            one.stop()
            assert is_active(other)
            other.stop()
            apart.stop()
            await until(lambda: len(asyncio.all_tasks()) <= 1 + 1)

    run(work())


def test_closing_what_instances_share_leaves_no_task_and_no_connection(provider: FakeProvider) -> None:
    async def work() -> None:
        async with Server().listening() as port:
            plugin = made(provider, port=port)
            plugin.start()
            await until(lambda: is_active(plugin))
            provider.common(Client).close()
            await until(lambda: not any("svp" in str(task.get_coro()) for task in asyncio.all_tasks()))

    run(work())


# ------------------------------------------------------------------ questions


async def asked_of(provider: FakeProvider, server: Server, ask: Callable[[Svp], Awaitable[None]]) -> None:
    async with server.listening() as port:
        plugin = made(provider, port=port)
        plugin.start()
        await until(lambda: is_active(plugin))
        await ask(plugin)
        plugin.stop()


def questions(server: Server) -> list[Message]:
    return [one for one in server.asked if isinstance(one, Vl2Req | Vl3Req)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Vl2Ack(Status.OK, 4790, THERE), Point(ip=THERE, port=4790)),
        (Vl2Ack(Status.NOTFOUND), DROP),
        (Vl2Ack(Status.FATAL), DROP),
        (Vl2Ack(77, 4790, THERE), DROP),
    ],
)
def test_a_mac_address_is_where_the_server_says(provider: FakeProvider, answer: Vl2Ack, expected: object) -> None:
    server = Server(lambda message: answer if isinstance(message, Vl2Req) else fitting(message))

    async def ask(plugin: Svp) -> None:
        assert await plugin.lookup(FakeQuery(plugin, ETHERTYPE_IP, MAC)) == expected  # type: ignore[arg-type]
        assert questions(server) == [Vl2Req(MAC, VNET)]

    run(asked_of(provider, server, ask))


GROUP_MACS = st.binary(min_size=6, max_size=6).map(lambda raw: bytes([raw[0] | 1]) + raw[1:])


@pytest.mark.fact("SVP-I40")
def test_group_addresses_are_no_questions_for_the_server(provider: FakeProvider) -> None:
    server = Server()

    async def ask(plugin: Svp) -> None:
        for dst in (
            BROADCAST,
            bytes.fromhex("01005e000001"),
            bytes.fromhex("0180c2000000"),
            b"\x33\x33\x00\x00\x00\x01",
        ):
            for sap in (ETHERTYPE_IP, ETHERTYPE_IPV6, 0x88CC):
                query = FakeQuery(plugin, sap, dst)
                assert await plugin.lookup(query) == DROP  # type: ignore[arg-type]
                wanted = ["ndp"] if sap == ETHERTYPE_IPV6 and dst.startswith(b"\x33\x33") else []
                assert query.used == wanted
        assert questions(server) == []
        query = FakeQuery(plugin, ETHERTYPE_ARP, MAC)  # ARP is a matter of the proxy wherever it goes
        assert await plugin.lookup(query) == DROP  # type: ignore[arg-type]
        assert query.used == ["arp"]

    run(asked_of(provider, server, ask))


@pytest.mark.fact("SVP-I39", "SVP-Q20")
@pytest.mark.parametrize(
    ("sap", "dst", "address", "wanted"),
    [
        (ETHERTYPE_ARP, BROADCAST, THERE[12:], Vl3Req(THERE, Vl3Type.IP, VNET)),
        (ETHERTYPE_IPV6, b"\x33\x33\xff\x00\x00\x12", IPV6_GUEST, Vl3Req(IPV6_GUEST, Vl3Type.IPV6, VNET)),
    ],
)
def test_the_kernel_knows_where_an_address_is_before_the_guest_knows_whose_it_is(
    provider: FakeProvider, sap: int, dst: bytes, address: bytes, wanted: Vl3Req
) -> None:
    server = Server()
    provider.kernel_waits = True

    async def ask(plugin: Svp) -> None:
        query = FakeQuery(plugin, sap, dst, address)
        asking = asyncio.ensure_future(plugin.lookup(query))  # type: ignore[arg-type]
        await until(lambda: bool(provider.waiting))
        assert provider.told == [("varp", MAC, Point(ip=THERE, port=4789))]
        assert query.answer is None, "the guest was told first"
        provider.waiting[0].set_result(None)
        assert await asking == DROP
        assert query.answer == MAC
        assert questions(server) == [wanted]

    run(asked_of(provider, server, ask))


@pytest.mark.parametrize("answer", [Vl3Ack(Status.NOTFOUND), Vl3Ack(Status.FATAL), Vl3Ack(9, MAC, 1, THERE)])
def test_an_address_that_nobody_has_is_not_answered_for(provider: FakeProvider, answer: Vl3Ack) -> None:
    server = Server(lambda message: answer if isinstance(message, Vl3Req) else fitting(message))

    async def ask(plugin: Svp) -> None:
        query = FakeQuery(plugin, ETHERTYPE_ARP, BROADCAST, THERE[12:])
        assert await plugin.lookup(query) == DROP  # type: ignore[arg-type]
        assert query.answer == DROP
        assert provider.told == []

    run(asked_of(provider, server, ask))


@pytest.mark.fact("SVP-I31")
def test_every_question_ends_when_the_connection_does(provider: FakeProvider) -> None:
    server = Server(lambda message: None if isinstance(message, Vl2Req) else fitting(message))

    async def ask(plugin: Svp) -> None:
        asking = [asyncio.ensure_future(plugin.lookup(FakeQuery(plugin, ETHERTYPE_IP, MAC))) for _ in range(50)]  # type: ignore[arg-type]
        await until(lambda: len(questions(server)) == 50)
        for writer in server.connections:
            writer.transport.abort()
        assert await asyncio.gather(*asking) == [DROP] * 50

    run(asked_of(provider, server, ask))


@pytest.mark.fact("SVP-I31")
def test_every_question_ends_when_the_remote_does(provider: FakeProvider) -> None:
    server = Server(lambda message: None if isinstance(message, Vl2Req) else fitting(message))

    async def ask(plugin: Svp) -> None:
        asking = asyncio.ensure_future(plugin.lookup(FakeQuery(plugin, ETHERTYPE_IP, MAC)))  # type: ignore[arg-type]
        await until(lambda: len(questions(server)) == 1)
        plugin.stop()
        assert await asking == DROP
        assert await plugin.lookup(FakeQuery(plugin, ETHERTYPE_IP, MAC)) == DROP, "it is stopped"  # type: ignore[arg-type]

    run(asked_of(provider, server, ask))


def test_a_question_that_was_given_up_does_no_harm_when_its_answer_comes(provider: FakeProvider) -> None:
    server = Server(lambda message: None if isinstance(message, Vl2Req) else fitting(message))

    async def ask(plugin: Svp) -> None:
        asking = asyncio.ensure_future(plugin.lookup(FakeQuery(plugin, ETHERTYPE_IP, MAC)))  # type: ignore[arg-type]
        await until(lambda: len(questions(server)) == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert plugin._remote is not None
        (query,) = [q for q in plugin._remote.conns[0]._queries.values() if isinstance(q.message, Vl2Req)]
        server.connections[0].transport.write(wire.encode(Vl2Ack(Status.OK, 1, THERE), query.id))
        await until(lambda: plugin._remote is not None and not plugin._remote.conns[0]._queries.get(query.id))
        assert is_active(plugin)

    run(asked_of(provider, server, ask))


# ------------------------------------------------------------------ the server's name


@pytest.mark.parametrize(
    ("text", "host", "expected"),
    [
        ("10.0.0.5 portolan.lab", "portolan.lab", ["10.0.0.5"]),
        ("# x\n\n10.0.0.5\tportolan.lab portolan # y\nfd00::5 other portolan\n", "portolan", ["10.0.0.5", "fd00::5"]),
        ("10.0.0.5 PORTOLAN.lab.", "portolan.LAB", ["10.0.0.5"]),
        ("10.0.0.5 a\n10.0.0.5 a", "a", ["10.0.0.5"]),
        ("10.0.0.5 portolan.lab.x", "portolan.lab", []),
        ("nonsense portolan.lab\n10.0.0.5 # portolan.lab", "portolan.lab", []),
    ],
)
def test_a_hosts_file_gives_names_and_aliases(text: str, host: str, expected: list[str]) -> None:
    assert [address_text(one) for one in hosts_entries(text, host)] == expected


def test_the_hosts_own_names_come_before_the_resolvers(provider: FakeProvider) -> None:
    provider.files["/etc/inet/hosts"] = b"127.0.0.1 no-such-name.invalid\n"
    server = Server()

    async def work() -> None:
        async with server.listening() as port:
            plugin = made(provider, host="no-such-name.invalid", port=port)
            plugin.start()
            await until(lambda: is_active(plugin))
            plugin.stop()

    run(work())


def test_a_server_may_have_an_ipv6_address(provider: FakeProvider) -> None:
    async def work() -> None:
        async with Server().listening("::1") as port:
            plugin = made(provider, host="::1", port=port)
            plugin.start()
            await until(lambda: is_active(plugin))
            plugin.stop()

    run(work())


@pytest.mark.parametrize("kind", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL])
def test_a_name_that_cannot_be_resolved_degrades_and_is_tried_again(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        known = False

        async def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
            assert host == "portolan.test"
            if not known:
                raise socket.gaierror(kind, "no")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        async with Server().listening() as port:
            plugin = made(provider, host="portolan.test", port=port)
            plugin.start()
            await until(lambda: bool(provider.told))
            assert provider.told == [("degrade", "failed to resolve or find entries for hostname portolan.test")]
            known = True
            await until(lambda: len(provider.told) == 2)
            assert provider.told[1] == "restore"
            plugin.stop()

    run(work())


def test_a_reason_that_is_too_long_is_cut(provider: FakeProvider) -> None:
    made(provider).degrade("x" * 300)
    assert provider.told == [("degrade", "x" * 255)]


def test_a_name_that_no_name_can_be_is_an_unknown_one(provider: FakeProvider) -> None:
    async def work() -> None:
        plugin = made(provider, host="a" * 200)
        plugin.start()
        await until(lambda: bool(provider.told))
        assert provider.told == [("degrade", "failed to resolve or find entries for hostname " + "a" * 200)]
        plugin.stop()

    run(work())


def test_the_log_is_asked_for_in_the_name_of_the_underlay_address(provider: FakeProvider) -> None:
    server = Server()

    async def ask(plugin: Svp) -> None:
        await until(lambda: any(isinstance(one, LogReq) for one in server.asked))
        assert next(one for one in server.asked if isinstance(one, LogReq)) == LogReq(1024, HERE)

    run(asked_of(provider, server, ask))


def test_what_the_log_says_reaches_the_kernel(provider: FakeProvider) -> None:
    async def work() -> None:
        plugin = made(provider)
        done: list[bool] = []
        plugin.forget(MAC, lambda: done.append(True))
        await asyncio.sleep(0)
        assert (provider.told, done) == ([("varp", MAC, None)], [True])
        plugin.announce(4, MAC, THERE[12:])
        assert provider.told[1] == ("arp", 4, MAC, THERE[12:], BROADCAST)

    run(work())


def test_chance_is_the_same_for_the_same_node_and_another_for_others() -> None:
    def draws(underlay: bytes) -> list[int]:
        running = svp_loop._Running(RemoteKey("h", 1, underlay), svp_loop.Ids(), str)
        return [running.remote._world.spread(5) for _ in range(20)]

    assert draws(HERE) == draws(HERE)
    assert draws(HERE) != draws(THERE)
    assert set(draws(HERE)) <= set(range(6))


def test_the_parts_of_these_tests_are_whole() -> None:
    """`FakeInstance` can do what a plugin does for its remote."""
    wanted = {"vnetid", "forget", "announce", "degrade", "healed", "note"}
    assert wanted <= {name for name in dir(Svp) if not name.startswith("_")}
    assert wanted <= {name for name in dir(FakeInstance()) if not name.startswith("_")}
    assert dataclasses.is_dataclass(TargLookup)
    assert Op.VL2_REQ + 1 == Op.VL2_ACK
