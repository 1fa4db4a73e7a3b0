"""Anomalies in data: values that don't fit the rest of their column, each with its rows.

Bounds and formats are learnt from at most 100,000 rows drawn at random (the same ones each time); what
lies outside is then counted and shown over all rows. Values of columns about persons are masked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.duck import ident
from sluiceway.errors import PlanError, did_you_mean
from sluiceway.quality.anomaly_gaps import gaps
from sluiceway.quality.anomaly_methods import Suspect, fences, formats, rare
from sluiceway.quality.detection import Detected, detected
from sluiceway.quality.loaded import classified
from sluiceway.run.standing import Standing, kind_of_file, standing

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.schema import Schema
    from sluiceway.spec.model import Project

__all__ = ["KINDS", "Finding", "Look", "anomalies"]

Kind = Literal["outlier", "rare_category", "format", "gap"]
KINDS: tuple[Kind, ...] = ("outlier", "rare_category", "format", "gap")
_SAMPLE = 100_000
_SECRET = 0.5
"""From this confidence on a column about persons is masked."""
_KEYS = ("id", "key", "no", "number", "code")
_WIDE = 8
"""Columns shown of a row that has no key."""


@dataclass(frozen=True)
class Finding:
    """One kind of anomaly in one column. ``count`` of ``total`` rows; ``rows`` are some of them, the
    strangest first, with the key and the column; ``message`` says what was expected."""

    kind: Kind
    column: str
    method: str
    count: int
    total: int
    message: str
    rows: tuple[Mapping[str, Any], ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "rows": [dict(row) for row in self.rows]}


def anomalies(
    target: Any,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    kinds: Sequence[str] = KINDS,
    columns: Sequence[str] = (),
    key: Sequence[str] = (),
    hidden: Sequence[str] = (),
    contract: Path | None = None,
    samples: int = 10,
) -> tuple[Finding, ...]:
    """Look for anomalies in data as it stands.

    Args:
        target: what ``standing`` opens: a file, a dataset, ``CONNECTION:TABLE``, or rows.
        kinds: some of ``outlier``, ``rare_category``, ``format``, ``gap``.
        columns: only these; all if empty.
        key: columns that name a row; found if empty.
        hidden: columns whose values are masked, beside those that are found to be about persons.
        contract: whose classified columns are masked too; for a dataset that a pipeline of the project loads,
            its own contract and ``mask`` steps if absent.
        samples: rows shown of each finding; 0 shows none.

    Raises:
        PlanError: no such target, column or kind. ConfigError: no such contract.
        SourceError, EngineError: it can't be read.

    >>> rows = [{"id": i, "amount": 10 + i % 7} for i in range(200)] + [{"id": 200, "amount": 90_000}]
    >>> [(f.kind, f.column, f.count, f.rows) for f in anomalies(rows)]
    [('outlier', 'amount', 1, ({'id': 200, 'amount': 90000},))]
    """
    for kind in kinds:
        if kind not in KINDS:
            raise PlanError(f"there is no kind of anomaly '{kind}'", hint=did_you_mean(kind, KINDS))
    secret = classified(target, project, contract)
    with (
        standing(target, project=project, environment=environment, folder=folder) as data,
        _opened(data, target, columns, (*key, *hidden)) as look,
    ):
        if not look.rows:
            return ()
        masked = _masked(look.found, (*hidden, *(c.name for c in data.schema if c.name.casefold() in secret)))
        found = [s for kind in KINDS if kind in kinds for s in _METHODS[kind](look)]
        far = {s.column for s in found if s.kind == "outlier"}  # a far number need not be told twice
        found = [
            s for s in found
            if s.kind != "rare_category" or s.column not in far or look.schema[s.column].family == "text"
        ]  # fmt: skip
        names = tuple(key) or _key(look)
        return tuple(_finding(look, s, names, masked, samples) for s in _ordered(found, data.schema))


@dataclass(frozen=True)
class Look:
    """What the methods look at: ``relation`` is all rows, ``sample`` a table of at most 100,000."""

    engine: Engine
    relation: str
    sample: str
    schema: Schema
    rows: int
    found: Mapping[str, Detected]
    wanted: Schema

    @property
    def sampled(self) -> bool:
        return self.rows > _SAMPLE


@contextmanager
def _opened(data: Standing, target: Any, columns: Sequence[str], others: Sequence[str]) -> Iterator[Look]:
    """Text is parsed once, and what another engine holds is brought to the embedded one."""
    data.schema.require([*columns, *others])
    engine, relation = data.engine, f"({data.sql})"
    text = isinstance(target, str | Path) and kind_of_file(str(target)) in ("csv", "json")
    if engine.capabilities.dialect != "duckdb":
        reader = engine.batches(data.sql, 122_880)
        engine = engine.local
        relation = engine.stage("anomalies", reader).relation
    elif text:
        relation = engine.stage("anomalies", data.sql).relation
    sample = '"_sluiceway_sample"'
    drawn = f"SELECT * FROM {relation} USING SAMPLE reservoir({_SAMPLE} ROWS) REPEATABLE (7)"
    engine.query(f"CREATE TEMP TABLE {sample} AS {drawn}")
    try:
        rows = int(engine.query(f"SELECT count(*) FROM {relation}")[0][0])
        found = detected(engine, sample, data.schema, min(rows, _SAMPLE))
        yield Look(engine, relation, sample, data.schema, rows, found, _wanted(data.schema, columns))
    finally:
        engine.query(f"DROP TABLE {sample}")


def _wanted(schema: Schema, columns: Sequence[str]) -> Schema:
    if not columns:
        return schema
    names = {name.casefold() for name in columns}
    return replace(schema, columns=tuple(c for c in schema if c.name.casefold() in names))


def _masked(found: Mapping[str, Detected], hidden: Sequence[str]) -> frozenset[str]:
    about = {n for n, d in found.items() if d.pii is not None and d.pii.confidence >= _SECRET}
    return frozenset(name.casefold() for name in (*about, *hidden))


_METHODS = {"outlier": fences, "rare_category": rare, "format": formats, "gap": gaps}


def _ordered(found: Sequence[Suspect], schema: Schema) -> list[Suspect]:
    place = {name: i for i, name in enumerate(schema.names)}
    return sorted(found, key=lambda s: (place[s.column], KINDS.index(s.kind)))


def _key(look: Look) -> tuple[str, ...]:
    """The first column that tells the sample's rows apart and looks like a key; none, if there is none."""
    likely = [c.name for c in look.schema if c.family in ("integer", "text", "uuid")][:20]
    if not likely:
        return ()
    counts = ", ".join(f"count(DISTINCT {ident(name)}), count({ident(name)})" for name in likely)
    row = look.engine.query(f"SELECT count(*), {counts} FROM {look.sample}")[0]
    total = row[0]
    unique = [n for i, n in enumerate(likely) if row[1 + 2 * i] == row[2 + 2 * i] == total]
    named = [
        n
        for n in unique
        if n.casefold() == "id" or n.casefold().endswith(("id", "key", "no", "number", "code"))
    ]
    return tuple((named or unique)[:1])


