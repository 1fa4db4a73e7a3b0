"""The SQL of ``mode: scd2``: what it means stands in ``loading``."""

from __future__ import annotations

from sluiceway.connectors.loadnames import NEW, OLD, Check, Load, Names
from sluiceway.exchange import Scd2

__all__ = ["WORK", "moment", "scd2"]

WORK = "_sluiceway_scd2"
"""The table, temporary where there are such, that old versions and new facts meet in."""
_SO_FAR = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
_FAR = "9999-12-31 00:00:00"


def scd2(n: Names, options: Scd2) -> Load:
    d = n.dialect
    at = moment(n, options, NEW)
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
    by = key_list if options.effective_at is None else f"{key_list}, {at}"
    checks.append(
        Check(
            f"SELECT count(*) FROM (SELECT 1 AS one FROM {n.new} GROUP BY {by} HAVING count(*) > 1) AS ties",
            "keys have several versions at one moment in the batch",
            "deduplicate by the key and effective_at before the load",
        )
    )
    work = d.ident(WORK)
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
        f"JOIN {work} AS w ON {joined} AND w.t_at = {at} AND w.is_new = 1"
    )
    work_rows = f"SELECT * FROM ({_timeline(n, options)}) AS t WHERE is_new = 1 OR is_cut = 1"
    return Load(
        (
            *_close(n, options),
            f"DELETE FROM {n.table} WHERE EXISTS (SELECT 1 {cut} AND w.t_ends = w.t_at)",
            d.updated(n.table, end, "w.t_ends", f"{work} AS w", cut_of),
            insert,
            d.drop_temporary(WORK),
        ),
        before=d.made_before(WORK, work_rows),
        prepare=d.temporary(
            WORK,
            work_rows,
            ", ".join(f"k{i}{prefix}" for i, prefix in enumerate(n.prefixes)),
        ),
        checks=tuple(checks),
    )


def moment(n: Names, options: Scd2, side: str) -> str:
    if options.effective_at is None:
        return n.dialect.literal(n.order.started_at)
    return n.dialect.timestamp(n.column(side, options.effective_at))


def _close(n: Names, options: Scd2) -> tuple[str, ...]:
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


def _timeline(n: Names, options: Scd2) -> str:
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
            OLD,
            n.column(OLD, options.valid_from),
            f"COALESCE({n.column(OLD, options.valid_to)}, {far})",
            0,
        )
        + f"{n.table} AS {OLD} WHERE EXISTS (SELECT 1 FROM {n.new} WHERE {n.keys(OLD, NEW)})"
    )
    events = f"{old} UNION ALL {side(NEW, moment(n, options, NEW), d.timestamp('NULL'), 1)}{n.new}"
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
