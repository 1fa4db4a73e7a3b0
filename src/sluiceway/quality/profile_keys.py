"""Candidate keys, and columns that look like references to other datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.duck import ident
from sluiceway.quality.model import KeyCandidate, Reference
from sluiceway.quality.profile_scan import bits_of, distinct_sql
from sluiceway.run.standing import kind_of_file

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.quality.model import ColumnProfile
    from sluiceway.quality.profile_sample import Near, Sample
    from sluiceway.quality.profile_scan import Counted
    from sluiceway.run.standing import Standing

__all__ = ["Wanted", "keys_of", "pairs_checked", "references_to", "wanted"]

_ABLE = ("integer", "decimal", "text", "date", "timestamp", "timestamptz", "uuid")
_NEARLY = 0.99
_VALUES = 10_000
_REFERS = 0.9
_ENOUGH = 10
_GENERIC = frozenset({"id", "key", "code", "no", "nr", "num", "number", "name", "pk", "uuid"})


def keys_of(columns: Sequence[Counted], rows: int) -> tuple[KeyCandidate, ...]:
    """Columns without NULL whose values nearly all differ; ``share`` is distinct values by rows, 1 for a
    key. Floats, booleans and nested values are no keys."""
    found = []
    for c in columns:
        kept, different = c.values["kept"], c.values["different"]
        if rows < 2 or c.values["count"] < rows or c.column.family not in _ABLE or not kept:
            continue
        share = different / kept
        if share >= _NEARLY:
            found.append(KeyCandidate((c.column.name,), share, c.bits > 0))
    return tuple(sorted(found, key=lambda k: -k.share))


def pairs_checked(data: Near, pairs: Sequence[tuple[str, str]]) -> tuple[KeyCandidate, ...]:
    """Ask all rows of pairs that are unique in the sample: one read of their columns."""
    if not pairs:
        return ()
    bits = bits_of(data.rows)
    asked = [distinct_sql(f"hash({ident(left)}, {ident(right)})", bits, "TRUE") for left, right in pairs]
    listed = ", ".join(sql for pair in asked for sql in pair)
    row = data.engine.query(f"SELECT {listed} FROM ({data.sql}) AS _all")[0]
    found = []
    for i, pair in enumerate(pairs):
        kept, different = row[2 * i : 2 * i + 2]
        if kept and different / kept >= _NEARLY:
            found.append(KeyCandidate(pair, different / kept, bits > 0))
    return tuple(sorted(found, key=lambda k: (-k.share, k.columns)))


class Wanted:
    """Values of our columns, to be looked for in other datasets: at most ten thousand of each."""

    def __init__(self, name: str, family: str, values: list[str], distinct: int) -> None:
        self.name, self.family, self.values, self.distinct = name, family, values, distinct


def wanted(
    engine: Engine, sample: Sample, columns: Sequence[Counted], profiles: Sequence[ColumnProfile]
) -> list[Wanted]:
    """Whole numbers, texts and UUIDs with more than one value in the sample."""
    found = []
    for counted, told in zip(columns, profiles, strict=True):
        family, name = counted.column.family, ident(counted.column.name)
        if family not in ("integer", "text", "uuid") or counted.sample.distinct < 2:
            continue
        rows = engine.query(
            f"SELECT v FROM (SELECT CAST({name} AS VARCHAR) AS v, hash({name}) AS h FROM {sample.relation} "
            f"WHERE {name} IS NOT NULL GROUP BY {name}) AS _values ORDER BY h LIMIT {_VALUES}"
        )
        found.append(Wanted(counted.column.name, family, [r[0] for r in rows], told.distinct or 0))
    return found


def references_to(other: Standing, ours: Sequence[Wanted]) -> list[Reference]:
    """Our columns whose values nearly all are among those of a key of ``other``.

    Small whole numbers are in every key that counts from one, so they want a name that fits; texts want
    ten values or a name. Looked for among at most 10,000 values of the sample: approximate.
    """
    import pyarrow as pa

    local = other.engine.local
    if local is not other.engine:
        return []
    found = []
    for i, mine in enumerate(ours):
        values = pa.RecordBatch.from_pydict({"v": pa.array(mine.values, pa.string())})
        reader = pa.RecordBatchReader.from_batches(values.schema, [values])
        stage = None
        for column in other.schema:
            if column.family != mine.family or not _plausible(mine, column.name, other.name):
                continue
            if stage is None:
                stage = local.stage(f"_wanted_{i}", reader)
            name = ident(column.name)
            there = local.query(
                f"SELECT count(*) FROM {stage.relation} AS _wanted "
                f"WHERE v IN (SELECT CAST({name} AS VARCHAR) FROM ({other.sql}) AS _theirs)"
            )[0][0]
            share = there / len(mine.values)
            if share >= _REFERS and _unique(other, name):
                found.append(Reference(mine.name, other.name, column.name, share, True))
    return found


def _unique(other: Standing, name: str) -> bool:
    """Whether values of a column never repeat, as far as the sampled hashes of them show."""
    rows = other.rows
    if rows is None:
        rows = int(other.engine.query(f"SELECT count(*) FROM ({other.sql}) AS _all")[0][0])
    kept, different = distinct_sql(f"hash({name})", bits_of(rows), f"{name} IS NOT NULL")
    row = other.engine.query(f"SELECT {kept}, {different} FROM ({other.sql}) AS _all")[0]
    return bool(row[0] == row[1] and row[0])


def _plausible(mine: Wanted, theirs: str, dataset: str) -> bool:
    """Whether the names allow a reference: our column is called as theirs, or after the table.

    >>> order = Wanted("customer_id", "integer", [], 50)
    >>> [_plausible(order, *pair) for pair in (("id", "crm.customers"), ("customer_id", "x"), ("id", "x"))]
    [True, True, False]
    """
    ours, column = mine.name.casefold(), theirs.casefold()
    named = any(f"_{word}_" in f"_{ours}_" for word in _singular(dataset))
    # every table has an "id"; that two are called so says nothing
    same = column not in _GENERIC and (ours == column or ours.endswith(f"_{column}"))
    return named or same or (mine.family != "integer" and mine.distinct >= _ENOUGH)


def _singular(dataset: str) -> set[str]:
    """What one row of a table may be called.

    >>> sorted(_singular("crm.companies")), sorted(_singular("data/orders.csv"))
    (['companie', 'companies', 'company'], ['order', 'orders'])
    """
    named_by_file = "/" in dataset or kind_of_file(dataset) is not None
    table = Path(dataset).name.partition(".")[0] if named_by_file else dataset.rpartition(".")[2]
    name = table.rpartition(":")[2].casefold()
    found = {name, name.removesuffix("s")}
    if name.endswith("ies"):
        found.add(f"{name[:-3]}y")
    elif name.endswith("es"):
        found.add(name[:-2] if name[:-2].endswith(("s", "x", "ch", "sh")) else name[:-1])
    return found - {""}
