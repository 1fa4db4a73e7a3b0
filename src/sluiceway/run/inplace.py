"""A plain scan judged where it lies and handed over from there, for destinations that write every row
anew: staging would write all rows once and read them once more than the load needs.

What is published is what was judged: the source's fingerprint is looked at after the judging, and again
after the destination has read the rows, before it commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.engines.base import Stage
from sluiceway.errors import DestinationError
from sluiceway.rules.base import BATCH
from sluiceway.rules.fuse import Check, mask_expressions
from sluiceway.run.judging import Judged
from sluiceway.run.quarantine_rows import Facts, quarantined_rows
from sluiceway.run.reading import unchanged
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.connectors.base import Source
    from sluiceway.plan.nodes import Stage as StageNode
    from sluiceway.run.audit import Sampling
    from sluiceway.run.execute import Execution
    from sluiceway.run.resolve import Resolved
    from sluiceway.run.result import CheckResult
    from sluiceway.schema import Schema

__all__ = ["Bounds", "handing_over", "judge_in_place", "metadata", "unstaged"]

Bounds = Mapping[str, tuple[Any, Any, int | None]]
"""Column -> (least, greatest, number of NULLs), as text."""
_LONGEST = 256
_NO_BOUNDS = frozenset({"nested", "json", "unknown", "blob", "interval"})


def metadata(source: Source) -> tuple[Bounds, int | None]:
    """What the source's own metadata proves: bounds by column, and the number of rows."""
    prove = getattr(source, "metadata", None)
    found: tuple[Bounds, int | None] = ({}, None)
    return prove() if prove is not None else found


def unstaged(execution: Execution, node: StageNode) -> Stage:
    """The result as if it were staged: its relations read the source. How many rows are set apart is not
    known yet. Bounds that metadata does not prove are looked for: a staging would have told them."""
    every = _select(execution, node)
    relation = _relation(execution, every)
    bounds, rows = metadata(execution.opened.sources[node.relation])
    if rows is None:
        rows = int(execution.engine.query(f"SELECT count(*) FROM {relation} AS _rows")[0][0])
    given = execution.plan.relations[node.relation]
    kept = {c.name: bounds[c.name] for c in execution.plan.output if _same(c.name, c.type, given, bounds)}
    kept |= _looked_for(execution, relation, rows, kept)
    return Stage(
        name="result", relation=relation, good=relation, bad=_relation(execution, every.where(exp.false())),
        schema=execution.plan.output, rows=rows, bounds=kept,
    )  # fmt: skip


def judge_in_place(
    execution: Execution,
    node: StageNode,
    stage: Stage,
    told: Sequence[Check],
    sampling: Sampling,
    facts: Facts,
) -> Judged:
    """As ``Execution.judge``, but for the aggregates, over rows that were not staged.

    Args:
        told: the gate's checks, which know the stage's bounds.
        facts: what stands beside a row in quarantine.
    """
    audit = execution.audit
    in_pass = [check for check in told if check.in_pass]
    execution.judge_in_place_of(node.relation)
    found = audit.in_place(in_pass, stage.rows, sampling)[1]
    # what metadata proved was not observed: a run says the number all the same
    results = {id_: replace(r, observed=r.failing) if r.proven else r for id_, r in found.items()}
    samples = {c.id: audit.samples(c, BATCH, sampling) for c in in_pass if results[c.id].failing}
    turning = [c for c in in_pass if c.turns_away]
    bad_rows = _bad_rows(execution, turning, results)
    judged = Judged(stage, stage, stage.rows, stage.rows - bad_rows, results)
    if bad_rows:
        good = _relation(execution, _select(execution, node).where(exp.not_(_any(turning))))
        judged.parted = replace(stage, good=good)
        bad = _select(execution, node)
        for name, mask in mask_expressions(turning, of=told).items():
            bad = bad.select(exp.alias_(mask, name, quoted=True))
        text = _relation(execution, bad.where(_any(turning)))
        judged.turned_away.append(quarantined_rows(turning, sampling.kept, text, facts, execution.dialect))
    good = f"SELECT * FROM {judged.parted.good} AS _good_rows"
    execution.relations.scan(BATCH, good, schema=stage.schema)
    results.update(audit.beside(told, judged.good_rows))
    beside = [c for c in told if c.id in results and not c.in_pass and c.bit is not None]
    samples |= {c.id: audit.samples(c, BATCH, sampling) for c in beside if results[c.id].failing}
    execution.samples.update({id_: rows for id_, rows in samples.items() if rows})
    return judged


