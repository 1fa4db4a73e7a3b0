"""The shapes of texts: ``AB-1234 x`` has the shape ``A+-9+ a``."""

from __future__ import annotations

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
_MOST = 10
_LONGEST = 200


def shape_sql(text: str) -> str:
    """The shape of ``text``, an expression: an upper-case letter is ``A``, any other letter ``a``, a digit
    ``9``, and two or more of a kind are ``A+``, ``a+``, ``9+``; everything else stands for itself. Of a long
    text the first 200 characters."""
    made = f"left({text}, {_LONGEST})"
    for pattern, letter in _STEPS:
        made = f"regexp_replace({made}, {literal(pattern)}, {literal(letter)}, 'g')"
    return made


def shapes(engine: Engine, relation: str, column: str) -> tuple[Shape, ...]:
    """The ten most frequent shapes of a column of text; ``count`` and ``share`` are of the rows that
    ``relation`` has with a value."""
    name = ident(column)
    rows = engine.query(
        f"SELECT shape, count(*) AS n, sum(count(*)) OVER () FROM "
        f"(SELECT {shape_sql(f'CAST({name} AS VARCHAR)')} AS shape FROM {relation} "
        f"WHERE {name} IS NOT NULL) AS _shapes GROUP BY shape ORDER BY n DESC, shape LIMIT {_MOST}"
    )
    return tuple(Shape(shape, count, count / int(total)) for shape, count, total in rows)
