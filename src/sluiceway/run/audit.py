"""Evaluate checks: over a staging by its masks, or over data in place by its predicates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.exchange import MASK_COLUMN
from sluiceway.rules.base import BATCH, Judgement, RowRule, RuleContext
from sluiceway.rules.fuse import (
    BITS,
    Check,
    any_bit,
    bit_value,
    failing_by_bit,
    judged,
    mask_column,
    mask_columns,
    masks_query,
    scan_query,
    values_of,
)
from sluiceway.run.result import CheckResult
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sluiceway.engines.base import Engine, Stage
    from sluiceway.run.bind import Relations
    from sluiceway.run.quarantine_rows import Kept
    from sluiceway.schema import Schema

__all__ = ["ALL", "GOOD", "Audit", "Sampling", "fix_result"]

ALL = "_staged"
"""Every staged row, with its masks."""
GOOD = "_good"
"""The staged rows that would be published."""
_FEW = 64
"""Values that are listed one by one in a condition."""


@dataclass
class Audit:
    """Evaluates checks on one engine and counts the scans it took."""

    engine: Engine
    relations: Relations
    binds: Mapping[str, Any]
    scans: int = 0
    sampled: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    combined: list[tuple[Any, ...]] = field(default_factory=list)
    """Combinations of bits that ``ALL`` was found to hold, each with its rows."""

    def query(self, tree: exp.Query) -> list[tuple[Any, ...]]:
        return self.engine.query(self.relations.compile(tree), self.binds)

    def one(self, tree: exp.Query) -> dict[str, Any]:
        """The single row of a query, by column name."""
        self.scans += 1
        names = [e.alias_or_name for e in tree.selects]
        row = self.query(tree)[0]
        return dict(zip(names, row, strict=True))

    # staged -----------------------------------------------------------------------------------------

    def masked(self, checks: Sequence[Check], rows: int) -> dict[str, CheckResult]:
        """Row checks that were decided while staging, out of the masks of ``ALL``."""
        mine = [check for check in checks if check.in_pass]
        if not mine:
            return {}
        query = masks_query(checks, ALL)
        self.combined = self.query(query) if query is not None else []
        counts = failing_by_bit(self.combined, checks) if query is not None else {}
        self.scans += query is not None
        totals = self._totals(mine, ALL)
        return {
            check.id: row_result(check, counts.get(check.id, 0), totals.get(check.id, rows)) for check in mine
        }

    def _totals(self, checks: Sequence[Check], relation: str) -> dict[str, int]:
        """Rows that match each check's ``where``."""
        query = scan_query(checks, relation, totals=True)
        if query is None:
            return {}
        row = self.one(query)
        return {check.id: row[f"t{i}"] for i, check in enumerate(checks) if f"t{i}" in row}

    def beside(self, checks: Sequence[Check], rows: int) -> dict[str, CheckResult]:
        """Checks that look at rows beside one another, over ``_batch``; each by its own query."""
        results = {}
        for check in checks:
            if check.in_pass or check.measures.aggregates:
                continue
            if isinstance(check.rule, RowRule):
                failing = self.blamed(check)
                results[check.id] = row_result(check, failing, self._total(check, rows))
            else:
                results[check.id] = self.table(check, {}, rows)
        return results

    def _total(self, check: Check, rows: int) -> int:
        return self._totals([check], BATCH).get(check.id, rows)

    def blamed(self, check: Check) -> int:
        """How many rows of ``_batch`` a check turns down."""
        blame = check.blame()
        if blame is None:
            return 0
        self.scans += 1
        query = exp.select(call("count_if", blame)).from_(exp.table_(BATCH))
        return int(self.query(query)[0][0])

    def table(self, check: Check, values: Mapping[str, Any], rows: int) -> CheckResult:
        """A table rule: its own queries, its judgement, and an exact count where it asks for one."""
        found = dict(values)
        for query in check.measures.queries:
            found.update(self.one(query))
        judgement = judged(check, found)
        if not judgement.exact:
            total = self._total(check, rows)
            judgement = replace(judgement, failing=self.blamed(check), total=total, exact=True)
        return table_result(check, judgement)

    def aggregates(self, checks: Sequence[Check], rows: int, relation: str) -> dict[str, CheckResult]:
        """Table rules over aggregates, all in one scan of the publishable rows."""
        mine = [check for check in checks if check.measures.aggregates]
        query = scan_query(mine, relation, aggregates=True)
        row = self.one(query) if query is not None else {}
        return {check.id: self.table(check, values_of(i, row), rows) for i, check in enumerate(mine)}

    # in place ---------------------------------------------------------------------------------------

    def in_place(
        self, checks: Sequence[Check], rows: int | None = None, sampling: Sampling | None = None
    ) -> tuple[int, dict[str, CheckResult]]:
        """All checks over ``_batch`` as it stands.

        What metadata proves is not read. Aggregates share one scan. Row checks do so too, unless the
        engine prunes: then each is a query of its own, which gives its samples on the way (``sampled``).
        """
        removed = [c.blame() for c in checks if c.in_pass and c.turns_away]
        gone = exp.or_(*[b for b in removed if b is not None]) if removed else None
        results = {}
        for check in checks:
            # what metadata proves of all rows it does not prove of those that would be published
            known = rows is not None and (gone is None or check.in_pass)
            result = proven(check, rows) if known and rows is not None else None
            if result is not None:
                results[check.id] = result
        left = [check for check in checks if check.id not in results]
        alone = [c for c in left if c.in_pass] if self.engine.capabilities.prunes else []
        apart = frozenset(check.id for check in alone)
        shared = [c for c in left if (c.in_pass and c.id not in apart) or c.measures.aggregates]
        query = scan_query(
            [*shared, *alone],
            BATCH,
            predicates=rows is None or len(shared) > 0,
            totals=True,
            aggregates=True,
            publishable=exp.not_(exp.paren(gone)) if gone is not None else None,
            apart=apart,
        )
        row = self.one(query) if query is not None else {}
        n = rows if rows is not None else int(row["n"])
        for i, check in enumerate([*shared, *alone]):
            total = row.get(f"t{i}", n)
            if check.id in apart:
                results[check.id] = row_result(check, self.counted(check, sampling), total)
            elif check.in_pass:
                results[check.id] = row_result(check, row[f"f{i}"], total)
            else:
                results[check.id] = self.table(check, values_of(i, row), n)
        results.update(self.beside([c for c in left if c.id not in results], n))
        return n, results

    def counted(self, check: Check, sampling: Sampling | None) -> int:
        """The failing rows of one check by a WHERE of its own, and samples of them on the way."""
        select = exp.select(exp.alias_(exp.Count(this=exp.Star()), "n"))
        found = sampling.columns(check) if sampling is not None else []
        if found and sampling is not None:
            texts = [k.text for k in found]
            select = select.select(exp.alias_(call("least_rows", sampling.limit, *texts), "rows"))
        select = select.from_(exp.table_(BATCH, quoted=True)).where(check.matching())
        row = self.one(select)
        if sampling is not None and row.get("rows"):
            self.sampled[check.id] = [sampling.shown(found, values) for values in row["rows"]]
        return int(row["n"])

    # rows -------------------------------------------------------------------------------------------

    def samples(self, check: Check, relation: str, sampling: Sampling) -> list[dict[str, Any]]:
        """At most ``limit`` failing rows: the key and the judged columns, hidden ones masked."""
        if check.id in self.sampled:
            return self.sampled[check.id]
        blame = check.matching() if relation == BATCH or check.bit is None else self._with_bit(check.bit)
        found = sampling.columns(check)
        if blame is None or not found:
            return []
        columns = [exp.alias_(k.text, k.name, quoted=True) for k in found]
        query = exp.select(*columns).from_(exp.table_(relation, quoted=True)).where(blame)
        # any of them will do, so no order is asked for, which a translated LIMIT would need
        sql = f"{self.relations.compile(query)} LIMIT {sampling.limit}"
        return [sampling.shown(found, row) for row in self.engine.query(sql, self.binds)]

    def _with_bit(self, bit: int) -> exp.Expr | None:
        """Rows of ``ALL`` with a bit set, by the few values of their mask: an engine skips other rows by
        that, which it does not by an expression of bits."""
        place, value = bit // BITS, bit_value(bit)
        values = sorted({row[place] for row in self.combined if row[place] & value})
        if not 0 < len(values) <= _FEW:
            return any_bit([bit])
        column = exp.column(mask_column(bit), quoted=True)
        return exp.In(this=column, expressions=[exp.Literal.number(v) for v in values])


