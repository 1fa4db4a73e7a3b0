"""Rules about single columns, out of the profile.

The ten rules are those of Deequ's constraint suggestion (Schelter et al. 2018, "Automating large-scale data
quality verification", PVLDB 11); what a rule allows beyond what was seen is ours, and stated at each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sluiceway.quality.suggest_bounds import bounds_of, statistics
from sluiceway.quality.suggest_model import Proposal, chance_of_next, held

if TYPE_CHECKING:
    from sluiceway.quality.model import ColumnProfile, Shape

__all__ = ["KEY_NAME", "LISTED", "Facts", "categories", "column_proposals", "is_category"]

LISTED = 50
"""More values than these are no list."""
_SUPPORT = 5
_SHARE = 0.0005
_CODE_SHARE = 0.03
_COVERED = 0.9
_TOLERATED = 0.8
_FORMATS = {
    "email": "email", "url": "url", "uuid": "uuid", "ipv4": "ipv4", "ipv6": "ipv6", "iban": "iban",
    "phone": "phone", "country": "iso_country", "currency": "iso_currency",
}  # fmt: skip
KEY_NAME = re.compile(r"(^|_)(id|key|uuid|guid|code|number|no|nr|sku|ref|hash|email)$", re.IGNORECASE)
"""What keys and references are called: their numbers have no size."""
_TYPES = ("integer", "decimal", "boolean", "date", "timestamp", "json")


@dataclass(frozen=True)
class Facts:
    """What is known beside a column's own profile. ``keys``: columns whose values are all different;
    ``listed``: the values of a column with their rows, all of them; ``hidden`` may not be shown."""

    rows: int
    families: Mapping[str, str]
    keys: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    listed: Mapping[str, Mapping[Any, int]] = field(default_factory=dict)

    def shown(self, name: str) -> bool:
        return name.casefold() not in self.hidden


def column_proposals(c: ColumnProfile, facts: Facts) -> Iterator[Proposal]:
    """Everything that the profile of one column speaks for."""
    yield from _complete(c)
    there = c.count - c.nulls
    if not there or not facts.shown(c.name):
        return
    family = facts.families[c.name]
    typed = tuple(_typed(c)) if family == "text" else ()
    yield from typed
    if typed:
        return
    listed = tuple(categories(c, facts))
    yield from listed
    if listed:
        return
    if family in ("integer", "decimal", "float") and c.name not in facts.keys and c.monotonic is None:
        identifies = family == "integer" and KEY_NAME.search(c.name) is not None
        yield from bounds_of(c, family, only_sign=identifies)
        if not identifies:
            yield from statistics(c)
    elif family == "text":
        formats = tuple(_formats(c))
        yield from formats
        if not formats:
            yield from _lengths(c, there)


def _complete(c: ColumnProfile) -> Iterator[Proposal]:
    """CompleteIfComplete, and RetainCompleteness: as many NULLs as the next batch may have by chance."""
    rows = c.count
    if c.nulls == 0:
        yield Proposal(
            {"not_null": c.name},
            (c.name,),
            "CompleteIfComplete",
            f"no NULL in {rows:,} rows: {100 * held(rows):.2f}% of rows to come have one, or more (Wilson)",
            0.98,
            proven=True,
        )
        return
    allowed = chance_of_next(c.nulls, rows)
    if allowed >= _TOLERATED:
        return
    share = up(100 * allowed)
    yield Proposal(
        {"not_null": c.name, "tolerance": f"{share:g}%"},
        (c.name,),
        "RetainCompleteness",
        f"{100 * c.nulls / rows:.2f}% of {rows:,} rows are NULL; a batch like this stays below {share:g}% "
        "(Wilson)",
        0.75,
        proven=True,
    )


def up(percent: float) -> float:
    """Rounded up to two digits, so that it reads well.

    >>> up(0.1234), up(12.34), up(100)
    (0.13, 13.0, 100.0)
    """
    import math

    step = 10.0 ** (math.floor(math.log10(percent)) - 1) if percent > 0 else 0.01
    return min(100.0, float(f"{math.ceil(percent / step - 1e-9) * step:.12g}"))


# values ---------------------------------------------------------------------------------------------


def is_category(c: ColumnProfile, family: str) -> bool:
    """Few values, each seen often: worth the question which they all are."""
    there = c.count - c.nulls
    few = c.distinct is not None and c.distinct_exact and 1 < c.distinct <= LISTED
    return few and family == "text" and c.pii is None and (c.distinct or 0) * 20 <= there


def categories(c: ColumnProfile, facts: Facts) -> Iterator[Proposal]:
    """CategoricalRange where every value has support, FractionalCategoricalRange where nearly all rows have
    one of those that do.

    A value has support with five rows and 0.05 % of them. Whole numbers are codes only where each has 3 %
    of the rows: counts of things thin out, and their next value is merely not seen yet.
    """
    family, there = facts.families[c.name], c.count - c.nulls
    values = facts.listed.get(c.name) or {t.value: t.count for t in c.top}
    if family == "integer":
        codes = c.distinct_exact and 1 < (c.distinct or 0) <= 10 and len(values) == c.distinct
        if codes and there >= 300 and min(values.values()) >= _CODE_SHARE * there:
            yield _listed(c, values, there)
        return
    if not is_category(c, family):
        return
    least = max(_SUPPORT, _SHARE * there)
    known = {value: count for value, count in values.items() if count >= least and len(str(value)) <= 100}
    if len(known) == c.distinct:
        yield _listed(c, known, there)
        return
    covered = sum(known.values()) / there
    if len(known) >= 2 and covered >= _COVERED:
        yield Proposal(
            {"accepted_values": {"column": c.name, "values": _sorted(known)}},
            (c.name,),
            "FractionalCategoricalRange",
            f"{len(known)} of {c.distinct} values make up {100 * covered:.2f}% of {there:,}; the others are "
            "in few rows",
            0.6,
            mostly=_COVERED,
        )


def _listed(c: ColumnProfile, values: Mapping[Any, int], there: int) -> Proposal:
    rarest = min(values.values())
    return Proposal(
        {"accepted_values": {"column": c.name, "values": _sorted(values)}},
        (c.name,),
        "CategoricalRange",
        f"{len(values)} values make up all of {there:,}; the rarest is in {rarest:,} rows",
        0.92,
        proven=True,
    )


def _sorted(values: Mapping[Any, int]) -> list[Any]:
    return sorted(values, key=lambda v: (isinstance(v, str), v))


# texts ----------------------------------------------------------------------------------------------


def _typed(c: ColumnProfile) -> Iterator[Proposal]:
    """RetainType: what the text can be read as."""
    if c.text_type is not None and c.text_type.type in _TYPES and c.text_type.share >= 0.99:
        yield Proposal(
            {"type": {"column": c.name, "type": c.text_type.type}},
            (c.name,),
            "RetainType",
            f"every text of the sample reads as {c.text_type.type}",
            0.92,
            mostly=0.99,
        )


def _formats(c: ColumnProfile) -> Iterator[Proposal]:
    """The format of a semantic type, or a pattern out of the shapes."""
    kind = "uuid" if c.text_type is not None and c.text_type.type == "uuid" else None
    if c.semantic is not None and c.semantic.share >= 0.95:
        kind = kind or c.semantic.type
    if kind in _FORMATS:
        why = c.semantic.evidence if c.semantic is not None else "every text of the sample is a UUID"
        yield Proposal(
            {"pattern": {"column": c.name, "format": _FORMATS[kind]}},
            (c.name,),
            "SemanticFormat",
            why,
            0.93,
            mostly=0.95,
        )
        return
    regex = _regex(c.shapes, c.length.maximum if c.length else 0)
    if regex is not None:
        shapes = ", ".join(f"{s.pattern} ({100 * s.share:.1f}%)" for s in c.shapes)
        yield Proposal(
            {"pattern": {"column": c.name, "regex": regex}},
            (c.name,),
            "Shapes",
            f"the texts have {'one shape' if len(c.shapes) == 1 else 'few shapes'}: {shapes}",
            0.8,
        )


def _regex(shapes: Sequence[Shape], longest: int) -> str | None:
    r"""The pattern of codes such as ``AB-1234``; None for words and sentences.

    >>> from sluiceway.quality.model import Shape
    >>> _regex([Shape("A+-9+", 90, 0.9), Shape("A+-9", 10, 0.1)], 7)
    '[A-Z]+\\-[0-9]+'
    >>> _regex([Shape("Aa+", 100, 1.0)], 9) is None
    True
    """
    if not shapes or longest > 64 or sum(s.share for s in shapes) < 0.9999:
        return None
    made = {_one(s.pattern): s for s in shapes}
    if len(made) > 3 or any("9" not in s.pattern or " " in s.pattern or len(s.pattern) > 40 for s in shapes):
        return None
    if not any(re.search(r"[^9+]", s.pattern) for s in shapes):
        return None  # digits alone: their type says more
    rows = sum(s.count for s in shapes)
    share = {regex: sum(s.count for s in shapes if _one(s.pattern) == regex) for regex in made}
    if min(share.values()) < max(20, 0.01 * rows):
        return None
    parts = sorted(made)
    return parts[0] if len(parts) == 1 else "|".join(f"({part})" for part in parts)


def _one(shape: str) -> str:
    """Runs of any length: how long they are is what changes first."""
    out = []
    for letter in re.findall(r"[Aa9]\+?|.", shape, re.S):
        classes = {"A": "[A-Z]+", "a": "[a-z]+", "9": "[0-9]+"}
        out.append(classes.get(letter[0]) or re.escape(letter))
    return "".join(out)


def _lengths(c: ColumnProfile, there: int) -> Iterator[Proposal]:
    """HasMinLength and HasMaxLength: one length where all have it; else not empty, and half as long again
    as the longest."""
    if c.length is None or there < 100:
        return
    least, most = c.length.minimum, c.length.maximum
    if least == most and least > 0:
        yield Proposal(
            {"length": {"column": c.name, "exact": least}},
            (c.name,),
            "HasMinLength, HasMaxLength",
            f"all of {there:,} texts have {least} characters",
            0.75,
            proven=True,
        )
        return
    if least >= 1:
        yield Proposal(
            {"length": {"column": c.name, "min": 1}, "name": f"{c.name}_min_length"},
            (c.name,),
            "HasMinLength",
            f"none of {there:,} texts is empty; the shortest has {least} characters",
            0.85,
            proven=True,
        )
    if 0 < most <= 1000:
        bound = _round(most + max(most // 2, 5))
        yield Proposal(
            {"length": {"column": c.name, "max": bound}, "name": f"{c.name}_max_length"},
            (c.name,),
            "HasMaxLength",
            f"the longest of {there:,} texts has {most} characters; half as many more are allowed",
            0.55,
            proven=True,
        )


def _round(length: int) -> int:
    return length if length < 20 else -(-length // 10) * 10
