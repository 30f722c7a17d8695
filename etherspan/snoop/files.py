"""Capture files: snoop (RFC 1761), pcap and pcapng are read; snoop and pcapng are written."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

from etherspan.errors import EtherspanError
from etherspan.snoop.packet import Packet
from kernel_sim.sys.snoop import SNAPLEN_MAX, Way

SNOOP_MAGIC: Final = b"snoop\0\0\0"
SNOOP_VERSION: Final = 2
ETHERNET: Final = 4
"""Of snoop; in pcap and pcapng it is 1."""
_PCAP_MAGICS: Final = {b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"}
_PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
_HEADER: Final = struct.Struct(">8sII")
_RECORD: Final = struct.Struct(">IIIIII")
"""Original length, included length, record length, cumulative drops, seconds, microseconds."""
RECORD_MAX: Final = 1 << 20


def read(path: Path) -> Iterator[Packet]:
    """The packets of a file, whatever its format. Errors: `EtherspanError`: no such file, none of these formats, cut short."""
    try:
        with path.open("rb") as stream:
            magic = stream.read(8)
            stream.seek(0)
            if magic == SNOOP_MAGIC:
                yield from _read_snoop(stream, path)
            elif magic[:4] in _PCAP_MAGICS or magic[:4] == _PCAPNG_MAGIC:
                yield from _read_pcap(stream, path)
            else:
                raise EtherspanError(f"{path} is neither a snoop, pcap nor pcapng file")
    except OSError as error:
        raise EtherspanError(f"{path}: {error.strerror}") from error


def _read_snoop(stream: BinaryIO, path: Path) -> Iterator[Packet]:
    _, version, kind = _HEADER.unpack(_exactly(stream, _HEADER.size, path))
    if (version, kind) != (SNOOP_VERSION, ETHERNET):
        raise EtherspanError(
            f"{path}: snoop version {version} of datalink type {kind}; only version 2 of Ethernet is read"
        )
    before = 0
    while head := stream.read(_RECORD.size):
        if len(head) < _RECORD.size:
            raise EtherspanError(f"{path} is cut short")
        size, included, whole, drops, seconds, micros = _RECORD.unpack(head)
        if not _RECORD.size + included <= whole <= RECORD_MAX:
            raise EtherspanError(f"{path}: a record of {whole} bytes with {included} bytes of data")
        body = _exactly(stream, whole - _RECORD.size, path)
        time = seconds * 1_000_000_000 + micros * 1000
        yield Packet(time, size, body[:included], drops=max(drops - before, 0))
        before = drops


def _exactly(stream: BinaryIO, size: int, path: Path) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EtherspanError(f"{path} is cut short")
    return data


def _read_pcap(stream: BinaryIO, path: Path) -> Iterator[Packet]:
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapReader

    try:
        reader = RawPcapReader(stream)
        ng = hasattr(reader, "interfaces")
        for data, meta in reader:
            if ng:
                linktype = meta.linktype
                ticks = (meta.tshigh or 0) << 32 | (meta.tslow or 0)
                time = ticks * 1_000_000_000 // int(meta.tsresol or 1_000_000)
                way = Way(meta.direction) if getattr(meta, "direction", None) in (1, 2) else Way.UNKNOWN
            else:
                linktype = reader.linktype
                time = meta.sec * 1_000_000_000 + meta.usec * (1 if reader.nano else 1000)
                way = Way.UNKNOWN
            if linktype != 1:
                raise EtherspanError(f"{path}: datalink type {linktype}; only Ethernet (1) is read")
            yield Packet(time, meta.wirelen or len(data), bytes(data), way)
    except (Scapy_Exception, EOFError, struct.error, ValueError, KeyError, IndexError) as error:
        raise EtherspanError(f"{path} is no capture file that can be read: {error}") from error


class Writer(Protocol):
    """What packets are saved by."""

    def write(self, packet: Packet) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None: ...


def create(path: Path, link: str) -> Writer:
    """A new file: pcapng if its name ends in .pcapng, else snoop's format. Errors: `EtherspanError`."""
    try:
        stream = path.open("wb")
    except OSError as error:
        raise EtherspanError(f"cannot write {path}: {error.strerror}") from error
    return _PcapngWriter(stream, link) if path.suffix == ".pcapng" else _SnoopWriter(stream)


class _Writer:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._stream.close()


class _SnoopWriter(_Writer):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._drops = 0
        stream.write(_HEADER.pack(SNOOP_MAGIC, SNOOP_VERSION, ETHERNET))

    def write(self, packet: Packet) -> None:
        self._drops += packet.drops
        pad = -len(packet.data) % 4
        seconds, nanos = divmod(packet.time, 1_000_000_000)
        whole = _RECORD.size + len(packet.data) + pad
        head = _RECORD.pack(packet.size, len(packet.data), whole, self._drops, seconds & 0xFFFFFFFF, nanos // 1000)
        self._stream.write(head + packet.data + bytes(pad))


class _PcapngWriter(_Writer):
    """One interface, times in nanoseconds; which way a packet went is in its flags, why it was dropped in its comment."""

    def __init__(self, stream: BinaryIO, link: str) -> None:
        super().__init__(stream)
        self._block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        options = _option(2, link.encode()) + _option(9, b"\x09") + _option(0, b"")
        self._block(1, struct.pack("<HHI", 1, 0, SNAPLEN_MAX) + options)

    def write(self, packet: Packet) -> None:
        head = struct.pack("<IIIII", 0, packet.time >> 32, packet.time & 0xFFFFFFFF, len(packet.data), packet.size)
        options = b""
        if packet.reason:
            options += _option(1, f"dropped: {packet.reason}".encode())
        if packet.way:
            options += _option(2, struct.pack("<I", packet.way))
        self._block(6, head + _padded(packet.data) + (options and options + _option(0, b"")))

    def _block(self, kind: int, body: bytes) -> None:
        size = 12 + len(body)
        self._stream.write(struct.pack("<II", kind, size) + body + struct.pack("<I", size))


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
