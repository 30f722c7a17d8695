"""The property grammar of `dladm -p`: `prop=value[,value…][,prop=…]` (DLM 2.3).

Only `=` and `,` are special; there is no quoting, no escaping and no trimming. Every token ends in one of the two: a name in `=`,
a value in `,` (the command appends a comma to each `-p` argument, so the last one ends in one too). What ends in a comma before
the first name is a property without values. A property stays open for further values until the next name.

The `t_` and `p_` functions are PLY's: their docstrings are the regular expressions of the tokens and the rules of the grammar.
No table files are written, and PLY is imported when the first text is parsed.
"""
# ruff: noqa: D403 - the first word of a grammar rule is its name

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any, Final

PROPERTIES_MAX: Final = 32
"""Most properties of one list (DLM-Q19)."""


@dataclass(slots=True, frozen=True)
class Property:
    """A property as it was typed: its name and its values, none for a bare name."""

    name: str
    values: tuple[str, ...] = ()


class GrammarError(ValueError):
    """The text is not a property list; says where and what was found."""


def parse_properties(text: str) -> list[Property]:
    """Parse a property list in which each part ends in a comma; an empty text has no properties.

    Names are not judged and may repeat. Raises `GrammarError` for an empty token, a part without its comma and for more than 32
    properties.
    """
    lexer, parser = _tables()
    found: list[Property] = parser.parse(text, lexer=lexer.clone())
    if len(found) > PROPERTIES_MAX:
        raise GrammarError(f"{len(found)} properties; one list may hold {PROPERTIES_MAX}")
    return found


@functools.cache
def _tables() -> tuple[Any, Any]:
    from ply import lex, yacc

    here = sys.modules[__name__]
    return lex.lex(module=here), yacc.yacc(module=here, debug=False, write_tables=False)


tokens = ("NAME", "VALUE")


def t_NAME(token: Any) -> Any:  # noqa: N802
    r"""[^=,]+="""
    token.value = token.value[:-1]
    return token


def t_VALUE(token: Any) -> Any:  # noqa: N802
    r"""[^=,]+,"""
    token.value = token.value[:-1]
    return token


def t_error(token: Any) -> None:
    found = token.value[0]
    wrong = f"a name or value is missing before {found!r}" if found in "=," else f"no comma after {token.value!r}"
    raise GrammarError(f"position {token.lexpos}: {wrong}")


def p_list(rule: Any) -> None:
    """list : bare opened"""
    rule[0] = rule[1] + rule[2]


def p_bare(rule: Any) -> None:
    """
    bare :
         | bare VALUE
    """
    rule[0] = [] if len(rule) == 1 else [*rule[1], Property(rule[2])]


def p_opened(rule: Any) -> None:
    """
    opened :
           | opened property
    """
    rule[0] = [] if len(rule) == 1 else [*rule[1], rule[2]]


def p_property(rule: Any) -> None:
    """property : NAME values"""
    rule[0] = Property(rule[1], rule[2])


def p_values(rule: Any) -> None:
    """
    values :
           | values VALUE
    """
    rule[0] = () if len(rule) == 1 else (*rule[1], rule[2])


def p_error(token: Any) -> None:
    raise AssertionError(f"every sequence of names and values is a list, yet {token} was refused")
