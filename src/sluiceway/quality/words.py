"""Rules and figures in plain English, for people who don't write SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["figure", "in_words", "level_words", "outcome", "percent"]

_WORDS = {
    "accepted_values": "{columns} must hold one of the agreed values",
    "aggregate": "a total or average of the data must lie within its limits",
    "anomaly": "the data must look like it usually does",
    "expression": "an agreed condition must hold in every row",
    "freshness": "the data must be recent enough",
    "length": "{columns} must have the agreed length",
    "monotonic": "{columns} must only go one way from row to row",
    "not_accepted_values": "{columns} must not hold a value that was ruled out",
    "not_null": "{columns} must be filled in",
    "pattern": "{columns} must have the agreed form",
    "range": "{columns} must lie within its limits",
    "relationships": "each {columns} must exist in the data that it refers to",
    "row_count": "the number of rows must be as agreed",
    "schema": "the columns and their types must be as agreed",
    "sql": "an agreed query must find nothing wrong",
    "type": "{columns} must be readable as its type",
    "unique": "no two rows may have the same {columns}",
}
_LEVELS = {
    "fit": "Fit for use",
    "attention": "Needs a look",
    "unfit": "Not fit for use",
    "unknown": "Not judged yet",
}


def in_words(rule: str, columns: Sequence[str], message: str = "") -> str:
    """What a rule asks, in a sentence: by the check's own message if it says so.

    >>> in_words("not_null", ["email"])
    'email must be filled in'
    >>> in_words("range", ["age"], "2 of 9 rows fail: age must be at least 0")
    'age must be at least 0'
    >>> in_words("unique", ["order_id", "line"])
    'no two rows may have the same order_id and line'
    >>> in_words("house_rule", ["a"])
    'the rule house_rule must hold for a'
    """
    told = message.partition(" fail: ")[2]
    if told:
        return told
    named = _listed(columns) or "the data"
    return _WORDS.get(rule, f"the rule {rule} must hold for {{columns}}").replace("{columns}", named)


def _listed(columns: Sequence[str]) -> str:
    *first, last = columns or ("",)
    if len(columns) > 6:
        return f"{', '.join(columns[:5])} and {len(columns) - 5} other columns"
    return f"{', '.join(first)} and {last}" if first else last


def outcome(check: Mapping[str, Any]) -> str:
    """How many rows a check turned up, of a check's document.

    >>> outcome({"failing": 12, "total": 1000}), outcome({"failing": 0, "total": 3})
    ('12 of 1,000 rows (1.2%) fail', 'all 3 rows pass')
    >>> outcome({"failing": 1, "total": 0}), outcome({"failing": None, "total": None})
    ('it fails', 'it passes')
    """
    failing, total = check.get("failing") or 0, check.get("total") or 0
    if total <= 1:
        return "it fails" if failing else "it passes"
    if not failing:
        return f"all {total:,} rows pass"
    return f"{failing:,} of {total:,} rows ({percent(failing / total)}) fail"


def level_words(level: str) -> str:
    return _LEVELS[level]


def percent(share: float | None) -> str:
    """Never rounded to all or nothing.

    >>> percent(0.98765), percent(1.0), percent(0.99999), percent(0.00001), percent(None)
    ('98.8%', '100%', '>99.9%', '<0.1%', '')
    """
    if share is None:
        return ""
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < 0.001:
        return "<0.1%"
    return ">99.9%" if 0.999 < share < 1 else f"{share:.1%}"


def figure(value: Any) -> str:
    """
    >>> figure(1234567), figure(0.123456), figure(None), figure(True), figure("a")
    ('1,234,567', '0.1235', '', 'yes', 'a')
    """
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return str(value)
