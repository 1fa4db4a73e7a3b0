"""What a warehouse that is a folder keeps beside its tables, in ``_sluiceway``: cursors, receipts, quarantine
and locks. All of it is files that whoever looks can read without an engine."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.connectors.durable import write_json
from sluiceway.connectors.filejournal import Places
from sluiceway.connectors.filerecords import receipt_of, statuses_json
from sluiceway.connectors.fileset import paths_sql, struct_sql
from sluiceway.duck import ident, open_duckdb
from sluiceway.errors import DestinationError, PlanError
from sluiceway.exchange import QUARANTINE_COLUMNS, Cursor, PublishOrder, Receipt
from sluiceway.locks import file_lock
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from sluiceway.connectors.base import ConnectorContext
    from sluiceway.engines.base import Engine

__all__ = ["FileLedger"]

_PART = re.compile(r"\w[\w $.-]*")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileLedger:
    """The part of a ``connectors.base.Sink`` that needs no table. ``mart.orders`` is the folder
    ``mart/orders`` of the warehouse."""

    config: Any

    def __init__(self, config: Any, ctx: ConnectorContext) -> None:
        self.config = config
        self.ctx = ctx
        self.places = Places(ctx.path(config.path).resolve())
        if re.search(r"[\[*?\\]", str(self.places.root)):
            raise PlanError(
                f"the warehouse's folder {self.places.root} holds a glob character",
                where=ctx.where,
                hint="give it a path: without [ * ? and \\",
            )
        self._engine: Engine | None = None
        self._own: Any = None

    def folders(self) -> tuple[Path, ...]:
        return (self.places.root,)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None

    def _connection(self, engine: Engine | None = None) -> Any:
        """The DuckDB that writes: the engine's where it is one, else one of our own."""
        engine = engine or self._engine
        if engine is not None and engine.name == "duckdb":
            return engine.connection.cursor()
        if self._own is None:
            self._own = open_duckdb()
        return self._own

    # looking ----------------------------------------------------------------------------------------

    def _live(self, table: TableName) -> Path:
        """The table's folder, below the root whatever links there are.

        Raises:
            PlanError: the name is not one for folders, or a link leads out of the warehouse.
        """
        for part in (table.namespace, table.name):
            bad = not _PART.fullmatch(part) or ".." in part or part.endswith((".", " "))
            if bad or part == "_sluiceway":
                raise PlanError(
                    f"'{table}' can't name a folder of files",
                    where=self.ctx.where,
                    hint="start with a letter, a digit or _; letters, digits, spaces, _ $ . - may follow",
                )
        live = self.places.root / table.namespace / table.name
        resolved = live.resolve()
        if not resolved.is_relative_to(self.places.root) or resolved == self.places.root:
            raise PlanError(
                f"'{table}' lies at {resolved}, outside the warehouse {self.places.root}",
                where=self.ctx.where,
                hint="remove the link, or set the warehouse's path: to where it leads",
            )
        return live

    def state(self, pipeline: str) -> tuple[Cursor, ...]:
        path = self.places.state(pipeline)
        if not path.exists():
            return ()
        return tuple(Cursor(**cursor) for cursor in json.loads(path.read_text(encoding="utf-8")))

    def receipts(self, pipeline: str | None = None, run_id: str | None = None) -> tuple[Receipt, ...]:
        found = []
        for path in (self.places.system / "receipts").glob("*.json"):
            receipt = receipt_of(json.loads(path.read_text(encoding="utf-8")))
            if pipeline in (None, receipt.pipeline) and run_id in (None, receipt.run_id):
                found.append(receipt)
        return tuple(sorted(found, key=lambda r: (r.published_at, r.run_id), reverse=True))

    def quarantine(self) -> str | None:
        files = sorted((self.places.system / "quarantine").glob("*.parquet"))
        if not files:
            return None
        columns = [ident(name) for name in QUARANTINE_COLUMNS if name != "status"]
        names = ", ".join(f"q.{c}" for c in columns)
        rows = f"read_parquet({paths_sql(files)}, hive_partitioning = false)"
        statuses = sorted((self.places.system / "statuses").glob("*.json"))
        if not statuses:
            return f"SELECT {', '.join(map(ident, QUARANTINE_COLUMNS))} FROM {rows} AS q"
        types = struct_sql({"quarantine_id": "VARCHAR", "status": "VARCHAR"})
        changed = (
            "SELECT quarantine_id, any_value(status) AS status FROM read_json("
            f"{paths_sql(statuses)}, columns = {types}, format = 'array', hive_partitioning = false) "
            "AS _s GROUP BY quarantine_id"
        )
        order = ", ".join(map(ident, QUARANTINE_COLUMNS))
        return (
            f"SELECT {order} FROM (SELECT {names}, COALESCE(s.status, q.status) AS status FROM {rows} AS q "
            f"LEFT JOIN ({changed}) AS s ON q.quarantine_id = s.quarantine_id) AS _q"
        )

    # changing ---------------------------------------------------------------------------------------

    def lock(self, name: str, timeout: float, holder: str) -> AbstractContextManager[None]:
        return file_lock(self.places.system / "locks", name, timeout, holder)

    def settle(self, quarantine_ids: tuple[str, ...], status: Literal["replayed", "discarded"]) -> int:
        with self._disk("settle quarantined rows"), self._settling():
            changed = self._still_waiting(quarantine_ids)
            if changed:
                name = f"{datetime.now(UTC).isoformat()}:{changed[0]}"
                write_json(self.places.status(name), statuses_json(changed, status))
            return len(changed)

    def _still_waiting(self, ids: Sequence[str]) -> list[str]:
        """Those of ``ids`` that wait in quarantine."""
        select = self.quarantine()
        if select is None or not ids:
            return []
        con = self._connection()
        found = con.execute(
            f"SELECT quarantine_id FROM ({select}) AS _w WHERE status = 'waiting' "
            "AND list_contains(?::VARCHAR[], quarantine_id) ORDER BY quarantine_id",
            [list(ids)],
        ).fetchall()
        return [row[0] for row in found]

    # locks and errors -------------------------------------------------------------------------------

    def _publishing(self, table: str, timeout: float | None = None) -> AbstractContextManager[None]:
        """Of this module's own: the runner's lock of the same table is another file."""
        wait = self.ctx.lock_timeout if timeout is None else timeout
        return self.lock(f"publish {table}", wait, "a publish")

    def _settling(self) -> AbstractContextManager[None]:
        return self.lock("quarantine statuses", self.ctx.lock_timeout, "a change of quarantine")

    def _statuses_of(self, order: PublishOrder) -> AbstractContextManager[None]:
        """Only a replay changes statuses, so only a replay waits for others that do."""
        return self._settling() if order.replays else nullcontext()

    @contextmanager
    def _disk(self, doing: str) -> Iterator[None]:
        """What the system says about files, as an error that says what to do."""
        import duckdb

        try:
            yield
        except (OSError, duckdb.Error) as error:
            full = getattr(error, "errno", None) in _NO_SPACE or any(
                text in str(error) for text in ("No space left", "File too large", "Disk quota")
            )
            what = " ".join(str(error).split())[:400]
            raise DestinationError(
                f"can't {doing} in {self.places.root}: {what}",
                where=self.ctx.where,
                hint="free some disk, then run again: the run starts over or is completed from its journal"
                if full
                else "check that the folder can be written and read, then run again",
            ) from error
