"""MariaDB as a source: types, traps, what reaches the server, errors that say what to do."""

from __future__ import annotations

import logging
import time as clock
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.integration.databases import context, engine

from sluiceway import plugins
from sluiceway.connectors.base import Read
from sluiceway.errors import PlanError, SourceError, SpecError
from sluiceway.exchange import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.servers import Server

    from sluiceway.connectors.mysql import MysqlSource

pytestmark = pytest.mark.mysql


@pytest.fixture
def database(mariadb: Server) -> str:
    return mariadb.create_database()


@pytest.fixture
def sources(mariadb: Server, database: str, tmp_path: Path) -> Iterator[Any]:
    """``make(table="t", …)``: an open source."""
    connector = plugins.load("connectors", "mysql")
    made: list[MysqlSource] = []

    def make(**keys: Any) -> MysqlSource:
        given = {"type": "mysql", "url": mariadb.url_of(database), **keys}
        made.append(connector.source(connector.source_config.model_validate(given), context(tmp_path)))
        return made[-1]

    yield make
    for source in made:
        source.close()


def rows(source: MysqlSource, folder: Path, read: Read | None = None) -> list[tuple[Any, ...]]:
    """By the native scan of a sealed engine, as in a run."""
    with engine(folder) as on:
        sql = source.native_scan(on, read or Read())
        assert sql is not None
        on.seal(source.folders())
        return on.query(sql)


TYPES = [
    ("tinyint(1)", "1", "BOOLEAN", True),
    ("tinyint", "-5", "TINYINT", -5),
    ("tinyint unsigned", "255", "UTINYINT", 255),
    ("smallint unsigned", "65535", "USMALLINT", 65535),
    ("mediumint", "-8388608", "INTEGER", -8388608),
    ("int unsigned", "4294967295", "UINTEGER", 4294967295),
    ("bigint", "-9223372036854775808", "BIGINT", -9223372036854775808),
    ("bigint unsigned", "18446744073709551615", "UBIGINT", 18446744073709551615),
    ("bit(1)", "b'1'", "BOOLEAN", True),
    ("decimal(38,10)", "1234567890123456789012345678.0123456789", "DECIMAL(38,10)",
     Decimal("1234567890123456789012345678.0123456789")),
    ("double", "0.1", "DOUBLE", 0.1),
    ("varchar(9) character set latin1", "'é'", "VARCHAR", "é"),
    ("longtext", "'\U0001f600'", "VARCHAR", "\U0001f600"),
    ("varbinary(4)", "x'00ff'", "BLOB", b"\x00\xff"),
    ("date", "'2026-02-28'", "DATE", date(2026, 2, 28)),
    ("datetime(6)", "'2026-01-01 10:00:00.123456'", "TIMESTAMP", datetime(2026, 1, 1, 10, 0, 0, 123456)),  # noqa: DTZ001
    ("timestamp NULL", "'2026-01-01 10:00:00'", "TIMESTAMP WITH TIME ZONE",
     datetime(2026, 1, 1, 8, tzinfo=UTC)),
    ("time", "'-30:00:00'", "VARCHAR", "-30:00:00"),
    ("year", "2026", "INTEGER", 2026),
    ("json", "'{\"a\": 1}'", "JSON", '{"a": 1}'),
    ("enum('a','b')", "'b'", "VARCHAR", "b"),
    ("uuid", "'7b2b4d1c-9d5c-4c3f-8a55-0c6c1f6f2a10'", "UUID", UUID("7b2b4d1c-9d5c-4c3f-8a55-0c6c1f6f2a10")),
]  # fmt: skip


