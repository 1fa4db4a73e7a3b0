"""The shapes of texts: ``AB-1234 x`` has the shape ``A+-9+ a``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sluiceway.duck import ident, literal
from sluiceway.quality.model import Shape

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine

__all__ = ["shape_sql", "shapes"]

_STEPS = (
    (r"\p{Lu}{2,}", "A+"), (r"\p{Lu}", "A"),
    (r"[^\P{L}\p{Lu}]{2,}", "a+"), (r"[^\P{L}\p{Lu}]", "a"),
    (r"\p{Nd}{2,}", "9+"), (r"\p{Nd}", "9"),
)  # fmt: skip
_WIDTH = 100
_MOST = 10
_LONGEST = 200


def shape_sql(text: str) -> str:
    """The shape of ``text``, an expression: an upper-case letter is ``A``, any other letter ``a``, a digit
    ``9``, and two or more of a kind are ``A+``, ``a+``, ``9+``; everything else stands for itself."""
    made = text
    for pattern, letter in _STEPS:
        made = f"regexp_replace({made}, {literal(pattern)}, {literal(letter)}, 'g')"
    return made


def shapes(engine: Engine, relation: str, columns: Sequence[str]) -> dict[str, tuple[Shape, ...]]:
    """The ten most frequent shapes of columns of text, of their first 200 characters.

    ``count`` and ``share`` are of the rows of ``relation`` that have a value. One expression serves many
    columns: its patterns take long to compile.
    """
    found: dict[str, list[Shape]] = {name: [] for name in columns}
    for at in range(0, len(columns), _WIDTH):
        part = columns[at : at + _WIDTH]
        numbers = ", ".join(map(str, range(len(part))))
        cut = ", ".join(f"left(CAST({ident(name)} AS VARCHAR), {_LONGEST})" for name in part)
        texts = f"SELECT unnest([{numbers}]) AS i, unnest([{cut}]) AS v FROM {relation}"
        rows = engine.query(
            f"SELECT i, shape, n, sum(n) OVER (PARTITION BY i) FROM (SELECT i, {shape_sql('v')} AS shape, "
            f"count(*) AS n FROM ({texts}) AS _texts WHERE v IS NOT NULL GROUP BY ALL) AS _shapes "
            f"QUALIFY row_number() OVER (PARTITION BY i ORDER BY n DESC, shape) <= {_MOST} "
            "ORDER BY i, n DESC, shape"
        )
        for i, shape, count, total in rows:
            found[part[i]].append(Shape(shape, count, count / int(total)))
    return {name: tuple(listed) for name, listed in found.items()}
