"""A port in a network namespace: an AF_PACKET socket on a VNIC's TAP."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import time
from typing import Final, Self

from etherspan.testing.world import compare

ETH_P_ALL: Final = 3
PATIENCE: Final = 5
"""Times as long as it was told does this world wait for what has to come: a busy machine is slow."""
_SOL_PACKET: Final = 263
_PACKET_AUXDATA: Final = 8
_PACKET_IGNORE_OUTGOING: Final = 23
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 8 << 20
_FRAME_MAX: Final = 1 << 17
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1
_IFF_NOARP: Final = 0x80
_IFREQ: Final = "16sH22x"
_AUXDATA: Final = struct.Struct("=IIIHHHH")
"""struct tpacket_auxdata: status, length, captured length, offsets of MAC and network header, VLAN TCI, VLAN TPID."""
_TP_STATUS_VLAN_VALID: Final = 1 << 4


class NetnsPort:
    """See `world.Port`."""

    def __init__(self, who: str, sock: socket.socket) -> None:
        self._who = who
        self._sock = sock

    @classmethod
    def open(cls, host: str, link: str) -> Self:
        """Bring the interface up, and listen on it. To be called in its namespace. Errors: OSError."""
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            asked = fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack(_IFREQ, link.encode(), 0))
            flags = struct.unpack_from("H", asked, 16)[0] | _IFF_UP | _IFF_NOARP
            sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack(_IFREQ, link.encode(), flags))
            sock.bind((link, ETH_P_ALL))
        except BaseException:
            sock.close()
            raise
        return cls(f"{host}:{link}", sock)

    @property
    def mac(self) -> bytes:
        address: bytes = self._sock.getsockname()[4]
        return address

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            self._sock.send(frame)

    def expect(self, *frames: bytes, within: float = 2.0) -> None:
        got: list[bytes] = []
        end = time.monotonic() + within * PATIENCE
        while len(got) < len(frames) and self._wait(end - time.monotonic()):
            got += self.take()
        compare(self._who, got, frames)

    def expect_nothing(self, seconds: float = 0.2) -> None:
        self._wait(seconds)
        compare(self._who, self.take(), [])

    def take(self) -> list[bytes]:
        got: list[bytes] = []
        while self._wait(0):
            got.append(self._receive())
        return got

    def close(self) -> None:
        """Listen no more."""
        self._sock.close()

    def _wait(self, seconds: float) -> bool:
        return bool(select.select([self._sock], [], [], max(0.0, seconds))[0])

    def _receive(self) -> bytes:
        """The next frame. Linux takes a VLAN tag out of the bytes and tells it beside them."""
        frame, ancillary, _, _ = self._sock.recvmsg(_FRAME_MAX, 64)
        for level, kind, data in ancillary:
            if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
                status, _, _, _, _, tci, tpid = _AUXDATA.unpack_from(data)
                if status & _TP_STATUS_VLAN_VALID:
                    return frame[:12] + struct.pack(">HH", tpid or 0x8100, tci) + frame[12:]
        return frame
