"""The SQL of a publish, for any warehouse that publishes by statements. Pure: texts in, texts out.

``load`` gives what a load mode does to a table, once the table exists and has the columns. In one
transaction a sink does::

    plan = load(POSTGRES, ("mart", "orders"), staging, columns, order)
    late = plan.carry_out(execute, count, table)       # raises where the publish is refused: roll back

where ``staging`` is a relation, or a SELECT in parentheses, that holds exactly the good rows, and
``columns`` are its columns, all of them in the target too. Columns of the target that the batch lacks
become NULL in the rows written. The session's time zone must be UTC. The plain statements (DELETE,
UPDATE, INSERT … SELECT with EXISTS, window functions) mean the same on DuckDB and what it attaches,
PostgreSQL and MariaDB; ``dialects`` holds what differs. The ``_sluiceway`` tables: see ``ledger``.

What the modes mean:

- **append**: the rows are added. **replace**: they take the place of all rows.
- **merge**: a batch row takes the place of the rows with its key. With ``version`` it does so only
  where it is at least as new; a NULL version is older than any. ``late`` counts the losers.
- **scd2**: rows are facts "from ``effective_at`` on (else ``started_at``) the key looks like this".
  A fact that repeats what the table says of that moment changes nothing. Any other ends the version
  that covers its moment and begins one that lasts as long as the one it cut, or to the next version.
  A fact at or before what the table knows of its key is late: it splits, or blocks. ``effective_at``
  itself is not compared. ``on_delete: close`` ends, at ``started_at``, keys that the batch lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sluiceway.connectors.dialects import DUCKDB, MYSQL, POSTGRES, Dialect
from sluiceway.errors import DataQualityError, DestinationError
from sluiceway.exchange import PublishOrder, Scd2, Staged, Verdict

__all__ = [
    "DUCKDB",
    "MYSQL",
    "POSTGRES",
    "Check",
    "Dialect",
    "Load",
    "check_order",
    "load",
]

NEW = "_sluiceway_new"
"""The alias of the staging relation in every statement."""
_OLD = "_sluiceway_old"
_WORK = "_sluiceway_scd2"
_SO_FAR = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
_FAR = "9999-12-31 00:00:00"


@dataclass(frozen=True)
class Check:
    """``sql`` counts rows that forbid the publish; ``message`` says what they are, ``hint`` what to do."""

    sql: str
    message: str
    hint: str

    def enforce(self, count: int, table: str) -> None:
        """Raise DataQualityError where ``count`` is above 0: data, not the destination, is at fault."""
        if count:
            raise DataQualityError(
                f"{table}: {count} {self.message}",
                hint=self.hint,
                details={"rows": count},
            )


@dataclass(frozen=True)
class Load:
    """``prepare`` (a temporary table), then ``checks``, then ``late`` (a SELECT of one number), then
    ``statements``, each in order and all in one transaction, which ``before`` goes before. Only
    ``statements`` touch the target."""

    statements: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    late: str | None = None
    before: tuple[str, ...] = ()

    def ready(self, execute: Callable[[str], object], count: Callable[[str], int], table: str) -> int:
        """All that goes before the target is touched; the number of late rows.

        Args:
            execute: run a statement. ``count``: the number that a SELECT gives. ``table``: for messages.

        Raises:
            DestinationError: a check refuses the publish.
        """
        for sql in self.prepare:
            execute(sql)
        for check in self.checks:
            check.enforce(count(check.sql), table)
        return count(self.late) if self.late else 0

    def carry_out(self, execute: Callable[[str], object], count: Callable[[str], int], table: str) -> int:
        """The whole load, in the caller's transaction; see ``ready``."""
        late = self.ready(execute, count, table)
        for sql in self.statements:
            execute(sql)
        return late


