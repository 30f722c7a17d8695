"""Speed and duplex of an interface (ETHTOOL_GSET, one ioctl)."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from typing import Final

_SIOCETHTOOL: Final = 0x8946
_GSET: Final = 0x1
_COMMAND: Final = struct.Struct("=IIIHBB12xH14x")
"""struct ethtool_cmd: cmd, supported, advertising, speed, duplex, port, …, speed_hi, …; 44 bytes."""
_IFREQ: Final = struct.Struct("@16sP16x")
_SPEED_UNKNOWN: Final = 0xFFFFFFFF
_DUPLEX: Final = {0: 1, 1: 2}
"""Of ethtool's half and full, `ddi.PhysLink.duplex`."""


def speed_and_duplex(sock: socket.socket, name: str) -> tuple[int, int]:
    """Mbit/s and duplex (0 unknown, 1 half, 2 full) of the interface `name` in the namespace of `sock`; 0, 0 if it has none."""
    answer = array.array("B", _COMMAND.pack(_GSET, 0, 0, 0, 0, 0, 0))
    address, _ = answer.buffer_info()
    try:
        fcntl.ioctl(sock, _SIOCETHTOOL, _IFREQ.pack(name.encode("utf-8", "surrogateescape"), address))
    except OSError:
        return 0, 0
    _, _, _, low, duplex, _, high = _COMMAND.unpack(answer)
    speed = high << 16 | low
    return (0 if speed == _SPEED_UNKNOWN else speed), _DUPLEX.get(duplex, 0)
