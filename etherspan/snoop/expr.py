"""Which packets are wanted: the words behind the options.

    expression : conjunction { ("or" | ",") conjunction }
    conjunction: term { ["and"] term }
    term       : ("not" | "!") term | "(" expression ")" | primitive
    primitive  : ["from" | "src" | "to" | "dst"] (["host"] ADDRESS | ["ether"] MAC | "port" NUMBER | "net" NETWORK)
               | "ip" | "ip6" | "arp" | "icmp" | "icmp6" | "udp" | "tcp" | "dhcp" | "vxlan" | "svp" | "vlan"
               | "broadcast" | "multicast" | "vlan-id" NUMBER | "vxlan-id" NUMBER | "ethertype" NUMBER | "less" N | "greater" N

Addresses, ports and protocols are looked for in the outermost frame; `vxlan-id` and `svp` wherever they are.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final

from etherspan.errors import EtherspanError
from etherspan.snoop.decode import Layer

Test = Callable[[Sequence[Layer], int], bool]
"""Whether a frame of that many bytes, with these layers, is wanted."""

_MAC: Final = re.compile(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}")
_NAMES: Final = {
    "ip": "IP",
    "ip6": "IPv6",
    "arp": "ARP",
    "icmp": "ICMP",
    "icmp6": "ICMPv6",
    "udp": "UDP",
    "tcp": "TCP",
    "vxlan": "VXLAN",
    "vlan": "VLAN",
}
_SIDES: Final = {"from": ("src",), "src": ("src",), "to": ("dst",), "dst": ("dst",)}
_BOTH: Final = ("src", "dst")


def compile_words(words: Sequence[str]) -> Test:
    """The test that an expression stands for; no words, every packet. Errors: `EtherspanError`."""
    if not words:
        return lambda _layers, _size: True
    tokens = [part for word in words for part in re.findall(r"[(),]|[^\s(),]+", word)]
    parser = _Parser(tokens)
    found = parser.expression()
    if parser.next is not None:
        raise EtherspanError(f"'{parser.next}' is not expected there in the expression '{' '.join(words)}'")
    return found


def outer(layers: Sequence[Layer]) -> Sequence[Layer]:
    """The layers of the outermost frame."""
    for at, layer in enumerate(layers):
        if layer.name == "VXLAN":
            return layers[: at + 1]
    return layers


class _Parser:
    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, what: str) -> str:
        word = self.next
        if word is None:
            raise EtherspanError(f"the expression ends where {what} is expected")
        self._at += 1
        return word

    def expression(self) -> Test:
        found = self._conjunction()
        while self.next in ("or", ","):
            self._at += 1
            found = _either(found, self._conjunction())
        return found

    def _conjunction(self) -> Test:
        found = self._term()
        while self.next is not None and self.next not in ("or", ",", ")"):
            if self.next == "and":
                self._at += 1
            found = _and(found, self._term())
        return found

    def _term(self) -> Test:
        word = self._take("a primitive")
        if word in ("not", "!"):
            inner = self._term()
            return lambda layers, size: not inner(layers, size)
        if word == "(":
            found = self.expression()
            if self._take("')'") != ")":
                raise EtherspanError("')' is missing in the expression")
            return found
        return self._primitive(word)

    def _primitive(self, word: str) -> Test:
        if word in _SIDES:
            return self._sided(self._take("an address, 'port' or 'net'"), _SIDES[word])
        if word in _NAMES:
            name = _NAMES[word]
            return lambda layers, _size: any(one.name == name for one in outer(layers))
        if word == "dhcp":
            return lambda layers, _size: any(one.name == "DHCP" for one in outer(layers))
        if word == "svp":
            return lambda layers, _size: any(one.name == "SVP" for one in layers)
        if word == "broadcast":
            return lambda layers, _size: layers[0].values.get("dst") == b"\xff" * 6
        if word == "multicast":
            return lambda layers, _size: bool(layers[0].values.get("dst", b"\0")[0] & 1)
        if word in ("vlan-id", "vxlan-id"):
            return _value(
                "VLAN" if word == "vlan-id" else "VXLAN", "vid" if word == "vlan-id" else "vnetid", self._number()
            )
        if word == "ethertype":
            return _value("ETHER", "type", self._number())
        if word in ("less", "greater"):
            bound = self._number()
            return (lambda _l, size: size < bound) if word == "less" else (lambda _l, size: size > bound)
        return self._sided(word, _BOTH)

    def _number(self) -> int:
        text = self._take("a number")
        try:
            return int(text, 0)
        except ValueError:
            raise EtherspanError(f"'{text}' is no number") from None

    def _sided(self, word: str, sides: Sequence[str]) -> Test:
        if word == "port":
            number = self._number()
            keys = [f"{'s' if side == 'src' else 'd'}port" for side in sides]
            return lambda layers, _size: any(one.values.get(key) == number for one in outer(layers) for key in keys)
        if word == "net":
            return _in_network(self._take("a network"), sides)
        if word in ("host", "ether"):
            word = self._take("an address")
        if _MAC.fullmatch(word):
            wanted = bytes(int(part, 16) for part in word.split(":"))
            return lambda layers, _size: any(layers[0].values.get(side) == wanted for side in sides)
        try:
            address = ipaddress.ip_address(word).packed
        except ValueError:
            raise EtherspanError(f"'{word}' is neither a primitive nor an address; see 'etherspan man snoop'") from None
        return lambda layers, _size: any(
            one.values.get(side) == address for one in outer(layers) if one.name != "ETHER" for side in sides
        )


def _either(one: Test, other: Test) -> Test:
    return lambda layers, size: one(layers, size) or other(layers, size)


def _and(one: Test, other: Test) -> Test:
    return lambda layers, size: one(layers, size) and other(layers, size)


def _value(name: str, key: str, wanted: int) -> Test:
    return lambda layers, _size: any(one.name == name and one.values.get(key) == wanted for one in layers)


def _in_network(text: str, sides: Sequence[str]) -> Test:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise EtherspanError(f"'{text}' is no network; write it as address/length") from None
    size = 4 if network.version == 4 else 16

    def test(layers: Sequence[Layer], _size: int) -> bool:
        for one in outer(layers):
            for side in sides:
                packed = one.values.get(side)
                if one.name != "ETHER" and packed and len(packed) == size and ipaddress.ip_address(packed) in network:
                    return True
        return False

    return test
