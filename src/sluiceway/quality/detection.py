"""What columns hold, whatever their type says: types hidden in text, meanings, personal data.

Two readings of at most 100,000 rows. The first takes a sample of every column's values (those with the
smallest hashes of their row: uniform, one scan) and compares its distinct values with all patterns at
once. The second counts over all rows only what the sample made likely. Patterns are RE2, whose time is
linear in the text; checksums are computed for at most 300 distinct candidates of a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sluiceway.duck import ident, literal
from sluiceway.quality.model import Pii, Semantic, TextType
from sluiceway.quality.pii import PII_PATTERNS, pii_of
from sluiceway.quality.semantic import PATTERNS, Facts, named, normal_name, semantic_of
from sluiceway.quality.text_types import TEXT_PATTERNS, Decision, Notation, candidates, decided, notation_of

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.schema import Column, Schema

__all__ = ["Detected", "detected", "probe_of", "text_of"]

_SAMPLE = 1000
"""Values of a column that patterns are compared with; fewer in wide tables."""
_VALUES = 100_000
"""Values of all columns together."""
_CHUNK = 200
"""Columns of one query."""
_COUNTED = 16
"""Columns whose matches one query counts: planning takes the square of them."""
_LONG = 300
"""Longer text is none of what is looked for, but for JSON; its end is not compared."""
_FOR_NULL = ("", "n/a", "#n/a", "null", "none", "nan", "-", "--", "?", "unknown", "nil", "(null)")
"""Spellings of nothing: no evidence for or against a type."""
_LOOKED_AT = frozenset({"text", "integer"})
_ALL_PATTERNS = {**PATTERNS, **TEXT_PATTERNS, **PII_PATTERNS}
_LATITUDE = "lat|latitude|breitengrad|breedtegraad|latitud"
_LONGITUDE = "lon|lng|longitude|langengrad|laengengrad|lengtegraad|longitud"


@dataclass(frozen=True)
class Detected:
    """What was found out about one column; None where nothing was.

    ``text_type.format`` is DuckDB's strptime format for dates and timestamps, a number written the
    column's way for numbers that a plain cast would not read (``1.234,56``), the two spellings for
    booleans (``ja/nein``). ``notes``: what could not be decided, a sentence each.
    """

    text_type: TextType | None = None
    semantic: Semantic | None = None
    pii: Pii | None = None
    notes: tuple[str, ...] = ()


def text_of(column: Column, trim: bool = True) -> str:
    """SQL of a column's text, trimmed; NULL for blanks and the usual words for nothing.

    >>> from sluiceway.schema import Column
    >>> text_of(Column("a", "VARCHAR"))[:35]
    'CASE WHEN (strlen(trim(CAST("a" AS '
    """
    text = f"CAST({ident(column.name)} AS VARCHAR)"
    text = _trimmed(text) if trim else text
    return f"CASE WHEN {_there(text)} THEN {text} END"


def _trimmed(text: str) -> str:
    return f"trim({text}, e' \\t\\r\\n')"


def _there(text: str) -> str:
    """Is it a value, and no spelling of nothing? Long ones are not compared: that is dear."""
    words = ", ".join(map(literal, _FOR_NULL))
    return f"(strlen({text}) > {max(map(len, _FOR_NULL))} OR lower({text}) NOT IN ({words}))"


def detected(engine: Engine, relation: str, schema: Schema, rows: int) -> dict[str, Detected]:
    """Look at every column of ``schema``; the answer is by the column's name.

    Args:
        engine: DuckDB, or an engine's ``local``.
        relation: what can stand in FROM: a quoted name, or a SELECT in parentheses. Read twice (twice
            for each 200 columns), so a table is better than a query.
        rows: how many rows it has; at most 100,000 are meant.

    Raises:
        EngineError: the relation can't be read.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sluiceway.engines.base import EngineSettings
    >>> from sluiceway.engines.duckdb import DuckDBEngine
    >>> from sluiceway.schema import Schema
    >>> engine = DuckDBEngine()
    >>> engine.connect(EngineSettings(), Path(tempfile.mkdtemp()))
    >>> rows = "(VALUES ('31/01/2024', 'ann@example.com'), ('01/02/2024', 'bob@example.org')) t(day, mail)"
    >>> found = detected(engine, rows, Schema.of({"day": "VARCHAR", "mail": "VARCHAR"}), 2)
    >>> found["day"].text_type.format, found["mail"].semantic.type, found["mail"].pii.kind
    ('%d/%m/%Y', 'email', 'email')
    >>> engine.close()
    """
    facts = _all_facts(engine, relation, schema, rows)
    found: dict[str, Detected] = {}
    columns = tuple(schema)
    for start in range(0, len(columns), _CHUNK):
        part = columns[start : start + _CHUNK]
        found.update(_detect(engine, relation, part, facts))
    return found


def probe_of(found: Detected) -> tuple[str, str] | None:
    """SQL, with ``{v}`` for the value, that a value of a column so detected passes, and its words; None
    where nothing was detected that a single value can break.

    >>> probe_of(Detected())
    """
    if found.text_type is not None and found.text_type.type not in ("uuid",):
        kind = found.text_type
        shown = f" like {kind.format}" if kind.format else ""
        return notation_of(kind).test, f"{_a(kind.type)}{shown}"
    if found.semantic is not None:
        name = found.semantic.type
        pattern = PATTERNS[name] if f"{name}~" not in PATTERNS else f"{PATTERNS[name]}|{PATTERNS[f'{name}~']}"
        return f"regexp_full_match({{v}}, {literal(pattern)})", _a(name.replace("_", " "))
    return None


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


# the sample ----------------------------------------------------------------------------------------------


def _all_facts(engine: Engine, relation: str, schema: Schema, rows: int) -> dict[str, Facts]:
    """What the sample says of every column; without values for those whose type says it all."""
    siblings = frozenset(normal_name(name) for name in schema.names)
    facts = {
        c.name: Facts(c.name, normal_name(c.name), c.family, 0, {}, {}, siblings) for c in schema
    }  # fmt: skip
    if not rows:
        return facts
    looked = [c for c in schema if c.family in _LOOKED_AT]
    size = max(50, min(_SAMPLE, _VALUES // max(len(looked), 1)))
    for start in range(0, len(looked), _CHUNK):
        part = looked[start : start + _CHUNK]
        for place, total, values, counts, padded, *shares in engine.query(_sample_sql(relation, part, size)):
            name = part[place].name
            facts[name] = replace(
                facts[name],
                total=total,
                padded=padded,
                whole=rows <= size,
                values=dict(zip(values, counts, strict=True)),
                shares={p: n / total for p, n in zip(_ALL_PATTERNS, shares, strict=True) if n},
            )
    return facts


def _sample_sql(relation: str, columns: Sequence[Column], size: int) -> str:
    """One row a column: its number, values, distinct values with counts, matches by pattern."""
    texts = ", ".join(f"CAST({ident(c.name)} AS VARCHAR) AS t{i}" for i, c in enumerate(columns))
    cut = ", ".join(
        f"CASE WHEN strlen(t{i}) > {4 * _LONG} THEN left(t{i}, {_LONG}) || '…' ELSE t{i} END AS c{i}"
        for i in range(len(columns))
    )
    picked = ", ".join(f"min_by(c{i}, hash(_row + {i}), {size}) AS v{i}" for i in range(len(columns)))
    numbers = ", ".join(str(i) for i in range(len(columns)))
    lists = ", ".join(f"v{i}" for i in range(len(columns)))
    matches = ", ".join(
        f"coalesce(sum(n) FILTER (regexp_full_match(v, {literal(pattern)})), 0)::BIGINT"
        for pattern in _ALL_PATTERNS.values()
    )
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT {picked} FROM (
                SELECT _row, {cut} FROM (SELECT row_number() OVER () AS _row, {texts} FROM {relation})
            )
        ),
        long AS (SELECT unnest([{numbers}]) AS k, unnest([{lists}]) AS vs FROM picked),
        stripped AS (
            SELECT k, {_trimmed("u")} AS v, u FROM (SELECT k, unnest(vs) AS u FROM long)
        ),
        counted AS MATERIALIZED (
            SELECT k, v, count(*) AS n, bool_or(u <> v) AS padded
            FROM stripped WHERE {_there("v")} GROUP BY k, v
        )
        SELECT k, sum(n)::BIGINT, list(v ORDER BY n DESC, v), list(n ORDER BY n DESC, v),
            bool_or(padded), {matches}
        FROM counted GROUP BY k ORDER BY k"""


