"""SQL text with named holes -> trees, for emitters.

sqlglot has its own reading of many functions, and writes some of them back changed. A template is text
for exactly one dialect, so every call in it whose name is in lower case stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp

__all__ = ["Emitter", "atom", "fill", "json_string", "text_of"]

Emitter = Callable[..., exp.Expr]
"""The arguments of a primitive, lowered, to a tree that ``dialect`` can write."""

_CALL = r"|(?<![\w$.])(?P<name>[a-z_][a-z0-9_]*)\("
# what looks like a call within a string is none
_STANDARD = re.compile(r"'[^']*'" + _CALL)
_ESCAPED = re.compile(r"'(?:\\.|[^'\\])*'" + _CALL, re.S)
_BACKSLASH_ESCAPES = ("spark", "bigquery", "mysql", "snowflake")
_KEPT = "sw__"


@lru_cache(maxsize=1024)
def _parsed(dialect: str, text: str) -> Any:
    calls = _ESCAPED if dialect in _BACKSLASH_ESCAPES else _STANDARD
    kept = calls.sub(lambda m: f"{_KEPT}{m['name']}(" if m["name"] else m[0], text)
    tree: Any = sqlglot.parse_one(kept, read=dialect, into=exp.Condition)

    def rewrite(node: Any) -> Any:
        if isinstance(node, exp.Anonymous) and isinstance(node.this, str):
            node.set("this", node.this.removeprefix(_KEPT))
        return node

    return tree.transform(rewrite, copy=False)


def atom(node: exp.Expr) -> exp.Expr:
    """``node`` in parentheses unless it can stand beside any operator.

    >>> atom(exp.column("a") + exp.column("b")).sql(), atom(exp.column("a")).sql()
    ('(a + b)', 'a')
    """
    plain = (
        exp.Column, exp.Identifier, exp.Literal, exp.Paren, exp.Func, exp.Null, exp.Boolean,
        exp.Placeholder, exp.Subquery,
    )  # fmt: skip
    # sqlglot counts AND and RLIKE among the functions
    loose = (exp.Binary, exp.Connector)
    return node if isinstance(node, plain) and not isinstance(node, loose) else exp.paren(node)


def fill(dialect: str, text: str, /, **holes: exp.Expr) -> exp.Expr:
    """The tree of ``text`` (an expression in ``dialect``) with every ``:hole`` replaced.

    >>> fill("spark", "CAST(substr(:x, 1, 2) AS INT)", x=exp.column("a")).sql("spark")
    'CAST(SUBSTR(a, 1, 2) AS INT)'
    """
    tree = _parsed(dialect, text).copy()

    def rewrite(node: Any) -> Any:
        if isinstance(node, exp.Placeholder) and node.name in holes:
            return atom(holes[node.name]).copy()
        return node

    filled: exp.Expr = tree.transform(rewrite, copy=False)
    return filled


_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def json_string(text: str) -> str:
    """``text`` as a JSON string, letter for letter as DuckDB and Spark write it.

    >>> print(json_string('a"b' + chr(31)))
    "a\\"b\\u001F"
    """
    return '"' + "".join(_SHORT.get(c, c if c >= " " else f"\\u{ord(c):04X}") for c in text) + '"'


def text_of(node: exp.Expr) -> str:
    """The text of a string literal among a primitive's arguments.

    Raises:
        TypeError: it is no literal; a bug of the caller.
    """
    if not isinstance(node, exp.Literal) or not node.is_string:
        raise TypeError(f"a literal is expected here, not {node.sql()}")
    return str(node.this)
