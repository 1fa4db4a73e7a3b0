"""Warehouses that are folders of files: csv, json and parquet. How a publish survives: filejournal.py."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from sluiceway.connectors.base import ConnectorContext, SinkCapabilities, SinkConfig
from sluiceway.connectors.durable import file_key, link_or_copy, sync_file, sync_folder, write_json
from sluiceway.connectors.fileformat import FORMATS
from sluiceway.connectors.filejournal import Intent
from sluiceway.connectors.fileledger import FileLedger
from sluiceway.connectors.filerecords import (
    evolved,
    footer_rows,
    receipt_json,
    receipt_of,
    same_count,
    statuses_json,
)
from sluiceway.connectors.fileset import paths_sql
from sluiceway.connectors.footers import alike
from sluiceway.connectors.ledger import new_receipt
from sluiceway.connectors.loading import check_order
from sluiceway.duck import ident
from sluiceway.errors import DestinationError, LockTimeoutError
from sluiceway.exchange import QUARANTINE_COLUMNS, Location, PublishOrder, Receipt, Staged, Verdict
from sluiceway.schema import Column, Schema, TableName

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine

__all__ = ["FileSink", "FileSinkConfig"]

_BATCH = 65_536


class FileSinkConfig(SinkConfig):
    """Keys of a file warehouse."""

    path: str = Field(description="the warehouse's folder, relative to the project")


class FileSink(FileLedger):
    """See ``connectors.base.Sink``. ``mart.orders`` is the folder ``mart/orders`` of the warehouse."""

    capabilities = SinkCapabilities(modes=("append", "replace"), atomic=False)

    def __init__(self, kind: str, config: Any, ctx: ConnectorContext) -> None:
        super().__init__(config, ctx)
        self.format = FORMATS[kind]
        self.partitions: tuple[str, ...] = tuple(getattr(config, "partition_by", ()))

    # opening ----------------------------------------------------------------------------------------

    def open(self, engine: Engine | None) -> None:
        """Make the folders, and carry out what a killed process had decided."""
        self._engine = engine
        with self._disk("open the warehouse"):
            self.places.make()
            for path in sorted((self.places.system / "intents").glob("*.json")):
                intent = Intent.load(path)
                if intent is None:
                    continue
                try:
                    with self._publishing(intent.table, timeout=0):
                        self._settle_table(intent.table)
                except LockTimeoutError:
                    continue  # alive: its own process carries it out

    # looking ----------------------------------------------------------------------------------------

    def _files(self, table: TableName) -> list[Path]:
        return sorted(p for p in self._live(table).rglob(f"*{self.format.suffix}") if p.is_file())

    def unsupported(self, schema: Schema) -> dict[str, str]:
        """Columns whose type these files can't bring back -> what to do about it."""
        return self.format.unsupported(schema)

    def columns(self, table: TableName) -> Schema | None:
        files = self._files(table)
        if not files:
            return None
        kept = self.places.schema(str(table))
        if kept.exists():
            return Schema.of(dict(json.loads(kept.read_text(encoding="utf-8"))["columns"]))
        con = self._connection()
        reader = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}[self.format.name]
        rows = con.execute(
            f"DESCRIBE SELECT * FROM {reader}({paths_sql(files)}, union_by_name = true)"
        ).fetchall()
        return Schema(tuple(Column(row[0], row[1]) for row in rows))

    def scan(self, table: TableName) -> str:
        schema = self.columns(table)
        if schema is None:
            raise DestinationError(f"table '{table}' does not exist in {self.places.root}")
        if not self.places.schema(str(table)).exists() and self.format.name == "csv":
            return f"SELECT * FROM read_csv({paths_sql(self._files(table))}, union_by_name = true) AS _live"
        live = self._live(table)
        groups: dict[tuple[str, ...], list[Path]] = {}
        for file in self._files(table):
            keys = tuple(p.partition("=")[0] for p in file.relative_to(live).parts[:-1] if "=" in p)
            groups.setdefault(keys, []).append(file)
        return " UNION ALL ".join(self.format.scan(files, schema, keys) for keys, files in groups.items())

    def locate(self, table: TableName) -> Location | None:
        schema, files = self.columns(table), self._files(table)
        live = self._live(table)
        if schema is None or self.format.name != "parquet" or not files:
            return None
        if any("=" in part for file in files for part in file.relative_to(live).parts[:-1]):
            return None  # values of columns are in the folders' names
        if not alike(self._connection(), paths_sql(files), schema):
            return None
        return Location("parquet", schema, tuple(str(file.absolute()) for file in files))

    def dataset(self, table: TableName) -> tuple[str, str]:
        return "file", str(self._live(table))

    # changing ---------------------------------------------------------------------------------------

    def rollback(self, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
        raise DestinationError(
            f"run '{run_id}' can't be rolled back: folders of files keep no snapshots",
            where=self.ctx.where,
            hint="run --full-refresh rebuilds the table; a ducklake warehouse can roll back",
        )

    def publish(self, verdict: Verdict, staged: Staged, order: PublishOrder) -> Receipt:
        """Rows, quarantine, cursors and replays, then the receipt. See filejournal.py for crashes.

        Raises:
            DestinationError: no verdict for this staging, a mode of tables, a full disk.
        """
        check_order(verdict, staged, order)
        if order.mode not in self.capabilities.modes:
            raise DestinationError(
                f"{self.format.name} files can't take mode: {order.mode}",
                where=self.ctx.where,
                hint="use mode: append or replace, or a ducklake warehouse",
            )
        table = str(order.table)
        self._live(order.table)
        with self._disk(f"publish to '{table}'"), self._publishing(table), self._statuses_of(order):
            self.places.make()
            self._settle_table(table)
            earlier = self.places.receipt(order.run_id, table)
            if earlier.exists():
                return receipt_of(json.loads(earlier.read_text(encoding="utf-8")))
            receipt = new_receipt(staged, order, datetime.now(UTC))
            try:
                intent = self._stage(staged, order, receipt)
                intent.write(self.places)
            except BaseException:
                # nothing is decided yet, so nothing may stay; an intent that was renamed counts
                if Intent.load(self.places.intent(table)) is None:
                    shutil.rmtree(self.places.staging(table), ignore_errors=True)
                raise
            intent.carry_out(self.places)
            return receipt

    def _settle_table(self, table: str) -> None:
        """Carry out what was decided, throw away what was not. The caller holds the table's lock."""
        intent = Intent.load(self.places.intent(table))
        if intent is not None:
            intent.carry_out(self.places)
        shutil.rmtree(self.places.staging(table), ignore_errors=True)

    # staging ----------------------------------------------------------------------------------------

    def _stage(self, staged: Staged, order: PublishOrder, receipt: Receipt) -> Intent:
        """Write all that the publish will show, durable, where no reader looks."""
        table = str(order.table)
        folder = self.places.staging(table) / file_key(order.run_id)
        rows = folder / "rows"
        rows.mkdir(parents=True)
        before = self.columns(order.table) if order.mode == "append" else None
        schema = evolved(staged.schema, before, order)
        self.format.check(schema)
        files = self._rows(staged, order, rows, first=before is None)
        beside: list[tuple[Path, Path]] = []
        if staged.quarantined is not None:  # quarantined_rows counts the gate's; rejects come on top
            target = folder / "quarantine.parquet"
            names = ", ".join(f"CAST({ident(n)} AS {t}) AS {ident(n)}" for n, t in QUARANTINE_COLUMNS.items())
            select = f"SELECT {names} FROM ({staged.quarantined}) AS _q"
            written = self._copy(staged, select, target, quarantine=True)
            same_count(min(written, staged.quarantined_rows), staged.quarantined_rows, "quarantined rows")
            beside.append((target, self.places.quarantine(order.run_id, table)))
        texts: list[tuple[str, Any, Path]] = []
        if changed := self._still_waiting(order.replays):
            status = self.places.status(f"{order.run_id}:{table}")
            texts.append(("replays.json", statuses_json(changed, "replayed"), status))
        kept = {"columns": [[c.name, c.type] for c in schema], "table": table}
        texts.append(("schema.json", kept, self.places.schema(table)))
        if order.cursors:
            cursors = {c.source: c for c in (*self.state(order.pipeline), *order.cursors)}
            texts.append(
                ("state.json", [asdict(c) for c in cursors.values()], self.places.state(order.pipeline))
            )
        texts.append(("receipt.json", receipt_json(receipt), self.places.receipt(order.run_id, table)))
        for name, value, final in texts:
            write_json(folder / name, value)
            beside.append((folder / name, final))
        for path in (folder, rows, folder.parent, folder.parent.parent):
            sync_folder(path)
        return Intent(
            table=table,
            mode=order.mode,
            live=self._inside(self._live(order.table)),
            rows=self._inside(rows),
            files=tuple(files),
            beside=tuple((self._inside(a), self._inside(b)) for a, b in beside),
        )

    def _inside(self, path: Path) -> str:
        return str(path.relative_to(self.places.root))

    def _rows(self, staged: Staged, order: PublishOrder, rows: Path, *, first: bool) -> list[str]:
        """The good rows as durable files named by the run; their names below ``rows``."""
        run = file_key(order.run_id)
        if staged.published == 0 and not first:
            return []  # an append of nothing
        if (
            self.format.name == "parquet"
            and not self.partitions
            and staged.files
            and not staged.extra_columns
        ):
            names = [f"{run}-{number:05}{self.format.suffix}" for number in range(len(staged.files))]
            for name, file in zip(names, staged.files):
                link_or_copy(Path(file), rows / name)
            same_count(footer_rows([rows / name for name in names]), staged.published, "rows")
            return names
        columns = ", ".join(self.format.value(column) for column in staged.schema)
        select = f"SELECT {columns} FROM ({staged.good}) AS _good"
        if self.partitions and staged.published:
            staged.schema.require(self.partitions, self.ctx.where, "the rows to partition by")
            written = self._copy(staged, select, rows, pattern=f"{run}-{{i}}")
        else:
            written = self._copy(staged, select, rows / f"{run}-00000{self.format.suffix}")
        same_count(written, staged.published, "rows")
        found = sorted(p for p in rows.rglob(f"*{self.format.suffix}") if p.is_file())
        for folder in {p.parent for p in found}:
            sync_folder(folder)
        for path in found:
            sync_file(path)
        return [str(p.relative_to(rows)) for p in found]

    def _copy(
        self, staged: Staged, select: str, target: Path, *, pattern: str = "", quarantine: bool = False
    ) -> int:
        """COPY in the engine's DuckDB, or in our own over the engine's batches; the rows written."""
        fmt = FORMATS["parquet"] if quarantine else self.format
        partitions = self.partitions if pattern else ()
        con = self._connection(staged.engine)
        if getattr(staged.engine, "name", None) != "duckdb":
            con.register("_handed", staged.engine.batches(select, _BATCH))
            select = "SELECT * FROM _handed"
        rows = int(con.execute(fmt.copy_sql(select, target, partitions, pattern)).fetchall()[0][0])
        if not pattern:
            sync_file(target)
        return rows
