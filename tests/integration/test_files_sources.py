"""File sources on real files: what is read, what is turned away, and what is never lost."""

from __future__ import annotations

import bz2
import contextlib
import datetime as dt
import gzip
import json as pyjson
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from sluiceway.connectors import csv, json, parquet
from sluiceway.connectors.base import ConnectorContext, Read
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.duckdb import DuckDBEngine
from sluiceway.errors import EngineError, PlanError, SluicewayError, SourceError
from sluiceway.exchange import Cursor
from sluiceway.schema import Schema

CONNECTORS = {"csv": csv.CONNECTOR, "json": json.CONNECTOR, "parquet": parquet.CONNECTOR}


def source(root: Path, kind: str, **options: Any) -> Any:
    connector = CONNECTORS[kind]
    assert connector.source is not None
    assert connector.source_config is not None
    return connector.source(connector.source_config(type=kind, **options), ConnectorContext(root, name="src"))


class Got:
    """What a source gives in a sealed engine, and the same streamed."""

    def __init__(self, root: Path, kind: str, read: Read | None = None, **options: Any) -> None:
        read = read or Read(rejects="_rejects_src")
        opened = source(root, kind, **options)
        engine = DuckDBEngine()
        engine.connect(EngineSettings(threads=2), root / ".staging")
        try:
            self.schema: Schema = opened.schema()
            scan = opened.native_scan(engine, read)
            before = opened.fingerprint()
            engine.seal(opened.folders())
            try:
                stage = engine.stage("rows", scan)
            except EngineError as error:
                found = opened.failure(error)
                raise found if found is not None else error from error
            # No order is promised: a last line without its newline may be another thread's.
            self.rows = sorted(engine.query(f"SELECT * FROM {stage.relation} AS x"), key=repr)
            rejected = opened.rejected(engine, read)
            self.rejected = [] if rejected is None else engine.query(f"{rejected} ORDER BY line")
            streamed = opened.read(read).read_all()
            assert streamed.column_names == list(self.schema.names)
            assert streamed.num_rows == len(self.rows)
            described = engine.columns(scan)
            assert {c.name: c.type for c in described} == {c.name: c.type for c in self.schema}
            assert opened.fingerprint() == before
        finally:
            opened.close()
            engine.close()


