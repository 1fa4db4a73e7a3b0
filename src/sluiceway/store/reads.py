"""Questions about runs, checks, metrics and datasets. Answers are JSON-ready dicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, select

from sluiceway.errors import StoreError, did_you_mean
from sluiceway.store.catalog import full_name
from sluiceway.store.tables import (
    attempts,
    checks,
    columns,
    configs,
    datasets,
    fixes,
    listener_failures,
    metrics,
    nodes,
    quarantine,
    runs,
    samples,
)
from sluiceway.store.values import outgoing

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

__all__ = [
    "checks_history",
    "dataset",
    "document",
    "find_dataset",
    "list_datasets",
    "list_metrics",
    "list_runs",
    "one_run",
    "require_dataset",
    "running",
]

_RECORDS = ("read", "rejected", "staged", "published", "quarantined", "late")
_OUTPUT = (
    datasets.c.namespace.label("output_namespace"),
    datasets.c.name.label("output_name"),
    datasets.c.alias.label("output_alias"),
)
_RUN = (
    *(c for c in runs.c if c.name not in ("output_id", "sql")),
    *_OUTPUT,
)


def document(row: RowMapping, *leave_out: str) -> dict[str, Any]:
    """A row as it stands in a JSON document."""
    return {name: outgoing(value) for name, value in row.items() if name not in leave_out}


def _filter(statement: Select[Any], **wanted: Any) -> Select[Any]:
    for name, value in wanted.items():
        if value is not None:
            statement = statement.where(runs.c[name] == value)
    return statement


def list_runs(
    con: Connection,
    limit: int | None,
    *,
    pipeline: str | None = None,
    status: str | None = None,
    environment: str | None = None,
    kind: str | None = None,
    nominal_at: datetime | None = None,
) -> list[dict[str, Any]]:
    statement = (
        select(*_RUN)
        .outerjoin(datasets, datasets.c.id == runs.c.output_id)
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        .limit(limit)
    )
    statement = _filter(
        statement, pipeline=pipeline, status=status, environment=environment, kind=kind, nominal_at=nominal_at
    )
    return [_run_document(row) for row in con.execute(statement).mappings()]


def _run_document(row: RowMapping) -> dict[str, Any]:
    """The names are those of ``run --json``."""
    return {
        "run_id": row["id"],
        "pipeline": row["pipeline"],
        "environment": row["environment"],
        "kind": row["kind"],
        "status": row["status"],
        "success": row["status"] == "succeeded",
        "attempt": row["attempt"],
        "started_at": outgoing(row["started_at"]),
        "updated_at": outgoing(row["updated_at"]),
        "finished_at": outgoing(row["finished_at"]),
        "nominal_at": outgoing(row["nominal_at"]),
        "group_id": row["group_id"],
        "execution_time": row["seconds"],
        "dataset": None
        if row["output_name"] is None
        else full_name(row["output_namespace"], row["output_name"]),
        "table": row["output_alias"] or row["output_name"],
        "verdict": row["verdict"],
        "records": {name: row[name] for name in _RECORDS},
        "quality_score": row["quality_score"],
        "dimensions": row["dimensions"] or {},
        "snapshot": row["snapshot"],
        "engine": row["engine"],
        "error": row["error"],
    }


def running(
    con: Connection, pipeline: str | None, environment: str | None
) -> list[tuple[RowMapping, dict[str, Any]]]:
    """Runs that no one ended, oldest first, each with what names its process."""
    statement = (
        select(*_RUN)
        .outerjoin(datasets, datasets.c.id == runs.c.output_id)
        .order_by(runs.c.started_at, runs.c.id)
    )
    statement = _filter(statement, pipeline=pipeline, environment=environment, status="running")
    return [(row, _run_document(row)) for row in con.execute(statement).mappings()]


def one_run(con: Connection, run_id: str) -> dict[str, Any]:
    statement = (
        select(*_RUN, runs.c.sql, configs.c.raw.label("config"))
        .outerjoin(datasets, datasets.c.id == runs.c.output_id)
        .outerjoin(configs, configs.c.hash == runs.c.config_hash)
        .where(runs.c.id == run_id)
    )
    row = con.execute(statement).mappings().first()
    if row is None:
        raise StoreError(f"there is no run {run_id}", hint="sluiceway runs list")
    whole = _run_document(row) | {"sql": row["sql"], "config": row["config"]}
    parts = {
        "attempts": select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.attempt),
        "nodes": select(nodes)
        .where(nodes.c.run_id == run_id)
        .order_by(nodes.c.attempt, nodes.c.started_at, nodes.c.node),
        "quarantine": select(quarantine).where(quarantine.c.run_id == run_id).order_by(quarantine.c.check_id),
        "fixes": select(fixes).where(fixes.c.run_id == run_id).order_by(fixes.c.position),
        "listener_failures": select(listener_failures)
        .where(listener_failures.c.run_id == run_id)
        .order_by(listener_failures.c.listener),
    }
    for name, part in parts.items():
        whole[name] = [document(item, "run_id") for item in con.execute(part).mappings()]
    for node in whole["nodes"]:
        node["name"] = node.pop("node")
    whole["checks"] = _run_checks(con, run_id)
    return whole


def _run_checks(con: Connection, run_id: str) -> list[dict[str, Any]]:
    kept: dict[str, list[Any]] = {}
    rows = select(samples).where(samples.c.run_id == run_id).order_by(samples.c.position)
    for row in con.execute(rows).mappings():
        kept.setdefault(row["check_id"], []).append(row["row"])
    found = con.execute(
        select(checks).where(checks.c.run_id == run_id).order_by(checks.c.position)
    ).mappings()
    return [_check_document(row) | {"samples": kept.get(row["check_id"], [])} for row in found]


def _check_document(row: RowMapping) -> dict[str, Any]:
    return {"id": row["check_id"], **document(row, "run_id", "check_id", "position")}


def checks_history(
    con: Connection,
    *,
    pipeline: str | None,
    check_id: str | None,
    dataset_id: int | None,
    environment: str | None,
    since: datetime | None,
    limit: int | None,
) -> list[dict[str, Any]]:
    statement = (
        select(
            checks, runs.c.pipeline, runs.c.environment, runs.c.started_at, runs.c.status.label("run_status")
        )
        .join(runs, runs.c.id == checks.c.run_id)
        .order_by(runs.c.started_at.desc(), runs.c.id.desc(), checks.c.position)
        .limit(limit)
    )
    statement = _filter(statement, pipeline=pipeline, environment=environment, output_id=dataset_id)
    if check_id is not None:
        statement = statement.where(checks.c.check_id == check_id)
    if since is not None:
        statement = statement.where(runs.c.started_at >= since)
    return [{"run_id": row["run_id"], **_check_document(row)} for row in con.execute(statement).mappings()]


def list_metrics(
    con: Connection,
    dataset_id: int,
    *,
    name: str | None,
    column: str | None,
    since: datetime | None,
    status: str | None,
    limit: int | None,
    pipeline: str | None = None,
) -> list[dict[str, Any]]:
    m = metrics.c
    statement = (
        select(m.run_id, m.at, m.column, m.name, m.value, m.text, runs.c.status)
        .join(runs, runs.c.id == m.run_id)
        .where(m.dataset_id == dataset_id)
        .order_by(m.at.desc(), m.run_id.desc(), m.column, m.name)
        .limit(limit)
    )
    if name is not None:
        statement = statement.where(m.name == name)
    if column is not None:
        statement = statement.where(m.column == column)
    if since is not None:
        statement = statement.where(m.at >= since)
    if status is not None:
        statement = statement.where(runs.c.status == status)
    if pipeline is not None:
        statement = statement.where(runs.c.pipeline == pipeline)
    rows = con.execute(statement).mappings().all()
    return [_metric_document(row) for row in reversed(rows)]


def _metric_document(row: RowMapping) -> dict[str, Any]:
    shown = document(row, "text")
    if row["text"] is not None:  # a whole number beyond a double comes back exactly
        shown["value"] = row["text"] if row["value"] is None else int(row["text"])
    elif row["value"] is not None and row["value"].is_integer():
        shown["value"] = int(row["value"])
    shown["column"] = row["column"] or None
    return shown


def find_dataset(con: Connection, name: str, environment: str | None) -> RowMapping | None:
    """The dataset called ``name``; None where there is none.

    First its alias, name or ``namespace.name`` in full, else the end of a name: ``data/orders.csv`` of
    a path, ``public.orders`` of a database's table.

    Raises:
        StoreError: more than one is called so.
    """
    c = datasets.c
    exact = (c.alias == name) | (c.name == name) | (c.namespace + "." + c.name == name)
    ending = [c.name.endswith(mark + name, autoescape=True) for mark in ("/", ".")]
    found: Sequence[RowMapping] = ()
    for condition in (exact, ending[0] | ending[1]):
        statement = select(datasets).where(condition)
        if environment is not None:
            statement = statement.where(c.environment == environment)
        found = con.execute(statement.order_by(c.id)).mappings().all()
        if len(found) == 1:
            return found[0]
        if found:
            break
    return _one_of(found, name)


def _one_of(found: Sequence[RowMapping], name: str) -> RowMapping | None:
    if not found:
        return None
    environments = sorted({row["environment"] for row in found})
    if len(environments) > 1:
        raise StoreError(
            f"'{name}' is in several environments: {', '.join(environments)}",
            hint=f"add --env {environments[0]}",
        )
    made = [row for row in found if row["pipeline"] is not None]
    if len(made) == 1:  # what a pipeline publishes is meant before what merely has the same name
        return made[0]
    names = sorted(full_name(row["namespace"], row["name"]) for row in found)
    raise StoreError(f"'{name}' names several datasets", hint=f"write one of: {', '.join(names)}")


def require_dataset(con: Connection, name: str, environment: str | None) -> RowMapping:
    found = find_dataset(con, name, environment)
    if found is not None:
        return found
    statement = select(func.coalesce(datasets.c.alias, datasets.c.name)).distinct()
    if environment is not None:
        statement = statement.where(datasets.c.environment == environment)
    names = list(con.execute(statement).scalars())
    place = f" in {environment}" if environment else ""
    hint = did_you_mean(name, names) if names else "run a pipeline first: sluiceway run PIPELINE"
    raise StoreError(f"no run has seen a dataset '{name}'{place}", hint=hint)


def _dataset_document(row: RowMapping) -> dict[str, Any]:
    return {
        "dataset": full_name(row["namespace"], row["name"]),
        **document(row, "id"),
    }


def list_datasets(con: Connection, environment: str | None) -> list[dict[str, Any]]:
    counted = (
        select(columns.c.dataset_id, func.count().label("columns")).group_by(columns.c.dataset_id).subquery()
    )
    statement = (
        select(datasets, func.coalesce(counted.c.columns, 0).label("columns"))
        .outerjoin(counted, counted.c.dataset_id == datasets.c.id)
        .order_by(datasets.c.environment, datasets.c.namespace, datasets.c.name)
    )
    if environment is not None:
        statement = statement.where(datasets.c.environment == environment)
    return [_dataset_document(row) for row in con.execute(statement).mappings()]


def dataset(con: Connection, name: str, environment: str | None) -> dict[str, Any]:
    row = require_dataset(con, name, environment)
    listed = (
        select(columns.c.name, columns.c.type)
        .where(columns.c.dataset_id == row["id"])
        .order_by(columns.c.position)
    )
    last = select(func.max(metrics.c.at)).where(metrics.c.dataset_id == row["id"]).scalar_subquery()
    newest = _runs_of(con, row["id"], 10)
    recent = con.execute(
        select(metrics.c.column, metrics.c.name, metrics.c.value, metrics.c.text).where(
            metrics.c.dataset_id == row["id"], metrics.c.at == last
        )
    ).mappings()
    return {
        **_dataset_document(row),
        "columns": [document(item) for item in con.execute(listed).mappings()],
        "metrics": [_metric_document(item) for item in recent],
        "runs": newest,
    }


def _runs_of(con: Connection, dataset_id: int, limit: int) -> list[dict[str, Any]]:
    """The newest runs that were to publish a dataset."""
    statement = (
        select(*_RUN)
        .outerjoin(datasets, datasets.c.id == runs.c.output_id)
        .where(runs.c.output_id == dataset_id)
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        .limit(limit)
    )
    return [_run_document(row) for row in con.execute(statement).mappings()]