def _finding(
    look: Look, suspect: Suspect, key: Sequence[str], masked: frozenset[str], samples: int
) -> Finding:
    secret = suspect.column.casefold() in masked
    message = suspect.plain if secret else suspect.message
    shown = list(dict.fromkeys([*key, suspect.column])) if key else _beside(look.schema, suspect.column)
    rows: tuple[dict[str, Any], ...] = ()
    if samples > 0:
        listed = ", ".join(map(ident, shown))
        order = ", ".join([*([suspect.order] if suspect.order else []), *map(ident, shown)])
        name = ident(suspect.column)
        once = (
            f"QUALIFY row_number() OVER (PARTITION BY {name} ORDER BY {listed}) = 1" if suspect.once else ""
        )
        sql = f"SELECT {listed} FROM {look.relation} WHERE {suspect.condition} {once}"
        sql += f" ORDER BY {order} LIMIT {int(samples)}"
        rows = tuple(_row(shown, values, masked) for values in look.engine.query(sql))
    return Finding(
        suspect.kind, suspect.column, suspect.method, suspect.count, look.rows, message, rows
    )  # fmt: skip


def _beside(schema: Schema, column: str) -> list[str]:
    plain = [c.name for c in schema if c.family not in ("blob", "nested", "json") and c.name != column]
    return [column, *plain[: _WIDE - 1]]


def _row(names: Sequence[str], values: Sequence[Any], masked: frozenset[str]) -> dict[str, Any]:
    return {
        n: "***" if n.casefold() in masked and v is not None else _short(v)
        for n, v in zip(names, values, strict=True)
    }


def _short(value: Any) -> Any:
    return value[:200] + "…" if isinstance(value, str) and len(value) > 200 else value
