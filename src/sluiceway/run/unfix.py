"""Take back what a run's fixes did: the values as they came, by a publish of its own.

The before-images lie in ``_sluiceway.quarantine`` beside the data, written in the transaction that published
the rows, so there is one for each row that was put right, after a crash too. A row is put back only where
it is still, in every column, what the run made of it; in the same transaction its image is marked, so
that no row is put back twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import Connector, ConnectorContext, Read, Sink, SourceConfig
from sluiceway.duck import ident, literal, open_duckdb
from sluiceway.engines.base import EngineSettings
from sluiceway.errors import DestinationError, PlanError, SourceError, Where
from sluiceway.run.quarantine_rows import FIXED
from sluiceway.run.warehouse import environment_of, sink_of, warehouse
from sluiceway.schema import Schema, TableName
from sluiceway.spec.destination import implied_rules
from sluiceway.spec.model import DestinationSpec, Pipeline, SourceSpec
from sluiceway.spec.resolve import warehouse_config
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location
    from sluiceway.run.result import RunResult
    from sluiceway.spec.model import Project

__all__ = ["Undone", "fixed_runs", "undo_fixes"]

_IMAGES = f"phase = 'gate' AND source = {literal(FIXED)}"


@dataclass(frozen=True)
class Undone:
    """Rows that a run had put right: ``restored`` as they came; ``changed`` since, so left alone; put back
    ``before`` by an earlier undo."""

    run: RunResult | None
    restored: int
    changed: int
    before: int

    def as_dict(self) -> dict[str, Any]:
        counts = {"restored": self.restored, "changed_since": self.changed, "undone_before": self.before}
        return counts | {"run": self.run.as_dict() if self.run is not None else None}


@dataclass(frozen=True)
class _Local:
    connection: Any
    name: str = "duckdb"


@dataclass(frozen=True)
class _Images:
    """The before-images of a run over its table, as it stands."""

    run_id: str
    table: TableName
    key: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    types: dict[str, str]
    schema: Schema

    def matching(self, sink: Sink, ids: Sequence[str] | None = None) -> str:
        """A SELECT of the table's columns with the values as they came, and ``_image``, the image's id: the
        rows that nobody changed since."""
        among = "" if ids is None else f" AND quarantine_id IN ({', '.join(map(literal, ids))})"
        images = (
            f"SELECT quarantine_id AS _image, json_extract_string(\"row\", '$.key') AS _key, "
            f"json_extract_string(\"row\", '$.before') AS _before, json_extract_string(\"row\", '$.after') "
            f"AS _after FROM ({sink.quarantine()}) AS _q WHERE {_IMAGES} AND status = 'waiting' "
            f"AND run_id = {literal(self.run_id)}{among}"
        )
        named = {c.name: c.type for c in self.schema}
        key = [f"_t.{ident(k)} = {self._value('_key', k, named[k])}" for k in self.key]
        same = [
            f"_t.{ident(c)} IS NOT DISTINCT FROM {self._value('_after', c, named[c])}"
            for c in self.after
            if c in named
        ]
        columns = [
            f"{self._value('_before', c.name, self.types[c.name])} AS {ident(c.name)}"
            if c.name in self.before
            else f"_t.{ident(c.name)}"
            for c in self.schema
        ]
        listed = ", ".join(ident(k) for k in self.key)
        once = f"SELECT *, count(*) OVER (PARTITION BY {listed}) AS _n FROM ({sink.scan(self.table)}) AS _s"
        return (
            f"SELECT {', '.join(columns)}, _i._image FROM ({once}) AS _t JOIN ({images}) AS _i "
            f"ON {' AND '.join(key)} WHERE _t._n = 1 AND {' AND '.join(same)}"
        )

    @staticmethod
    def _value(part: str, name: str, type_: str) -> str:
        path = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"TRY_CAST(json_extract_string(_i.{part}, {literal(path)}) AS {type_})"


def fixed_runs(
    project: Project, environment: str | None, *, run_id: str | None = None, table: str | None = None
) -> list[dict[str, Any]]:
    """Runs that put rows right, newest first: rows that are so still marked, and rows put back.

    Counted from the before-images beside the data, which are the truth; the metadata store may have lost a
    run that was killed right after its publish.
    """
    only = "" if run_id is None else f" AND run_id = {literal(run_id)}"
    only += "" if table is None else f" AND dataset = {literal(table)}"
    sql = (
        "SELECT run_id, pipeline, dataset, count(*) AS fixed, "
        "count(*) FILTER (status <> 'waiting') AS undone, CAST(min(quarantined_at) AS VARCHAR) AS at "
        f"FROM ({{quarantine}}) AS _q WHERE {_IMAGES}{only} GROUP BY ALL ORDER BY run_id DESC, dataset"
    )
    return _ask(project, environment, sql)


def _ask(project: Project, environment: str | None, sql: str) -> list[dict[str, Any]]:
    """Rows of a query over ``{quarantine}``; none where the warehouse has no such table."""
    sink = sink_of(project, environment_of(project, environment))
    con = open_duckdb()
    try:
        sink.open(_Local(con))  # type: ignore[arg-type]  # a sink asks an engine for these two alone
        scan = sink.quarantine()
        if scan is None:
            return []
        cursor = con.execute(sql.replace("{quarantine}", scan))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        sink.close()
        con.close()


def undo_fixes(project: Project, environment: str | None, run_id: str) -> Undone:
    """Put back the values that a run's fixes changed, where the rows are as that run left them.

    The rows are merged by the key that the run's table had, as a new publish with a receipt. No rule judges
    them but that the key is there once: they are put back although they broke the rules.

    Raises:
        DestinationError: the warehouse has no receipt of the run, or can't put single rows back.
        PlanError: the run fixed nothing, its table has no key, or every row was changed since.
    """
    images = _images(project, environment, run_id)
    found = fixed_runs(project, environment, run_id=run_id)
    before = sum(row["undone"] for row in found)
    waiting = sum(row["fixed"] for row in found) - before
    ids = _unchanged(project, environment, images)
    if not ids:
        if before and not waiting:
            raise PlanError(f"the fixes of {run_id} were undone before", hint="sluiceway fix list")
        raise PlanError(
            f"every row that {run_id} put right was changed since, so none can be put back",
            hint="sluiceway fix list shows the runs whose rows are as they were left",
        )
    pipeline = _restoring(project, environment, found[0]["pipeline"], images, ids)
    from sluiceway.run.runner import run

    result = run(pipeline, replays=tuple(ids), kind="undo")
    restored = result.records.published if result.success else 0
    if restored:
        with Store.open(project.metadata) as store:
            store.record_undone(run_id, result.run_id, restored)
    return Undone(result, restored, waiting - len(ids), before)


def _images(project: Project, environment: str | None, run_id: str) -> _Images:
    with warehouse(project, environment) as sink:
        receipts = sink.receipts(run_id=run_id)
        modes, needs = sink.capabilities.modes, sink.capabilities.engine
    if not receipts:
        raise DestinationError(
            f"the warehouse has no receipt of run {run_id}", hint="sluiceway fix list   or   runs list"
        )
    if "merge" not in modes or needs is not None or receipts[0].mode == "scd2":
        raise DestinationError(
            f"single rows of {receipts[0].table} can't be put back: "
            + (
                "its versions tell its history"
                if receipts[0].mode == "scd2"
                else "its warehouse merges no rows"
            ),
            hint=f"sluiceway rollback {run_id}, where the warehouse keeps snapshots; else publish again",
        )
    sql = 'SELECT any_value("row") AS "row", any_value(types) AS types FROM ({quarantine}) AS _q WHERE '
    sql += f"{_IMAGES} AND run_id = {literal(run_id)} HAVING count(*) > 0"
    found = _ask(project, environment, sql)
    if not found:
        raise PlanError(f"run {run_id} put no value right", hint="sluiceway fix list")
    row = json.loads(found[0]["row"])
    key, before, after = (tuple(json.loads(row[part])) for part in ("key", "before", "after"))
    if not key:
        raise PlanError(
            f"{receipts[0].table} has no key to tell its rows apart, so none can be put back",
            hint=f"sluiceway rollback {run_id}; give the destination a primary_key for the runs to come",
        )
    table = TableName.parse(receipts[0].table)
    with warehouse(project, environment) as sink:
        schema = sink.columns(table)
    gone = [name for name in (*key, *before) if schema is None or name not in schema]
    if schema is None or gone:
        raise PlanError(f"{table} has no column {', '.join(gone)} any more", hint="nothing was changed")
    return _Images(run_id, table, key, before, after, json.loads(found[0]["types"]), schema)


def _unchanged(project: Project, environment: str | None, images: _Images) -> list[str]:
    sink = sink_of(project, environment_of(project, environment))
    con = open_duckdb()
    try:
        sink.open(_Local(con))  # type: ignore[arg-type]  # as above
        rows = con.execute(f"SELECT _image FROM ({images.matching(sink)}) AS _r ORDER BY 1").fetchall()
        return [row[0] for row in rows]
    finally:
        sink.close()
        con.close()


class _ImagesConfig(SourceConfig):
    """Internal: rows as they came."""


class _ImageSource:
    """The rows of a table with the values that a run had changed."""

    def __init__(self, config: SourceConfig, sink: Sink, images: _Images, ids: Sequence[str]) -> None:
        self.config = config
        self._sink, self._images, self._ids = sink, images, ids

    def schema(self) -> Schema:
        types = {name: self._images.types[name] for name in self._images.before}
        return Schema.of({c.name: types.get(c.name, c.type) for c in self._images.schema})

    def locate(self, read: Read) -> Location | None:
        return None

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        if engine is not engine.local:
            return None
        listed = ", ".join(ident(c.name) for c in self._images.schema)
        return f"SELECT {listed} FROM ({self._images.matching(self._sink, self._ids)}) AS _r"

    def read(self, read: Read) -> pa.RecordBatchReader:
        raise PlanError("before-images are read by the engine of the warehouse")

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


def _restoring(
    project: Project, environment: str | None, name: str, images: _Images, ids: Sequence[str]
) -> Pipeline:
    """A pipeline that merges the rows as they came into their table."""
    # by the embedded engine, whatever the runs are made by: it reads both tables, and the rows are few
    env = replace(environment_of(project, environment), engine=EngineSettings())
    connector, config = warehouse_config(project, env)

    def open_source(given: SourceConfig, ctx: ConnectorContext) -> Any:
        if ctx.sink is None:
            raise PlanError("before-images are read from the destination of the run")
        return _ImageSource(given, ctx.sink, images, ids)

    source = Connector("before", "rows as they came", _ImagesConfig, open_source)
    spec = SourceSpec("before", source, _ImagesConfig(type="before"), Where())
    destination = DestinationSpec(images.table, "merge", connector, config, Where(), key=images.key)
    made = Pipeline(name, project, env, {"before": spec}, (), (), destination)
    return replace(made, rules=implied_rules(destination))
