"""Writing down runs: how they begin, what their nodes and checks say, how they end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, func, select, update

from sluiceway.schema import as_number
from sluiceway.store import catalog
from sluiceway.store.connect import insert_into
from sluiceway.store.process import identity
from sluiceway.store.tables import attempts, checks, configs, metrics, nodes, quarantine, runs
from sluiceway.store.values import clean_config, config_hash, metric, plain, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from sluiceway.events import NodeFinished, NodeStarted, RunFinished, RunStarted

__all__ = ["begin", "finished", "mark", "never_began", "node_finished", "node_started", "started", "upsert"]

_RECORDS = ("read", "rejected", "staged", "published", "quarantined", "late")


def upsert(
    con: Connection, table: Table, rows: Sequence[Mapping[str, Any]], keep: Sequence[str] = ()
) -> None:
    """INSERT, or UPDATE by primary key; columns in ``keep`` stay as they are in a row that is there."""
    if not rows:
        return
    statement = insert_into(con, table)
    keys = [column.name for column in table.primary_key]
    new = {name: statement.excluded[name] for name in rows[0] if name not in keys and name not in keep}
    statement = (
        statement.on_conflict_do_update(index_elements=keys, set_=new)
        if new
        else statement.on_conflict_do_nothing()
    )
    con.execute(statement, [dict(row) for row in rows])


def begin(
    con: Connection,
    run_id: str,
    pipeline: str,
    environment: str,
    started_at: datetime,
    *,
    attempt: int = 1,
    kind: str = "run",
    engine: Mapping[str, str] | None = None,
    config_raw: Mapping[str, Any] | None = None,
    nominal_at: datetime | None = None,
    group_id: str | None = None,
    at: datetime | None = None,
) -> None:
    """A run, or another attempt of one. A run that is there keeps its ``started_at``."""
    row: dict[str, Any] = {
        "id": run_id,
        "pipeline": text(pipeline),
        "environment": text(environment),
        "kind": kind,
        "status": "running",
        "attempt": attempt,
        "started_at": started_at,
        "updated_at": at or started_at,
        "finished_at": None,
        "seconds": None,
        "error": None,
        **identity(),
    }
    if engine is not None:
        row["engine"] = plain(engine)
    if nominal_at is not None:
        row["nominal_at"] = nominal_at
    if group_id is not None:
        row["group_id"] = group_id
    if config_raw is not None:
        row["config_hash"] = _config(con, pipeline, config_raw, started_at)
    upsert(con, runs, [row], keep=["started_at"])
    con.execute(  # a try that did not live to say how it ended
        update(attempts)
        .where(attempts.c.run_id == run_id, attempts.c.attempt < attempt, attempts.c.status == "running")
        .values(status="failed", finished_at=row["updated_at"])
    )
    upsert(
        con,
        attempts,
        [
            {
                "run_id": run_id,
                "attempt": attempt,
                "status": "running",
                "started_at": at or started_at,
                "finished_at": None,
                "seconds": None,
                "error": None,
            }
        ],
        keep=["started_at"],
    )


def never_began(
    con: Connection,
    jobs: Sequence[Mapping[str, Any]],
    status: str,
    at: datetime,
    error: Mapping[str, Any] | None,
) -> None:
    """Runs that ended in the queue: skipped, cancelled, given up. Those that have a row keep it."""
    said = plain(error)
    rows = [
        {
            "id": job["run_id"], "pipeline": job["pipeline"], "environment": job["environment"],
            "kind": "run", "status": status, "attempt": job["attempt"], "started_at": at, "updated_at": at,
            "finished_at": at, "nominal_at": job["nominal_at"], "group_id": job["group_id"], "error": said,
        }
        for job in jobs
    ]  # fmt: skip
    if rows:
        con.execute(insert_into(con, runs).on_conflict_do_nothing(), rows)


def _config(con: Connection, pipeline: str, raw: Mapping[str, Any], at: datetime) -> str:
    cleaned = clean_config(raw)
    key = config_hash(pipeline, cleaned)
    row = {"hash": key, "pipeline": text(pipeline), "raw": cleaned, "first_seen_at": at}
    upsert(con, configs, [row], keep=["raw", "pipeline", "first_seen_at"])
    return key


def started(con: Connection, event: RunStarted) -> None:
    begin(
        con,
        event.run_id,
        event.pipeline,
        event.environment,
        event.at,
        attempt=event.attempt,
        kind=event.kind,
        engine=event.engine,
        nominal_at=event.nominal_at,
        at=event.at,
    )
    ids = catalog.touch(con, event.environment, [*event.inputs, *_one(event.output)], event.at)
    catalog.set_columns(con, ids, event.inputs)
    if event.output is not None:
        output = ids[catalog.key(event.output)]
        con.execute(update(runs).where(runs.c.id == event.run_id).values(output_id=output))
        catalog.describe(con, output, event.output.get("source"), event.description, event.owner)


def _one(dataset: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [] if dataset is None else [dataset]


def _attempt(con: Connection, run_id: str) -> int:
    return con.execute(select(runs.c.attempt).where(runs.c.id == run_id)).scalar() or 1


def node_started(con: Connection, event: NodeStarted) -> None:
    row = {
        "run_id": event.run_id,
        "attempt": _attempt(con, event.run_id),
        "node": text(event.node),
        "status": "running",
        "started_at": event.at,
        "finished_at": None,
        "seconds": None,
        "rows": None,
        "error": None,
    }
    upsert(con, nodes, [row])
    con.execute(update(runs).where(runs.c.id == event.run_id).values(updated_at=event.at))


def node_finished(con: Connection, event: NodeFinished) -> None:
    row = {
        "run_id": event.run_id,
        "attempt": _attempt(con, event.run_id),
        "node": text(event.node),
        "status": "succeeded" if event.error is None else "failed",
        "started_at": event.at - timedelta(seconds=event.seconds),
        "finished_at": event.at,
        "seconds": event.seconds,
        "rows": event.rows,
        "error": None if event.error is None else text(event.error),
    }
    upsert(con, nodes, [row], keep=["started_at"])
    con.execute(update(runs).where(runs.c.id == event.run_id).values(updated_at=event.at))


def finished(con: Connection, event: RunFinished) -> None:
    """Everything that a run's end tells, in one transaction."""
    row = con.execute(select(runs.c.kind).where(runs.c.id == event.run_id)).first()
    if row is None:  # no one announced it: an end without a beginning is still worth keeping
        begun = event.at - timedelta(seconds=event.seconds)
        begin(con, event.run_id, event.pipeline, event.environment, begun)
    published = event.status == "succeeded" and (row is None or row.kind != "check")
    datasets = [*event.inputs, *_one(event.output)]
    ids = catalog.touch(con, event.environment, datasets, event.at)
    output = None if event.output is None else ids[catalog.key(event.output)]
    catalog.set_columns(con, ids, event.inputs)
    extra: dict[str, Any] = {name: event.records.get(name) for name in _RECORDS}
    extra |= {
        "verdict": event.verdict,
        "quality_score": event.quality_score,
        "dimensions": plain(event.dimensions),
        "snapshot": event.snapshot,
        "sql": None if event.sql is None else text(event.sql),
    }
    if output is not None:
        extra["output_id"] = output
        _metrics(con, event, output)
    mark(con, event.run_id, event.status, event.at, seconds=event.seconds, error=event.error, extra=extra)
    _checks(con, event, published)
    if published and output is not None and event.output is not None:
        catalog.set_columns(con, ids, [event.output])
        catalog.publish(con, output, event)
        catalog.set_edges(con, output, ids, event)


