"""One conversation's frames with every header a frame may have, as single frames, partial ones, and as the run they form.

    flow = Flow(v6=True, vid=7, extensions=(0, 60), tcp_options=TIMESTAMP)
    hw_emul.cut(flow.run(payload, mss=1000)) == flow.frames(payload, mss=1000)

Everything is built header by header and summed word by word (`frames.checksum`): it shares nothing with what it is used to test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from etherspan.testing.frames import ACK, TCP, UDP, checksum
from kernel_sim.sys.ethernet import ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_VLAN
from kernel_sim.sys.message import Gso, Message

FIN = 0x01
PSH = 0x08
CWR = 0x80
TIMESTAMP = bytes.fromhex("0101080a0000000100000002")
"""TCP options: two no-operations and a timestamp."""

_STUFF = {TCP: 16, UDP: 6}


@dataclass(slots=True, frozen=True)
class Flow:
    """What all frames of a conversation have in common. `extensions` are types of IPv6 headers of eight bytes each."""

    protocol: int = TCP
    v6: bool = False
    vid: int | None = None
    ip_options: bytes = b""
    extensions: tuple[int, ...] = ()
    tcp_options: bytes = b""
    dst: bytes = bytes.fromhex("02082000000b")
    src: bytes = bytes.fromhex("02082000000a")
    addresses: bytes = bytes(range(1, 33))
    sport: int = 40000
    dport: int = 5201
    ack: int = 77
    window: int = 501
    tos: int = 0
    ttl: int = 64

    @property
    def network(self) -> int:
        """Offset of the IP header."""
        return 14 if self.vid is None else 18

    @property
    def start(self) -> int:
        """Offset of the transport header."""
        if self.v6:
            return self.network + 40 + 8 * len(self.extensions)
        return self.network + 20 + len(self.ip_options)

    @property
    def stuff(self) -> int:
        """Offset of the checksum in the transport header."""
        return _STUFF[self.protocol]

    @property
    def hdr_len(self) -> int:
        """Bytes of all headers."""
        return self.start + (20 + len(self.tcp_options) if self.protocol == TCP else 8)

    @property
    def gso(self) -> Gso:
        """The kind of its runs."""
        if self.protocol == UDP:
            return Gso.UDP_L4
        return Gso.TCPV6 if self.v6 else Gso.TCPV4

    def frame(self, payload: bytes, *, seq: int = 1, flags: int = ACK, ident: int = 1) -> bytes:
        """A finished frame. `seq` and `flags` are TCP's, `ident` IPv4's."""
        segment = self._segment(payload, seq, flags)
        value = checksum(self._pseudo(len(segment)) + segment)
        if self.protocol == UDP and not value:
            value = 0xFFFF
        return self._around(_with_field(segment, self.stuff, value), ident)

    def partial(self, payload: bytes, *, seq: int = 1, flags: int = ACK, ident: int = 1) -> Message:
        """The same with nothing but the pseudo-header's sum in its checksum field."""
        segment = self._segment(payload, seq, flags)
        value = ~checksum(self._pseudo(len(segment))) & 0xFFFF
        frame = self._around(_with_field(segment, self.stuff, value), ident)
        return Message(frame, partial=True, start=self.start, stuff=self.stuff)

    def run(self, payload: bytes, mss: int, *, seq: int = 1, flags: int = ACK, ident: int = 1) -> Message:
        """The run that stands for `frames` of the same arguments."""
        message = self.partial(payload, seq=seq, flags=flags, ident=ident)
        message.gso, message.mss, message.hdr_len = self.gso, mss, self.hdr_len
        return message

    def frames(self, payload: bytes, mss: int, *, seq: int = 1, flags: int = ACK, ident: int = 1) -> list[bytes]:
        """Finished frames of `mss` bytes of payload each: CWR on the first only, FIN and PSH on the last only."""
        found = []
        for number, at in enumerate(range(0, max(len(payload), 1), mss)):
            own = flags & ~CWR if number else flags
            if at + mss < len(payload):
                own &= ~(FIN | PSH)
            piece = payload[at : at + mss]
            found.append(self.frame(piece, seq=(seq + at) % 2**32, flags=own, ident=(ident + number) % 2**16))
        return found

    def _segment(self, payload: bytes, seq: int, flags: int) -> bytes:
        """The transport's part with a checksum of 0."""
        if self.protocol == UDP:
            return struct.pack(">HHHH", self.sport, self.dport, 8 + len(payload), 0) + payload
        offset = (20 + len(self.tcp_options)) // 4 << 4
        head = struct.pack(">HHIIBBHHH", self.sport, self.dport, seq, self.ack, offset, flags, self.window, 0, 0)
        return head + self.tcp_options + payload

    def _pseudo(self, length: int) -> bytes:
        addresses = self.addresses if self.v6 else self.addresses[:8]
        return addresses + struct.pack(">II", length, self.protocol)

    def _around(self, segment: bytes, ident: int) -> bytes:
        tag = b"" if self.vid is None else struct.pack(">HH", ETHERTYPE_VLAN, self.vid)
        ethertype = struct.pack(">H", ETHERTYPE_IPV6 if self.v6 else ETHERTYPE_IP)
        packet = self._ipv6(segment) if self.v6 else self._ipv4(segment, ident)
        return self.dst + self.src + tag + ethertype + packet

    def _ipv6(self, segment: bytes) -> bytes:
        kinds = (*self.extensions, self.protocol)
        inner = b"".join(bytes((following, 0, 1, 4, 0, 0, 0, 0)) for following in kinds[1:]) + segment
        return struct.pack(">IHBB", 6 << 28 | self.tos << 20, len(inner), kinds[0], self.ttl) + self.addresses + inner

    def _ipv4(self, segment: bytes, ident: int) -> bytes:
        size = 20 + len(self.ip_options)
        head = struct.pack(
            ">BBHHHBBH", 0x40 | size // 4, self.tos, size + len(segment), ident, 0x4000, self.ttl, self.protocol, 0
        )
        head += self.addresses[:8] + self.ip_options
        return _with_field(head, 10, checksum(head)) + segment


def _with_field(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack(">H", value) + data[at + 2 :]
