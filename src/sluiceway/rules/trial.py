"""One rule, tried on tables: for the tests of rules, ours and a plugin's.

The gate fuses many rules into few scans; here each runs by itself, from the same expressions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.rules.base import BATCH, Judgement, Rule, RuleContext
from sluiceway.rules.fuse import Check, assign, judged, scan_query, values_of
from sluiceway.sql.primitives import lower

if TYPE_CHECKING:
    import duckdb

__all__ = ["failing_rows", "statements", "try_rule"]


def _check(rule: Rule, ctx: RuleContext) -> Check:
    rule.validate_for(ctx)
    return assign([Check(rule.name or rule.default_id(), rule, ctx.where, ctx, ctx.phase)])[0]


def _blamed(check: Check, *columns: exp.Expr) -> exp.Select | None:
    blame = check.blame()
    if blame is None:
        return None
    return exp.select(*columns).from_(exp.table_(BATCH, quoted=True)).where(blame)


def statements(rule: Rule, ctx: RuleContext) -> list[str]:
    """Every statement that judges ``rule``, in DuckDB's dialect: aggregates, queries, bad rows.

    Raises:
        PlanError: the rule does not fit the schema.
    """
    check = _check(rule, ctx)
    scan = scan_query([check], BATCH, aggregates=True)
    trees: list[exp.Query | None] = [scan, *check.measures.queries]
    trees.append(_blamed(check, exp.alias_(exp.Count(this=exp.Star()), "failing", quoted=True)))
    return [lower(tree, "duckdb").sql("duckdb") for tree in trees if tree is not None]


def try_rule(con: duckdb.DuckDBPyConnection, rule: Rule, ctx: RuleContext) -> Judgement:
    """Judge ``rule`` over the relations of ``con``: ``_batch``, and ``_target`` and parents by name.

    >>> from sluiceway.duck import open_duckdb
    >>> from sluiceway.errors import Where
    >>> from sluiceway.rules.range import Range
    >>> from sluiceway.schema import Schema
    >>> con = open_duckdb()
    >>> _ = con.execute("CREATE VIEW _batch AS SELECT * FROM (VALUES (1), (20), (NULL)) AS t(n)")
    >>> (rule,) = Range.parse({"column": "n", "max": 9}, {})
    >>> try_rule(con, rule, RuleContext(Schema.of({"n": "INTEGER"}), Where())).failing
    1
    """
    check = _check(rule, ctx)
    if check.measures.aggregates or check.measures.queries or check.bit is None:
        result = judged(check, _values(con, check))
        if result.exact:
            return result
    else:
        result = Judgement(0, _one(con, _total(check))["n"])
    counted = _blamed(check, exp.alias_(exp.Count(this=exp.Star()), "failing", quoted=True))
    if counted is None:
        raise TypeError(f"{rule.kind} says that rows fail but not which")
    return replace(result, failing=_one(con, counted)["failing"], exact=True)


def failing_rows(con: duckdb.DuckDBPyConnection, rule: Rule, ctx: RuleContext) -> list[tuple[Any, ...]]:
    """The rows that ``rule`` blames."""
    query = _blamed(_check(rule, ctx), exp.Star())
    if query is None:
        raise TypeError(f"{rule.kind} judges the table as a whole")
    return con.execute(lower(query, "duckdb").sql("duckdb")).fetchall()


def _total(check: Check) -> exp.Select:
    query = exp.select(exp.alias_(exp.Count(this=exp.Star()), "n")).from_(exp.table_(BATCH, quoted=True))
    only = check.filter()
    return query if only is None else query.where(only)


def _values(con: duckdb.DuckDBPyConnection, check: Check) -> dict[str, Any]:
    values: dict[str, Any] = {}
    scan = scan_query([check], BATCH, aggregates=True)
    if scan is not None:
        values.update(values_of(0, _one(con, scan)))
    for query in check.measures.queries:
        values.update(_one(con, query))
    return values


def _one(con: duckdb.DuckDBPyConnection, query: exp.Query) -> dict[str, Any]:
    found = con.execute(lower(query, "duckdb").sql("duckdb"))
    names = [column[0] for column in found.description or ()]
    (row,) = found.fetchall()
    return dict(zip(names, row, strict=True))