def mark(
    con: Connection,
    run_id: str,
    status: str,
    at: datetime,
    *,
    seconds: float | None = None,
    error: Any = None,
    extra: Mapping[str, Any] | None = None,
) -> bool:
    """Set how a run ended; its attempt and the nodes that were running end with it."""
    over = status not in ("queued", "running")
    ending = {"status": status, "finished_at": at if over else None, "seconds": seconds}
    ending["error"] = plain(error)
    done = con.execute(
        update(runs).where(runs.c.id == run_id).values(**ending, **(extra or {}), updated_at=at)
    )
    if not done.rowcount:
        return False
    last = select(func.max(attempts.c.attempt)).where(attempts.c.run_id == run_id).scalar_subquery()
    con.execute(
        update(attempts).where(attempts.c.run_id == run_id, attempts.c.attempt == last).values(**ending)
    )
    if over:
        con.execute(
            update(nodes)
            .where(nodes.c.run_id == run_id, nodes.c.status == "running")
            .values(status="cancelled" if status == "cancelled" else "failed", finished_at=at)
        )
    return True


def _checks(con: Connection, event: RunFinished, published: bool) -> None:
    """The checks of the last attempt; an earlier one's are replaced."""
    con.execute(delete(checks).where(checks.c.run_id == event.run_id))
    con.execute(delete(quarantine).where(quarantine.c.run_id == event.run_id))
    rows = [
        {
            "run_id": event.run_id,
            "position": position,
            "check_id": text(check["id"]),
            "rule": check["rule"],
            "phase": check["phase"],
            "source": text(check.get("source") or ""),
            "columns": plain(check.get("columns") or []),
            "dimension": check["dimension"],
            "severity": check["severity"],
            "on_fail": check["on_fail"],
            "failing": check.get("failing"),
            "total": check.get("total"),
            "passed": bool(check["passed"]),
            "proven": bool(check.get("proven")),
            "observed": plain(check.get("observed")),
            "message": text(check.get("message") or ""),
            "shadow": bool(check.get("shadow")),
        }
        for position, check in enumerate(event.checks)
    ]
    if rows:
        con.execute(checks.insert(), rows)
    if published:
        turned_away: dict[str, int] = {}
        for row in rows:
            if row["on_fail"] == "quarantine" and row["failing"]:
                turned_away[row["check_id"]] = row["failing"]
        for check in event.checks:  # of a fix, those that it did not help
            if check["on_fail"] == "fix" and check.get("unfixable"):
                turned_away[text(check["id"])] = check["unfixable"]
        _quarantine(con, event, turned_away)


