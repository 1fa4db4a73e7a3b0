"""Writing Python for other tools: lines, indents, names, literals. The same input gives the same text."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Code", "header", "literal", "name_of"]


class Code:
    """Lines that are added with ``+=``.

    >>> code = Code("import x"); code += "if x:"
    >>> with code.indented(): code += "x()"
    >>> print(code.text(), end="")
    import x
    if x:
        x()
    """

    def __init__(self, begin: str) -> None:
        self._lines = [begin]
        self._depth = 0

    def __iadd__(self, line: str) -> Code:
        self._lines.append("    " * self._depth + line if line.strip() else line.rstrip(" "))
        return self

    @contextmanager
    def indented(self) -> Iterator[None]:
        self._depth += 1
        yield
        self._depth -= 1

    def text(self) -> str:
        return "\n".join(self._lines).rstrip("\n") + "\n"


def header(tool: str, project: str) -> str:
    """The docstring of a file that we write."""
    words = re.sub(r'["\\\n]', " ", project)
    return (
        f'"""The pipelines of {words} for {tool}. Written by `sluiceway export`; export it anew later.\n'
        "\n"
        "Each task is one run of ours: its retries are counted here, its verdict is the task's.\n"
        '"""\n'
    )


def literal(value: Any) -> str:
    """Python for a value of JSON.

    >>> literal("a'b"), literal(None), literal(["x"])
    ('"a\\'b"', 'None', '["x"]')
    """
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(literal(item) for item in value) + "]"


def name_of(text: str) -> str:
    """A Python name that reads like ``text``.

    >>> name_of("mart.orders"), name_of("2nd-try"), name_of("class")
    ('mart_orders', '_2nd_try', 'class_')
    """
    name = re.sub(r"\W", "_", text)
    name = f"_{name}" if not name or name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) else name
