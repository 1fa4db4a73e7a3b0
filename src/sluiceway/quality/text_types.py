"""Types hidden in text: numbers with either decimal mark, booleans in several languages, dates and
timestamps with their formats, JSON, UUID.

A sample says which notations to try (``candidates``), all rows say which holds (``decided``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sluiceway.duck import literal
from sluiceway.quality.model import TextType
from sluiceway.quality.semantic import Facts, named

__all__ = ["LEAST", "TEXT_PATTERNS", "Decision", "Notation", "candidates", "decided", "notation_of"]

LEAST = 0.9
"""The share of the values that must be of a type for the column to be of it."""

_SIGN = "[+-]?"
_PLAIN = "(?:0|[1-9]\\d{0,37})"

TEXT_PATTERNS: dict[str, str] = {
    "integer": f"{_SIGN}{_PLAIN}",
    "zeros": "[+-]?0\\d+",
    "exponent": rf"{_SIGN}(?:{_PLAIN}|{_PLAIN}?[.]\d+|{_PLAIN}[.])(?:[eE][+-]?\d{{1,3}})?",
    "point": rf"{_SIGN}{_PLAIN}?[.]\d+",
    "comma": rf"{_SIGN}{_PLAIN}?,\d+",
    "1,234": rf"{_SIGN}[1-9]\d{{0,2}}(?:,\d{{3}})+",
    "1.234": rf"{_SIGN}[1-9]\d{{0,2}}(?:[.]\d{{3}})+",
    "1 234": rf"{_SIGN}[1-9]\d{{0,2}}(?:[ \x{{00A0}}\x{{202F}}]\d{{3}})+",
    "1'234": rf"{_SIGN}[1-9]\d{{0,2}}(?:['’]\d{{3}})+",
    "1,234.56": rf"{_SIGN}[1-9]\d{{0,2}}(?:,\d{{3}})*[.]\d+|{_SIGN}0?[.]\d+",
    "1.234,56": rf"{_SIGN}[1-9]\d{{0,2}}(?:[.]\d{{3}})*,\d+|{_SIGN}0?,\d+",
    "1 234,56": rf"{_SIGN}[1-9]\d{{0,2}}(?:[ \x{{00A0}}\x{{202F}}]\d{{3}})*,\d+|{_SIGN}0?,\d+",
    "1'234.56": rf"{_SIGN}[1-9]\d{{0,2}}(?:['’]\d{{3}})*[.]\d+|{_SIGN}0?[.]\d+",
    "json": r"(?s)\s*(?:\{\s*[\"}].*|\[.*\])\s*",
    "temporal": r"(?i)(?:[a-z]{3,9}[.]?,? )?(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{8}"
    r"|\d{1,2}[ -/][a-z]{3,9}[.]?[ -/]\d{2,4}|[a-z]{3,9}[.]? \d{1,2},? \d{4})"
    r"(?:(?:[T ]|, ?)\d{1,2}:?\d{2}.*)?",
}  # fmt: skip
"""RE2 patterns that all columns' samples are compared with."""

_BOOLEANS = (
    ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("ja", "nein"), ("ja", "nee"),
    ("j", "n"), ("oui", "non"), ("si", "no"), ("sí", "no"), ("sim", "não"), ("sim", "nao"),
    ("wahr", "falsch"), ("vrai", "faux"), ("vero", "falso"), ("verdadero", "falso"), ("waar", "onwaar"),
    ("tak", "nie"), ("1", "0"),
)  # fmt: skip
_ALONE = frozenset({"true", "false", "yes"})
"""Spellings that are enough on their own, where a column has only one value."""
_FLAG = "is|has|flag|active|enabled|deleted|valid|opt_?in|bool|boolean|subscribed|verified"


@dataclass(frozen=True)
class Notation:
    """A way to read text. ``test`` is SQL with ``{v}`` for the value: true where it can be read so."""

    type: str
    test: str
    format: str | None = None

    @property
    def key(self) -> str:
        return f"{self.type}:{self.format}"


@dataclass(frozen=True)
class Decision:
    """``other`` is the format that reads every value as well, where day and month can't be told apart."""

    text_type: TextType
    notes: tuple[str, ...] = ()
    other: str | None = None


def _matches(pattern: str) -> str:
    return f"regexp_full_match({{v}}, {literal(pattern)})"


