"""PostgreSQL as a source: types, what reaches the server, errors that say what to do."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.integration.databases import context, engine

from sluiceway import plugins
from sluiceway.connectors.base import Read
from sluiceway.errors import EngineError, PlanError, SourceError, SpecError
from sluiceway.exchange import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.servers import Server

    from sluiceway.connectors.postgres import PostgresSource

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres: Server) -> str:
    return postgres.create_database()


@pytest.fixture
def sources(postgres: Server, database: str, tmp_path: Path) -> Iterator[Any]:
    """``make(table="t", …)``: an open source."""
    connector = plugins.load("connectors", "postgres")
    made: list[PostgresSource] = []

    def make(**keys: Any) -> PostgresSource:
        given = {"type": "postgres", "url": postgres.url_of(database), **keys}
        made.append(connector.source(connector.source_config.model_validate(given), context(tmp_path)))
        return made[-1]

    yield make
    for source in made:
        source.close()


def rows(source: PostgresSource, folder: Path, read: Read | None = None) -> list[tuple[Any, ...]]:
    """By the native scan of a sealed engine, as in a run."""
    with engine(folder) as on:
        sql = source.native_scan(on, read or Read())
        assert sql is not None
        on.seal(source.folders())
        return on.query(sql)


TYPES = [
    ("boolean", "true", "BOOLEAN", True),
    ("smallint", "-5", "SMALLINT", -5),
    ("bigint", "9223372036854775807", "BIGINT", 9223372036854775807),
    ("real", "1.5", "FLOAT", 1.5),
    ("numeric(38,10)", "1234567890123456789012345678.0123456789", "DECIMAL(38,10)",
     Decimal("1234567890123456789012345678.0123456789")),
    ("varchar(5)", "'é'", "VARCHAR", "é"),
    ("bytea", r"'\x00ff'", "BLOB", b"\x00\xff"),
    ("date", "'2026-02-28'", "DATE", date(2026, 2, 28)),
    ("time", "'10:00:00.5'", "TIME", time(10, 0, 0, 500000)),
    ("timestamp", "'2026-01-01 10:00:00.123456'", "TIMESTAMP", datetime(2026, 1, 1, 10, 0, 0, 123456)),  # noqa: DTZ001
    ("timestamptz", "'2026-01-01 10:00+02'", "TIMESTAMP WITH TIME ZONE", datetime(2026, 1, 1, 8, tzinfo=UTC)),
    ("uuid", "'7b2b4d1c-9d5c-4c3f-8a55-0c6c1f6f2a10'", "UUID", UUID("7b2b4d1c-9d5c-4c3f-8a55-0c6c1f6f2a10")),
    ("jsonb", "'{\"a\":1}'", "JSON", '{"a": 1}'),
    ("mood", "'ok'", "VARCHAR", "ok"),
    ("positive", "5", "INTEGER", 5),
    ("pair", "'(1,x)'", "JSON", '{"a": 1, "b": "x"}'),
    ("money", "1234.5", "DECIMAL(19,2)", Decimal("1234.50")),
    ("inet", "'10.0.0.1'", "VARCHAR", "10.0.0.1/32"),
    ("xml", "'<a/>'", "VARCHAR", "<a/>"),
    ("int4range", "'[1,5)'", "VARCHAR", "[1,5)"),
    ("bit(3)", "B'101'", "VARCHAR", "101"),
    ("integer[]", "'{1,NULL}'", "INTEGER[]", [1, None]),
    ("jsonb[]", "array['1'::jsonb]", "VARCHAR[]", ["1"]),
]  # fmt: skip
DDL = (
    "CREATE TYPE mood AS ENUM ('ok', 'sad')",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE DOMAIN positive AS int CHECK (value > 0)",
)


@pytest.mark.parametrize("by", ["table", "query", "stream"])
def test_every_type_is_read_as_its_schema_says(
    postgres: Server, database: str, sources: Any, tmp_path: Path, by: str
) -> None:
    columns = ", ".join(f"c{n} {spelled}" for n, (spelled, *_) in enumerate(TYPES))
    values = ", ".join(value for _, value, *_ in TYPES)
    postgres.execute(
        *DDL,
        f"CREATE TABLE t ({columns})",
        f"INSERT INTO t VALUES ({values})",
        "INSERT INTO t (c0) VALUES (NULL)",
        database=database,
    )
    source = sources(**({"query": "SELECT * FROM t"} if by == "query" else {"table": "t"}))
    assert [(c.name, c.type) for c in source.schema()] == [(f"c{n}", t[2]) for n, t in enumerate(TYPES)]
    if by == "stream":
        found = [tuple(row.values()) for row in source.read(Read()).read_all().to_pylist()]
    else:
        found = rows(source, tmp_path)
        with engine(tmp_path) as on:
            assert on.columns(source.native_scan(on, Read()) or "").names == source.schema().names
    assert (None,) * len(TYPES) in found
    full = next(row for row in found if row[0] is not None)
    for (spelled, _, type_, wanted), got in zip(TYPES, full, strict=True):
        if type_ == "JSON":
            assert json.loads(got) == json.loads(wanted), spelled
        else:
            assert str(got) == str(wanted) if spelled == "uuid" else got == wanted, spelled


def test_numbers_without_digits_are_refused_then_read_as_told(
    postgres: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    postgres.execute(
        "CREATE TABLE t (id int, a numeric)",
        "INSERT INTO t VALUES (1, 12345678901234567.12)",
        database=database,
    )
    with pytest.raises(SourceError, match=r"column .a. is numeric.*no fixed number") as error:
        sources(table="t").schema()
    assert "numeric: DECIMAL(18,2)" in (error.value.hint or "")
    wanted = [(1, Decimal("12345678901234567.12"))]
    assert rows(sources(table="t", numeric="DECIMAL(20,2)"), tmp_path) == wanted
    assert rows(sources(table="t", columns={"id": "INTEGER", "a": "DECIMAL(20,2)"}), tmp_path) == wanted
    assert rows(sources(table="t", numeric="VARCHAR"), tmp_path) == [(1, "12345678901234567.12")]


@pytest.mark.parametrize("value", ["1.005", "'NaN'", "1e30"])
def test_a_number_is_never_rounded_in_silence(
    postgres: Server, database: str, sources: Any, value: str
) -> None:
    postgres.execute("CREATE TABLE t (a numeric)", f"INSERT INTO t VALUES ({value})", database=database)
    source = sources(table="t", numeric="DECIMAL(18,2)")
    with pytest.raises(SourceError, match=r"does not fit numeric\(18,2\)|numeric field overflow"):
        source.read(Read()).read_all()


@pytest.mark.parametrize("keys", [{"table": "t"}, {"query": "SELECT * FROM t"}])
def test_nan_in_a_decimal_is_an_error_and_not_zero(
    postgres: Server, database: str, sources: Any, keys: dict[str, str]
) -> None:
    postgres.execute("CREATE TABLE t (a numeric(12,2))", "INSERT INTO t VALUES ('NaN')", database=database)
    with pytest.raises(SourceError, match="NaN"):
        sources(**keys).read(Read()).read_all()


@pytest.mark.parametrize("keys", [{"table": "t"}, {"query": "SELECT * FROM t"}])
def test_nan_in_an_array_is_an_error_and_not_zero(
    postgres: Server, database: str, sources: Any, keys: dict[str, str], tmp_path: Path
) -> None:
    postgres.execute(
        "CREATE TABLE t (a numeric(12,2)[])",
        "INSERT INTO t VALUES (NULL), ('{1.5,NULL,0}'), ('{}')",
        database=database,
    )
    found = rows(sources(**keys), tmp_path, Read(confirmed=True))
    assert sorted(map(str, found)) == ["(None,)", "([Decimal('1.50'), None, Decimal('0.00')],)", "([],)"]
    postgres.execute("INSERT INTO t VALUES ('{1,NaN}')", database=database)
    with pytest.raises(SourceError, match="NaN"):
        sources(**keys).read(Read()).read_all()
    source = sources(**keys)
    with engine(tmp_path) as on:
        scan = source.native_scan(on, Read(confirmed=True))
        if "query" in keys:  # the server refuses
            with pytest.raises(EngineError, match="NaN"):
                on.query(scan)
        else:
            on.query(scan)
            with pytest.raises(SourceError, match="NaN"):
                source.fingerprint()


def said_since(postgres: Server, begun: int, what: str) -> list[str]:
    with postgres.log.open() as log:
        log.seek(begun)
        return [line for line in log if what in line]


def test_the_server_is_asked_for_nan_only_where_a_zero_was_read(
    postgres: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    postgres.execute(
        "CREATE TABLE t (id int, a numeric(12,2), b numeric(4,1))",
        "INSERT INTO t SELECT g, g, CASE WHEN g > 90 THEN NULL ELSE -g END FROM generate_series(1, 100) g",
        f"ALTER DATABASE {database} SET log_statement = 'all'",
        database=database,
    )
    begun = postgres.log.stat().st_size
    with engine(tmp_path) as on:

        def read(**how: Any) -> tuple[list[tuple[Any, ...]], PostgresSource]:
            source = sources(table="t")
            assert source.fingerprint() is None
            sql = source.native_scan(on, Read(confirmed=True, **how))
            return sorted(on.query(sql), key=lambda row: row[0]), source

        found, source = read()
        assert found[0] == (1, Decimal("1.00"), Decimal("-1.0"))
        assert source.fingerprint() is None
        assert said_since(postgres, begun, "'NaN'") == []

        postgres.execute("UPDATE t SET b = 0 WHERE id = 7", database=database)
        found, source = read()
        assert found[6] == (7, Decimal("7.00"), Decimal("0.0"))
        assert source.fingerprint() is None  # a true zero
        assert len(said_since(postgres, begun, "'NaN'")) == 1
        assert source.fingerprint() is None
        assert len(said_since(postgres, begun, "'NaN'")) == 1  # asked and answered

        postgres.execute("UPDATE t SET a = 'NaN' WHERE id = 99", database=database)
        for how in ({}, {"filters": ("a > 50",)}, {"columns": ("id", "a")}):
            found, source = read(**how)
            with pytest.raises(SourceError, match="holds NaN"):
                source.fingerprint()
        found, source = read(filters=("a < 50", "id > 8"))  # PostgreSQL's NaN is greater than all numbers
        assert (len(found), source.fingerprint()) == (41, None)


@pytest.mark.parametrize("confirmed", [False, True])
def test_projection_filters_and_the_mark_reach_the_server(
    postgres: Server, database: str, sources: Any, tmp_path: Path, confirmed: bool
) -> None:
    postgres.execute(
        "CREATE TABLE t (id int, at timestamptz, s text, n numeric(9,2), unread text)",
        "INSERT INTO t SELECT g, '2026-01-01'::timestamptz + g * interval '1 day', 's' || g, g, 'x' "
        "FROM generate_series(1, 100) g",
        f"ALTER DATABASE {database} SET log_statement = 'all'",
        database=database,
    )
    mark = Cursor("t", "at", "TIMESTAMP WITH TIME ZONE", "2026-04-01 00:00:00+00")
    read = Read(columns=("id", "s"), filters=("n > 95.5", "s <> 's99'"), since=mark, confirmed=confirmed)
    begun = postgres.log.stat().st_size
    assert sorted(rows(sources(table="t"), tmp_path, read)) == [(n, f"s{n}") for n in (96, 97, 98, 100)]
    with postgres.log.open() as log:
        log.seek(begun)
        copies = [line for line in log if "COPY (SELECT" in line and '"t"' in line]
    assert copies
    assert all("unread" not in line for line in copies)
    assert all('"at" > \'2026-04-01' in line and "\"n\" > '95.50'" in line for line in copies)


def test_increments_with_and_without_lag(
    postgres: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    postgres.execute(
        "CREATE TABLE t (id int, at timestamp)",
        "INSERT INTO t VALUES (1, '2026-01-01'), (2, '2026-01-02'), (3, '2026-01-03'), (4, NULL)",
        database=database,
    )
    mark = Cursor("t", "at", "TIMESTAMP", "2026-01-02 00:00:00")
    for keys in ({"table": "t"}, {"query": "SELECT id, at FROM t;"}):

        def ids(keys: dict[str, str] = keys, **how: Any) -> list[int]:
            return sorted(row[0] for row in rows(sources(**keys), tmp_path, Read(since=mark, **how)))

        assert ids() == [3]
        assert ids(strict=False) == [2, 3]
        assert ids(include_null_cursor=True) == [3, 4]


def test_names_that_need_quoting(postgres: Server, database: str, sources: Any, tmp_path: Path) -> None:
    postgres.execute(
        'CREATE SCHEMA "my.schema"',
        """CREATE TABLE "my.schema"."or'der ""x" ("sel ect" int, "d""q" money)""",
        """INSERT INTO "my.schema"."or'der ""x" VALUES (1, 2)""",
        database=database,
    )
    source = sources(table='"my.schema"."or\'der ""x"')
    assert source.schema().names == ("sel ect", 'd"q')
    assert rows(source, tmp_path) == [(1, Decimal(2))]


def test_clear_errors(
    postgres: Server, database: str, sources: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    postgres.execute(
        "CREATE TABLE orders (id int)",
        "CREATE ROLE nobody LOGIN PASSWORD 'n0body-secret'" if not _role(postgres) else "SELECT 1",
        database=database,
    )
    with pytest.raises(SourceError, match="no such table") as missing:
        sources(table="public.ordres").schema()
    assert "did you mean 'public.orders'" in str(missing.value)
    with pytest.raises(PlanError, match=r"column 'ids' does not exist.*id"):
        sources(table="orders", columns=["ids"]).schema()
    wrong = postgres.url_of(database).replace(postgres.password, "wr0ng-password")
    with pytest.raises(SourceError, match="does not take the password") as refused:
        sources(table="orders", url=wrong).schema()
    denied = postgres.url_of(database).replace(f"{postgres.user}:{postgres.password}", "nobody:n0body-secret")
    with pytest.raises(SourceError, match="permission denied") as forbidden:
        sources(table="orders", url=denied).schema()
    assert "GRANT" in (forbidden.value.hint or "")
    with pytest.raises(SourceError, match=r"can.t reach PostgreSQL at 127\.0\.0\.1:1"):
        sources(table="orders", url="postgresql://u:sup3r-secret@127.0.0.1:1/x").schema()
    with pytest.raises(SpecError, match="url") as unread:
        sources(table="orders", url="postgresql://u:sup3r-secret@[bad/x").schema()
    told = " ".join(str(e.value) for e in (missing, refused, forbidden, unread)) + caplog.text
    for secret in ("wr0ng-password", "n0body-secret", "sup3r-secret", postgres.password):
        assert secret not in told


def _role(postgres: Server) -> bool:
    return bool(postgres.execute("SELECT 1 FROM pg_roles WHERE rolname = 'nobody'"))


def test_the_password_stands_nowhere_in_the_engine(
    postgres: Server, sources: Any, database: str, tmp_path: Path
) -> None:
    postgres.execute("CREATE TABLE t (id int)", database=database)
    source = sources(table="t")
    with engine(tmp_path) as on:
        sql = source.native_scan(on, Read())
        shown = [
            sql,
            on.explain(sql).text,
            on.query("FROM duckdb_databases()"),
            on.query("FROM duckdb_secrets()"),
            source,
        ]
    assert postgres.password not in repr(shown) + repr(source.server) + repr(source.config)


def test_a_sealed_engine_connects_again(
    postgres: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    postgres.execute("CREATE TABLE t AS SELECT 1 AS id", database=database)
    source = sources(table="t")
    with engine(tmp_path) as on:
        sql = source.native_scan(on, Read())
        on.seal(())
        assert on.query(sql) == [(1,)]
        postgres.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' "
            "AND pid <> pg_backend_pid()"
        )
        assert on.query(sql) == [(1,)]
        with pytest.raises(Exception, match=r"(?i)disabled"):
            on.execute(f"ATTACH '{postgres.url}' AS other (TYPE postgres)")


def test_a_server_that_dies_in_the_middle_of_a_read(postgres: Server, database: str, sources: Any) -> None:
    postgres.execute(
        "CREATE TABLE t AS SELECT g AS id, repeat('x', 200) AS s FROM generate_series(1, 300000) g",
        database=database,
    )
    reader = sources(table="t", batch_size=1000).read(Read())
    reader.read_next_batch()
    postgres.kill()
    try:
        with pytest.raises(SourceError, match=r"PostgreSQL at 127\.0\.0\.1") as error:
            reader.read_all()
        assert postgres.password not in str(error.value)
    finally:
        postgres.restart()
    assert sources(table="t").read(Read()).read_all().num_rows == 300000