def check_order(verdict: Verdict, staged: Staged, order: PublishOrder) -> None:
    """Refuse to publish without a verdict of this very staging, or against it.

    Raises:
        DataQualityError: the verdict blocks.
        DestinationError: it belongs to another staging or run, or the order does not hold together.
    """
    if not isinstance(verdict, Verdict):
        raise DestinationError("nothing is published without a verdict of the gate")
    if verdict.outcome == "block":
        why = "; ".join(verdict.reasons) or "no reason given"
        raise DataQualityError(f"the gate blocked {order.table}: {why}")
    if verdict.staging_id != staged.id or verdict.run_id != order.run_id:
        raise DestinationError(
            f"the verdict is of staging '{verdict.staging_id}' of run '{verdict.run_id}', not of "
            f"'{staged.id}' of run '{order.run_id}'",
            hint="run the gate over the rows that are to be published",
        )
    if staged.rows != staged.published + staged.quarantined_rows:
        raise DestinationError(
            f"{order.table}: staged {staged.rows} rows, but {staged.published} to publish and "
            f"{staged.quarantined_rows} to quarantine"
        )
    if order.mode in ("merge", "scd2") and not order.key:
        raise DestinationError(
            f"{order.table}: mode {order.mode} needs a key",
            hint="add primary_key to the destination",
        )
    if order.mode == "scd2":
        _check_scd2(staged, order)
    missing = [c for c in (*order.key, *filter(None, [order.version])) if c not in staged.schema]
    if missing:
        raise DestinationError(f"{order.table}: the rows have no column '{missing[0]}'")


def _check_scd2(staged: Staged, order: PublishOrder) -> None:
    options = order.scd2 or Scd2()
    for name in (options.valid_from, options.valid_to):
        if name in staged.schema:
            raise DestinationError(
                f"{order.table}: the rows bring a column '{name}', which scd2 writes itself",
                hint=f"drop or rename {name} in the transform",
            )
    if options.effective_at is not None and options.effective_at not in staged.schema:
        raise DestinationError(f"{order.table}: the rows have no column '{options.effective_at}'")


def load(
    dialect: Dialect,
    target: Sequence[str],
    staging: str,
    columns: Sequence[str],
    order: PublishOrder,
    *,
    reads: Mapping[str, str] | None = None,
    prefixes: Sequence[str] = (),
) -> Load:
    """The statements of ``order.mode``.

    Args:
        target: the parts of the table's name, such as ``("lake", "mart", "orders")``.
        staging: what stands in FROM, without an alias.
        reads: columns of the target that are stored as another type than they mean -> that type
            (SQLite keeps a TIMESTAMP as text).
        prefixes: of the key's columns, how much of each an index takes, where one is needed.

    >>> from datetime import datetime
    >>> from sluiceway.schema import TableName
    >>> order = PublishOrder("r", "p", TableName("mart", "t"), "append", datetime(2026, 1, 1))
    >>> load(DUCKDB, ("mart", "t"), "staging", ["a"], order).statements[0]
    'INSERT INTO "mart"."t" ("a") SELECT _sluiceway_new."a" FROM staging AS _sluiceway_new'
    """
    names = _Names(dialect, tuple(target), staging, tuple(columns), order, reads or {}, tuple(prefixes))
    match order.mode:
        case "append":
            return Load((names.insert(),))
        case "replace":
            return Load((dialect.empty(names.table), names.insert()))
        case "merge":
            return _merge(names)
        case "scd2":
            return _scd2(names, order.scd2 or Scd2())


@dataclass(frozen=True)
class _Names:
    dialect: Dialect
    target: tuple[str, ...]
    staging: str
    columns: tuple[str, ...]
    order: PublishOrder
    reads: Mapping[str, str]
    prefixes: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return self.dialect.relation(*self.target)

    @property
    def new(self) -> str:
        return f"{self.staging} AS {NEW}"

    def column(self, side: str, name: str) -> str:
        text = f"{side}.{self.dialect.ident(name)}"
        return self._read(text, name) if side == _OLD else text

    def _read(self, text: str, name: str) -> str:
        return f"CAST({text} AS {self.reads[name]})" if name in self.reads else text

    def of_target(self, name: str) -> str:
        """Inside DELETE and UPDATE, where not every system lets the target have an alias."""
        return self._read(self.dialect.relation(self.target[-1], name), name)

    def keys(self, left: str, right: str) -> str:
        return " AND ".join(f"{self.column(left, k)} = {self.column(right, k)}" for k in self.order.key)

    def keys_of_target(self, other: str) -> str:
        return " AND ".join(f"{self.column(other, k)} = {self.of_target(k)}" for k in self.order.key)

    def insert(self, where: str = "") -> str:
        names = ", ".join(self.dialect.ident(c) for c in self.columns)
        values = ", ".join(self.column(NEW, c) for c in self.columns)
        return f"INSERT INTO {self.table} ({names}) SELECT {values} FROM {self.new}{where}"


