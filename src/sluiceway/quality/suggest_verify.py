"""Proposals asked of all rows: one scan for whatever a scan can say, by the gate's own machinery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sluiceway.errors import PlanError, Where
from sluiceway.quality.suggest_columns import up
from sluiceway.quality.suggest_model import Proposal, Suggestion, chance_of_next, held
from sluiceway.rules.base import BATCH, RuleContext
from sluiceway.rules.fuse import Check, assign, judged, scan_query, values_of
from sluiceway.run.audit import Audit
from sluiceway.run.bind import Relations
from sluiceway.spec.entries import parse_entries

if TYPE_CHECKING:
    from sluiceway.rules.base import Judgement
    from sluiceway.run.standing import Standing

__all__ = ["Verified", "verified"]


@dataclass
class Verified:
    """``refuted``: proposals that the rows broke; ``scans``: reads that it took."""

    items: list[Suggestion] = field(default_factory=list)
    refuted: int = 0
    scans: int = 0


@dataclass(frozen=True)
class _Asked:
    proposal: Proposal
    check: Check


def verified(
    proposals: Sequence[Proposal],
    data: Standing,
    rows: int,
    *,
    bounds: Mapping[str, tuple[Any, Any, int | None]],
    started_at: str,
) -> Verified:
    """The proposals that hold, as suggestions.

    What the profile counted is not counted again. All the others that look at single rows share one scan;
    a key and a dependency are a query each.

    Args:
        bounds: column -> (least, greatest, NULLs), as the profile found them: they make a key cheap to judge.
    """
    found = Verified()
    asked = []
    relations = Relations(data.engine.capabilities.dialect, hints=data.engine.capabilities.cte_hints)
    relations.scan(BATCH, data.sql, schema=data.schema)
    context = RuleContext(data.schema, Where(), started_at=started_at, bounds=bounds)
    for proposal in proposals:
        if proposal.proven:
            found.items.append(_suggestion(proposal, 0, rows))
            continue
        check = _check(proposal, context)
        if check is None:
            found.refuted += 1
        else:
            asked.append(_Asked(proposal, check))
    audit = Audit(data.engine, relations, {})
    _scan(asked, audit, found)
    found.scans = audit.scans
    return found


def _check(proposal: Proposal, context: RuleContext) -> Check | None:
    """None where the rule does not fit the table: a proposal of ours that can't be said is none."""
    (entry,) = parse_entries([proposal.rule])
    try:
        entry.rule.validate_for(context)
        return assign([Check("", entry.rule, context.where, context, "gate")])[0]
    except PlanError:
        return None


def _scan(asked: Sequence[_Asked], audit: Audit, found: Verified) -> None:
    shared = [a for a in asked if a.check.in_pass and not a.check.relations]
    shared += [a for a in asked if a.check.measures.aggregates]
    checks = [a.check for a in shared]
    query = scan_query(checks, BATCH, predicates=True, aggregates=True) if checks else None
    row = audit.one(query) if query is not None else {}
    total = int(row.get("n", 0))
    for i, one in enumerate(shared):
        if one.check.measures.aggregates:
            _judge(one, judged(one.check, values_of(i, row)), found)
        else:
            _keep(one.proposal, int(row[f"f{i}"] or 0), total, found)
    for one in [a for a in asked if a not in shared]:
        if one.check.in_pass:
            failing = audit.blamed(one.check)
            _keep(one.proposal, failing, total or 1, found)
            continue
        values: dict[str, Any] = {}
        for measure in one.check.measures.queries:
            values.update(audit.one(measure))
        _judge(one, judged(one.check, values), found)


def _judge(one: _Asked, judgement: Judgement, found: Verified) -> None:
    if judgement.failing or not judgement.exact:
        found.refuted += 1
        return
    found.items.append(_suggestion(one.proposal, 0, judgement.total))


def _keep(proposal: Proposal, failing: int, total: int, found: Verified) -> None:
    if failing and (failing / max(total, 1) > 1 - proposal.mostly):
        found.refuted += 1
        return
    found.items.append(_suggestion(proposal, failing, total))


def _suggestion(proposal: Proposal, failing: int, total: int) -> Suggestion:
    rule, evidence, sure = dict(proposal.rule), proposal.evidence, proposal.sure
    if failing:
        share = up(100 * chance_of_next(failing, total))
        rule["tolerance"] = f"{share:g}%"
        evidence += f"; {failing:,} of {total:,} rows break it, a batch like this one stays below {share:g}%"
        sure *= 0.8
    elif not proposal.proven and total > 1:
        evidence += f"; it holds in all of {total:,} rows"
    confidence = sure * held(total) if total > 1 else sure
    return Suggestion(rule, proposal.columns, proposal.source, evidence, confidence, failing, total)