# all rows ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trial:
    """What is counted of one column over all rows. ``tests`` is by a key of its own; SQL with ``{v}``."""

    column: Column
    notations: list[Notation]
    semantic: tuple[Semantic, str] | None
    geo: str | None
    padded: bool
    whole: bool = False

    @property
    def tests(self) -> dict[str, str]:
        tests = {n.key: n.test for n in self.notations}
        if self.semantic is not None and not self.whole:
            tests["semantic"] = f"regexp_full_match({{v}}, {literal(_ALL_PATTERNS[self.semantic[1]])})"
        if self.geo is not None:
            end = 90 if self.geo == "latitude" else 180
            number = "TRY_CAST(replace({v}, ',', '.') AS DOUBLE)"
            tests["geo"] = f"{number} BETWEEN -{end} AND {end}"
            tests["fraction"] = f"{number} <> floor({number})"
        return tests


def _detect(
    engine: Engine, relation: str, columns: Sequence[Column], facts: Mapping[str, Facts]
) -> Iterator[tuple[str, Detected]]:
    trials = [_trial(column, facts[column.name]) for column in columns]
    tried = [t for t in trials if t.tests]
    counted: dict[str, tuple[int, dict[str, int]]] = {}
    for start in range(0, len(tried), _COUNTED):
        counted |= _count(engine, relation, tried[start : start + _COUNTED])
    decisions = {
        t.column.name: decided(facts[t.column.name], t.notations, counts, total)
        for t in trials
        for total, counts in [counted.get(t.column.name, (0, {}))]
    }
    borrowed = {n: _borrow(d, decisions) for n, d in decisions.items()}
    for trial in trials:
        name = trial.column.name
        total, counts = counted.get(name, (0, {}))
        yield name, _conclude(trial, facts[name], borrowed[name], counts, total)