@dataclass(frozen=True)
class Sampling:
    """What a sample of a failing row shows: its key and the judged columns.

    ``kept``: the columns that the relation has, and where; ``hidden``: those that are masked, in lower
    case; ``limit``: rows a check.
    """

    kept: Sequence[Kept]
    keys: Sequence[str] = ()
    hidden: frozenset[str] = frozenset()
    limit: int = 10

    def columns(self, check: Check) -> list[Kept]:
        if self.limit <= 0:
            return []
        wanted = {name.casefold() for name in (*self.keys, *check.rule.columns_used)}
        return [k for k in self.kept if k.name.casefold() in wanted]

    def shown(self, columns: Sequence[Kept], row: Sequence[Any]) -> dict[str, Any]:
        return {
            k.name: "***" if k.name.casefold() in self.hidden and value is not None else value
            for k, value in zip(columns, row, strict=True)
        }


def proven(check: Check, rows: int) -> CheckResult | None:
    """What metadata says of a check without reading; None where it says nothing."""
    if check.rule.where is not None:
        return None
    judgement = check.rule.proven(check.context, rows)
    return None if judgement is None else replace(table_result(check, judgement), proven=True)


def fix_result(check: Check, failing: int, total: int, fixed: int, unfixable: int) -> CheckResult:
    """A check whose rows were put right where that was possible.

    Args:
        failing: rows that failed as they came, or after a fix of another rule; ``fixed`` those that are
            published with another value; ``unfixable`` those that fail still.
    """
    words = check.rule.explanation()
    if failing:
        how = ", ".join(fix.said() for fix in check.rule.fixes)
        left = f", {unfixable:,} not" if unfixable else ""
        words = f"{failing:,} of {total:,} rows fail: {fixed:,} fixed by {how}{left}: {words}"
    return CheckResult(check, failing, total, failing, words, fixed=fixed, unfixable=unfixable)


