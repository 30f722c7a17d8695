"""The search plugin `svp` as varpd sees it: properties, life, and what the kernel's questions become (SVP 7, 8).

Dispatch, the first that fits (SVP-I40):

* ARP: proxy ARP, which asks the server for the address
* to 33:33…: proxy NDP for IPv6, anything else is dropped
* to a broadcast or multicast address: dropped, DHCP as well
* else: where the MAC address is

Whoever an address belongs to is put into the kernel's cache before the guest is told (SVP-I39).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Final, Self, TypeVar

from kernel_sim.sys.codec import Point, PropRange
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV6
from kernel_sim.sys.overlay_common import OVERLAY_PROP_SIZEMAX, OVERLAY_STATUS_BUFLEN, Dest, PropPerm, PropType
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList
from libvarpd.plugin import DROP, Answer, MacAnswer, Provider, Query, SearchPlugin
from libvarpd.plugins.svp.loop import HOSTS, Client
from libvarpd.plugins.svp.messages import (
    MAPPED,
    SERVER_PORT,
    UNDERLAY_PORT,
    Message,
    Status,
    Vl2Ack,
    Vl2Req,
    Vl3Ack,
    Vl3Req,
    Vl3Type,
    is_mapped,
)
from libvarpd.plugins.svp.remote import Remote, RemoteKey
from libvarpd.prop import PropInfo, read_ip, read_uint, uint_value

HOST: Final = "svp/host"
PORT: Final = "svp/port"
UNDERLAY_IP: Final = "svp/underlay_ip"
UNDERLAY_PORT_NAME: Final = "svp/underlay_port"
PORT_MIN: Final = 1
PORT_MAX: Final = 65535
BROADCAST_ARP: Final = b"\xff" * 6
"""Where announcements go, and their target MAC address (SVP 8)."""

_PORTS: Final = PropRange.of_ranges((PORT_MIN, PORT_MAX))
_INFO: Final = {
    HOST: PropInfo(HOST, PropType.STRING, PropPerm.RRW),
    PORT: PropInfo(PORT, PropType.UINT, PropPerm.RRW, default=uint_value(SERVER_PORT), possible=_PORTS),
    UNDERLAY_IP: PropInfo(UNDERLAY_IP, PropType.IP, PropPerm.RRW),
    UNDERLAY_PORT_NAME: PropInfo(
        UNDERLAY_PORT_NAME, PropType.UINT, PropPerm.RRW, default=uint_value(UNDERLAY_PORT), possible=_PORTS
    ),
}
_NAMES: Final = tuple(_INFO)
_IPV6_MULTICAST_MAC: Final = b"\x33\x33"
_GROUP_BIT: Final = 1
_M = TypeVar("_M", bound=Message)


class Svp(SearchPlugin):
    """See the module. Ports are 0 while unset, which only a state file can bring about."""

    name = "svp"
    mode = TargMode.DYNAMIC

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._host: str | None = None
        self._port = SERVER_PORT
        self._underlay_ip: bytes | None = None
        self._underlay_port = UNDERLAY_PORT
        self._remote: Remote | None = None

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> Self:
        """Errors: ENOTSUP an encapsulation whose destination is not exactly an address and a port."""
        _require_supported(dest)
        return cls(provider)

    @classmethod
    def restore(cls, provider: Provider, dest: Dest, saved: NvList) -> Self:
        """What `save` wrote (SVP-I42). A port that is not there is none, so `start` refuses. Errors: ENOTSUP; EINVAL no address."""
        _require_supported(dest)
        made = cls(provider)
        made._host = saved.string(HOST)
        made._port = saved.uint16(PORT) or 0
        text = saved.string(UNDERLAY_IP)
        made._underlay_ip = None if text is None else _parse_ip(text)
        made._underlay_port = saved.uint16(UNDERLAY_PORT_NAME) or 0
        return made

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Share a remote with whoever has the same server and underlay address. Errors: EAGAIN a property is unset.

        The server need not be there.
        """
        for name in _NAMES:
            if not self.getprop(name):
                raise VarpdError(Errno.EAGAIN, f"{name} is not set")
        assert self._host is not None
        assert self._underlay_ip is not None
        key = RemoteKey(self._host, self._port, self._underlay_ip)
        self._remote = self._provider.common(Client).attach(key, self, self._hosts)

    def stop(self) -> None:
        """Let the remote go."""
        if self._remote is not None:
            remote, self._remote = self._remote, None
            self._provider.common(Client).detach(remote, self)

    def destroy(self) -> None:
        """Nothing is held."""

    def save(self) -> NvList:
        """What is set, the address always as an IPv6 one."""
        saved = NvList()
        if self._host is not None:
            saved.add_string(HOST, self._host)
        if self._port:
            saved.add_uint16(PORT, self._port)
        if self._underlay_ip is not None:
            saved.add_string(UNDERLAY_IP, _ip_text(self._underlay_ip))
        if self._underlay_port:
            saved.add_uint16(UNDERLAY_PORT_NAME, self._underlay_port)
        return saved

    # ------------------------------------------------------------------ properties

    def nprops(self) -> int:
        """Server's name and port, underlay address and port."""
        return len(_NAMES)

    def propinfo(self, index: int) -> PropInfo:
        """See `SearchPlugin.propinfo`."""
        return _INFO[_NAMES[index]]

    def getprop(self, name: str) -> bytes:
        """See `SearchPlugin.getprop`."""
        match name:
            case "svp/host":
                return b"" if self._host is None else self._host.encode("utf-8", "surrogateescape") + b"\0"
            case "svp/port":
                return uint_value(self._port) if self._port else b""
            case "svp/underlay_ip":
                return self._underlay_ip or b""
            case "svp/underlay_port":
                return uint_value(self._underlay_port) if self._underlay_port else b""
        raise _unknown(name)

    def setprop(self, name: str, value: bytes) -> None:
        """Errors: EINVAL unknown name, a port of 0 or above 65535, an address that is no underlay address; EOVERFLOW too short a value."""
        match name:
            case "svp/host":
                self._host = _read_host(value)
            case "svp/port":
                self._port = _read_port(name, value)
            case "svp/underlay_ip":
                self._underlay_ip = _read_underlay_ip(value)
            case "svp/underlay_port":
                self._underlay_port = _read_port(name, value)
            case _:
                raise _unknown(name)

    # ------------------------------------------------------------------ questions

    async def lookup(self, query: Query) -> Answer:
        """See the module."""
        asked = query.request
        if asked.sap == ETHERTYPE_ARP:
            return await query.proxy_arp()
        if asked.dstaddr.startswith(_IPV6_MULTICAST_MAC):
            return await query.proxy_ndp() if asked.sap == ETHERTYPE_IPV6 else DROP
        if asked.dstaddr[0] & _GROUP_BIT:
            return DROP
        answer = await self._ask(Vl2Req(asked.dstaddr, self.vnetid), Vl2Ack)
        if answer is None or answer.status != Status.OK:
            return DROP
        return Point(ip=answer.address, port=answer.port)

    async def arp(self, query: Query, address: bytes) -> MacAnswer:
        """The MAC address that has an address, once the kernel knows where it is (SVP-I39)."""
        if len(address) == len(MAPPED) + 4:
            request = Vl3Req(address, Vl3Type.IPV6, self.vnetid)
        else:
            request = Vl3Req(MAPPED + address, Vl3Type.IP, self.vnetid)
        answer = await self._ask(request, Vl3Ack)
        if answer is None or answer.status != Status.OK:
            return DROP
        await self._provider.inject_varp(answer.mac, Point(ip=answer.address, port=answer.port))
        return answer.mac

    async def _ask(self, message: Message, kind: type[_M]) -> _M | None:
        """The server's answer; None when there is none (SVP-I31)."""
        if self._remote is None:
            return None
        answered: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

        def done(answer: Message | None) -> None:
            if not answered.done():  # nobody may be waiting any more
                answered.set_result(answer)

        if not self._remote.ask(message, done):
            return None
        answer = await answered
        return answer if isinstance(answer, kind) else None

    # ------------------------------------------------------------------ what the remote says

    @property
    def vnetid(self) -> int:
        """See `remote.Attached`."""
        return self._provider.vnetid

    def forget(self, mac: bytes, done: Callable[[], None]) -> None:
        """See `remote.Attached`. An answer on its way is asked for again (SVP-Q11)."""
        self._provider.inject_varp(mac, None).add_done_callback(lambda _: done())

    def announce(self, vlan: int, mac: bytes, address: bytes) -> None:
        """See `remote.Attached`."""
        self._provider.inject_arp(vlan, mac, address, BROADCAST_ARP)

    def degrade(self, text: str) -> None:
        """See `remote.Attached`; a long text is cut to what the kernel takes."""
        raw = text.encode("utf-8", "backslashreplace")[: OVERLAY_STATUS_BUFLEN - 1]
        self._provider.degrade(raw.decode("utf-8", "ignore"))

    def healed(self) -> None:
        """See `remote.Attached`."""
        self._provider.restore()

    def note(self, text: str) -> None:
        """See `remote.Attached`."""
        self._provider.warn(text)

    def _hosts(self) -> str:
        try:
            return self._provider.read_file(HOSTS).decode("utf-8", "replace")
        except VarpdError:  # a host without one has no names of its own
            return ""