def candidates(facts: Facts) -> list[Notation]:
    """What is worth trying on all rows, by the sample: nothing, or a few notations of one type."""
    if facts.family != "text" or not facts.total:
        return []
    boolean = _boolean(facts)
    if boolean is not None:
        return [boolean]
    if facts.share("uuid") >= LEAST - 0.05:
        from sluiceway.quality.semantic import PATTERNS

        return [Notation("uuid", _matches(PATTERNS["uuid"]))]
    if facts.share("json") >= LEAST - 0.05:
        return [Notation("json", f"({_matches(TEXT_PATTERNS['json'])} AND json_valid({{v}}))")]
    temporal = _temporal(facts) if facts.share("temporal") >= LEAST - 0.05 else []
    return temporal or _numeric(facts)


def decided(facts: Facts, tried: list[Notation], counts: Mapping[str, int], total: int) -> Decision | None:
    """The notation that reads most rows, if it reads enough of them. ``counts`` is by ``Notation.key``."""
    if not tried or not total:
        return None
    best = max(tried, key=lambda n: counts.get(n.key, 0))
    share = counts.get(best.key, 0) / total
    if best.type in ("date", "timestamp"):
        return _decide_dates(tried, counts, total)
    if share < LEAST:
        return None
    return Decision(TextType(best.type, round(share, 4), best.format), _doubt(facts, best))


def notation_of(kind: TextType) -> Notation:
    """The notation of a type that was decided on."""
    if kind.type in ("date", "timestamp"):
        return Notation(
            kind.type, f"(try_strptime({{v}}, {literal(kind.format or '')}) IS NOT NULL)", kind.format
        )
    if kind.type == "json":
        return Notation("json", "json_valid({v})")
    if kind.type == "boolean":
        yes, no = (kind.format or "true/false").split("/")
        return Notation("boolean", _matches(f"(?i){yes}|{no}"), kind.format)
    if kind.type == "uuid":
        return Notation("uuid", "(TRY_CAST({v} AS UUID) IS NOT NULL)")
    return _number(kind.type, kind.format)


# numbers -------------------------------------------------------------------------------------------------


def _numeric(facts: Facts) -> list[Notation]:
    """Numbers, unless zeros in front say that they are codes. The first is preferred where several read
    as many values."""
    share = facts.share
    near = LEAST - 0.05
    whole = share("integer")
    if share("zeros") > 0.02:
        return []
    if whole >= near and share("exponent") - whole < 0.02:
        return [_number("integer", None)]
    found: list[Notation] = []
    if share("exponent") >= near:
        found.append(_number("decimal", None))
    if whole + share("1.234") + share("1.234,56") + share("comma") >= near:
        if _has(facts, ",") and share("comma") + share("1.234,56") > share("1,234"):
            found.append(_number("decimal", "1.234,56"))
        elif _twice(facts, "."):
            found.append(_number("integer", "1.234"))
    if whole + share("1,234") + share("1,234.56") + share("exponent") >= near and _has(facts, ","):
        found.append(_number("decimal", "1,234.56") if _has(facts, ".") else _number("integer", "1,234"))
    for group, decimal, mark in (("1 234", "1 234,56", ","), ("1'234", "1'234.56", ".")):
        grouped = r"\d[ \u00a0\u202f]\d" if mark == "," else r"\d['’]\d"
        there = any(re.search(grouped, value) for value in facts.values)
        if there and whole + share(group) + share(decimal) >= near:
            found.append(_number("decimal", decimal) if _has(facts, mark) else _number("integer", group))
    return found


_FORMS: dict[tuple[str, str | None], tuple[str, ...]] = {
    ("integer", None): ("integer",),
    ("decimal", None): ("exponent",),
    ("decimal", "1.234,56"): ("1.234,56", "1.234", "comma", "integer"),
    ("decimal", "1,234.56"): ("1,234.56", "1,234", "exponent", "integer"),
    ("decimal", "1 234,56"): ("1 234,56", "1 234", "integer"),
    ("decimal", "1'234.56"): ("1'234.56", "1'234", "integer"),
    ("integer", "1,234"): ("1,234", "integer"),
    ("integer", "1.234"): ("1.234", "integer"),
    ("integer", "1 234"): ("1 234", "integer"),
    ("integer", "1'234"): ("1'234", "integer"),
}
"""What is read as a type, by how its numbers are written."""