def row_result(check: Check, failing: int, total: int) -> CheckResult:
    words = f"{failing:,} of {total:,} rows fail: {check.rule.explanation()}"
    return CheckResult(check, failing, total, failing, words if failing else check.rule.explanation())


def table_result(check: Check, judgement: Judgement) -> CheckResult:
    message = judgement.message
    if not message:
        words = check.rule.explanation()
        message = (
            f"{judgement.failing:,} of {judgement.total:,} fail: {words}" if judgement.failing else words
        )
    return CheckResult(
        check, judgement.failing, judgement.total, judgement.observed, message,
        scored=judgement.scored, metrics=judgement.metrics,
    )  # fmt: skip


def with_bounds(checks: Sequence[Check], bounds: Mapping[str, tuple[Any, Any, int | None]]) -> list[Check]:
    """The checks, their rules told what metadata proves; table rules measure anew with it."""
    out = []
    for check in checks:
        context: RuleContext = replace(check.context, bounds=bounds)
        told = replace(check, context=context)
        if check.measures.queries and hasattr(check.rule, "measures"):
            told = replace(told, measures=check.rule.measures(context))
        out.append(told)
    return out


def split(
    engine: Engine,
    relations: Relations,
    stage: Stage,
    masks: Sequence[str],
    blamed: Sequence[Check],
    binds: Mapping[str, Any],
    name: str,
) -> Stage:
    """Stage once more with the bits of ``blamed`` set on the rows of ``_batch`` that they turn down."""
    columns = [exp.column(c.name, quoted=True) for c in stage.schema if c.name not in masks]
    added: dict[str, list[exp.Expr]] = {mask: [exp.column(mask, quoted=True)] for mask in masks}
    for check in blamed:
        blame = check.blame()
        if blame is None or check.bit is None:
            continue
        zero, value = (exp.cast(exp.Literal.number(n), "BIGINT") for n in (0, bit_value(check.bit)))
        added[mask_column(check.bit)].append(exp.Case(default=zero).when(blame, value))
    sums = []
    for mask, parts in added.items():
        total: exp.Expr = parts[0]
        for part in parts[1:]:
            total = exp.Add(this=total, expression=part)
        sums.append(exp.alias_(total, mask, quoted=True))
    query = exp.select(*columns, *sums).from_(exp.table_(BATCH, quoted=True))
    bad = any_bit([c.bit for c in blamed if c.bit is not None])
    return engine.stage(name, relations.compile(query), parameters=binds, bad=bad)


def mask_names(checks: Sequence[Check], schema: Schema) -> tuple[str, ...]:
    """The mask columns that a staging has."""
    return tuple(name for name in mask_columns(checks) if name in schema) or (
        (MASK_COLUMN,) if MASK_COLUMN in schema else ()
    )
