"""Tables and queries of Snowflake as sources, on its emulator."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import context
from tests.integration.snowflakes import PASSWORD, keys, new_database
from tests.integration.test_snowflake_runs import filled

from sluiceway.connectors.base import Read
from sluiceway.connectors.snowflake import SnowflakeConfig, SnowflakeSource
from sluiceway.errors import PlanError, SluicewayError, SourceError, SpecError
from sluiceway.exchange import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scripts.emulators import Emulator

pytestmark = pytest.mark.snowflake

MADE = """\
CREATE SCHEMA RAW;
CREATE TABLE RAW.T (ID INTEGER, B BOOLEAN, N NUMBER(18,2), BIG NUMBER(38,10), F FLOAT, S VARCHAR, D DATE,
  TS TIMESTAMP_NTZ, TZ TIMESTAMP_LTZ, TM TIME, X BINARY, "Mixed Case" VARCHAR, V VARIANT);
INSERT INTO RAW.T SELECT 1, TRUE, 1.25, 1234567890123456789012345678.0123456789, 0.1, 'é \\\\ ''x',
  '0001-01-01', '9999-12-31 23:59:59.999999', '1850-06-01 12:00:00.5+02:00', '23:59:59.123456',
  TO_BINARY('00FF', 'HEX'), 'm', PARSE_JSON('{"a": 1}');
INSERT INTO RAW.T (ID, TS) VALUES (2, '2026-01-02'), (3, '2026-01-03'), (4, NULL)"""


@pytest.fixture
def source(snowflake: Emulator, tmp_path: Path) -> Any:
    database, opened = new_database(), []
    filled(snowflake, database, *MADE.split(";\n"))

    def make(**options: Any) -> SnowflakeSource:
        config = {"type": "snowflake", **keys(snowflake, database), "table": "raw.t", **options}
        given = {key: value for key, value in config.items() if value is not None}
        made = SnowflakeSource(SnowflakeConfig.model_validate(given), context(tmp_path))
        opened.append(made)
        return made

    yield make
    for one in opened:
        one.close()


def ids(source: SnowflakeSource, read: Read) -> list[int]:
    return sorted(row["id"] for row in source.read(read).read_all().to_pylist())


def test_every_type_comes_with_its_value(source: Callable[..., SnowflakeSource]) -> None:
    table = source()
    assert {c.name: c.type for c in table.schema()} == {
        "id": "BIGINT", "b": "BOOLEAN", "n": "DECIMAL(18,2)", "big": "DECIMAL(38,10)", "f": "DOUBLE",
        "s": "VARCHAR", "d": "DATE", "ts": "TIMESTAMP", "tz": "TIMESTAMP WITH TIME ZONE", "tm": "TIME",
        "x": "BLOB", "Mixed Case": "VARCHAR", "v": "JSON",
    }  # fmt: skip
    rows = {row["id"]: row for row in table.read(Read()).read_all().to_pylist()}
    assert {name: value for name, value in rows[1].items() if name != "v"} == {
        "id": 1, "b": True, "n": Decimal("1.25"), "big": Decimal("1234567890123456789012345678.0123456789"),
        "f": 0.1, "s": "é \\ 'x", "d": date(1, 1, 1),
        "ts": datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001 it has no zone
        "tz": datetime(1850, 6, 1, 10, 0, 0, 500000, tzinfo=UTC), "tm": time(23, 59, 59, 123456),
        "x": b"\x00\xff", "Mixed Case": "m",
    }  # fmt: skip
    assert rows[1]["v"].replace(" ", "") == '{"a":1}'
    assert set(rows[4].values()) == {4, None}, "NULL stays NULL, in every type"


def test_columns_filters_and_batches(source: Callable[..., SnowflakeSource]) -> None:
    table = source(columns=["ID", "ts"], batch_size=1)
    assert table.schema().names == ("id", "ts")
    assert [b.num_rows for b in table.read(Read())] == [1, 1, 1, 1]
    read = Read(columns=("id",), filters=("id > 1", "regexp_matches(CAST(id AS VARCHAR), '[23]')"))
    assert table._pushed(read) == ['("ID" > 1)'], "what can't be said there is left to the engine"
    assert ids(table, read) == [2, 3]


def test_the_cursor_reaches_the_server(source: Callable[..., SnowflakeSource]) -> None:
    table = source()
    mark = Cursor("t", "ts", "TIMESTAMP", "2026-01-02 00:00:00")
    assert '"TS" > CAST' in table._where(Read(since=mark))
    assert ids(table, Read(since=mark)) == [1, 3]
    assert ids(table, Read(since=mark, strict=False)) == [1, 2, 3]
    assert ids(table, Read(since=mark, include_null_cursor=True)) == [1, 3, 4]


def test_a_query(source: Callable[..., SnowflakeSource]) -> None:
    asked = source(table=None, query="SELECT id, n * 2 AS twice, ts FROM raw.t WHERE id < 3;")
    assert {c.name: c.type for c in asked.schema()}["ts"] == "TIMESTAMP"
    mark = Cursor("t", "ts", "TIMESTAMP", "2026-01-01 00:00:00")
    assert ids(asked, Read(since=mark)) == [1, 2]


def test_an_integer_that_is_no_bigint_is_told_and_read_where_it_is_declared(
    snowflake: Emulator, tmp_path: Path
) -> None:
    database = new_database()
    filled(
        snowflake, database,
        "CREATE TABLE PUBLIC.H AS SELECT CAST(12345678901234567890 AS NUMBER(21,0)) AS ID, 1 AS ONE",
    )  # fmt: skip
    config = {"type": "snowflake", **keys(snowflake, database), "table": "h"}
    plain = SnowflakeSource(SnowflakeConfig.model_validate(config), context(tmp_path))
    assert plain.schema()["id"].type == "DECIMAL(21,0)"
    assert plain.read(Read()).read_all().to_pylist()[0]["id"] == 12345678901234567890
    plain.close()
    declared = {**config, "columns": {"id": "VARCHAR"}}
    text = SnowflakeSource(SnowflakeConfig.model_validate(declared), context(tmp_path))
    assert text.read(Read()).read_all().to_pylist() == [{"id": "12345678901234567890"}]
    text.close()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"table": "raw.nowhere"}, "knows no such thing"),
        ({"table": None, "query": "SELECT nothing FROM raw.t"}, "(?i)nothing"),
        ({"columns": ["idd"]}, "idd"),
    ],
)
def test_a_mistake_is_told_without_a_secret(
    source: Callable[..., SnowflakeSource], options: dict[str, Any], word: str
) -> None:
    with pytest.raises((SourceError, PlanError, SluicewayError), match=word) as told:
        source(**options).schema()
    assert PASSWORD not in str(told.value)
    assert PASSWORD not in repr(source().server)


def test_a_server_that_is_not_there(tmp_path: Path, snowflake: Emulator) -> None:
    gone = {**keys(snowflake), "port": 1, "connect_timeout": 1, "network_timeout": 1}
    table = SnowflakeSource(
        SnowflakeConfig.model_validate({"type": "snowflake", **gone, "table": "t"}), context(tmp_path)
    )
    with pytest.raises(SourceError, match="can't reach Snowflake at fakesnow"):
        table.schema()


def test_nothing_to_log_in_with_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    config = {"type": "snowflake", "account": "a", "user": "u", "database": "d", "table": "t"}
    with pytest.raises(SpecError, match="nothing says how to log in"):
        SnowflakeSource(SnowflakeConfig.model_validate(config), context(tmp_path))