def _number(type_: str, form: str | None) -> Notation:
    names = _FORMS[type_, form]
    return Notation(type_, _matches("|".join(f"(?:{TEXT_PATTERNS[name]})" for name in names)), form)


def _has(facts: Facts, mark: str) -> bool:
    return sum(n for value, n in facts.values.items() if mark in value) > 0.02 * facts.total


def _twice(facts: Facts, mark: str) -> bool:
    """Two marks in one number: it can only be the mark of groups."""
    return sum(value.count(mark) > 1 for value in facts.values) > 0.02 * len(facts.values)


def _doubt(facts: Facts, best: Notation) -> tuple[str, ...]:
    if best.type == "decimal" and best.format is None and facts.share("1.234") >= 0.999:
        return ("every value is like 1.234: the point could mark thousands; read as a decimal point",)
    if best.type == "integer" and best.format == "1,234" and facts.share("1,234") >= 0.999:
        return ("every value is like 1,234: the comma could be a decimal mark; read as thousands",)
    return ()


# booleans ------------------------------------------------------------------------------------------------


def _boolean(facts: Facts) -> Notation | None:
    counts: Counter[str] = Counter()
    for value, n in facts.values.items():
        counts[value.casefold()] += n
    best: tuple[int, tuple[str, str]] | None = None
    for pair in _BOOLEANS:
        there = [word for word in pair if counts[word]]
        enough = len(there) == 2 or (len(there) == 1 and there[0] in _ALONE)
        if pair == ("1", "0"):
            enough = bool(there) and named(facts.key, _FLAG)
        n = sum(counts[word] for word in there)
        if enough and n >= (LEAST - 0.05) * facts.total and (best is None or n > best[0]):
            best = (n, pair)
    if best is None:
        return None
    yes, no = best[1]
    return Notation("boolean", _matches(f"(?i){yes}|{no}"), f"{yes}/{no}")


# dates and timestamps ------------------------------------------------------------------------------------

_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_MONTHS = (
    "(?:january|february|march|april|may|june|july|august|september|october|november|december)"
)  # fmt: skip
_DAYS = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_DATE = re.compile(
    rf"""(?ix)
    (?P<day>{_DAYS}|mon|tue|wed|thu|fri|sat|sun)?(?P<after>,?\ )?
    (?: (?P<ymd>\d{{4}}(?P<s1>[-/.])\d{{1,2}}(?P=s1)\d{{1,2}})
      | (?P<dmy>\d{{1,2}}(?P<s2>[-/.])\d{{1,2}}(?P=s2)\d{{4}})
      | (?P<two>\d{{1,2}}(?P<s3>[-/.])\d{{1,2}}(?P=s3)\d{{2}})
      | (?P<packed>(?:19|20)\d{{6}})
      | (?P<word>\d{{1,2}}(?P<s4>[-/\ ])(?P<m1>{_MONTHS}|{_MONTH})(?P=s4)(?P<y1>\d{{4}}|\d{{2}}))
      | (?P<us>(?P<m2>{_MONTHS}|{_MONTH})\ \d{{1,2}}(?P<comma>,?)\ \d{{4}})
    )
    (?: (?P<t>T|\ |,\ )(?P<h>\d{{1,2}}):\d{{2}}(?P<sec>:\d{{2}}(?:(?P<frac>[.,])\d{{1,9}})?)?
        (?P<half>\ ?[AP]M)?(?P<zone>\ ?(?:Z|UTC|GMT|[+-]\d{{2}}:?(?:\d{{2}})?))? )?"""
)


