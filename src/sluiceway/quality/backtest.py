"""``rules backtest``: what rules would have done in the runs of the past.

Two kinds of evidence. Where the lake keeps the snapshot that a run published, the rule is judged again on the
rows of that run, by the gate's own scans; rules that ran then, enforced or in shadow, have their recorded
result, which is all there is of runs that published nothing and of rules that judge sources. Rows that lay in
quarantine were never published, and are in no snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.errors import EngineError, PlanError, Where
from sluiceway.quality.backtest_model import Backtest, Outcome, RuleBacktest
from sluiceway.quality.snapshots import Batch, Snapshots, keeps_snapshots, snapshots
from sluiceway.rules.base import BATCH, TARGET, RuleContext
from sluiceway.rules.fuse import Check, assign
from sluiceway.run.audit import Audit
from sluiceway.run.bind import Relations
from sluiceway.run.result import CheckResult
from sluiceway.schema import Schema, TableName
from sluiceway.spec.entries import Entry, entry_of
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.quality.declared import Ruled
    from sluiceway.spec.model import DestinationSpec, Project

__all__ = ["backtest"]


@dataclass
class _Found:
    """Of one rule, as it is gathered."""

    ruled: Ruled
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def backtest(
    dataset: str,
    rules: Sequence[Ruled],
    *,
    project: Project,
    environment: str | None = None,
    destination: DestinationSpec | None = None,
    last: int | None = None,
) -> Backtest:
    """Judge rules on the history of a dataset.

    Args:
        dataset: ``NAMESPACE.NAME`` of the warehouse.
        destination: key and mode of the pipeline that loads it, if one is known.
        last: the newest runs only.

    Raises:
        SluicewayError: the store or the warehouse can't be read.
    """
    table = str(TableName.parse(dataset))
    env = environment or project.environments[0].name
    with Store.open(project.metadata) as store:
        receipts = [r for r in store.receipts(env, table=table) if str(r["snapshot"] or "").isdigit()]
        pipelines = {str(r["pipeline"]) for r in receipts} | {r.pipeline for r in rules if r.pipeline}
        runs = {
            run["run_id"]: run
            for name in sorted(pipelines)
            for run in store.runs(None, name, environment=env, kind="run")
            if run["status"] in ("succeeded", "blocked")
        }
        ordered = sorted(runs.values(), key=lambda run: (run["started_at"], run["run_id"]))
        wanted = [run["run_id"] for run in ordered][-last if last else 0 :]
        recorded = {
            name: store.checks_history(name, environment=env, limit=None) for name in sorted(pipelines)
        }
    found = {id(r): _Found(r) for r in rules}
    notes: list[str] = []
    history = [r for r in reversed(receipts) if r["run_id"] in set(wanted)]
    if history and keeps_snapshots(project, environment):
        with snapshots(table, max(int(r["snapshot"]) for r in history), project, environment) as lake:
            for receipt in history:
                _again(lake, receipt, runs, list(found.values()), destination, notes)
    elif history:
        notes.append("the warehouse keeps no snapshots: only what runs recorded is known")
    for one in found.values():
        _recorded(one, recorded.get(one.ruled.pipeline, ()), runs, wanted)
    place = {run_id: n for n, run_id in enumerate(wanted)}
    return Backtest(table, tuple(_told(one, place) for one in found.values()), tuple(wanted), tuple(notes))


def _told(one: _Found, place: Mapping[str, int]) -> RuleBacktest:
    rule = one.ruled.declared.rule
    outcomes = sorted(one.outcomes.values(), key=lambda o: place.get(o.run_id, -1))
    reason = "; ".join(dict.fromkeys(one.reasons))
    return RuleBacktest(
        one.ruled.id, entry_of(Entry(rule)), rule.status, rule.declared_on_fail, tuple(outcomes), reason
    )


# snapshots ------------------------------------------------------------------------------------------


def _again(
    lake: Snapshots,
    receipt: Mapping[str, Any],
    runs: Mapping[str, Any],
    found: Sequence[_Found],
    destination: DestinationSpec | None,
    notes: list[str],
) -> None:
    """All rules on the rows of one publish: as few scans as the gate would take."""
    snapshot, run = int(receipt["snapshot"]), runs[receipt["run_id"]]
    scd2 = destination.scd2.valid_to if destination is not None and destination.scd2 is not None else None
    try:
        batch = lake.batch(snapshot, str(receipt["mode"]), scd2)
    except EngineError:
        notes.append(f"snapshot {snapshot} of run {receipt['run_id']} is gone")
        return
    relations = Relations(lake.engine.capabilities.dialect, hints=lake.engine.capabilities.cte_hints)
    relations.scan(BATCH, batch.rows, schema=batch.schema)
    if batch.beside is not None:
        relations.scan(TARGET, batch.beside, schema=batch.schema)
    at = _moment(run)
    context = RuleContext(
        batch.schema,
        Where(),
        started_at=f"{at:%Y-%m-%d %H:%M:%S.%f}",
        has_target=batch.beside is not None,
        mode=str(receipt["mode"]),
        key=destination.key if destination is not None else (),
        destination=str(lake.table),
    )
    checks = []
    for n, one in enumerate(found):
        check = _planned(one, f"{n}", lake, snapshot, relations, context)
        if check is not None:
            checks.append((one, check))
    if not checks:
        return
    audit = Audit(lake.engine, relations, {})
    _, results = audit.in_place([check for _, check in checks])
    for one, check in checks:
        result = results[check.id]
        one.outcomes[receipt["run_id"]] = _outcome(result, one, batch, run, at, snapshot)


def _planned(
    one: _Found, id_: str, lake: Snapshots, snapshot: int, relations: Relations, context: RuleContext
) -> Check | None:
    """The rule on trial: in shadow, so that no rule takes rows away from another."""
    declared = one.ruled.declared
    if one.ruled.source:
        one.reasons.append("it judges a source, of which no rows are kept: only what runs recorded is known")
        return None
    rule = declared.rule.model_copy(update={"status": "shadow"})
    try:
        parents = _parents(rule.reads(), lake, snapshot, relations)
        own = replace(context, where=declared.where, relations=parents)
        rule.validate_for(own)
        return assign([Check(id_, rule, declared.where, own, "gate")])[0]
    except PlanError as error:
        one.reasons.append(f"snapshot {snapshot}: {error.message}")
        return None


def _parents(names: Sequence[str], lake: Snapshots, snapshot: int, relations: Relations) -> dict[str, Schema]:
    """Datasets that a rule reads, as they were at the snapshot. Sources and steps of a run are not kept."""
    found = {}
    for name in names:
        if name.startswith("_"):
            continue
        try:
            sql = lake.at(snapshot, TableName.parse(name))
            found[name] = lake.schema(sql)
        except (EngineError, PlanError):
            raise PlanError(f"'{name}' is no dataset of the warehouse as it was") from None
        relations.scan(name, sql, schema=found[name])
    return found


def _outcome(
    result: CheckResult, one: _Found, batch: Batch, run: Mapping[str, Any], at: datetime, snapshot: int
) -> Outcome:
    enforced = one.ruled.declared.rule.model_copy(update={"status": "enforced"})
    judged = replace(result, check=replace(result.check, rule=enforced))
    return Outcome(
        run["run_id"], at.isoformat(), result.failing, result.total, judged.exceeded, "snapshot",
        batch.judged, snapshot, result.message,
    )  # fmt: skip


def _moment(run: Mapping[str, Any]) -> datetime:
    """What the run took for now."""
    value = run["nominal_at"] or run["started_at"]
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# what runs recorded ---------------------------------------------------------------------------------


def _recorded(
    one: _Found, history: Sequence[Mapping[str, Any]], runs: Mapping[str, Any], wanted: Sequence[str]
) -> None:
    """Runs of which no snapshot tells: the check of the same id and kind, as it was judged then."""
    rule = one.ruled.declared.rule
    enforced = rule.model_copy(update={"status": "enforced"})
    nowhere = RuleContext(Schema(()), Where())
    for check in history:
        run_id = check["run_id"]
        same = check["id"] == one.ruled.id and check["rule"] == rule.kind and check["failing"] is not None
        if not same or run_id not in wanted or run_id in one.outcomes:
            continue
        result = CheckResult(
            Check(one.ruled.id, enforced, one.ruled.declared.where, nowhere, "gate"),
            int(check["failing"]), int(check["total"] or 0), message=str(check["message"]),
        )  # fmt: skip
        one.outcomes[run_id] = Outcome(
            run_id, _moment(runs[run_id]).isoformat(), result.failing, result.total, result.exceeded,
            "recorded", "as the run judged", None, result.message,
        )  # fmt: skip