@pytest.mark.parametrize("by", ["native", "stream"])
def test_every_type_is_read_as_its_schema_says(
    mariadb: Server, database: str, sources: Any, tmp_path: Path, by: str
) -> None:
    columns = ", ".join(f"c{n} {spelled}" for n, (spelled, *_) in enumerate(TYPES))
    values = ", ".join(value for _, value, *_ in TYPES)
    mariadb.execute(
        "SET time_zone = '+02:00'",  # the session that writes lives elsewhere
        f"CREATE TABLE t ({columns})",
        f"INSERT INTO t VALUES ({values})",
        "INSERT INTO t (c0) VALUES (NULL)",
        database=database,
    )
    source = sources(table="t")
    assert [(c.name, c.type) for c in source.schema()] == [(f"c{n}", t[2]) for n, t in enumerate(TYPES)]
    if by == "stream":
        found = [tuple(row.values()) for row in source.read(Read()).read_all().to_pylist()]
    else:
        found = rows(source, tmp_path)
    assert (None,) * len(TYPES) in found
    full = next(row for row in found if row[0] is not None)
    for (spelled, *_, wanted), got in zip(TYPES, full, strict=True):
        assert str(got) == str(wanted) if spelled == "uuid" else got == wanted, spelled


def test_queries_say_their_types(mariadb: Server, database: str, sources: Any, tmp_path: Path) -> None:
    mariadb.execute(
        "CREATE TABLE t (id int, a decimal(65,30))", "INSERT INTO t VALUES (1, 1.5)", database=database
    )
    with pytest.raises(SourceError, match=r"decimal\(65,30\)"):
        sources(table="t").schema()
    with pytest.raises(SourceError, match="more than 38 digits"):
        sources(query="SELECT * FROM t").schema()
    source = sources(query="SELECT id, CAST(a AS DECIMAL(10,2)) AS a FROM t;")
    assert [c.type for c in source.schema()] == ["INTEGER", "DECIMAL(10,2)"]
    assert rows(source, tmp_path) == [(1, Decimal("1.50"))]


@pytest.mark.parametrize("type_", ["date", "datetime", "timestamp NULL"])
def test_zero_dates_are_an_error_unless_told(
    mariadb: Server, database: str, sources: Any, tmp_path: Path, type_: str
) -> None:
    mariadb.execute(
        "SET sql_mode = ''",
        f"CREATE TABLE t (id int, d {type_})",
        "INSERT INTO t VALUES (1, '0000-00-00'), (2, NULL)",
        database=database,
    )
    with pytest.raises(SourceError, match="zero date") as error:
        rows(sources(table="t"), tmp_path)
    assert "zero_dates: as_null" in (error.value.hint or "")
    assert sorted(rows(sources(table="t", zero_dates="as_null"), tmp_path)) == [(1, None), (2, None)]