def _formats(value: str) -> list[str]:
    """The strptime formats that a value has, by its form.

    >>> _formats("03/04/2024 10:30"), _formats("2024-01-31")
    (['%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M'], ['%Y-%m-%d'])
    """
    m = _DATE.fullmatch(value)
    if m is None or bool(m["day"]) != bool(m["after"]):
        return []
    head = ""
    if m["day"]:
        head = ("%a" if len(m["day"]) == 3 else "%A") + m["after"]
    if m["ymd"]:
        s = m["s1"]
        dates = [f"%Y{s}%m{s}%d"]
    elif m["dmy"]:
        s = m["s2"]
        dates = [f"%d{s}%m{s}%Y", f"%m{s}%d{s}%Y"]
    elif m["two"]:
        s = m["s3"]
        dates = [f"%d{s}%m{s}%y", f"%m{s}%d{s}%y", f"%y{s}%m{s}%d"]
    elif m["packed"]:
        dates = ["%Y%m%d"]
    elif m["word"]:
        s = m["s4"]
        year = "%Y" if len(m["y1"]) == 4 else "%y"
        dates = [f"%d{s}{month}{s}{year}" for month in _months(m["m1"])]
    else:
        dates = [f"{month} %d{m['comma']} %Y" for month in _months(m["m2"])]
    return [f"{head}{date}{_time(m)}" for date in dates]


def _months(word: str) -> list[str]:
    """May is short and long at once."""
    return ["%B", "%b"] if word.lower() == "may" else ["%b"] if len(word) == 3 else ["%B"]


def _time(m: re.Match[str]) -> str:
    if m["h"] is None:
        return ""
    text = f"{m['t']}{'%I' if m['half'] else '%H'}:%M"
    if m["sec"]:
        text += ":%S" + (f"{m['frac']}%f" if m["frac"] else "")
    if m["half"]:
        text += (" " if m["half"].startswith(" ") else "") + "%p"
    zone = m["zone"] or ""
    lead = " " if zone.startswith(" ") else ""
    zone = zone.strip()
    return text + lead + (zone if zone.isalpha() else "%z" if zone else "")


def _temporal(facts: Facts) -> list[Notation]:
    """The formats of at least one value in fifty, and not more than eight."""
    counts: Counter[str] = Counter()
    for value, n in facts.values.items():
        counts.update(dict.fromkeys(_formats(value), n))
    kept = [(f, n) for f, n in counts.most_common(12) if n >= 0.02 * facts.total][:8]
    if not kept or sum(bool(_formats(value)) * n for value, n in facts.values.items()) < 0.85 * facts.total:
        return []
    two = [f for f, _ in kept if "%y" in f]
    if two and named(facts.key, "version|release|build|section|chapter|revision"):
        return []
    if (
        "%Y%m%d" in dict(kept)
        and not named(facts.key, "date|day|datum|time|dt|ymd")
        and len(facts.values) < 5
    ):
        return []
    return [
        Notation(
            "timestamp" if ":" in f else "date",
            f"(try_strptime({{v}}, {literal(f)}) IS NOT NULL)",
            f,
        )
        for f, _ in kept
    ]


def _order(format_: str) -> tuple[int, int]:
    """Day first where nothing else decides; two digits of a year last."""
    return (0 if format_.startswith(("%d", "%Y")) else 1, -len(format_))


def _decide_dates(tried: list[Notation], counts: Mapping[str, int], total: int) -> Decision | None:
    ranked = sorted(tried, key=lambda n: (-counts.get(n.key, 0), _order(n.format or "")))
    best = ranked[0]
    n = counts.get(best.key, 0)
    assert best.format is not None
    twins = [o for o in ranked[1:] if _letters(o.format or "") == _letters(best.format)]
    others = [o for o in ranked[1:] if o not in twins and counts.get(o.key, 0) >= 0.02 * total]
    union = n + sum(counts.get(o.key, 0) for o in _without_twins(others))
    if min(union, total) < LEAST * total or n < 0.5 * total:
        return None
    text_type = TextType(best.type, round(n / total, 4), best.format)
    notes = []
    swapped = [o for o in twins if o.format and "%b" not in o.format.lower()]
    same = next((o for o in swapped if counts.get(o.key, 0) == n), None)
    if same is not None:
        notes.append(f"every value can be read as {best.format} and as {same.format}: day first is a guess")
    if others:
        shown = ", ".join(f"{o.format} ({counts[o.key] / total:.1%})" for o in _without_twins(others))
        notes.append(f"other formats in the same column: {shown}")
    return Decision(text_type, tuple(notes), None if same is None else same.format)


def _letters(format_: str) -> str:
    return "".join(sorted(format_.lower()))


def _without_twins(notations: list[Notation]) -> list[Notation]:
    seen: dict[str, Notation] = {}
    for notation in notations:
        seen.setdefault(_letters(notation.format or ""), notation)
    return list(seen.values())
