"""The naive loop that every ratio is held against: one receive, a BitStruct parse or build, one send, frame by frame.

    python -m etherspan.bench.naive TAP MAC MTU LOCAL REMOTE VNI

Makes a TAP in the namespace it runs in and forwards between it and one peer on UDP port 4789, for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import sys

from construct import BitsInteger, BitStruct, Bytes, Flag, GreedyBytes, Padding, Struct

TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002
SIOCSIFHWADDR = 0x8924
SIOCSIFMTU = 0x8922
PORT = 4789

HEADER = BitStruct(Padding(4), "i" / Flag, Padding(27), "vni" / BitsInteger(24), Padding(8))
PACKET = Struct("header" / HEADER, "frame" / GreedyBytes)
ETHERNET = Struct("dst" / Bytes(6), "src" / Bytes(6), "type" / Bytes(2))


def open_tap(name: str, mac: str, mtu: int) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        address = bytes.fromhex(mac.replace(":", ""))
        fcntl.ioctl(control, SIOCSIFHWADDR, struct.pack("16sH6s16x", name.encode(), 1, address))
        fcntl.ioctl(control, SIOCSIFMTU, struct.pack("16si20x", name.encode(), mtu))
    return tap


def main(argv: list[str]) -> None:
    name, mac, mtu, local, remote, vni = argv
    tap = open_tap(name, mac, int(mtu))
    underlay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    underlay.bind((local, PORT))
    waiting = select.epoll()
    waiting.register(tap, select.EPOLLIN)
    waiting.register(underlay, select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in waiting.poll():
            if fd == tap:
                frame = os.read(tap, 65536)
                ETHERNET.parse(frame)
                datagram = PACKET.build({"header": {"i": True, "vni": int(vni)}, "frame": frame})
                underlay.sendto(datagram, (remote, PORT))
            else:
                packet = PACKET.parse(underlay.recv(65536))
                if packet.header.i and packet.header.vni == int(vni):
                    with contextlib.suppress(OSError):  # EIO while the TAP is not up yet
                        os.write(tap, packet.frame)


if __name__ == "__main__":
    main(sys.argv[1:])
