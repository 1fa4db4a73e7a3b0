"""Writing Python for other tools, laid out as Black does it. The same input gives the same text.

An expression is a text, or a ``Call``: one line if it fits into 88 characters, else a line an argument, with
the comma after the last one that tells Black to keep it so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Code", "Expression", "Names", "call", "listed", "literal", "name_of"]

_WIDTH = 88


@dataclass(frozen=True)
class Call:
    """``open`` + items + ``close``; an item is (keyword or None, expression)."""

    open: str
    items: tuple[tuple[str | None, Expression], ...]
    close: str = ")"


Expression = str | Call


def call(name: str, /, *arguments: Expression | None, **named: Expression | None) -> Call:
    """``name(…)``; what is None is left out.

    >>> code = Code(); code.put(call("f", "x", y=None, z=literal("a")))
    >>> print(code.text(), end="")
    f(x, z="a")
    """
    items: list[tuple[str | None, Expression]] = [(None, value) for value in arguments if value is not None]
    items += [(key, value) for key, value in named.items() if value is not None]
    return Call(f"{name}(", tuple(items))


def listed(values: list[Expression]) -> Call:
    """``[…]``."""
    return Call("[", tuple((None, value) for value in values), "]")


class Code:
    """Lines of a file.

    >>> code = Code(); code.put("import x"); code.put("if x:")
    >>> with code.indented(): code.put("x()")
    >>> print(code.text(), end="")
    import x
    if x:
        x()
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def put(self, *parts: Expression) -> None:
        """A line of texts, around one ``Call`` at most."""
        self._put(list(parts))

    def imports(self, module: str, names: Iterable[str]) -> None:
        """``from module import …``, in isort's order."""
        kind = sorted(set(names), key=lambda n: (0 if n.isupper() else 1 if n[:1].isupper() else 2, n))
        flat = f"from {module} import {', '.join(kind)}"
        if len(flat) <= _WIDTH:
            self._lines.append(flat)
        else:
            self._lines += [f"from {module} import (", *(f"    {name}," for name in kind), ")"]

    def blank(self, lines: int = 1) -> None:
        self._lines += [""] * lines

    @contextmanager
    def indented(self) -> Iterator[None]:
        self._depth += 1
        yield
        self._depth -= 1

    def text(self) -> str:
        return "\n".join(self._lines).strip("\n") + "\n"

    def _put(self, parts: list[Expression]) -> None:
        flat = "".join(_flat(part) for part in parts)
        at = next((n for n, part in enumerate(parts) if isinstance(part, Call) and part.items), None)
        if at is None or len(flat) + 4 * self._depth <= _WIDTH:
            self._lines += ["    " * self._depth + line if line else "" for line in flat.split("\n")]
            return
        made = parts[at]
        assert isinstance(made, Call)
        before, after = ("".join(_flat(p) for p in some) for some in (parts[:at], parts[at + 1 :]))
        self._lines.append("    " * self._depth + before + made.open)
        with self.indented():
            for key, value in made.items:
                self._put([f"{key}=" if key else "", value, ","])
        self._lines.append("    " * self._depth + made.close + after)


def _flat(part: Expression) -> str:
    if isinstance(part, str):
        return part
    items = (f"{key}={_flat(value)}" if key else _flat(value) for key, value in part.items)
    return f"{part.open}{', '.join(items)}{part.close}"


def literal(value: Any) -> str:
    """Python for a value of JSON.

    >>> literal("a'b"), literal(None), literal(["x"])
    ('"a\\'b"', 'None', '["x"]')
    """
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        # Black takes the quotes that need fewer escapes
        return repr(value) if '\\"' in text and "'" not in value and value.isprintable() else text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(literal(item) for item in value) + "]"


def name_of(text: str) -> str:
    """A Python name that reads like ``text``, of ASCII alone, as Dagster wants it.

    >>> name_of("mart.orders"), name_of("2nd-try"), name_of("größe")
    ('mart_orders', '_2nd_try', 'gr__e')
    """
    name = re.sub(r"[^0-9A-Za-z_]", "_", text)
    return f"_{name}" if not name or name[0].isdigit() else name


class Names:
    """Python names, each given once: ``a-b`` and ``a.b`` don't become one, and none hides what is imported.

    >>> names = Names("flow serve")
    >>> names.of("a-b"), names.of("a.b"), names.of("a-b"), names.of("flow")
    ('a_b', 'a_b_2', 'a_b', 'flow_2')
    """

    def __init__(self, *taken: str) -> None:
        """``taken``: names that are not to be had, several in a text with spaces between."""
        import builtins
        import keyword

        self._taken = {*" ".join(taken).split(), *keyword.kwlist, *dir(builtins)}
        self._given: dict[str, str] = {}

    def of(self, text: str, made: str | None = None) -> str:
        """The name of ``text``, which reads like ``made`` if that is given."""
        if text not in self._given:
            first = name_of(text if made is None else made)
            name, number = first, 2
            while name in self._taken:
                name, number = f"{first}_{number}", number + 1
            self._taken.add(name)
            self._given[text] = name
        return self._given[text]