def _trial(column: Column, facts: Facts) -> _Trial:
    geo = _geo(column, facts)
    if column.family not in _LOOKED_AT:
        return _Trial(column, [], None, geo, False)
    return _Trial(column, candidates(facts), semantic_of(facts), geo, facts.padded, facts.whole)


def _geo(column: Column, facts: Facts) -> str | None:
    """Numbers have no form that says latitude: the name has to, and the range to fit."""
    if column.family not in ("float", "decimal", "text"):
        return None
    if column.family == "text" and facts.share("exponent") + facts.share("comma") < 0.85:
        return None
    if named(facts.key, _LATITUDE):
        return "latitude"
    pair = any(named(key, _LATITUDE) for key in facts.siblings)
    return "longitude" if named(facts.key, _LONGITUDE + ("|long" if pair else "")) else None


def _count(engine: Engine, relation: str, trials: Sequence[_Trial]) -> dict[str, tuple[int, dict[str, int]]]:
    """Column -> (values that are there, how many pass by key of a test)."""
    texts = ", ".join(f"{text_of(t.column, t.padded)} AS c{i}" for i, t in enumerate(trials))
    counts = []
    for i, trial in enumerate(trials):
        counts.append(f"count(c{i})")
        counts += [f"count(*) FILTER ({test.replace('{v}', f'c{i}')})" for test in trial.tests.values()]
    # materialised: else the planner writes every text out once for every count, and takes seconds
    sql = f"WITH texts AS MATERIALIZED (SELECT {texts} FROM {relation}) SELECT {', '.join(counts)} FROM texts"
    row = iter(engine.query(sql)[0])
    return {t.column.name: (next(row), {key: next(row) for key in t.tests}) for t in trials}


def _borrow(decision: Decision | None, decisions: Mapping[str, Decision | None]) -> Decision | None:
    """Day or month first, where a column can't say it: as the columns beside it have it."""
    if decision is None or decision.other is None:
        return decision
    first = {d.text_type.format[:2] for d in decisions.values()
             if d is not None and d.other is None and d.text_type.format
             and d.text_type.format[:2] in ("%d", "%m")}  # fmt: skip
    wanted = [f for f in (decision.text_type.format, decision.other) if f and f[:2] in first]
    if len(wanted) != 1:
        return decision
    note = f"day and month could be swapped; read as {wanted[0]}, as other columns of the table are"
    return Decision(replace(decision.text_type, format=wanted[0]), (note, *decision.notes[1:]))


def _conclude(
    trial: _Trial, facts: Facts, decision: Decision | None, counts: Mapping[str, int], total: int
) -> Detected:
    semantic = _semantic(trial, facts, counts, total)
    text_type = decision.text_type if decision is not None else None
    notes = decision.notes if decision is not None else ()
    if semantic is not None and text_type is not None and _is_code(semantic, text_type):
        text_type, notes = None, ()
    pii = pii_of(facts, semantic, text_type)
    return Detected(text_type, semantic, pii, notes)


def _is_code(semantic: Semantic, text_type: TextType) -> bool:
    """Digits that are not for counting with, or a number of a calendar by chance."""
    coded = semantic.type in (
        "phone",
        "card_number",
        "postal_code",
        "iban",
        "vat_number",
        "country",
        "language",
    )
    return coded and text_type.type in ("integer", "decimal", "boolean", "date")


def _semantic(trial: _Trial, facts: Facts, counts: Mapping[str, int], total: int) -> Semantic | None:
    if trial.geo is not None and total and counts["geo"] >= 0.95 * total and counts["fraction"]:
        share = counts["geo"] / total
        why = f"{share:.1%} of the numbers lie in its range, and the column is called {facts.name}"
        return Semantic(trial.geo, round(share, 4), round(0.9 * share, 3), why)
    if trial.semantic is None or trial.whole:
        return None if trial.semantic is None else trial.semantic[0]
    semantic = trial.semantic[0]
    if not total:
        return None
    seen = facts.share(trial.semantic[1])
    share = semantic.share * (counts["semantic"] / total) / seen if seen else 0.0
    share = min(1.0, share)
    if share < 0.7:
        return None
    return replace(semantic, share=round(share, 4))
