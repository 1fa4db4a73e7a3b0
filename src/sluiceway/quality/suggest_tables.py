"""Rules about a table's columns together: keys, references, order, freshness, number of rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident
from sluiceway.quality.suggest_columns import KEY_NAME
from sluiceway.quality.suggest_model import MIN_ROWS, Proposal
from sluiceway.run.standing import kind_of_file

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.quality.model import ColumnProfile, Profile
    from sluiceway.quality.suggest_columns import Facts

__all__ = ["aged", "table_proposals"]

_TIMES = ("date", "timestamp", "timestamptz")
_UPDATED = re.compile(
    r"updated|modified|changed|loaded|ingested|extracted|created|inserted|_at$|_ts$|time", re.IGNORECASE
)
_KEYS = 3
_PAIRS = 20
_ORDERED = 12
_HEAD = 10_000
_COLLISIONS = 3.0
_SUPPORT = 20
_DEPENDENT = 3


def table_proposals(
    found: Profile, facts: Facts, engine: Engine, sql: str, now: datetime
) -> Iterator[Proposal]:
    """Everything that the profile of a table speaks for beside its columns."""
    yield from _keys(found, facts)
    yield from _references(found)
    yield from _monotonic(found)
    yield from _order(found, facts, engine, sql)
    yield from _dependencies(found, facts)
    yield from _fresh(found, facts, now)
    if found.rows >= MIN_ROWS:
        yield Proposal(
            {"row_count": {"min": 1}},
            (),
            "RowCount",
            f"there are {found.rows:,} rows: an empty table is news",
            0.7,
            proven=True,
        )


# keys -----------------------------------------------------------------------------------------------


def _keys(found: Profile, facts: Facts) -> Iterator[Proposal]:
    """UniqueIfApproximatelyUnique, of one column or two: verified on all rows.

    Values drawn at random from a wide range differ by chance too. So it takes a name that says key, or a
    range so narrow that chance would have repeated three values at least.
    """
    single = [k for k in found.keys if len(k.columns) == 1 and (k.share == 1 or k.approximate)]
    told = 0
    for key in single:
        c = found[key.columns[0]]
        why = _no_chance(c, found.rows, facts)
        if why is None or told == _KEYS:
            continue
        told += 1
        yield Proposal(
            {"unique": c.name},
            key.columns,
            "UniqueIfApproximatelyUnique",
            f"{found.rows:,} values, all different; {why}",
            0.95,
        )
    if single:
        return
    for key in [k for k in found.keys if len(k.columns) > 1 and (k.share == 1 or k.approximate)][:_KEYS]:
        ways = math.prod(max(found[name].distinct or 1, 1) for name in key.columns)
        chance = found.rows**2 / (2 * ways)
        if chance < _COLLISIONS:
            continue
        yield Proposal(
            {"unique": list(key.columns)},
            key.columns,
            "CompositeKey",
            f"{found.rows:,} combinations, all different; by chance {chance:,.0f} would repeat",
            0.85,
        )


def _no_chance(c: ColumnProfile, rows: int, facts: Facts) -> str | None:
    family = facts.families[c.name]
    if family in _TIMES or (c.pii is not None and c.pii.kind == "name"):
        return None
    if family == "integer" and isinstance(c.minimum, int) and isinstance(c.maximum, int):
        chance = rows**2 / (2 * (c.maximum - c.minimum + 1))
        if chance >= _COLLISIONS:
            return f"drawn at random from {c.minimum:,} to {c.maximum:,}, {chance:,.0f} would repeat"
    if (
        KEY_NAME.search(c.name)
        or (c.text_type is not None and c.text_type.type == "uuid")
        or family == "uuid"
    ):
        return "and it is called or made like a key"
    return None


def _references(found: Profile) -> Iterator[Proposal]:
    """Foreign keys to other datasets; files have no name that a rule could say."""
    for r in found.references:
        if r.share < 1 or kind_of_file(r.dataset) is not None or ":" in r.dataset:
            continue
        yield Proposal(
            {"relationships": {"column": r.column, "to": f"{r.dataset}.{r.to}"}},
            (r.column,),
            "Reference",
            f"every value looked for (10,000 at most) is in {r.dataset}.{r.to}, which is a key there",
            0.85,
            proven=True,
        )


# order ----------------------------------------------------------------------------------------------


def _monotonic(found: Profile) -> Iterator[Proposal]:
    """Columns that rise with the rows, beside one that rises strictly and so gives the order: proven."""
    rising = [
        c for c in found.columns if c.monotonic in ("increasing", "strictly increasing") and not c.nulls
    ]
    order = next((c for c in rising if c.monotonic == "strictly increasing"), None)
    if order is None or found.rows < 100:
        return
    for c in rising:
        if c is order or c.type == "VARCHAR":
            continue
        way = c.monotonic.replace(" ", "_") if c.monotonic else ""
        rule: dict[str, Any] = {"column": c.name, "by": order.name}
        if way != "increasing":
            rule["direction"] = way
        yield Proposal(
            {"monotonic": rule},
            (c.name, order.name),
            "Monotonic",
            f"it never falls in {found.rows:,} rows, nor does {order.name}",
            0.75,
            proven=True,
        )


def _order(found: Profile, facts: Facts, engine: Engine, sql: str) -> Iterator[Proposal]:
    """``a <= b`` in all rows, where the two columns overlap so far that chance would break it.

    Their middle halves overlap: if they did not depend on each other, one row in sixteen would break it.
    """
    pairs = _overlapping(found, facts)
    if not pairs or found.rows < 100:
        return
    asked = ", ".join(
        f"count_if({ident(a)} > {ident(b)}), count_if({ident(a)} < {ident(b)})" for a, b in pairs
    )
    row = engine.query(f"SELECT {asked} FROM (SELECT * FROM ({sql}) AS _all LIMIT {_HEAD}) AS _head")[0]
    kept = [pair for i, pair in enumerate(pairs) if not row[2 * i] and row[2 * i + 1]]
    for a, b in _shortest(kept)[:_PAIRS]:
        yield Proposal(
            {"expression": f"{ident(a)} <= {ident(b)}"},
            (a, b),
            "ColumnOrder",
            "it holds in all rows, though the two overlap",
            0.85,
        )


def _overlapping(found: Profile, facts: Facts) -> list[tuple[str, str]]:
    groups: dict[str, list[ColumnProfile]] = {}
    for c in found.columns:
        family = facts.families[c.name]
        kind = "number" if family in ("integer", "decimal", "float") else family
        able = kind == "number" or family in _TIMES
        told = facts.shown(c.name) and not c.nan and c.nulls < c.count
        # numbers that name things are not compared with others
        named = kind == "number" and (c.name in facts.keys or KEY_NAME.search(c.name) is not None)
        if able and told and not named:
            groups.setdefault(kind, []).append(c)
    out = []
    for kind, columns in groups.items():
        for a, b in permutations(columns[:_ORDERED], 2):
            high, low = a.quantiles.get("p75"), b.quantiles.get("p25")
            if high is None or low is None or (a.distinct or 0) < 5 or (b.distinct or 0) < 5:
                continue
            if type(high) is type(low) or kind == "number":
                out += [(a.name, b.name)] if high > low else []
    return out


def _shortest(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without those that follow from two others.

    >>> _shortest([("a", "b"), ("b", "c"), ("a", "c")])
    [('a', 'b'), ('b', 'c')]
    """
    there = set(pairs)
    names = {name for pair in pairs for name in pair}
    return [(a, b) for a, b in pairs if not any((a, m) in there and (m, b) in there for m in names - {a, b})]