def _require_supported(dest: Dest) -> None:
    if dest != Dest.IP | Dest.PORT:
        raise VarpdError(Errno.ENOTSUP, f"svp gives an address and a port, not what {int(dest):#x} stands for")


def _unknown(name: str) -> VarpdError:
    return VarpdError(Errno.EINVAL, f"svp has no property {name!r}")


def _read_host(value: bytes) -> str:
    """Any text up to its first NUL. Errors: EINVAL no bytes at all."""
    if not value or len(value) > OVERLAY_PROP_SIZEMAX:
        raise VarpdError(Errno.EINVAL, f"{HOST} is a text of at most {OVERLAY_PROP_SIZEMAX - 1} bytes")
    text = value.partition(b"\0")[0]
    if not text:
        raise VarpdError(Errno.EINVAL, f"{HOST} is empty")
    return text.decode("utf-8", "surrogateescape")


def _read_port(name: str, value: bytes) -> int:
    port = read_uint(value)
    if not PORT_MIN <= port <= PORT_MAX:
        raise VarpdError(Errno.EINVAL, f"{name} is within {PORT_MIN}..{PORT_MAX}, not {port}")
    return port


def _read_underlay_ip(value: bytes) -> bytes:
    ip = read_ip(value)
    if _plain(ip).is_multicast:
        raise VarpdError(Errno.EINVAL, f"{_plain(ip)} is a multicast address")
    return ip


def _plain(ip: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(ip[12:]) if is_mapped(ip) else ipaddress.IPv6Address(ip)


def _ip_text(ip: bytes) -> str:
    """The original's text: IPv6 always."""
    return f"::ffff:{_plain(ip)}" if is_mapped(ip) else str(_plain(ip))


def _parse_ip(text: str) -> bytes:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise VarpdError(Errno.EINVAL, f"{UNDERLAY_IP} is saved as {text!r}, which is no address") from None
    return address.packed if address.version == 6 else MAPPED + address.packed


PLUGIN = Svp
