"""A folder of tables of a table format as a warehouse. Spark publishes out of what it staged itself.

Rows become visible by one commit of the table's own, which carries the run's id. Cursors, receipts and
quarantine are files beside the tables (``fileledger``); ``tablejournal`` says how both go together.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import ConnectorContext, SinkCapabilities
from sluiceway.connectors.changes import changes, insert
from sluiceway.connectors.dialects import SPARK
from sluiceway.connectors.durable import file_key, link_or_copy, sync_folder, write_json
from sluiceway.connectors.fileledger import FileLedger
from sluiceway.connectors.filerecords import receipt_json, receipt_of, same_count, statuses_json
from sluiceway.connectors.ledger import new_receipt
from sluiceway.connectors.loading import check_kept, check_order, load
from sluiceway.connectors.loadscd2 import WORK
from sluiceway.connectors.tableformat import MARK, TableFormat, on_spark, table_sql
from sluiceway.connectors.tablejournal import TableIntent
from sluiceway.connectors.tableundo import kept_for_undo, undo, undo_place
from sluiceway.errors import DestinationError, EngineError, LockTimeoutError, PlanError
from sluiceway.exchange import QUARANTINE_COLUMNS, Location, PublishOrder, Receipt, Scd2, Staged, Verdict
from sluiceway.locks import wait_until_free
from sluiceway.schema import Schema, TableName
from sluiceway.sql.types import to_engine

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine

__all__ = ["TableSink"]


class TableSink(FileLedger):
    """See ``connectors.base.Sink``."""

    capabilities = SinkCapabilities(
        modes=("append", "replace", "merge", "scd2"), atomic=True, snapshots=True, engine="spark"
    )

    def __init__(self, kind: TableFormat, config: Any, ctx: ConnectorContext) -> None:
        super().__init__(config, ctx)
        self.kind = kind
        self._spark: Any = None

    # opening and looking ----------------------------------------------------------------------------

    def open(self, engine: Engine | None) -> None:
        """Carry out what a killed process had committed. Without Spark all but the tables can be read."""
        if engine is not None and engine.name == "spark":
            self._spark = on_spark(engine, self.kind.name, self.ctx.where)
            self.kind.prepare(engine, self.ctx.where, writes=True)
            # a replace replaces all rows, whatever engine.conf says of partitions
            engine.connection.conf.set("spark.sql.sources.partitionOverwriteMode", "STATIC")
            self._spark.enter()
            self._engine = engine.local
        else:
            self._engine = engine
        with self._disk("open the warehouse"):
            self.places.make()
            for path in sorted((self.places.system / "intents").glob("*.json")):
                intent = TableIntent.load(path)
                if intent is None:
                    continue
                try:
                    with self.lock(f"publish {intent.table}", 0, "a look"):
                        self._settle_table(TableName.parse(intent.table))
                except LockTimeoutError as error:
                    if "publish" not in error.message:
                        raise
                    continue  # alive: its own process carries it out

    def _inside(self) -> Any:
        return on_spark(self._spark, self.kind.name, self.ctx.where)

    def _relation(self, table: TableName) -> tuple[str, ...]:
        return self.kind.parts(self._inside(), str(self.places.root), table)

    def columns(self, table: TableName) -> Schema | None:
        if not self.kind.exists(self._live(table)):
            return None
        found: Schema = self._inside().columns(f"SELECT * FROM {table_sql(self._relation(table))}")
        return found

    def unsupported(self, schema: Schema) -> dict[str, str]:
        """Columns whose type or name the format can't bring back -> what to do about it."""
        return self.kind.unsupported(schema)

    def scan(self, table: TableName) -> str:
        schema = self.columns(table)
        if schema is None:
            raise DestinationError(f"table '{table}' does not exist in {self.places.root}")
        listed = ", ".join(SPARK.ident(name) for name in schema.names)
        return f"SELECT {listed} FROM {table_sql(self._relation(table))}"

    def locate(self, table: TableName) -> Location | None:
        return None

    def dataset(self, table: TableName) -> tuple[str, str]:
        return "file", str(self._live(table))

    def rollback(self, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
        self._inside()
        found = self.receipts(run_id=run_id)
        table = found[0].table if found else ""
        with self._disk(f"roll back '{table}'"), self._publishing(table), self._settling(), _told(table):
            self.places.make()
            if found:
                self._settle_table(TableName.parse(table))
            return undo(self, run_id, new_run_id=new_run_id, force=force, keep_cursor=keep_cursor)

    # publish ----------------------------------------------------------------------------------------

    def publish(self, verdict: Verdict, staged: Staged, order: PublishOrder) -> Receipt:
        """Columns, then rows in one commit, then quarantine, cursors, replays and receipt.

        Raises:
            DestinationError: no verdict for this staging, a type that the format can't keep, a commit that
                failed. DataQualityError: rows that scd2 can't place.
        """
        check_order(verdict, staged, order)
        self._inside()
        check_kept(self.kind.name, self.unsupported(staged.schema), staged, order)
        table = str(order.table)
        with (
            self._disk(f"publish to '{table}'"),
            self._publishing(table),
            self._statuses_of(order),
            _told(table),
        ):
            self.places.make()
            self._settle_table(order.table)
            earlier = self.places.receipt(order.run_id, table)
            if earlier.exists():
                return receipt_of(json.loads(earlier.read_text(encoding="utf-8")))
            self._evolve(staged.schema, order)
            statement, late = self._statement(staged, order)
            receipt = new_receipt(staged, order, datetime.now(UTC), late=late)
            try:
                intent = self._stage(staged, order, receipt)
            except BaseException:
                shutil.rmtree(self.places.staging(table), ignore_errors=True)
                raise
            return self._commit(intent, statement)

    def _settle_table(self, table: TableName) -> None:
        """Carry out what was committed, throw away what was not. The caller holds the table's lock."""
        intent = TableIntent.load(self.places.intent(str(table)))
        if intent is None:
            shutil.rmtree(self.places.staging(str(table)), ignore_errors=True)
            return
        wait_until_free(self._held(intent.table), self.ctx.lock_timeout)
        live = self._live(table)
        snapshot = self.kind.committed(live, intent.run_id, intent.since)
        if snapshot is not None or intent.decided:
            intent.carry_out(self.places, snapshot or self.kind.head(live))
        else:
            intent.drop(self.places)

    def _held(self, table: str) -> Path:
        return self.places.system / "locks" / f"{file_key(f'commit {table}')}.jvm"

    def _evolve(self, schema: Schema, order: PublishOrder) -> None:
        """The table with its columns. Commits of their own, before the one with the rows."""
        table = table_sql(self._relation(order.table))
        options = order.scd2 or Scd2()
        moments = [options.valid_from, options.valid_to] if order.mode == "scd2" else []
        there = self.columns(order.table)
        if there is None:
            types = {c.name: to_engine(c.type, "spark") for c in schema}
            types |= dict.fromkeys(moments, "TIMESTAMP_NTZ")
            listed = ", ".join(f"{SPARK.ident(name)} {type_}" for name, type_ in types.items())
            if len(table.split("`.`")) > 2:
                self._run(f"CREATE NAMESPACE IF NOT EXISTS {table_sql(self._relation(order.table)[:-1])}")
            self._run(f"CREATE TABLE {table} ({listed}) USING {self.kind.name}{self.kind.properties(types)}")
            return
        added = {n: to_engine(t, "spark") for n, t in order.add_columns.items() if n not in there}
        wider = {n: to_engine(t, "spark") for n, t in order.widen_columns.items()}
        missing = [n for n in (*schema.names, *moments) if n not in there and n not in added]
        if missing:
            raise DestinationError(
                f"{order.table} has no column '{missing[0]}'",
                hint="allow it with schema_contract: {columns: evolve}, or drop it in the transform",
                details={"final": True},
            )
        if added or wider:
            for statement in self.kind.before(table, {**added, **wider}, widens=bool(wider)):
                self._run(statement)
        for name, type_ in wider.items():
            self._run(f"ALTER TABLE {table} ALTER COLUMN {SPARK.ident(name)} TYPE {type_}")
        if added:
            listed = ", ".join(f"{SPARK.ident(name)} {type_}" for name, type_ in added.items())
            self._run(f"ALTER TABLE {table} ADD COLUMNS ({listed})")

    def _run(self, statement: str) -> None:
        self._inside().query(statement)

    def _statement(self, staged: Staged, order: PublishOrder) -> tuple[str, int]:
        """The one statement that publishes the rows, and how many of them are late."""
        there = self.columns(order.table)
        assert there is not None
        target, columns = self._relation(order.table), staged.schema.names
        types = {c.name: to_engine(c.type, "spark") for c in there}
        rows = f"({staged.good})"
        if order.mode in ("append", "replace"):
            return insert(target, rows, columns, order, types), 0
        engine = self._inside()
        plan = load(SPARK, target, rows, columns, order)
        for sql in plan.prepare:
            self._run(sql)
        if plan.prepare:
            line = engine.stage("scd2_timeline", f"SELECT * FROM {SPARK.ident(WORK)}")
            self._run(
                f"CREATE OR REPLACE TEMPORARY VIEW {SPARK.ident(WORK)} AS SELECT * FROM {line.relation}"
            )
        for check in plan.checks:
            check.enforce(int(engine.query(check.sql)[0][0]), str(order.table))
        late = int(engine.query(plan.late)[0][0]) if plan.late else 0
        made = changes(target, rows, columns, order, types)
        return made.merge.format(engine.stage("changes", made.rows).relation), late

    def _stage(self, staged: Staged, order: PublishOrder, receipt: Receipt) -> TableIntent:
        """Write all that the publish will show beside rows, durable, where no reader looks."""
        table, engine = str(order.table), self._inside()
        folder = self.places.staging(table) / file_key(order.run_id)
        folder.mkdir(parents=True)
        beside: list[tuple[Path, Path]] = []
        if staged.quarantined is not None:
            listed = ", ".join(
                f"CAST({SPARK.ident(n)} AS {to_engine(t, 'spark')}) AS {SPARK.ident(n)}"
                for n, t in QUARANTINE_COLUMNS.items()
            )
            turned = engine.stage("quarantine", f"SELECT {listed} FROM ({staged.quarantined}) AS _q")
            # rejects of the sources come on top of the gate's
            same_count(min(turned.rows, staged.quarantined_rows), staged.quarantined_rows, "quarantined rows")
            final = self.places.quarantine(order.run_id, table)
            for number, file in enumerate(turned.files):
                part = folder / f"quarantine-{number:05}.parquet"
                link_or_copy(Path(file), part)
                beside.append((part, final.with_name(f"{final.stem}-{number:05}.parquet")))
        texts: list[tuple[str, Any, Path]] = []
        since = self.kind.head(self._live(order.table))
        changed = self._still_waiting(order.replays)
        texts.append(
            (
                "undo.json",
                kept_for_undo(since, self.state(order.pipeline), changed),
                undo_place(self.places, order.run_id, table),
            )
        )
        if changed:
            status = self.places.status(f"{order.run_id}:{table}")
            texts.append(("replays.json", statuses_json(changed, "replayed"), status))
        if order.cursors:
            cursors = {c.source: c for c in (*self.state(order.pipeline), *order.cursors)}
            texts.append(
                ("state.json", [asdict(c) for c in cursors.values()], self.places.state(order.pipeline))
            )
        for name, value, to in texts:
            write_json(folder / name, value)
            beside.append((folder / name, to))
        for path in (folder, folder.parent, folder.parent.parent):
            sync_folder(path)
        return TableIntent(
            table=table,
            run_id=order.run_id,
            since=since,
            beside=tuple((self._below(a), self._below(b)) for a, b in beside),
            receipt=receipt_json(receipt),
        )

    def _below(self, path: Path) -> str:
        return str(path.relative_to(self.places.root))

    def _commit(self, intent: TableIntent, statement: str) -> Receipt:
        """The decision. Whatever Spark answers, the table's log says whether it was made."""
        table, live = intent.table, self._live(TableName.parse(intent.table))
        release = self._inside().hold(self._held(table))
        try:
            return self._decided(intent, statement, live)
        finally:
            release()

    def _decided(self, intent: TableIntent, statement: str, live: Path) -> Receipt:
        failure: BaseException | None = None
        try:
            intent.write(self.places)
            text = json.dumps({MARK: intent.receipt}, ensure_ascii=True)
            with self._marking(text):
                self._to_its_end(statement)
        except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - raised below, or the log knows better
            failure = error
        snapshot = self.kind.committed(live, intent.run_id, intent.since)
        if snapshot is None and failure is not None:
            intent.drop(self.places)
            raise failure
        if snapshot is None:  # no row changed, and the format commits nothing then
            snapshot = self.kind.head(live)
            intent = TableIntent(**{**intent.__dict__, "decided": True})
            intent.write(self.places)
        receipt = intent.carry_out(self.places, snapshot)
        if isinstance(failure, KeyboardInterrupt):
            raise failure
        return receipt

    @contextmanager
    def _marking(self, text: str) -> Iterator[None]:
        """Commits made within carry the text."""
        settings = self._inside().connection.conf
        settings.set(self.kind.marker, text)
        try:
            yield
        finally:
            settings.unset(self.kind.marker)

    def _to_its_end(self, statement: str) -> None:
        """Run a statement, and come back when it has ended, also where an interrupt does not wait: what
        is still on its way can't be told from what never came about."""
        engine, group = self._inside(), f"sluiceway publish {uuid.uuid4().hex}"
        context = engine.connection.sparkContext

        def run() -> None:
            context.setJobGroup(group, "sluiceway: publish", interruptOnCancel=True)
            engine.query(statement)

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(run)
            try:
                done.result()
            except KeyboardInterrupt:
                with suppress(Exception):
                    context.cancelJobGroup(group)
                wait([done])
                raise


@contextmanager
def _told(table: str) -> Iterator[None]:
    """Spark's failures as the destination's; what it refuses will not do at the next try either."""
    try:
        yield
    except EngineError as error:
        raise DestinationError(f"{table}: {error.message}", hint=error.hint) from error
    except PlanError as error:
        raise DestinationError(
            f"{table}: {error.message}", hint=error.hint, details={"final": True}
        ) from error