def _quarantine(con: Connection, event: RunFinished, turned_away: Mapping[str, int]) -> None:
    rows = [
        {
            "run_id": event.run_id,
            "check_id": check,
            "waiting": count,
            "replayed": 0,
            "discarded": 0,
            "updated_at": event.at,
        }
        for check, count in turned_away.items()
    ]
    upsert(con, quarantine, rows)


def _metrics(con: Connection, event: RunFinished, output: int) -> None:
    con.execute(delete(metrics).where(metrics.c.run_id == event.run_id))
    # a backfill's numbers are of the moment that it stands for
    nominal = con.execute(select(runs.c.nominal_at).where(runs.c.id == event.run_id)).scalar()
    values: dict[tuple[str, str], Any] = {}
    for name, value in event.metrics.items():
        if name != "columns":
            values["", name] = value
    types = {c["name"]: str(c["type"]) for c in (event.output or {}).get("columns") or ()}
    for column, parts in (event.metrics.get("columns") or {}).items():
        type_ = types.get(column, "")
        values |= {(column, name): as_number(value, type_) for name, value in parts.items()}
    values |= {("", name): value for name, value in event.dimensions.items()}
    if event.quality_score is not None:
        values["", "quality_score"] = event.quality_score
    rows = []
    for (column, name), value in values.items():
        number, words = metric(value)
        rows.append(
            {
                "run_id": event.run_id,
                "dataset_id": output,
                "column": text(column),
                "name": name,
                "at": nominal or event.at,
                "value": number,
                "text": words,
            }
        )
    if rows:
        con.execute(metrics.insert(), rows)
