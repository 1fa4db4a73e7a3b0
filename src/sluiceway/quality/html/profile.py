"""A profile as a page of its own, and as the part of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.quality.html.build import Html, el, join, table, text
from sluiceway.quality.html.charts import bars
from sluiceway.quality.html.page import document
from sluiceway.quality.show_profile import findings, overview
from sluiceway.quality.words import figure, percent

if TYPE_CHECKING:
    from sluiceway.quality.model import ColumnProfile, Profile

__all__ = ["profile_page", "profile_part"]

_IN_REPORT = 60
"""Columns that a report lists."""
_IN_FULL = 100
"""Columns that have a section of their own, with a chart, on a profile's page."""
_HEADER = (
    "column",
    "type",
    "holds",
    "empty",
    "different values",
    "least",
    "greatest",
    "average",
    "most frequent",
)
_RIGHT = ("empty", "different values", "least", "greatest", "average")


def profile_page(found: Profile, made_at: str = "") -> str:
    """The document that ``profile --html`` writes. All columns are listed; the first 100 in full."""
    sections = [_section(column) for column in found.columns[:_IN_FULL]]
    left = len(found.columns) - len(sections)
    return document(
        f"Profile of {text(found.dataset)}",
        el("h1", "Profile of ", found.dataset),
        el("p", overview(found)),
        _noticed(found),
        el("h2", "Columns"),
        _columns(found.columns),
        *sections,
        el("p", f"{left:,} more columns are in the list above; --json has all of each.", class_="soft")
        if left > 0
        else None,
        _notes(found.notes),
        made_at=made_at,
    )


def profile_part(found: Profile) -> Html:
    """What a report says of it."""
    left = len(found.columns) - _IN_REPORT
    return join(
        (
            el("p", overview(found)),
            _noticed(found),
            el("details", el("summary", "All columns"), _columns(found.columns[:_IN_REPORT]), _more(left)),
        )
    )


def _more(left: int) -> Html | None:
    words = f"{left:,} more columns are not shown here: sluiceway profile --html FILE has them."
    return el("p", words, class_="soft") if left > 0 else None


def _noticed(found: Profile) -> Html:
    blocks = [b for b in findings(found) if b.lines]
    return join(
        part for b in blocks for part in (el("h3", b.title), el("ul", *(el("li", x) for x in b.lines)))
    )


def _columns(columns: Sequence[ColumnProfile]) -> Html:
    return table("Columns, in the order of the data", _HEADER, [_row(c) for c in columns], _RIGHT)


def _row(c: ColumnProfile) -> tuple[Any, ...]:
    top = c.top[0] if c.top else None
    about = "" if c.distinct_exact else "~"
    return (
        c.name, text(c.type, 40), _holds(c), percent(c.nulls / c.count) if c.count else "",
        "" if c.distinct is None else f"{about}{c.distinct:,}", text(figure(c.minimum), 40),
        text(figure(c.maximum), 40), figure(c.mean),
        "" if top is None else text(f"{figure(top.value)} ({percent(top.share)})", 60),
    )  # fmt: skip


def _holds(c: ColumnProfile) -> str:
    if c.semantic is not None:
        return c.semantic.type
    if c.text_type is not None:
        return f"{c.text_type.type} in text"
    return f"personal: {c.pii.kind}" if c.pii is not None else ""


def _section(c: ColumnProfile) -> Html:
    # a column whose values are hidden has bins without bounds
    open_bins = [b for b in c.histogram if b.lower != "***"]
    chart = bars(
        f"How the values of {c.name} are spread",
        [f"{figure(b.lower)} to {figure(b.upper)}" for b in open_bins],
        [b.count for b in open_bins],
    )
    numbers = [
        (name, figure(value))
        for name, value in (
            ("rows", c.count), ("empty", c.nulls), ("average", c.mean), ("standard deviation", c.stddev),
            ("skewness", c.skewness), *c.quantiles.items(), ("zeros", c.zeros), ("below zero", c.negatives),
            ("not a number", c.nan), ("infinite", c.infinite), ("blank", c.blanks),
            ("space at an end", c.whitespace),
            *((f"outside {figure(o.lower)} to {figure(o.upper)} ({o.method})", o.count) for o in c.outliers),
        )
        if value is not None
    ]  # fmt: skip
    evidence = [
        said
        for said in (
            c.semantic and f"{c.semantic.type}: {c.semantic.evidence}",
            c.pii and f"about persons ({c.pii.kind}): {c.pii.evidence}",
            c.monotonic and f"{c.monotonic} from row to row",
        )
        if said
    ]
    return el(
        "details",
        el("summary", c.name),
        *(el("p", said) for said in evidence),
        chart,
        table(f"Figures of {text(c.name)}", ("figure", "value"), numbers, ("value",)),
        table(
            "Most frequent values", ("value", "rows", "share"),
            [(text(figure(t.value), 80), figure(t.count), percent(t.share)) for t in c.top[:10]],
            ("rows", "share"),
        ),
        table(
            "Shapes of the text", ("shape", "rows", "share"),
            [(text(s.pattern, 80), figure(s.count), percent(s.share)) for s in c.shapes[:10]],
            ("rows", "share"),
        ),
        _notes(c.notes),
    )  # fmt: skip


def _notes(notes: Sequence[str]) -> Html:
    return el("ul", *(el("li", note) for note in notes), class_="soft") if notes else Html("")
