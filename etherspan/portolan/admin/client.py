"""A client of SVP that asks one question at a time, for people who want to see what a server says."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any, Final

from etherspan.errors import EtherspanError
from etherspan.portolan.jsonform import address_text, mac_text, uuid_text
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import VERSION_ONE, Message, Op, Status

PATIENCE: Final = 10.0
"""Seconds for an answer."""
_ID: Final = 1
_MACS: Final = frozenset({"mac", "src_mac", "dst_mac"})
_ADDRESSES: Final = frozenset({"address", "src_address", "dst_address"})


def ask(host: str, port: int, message: Message, version: int = VERSION_ONE) -> tuple[int, Message]:
    """A server's answer, with the version it has. Errors: `EtherspanError`."""
    where = f"{host} port {port}"
    framer = wire.Framer()
    try:
        with socket.create_connection((host, port), timeout=PATIENCE) as connected:
            connected.sendall(wire.encode(message, _ID, version))
            while True:
                data = connected.recv(65536)
                if not data:
                    raise EtherspanError(f"{where} closed the connection instead of answering {message.op.name}")
                for frame in framer.feed(data):
                    if frame.id != _ID or frame.op != message.op + 1:
                        raise EtherspanError(
                            f"{where} answered {message.op.name} with operation {frame.op}, id {frame.id}"
                        )
                    return frame.version, wire.decode(frame.op, frame.body)
    except TimeoutError:
        raise EtherspanError(f"{where} did not answer within {PATIENCE:g} s") from None
    except OSError as error:
        raise EtherspanError(f"{where}: {error.strerror or error}") from None
    except wire.RemoteProtocolError as error:
        raise EtherspanError(f"{where} does not speak SVP: {error}") from None


def as_json(version: int, message: Message) -> dict[str, Any]:
    """An answer for people: numbers with their names, addresses as text."""
    found: dict[str, Any] = {"version": version, "op": Op(message.op).name}
    for field in dataclasses.fields(message):
        found.update(_value(field.name, getattr(message, field.name)))
    return found


def _value(name: str, value: Any) -> dict[str, Any]:
    if name == "status":
        known = Status(value).name if value in set(Status) else "?"
        return {"status": value, "status_name": known}
    if name == "records":
        return {"records": [_record(one) for one in value]}
    return {name: _text(name, value)}


def _record(record: Any) -> dict[str, Any]:
    fields = {field.name: _text(field.name, getattr(record, field.name)) for field in dataclasses.fields(record)}
    return {"type": record.type.name, **fields}


def _text(name: str, value: Any) -> Any:
    if name in _MACS:
        return mac_text(value)
    if name in _ADDRESSES:
        return address_text(value)
    if name == "id":
        return uuid_text(value)
    return value
