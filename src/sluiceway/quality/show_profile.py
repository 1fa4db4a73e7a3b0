"""A profile as lines for a terminal: the table of columns, what was noticed, and one column in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.units import spoken

if TYPE_CHECKING:
    from sluiceway.quality.model import ColumnProfile, Profile

__all__ = ["HEADER", "RIGHT", "Block", "column_lines", "findings", "overview", "table"]

HEADER = ("column", "type", "holds", "nulls", "distinct", "least", "greatest", "mean", "most frequent")
RIGHT = ("nulls", "distinct", "least", "greatest", "mean")
_CELL = 24
_BAR = 30
_MANY = 12


@dataclass(frozen=True)
class Block:
    """A heading and its lines."""

    title: str
    lines: tuple[str, ...]


def overview(found: Profile) -> str:
    """One line: what it is and how it was read."""
    size = f", {spoken(found.size)}" if found.size else ""
    looked = f"; {found.sampled:,} looked at closely" if found.sampled is not None else ""
    return (
        f"{found.dataset}: {found.rows:,} rows, {len(found.columns)} columns{size} "
        f"(read {found.scans} times in {found.seconds:.1f} s{looked})"
    )


def table(found: Profile) -> list[Sequence[Any]]:
    """The rows of ``HEADER``."""
    return [
        (
            c.name,
            _short(c.type),
            _holds(c),
            _percent(c.nulls, c.count),
            _about(c.distinct, exact=c.distinct_exact),
            _short(c.minimum),
            _short(c.maximum),
            _short(c.mean),
            _frequent(c),
        )
        for c in found.columns
    ]


def findings(found: Profile) -> list[Block]:
    """What is worth a look, a block each; a block without lines is left out."""
    blocks = [
        Block("keys", tuple(
            f"{', '.join(k.columns)}{'' if k.share == 1 else f': {k.share:.2%} of the values differ'}"
            f"{_guess(k.approximate)}" for k in found.keys
        )),
        Block("repeated rows", _duplicates(found)),
        Block("values", tuple(line for c in found.columns for line in _remarks(c))),
        Block("goes together", tuple(
            f"{c.left} and {c.right}: {'r' if c.method == 'pearson' else 'V'} = {c.value:.2f}"
            f"{_guess(c.approximate)}" for c in found.correlations
        )),
        Block("decides", tuple(
            f"{d.determinant} decides {d.dependent}{'' if d.share == 1 else f' in {d.share:.2%} of the rows'}"
            f"{_guess(d.approximate)}" for d in found.dependencies
        )),
        Block("may refer to", tuple(
            f"{r.column} to {r.to} of {r.dataset}: {r.share:.1%} of values are there{_guess(r.approximate)}"
            for r in found.references
        )),
        Block("notes", found.notes),
    ]  # fmt: skip
    return [_cut(block) for block in blocks if block.lines]


def column_lines(c: ColumnProfile) -> list[Block]:
    """One column in full."""
    missing = f"{c.nulls:,} NULL ({_percent(c.nulls, c.count)})"
    facts = [f"{c.count:,} rows, {missing}, {_about(c.distinct, exact=c.distinct_exact)} distinct"]
    for title, value in (("mean", c.mean), ("standard deviation", c.stddev), ("skewness", c.skewness)):
        if value is not None:
            facts.append(f"{title} {value:,.6g}")
    if c.length is not None:
        facts.append(f"length {c.length.minimum:,} to {c.length.maximum:,}, mean {c.length.mean:,.1f}")
    if c.quantiles:
        facts.append(", ".join(f"{name} {_short(value)}" for name, value in c.quantiles.items()))
    blocks = [Block(f"{c.name} ({c.type})", tuple(facts))]
    most = max((b.count for b in c.histogram), default=0)
    edges = [f"{_short(b.lower)} .. {_short(b.upper)}" for b in c.histogram]
    wide = max(map(len, edges), default=0)
    blocks.append(Block("histogram", tuple(
        f"{edge:<{wide}}  {'█' * round(_BAR * b.count / most) if most else ''} {b.count:,}"
        for edge, b in zip(edges, c.histogram, strict=True)
    )))  # fmt: skip
    blocks.append(
        Block("most frequent", tuple(f"{_short(t.value)}: {t.count:,} ({t.share:.1%})" for t in c.top))
    )
    blocks.append(Block("shapes", tuple(f"{s.pattern}: {s.share:.1%}" for s in c.shapes)))
    blocks.append(Block("noticed", tuple(_remarks(c))))
    blocks.append(Block("notes", c.notes))
    return [block for block in blocks if block.lines]


def _holds(c: ColumnProfile) -> str:
    if c.semantic is not None:
        return c.semantic.type
    return f"{c.text_type.type} as text" if c.text_type is not None else ""


def _frequent(c: ColumnProfile) -> str:
    if not c.top or c.top[0].count < 2:
        return ""
    return f"{_short(c.top[0].value)} ({c.top[0].share:.0%})"


def _remarks(c: ColumnProfile) -> list[str]:
    said = []
    filled = c.count - c.nulls
    if c.pii is not None:
        said.append(f"{c.name}: about persons ({c.pii.kind}, {c.pii.confidence:.0%}: {c.pii.evidence})")
    if c.count and not filled:
        said.append(f"{c.name}: all NULL")
    elif c.count > 1 and c.distinct == 1:
        said.append(f"{c.name}: one value only")
    counts = ((c.nan, "NaN"), (c.infinite, "infinite"), (c.blanks, "blank"),
              (c.whitespace, "with space at an end"))  # fmt: skip
    said += [f"{c.name}: {number:,} {what}" for number, what in counts if number]
    for o in c.outliers:
        if o.count:
            said.append(f"{c.name}: {o.count:,} outside {o.lower:,.6g} .. {o.upper:,.6g} ({o.method})")
    if c.monotonic is not None:
        said.append(f"{c.name}: {c.monotonic} from row to row")
    return said


def _duplicates(found: Profile) -> tuple[str, ...]:
    if not found.duplicate_rows:
        return ()
    return (f"{_about(found.duplicate_rows, exact=found.duplicates_exact)} rows repeat another one",)


def _cut(block: Block) -> Block:
    more = len(block.lines) - _MANY
    if more <= 0:
        return block
    return Block(block.title, (*block.lines[:_MANY], f"and {more} more: --json has all of them"))


def _about(number: int | None, *, exact: bool) -> str:
    """
    >>> _about(12345, exact=False), _about(None, exact=True)
    ('~12,345', '')
    """
    return "" if number is None else f"{'' if exact else '~'}{number:,}"


def _guess(approximate: bool) -> str:
    return " (estimated)" if approximate else ""


def _percent(part: int, whole: int) -> str:
    if not whole or not part:
        return "" if not whole else "0%"
    return f"{part / whole:.1%}" if part / whole >= 0.001 else "<0.1%"


def _short(value: Any) -> str:
    """
    >>> _short(1234567), _short(0.25), _short("a" * 30)
    ('1,234,567', '0.25', 'aaaaaaaaaaaaaaaaaaaaaaa…')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.7g}"
    text = " ".join(str(value).split())
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"
