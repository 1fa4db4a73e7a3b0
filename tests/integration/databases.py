"""What the tests of database warehouses share: an engine, and a publish of rows given as SQL."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import ConnectorContext
from sluiceway.duck import open_duckdb
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.duckdb import DuckDBEngine
from sluiceway.exchange import PublishOrder, Receipt, Staged, Verdict
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.servers import Server

STARTED = datetime(2026, 3, 1, 12)  # noqa: DTZ001 naive and in UTC, as everywhere


@contextmanager
def engine(folder: Path) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine()
    made.connect(EngineSettings(threads=2), folder / f"staging-{uuid.uuid4().hex[:8]}")
    try:
        yield made
    finally:
        made.close()


def context(folder: Path, name: str = "orders") -> ConnectorContext:
    return ConnectorContext(project=folder, name=name, started_at=STARTED)


def staged(on: Any, good: str, bad: str | None = None) -> Staged:
    """Rows as an engine would hand them over."""
    stage = on.stage(f"result_{uuid.uuid4().hex[:8]}", good)
    turned = 0 if bad is None else on.query(f"SELECT count(*) FROM ({bad}) AS b")[0][0]
    return Staged(
        id=uuid.uuid4().hex, engine=on, schema=stage.schema, good=f"SELECT * FROM {stage.relation}",
        rows=stage.rows + turned, published=stage.rows, files=stage.files or None, quarantined=bad,
        quarantined_rows=turned,
    )  # fmt: skip


def order(run: str, table: str = "mart.t", mode: Any = "append", **options: Any) -> PublishOrder:
    return PublishOrder(run, "orders", TableName.parse(table), mode, STARTED, **options)


def publish(sink: Any, rows: Staged, how: PublishOrder) -> Receipt:
    receipt: Receipt = sink.publish(Verdict("pass", how.run_id, rows.id), rows, how)
    return receipt


def quarantine_rows(run: str, count: int) -> str:
    """A SELECT with the layout of the quarantine."""
    return (
        f"SELECT '{run}:gate::' || range AS quarantine_id, '{run}' AS run_id, 'orders' AS pipeline, "
        "'mart.t' AS dataset, 'gate' AS phase, '' AS source, '[\"range\"]' AS reasons, "
        "'{\"id\": \"' || range || '\"}' AS row, '{}' AS types, 'waiting' AS status, "
        f"TIMESTAMP '2026-03-01 12:00:00' AS quarantined_at FROM range({count})"
    )


def empty_mariadb(server: Server) -> None:
    """Databases are the warehouse's namespaces: each test begins without those of the one before."""
    found = server.execute("SELECT schema_name FROM information_schema.schemata")
    keep = {"mysql", "information_schema", "performance_schema", "sys", server.user}
    for (name,) in found:
        if name not in keep:
            quoted = name.replace("`", "``")
            server.execute(f"DROP DATABASE `{quoted}`")


# whole projects

TO_POSTGRES = """\
project: test
environments:
  dev:
    warehouse: {type: postgres, connection: db}
connections:
  db: {type: postgres, url: "${DB_URL}"}
"""
TO_MARIADB = TO_POSTGRES.replace("postgres", "mysql")
MODES = {
    "append": ("", ""),
    "replace": (", mode: replace", ""),
    "merge": (", mode: merge, primary_key: id, version: seen", ""),
    "scd2": (", mode: scd2, primary_key: id, effective_at: seen", ""),
}
BEFORE = [(1, "a", 10, "2026-01-01"), (2, "b", 20, "2026-01-02"), (3, "c", -1, "2026-01-02")]


def write_parquet(path: Path, rows: list[tuple[Any, ...]], more: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = ", ".join(f"({i}, '{name}', {v}, '{at}')" for i, name, v, at in rows)
    with open_duckdb() as con:
        con.execute(
            f"COPY (SELECT id, name, v, CAST(seen AS TIMESTAMP) AS seen{more} FROM (VALUES {listed}) "
            f"AS t(id, name, v, seen)) TO '{path}' (FORMAT parquet)"
        )


def into(mode: str, source: str = "type: parquet, path: data/a.parquet") -> str:
    return f"""\
        pipeline: a
        sources: {{a: {{{source}}}}}
        rules:
          - range: {{column: v, min: 0}}
            on_fail: quarantine
        destination: {{table: mart.a{MODES[mode][0]}}}
        """
