"""What a run's fixes did: how many rows, what their values were, and the before-images that an undo needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.plan.nodes import BEFORE
from sluiceway.rules.base import BATCH
from sluiceway.rules.fuse import Check, any_bit
from sluiceway.run.audit import ALL, fix_result
from sluiceway.run.quarantine_rows import FIXED, Kept, fixed_rows, kept_of, quarantined_rows
from sluiceway.run.result import FixedValues
from sluiceway.sql.names import quoted
from sluiceway.sql.primitives import call, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.plan.fixing import Fixing
    from sluiceway.run.judging import Judged, Judging

__all__ = ["before_images", "count_fixes", "discarded_values"]

_PUBLISHED = "_published"
"""The staged rows that every rule lets through, with what stands beside them."""


def count_fixes(run: Judging, judged: Judged, told: Sequence[Check]) -> None:
    """Judge the checks that fix: their results say how many rows failed, and what became of these.

    The flags of a staging say which rows failed as they came, its masks which fail still.
    """
    fixing = run.plan.fixing
    if fixing is None:
        return
    mine = [check for check in told if check.fixes]
    failing, unfixable = _failing(run, judged, fixing, mine)
    sql = f"SELECT * FROM {judged.parted.good} AS _good_rows"
    run.relations.scan(_PUBLISHED, sql, schema=judged.parted.schema)
    counts = [exp.alias_(call("count_if", _flag(fixing, c)), f"f{i}") for i, c in enumerate(mine)]
    row = run.audit.one(exp.select(*counts).from_(exp.table_(_PUBLISHED, quoted=True)))
    for i, check in enumerate(mine):
        before = judged.results[check.id]
        fixed = int(row[f"f{i}"])
        total = before.total + (unfixable[check.id] - before.failing if check.id in fixing.losers else 0)
        result = fix_result(check, failing[check.id], total, fixed, unfixable[check.id])
        judged.results[check.id] = result
        values = _values(run, fixing, check) if fixed and check.id not in fixing.losers else ()
        how = ", ".join(fix.said() for fix in check.rule.fixes)
        name = ", ".join(check.rule.columns_used)
        numbers = (failing[check.id], fixed, unfixable[check.id])
        run.fixes.append(FixedValues(check.id, how, name, *numbers, values))


def _failing(
    run: Judging, judged: Judged, fixing: Fixing, mine: Sequence[Check]
) -> tuple[dict[str, int], dict[str, int]]:
    """Rows that each check turned down: as they came or after the fixes, and after them."""
    counts: list[exp.Expr] = []
    for i, check in enumerate(mine):
        bit = any_bit([check.bit]) if check.bit is not None else exp.false()
        assert bit is not None
        either = exp.or_(_flag(fixing, check), bit.copy())
        counts += [
            exp.alias_(call("count_if", either), f"f{i}"),
            exp.alias_(call("count_if", bit), f"u{i}"),
        ]
    row = run.audit.one(exp.select(*counts).from_(exp.table_(ALL, quoted=True)))
    failing = {check.id: int(row[f"f{i}"]) for i, check in enumerate(mine)}
    unfixable = {check.id: int(row[f"u{i}"]) for i, check in enumerate(mine)}
    for check in mine:
        beside = judged.results[check.id].failing
        if check.in_pass or not beside:
            continue
        blame = check.blame()  # rows that only rows beside them show, such as those of the table
        assert blame is not None
        new = exp.and_(blame, exp.not_(_flag(fixing, check)))
        query = exp.select(exp.alias_(call("count_if", new), "n")).from_(exp.table_(BATCH, quoted=True))
        failing[check.id] += int(run.audit.one(query)["n"])
        unfixable[check.id] += beside
    return failing, unfixable


def _flag(fixing: Fixing, check: Check) -> exp.Expr:
    return exp.column(fixing.flags[check.id], quoted=True)


def _values(run: Judging, fixing: Fixing, check: Check) -> tuple[dict[str, Any], ...]:
    """The changes of a check that most rows had, as many as samples are kept."""
    sampling = run.sampling("gate", run.kept())
    output = run.plan.output
    name = check.rule.columns_used[0]
    if sampling.limit <= 0 or name not in output:
        return ()
    column = output[name]
    texts = [Kept(column.name, column.type, BEFORE + column.name, "VARCHAR").text]
    texts.append(Kept(column.name, column.type, column.name).text)
    keys = [k for k in kept_of(output) if k.name in run.plan.pipeline.destination.key and k.name != name]
    least = [exp.alias_(exp.Min(this=k.text), f"k{i}") for i, k in enumerate(keys)]
    query = (
        exp.select(
            exp.alias_(texts[0], "before"),
            exp.alias_(texts[1], "after"),
            exp.alias_(exp.Count(this=exp.Star()), "n"),
            *(least if len(least) == 1 else ()),
        )
        .from_(exp.table_(_PUBLISHED, quoted=True))
        .where(_flag(fixing, check))
        .group_by(*(text.copy() for text in texts))
    )
    # ORDER BY places is the same text everywhere, which a translated one is not
    sql = f"{run.relations.compile(query)} ORDER BY 3 DESC, 1, 2 LIMIT {sampling.limit}"
    hidden = column.name.casefold() in sampling.hidden
    out = []
    for before, after, count, *key in run.engine.query(sql, run.plan.binds):
        shown = {
            k.name: "***" if k.name.casefold() in sampling.hidden else value
            for k, value in zip(keys, key, strict=False)
        }
        values = {"before": before, "after": after}
        if hidden:
            values = {part: None if value is None else "***" for part, value in values.items()}
        out.append({**values, "count": int(count), "key": shown})
    return tuple(out)


def before_images(run: Judging, judged: Judged) -> list[str]:
    """The published rows whose values were changed, as they were and as they are now: SELECTs in the
    layout of the quarantine, which is written in the publish transaction. Whole, so that an undo can tell
    a row that was changed since."""
    fixing, plan = run.plan.fixing, run.plan
    if fixing is None:
        return []
    flags = {c.id: fixing.flags[c.id] for c in fixing.values() if judged.results[c.id].failing}
    changed = [c for c in plan.output if c.name.casefold() in {n.casefold() for n in fixing.columns}]
    if not flags or not changed:
        return []
    dialect = run.reach.publisher.capabilities.dialect
    good = run.engine.handoff(judged.parted).good
    failed = " OR ".join(quoted(flag, dialect) for flag in flags.values())
    key = plan.pipeline.destination.key
    parts = {
        "key": [k for k in kept_of(plan.output) if k.name in key],
        "before": [Kept(c.name, c.type, BEFORE + c.name, "VARCHAR") for c in changed],
        "after": kept_of(plan.output),
    }
    types = {c.name: c.type for c in plan.output} | {c.name: plan.before[c.name] for c in changed}
    rows = f"(SELECT * FROM {good} AS _g WHERE {failed})"
    return [fixed_rows(flags, parts, types, rows, run.facts("gate", FIXED), dialect)]


def discarded_values(run: Judging, judged: Judged, checks: Sequence[Check]) -> list[str]:
    """Values that the destination can't hold, as they were; their rows are published without them."""
    out = []
    by_id = {check.id: check for check in checks}
    for column, check_id in run.plan.discards.items():
        check = by_id[check_id]
        condition = any_bit([check.bit]) if check.bit is not None else None
        if condition is None or not judged.results[check_id].failing:
            continue
        key = run.plan.pipeline.destination.key
        kept = [k for k in run.kept() if k.name == column or k.name in key]
        good = run.engine.handoff(judged.parted).good
        dialect = run.reach.publisher.capabilities.dialect
        rows = f"(SELECT * FROM {good} AS _g WHERE {render(condition, dialect)})"
        facts = run.facts("gate", f"discarded {column}")
        out.append(quarantined_rows([check], kept, rows, facts, dialect))
    return out
