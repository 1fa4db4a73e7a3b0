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

from collections.abc import Mapping, Sequence

from sluiceway.connectors.dialects import DUCKDB, MYSQL, POSTGRES, Dialect
from sluiceway.connectors.loadnames import NEW, OLD, Check, Load, Names
from sluiceway.connectors.loadscd2 import scd2
from sluiceway.errors import DataQualityError, DestinationError
from sluiceway.exchange import PublishOrder, Scd2, Staged, Verdict

__all__ = [
    "DUCKDB",
    "MYSQL",
    "POSTGRES",
    "Check",
    "Dialect",
    "Load",
    "check_kept",
    "check_order",
    "load",
]


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


def check_kept(system: str, refused: Mapping[str, str], staged: Staged, order: PublishOrder) -> None:
    """Refuse a type that the warehouse can't keep. ``refused``: column -> what to do about it.

    Raises:
        DestinationError: there is one; trying again would not help.
    """
    for column, hint in refused.items():
        raise DestinationError(
            f"{order.table}: {system} can't keep column '{column}' ({staged.schema[column].type})",
            hint=hint,
            details={"final": True},
        )


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
    names = Names(dialect, tuple(target), staging, tuple(columns), order, reads or {}, tuple(prefixes))
    match order.mode:
        case "append":
            return Load((names.insert(),))
        case "replace":
            return Load((dialect.empty(names.table), names.insert()))
        case "merge":
            return _merge(names)
        case "scd2":
            return scd2(names, order.scd2 or Scd2())


def _merge(n: Names) -> Load:
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
        n.column(OLD, version),
    )
    same_key = f"SELECT 1 FROM {n.table} AS {OLD} WHERE {n.keys(OLD, NEW)}"
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
