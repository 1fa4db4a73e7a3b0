"""What the conformance suite of sinks needs of a warehouse, and how it stages and publishes.

A warehouse is described by plain data, so that another process can open the same one::

    Warehouse(connector="duckdb", config={"type": "duckdb", "path": "out.duckdb"}, project=tmp_path)
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway import plugins
from sluiceway.connectors.base import ConnectorContext, Sink
from sluiceway.duck import ident
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.duckdb import DuckDBEngine
from sluiceway.exchange import QUARANTINE_COLUMNS, PublishOrder, Receipt, Staged, Verdict
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["T0", "Session", "Warehouse"]

T0 = datetime(2026, 1, 1)  # noqa: DTZ001 timestamps are naive and in UTC
TABLE = TableName("mart", "orders")


@dataclass(frozen=True)
class Warehouse:
    """``nested``: lists and structs are kept. ``scratch``: any folder for staging; the lake's file
    hand-over wants it beside the lake. ``widens``: INTEGER -> BIGINT in place."""

    connector: str
    config: Mapping[str, Any]
    project: Path
    nested: bool = True
    widens: bool = True
    lock_timeout: float = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def sink(self) -> Sink:
        found = plugins.load("connectors", self.connector)
        config = found.sink_config.model_validate(dict(self.config))
        context = ConnectorContext(project=self.project, lock_timeout=self.lock_timeout)
        made: Sink = found.sink(config, context)
        return made

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "project": str(self.project)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Warehouse:
        return cls(**{**data, "project": Path(data["project"])})

    @contextmanager
    def session(self, *, seal: bool = True) -> Iterator[Session]:
        """An engine and the sink opened on it, sealed as in a run."""
        staging = Path(tempfile.mkdtemp(prefix="staging-", dir=self.project))
        engine = DuckDBEngine()
        engine.connect(EngineSettings(threads=1, memory_limit="1GB"), staging)
        sink = self.sink()
        try:
            sink.open(engine)
            if seal:
                engine.seal(sink.folders())
            yield Session(self, engine, sink)
        finally:
            sink.close()
            engine.close()
            shutil.rmtree(staging, ignore_errors=True)


@dataclass
class Session:
    warehouse: Warehouse
    engine: DuckDBEngine
    sink: Sink

    def stage(
        self, sql: str, *, bad: list[str] | None = None, run_id: str = "r1", files: bool = True
    ) -> Staged:
        """``sql`` gives the good rows; ``bad`` are texts of quarantined rows."""
        stage = self.engine.stage(f"s{uuid.uuid4().hex}", sql)
        columns = ", ".join(ident(c.name) for c in stage.schema)
        quarantined = None
        if bad:
            listed = ", ".join(
                "(" + ", ".join(_text(v) for v in _quarantine_row(run_id, n, text)) + ")"
                for n, text in enumerate(bad)
            )
            names = ", ".join(ident(c) for c in QUARANTINE_COLUMNS)
            typed = ", ".join(f"CAST({ident(c)} AS {t}) AS {ident(c)}" for c, t in QUARANTINE_COLUMNS.items())
            quarantined = f"SELECT {typed} FROM (VALUES {listed}) AS q({names})"
        good = f"SELECT {columns} FROM {stage.relation} AS _good"
        return Staged(
            id=stage.name, engine=self.engine, schema=stage.schema, good=good,
            rows=stage.rows + len(bad or ()), published=stage.rows,
            files=stage.files if files else None, quarantined=quarantined,
            quarantined_rows=len(bad or ()),
        )  # fmt: skip

    def publish(
        self,
        sql: str,
        run_id: str = "r1",
        mode: Any = "append",
        *,
        bad: list[str] | None = None,
        files: bool = True,
        verdict: Verdict | None = None,
        table: TableName = TABLE,
        pipeline: str = "p",
        **order: Any,
    ) -> Receipt:
        staged = self.stage(sql, bad=bad, run_id=run_id, files=files)
        return self.publish_staged(
            staged, run_id, mode, verdict=verdict, table=table, pipeline=pipeline, **order
        )

    def publish_staged(
        self,
        staged: Staged,
        run_id: str,
        mode: Any = "append",
        *,
        verdict: Verdict | None = None,
        table: TableName = TABLE,
        pipeline: str = "p",
        **order: Any,
    ) -> Receipt:
        """``verdict``: the gate's if not given; staging id ``*`` stands for this staging's."""
        given = PublishOrder(run_id, pipeline, table, mode, order.pop("started_at", T0), **order)
        if verdict is None:
            verdict = Verdict("quarantine" if staged.quarantined_rows else "pass", run_id, staged.id)
        elif getattr(verdict, "staging_id", None) == "*":
            verdict = replace(verdict, staging_id=staged.id)
        return self.sink.publish(verdict, staged, given)

    def rows(self, table: TableName = TABLE, columns: str = "*") -> Counter[tuple[Any, ...]]:
        sql = self.sink.scan(table)
        return Counter(self.engine.query(f"SELECT {columns} FROM ({sql}) AS t"))

    def quarantined(self) -> list[tuple[Any, ...]]:
        sql = self.sink.quarantine()
        if sql is None:
            return []
        return self.engine.query(
            f"SELECT quarantine_id, row, status, quarantined_at FROM ({sql}) AS q ORDER BY quarantine_id"
        )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quarantine_row(run_id: str, n: int, text: str) -> tuple[str, ...]:
    return (
        f"{run_id}:gate::{n}", run_id, "p", str(TABLE), "gate", "", '["not_null:id"]', text,
        '{"id": "INTEGER"}', "waiting", "2026-01-01 10:00:00.123456",
    )  # fmt: skip
