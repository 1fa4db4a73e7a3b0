"""Text files that executors read: the same rows, and the same refusals, as the embedded engine's."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from tests.integration.spark_parity import SETTINGS, located, on_both

from sluiceway.connectors.base import Read
from sluiceway.duck import open_duckdb
from sluiceway.exchange import Cursor

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]

CSV = """\
pipeline: a
sources:
  a: {type: csv, path: data/*.csv*, OPTIONS}
destination: {table: mart.a, mode: replace}
"""
JSON = CSV.replace("type: csv, path: data/*.csv*", "type: json, path: data/*.json")

GOOD: dict[str, tuple[bytes, bytes, str]] = {
    "quotes": (
        b'id,t\n1,"a ""b"" c"\n2,a"b\n3,"x,y"\n4,"two\nlines"\n5,"two\r\nlines"\n',
        b'id,t\n6,""\n7,\n8,"""q"""\n9,\'s\'\n',
        "",
    ),
    "line ends": (b"id,t\r\n1,a\r\n2,b", b"id,t\n3,c\n4,d", ""),
    "byte order mark": (b"\xef\xbb\xbfid,t\n1,\xc3\xa9\n", b"id,t\n2,\xf0\x9f\x98\x80\n", ""),
    "zeros and signs": (
        b"id,t,n,z\n1,007,-5,00\n2,+1,0,0\n",
        b"id,t,n,z\n3,1e5,7,0\n",
        "columns: {id: BIGINT, t: VARCHAR, n: INTEGER, z: VARCHAR}",
    ),
    "an integer that is written with zeros": (
        b"id,t\n1,5.0\n2,1e2\n",
        b"id,t\n3, 7\n",
        "columns: {id: BIGINT, t: INTEGER}",
    ),
    "decimals that are rounded": (
        b"id,t\n1,1.005\n2,-0.999\n",
        b"id,t\n3,12345678.125\n4,1e3\n",
        "columns: {id: BIGINT, t: 'DECIMAL(10,2)'}",
    ),
    "numbers of any kind": (
        b"id,t\n1,NaN\n2,inf\n3,-Infinity\n4,-0.0\n",
        b"id,t\n5,1e400\n6,.5\n7,5.\n",
        "columns: {id: BIGINT, t: DOUBLE}",
    ),
    "dates": (
        b"id,d,s\n1,2026-1-5,2026-01-05 10:00:00.123456\n2,0001-01-01,2026-01-05T10:00:00\n",
        b"id,d,s\n3,9999-12-31,2026-01-05\n",
        "columns: {id: BIGINT, d: DATE, s: TIMESTAMP}",
    ),
    "dates of another form": (
        b"id,d\n1,31-12-2026\n",
        b"id,d\n2,01-02-2026\n",
        "columns: {id: BIGINT, d: DATE}, date_format: '%d-%m-%Y'",
    ),
    "another delimiter, texts for NULL, a comment": (
        b"# made by hand\nid;t\n1;NA\n2;\n",
        b"id;t\n3;x\n",
        "delimiter: ';', nulls: ['', NA], comment: '#'",
    ),
    "names": (b'"a.b",a b,`c`,"q""q"\n1,2,3,4\n', b'"a.b",a b,`c`,"q""q"\n5,6,7,8\n', ""),
    "no header": (b"1,a\n2,b\n", b"3,c\n", "header: false"),
    "a file without rows": (b"id,t\n1,a\n", b"id,t\n", ""),
    "columns in another order": (b"id,t\n1,a\n", b"t,id\nb,2\n", ""),
    "a column that one lacks": (b"id,t\n1,a\n", b"id\n2\n", "union_by_name: true"),
    "a zone": (
        b"id,s\n1,2026-03-29 02:30:00\n",
        b"id,s\n2,2026-10-25 02:30:00\n",
        "timezone: Europe/Amsterdam",
    ),
    "types that Spark lacks": (
        b"id,t\n18446744073709551615,10:00:00.5\n",
        b"id,t\n0,23:59:59\n",
        "columns: {id: UBIGINT, t: TIME}",
    ),
}
BAD: dict[str, tuple[bytes, bytes, str]] = {
    "a short row": (b"id,t\n1,a\n", b"id,t\n2\n3,c\n", ""),
    "a long row": (b"id,t\n1,a\n", b"id,t\n2,b,x\n", ""),
    "a quote that does not close": (b"id,t\n1,a\n", b'id,t\n2,"b\n3,c\n', ""),
    "text after a quote": (b"id,t\n1,a\n", b'id,t\n2,"b"c\n', ""),
    "no integer": (b"id,t\n1,1\n", b"id,t\n2,1.5\n", "columns: {id: BIGINT, t: INTEGER}"),
    "too large": (b"id,t\n1,127\n", b"id,t\n2,128\n", "columns: {id: BIGINT, t: TINYINT}"),
    "no date": (b"id,t\n1,2026-02-28\n", b"id,t\n2,2026-02-30\n", "columns: {id: BIGINT, t: DATE}"),
    "too many digits": (b"id,t\n1,1\n", b"id,t\n2,123456789\n", "columns: {id: BIGINT, t: 'DECIMAL(10,2)'}"),
    "no UTF-8": (b"id,t\n1,a\n", b"id,t\n2,\xff\n", ""),
}


def _project(make_project: Any, text: str, files: dict[str, bytes], options: str) -> Any:
    options = options or "on_bad_row: fail"
    project = make_project({"pipelines/a.yml": text.replace("OPTIONS", options)}, settings=SETTINGS)
    for name, content in files.items():
        path = project.folder / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return project


@pytest.mark.parametrize("case", GOOD)
def test_rows_of_csv_files_are_the_same(make_project: Any, case: str) -> None:
    first, second, options = GOOD[case]
    project = _project(make_project, CSV, {"1.csv": first, "2.csv": second}, options)
    location = located(project)
    assert location is not None
    assert len(location.scans) == 2
    on_both(project).same()


@pytest.mark.parametrize("case", BAD)
def test_what_the_embedded_engine_refuses_is_refused_with_the_same_words(
    make_project: Any, case: str
) -> None:
    first, second, options = BAD[case]
    project = _project(make_project, CSV, {"1.csv": first, "2.csv": second}, options)
    assert located(project) is not None
    both = on_both(project)
    ours = both.embedded.error
    assert ours is not None
    assert str(both.refused()) == str(ours)
    assert "2.csv:" in str(ours)


def test_packed_files(make_project: Any) -> None:
    files = {f"{n}.csv.gz": gzip.compress(f"id,t\n{n},a\n".encode()) for n in range(3)}
    project = _project(make_project, CSV, files, "")
    assert located(project) is not None
    assert len(on_both(project).same()) == 3


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"1.csv": b"id\n1\n", "2.csv": b"id\n2\n"}, "on_bad_row: skip"),
        ({"1.csv": "id\né\n".encode("cp1252"), "2.csv": b"id\na\n"}, "encoding: cp1252"),
        ({"1[x].csv": b"id\n1\n", "2.csv": b"id\n2\n"}, ""),
    ],
    ids=["bad rows are skipped", "decoded here", "a link"],
)
def test_what_only_this_machine_can_read_is_not_left_to_executors(
    make_project: Any, files: dict[str, bytes], options: str
) -> None:
    project = _project(make_project, CSV, files, options)
    assert located(project) is None
    assert len(on_both(project).same()) == 2


def test_a_cursor_reaches_the_scans(make_project: Any) -> None:
    files = {"1.csv": b"id,t\n1,a\n2,b\n", "2.csv": b"id,t\n3,c\n"}
    project = _project(make_project, CSV, files, "incremental: {cursor: id}")
    assert len(on_both(project).same()) == 3
    (project.folder / "data/2.csv").write_bytes(b"id,t\n3,c\n4,d\n")
    again = on_both(project)
    assert (again.embedded.records.staged, again.spark.records.staged) == (1, 1)
    location = located(project, read=Read(since=Cursor("a", "id", "BIGINT", "3")))
    assert location is not None
    assert all("3" in scan.rsplit("WHERE", 1)[1] for scan in location.scans)


def test_rows_of_json_files_are_the_same(make_project: Any) -> None:
    files = {
        "1.json": b'{"id": 1, "t": "a\\n\\u00e9", "n": {"x": [1, null]}, "m": "1"}\n'
        b'{"id": 2, "n": null, "m": true}\n',
        "2.json": b'[{"id": 3, "t": "", "n": {"x": []}}, {"id": 9007199254740993, "m": 1.50}]',
    }
    project = _project(make_project, JSON, files, "")
    location = located(project)
    assert location is not None
    assert len(on_both(project).same()) == 4


@pytest.mark.parametrize("bad", [b'{"id": 2.5}\n', b'{"id": 3\n', b"[1]\n"])
def test_json_that_is_refused(make_project: Any, bad: bytes) -> None:
    files = {"1.json": b'{"id": 1}\n', "2.json": bad}
    project = _project(make_project, JSON, files, "columns: {id: BIGINT}, format: lines")
    assert located(project) is not None
    both = on_both(project)
    assert both.embedded.error is not None
    assert str(both.refused()) == str(both.embedded.error)


def test_lines_that_can_t_be_read_are_counted_and_kept(make_project: Any) -> None:
    """Where no rule asks for the source's rows, too: what was fetched is then all that is staged of it."""
    options = "on_bad_row: quarantine, columns: {id: BIGINT, t: VARCHAR}"
    project = _project(make_project, CSV, {"1.csv": b"id,t\n1,a\nx,b\n2,c\n"}, options)
    both = on_both(project)
    assert len(both.same()) == 2
    assert (both.embedded.records.rejected, both.spark.records.rejected) == (1, 1)
    with open_duckdb() as con:
        con.execute(f"ATTACH '{project.folder}/spark.duckdb' AS w (READ_ONLY)")
        kept = con.execute("SELECT \"row\" ->> 'text' FROM w._sluiceway.quarantine").fetchall()
    assert kept == [("x,b",)]