@contextmanager
def handing_over(opened: Resolved) -> Iterator[None]:
    """The destination reads a source: what DuckDB says of that is told by the source."""
    import duckdb

    try:
        yield
    except DestinationError as error:
        cause = error.__cause__
        if isinstance(cause, duckdb.Error):
            unchanged(opened, cause=error)
            for source in opened.sources.values():
                told = source.failure(cause)
                if told is not None:
                    raise told from error
        raise


def _select(execution: Execution, node: StageNode) -> exp.Select:
    """The output's columns, without the masks."""
    columns = [e.copy() for e in node.query.selects[: len(execution.plan.output)]]
    return exp.select(*columns).from_(exp.table_(node.relation, quoted=True))


def _relation(execution: Execution, query: exp.Select) -> str:
    return f"({execution.relations.compile(query)})"


def _any(checks: Sequence[Check]) -> exp.Expr:
    """TRUE where one of them turns a row down, never NULL."""
    return exp.paren(exp.or_(*[blame for check in checks if (blame := check.blame()) is not None]))


def _bad_rows(execution: Execution, turning: Sequence[Check], results: Mapping[str, CheckResult]) -> int:
    """Rows that at least one check turns away; ``_batch`` is all rows."""
    found = [check for check in turning if results[check.id].failing]
    if len(found) < 2:
        return sum(results[check.id].failing for check in found)
    query = exp.select(exp.alias_(call("count_if", _any(found)), "n")).from_(exp.table_(BATCH, quoted=True))
    return int(execution.audit.one(query)["n"])


def _same(name: str, type_: str, given: Schema, bounds: Bounds) -> bool:
    """The destination takes the column as it is, so what is proven of it stays true."""
    return name in bounds and name in given.names and given[name].type.upper() == type_.upper()


def _looked_for(execution: Execution, relation: str, rows: int, known: Bounds) -> Bounds:
    """Bounds of the columns that metadata says too little about, by one scan of these columns."""
    wanted = []
    for column in execution.plan.output:
        low, _, nulls = known.get(column.name, (None, None, None))
        if column.family not in _NO_BOUNDS and (nulls is None or (low is None and nulls < rows)):
            wanted.append(column)
    if not wanted:
        return {}
    parts: list[exp.Expr] = []
    for column in wanted:
        value = exp.column(column.name, quoted=True)
        parts.append(exp.Count(this=value.copy()))
        parts += [_extreme(aggregate, value, column.family) for aggregate in (exp.Min, exp.Max)]
    named = [exp.alias_(part, f"v{i}") for i, part in enumerate(parts)]
    execution.relations.scan("_measured", f"SELECT * FROM {relation} AS _rows")
    row = execution.audit.query(exp.select(*named).from_(exp.table_("_measured")))[0]
    return {
        column.name: (row[3 * i + 1], row[3 * i + 2], rows - int(row[3 * i]))
        for i, column in enumerate(wanted)
    }


def _extreme(aggregate: type[exp.AggFunc], value: exp.Expr, family: str) -> exp.Expr:
    """As the statistics of a staging tell it: text, a long one cut; NaN is no bound; FALSE is 0."""
    given = exp.cast(value.copy(), "TINYINT", dialect="duckdb") if family == "boolean" else value.copy()
    found: exp.Expr = aggregate(this=given)
    if family == "float":
        found = exp.Filter(this=found, expression=exp.Where(this=exp.not_(call("is_nan", value.copy()))))
    return exp.Left(
        this=exp.cast(found, "VARCHAR", dialect="duckdb"), expression=exp.Literal.number(_LONGEST)
    )