def error_of(root: Path, kind: str, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        Got(root, kind, **options)
    assert caught.value.hint
    return caught.value


def write(root: Path, name: str, data: bytes | str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


# csv: the shape ---------------------------------------------------------------------------------------


def test_csv_is_sniffed_once_and_read_with_it(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id;name;x;on;at\n1;bob;1.5;31/12/2024;2024-01-02 03:04:05\n2;;2;01/01/2024;\n")
    got = Got(tmp_path, "csv", path="a.csv")
    assert {c.name: c.type for c in got.schema} == {
        "id": "BIGINT", "name": "VARCHAR", "x": "DOUBLE", "on": "DATE", "at": "TIMESTAMP",
    }  # fmt: skip
    assert got.rows == [
        (1, "bob", 1.5, dt.date(2024, 12, 31), dt.datetime.fromisoformat("2024-01-02 03:04:05")),
        (2, None, 2.0, dt.date(2024, 1, 1), None),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_csv_line_ends_and_byte_order_mark(tmp_path: Path, newline: str, bom: bytes) -> None:
    write(tmp_path, "a.csv", bom + f'id,name{newline}1,"a{newline}b"{newline}2,c'.encode())
    got = Got(tmp_path, "csv", path="a.csv")
    assert got.schema.names == ("id", "name")
    assert got.rows == [(1, f"a{newline}b"), (2, "c")]


def test_csv_files_with_different_line_ends_are_read_together(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,name\r\n1,a\r\n")
    write(tmp_path, "b.csv", "id,name\n2,b\n")
    write(tmp_path, "c.csv", "")
    assert sorted(Got(tmp_path, "csv", path="*.csv").rows) == [(1, "a"), (2, "b")]


def test_csv_columns_are_matched_by_name_and_not_by_place(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,name\n1,a\n")
    write(tmp_path, "b.csv", "name,id\nb,2\n")
    assert sorted(Got(tmp_path, "csv", path="*.csv").rows) == [(1, "a"), (2, "b")]


def test_csv_missing_column_is_an_error_until_union_by_name(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,name\n1,a\n")
    write(tmp_path, "b.csv", "id,extra\n2,5\n")
    error = error_of(tmp_path, "csv", path="*.csv")
    assert "b.csv lacks name and adds extra" in error.message
    assert "union_by_name" in str(error.hint)
    got = Got(tmp_path, "csv", path="*.csv", union_by_name=True)
    assert sorted(got.rows) == [(1, "a", None), (2, None, 5)]


def test_csv_empty_and_header_only(tmp_path: Path) -> None:
    write(tmp_path, "empty.csv", "")
    write(tmp_path, "header.csv", "id,name\n")
    assert "is empty" in error_of(tmp_path, "csv", path="empty.csv").message
    assert Got(tmp_path, "csv", path="empty.csv", columns={"id": "BIGINT"}).rows == []
    got = Got(tmp_path, "csv", path="header.csv")
    assert (got.schema.names, got.rows) == (("id", "name"), [])


def test_csv_repeated_and_empty_names(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", 'a,A,,"x ""y"""\n1,2,3,4\n')
    got = Got(tmp_path, "csv", path="a.csv")
    assert got.schema.names == ("a", "A_1", "column2", 'x "y"')
    assert got.rows == [(1, 2, 3, 4)]


def test_csv_without_header(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "1,a\n2,b\n")
    assert Got(tmp_path, "csv", path="a.csv", header=False).schema.names == ("column0", "column1")
    got = Got(tmp_path, "csv", path="a.csv", header=False, columns={"id": "INTEGER", "name": "VARCHAR"})
    assert got.rows == [(1, "a"), (2, "b")]
    error = error_of(tmp_path, "csv", path="a.csv", header=False, columns={"id": "INTEGER"})
    assert "2 values" in error.message


def test_csv_options(tmp_path: Path) -> None:
    text = "made by hand\n# a remark\nid|amount|note|on\n1|1,5|'a|b'|31.12.2024\n# another\n2|NA|'don''t'|\n"
    write(tmp_path, "a.csv", text)
    got = Got(
        tmp_path, "csv", path="a.csv", delimiter="|", quote="'", escape="'", skip_rows=1, comment="#",
        nulls=["", "NA"], decimal_separator=",", date_format="%d.%m.%Y",
        columns={"on": "DATE", "id": "SMALLINT", "amount": "DECIMAL(9,2)", "note": "VARCHAR"},
    )  # fmt: skip
    assert got.schema.names == ("on", "id", "amount", "note")
    assert got.rows == [
        (None, 2, None, "don't"),
        (dt.date(2024, 12, 31), 1, Decimal("1.50"), "a|b"),
    ]


def test_csv_unknown_column_lists_what_there_is(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,name\n1,a\n")
    error = error_of(tmp_path, "csv", path="a.csv", columns=["nam"])
    assert "there are: id, name" in error.message
    assert "'name'" in str(error.hint)
    with pytest.raises(PlanError, match="not a type"):
        Got(tmp_path, "csv", path="a.csv", columns={"id": "NUMBR"})


def test_csv_projection_filters_and_batch_size(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,name\n" + "".join(f"{i},n{i}\n" for i in range(1000)))
    got = Got(tmp_path, "csv", path="a.csv", columns=["name"])
    assert got.schema.names == ("name",)
    assert len(got.rows) == 1000
    opened = source(tmp_path, "csv", path="a.csv", batch_size=100)
    batches = list(opened.read(Read(columns=("id",), filters=("id >= 500", "id < 750"))))
    opened.close()
    assert sum(b.num_rows for b in batches) == 250
    assert max(b.num_rows for b in batches) <= 100
    assert batches[0].schema.names == ["id"]


# csv: encodings and compression -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "latin-1", "cp1252", "utf-16", "utf-16-le", "shift_jis", "UTF8"]
)
@pytest.mark.parametrize("policy", ["fail", "quarantine"])
def test_csv_encodings(tmp_path: Path, encoding: str, policy: str) -> None:
    word = "日本" if encoding == "shift_jis" else "café"
    write(tmp_path, "a.csv", f"id,{word}\r\n1,{word}\r\n".encode(encoding))
    got = Got(tmp_path, "csv", path="a.csv", encoding=encoding, on_bad_row=policy)
    assert got.schema.names == ("id", word)
    assert (got.rows, got.rejected) == ([(1, word)], [])


def test_csv_byte_that_is_not_of_the_encoding_is_a_bad_row(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", b"id,name\n1,a\n2,caf\xe9\n3,c\n")
    error = error_of(tmp_path, "csv", path="a.csv")
    assert error.message.startswith("a.csv:3:")
    assert "encoding" in str(error.hint)
    got = Got(tmp_path, "csv", path="a.csv", on_bad_row="quarantine")
    assert got.rows == [(1, "a"), (3, "c")]
    assert [row[0] for row in got.rejected] == [3]
    write(tmp_path, "b.csv", b"id,name\n1,a\n2,caf\x81\n3,c\n")  # 0x81 is nothing in cp1252
    got = Got(tmp_path, "csv", path="b.csv", encoding="cp1252", on_bad_row="skip")
    assert got.rows == [(1, "a"), (3, "c")]
    assert [row[0] for row in got.rejected] == [3]


def test_csv_unknown_encoding(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id\n1\n")
    for wrong in ("utf-99", "hex"):
        with pytest.raises(PlanError, match="is not an encoding"):
            Got(tmp_path, "csv", path="a.csv", encoding=wrong)


PACK = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("suffix", list(PACK))
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_compressed(tmp_path: Path, suffix: str, kind: str) -> None:
    rows = [(i, f"name {i * 7919}") for i in range(5000)]
    text = "id,name\n" + "".join(f"{i},{n}\n" for i, n in rows)
    if kind == "json":
        text = "".join(pyjson.dumps({"id": i, "name": n}) + "\n" for i, n in rows)
    data = PACK[suffix](text.encode())
    write(tmp_path, f"a.{kind}{suffix}", data)
    assert sorted(Got(tmp_path, kind, path=f"a.{kind}{suffix}").rows) == rows
    write(tmp_path, f"cut.{kind}{suffix}", data[: len(data) // 2])
    for policy in ("fail", "quarantine"):
        error = error_of(
            tmp_path,
            kind,
            path=f"cut.{kind}{suffix}",
            on_bad_row=policy,
            columns={"id": "BIGINT", "name": "VARCHAR"},
        )
        assert "cut short or damaged" in error.message or "can't be read" in error.message


# csv: bad rows ----------------------------------------------------------------------------------------

BROKEN = (
    b'id,name,x\n1,bob,1.5\n2,"al,""x""",2\n3,z\nx4,r,4\n5,q,5,6\n6,caf\xe9,6\n'
    b'7,"unt"x,7\n8,ok,8\n9.5,f,9\n10,g,y\n'
)
TYPES = {"id": "BIGINT", "name": "VARCHAR", "x": "DOUBLE"}


@pytest.mark.parametrize("policy", ["quarantine", "skip"])
def test_csv_broken_rows_are_counted_and_kept(tmp_path: Path, policy: str) -> None:
    write(tmp_path, "a.csv", BROKEN)
    got = Got(tmp_path, "csv", path="a.csv", columns=TYPES, on_bad_row=policy)
    assert got.rows == [(1, "bob", 1.5), (2, 'al,"x"', 2.0), (8, "ok", 8.0)]
    assert [(line, text) for line, text, _ in got.rejected if line != 7] == [
        (4, "3,z"), (5, "x4,r,4"), (6, "5,q,5,6"), (8, '7,"unt"x,7'), (10, "9.5,f,9"), (11, "10,g,y"),
    ]  # fmt: skip
    assert all(reason.startswith(f"a.csv:{line}: ") for line, _, reason in got.rejected)
    assert len(got.rows) + len(got.rejected) == BROKEN.count(b"\n") - 1


def test_csv_broken_rows_stop_the_run_with_file_line_column_and_sample(tmp_path: Path) -> None:
    write(tmp_path, "data/a.csv", b"id,name,x\n1,a,1\n2,b,oops\n")
    error = error_of(tmp_path, "csv", path="data/*.csv", columns=TYPES)
    assert error.message.startswith("data/a.csv:3: column 'x':")
    assert "'2,b,oops'" in error.message
    assert error.details["line"] == 3
    assert error.details["column"] == "x"
    assert "columns: {x: VARCHAR}" in str(error.hint)
    assert "on_bad_row: quarantine" in str(error.hint)


def test_csv_an_integer_is_never_rounded(tmp_path: Path) -> None:
    lines = ["1", "2.0", "1e2", " 7 ", "1.5", "1e-1", "9223372036854775808", "0.0000001"]
    write(tmp_path, "a.csv", "id,k\n" + "".join(f"{v},{i}\n" for i, v in enumerate(lines)))
    got = Got(
        tmp_path, "csv", path="a.csv", columns={"id": "BIGINT", "k": "INTEGER"}, on_bad_row="quarantine"
    )
    assert sorted(row[0] for row in got.rows) == [1, 2, 7, 100]
    assert [row[0] for row in got.rejected] == [6, 7, 8, 9]
    error = error_of(tmp_path, "csv", path="a.csv", columns={"id": "BIGINT"})
    assert error.message.startswith("a.csv:6: column 'id': '1.5'")


def test_csv_a_value_that_the_sample_did_not_show(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id\n" + "".join(f"{i}\n" for i in range(500)) + "late\n")
    error = error_of(tmp_path, "csv", path="a.csv", sample_size=100)
    assert error.message.startswith("a.csv:502: column 'id':")
    got = Got(tmp_path, "csv", path="a.csv", sample_size=100, on_bad_row="skip")
    assert len(got.rows) == 500
    assert got.rejected[0][:2] == (502, "late")


def test_csv_only_bad_rows(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id\n" + "x\n" * 25_000)
    got = Got(tmp_path, "csv", path="a.csv", columns={"id": "BIGINT"}, on_bad_row="quarantine")
    assert got.rows == []
    assert len(got.rejected) == 25_000


def test_csv_bad_rows_are_found_whatever_columns_are_read(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", BROKEN)
    opened = source(tmp_path, "csv", path="a.csv", columns=TYPES, on_bad_row="quarantine")
    names = opened.read(Read(columns=("name",))).read_all().to_pydict()
    opened.close()
    assert names == {"name": ["bob", 'al,"x"', "ok"]}


_GOOD = [b"1,bob,1.5", b'2,"al,""x""",2', b"8,ok,8", b'9,"a",1', b",,"]
_BAD = [
    b"3,z",
    b"5,q,5,6",
    b"6,caf\xe9,6",
    b'7,"unt"x,7',
    b"7,qq,zz",
    b'7,"x" ,1',
    b'1,"a""b"c,2',
    b"1.5,a,1",
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.sampled_from(_GOOD * 2 + _BAD), max_size=12), end=st.sampled_from([b"\n", b"\r\n"]))
def test_csv_every_line_is_read_or_rejected(tmp_path: Path, rows: list[bytes], end: bytes) -> None:
    write(tmp_path, "a.csv", b"id,name,x" + end + b"".join(row + end for row in rows))
    got = Got(tmp_path, "csv", path="a.csv", columns=TYPES, on_bad_row="quarantine")
    assert len(got.rows) + len(got.rejected) == len(rows)
    assert len({line for line, _, _ in got.rejected}) == len(got.rejected)
    assert len(got.rows) >= sum(row in _GOOD for row in rows)
    if got.rejected:
        error_of(tmp_path, "csv", path="a.csv", columns=TYPES)


def test_csv_many_rows_over_several_buffers(tmp_path: Path) -> None:
    rows = [f"{i},{'x' * 50}" if i % 1000 else f"{i},{'x' * 50},more" for i in range(1, 400_001)]
    write(tmp_path, "a.csv", "id,name\n" + "\n".join(rows) + "\n")
    opened = source(
        tmp_path, "csv", path="a.csv", on_bad_row="skip", columns={"id": "BIGINT", "name": "VARCHAR"}
    )
    engine = DuckDBEngine()
    engine.connect(EngineSettings(threads=2), tmp_path / ".staging")
    scan = opened.native_scan(engine, Read())
    assert engine.query(f"SELECT count(*), sum(id) FROM ({scan}) AS s") == [
        (399_600, sum(i for i in range(1, 400_001) if i % 1000))
    ]
    rejected = opened.rejected(engine, Read())
    assert engine.query(f"SELECT count(*), min(line), max(line) FROM ({rejected}) AS r") == [
        (400, 1001, 400_001)
    ]
    opened.close()
    engine.close()


# zones and cursors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_naive_timestamps_are_in_the_sources_zone(tmp_path: Path, kind: str) -> None:
    text = "at\n2024-07-01 12:00:00\n" if kind == "csv" else '{"at": "2024-07-01 12:00:00"}\n'
    write(tmp_path, "a", text)
    plain = Got(tmp_path, kind, path="a")
    assert plain.schema["at"].type == "TIMESTAMP"
    zoned = Got(tmp_path, kind, path="a", timezone="Europe/Amsterdam")
    assert zoned.schema["at"].type == "TIMESTAMP WITH TIME ZONE"
    assert zoned.rows[0][0].astimezone(dt.UTC) == dt.datetime(2024, 7, 1, 10, tzinfo=dt.UTC)
    with pytest.raises(PlanError, match="not a time zone"):
        Got(tmp_path, kind, path="a", timezone="Mars/Olympus")


@pytest.mark.parametrize(
    ("strict", "nulls", "expected"), [(True, False, [3]), (False, False, [2, 3]), (True, True, [3, None])]
)
@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_cursor(tmp_path: Path, kind: str, strict: bool, nulls: bool, expected: list[int | None]) -> None:
    values: list[int | None] = [1, 2, 3, None]
    if kind == "csv":
        write(tmp_path, "a", "id,k\n1,0\n2,0\n3,0\n,0\n")
    elif kind == "json":
        write(tmp_path, "a", "".join(pyjson.dumps({"id": v, "k": 0}) + "\n" for v in values))
    else:
        pq.write_table(pa.table({"id": pa.array(values, pa.int64()), "k": [0] * 4}), tmp_path / "a")
    read = Read(since=Cursor("src", "id", "BIGINT", "2"), strict=strict, include_null_cursor=nulls)
    assert [row[0] for row in Got(tmp_path, kind, read, path="a").rows] == expected


# paths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ['it\'s a "file".csv', "a[1]*.csv", "ü ñ?.csv", "back\\slash.csv", "d[x]/p=1/a.csv"]
)
@pytest.mark.parametrize("policy", ["fail", "quarantine"])
def test_file_names_of_all_sorts(tmp_path: Path, name: str, policy: str) -> None:
    write(tmp_path, name, "id,name\n1,a\n")
    write(tmp_path, "a1.csv", "id,name\n9,wrong\n")
    got = Got(tmp_path, "csv", path=name, on_bad_row=policy)
    assert got.rows in ([(1, "a")], [(1, "a", 1)])
    assert got.rejected == []


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_nothing_matches(tmp_path: Path, kind: str) -> None:
    (tmp_path / "data").mkdir()
    error = error_of(tmp_path, kind, path="data/*.nope")
    assert "'data/*.nope'" in error.message
    assert str(tmp_path / "data") in error.message
    write(tmp_path, "data/order.csv", "id\n1\n")
    error = error_of(tmp_path, kind, path="data/orders.csv")
    assert "did you mean 'order.csv'" in str(error.hint)
    (tmp_path / "none").mkdir()
    assert "holds no file" in error_of(tmp_path, kind, path="none").message
    assert "not a local path" in error_of(tmp_path, kind, path="s3://bucket/a.csv").message


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    write(tmp_path, "d/a.csv", "id\n1\n")
    write(tmp_path, "d/e/b.csv", "id\n2\n")
    write(tmp_path, "d/_old/c.csv", "id\n3\n")
    write(tmp_path, "d/.d.csv", "id\n4\n")
    write(tmp_path, "d/readme.md", "no rows")
    assert sorted(Got(tmp_path, "csv", path="d").rows) == [(1,), (2,)]
    assert sorted(Got(tmp_path, "csv", path=["d/a.csv", "d/*.csv", "d/_old/c.csv"]).rows) == [(1,), (3,)]


def test_hive_folders(tmp_path: Path) -> None:
    for day, country in (("2024-01-01", "nl"), ("2024-01-02", "a%2Fb")):
        write(tmp_path, f"d/day={day}/c={country}/a.csv", f"id\n{day[-1]}\n")
    got = Got(tmp_path, "csv", path="d/*/*/*.csv")
    assert {c.name: c.type for c in got.schema} == {"id": "BIGINT", "day": "DATE", "c": "VARCHAR"}
    assert sorted(got.rows) == [(1, dt.date(2024, 1, 1), "nl"), (2, dt.date(2024, 1, 2), "a/b")]
    assert Got(tmp_path, "csv", path="d/*/*/*.csv", hive_partitioning=False).schema.names == ("id",)
    got = Got(
        tmp_path, "csv", path="d/*/*/*.csv", columns={"day": "VARCHAR", "id": "BIGINT"}, encoding="cp1252"
    )
    assert sorted(got.rows) == [("2024-01-01", 1), ("2024-01-02", 2)]
    write(tmp_path, "d/b.csv", "id\n9\n")
    assert "key=value" in error_of(tmp_path, "csv", path="d", hive_partitioning=True).message


def test_a_link_is_followed_and_its_folder_named(tmp_path: Path) -> None:
    write(tmp_path, "far/real.csv", "id\n1\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.csv").symlink_to(tmp_path / "far/real.csv")
    opened = source(project, "csv", path="a.csv")
    opened.schema()
    assert (tmp_path / "far").resolve() in opened.folders()
    opened.close()
    assert Got(project, "csv", path="a.csv").rows == [(1,)]


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_the_fingerprint_changes_with_a_file(tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        write(tmp_path, name, "id\n1\n" if kind == "csv" else '{"id": 1}\n')
        if kind == "parquet":
            pq.write_table(pa.table({"id": [1]}), tmp_path / name)
    opened = source(tmp_path, kind, path="[ab]")
    before = opened.fingerprint()
    assert opened.fingerprint() == before
    content = (tmp_path / "b").read_bytes()
    (tmp_path / "new").write_bytes(content)
    (tmp_path / "new").rename(tmp_path / "b")  # the same bytes, another file
    replaced = opened.fingerprint()
    assert replaced != before
    (tmp_path / "b").unlink()
    assert opened.fingerprint() not in (before, replaced)
    opened.close()


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_query_is_not_for_files(tmp_path: Path, kind: str) -> None:
    with pytest.raises(PlanError, match="no query"):
        source(tmp_path, kind, path="a", query="SELECT 1")


def test_close_removes_the_private_folder(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,n\n1,é\n".encode("cp1252"))
    opened = source(tmp_path, "csv", path="a.csv", encoding="cp1252")
    opened.read(Read()).read_all()
    folder = opened.folder()
    assert folder.exists()
    opened.close()
    assert not folder.exists()


# json -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["lines", "array"])
@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_json_types(tmp_path: Path, layout: str, policy: str) -> None:
    objects = [
        {"id": 1, "mixed": 1, "s": {"a": 1, "t": [1, 2]}, "at": "2024-01-02T03:04:05+02:00",
         "big": 2**64 + 1, "a/b.c": True},
        {"id": 2, "mixed": "x", "s": {"a": 2}, "at": None, "big": 1, "a/b.c": None},
        {"id": None, "mixed": False, "s": None, "extra": "é"},
    ]  # fmt: skip
    text = pyjson.dumps(objects, indent=1) if layout == "array" else "\n".join(map(pyjson.dumps, objects))
    write(tmp_path, "a.json", text)
    got = Got(tmp_path, "json", path="a.json", on_bad_row=policy)
    assert {c.name: c.type for c in got.schema} == {
        "id": "BIGINT", "mixed": "VARCHAR", "s": "STRUCT(a BIGINT, t BIGINT[])",
        "at": "TIMESTAMP WITH TIME ZONE",
        "big": "DECIMAL(38,0)", "a/b.c": "BOOLEAN", "extra": "VARCHAR",
    }  # fmt: skip
    at = dt.datetime(2024, 1, 2, 1, 4, 5, tzinfo=dt.UTC)
    rows = [(*row[:3], row[3] and row[3].astimezone(dt.UTC), *row[4:]) for row in got.rows]
    assert rows == [
        (1, "1", {"a": 1, "t": [1, 2]}, at, Decimal(2**64 + 1), True, None),
        (2, "x", {"a": 2, "t": None}, None, Decimal(1), None, None),
        (None, "false", None, None, None, None, "é"),
    ]
    assert got.rejected == []


BAD_LINES = '{"id":1}\n\n{"id":2\n{"id":"x"}\n[1]\n5\n{"id":4}\n{"id":null}\nnull\n{"id":1.5}\n{}\n'


def test_json_broken_lines(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", BAD_LINES.encode() + b'{"id": 7, "s": "caf\xe9"}\n')
    got = Got(tmp_path, "json", path="a.jsonl", columns={"id": "BIGINT"}, on_bad_row="quarantine")
    assert [row[0] for row in got.rows] == [1, 4, None, None, None]
    assert [row[0] for row in got.rejected] == [3, 4, 5, 6, 10, 12]
    assert got.rejected[1][1] == '{"id":"x"}'
    error = error_of(tmp_path, "json", path="a.jsonl", columns={"id": "BIGINT"})
    assert error.message.startswith("a.jsonl:3: is not JSON")


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('{"id":"x"}', "column 'id'"), ('{"id":1.5}', "column 'id'"),
        ("[1]", "is not an object"), ("7", "is not an object"),
    ],
)  # fmt: skip
def test_json_one_bad_line_stops_the_run(tmp_path: Path, line: str, place: str) -> None:
    write(tmp_path, "a.jsonl", f'{{"id":1}}\n{line}\n')
    error = error_of(tmp_path, "json", path="a.jsonl", columns={"id": "BIGINT"})
    assert error.message.startswith("a.jsonl:2:")
    assert place in error.message


def test_json_nested_values_that_do_not_fit_are_bad_rows(tmp_path: Path) -> None:
    lines = [
        '{"a":1,"l":[{"k":1},null]}',
        '{"a":"x"}',
        "5",
        "null",
        "{}",
        '{"l":[{"k":1},{"k":"x"}]}',
        '{"l":7}',
        '{"m":{"p":1}}',
        '{"m":{"p":"q"}}',
    ]
    write(tmp_path, "a.jsonl", "".join(f'{{"s":{line}}}\n' for line in lines))
    type_ = "STRUCT(a BIGINT, l STRUCT(k BIGINT)[], m MAP(VARCHAR, BIGINT))"
    options: dict[str, Any] = {"path": "a.jsonl", "columns": {"s": type_}}
    got = Got(tmp_path, "json", **options, on_bad_row="skip")
    nothing = {"a": None, "l": None, "m": None}
    assert got.rows == [
        (None,), ({**nothing, "a": 1, "l": [{"k": 1}, None]},), (nothing,), ({**nothing, "m": {"p": 1}},),
    ]  # fmt: skip
    assert [row[0] for row in got.rejected] == [2, 3, 6, 7, 9]
    assert error_of(tmp_path, "json", **options).message.startswith("a.jsonl:2: column 's'")


def test_json_arrays(tmp_path: Path) -> None:
    write(tmp_path, "a.json", '[{"id":1},\n {"id":"x"},\n 5, {"id":3}]')
    got = Got(tmp_path, "json", path="a.json", columns={"id": "BIGINT"}, on_bad_row="skip")
    assert got.rows == [(1,), (3,)]
    assert [row[0] for row in got.rejected] == [2, 3]
    write(tmp_path, "b.json", '[{"id":1},{"id":2]')
    for policy in ("fail", "skip"):
        error = error_of(tmp_path, "json", path="b.json", columns={"id": "BIGINT"}, on_bad_row=policy)
        assert "b.json" in error.message


def test_json_bom_encoding_and_empty(tmp_path: Path) -> None:
    write(tmp_path, "a.json", b'\xef\xbb\xbf{"id":1}\r\n{"id":2}\r\n')
    assert Got(tmp_path, "json", path="a.json").rows == [(1,), (2,)]
    write(tmp_path, "b.json", '{"é":"ü"}'.encode("utf-16"))
    assert Got(tmp_path, "json", path="b.json", encoding="utf-16").rows == [("ü",)]
    write(tmp_path, "c.json", "")
    assert "no object" in error_of(tmp_path, "json", path="c.json").message
    assert Got(tmp_path, "json", path="c.json", columns={"id": "BIGINT"}).rows == []
    write(tmp_path, "d.json", '{"N":1,"n":2}')
    assert "differ only in case" in error_of(tmp_path, "json", path="d.json").message


# parquet ----------------------------------------------------------------------------------------------


def test_parquet_nested_types_and_projection(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "s": [{"a": 1}, None], "t": [[1.5], []], "b": [b"x", None]})
    pq.write_table(table, tmp_path / "a.parquet")
    got = Got(tmp_path, "parquet", path="a.parquet")
    assert got.rows == [(1, {"a": 1}, [1.5], b"x"), (2, None, [], None)]
    assert Got(tmp_path, "parquet", path="a.parquet", columns=["t", "id"]).rows == [([1.5], 1), ([], 2)]


def test_parquet_files_that_differ(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "x": [1.5]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": [2]}), tmp_path / "b.parquet")
    assert "b.parquet lacks 'x'" in error_of(tmp_path, "parquet", path="*.parquet").message
    assert sorted(Got(tmp_path, "parquet", path="*.parquet", union_by_name=True).rows) == [
        (1, 1.5),
        (2, None),
    ]
    pq.write_table(pa.table({"id": ["2"], "x": [1.5]}), tmp_path / "b.parquet")
    assert "has 'id' as VARCHAR, not BIGINT" in error_of(tmp_path, "parquet", path="*.parquet").message


def test_parquet_declared_type_that_a_value_does_not_fit(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1.0, 2.5, None], "n": ["1", "x", None]}), tmp_path / "a.parquet")
    options = {"path": "a.parquet", "columns": {"id": "INTEGER", "n": "INTEGER"}}
    got = Got(tmp_path, "parquet", **options, on_bad_row="quarantine")
    assert got.rows == [(1, 1), (None, None)]
    assert [row[0] for row in got.rejected] == [2]
    assert error_of(tmp_path, "parquet", **options).message.startswith("a.parquet:2: column 'id'")


def test_parquet_damaged(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": list(range(10_000))}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    write(tmp_path, "cut.parquet", data[: len(data) // 2])
    write(tmp_path, "empty.parquet", "")
    for name in ("cut.parquet", "empty.parquet"):
        assert name in error_of(tmp_path, "parquet", path=name).message


# the connectors' own examples -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "example"), [(kind, text) for kind, c in CONNECTORS.items() for text in c.examples]
)
def test_examples_run(tmp_path: Path, kind: str, example: str) -> None:
    write(tmp_path, "data/orders.csv", "order_id;amount;ordered_on\n1;10.50;02-01-2024\nx;NA;02-01-2024\n")
    write(tmp_path, "data/events.jsonl", '{"id": 1, "at": "2024-01-02T03:04:05"}\n')
    write(tmp_path, "data/orders.json", '[{"id": 1, "tags": ["a"]}, {"id": "x"}]')
    pq.write_table(pa.table({"id": [1]}), tmp_path / "data/orders.parquet")
    for day in ("2024-01-01", "2024-01-02"):
        folder = tmp_path / f"data/events/day={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"id": [1]}), folder / "a.parquet")
    options = YAML(typ="safe").load(example)
    assert options.pop("type") == kind
    filters = options.get("filters") or ()
    read = Read(filters=(filters,) if isinstance(filters, str) else tuple(filters), rejects="_rejects_src")
    got = Got(tmp_path, kind, read, **options)
    assert len(got.rows) + len(got.rejected) >= 1
    if options.get("on_bad_row"):
        assert len(got.rejected) == 1


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_every_setting_is_in_the_page(kind: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "connectors" / f"{kind}.md").read_text(encoding="utf-8")
    connector = CONNECTORS[kind]
    for config in (connector.source_config, connector.sink_config):
        assert config is not None
        missing = [name for name in config.model_fields if f"`{name}`" not in page]
        assert missing == []


def test_errors_are_ours(tmp_path: Path) -> None:
    """A folder that can't be listed, bytes that are nothing: never a trace."""
    write(tmp_path, "a.csv", bytes(range(256)) * 3)
    for kind in CONNECTORS:
        for policy in ("fail", "skip"):
            with contextlib.suppress(SluicewayError):  # anything else fails the test
                got = Got(tmp_path, kind, path="a.csv", on_bad_row=policy)
                assert len(got.rejected) > 0