def _dependencies(found: Profile, facts: Facts) -> Iterator[Proposal]:
    """One value goes with one value: said by a query of its own, so at most three, and only where a value
    comes twenty times."""
    keys = facts.keys
    told = 0
    for d in found.dependencies:
        a, b = found[d.determinant], found[d.dependent]
        few = a.distinct is not None and 2 <= a.distinct <= found.rows / _SUPPORT and a.distinct <= 10_000
        if d.share < 1 or not few or (b.distinct or 0) < 2 or {a.name, b.name} & keys or told == _DEPENDENT:
            continue
        told += 1
        left, right = ident(a.name), ident(b.name)
        query = (
            f"SELECT count(*) FROM (SELECT {left} FROM _ GROUP BY {left} "
            f"HAVING min({right}) <> max({right})) AS _torn"
        )
        yield Proposal(
            {"sql": {"query": query, "must_be": 0}, "name": f"{a.name}_decides_{b.name}"},
            (a.name, b.name),
            "FunctionalDependency",
            f"each of {a.distinct:,} values of {a.name} goes with one of {b.name}, "
            f"about {found.rows // (a.distinct or 1):,} times",
            0.7,
        )


# time -----------------------------------------------------------------------------------------------


def _fresh(found: Profile, facts: Facts, now: datetime) -> Iterator[Proposal]:
    """The newest time is of the last week: twice that age, a day at least."""
    best: tuple[bool, datetime, str] | None = None
    for c in found.columns:
        if facts.families[c.name] not in _TIMES or not facts.shown(c.name) or not isinstance(c.maximum, str):
            continue
        moment = _moment(c.maximum)
        if moment is None or not now - timedelta(days=7) <= moment <= now:
            continue
        option = (bool(_UPDATED.search(c.name)), moment, c.name)
        best = option if best is None or option > best else best
    if best is None:
        return
    _, newest, name = best
    age = now - newest
    yield Proposal(
        {"freshness": {"column": name, "max_age": aged(max(2 * age, timedelta(hours=26)))}},
        (name,),
        "Freshness",
        f"the newest {name} is {_words(age)} old; twice that, and 26 hours at least, is allowed",
        0.5,
        proven=True,
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def aged(span: timedelta) -> str:
    """A ``max_age`` in whole hours, or days from three on.

    >>> aged(timedelta(hours=25.5)), aged(timedelta(days=9, hours=1))
    ('26h', '10d')
    """
    hours = span / timedelta(hours=1)
    return f"{math.ceil(hours / 24)}d" if hours > 72 else f"{max(1, math.ceil(hours))}h"


def _words(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"
