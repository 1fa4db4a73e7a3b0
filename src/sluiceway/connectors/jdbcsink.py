"""Rows that an engine's executors write into a database themselves, over JDBC.

They go into a working table of the run, each with a number. A task that fails after its rows were committed
is run again and writes them again, with the same numbers: the staged files are read in the same order, and
a number says the task and the place in it. So when all tasks have ended well every row is there, some
perhaps twice and each time the same. Then the table gets another name, which waits for whoever still writes
and shuts out those who come later; rows that are there twice go; and the transaction of the publish moves
what must be as many rows as the verdict was given over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sluiceway.connectors.dbsink import DatabaseSink, carried_out
from sluiceway.connectors.loading import check_order, load
from sluiceway.errors import DestinationError, EngineError
from sluiceway.exchange import Location, PublishOrder, Receipt, Staged, Verdict
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.database import Session

__all__ = ["ExecutorSink", "Landing", "Workroom"]

log = logging.getLogger("sluiceway.connectors.jdbcsink")
_NUMBER = "_number"
_READ_AS = {
    "TINYINT": "SMALLINT", "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)", "TIMESTAMP_S": "TIMESTAMP", "TIMESTAMP_MS": "TIMESTAMP",
}  # fmt: skip
"""Types that a database without unsigned integers keeps as another."""


@dataclass(frozen=True)
class Landing:
    """How a column gets into the database: as ``travels`` (DuckDB's type) into a working column of type
    ``spelled``, of which ``restored`` makes the value, with ``{0}`` for the working column."""

    travels: str
    spelled: str
    restored: str = "{0}"


class Workroom(Protocol):
    """Working tables of one run, known as its own by a lock that ends with its process."""

    def blank(self, name: str, columns: Sequence[tuple[str, str]]) -> str:
        """Make an empty table; its quoted name."""
        ...

    def sealed(self, name: str, timeout: float) -> str:
        """Give the table another name, once nobody writes to it; what it is called now.

        Raises:
            DestinationError: somebody still writes after ``timeout`` seconds.
        """
        ...

    def distinct(self, name: str) -> str:
        """Copy the rows of a sealed table, each once; the copy's name."""
        ...

    def ask(self, sql: str) -> list[tuple[Any, ...]]: ...

    def leave(self) -> None:
        """Drop the tables and end the session."""
        ...


class ExecutorSink(DatabaseSink):
    """The part of the sink that serves engines whose executors deliver; see ``Staged.delivery``."""

    _landed: tuple[str, Sequence[Landing]] | None = None

    # what a subclass gives --------------------------------------------------------------------------

    def _address(self) -> dict[str, Any] | None:
        """``driver jar url properties`` of a Location to write to; None where executors can't."""
        raise NotImplementedError

    def _workroom(self) -> Workroom:
        raise NotImplementedError

    def _landing(self, type_: str) -> Landing | None:
        """None for types that are not known to arrive exactly."""
        raise NotImplementedError

    def _changed(self, session: Session, sql: str) -> int:
        """Run a statement; how many rows it wrote."""
        raise NotImplementedError

    # publish ----------------------------------------------------------------------------------------

    def publish(self, verdict: Verdict, staged: Staged, order: PublishOrder) -> Receipt:
        check_order(verdict, staged, order)
        with self._delivered(staged, order):
            return super().publish(verdict, staged, order)

    @contextmanager
    def _delivered(self, staged: Staged, order: PublishOrder) -> Iterator[None]:
        address, landings = self._address(), self._landings(staged, order)
        room = None
        if address is not None and landings is not None and staged.delivery is not None:
            room = self._room(staged, address["jar"], order)
        if room is None or address is None or landings is None:
            yield
            return
        try:
            self._landed = self._deliver(room, staged, order, address, landings), landings
            yield
        finally:
            self._landed = None
            try:
                room.leave()
            except DestinationError as error:  # the run's own end is told; the next one clears up
                log.warning("the working tables of %s are left behind: %s", order.run_id, error.message)

    def _room(self, staged: Staged, jar: str, order: PublishOrder) -> Workroom | None:
        if staged.delivery is None or not staged.delivery.takes(jar):
            return None
        if self.receipts(run_id=order.run_id):
            return None  # it is published already
        try:
            return self._workroom()
        except DestinationError as error:
            log.warning("no working tables, so rows go through this machine: %s", error.message)
            return None

    def _landings(self, staged: Staged, order: PublishOrder) -> list[Landing] | None:
        """One a column; None where a column of the target may not take the values as they are."""
        if staged.delivery is None:
            return None
        self._check_names(order.table)
        found = self._asked(str(order.table), lambda session: self._describe(session, order.table))
        there = {c.name.casefold(): c for c in found or ()}
        for name in order.widen_columns:
            there.pop(name.casefold(), None)
        made = []
        for column in staged.schema:
            landing, target = self._landing(column.type), there.get(column.name.casefold())
            if landing is None or (target is not None and not _alike(column, target.type, target.spelled)):
                return None
            made.append(landing)
        return made

    def _deliver(
        self,
        room: Workroom,
        staged: Staged,
        order: PublishOrder,
        address: dict[str, Any],
        landings: Sequence[Landing],
    ) -> str:
        assert staged.delivery is not None
        columns = [(f"c{i}", landing) for i, landing in enumerate(landings)]
        spelled = [*((name, landing.spelled) for name, landing in columns), (_NUMBER, "bigint")]
        to = Location(
            "jdbc",
            Schema(tuple(Column(name, landing.travels) for name, landing in columns)),
            options={
                **address, "table": room.blank("rows", spelled), "names": staged.schema.names,
                "number": _NUMBER,
            },
        )  # fmt: skip
        try:
            staged.delivery.write(to)
        except EngineError as error:
            raise DestinationError(
                f"{order.table}: the engine's executors could not write the rows: {error.message}",
                hint="nothing was published; can they reach the server? Without the driver's jar the rows go "
                "through this machine",
            ) from error
        table = room.sealed("rows", self.context.lock_timeout)
        taken = _count(room, table)
        if taken > staged.published:
            log.info("%s: %d rows were written twice", order.table, taken - staged.published)
            table = room.distinct("rows")
            taken = _count(room, table)
        self._counted(taken, staged, order)
        log.info("%s: the engine's executors wrote %d rows", order.table, taken)
        return table

    def _load(
        self, session: Session, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder, good: str
    ) -> int:
        if self._landed is None:
            return super()._load(session, con, staged, order, good)
        table, landings = self._landed
        ident, relation = self.dialect.ident, self.dialect.relation
        target = self._parts(order.table)
        there = {c.name.casefold(): c for c in self._describe(session, order.table) or ()}
        columns = [there[name.casefold()] for name in staged.schema.names]
        names = [c.name for c in columns]
        listed = ", ".join(map(ident, names))
        values = ", ".join(landing.restored.format(f"c{i}") for i, landing in enumerate(landings))
        if order.mode in ("append", "replace"):
            for sql in load(self.dialect, target, "unused", names, order).statements[:-1]:
                session.execute(sql)
            insert = f"INSERT INTO {relation(*target)} ({listed}) SELECT {values} FROM {table}"
            self._counted(self._changed(session, insert), staged, order)
            return 0
        spelled = [(c.name, c.spelled) for c in columns]
        temporary = self._temporary(session, spelled, order.key)
        insert = f"INSERT INTO {relation(*temporary)} ({listed}) SELECT {values} FROM {table}"
        self._counted(self._changed(session, insert), staged, order)
        self._settle_temporary(session, temporary)
        plan = load(
            self.dialect, target, relation(*temporary), names, order,
            prefixes=self._prefixes(spelled, order.key),
        )  # fmt: skip
        return carried_out(plan, session, order)


def _count(room: Workroom, table: str) -> int:
    return int(room.ask(f"SELECT count(*) FROM {table}")[0][0])


def _alike(column: Column, type_: str, spelled: str) -> bool:
    """A column of the target takes the values as they are.

    >>> _alike(Column("n", "DECIMAL(18,2)"), "DECIMAL(18,2)", "numeric(18,2)")
    True
    >>> _alike(Column("n", "DECIMAL(18,4)"), "DECIMAL(18,2)", "numeric(18,2)")
    False
    >>> _alike(Column("mood", "VARCHAR"), "VARCHAR", "mood")
    False
    """
    ours, theirs = column.type.upper().replace(", ", ","), type_.upper().replace(", ", ",")
    if ours.startswith("ENUM("):
        ours = "VARCHAR"
    if theirs not in (ours, _READ_AS.get(ours)):
        return False
    if ours == "VARCHAR":
        return spelled.lower().startswith(("text", "character varying", "varchar", "longtext", "mediumtext"))
    return ours != "JSON" or spelled.lower().startswith(("jsonb", "longtext", "json"))
