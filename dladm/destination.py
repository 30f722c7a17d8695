"""The destination grammar of `dladm modify-overlay -s MAC=DEST` (DLM 3.2).

    drop               in any case: frames to that address are dropped
    10.0.0.5:4789      an address and a port
    fd00::5:4789       bare IPv6, as show-overlay prints it: the port is what follows the last colon (DLM-Q10)
    [fd00::5]:4789     the same in brackets

Which parts there are is up to the encapsulation; those above are what vxlan needs. An address alone, a port alone and a MAC address alone
are what others may need; a MAC address that comes with other parts stands before them with a comma, as show-overlay prints it (DLM-Q16).
So the grammar finds the shape of a text, and the needs decide what its pieces are. Their own texts are not judged here.

The `t_` and `p_` functions are PLY's, as in `dladm.grammar`.
"""
# ruff: noqa: D403 - the first word of a grammar rule is its name

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any

from dladm.grammar import GrammarError
from kernel_sim.sys.overlay_common import Dest


@dataclass(slots=True, frozen=True)
class Destination:
    """Where frames go: `drop` them, or the texts of the parts that the encapsulation needs; the others are empty."""

    drop: bool = False
    mac: str = ""
    ip: str = ""
    port: str = ""


@dataclass(slots=True, frozen=True)
class _Shape:
    """A destination before its parts have names: the pieces between colons, what stood in brackets before, and before a comma."""

    pieces: tuple[str, ...]
    brackets: str = ""
    before_comma: str | None = None


def parse_destination(text: str, needs: Dest) -> Destination:
    """Read a destination with the parts `needs`, or `drop`. Raises `GrammarError` for a text that has other parts or is none."""
    lexer, parser = _tables()
    shape: _Shape | None = parser.parse(text, lexer=lexer.clone())
    return Destination(drop=True) if shape is None else _name_parts(shape, needs)


def _name_parts(shape: _Shape, needs: Dest) -> Destination:
    if needs == Dest.ETHERNET and shape.before_comma is None and not shape.brackets:
        return Destination(mac=":".join(shape.pieces))
    if (shape.before_comma is not None) != bool(needs & Dest.ETHERNET):
        raise GrammarError(f"a MAC address and a comma are {'' if needs & Dest.ETHERNET else 'not '}wanted")
    pieces = list(shape.pieces)
    port = pieces.pop() if pieces and needs & Dest.PORT else ""
    if shape.brackets and pieces:
        raise GrammarError(f"{':'.join(pieces)!r} follows the address")
    ip = shape.brackets or ":".join(pieces)
    for part, flag, name in ((ip, Dest.IP, "an address"), (port, Dest.PORT, "a port")):
        if bool(part) != bool(needs & flag):
            raise GrammarError(f"{name} is {'' if needs & flag else 'not '}wanted")
    return Destination(mac=shape.before_comma or "", ip=ip, port=port)


@functools.cache
def _tables() -> tuple[Any, Any]:
    from ply import lex, yacc

    here = sys.modules[__name__]
    return lex.lex(module=here), yacc.yacc(module=here, debug=False, write_tables=False)


tokens = ("DROP", "BRACKETS", "PIECE")
literals = ":,"


def t_DROP(token: Any) -> Any:  # noqa: N802
    r"""(?i:drop)\Z"""
    return token


def t_BRACKETS(token: Any) -> Any:  # noqa: N802
    r"""\[[^][,]*:[^][,]*\]"""
    token.value = token.value[1:-1]
    return token


def t_PIECE(token: Any) -> Any:  # noqa: N802
    r"""[^][:,]+"""
    return token


def t_error(token: Any) -> None:
    raise GrammarError(f"position {token.lexpos}: brackets belong around an IPv6 address")


def p_drop(rule: Any) -> None:
    """destination : DROP"""
    rule[0] = None


def p_destination(rule: Any) -> None:
    """destination : parts"""
    rule[0] = rule[1]


def p_destination_after_mac(rule: Any) -> None:
    """destination : pieces ',' parts"""
    rule[0] = _Shape(rule[3].pieces, rule[3].brackets, ":".join(rule[1]))


def p_parts(rule: Any) -> None:
    """parts : pieces"""
    rule[0] = _Shape(tuple(rule[1]))


def p_parts_in_brackets(rule: Any) -> None:
    """
    parts : BRACKETS
          | BRACKETS ':' PIECE
    """
    rule[0] = _Shape(tuple(rule[3:]), rule[1])


def p_pieces(rule: Any) -> None:
    """
    pieces : piece
           | pieces ':' piece
    """
    rule[0] = [rule[1]] if len(rule) == 2 else rule[1]
    rule[0] += rule[3:]


def p_piece(rule: Any) -> None:
    """
    piece :
          | PIECE
    """
    rule[0] = "" if len(rule) == 1 else rule[1]


def p_error(token: Any) -> None:
    where = "the end" if token is None else f"position {token.lexpos}: {token.value!r}"
    raise GrammarError(f"{where} is not what a destination has there")
