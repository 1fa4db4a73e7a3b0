"""Load modes as one statement, for tables whose unit of atomicity is a statement and no transaction.

``loading`` says what the modes mean, in a few statements of one transaction. A Delta or Iceberg table makes
a commit of each statement, so here the same work is one MERGE: its source is the **change set**, rows that
say of the target's rows "go away" or "end then", and new rows, which match nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluiceway.connectors.dialects import SPARK
from sluiceway.connectors.loadnames import NEW, OLD, Names
from sluiceway.connectors.loadscd2 import WORK, moment
from sluiceway.exchange import PublishOrder, Scd2

__all__ = ["Changes", "changes", "insert"]


@dataclass(frozen=True)
class Changes:
    """``rows``: a SELECT of the change set; ``merge``: the statement that applies it, ``{}`` standing for
    the relation that holds it. What the set says depends on the target, so it is staged first."""

    rows: str
    merge: str


def insert(
    target: Sequence[str], staging: str, columns: Sequence[str], order: PublishOrder, types: Mapping[str, str]
) -> str:
    """The statement of append and replace.

    Args:
        types: every column of the target with its type, as Spark spells it.
    """
    n = Names(SPARK, tuple(target), staging, tuple(columns), order, {})
    values = ", ".join(_values(n, types, {}))
    listed = ", ".join(map(SPARK.ident, types))
    how = "OVERWRITE" if order.mode == "replace" else "INTO"
    return f"INSERT {how} {n.table} ({listed}) SELECT {values} FROM {n.new}"


def changes(
    target: Sequence[str], staging: str, columns: Sequence[str], order: PublishOrder, types: Mapping[str, str]
) -> Changes:
    """The change set of merge, or of scd2 once ``load(SPARK, …).prepare`` was run.

    >>> from datetime import datetime
    >>> from sluiceway.schema import TableName
    >>> order = PublishOrder("r", "p", TableName("m", "t"), "merge", datetime(2026, 1, 1), key=("k",))
    >>> print(changes(("m", "t"), "new", ["k"], order, {"k": "INT"}).merge.split(" WHEN ")[0])
    MERGE INTO `m`.`t` AS _sluiceway_t USING {} AS _sluiceway_s ON _sluiceway_t.`k` = _sluiceway_s._k0
    """
    n = Names(SPARK, tuple(target), staging, tuple(columns), order, {})
    return _scd2(n, types, order.scd2 or Scd2()) if order.mode == "scd2" else _merge(n, types)


def _values(n: Names, types: Mapping[str, str], more: Mapping[str, str]) -> list[str]:
    """A value for each column of the target: the batch's, one of ``more``, or NULL."""
    brought = {c.casefold(): n.column(NEW, c) for c in n.columns}
    brought |= {name.casefold(): value for name, value in more.items()}
    return [f"CAST({brought.get(name.casefold(), 'NULL')} AS {type_})" for name, type_ in types.items()]


def _row(op: str, keys: Sequence[str], mark: str, ends: str, values: Sequence[str]) -> str:
    listed = [
        f"{op} AS _op",
        *(f"{key} AS _k{i}" for i, key in enumerate(keys)),
        f"{mark} AS _mark",
        f"{ends} AS _ends",
        *(f"{value} AS _c{i}" for i, value in enumerate(values)),
    ]
    return f"SELECT {', '.join(listed)}"


def _marker(types: Mapping[str, str], op: str, keys: Sequence[str], mark: str, ends: str) -> str:
    """The head of a row that says something of the target's rows."""
    nothing = [f"CAST(NULL AS {type_})" for type_ in types.values()]
    return _row(op, keys, mark, ends, nothing).replace("SELECT ", "SELECT DISTINCT ", 1)


