"""MySQL or MariaDB as a warehouse: a namespace is a database, and ``_sluiceway`` one beside them.

DDL commits in MySQL, so tables are made and widened before the transaction; rows, state, quarantine and
receipt are one transaction (InnoDB). Rows go in by LOAD DATA LOCAL, which turns errors into warnings
whatever the SQL mode says: a single warning ends the publish.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.database import Session, TargetColumn
from sluiceway.connectors.dbsink import _ROWS
from sluiceway.connectors.dialects import MYSQL
from sluiceway.connectors.jdbcsink import ExecutorSink, Landing, Workroom
from sluiceway.connectors.myclient import MAX_NAME, MyServer, my_errors
from sluiceway.connectors.myjdbc import jdbc_target, landing
from sluiceway.connectors.myplace import MyPlace
from sluiceway.connectors.mytypes import (
    MyColumn,
    describe_sql,
    encode,
    index_prefixes,
    my_column,
    my_type,
    quoted,
    unsupported,
)
from sluiceway.connectors.pipe import copy_pipe, fed
from sluiceway.duck import literal, relation
from sluiceway.errors import DestinationError, LockTimeoutError
from sluiceway.exchange import SYSTEM_SCHEMA, PublishOrder, Receipt, Staged
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.base import ConnectorContext

__all__ = ["MysqlSink"]

log = logging.getLogger("sluiceway.connectors.mysql")
_FENCE_SECONDS = 600
_CSV = "FORMAT csv, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR 'NULL'"


class _MySession:
    def __init__(self, con: Any) -> None:
        self.con = con

    def execute(self, sql: str) -> None:
        with self.con.cursor() as cursor:
            cursor.execute(sql)

    def load(self, sql: str) -> int:
        """LOAD DATA LOCAL: how many rows the server took."""
        import pymysql

        try:
            with self.con.cursor() as cursor:
                taken: int = cursor.execute(sql)
                return taken
        except AttributeError as error:
            # pymysql ends the file on a socket that it has closed itself, and so hides the cause
            if self.con.open:
                raise
            raise pymysql.err.OperationalError(
                2013, "Lost connection to the server during LOAD DATA"
            ) from error

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.con.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def begin(self) -> None:
        self.execute("START TRANSACTION")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        self.execute("ROLLBACK")

    @property
    def lost(self) -> bool:
        return not self.con.open

    def close(self) -> None:
        if self.con.open:
            self.con.close()


class MysqlSink(ExecutorSink):
    system = "MySQL"
    dialect = MYSQL
    name_bytes = MAX_NAME
    ddl_commits = True

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self.server = MyServer.of(config, context.where)
        self._mariadb: bool | None = None

    def _connect(self, name: str) -> Session:
        return _MySession(self.server.connect(local_infile=True))

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return my_errors(self.server, DestinationError, what=what, tables=False)

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        self.server.attach(con, self.alias)

    def _clear_cache(self, con: duckdb.DuckDBPyConnection) -> None:
        con.execute("CALL mysql_clear_cache()")

    @property
    def is_mariadb(self) -> bool:
        if self._mariadb is None:
            found = self._asked("the MySQL warehouse", lambda session: session.rows("SELECT version()"))
            self._mariadb = "mariadb" in str(found[0][0]).lower()
        return self._mariadb

    def unsupported(self, schema: Schema) -> dict[str, str]:
        return unsupported(schema, mariadb=self.is_mariadb)

    def _type(self, type_: str, *, key: bool) -> str:
        made = my_type(type_, mariadb=self.is_mariadb, key=key)
        return made or "longtext"

    # tables -----------------------------------------------------------------------------------------

    def _exists(self, session: Session, table: TableName) -> bool:
        lit = self.dialect.literal
        return bool(
            session.rows(
                "SELECT 1 FROM information_schema.tables "
                f"WHERE table_schema = {lit(table.namespace)} AND table_name = {lit(table.name)}"
            )
        )

    def _my_columns(self, session: Session, table: TableName) -> list[MyColumn]:
        lit = self.dialect.literal
        sql = describe_sql(lit(table.namespace), lit(table.name), mariadb=self.is_mariadb)
        return [my_column(row, booleans=True, times=True) for row in session.rows(sql)]

    def _describe(self, session: Session, table: TableName) -> list[TargetColumn] | None:
        found = self._my_columns(session, table)
        if not found:
            return None
        made = []
        for c in found:
            encoded, restored = encode(c)
            made.append(
                TargetColumn(
                    name=c.name, type=c.type, nullable=c.nullable, spelled=_spelled(c), encoded=encoded,
                    direct=restored == "{}", restored=restored,
                )
            )  # fmt: skip
        return made

    def _scan(self, table: TableName) -> str:
        columns = self._asked(str(table), lambda session: self._my_columns(session, table))
        listed = ", ".join(map(quoted, columns))
        if "`" in "".join((*self._parts(table), *(c.name for c in columns))):
            # the scanner can't quote it
            query = f"SELECT * FROM {self.dialect.relation(*self._parts(table))}"
            return f"SELECT {listed} FROM mysql_query({literal(self.alias)}, {literal(query)}) AS _remote"
        return f"SELECT {listed} FROM {relation(self.alias, *self._parts(table))}"

    def _create_namespace(self, session: Session, namespace: str) -> None:
        there = session.rows(
            f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {self.dialect.literal(namespace)}"
        )
        if not there:
            session.execute(f"CREATE DATABASE IF NOT EXISTS {self.dialect.ident(namespace)}")

    def _alter_type(self, session: Session, table: TableName, name: str, type_: str) -> None:
        session.execute(
            f"ALTER TABLE {self.dialect.relation(*self._parts(table))} "
            f"MODIFY COLUMN {self.dialect.ident(name)} {type_}"
        )

    def _transact(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        staged: Staged,
        order: PublishOrder,
        good: str,
        bad: str | None,
    ) -> Receipt:
        with self._errors(str(order.table)):
            self._fence(session, f"publish {order.table}")
            self._refuse_loose_keys(session, order)
            self._advise_index(session, order)
            before = self._my_columns(session, order.table)
        try:
            return super()._transact(session, con, staged, order, good, bad)
        except BaseException:  # also an interrupt: what DDL committed must not stay behind
            if not session.lost and not self._receipt(session, order.run_id):
                self._undo_ddl(session, order.table, before)
            raise

    def _undo_ddl(self, session: Session, table: TableName, before: list[MyColumn]) -> None:
        """The table as it was. No row was written since, so nothing is lost; a process that is killed in
        between leaves an empty table, or columns without values, which the next run takes as they are."""
        name = self.dialect.relation(*self._parts(table))
        if not before:
            session.execute(f"DROP TABLE IF EXISTS {name}")
            return
        were = {column.name: column for column in before}
        for column in self._my_columns(session, table):
            quoted_name = self.dialect.ident(column.name)
            if column.name not in were:
                session.execute(f"ALTER TABLE {name} DROP COLUMN {quoted_name}")
            elif column.spelled != were[column.name].spelled:
                session.execute(
                    f"ALTER TABLE {name} MODIFY COLUMN {quoted_name} {_spelled(were[column.name])}"
                )

    def _refuse_loose_keys(self, session: Session, order: PublishOrder) -> None:
        """Where 'a' = 'A' or 'a' = 'a ', a merge would replace rows of another key."""
        if order.mode not in ("merge", "scd2"):
            return
        keys = {name.casefold() for name in order.key}
        for column in self._my_columns(session, order.table):
            loose = column.collation is not None and not column.collation.endswith("_bin")
            if loose and column.name.casefold() in keys:
                raise DestinationError(
                    f"{order.table}: key column '{column.name}' compares by {column.collation}, where keys "
                    "that differ are equal",
                    hint=f"ALTER TABLE {self.dialect.relation(*self._parts(order.table))} MODIFY "
                    f"{self.dialect.ident(column.name)} {self._type('VARCHAR', key=True)}",
                    details={"final": True},
                )

    def _advise_index(self, session: Session, order: PublishOrder) -> None:
        """A table that someone else made may lack the index without which MySQL compares each row of the
        batch with each of the table. It is theirs, so they are told."""
        lit = self.dialect.literal
        there = self._my_columns(session, order.table) if order.mode in ("merge", "scd2") else []
        if not there or session.rows(
            "SELECT 1 FROM information_schema.statistics WHERE seq_in_index = 1 "
            f"AND table_schema = {lit(order.table.namespace)} AND table_name = {lit(order.table.name)} "
            f"AND column_name IN ({', '.join(map(lit, order.key))})"
        ):
            return
        index = self._index([(c.name, c.spelled) for c in there], order.key).removeprefix(", ")
        table = self.dialect.relation(*self._parts(order.table))
        log.warning(
            "%s has no index on its key, so %s will be slow; type in mysql: ALTER TABLE %s ADD %s",
            order.table, order.mode, table, index,
        )  # fmt: skip

    # rows -------------------------------------------------------------------------------------------

    def _temporary(
        self, session: Session, columns: Sequence[tuple[str, str]], key: Sequence[str]
    ) -> tuple[str, ...]:
        listed = ", ".join(f"{self.dialect.ident(name)} {type_}" for name, type_ in columns)
        place = (SYSTEM_SCHEMA, _ROWS)
        session.execute(f"DROP TEMPORARY TABLE IF EXISTS {self.dialect.relation(*place)}")
        session.execute(
            f"CREATE TEMPORARY TABLE {self.dialect.relation(*place)} ({listed}{self._index(columns, key)})"
        )
        return place

    def _prefixes(self, columns: Sequence[tuple[str, str]], key: Sequence[str]) -> list[str]:
        spelled = {name.casefold(): type_ for name, type_ in columns}
        return index_prefixes([spelled[name.casefold()] for name in key]) if key else []

    def _index(self, columns: Sequence[tuple[str, str]], key: Sequence[str]) -> str:
        """Without one, rows and table are joined each with each: no other way is known to it."""
        listed = ", ".join(
            f"{self.dialect.ident(name)}{prefix}"
            for name, prefix in zip(key, self._prefixes(columns, key), strict=True)
        )
        return f", INDEX ({listed})" if listed else ""

    def _copy(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        target: Sequence[str],
        names: Sequence[str],
        sql: str,
    ) -> int:
        if not isinstance(session, _MySession):
            raise TypeError("a session of another system")
        listed = ", ".join(self.dialect.ident(name) for name in names)
        with copy_pipe(con, sql, self._folder, _CSV) as pipe, fed(pipe) as path:
            # NULL is the bare word: a text 'NULL' comes quoted
            taken = session.load(
                f"LOAD DATA LOCAL INFILE {self.dialect.literal(path)} INTO TABLE "
                f"{self.dialect.relation(*target)} CHARACTER SET utf8mb4 "
                "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' "
                f"LINES TERMINATED BY '\\n' ({listed})"
            )
            if pipe.failed is not None:
                raise pipe.failed
        _refuse_changes(session, ".".join(target))
        return taken

    # of executors -----------------------------------------------------------------------------------

    def _address(self) -> dict[str, Any] | None:
        return jdbc_target(self.server)

    def _workroom(self) -> Workroom:
        with self._errors("the working tables"):
            return MyPlace(self.server, lambda: self._errors("the working tables"))

    def _landing(self, type_: str) -> Landing | None:
        return landing(type_, mariadb=self.is_mariadb)

    def _changed(self, session: Session, sql: str) -> int:
        assert isinstance(session, _MySession)
        with session.con.cursor() as cursor:
            taken: int = cursor.execute(sql)
        _refuse_changes(session, "the rows of the executors")
        return taken

    # locks ------------------------------------------------------------------------------------------

    def _fence(self, session: Session, name: str) -> None:
        if session.rows(f"SELECT GET_LOCK({_key(name)}, {_FENCE_SECONDS})")[0][0] != 1:
            raise DestinationError(f"another session is busy with {name}", hint="run it again")

    @contextmanager
    def lock(self, name: str, timeout: float, holder: str) -> Iterator[None]:
        """A named lock of a session, which the publish then runs on: should it end, so do both."""
        with self._errors(name):
            session = self._connect(holder)
        locks, lit = self.dialect.relation(SYSTEM_SCHEMA, "locks"), self.dialect.literal
        try:
            with self._errors(name):
                self._create_namespace(session, SYSTEM_SCHEMA)
                session.execute(
                    f"CREATE TABLE IF NOT EXISTS {locks} (name {self.dialect.type('key')} PRIMARY KEY, "
                    f"holder {self.dialect.type('text')}, session_id BIGINT)"
                )
                if session.rows(f"SELECT GET_LOCK({_key(name)}, {timeout:f})")[0][0] != 1:
                    raise LockTimeoutError(
                        f"{name} is locked by {self._holder(session, name)}; waited {timeout:g} s",
                        hint="wait for that run to end, or raise lock_timeout",
                    )
                session.execute(
                    f"REPLACE INTO {locks} VALUES ({lit(name[:700])}, {lit(holder)}, CONNECTION_ID())"
                )
            self._locked = session
            yield
        finally:
            self._locked = None
            session.close()

    def _holder(self, session: Session, name: str) -> str:
        found = session.rows(
            f"SELECT holder, session_id FROM {self.dialect.relation(SYSTEM_SCHEMA, 'locks')} "
            f"WHERE name = {self.dialect.literal(name[:700])} AND session_id = IS_USED_LOCK({_key(name)})"
        )
        return f"{found[0][0]} (session {found[0][1]} of the server)" if found else "another session"

    def dataset(self, table: TableName) -> tuple[str, str]:
        return f"mysql://{self.server.host}", f"{table.namespace}.{table.name}"


def _refuse_changes(session: Session, what: str) -> None:
    """Where values did not fit, strict or not, it says so by warnings."""
    warnings = session.rows("SHOW WARNINGS LIMIT 3")
    if warnings:
        told = "; ".join(str(row[2]) for row in warnings)
        raise DestinationError(
            f"{what}: MySQL would have changed values: {told}",
            hint="nothing was published; cast the column in the transform so that its values fit",
            details={"final": True},
        )


def _spelled(column: MyColumn) -> str:
    """The type as a temporary table takes it: a bare timestamp column would update itself."""
    if column.spelled.lower().startswith("timestamp"):
        return f"{column.spelled} NULL DEFAULT NULL"
    if column.collation is not None:
        return f"{column.spelled} COLLATE {column.collation}"
    return column.spelled


def _key(name: str) -> str:
    """The name of a lock, which may have 64 characters."""
    return f"'sluiceway {hashlib.sha256(name.encode()).hexdigest()[:40]}'"
