"""SVP, from either side."""

from __future__ import annotations

from etherspan.portolan.session import Session
from libvarpd.plugins.svp import wire
from tests.fuzz.targets.registry import target


def _messages(data: bytes) -> bytes:
    """Bytes as a peer sends them: 0 and anything, or pieces of one length byte, an operation and a body, each made a message."""
    if data[:1] == b"\0":
        return data[1:]
    made, at = b"", 1
    while at + 2 <= len(data):
        made += wire.frame(data[at + 1], data[at + 2 : at + 2 + data[at]], 1, data[0])
        at += 2 + data[at]
    return made


@target(
    b"\1\0\1",
    b"\1\14\3" + bytes(12) + b"\30\5" + bytes(24),
    b"\1\4\13" + bytes(4),
    b"\0" + wire.frame(1, b"", 1),
    reaches=("etherspan/portolan/session.py", "libvarpd/plugins/svp/wire.py:Framer.*"),
)
def svp_server(data: bytes) -> None:
    """What a client sends to portolan, in two pieces."""
    session = Session()
    sent = _messages(data)
    for part in (sent[: len(sent) // 2], sent[len(sent) // 2 :]):
        session.feed(part, 0.0)
        session.batch()


@target(
    b"\1\0\2",
    b"\2\24\4" + bytes(20),
    b"\1\4\12" + bytes(4),
    b"\2\60\17" + bytes(48),
    reaches=(
        "libvarpd/plugins/svp/wire.py:Framer.*",
        "libvarpd/plugins/svp/wire.py:decode",
        "libvarpd/plugins/svp/wire.py:_unpack*",
    ),
)
def svp_client(data: bytes) -> None:
    """What a server sends to varpd, in two pieces."""
    framer = wire.Framer()
    sent = _messages(data)
    try:
        for part in (sent[: len(sent) // 3], sent[len(sent) // 3 :]):
            for found in framer.feed(part):
                wire.decode(found.op, found.body)
    except wire.RemoteProtocolError:
        return