def _applied(n: Names, types: Mapping[str, str], conditions: Sequence[str], matched: Sequence[str]) -> str:
    same = [f"_sluiceway_t.{SPARK.ident(k)} = _sluiceway_s._k{i}" for i, k in enumerate(n.order.key)]
    listed = ", ".join(map(SPARK.ident, types))
    values = ", ".join(f"_sluiceway_s._c{i}" for i in range(len(types)))
    when = " ".join(f"WHEN MATCHED AND _sluiceway_s.{clause}" for clause in matched)
    return (
        f"MERGE INTO {n.table} AS _sluiceway_t USING {{}} AS _sluiceway_s "
        f"ON {' AND '.join([*same, *conditions])} {when} "
        f"WHEN NOT MATCHED AND _sluiceway_s._op = 'insert' THEN INSERT ({listed}) VALUES ({values})"
    )


_DELETED = "_op = 'delete' THEN DELETE"


def _merge(n: Names, types: Mapping[str, str]) -> Changes:
    version = n.order.version
    keys = [n.column(NEW, k) for k in n.order.key]
    none = ["NULL"] * len(keys)
    conditions, beaten, mark = [], "", "NULL"
    if version is not None:
        new, old = n.column(NEW, version), n.column(OLD, version)
        mark = new
        target = f"_sluiceway_t.{SPARK.ident(version)}"
        conditions = [f"({target} IS NULL OR _sluiceway_s._mark >= {target})"]
        loses = f"{old} IS NOT NULL AND ({new} IS NULL OR {new} < {old})"
        beaten = f" WHERE NOT EXISTS (SELECT 1 FROM {n.table} AS {OLD} WHERE {n.keys(OLD, NEW)} AND {loses})"
    gone = f"{_marker(types, _text('delete'), keys, mark, 'NULL')} FROM {n.new}"
    come = f"{_row(_text('insert'), none, 'NULL', 'NULL', _values(n, types, {}))} FROM {n.new}{beaten}"
    return Changes(f"{gone} UNION ALL {come}", _applied(n, types, conditions, [_DELETED]))


def _scd2(n: Names, types: Mapping[str, str], options: Scd2) -> Changes:
    work, indexes = SPARK.ident(WORK), range(len(n.order.key))
    of_work = [f"w.k{i}" for i in indexes]
    op = f"CASE WHEN w.t_ends = w.t_at THEN {_text('delete')} ELSE {_text('update')} END"
    parts = [f"{_marker(types, op, of_work, 'w.t_at', 'w.t_ends')} FROM {work} AS w WHERE w.is_new = 0"]
    if options.on_delete == "close":
        now, begins = SPARK.literal(n.order.started_at), n.column(OLD, options.valid_from)
        op = f"CASE WHEN {begins} >= {now} THEN {_text('delete')} ELSE {_text('update')} END"
        keys = [n.column(OLD, k) for k in n.order.key]
        parts.append(
            f"{_marker(types, op, keys, begins, now)} FROM {n.table} AS {OLD} "
            f"WHERE {n.column(OLD, options.valid_to)} IS NULL "
            f"AND NOT EXISTS (SELECT 1 FROM {n.new} WHERE {n.keys(OLD, NEW)})"
        )
    values = _values(n, types, {options.valid_from: "w.t_at", options.valid_to: "w.t_ends"})
    joined = " AND ".join(f"w.k{i} = {n.column(NEW, k)}" for i, k in enumerate(n.order.key))
    parts.append(
        f"{_row(_text('insert'), ['NULL' for _ in indexes], 'NULL', 'NULL', values)} FROM {n.new} "
        f"JOIN {work} AS w ON {joined} AND w.t_at = {moment(n, options, NEW)} AND w.is_new = 1"
    )
    begins, ends = SPARK.ident(options.valid_from), SPARK.ident(options.valid_to)
    matched = [_DELETED, f"_op = 'update' THEN UPDATE SET {ends} = _sluiceway_s._ends"]
    return Changes(
        " UNION ALL ".join(parts),
        _applied(n, types, [f"_sluiceway_t.{begins} = _sluiceway_s._mark"], matched),
    )


def _text(value: str) -> str:
    return SPARK.literal(value)