def test_tinyint1_that_counts_is_not_made_a_boolean(
    mariadb: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    mariadb.execute("CREATE TABLE t (n tinyint(1))", "INSERT INTO t VALUES (2)", database=database)
    with pytest.raises(SourceError, match="other than 0 and 1") as error:
        rows(sources(table="t"), tmp_path)
    assert "tinyint1: integer" in (error.value.hint or "")
    assert rows(sources(table="t", tinyint1="integer"), tmp_path) == [(2,)]


def test_text_follows_duckdbs_rules_and_not_the_collations(
    mariadb: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    mariadb.execute(
        "CREATE TABLE t (s varchar(9) COLLATE utf8mb4_general_ci)",
        "INSERT INTO t VALUES ('a'), ('A'), ('B'), ('a ')",
        database=database,
    )
    source = sources(table="t")
    assert rows(source, tmp_path, Read(filters=("s = 'a'",))) == [("a",)]
    assert sorted(rows(source, tmp_path, Read(filters=("s > 'B'",)))) == [("a",), ("a ",)]
    with engine(tmp_path) as on:
        sql = source.native_scan(on, Read())
        assert on.query(f"SELECT count(DISTINCT s) FROM ({sql}) AS t") == [(4,)]


def test_projection_filters_and_the_mark_reach_the_server(
    mariadb: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    mariadb.execute(
        "CREATE TABLE t (id int, at timestamp NULL, n decimal(9,2), unread text)",
        "INSERT INTO t SELECT seq, '2026-01-01' + INTERVAL seq DAY, seq, 'x' FROM seq_1_to_100",
        database=database,
    )
    mark = Cursor("t", "at", "TIMESTAMP WITH TIME ZONE", "2026-04-01 00:00:00+00")
    log = Path(mariadb.address.folder) / "general.log"
    mariadb.execute("SET GLOBAL general_log = 1")
    try:
        read = Read(columns=("id",), filters=("n > 95.5",), since=mark)
        assert sorted(rows(sources(table="t"), tmp_path, read)) == [(n,) for n in range(96, 101)]
    finally:
        mariadb.execute("SET GLOBAL general_log = 0")
    deadline = clock.monotonic() + 5
    found: list[str] = []
    while not found and clock.monotonic() < deadline:
        found = [line for line in log.read_text().splitlines() if "Execute\tSELECT" in line and "`t`" in line]
    assert found
    assert all("unread" not in line for line in found)
    assert all("`at` > '2026-04-01" in line and "`n` > 95.50" in line for line in found)


def test_increments_with_and_without_lag(
    mariadb: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    mariadb.execute(
        "CREATE TABLE t (id int, at datetime)",
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


def test_clear_errors(mariadb: Server, database: str, sources: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    mariadb.execute(
        "CREATE TABLE orders (id int)",
        "CREATE OR REPLACE USER nobody@'%' IDENTIFIED BY 'n0body-secret'",
        "GRANT SELECT ON mysql.time_zone TO nobody@'%'",
        database=database,
    )
    with pytest.raises(SourceError, match="no such table") as missing:
        sources(table="ordres").schema()
    assert "did you mean 'orders'" in str(missing.value)
    with pytest.raises(PlanError, match=r"column 'ids' does not exist.*id"):
        sources(table="orders", columns=["ids"]).schema()
    wrong = mariadb.url_of(database).replace(mariadb.password, "wr0ng-password")
    with pytest.raises(SourceError, match="does not take the password") as refused:
        sources(table="orders", url=wrong).schema()
    denied = mariadb.url_of(database).replace(f"{mariadb.user}:{mariadb.password}", "nobody:n0body-secret")
    with pytest.raises(SourceError, match="may not do this") as forbidden:
        sources(table="orders", url=denied).schema()
    assert "GRANT" in (forbidden.value.hint or "")
    with pytest.raises(SourceError, match=r"can't reach MySQL at 127\.0\.0\.1:1"):
        sources(table="orders", url="mysql://u:sup3r-secret@127.0.0.1:1/x").schema()
    with pytest.raises(SpecError, match="url") as unread:
        sources(table="orders", url="mysql:/u:sup3r-secret@bad/x").schema()
    told = " ".join(str(e.value) for e in (missing, refused, forbidden, unread)) + caplog.text
    for secret in ("wr0ng-password", "n0body-secret", "sup3r-secret", mariadb.password):
        assert secret not in told


def test_the_password_stands_nowhere_in_the_engine(
    mariadb: Server, database: str, sources: Any, tmp_path: Path
) -> None:
    mariadb.execute("CREATE TABLE t (id int)", database=database)
    source = sources(table="t")
    with engine(tmp_path) as on:
        sql = source.native_scan(on, Read())
        shown = [
            sql,
            on.explain(sql).text,
            on.query("FROM duckdb_databases()"),
            on.query("FROM duckdb_secrets()"),
        ]
    assert mariadb.password not in repr(shown) + repr(source.server) + repr(source.config)


def test_a_server_that_dies_in_the_middle_of_a_read(mariadb: Server, database: str, sources: Any) -> None:
    mariadb.execute(
        "CREATE TABLE t AS SELECT seq AS id, repeat('x', 300) AS s FROM seq_1_to_300000", database=database
    )
    reader = sources(table="t", batch_size=1000).read(Read())
    reader.read_next_batch()
    mariadb.kill()
    try:
        with pytest.raises(SourceError, match=r"MySQL at 127\.0\.0\.1") as error:
            reader.read_all()
        assert mariadb.password not in str(error.value)
    finally:
        mariadb.restart()
    assert sources(table="t").read(Read()).read_all().num_rows == 300000