def _merge(n: _Names) -> Load:
    version = n.order.version
    if version is None:
        return Load(
            (
                f"DELETE FROM {n.table} WHERE EXISTS (SELECT 1 FROM {n.new} WHERE {n.keys_of_target(NEW)})",
                n.insert(),
            )
        )
    new, target, old = (
        n.column(NEW, version),
        n.of_target(version),
        n.column(_OLD, version),
    )
    same_key = f"SELECT 1 FROM {n.table} AS {_OLD} WHERE {n.keys(_OLD, NEW)}"
    loses = f"{old} IS NOT NULL AND ({new} IS NULL OR {new} < {old})"
    beaten = (
        f"SELECT 1 FROM {n.new} WHERE {n.keys_of_target(NEW)} AND ({target} IS NULL OR {new} >= {target})"
    )
    return Load(
        (
            f"DELETE FROM {n.table} WHERE EXISTS ({beaten})",
            # a row of the key that is still there was newer
            n.insert(f" WHERE NOT EXISTS ({same_key})"),
        ),
        late=f"SELECT count(*) FROM {n.new} WHERE EXISTS ({same_key} AND {loses})",
    )


def _scd2(n: _Names, options: Scd2) -> Load:
    d = n.dialect
    moment = _moment(n, options, NEW)
    begin, end = d.ident(options.valid_from), d.ident(options.valid_to)
    key_list = ", ".join(n.column(NEW, k) for k in n.order.key)
    checks = []
    if options.effective_at is not None:
        checks.append(
            Check(
                f"SELECT count(*) FROM {n.new} WHERE {n.column(NEW, options.effective_at)} IS NULL",
                f"rows have no {options.effective_at}, so nobody knows from when on they hold",
                f"add the rule not_null: {options.effective_at}",
            )
        )
    by = key_list if options.effective_at is None else f"{key_list}, {moment}"
    checks.append(
        Check(
            f"SELECT count(*) FROM (SELECT 1 AS one FROM {n.new} GROUP BY {by} HAVING count(*) > 1) AS ties",
            "keys have several versions at one moment in the batch",
            "deduplicate by the key and effective_at before the load",
        )
    )
    work = d.ident(_WORK)
    if options.late == "block":
        checks.append(
            Check(
                f"SELECT count(*) FROM {work} WHERE is_new = 1 AND is_late = 1",
                "rows are older than what the table already says of their keys",
                "set scd2: {late: split} to let them split the intervals they fall into",
            )
        )
    at_target = " AND ".join(
        [*(f"w.k{i} = {n.of_target(k)}" for i, k in enumerate(n.order.key)),
         f"w.t_at = {n.of_target(options.valid_from)}"]
    )  # fmt: skip
    cut_of = f"w.is_new = 0 AND {at_target}"
    cut = f"FROM {work} AS w WHERE {cut_of}"
    names = ", ".join([*(d.ident(c) for c in n.columns), begin, end])
    values = ", ".join([*(n.column(NEW, c) for c in n.columns), "w.t_at", "w.t_ends"])
    joined = " AND ".join(f"w.k{i} = {n.column(NEW, k)}" for i, k in enumerate(n.order.key))
    insert = (
        f"INSERT INTO {n.table} ({names}) SELECT {values} FROM {n.new} "
        f"JOIN {work} AS w ON {joined} AND w.t_at = {moment} AND w.is_new = 1"
    )
    work_rows = f"SELECT * FROM ({_timeline(n, options)}) AS t WHERE is_new = 1 OR is_cut = 1"
    return Load(
        (
            *_close(n, options),
            f"DELETE FROM {n.table} WHERE EXISTS (SELECT 1 {cut} AND w.t_ends = w.t_at)",
            d.updated(n.table, end, "w.t_ends", f"{work} AS w", cut_of),
            insert,
            d.drop_temporary(_WORK),
        ),
        before=d.made_before(_WORK, work_rows),
        prepare=d.temporary(
            _WORK,
            work_rows,
            ", ".join(f"k{i}{prefix}" for i, prefix in enumerate(n.prefixes)),
        ),
        checks=tuple(checks),
    )


def _moment(n: _Names, options: Scd2, side: str) -> str:
    if options.effective_at is None:
        return n.dialect.literal(n.order.started_at)
    return n.dialect.timestamp(n.column(side, options.effective_at))


