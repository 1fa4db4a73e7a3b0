"""The rows that rules turned away: look at them, take them out, let them in again, or let them go."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import Connector, ConnectorContext, Read, SourceConfig
from sluiceway.duck import ident, literal, open_duckdb
from sluiceway.errors import PlanError, SourceError, Where
from sluiceway.exchange import QUARANTINE_COLUMNS
from sluiceway.run.quarantine_rows import FIXED
from sluiceway.run.warehouse import environment_of, sink_of, warehouse
from sluiceway.schema import Schema
from sluiceway.spec.model import SourceSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from sluiceway.connectors.base import Sink
    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location
    from sluiceway.run.result import RunResult
    from sluiceway.spec.model import DeclaredRule, Pipeline, Project

__all__ = ["discard", "export", "list_quarantine", "replay", "show"]


@dataclass(frozen=True)
class _Local:
    """DuckDB as the reading side of a warehouse, outside any run."""

    connection: Any
    name: str = "duckdb"


def _rows(
    project: Project,
    environment: str | None,
    select: str,
    where: str,
    parameters: Sequence[Any],
    tail: str = "",
) -> list[dict[str, Any]]:
    sink = sink_of(project, environment_of(project, environment))
    con = open_duckdb()
    try:
        sink.open(_Local(con))  # type: ignore[arg-type]  # a sink asks an engine for these two alone
        scan = sink.quarantine()
        if scan is None:
            return []
        cursor = con.execute(f"SELECT {select} FROM ({scan}) AS _q WHERE {where} {tail}", list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        sink.close()
        con.close()


def _where(pipeline: str | None, run_id: str | None, status: str | None) -> tuple[str, list[str]]:
    # what was put right and published stands beside them, and is none of them
    conditions, parameters = [f"NOT (phase = 'gate' AND source = {literal(FIXED)})"], []
    for column, value in (("pipeline", pipeline), ("run_id", run_id), ("status", status)):
        if value is not None:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    return " AND ".join(conditions), parameters


def list_quarantine(
    project: Project,
    environment: str | None,
    *,
    pipeline: str | None = None,
    run_id: str | None = None,
    status: str | None = "waiting",
) -> list[dict[str, Any]]:
    """Counts by pipeline, run, phase, source and reasons, newest run first."""
    where, parameters = _where(pipeline, run_id, status)
    columns = "pipeline, dataset, run_id, phase, source, reasons, status"
    found = _rows(
        project, environment, f"{columns}, count(*) AS rows", where, parameters,
        f"GROUP BY {columns} ORDER BY run_id DESC, rows DESC",
    )  # fmt: skip
    return [{**row, "reasons": json.loads(row["reasons"])} for row in found]


def show(
    project: Project,
    environment: str | None,
    *,
    pipeline: str | None = None,
    run_id: str | None = None,
    ids: Sequence[str] = (),
    limit: int = 20,
) -> list[dict[str, Any]]:
    """Rows with their reasons, as they lie in quarantine."""
    where, parameters = _where(pipeline, run_id, None)
    if ids:
        where += f" AND quarantine_id IN ({', '.join('?' for _ in ids)})"
        parameters += list(ids)
    select = ", ".join(QUARANTINE_COLUMNS)
    tail = f"ORDER BY quarantine_id LIMIT {int(limit)}"
    found = _rows(project, environment, select, where, parameters, tail)
    return [
        {
            **row,
            "reasons": json.loads(row["reasons"]),
            "row": json.loads(row["row"]),
            "types": json.loads(row["types"]),
            "quarantined_at": str(row["quarantined_at"]),
        }
        for row in found
    ]


def export(
    project: Project,
    environment: str | None,
    path: Path,
    *,
    pipeline: str | None = None,
    run_id: str | None = None,
) -> int:
    """Write waiting rows as JSON lines; how many."""
    rows = show(project, environment, pipeline=pipeline, run_id=run_id, limit=2**31 - 1)
    kept = [row for row in rows if row["status"] == "waiting"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in kept:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return len(kept)


def discard(
    project: Project,
    environment: str | None,
    *,
    pipeline: str | None = None,
    run_id: str | None = None,
    ids: Sequence[str] = (),
) -> int:
    """Let waiting rows go: they stay for the record, marked discarded. How many."""
    found = _waiting(project, environment, pipeline, run_id, ids)
    if not found:
        return 0
    with warehouse(project, environment) as sink:
        return sink.settle(tuple(row["quarantine_id"] for row in found), "discarded")


def _waiting(
    project: Project,
    environment: str | None,
    pipeline: str | None,
    run_id: str | None,
    ids: Sequence[str],
) -> list[dict[str, Any]]:
    where, parameters = _where(pipeline, run_id, "waiting")
    if ids:
        where += f" AND quarantine_id IN ({', '.join('?' for _ in ids)})"
        parameters += list(ids)
    return _rows(project, environment, "quarantine_id, run_id, phase, source, types", where, parameters)


# replay ---------------------------------------------------------------------------------------------


class QuarantineConfig(SourceConfig):
    """Internal: a source made of quarantined rows."""


class _QuarantineSource:
    """Waiting rows of one phase and source, cast back to their types."""

    def __init__(self, config: QuarantineConfig, sink: Sink, ids: Sequence[str], schema: Schema) -> None:
        self.config = config
        self._sink, self._ids, self._schema = sink, ids, schema

    def schema(self) -> Schema:
        return self._schema

    def locate(self, read: Read) -> Location | None:
        return None

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        if engine is not engine.local:
            return None
        scan = self._sink.quarantine()
        columns = ", ".join(
            f'CAST(json_extract_string("row", {literal(_path(c.name))}) AS {c.type}) AS {ident(c.name)}'
            for c in self._schema
        )
        ids = ", ".join(literal(i) for i in self._ids)
        return f"SELECT {columns} FROM ({scan}) AS _q WHERE quarantine_id IN ({ids})"

    def read(self, read: Read) -> pa.RecordBatchReader:
        raise PlanError("quarantined rows are read by the engine of the warehouse")

    def rejected(self, engine: Engine, read: Read) -> str | None:
        return None

    def failure(self, error: BaseException) -> SourceError | None:
        return None

    def fingerprint(self) -> str | None:
        return None

    def folders(self) -> tuple[Path, ...]:
        return ()

    def dataset(self) -> tuple[str, str]:
        return ("sluiceway", "_sluiceway.quarantine")

    def close(self) -> None: ...


def _path(name: str) -> str:
    return '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def replay(
    pipeline: Pipeline,
    *,
    run_id: str | None = None,
    ids: Sequence[str] = (),
    place: str | None = None,
) -> RunResult:
    """Run waiting rows through today's rules and publish those that pass.

    Args:
        place: only the rows that were turned away here: a source's name, or ``gate``.

    Rows that fail again wait on, under the new run with today's reasons. A newer row is never
    overwritten: a merge with ``version`` lets the newer win, one without refuses once the table was
    published again. The rows leave the quarantine in the transaction that publishes them.

    Raises:
        PlanError: there is nothing to replay, or these rows can't be.
    """
    project, environment = pipeline.project, pipeline.environment.name
    rows = _waiting(project, environment, pipeline.name, run_id, ids)
    # neither unreadable lines nor discarded values are whole rows that could come back
    rows = [row for row in rows if row["types"] != "{}" and not row["source"].startswith("discarded ")]
    if place is not None:
        rows = [row for row in rows if _place(row) == place]
    if not rows:
        raise PlanError(f"no row of {pipeline.name} waits to be replayed", hint="sluiceway quarantine list")
    places = sorted({_place(row) for row in rows})
    if len(places) != 1:
        raise PlanError(
            f"these rows were turned away in several places: {', '.join(places)}",
            hint=f"replay one after the other: add --from '{places[0]}'",
        )
    phase, source = rows[0]["phase"], rows[0]["source"]
    _may_replay(pipeline, phase, {row["run_id"] for row in rows})
    schema = _schema_of(rows)
    chosen = tuple(row["quarantine_id"] for row in rows)
    from sluiceway.run.runner import run

    return run(_replaying(pipeline, phase, source, chosen, schema), replays=chosen)


def _place(row: Mapping[str, Any]) -> str:
    return str(row["source"]) or "gate"


def _schema_of(rows: Sequence[Mapping[str, Any]]) -> Schema:
    """The columns of all rows: those of an older run may lack some."""
    columns: dict[str, str] = {}
    for text in dict.fromkeys(row["types"] for row in rows):
        for name, type_ in json.loads(text).items():
            if columns.setdefault(name, type_) != type_:
                raise PlanError(
                    f"column '{name}' of these rows was {columns[name]} in one run and {type_} in another",
                    hint="replay one run at a time: --run RUN",
                )
    return Schema.of(columns)


def _may_replay(pipeline: Pipeline, phase: str, runs: set[str]) -> None:
    destination = pipeline.destination
    if phase == "source" and not all(s.step.is_row_wise() for s in pipeline.steps):
        raise PlanError(
            f"{pipeline.name} has steps that look at several rows, so single source rows can't be replayed",
            hint=f"sluiceway run {pipeline.name} --full-refresh",
        )
    if destination.mode == "scd2":
        raise PlanError(
            "rows of an scd2 table are not replayed: their history would have to be rewritten",
            hint=f"sluiceway run {pipeline.name}",
        )
    if destination.version is None and destination.mode in ("merge", "replace"):
        with warehouse(pipeline.project, pipeline.environment.name) as sink:
            receipts = [r for r in sink.receipts(pipeline=pipeline.name) if not r.rolled_back]
        if receipts and receipts[0].run_id not in runs:
            raise PlanError(
                f"{destination.table} was published again since: a replay could overwrite newer rows",
                hint="give the destination a version: column, or discard the rows",
            )


def _without_tolerance(declared: DeclaredRule) -> DeclaredRule:
    """A share of rows that were all turned away before says nothing: those that fail again wait on."""
    if declared.rule.effective_on_fail not in ("quarantine", "fix") or declared.rule.tolerance is None:
        return declared
    return replace(declared, rule=declared.rule.model_copy(update={"tolerance": None}))


def _replaying(pipeline: Pipeline, phase: str, source: str, ids: Sequence[str], schema: Schema) -> Pipeline:
    """The same pipeline, with the quarantined rows in place of what they came from."""
    destination = pipeline.destination
    if destination.mode == "replace":
        destination = replace(destination, mode="append")

    def open_source(config: Any, ctx: ConnectorContext) -> Any:
        if ctx.sink is None:
            raise PlanError("quarantined rows are read from the destination of the run")
        return _QuarantineSource(config, ctx.sink, ids, schema)

    pipeline = replace(pipeline, rules=tuple(_without_tolerance(d) for d in pipeline.rules))
    connector = Connector(
        "quarantine", "rows that were turned away", QuarantineConfig, open_source, rescan=True
    )
    name = source or "quarantined"
    while phase != "source" and name in pipeline.sources:
        name += "_"  # a parent of that name stays what it is
    rules = pipeline.sources[source].rules if phase == "source" else ()
    rules = tuple(_without_tolerance(declared) for declared in rules)
    spec = SourceSpec(name, connector, QuarantineConfig(type="quarantine"), Where(), rules=rules)
    if phase == "source":
        sources = {key: spec if key == source else value for key, value in pipeline.sources.items()}
        return replace(pipeline, sources=sources, destination=destination)
    named = {read.casefold() for declared in pipeline.rules for read in declared.rule.reads()}
    others = {key: value for key, value in pipeline.sources.items() if key.casefold() in named}
    # parents of relationships stay readable; the first source is what the steps start from
    return replace(pipeline, sources={name: spec, **others}, steps=(), destination=destination)