def _close(n: _Names, options: Scd2) -> tuple[str, ...]:
    """Open versions whose key the snapshot lacks end now; those that begin later never were."""
    if options.on_delete == "ignore":
        return ()
    now = n.dialect.literal(n.order.started_at)
    end = n.dialect.ident(options.valid_to)
    begins = n.of_target(options.valid_from)
    gone = (
        f"{n.of_target(options.valid_to)} IS NULL "
        f"AND NOT EXISTS (SELECT 1 FROM {n.new} WHERE {n.keys_of_target(NEW)})"
    )
    return (
        f"DELETE FROM {n.table} WHERE {begins} >= {now} AND {gone}",
        f"UPDATE {n.table} SET {end} = {now} WHERE {gone}",
    )


def _timeline(n: _Names, options: Scd2) -> str:
    """Old versions and new facts of the batch's keys on one line, without facts that say nothing new.

    Columns: k0 … (key), t_at, is_new, t_ends (NULL is open), is_cut (an old version whose end changes;
    where ``t_ends = t_at`` a new one takes its place), is_late.
    """
    d = n.dialect
    keys = [f"k{i}" for i in range(len(n.order.key))]
    tracked = [c for c in n.columns if c not in n.order.key and c != options.effective_at]
    facts = [f"c{i}" for i in range(len(tracked))]

    def side(alias: str, at: str, until: str, is_new: int) -> str:
        columns = [
            *(f"{n.column(alias, c)} AS {k}" for c, k in zip(n.order.key, keys, strict=True)),
            *(f"{n.column(alias, c)} AS {f}" for c, f in zip(tracked, facts, strict=True)),
            f"{at} AS t_at", f"{until} AS t_until", f"{is_new} AS is_new",
        ]  # fmt: skip
        return f"SELECT {', '.join(columns)} FROM "

    far = d.timestamp(f"'{_FAR}'")
    old = (
        side(
            _OLD,
            n.column(_OLD, options.valid_from),
            f"COALESCE({n.column(_OLD, options.valid_to)}, {far})",
            0,
        )
        + f"{n.table} AS {_OLD} WHERE EXISTS (SELECT 1 FROM {n.new} WHERE {n.keys(_OLD, NEW)})"
    )
    events = f"{old} UNION ALL {side(NEW, _moment(n, options, NEW), d.timestamp('NULL'), 1)}{n.new}"
    part = ", ".join(keys)
    line = f"PARTITION BY {part} ORDER BY t_at, is_new"
    placed = (  # covers: the end of the last old version that began; where it is later, t_at lies inside
        f"SELECT *, max(t_until) OVER ({line} {_SO_FAR}) AS covers, "
        f"max(CASE WHEN is_new = 0 THEN t_at END) OVER (PARTITION BY {part}) AS last_at, "
        f"max(CASE WHEN t_until < {far} THEN t_until END) OVER (PARTITION BY {part}) AS last_until "
        f"FROM ({events}) AS events"
    )
    inside = "COALESCE(covers > t_at, FALSE)"
    compared = (
        f"SELECT *, CASE WHEN {inside} THEN 1 ELSE 0 END AS inside, lag(is_new) OVER ({line}) AS p_new, "
        f"lag(CASE WHEN {inside} THEN 1 ELSE 0 END) OVER ({line}) AS p_inside"
        + "".join(f", lag({f}) OVER ({line}) AS p_{f}" for f in facts)
        + f" FROM ({placed}) AS placed"
    )
    unchanged = " AND ".join(d.same(f, f"p_{f}") for f in facts) or "1 = 1"
    known = f"(inside = 1 OR (COALESCE(p_new, 0) = 1 AND p_inside = 0)) AND {unchanged}"
    kept = f"SELECT * FROM ({compared}) AS compared WHERE is_new = 0 OR NOT ({known})"
    followed = f"SELECT *, lead(t_at) OVER ({line}) AS next_at FROM ({kept}) AS kept"
    bound = f"CASE WHEN is_new = 0 OR inside = 1 THEN covers ELSE {far} END"
    ends = f"CASE WHEN next_at IS NOT NULL AND next_at < {bound} THEN next_at ELSE {bound} END"
    late = "(last_at IS NOT NULL AND last_at >= t_at) OR (last_until IS NOT NULL AND last_until > t_at)"
    return (
        f"SELECT {part}, t_at, is_new, CASE WHEN {ends} = {far} THEN NULL ELSE {ends} END AS t_ends, "
        f"CASE WHEN is_new = 0 AND {ends} <> t_until THEN 1 ELSE 0 END AS is_cut, "
        f"CASE WHEN {late} THEN 1 ELSE 0 END AS is_late FROM ({followed}) AS followed"
    )
