"""Values that are easy to lose, through whole runs; mistakes in YAML and in rules; a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.badinput import PIPELINE, Told, refused, run, sluiceway

from sluiceway.duck import open_duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# values -----------------------------------------------------------------------------------------------

VALUES = {
    "money": ("DECIMAL(38,10)", ["1234567890123456789012345678.0123456789", "-0.0000000001", "0"]),
    "small": ("DECIMAL(4,3)", ["9.999", "-9.999", "0.001"]),
    "unsigned": ("UBIGINT", ["18446744073709551615", "0", "1"]),
    "large": ("BIGINT", ["9223372036854775807", "-9223372036854775808", "9007199254740993"]),
    "naive": ("TIMESTAMP", ["0001-01-01 00:00:00", "1899-12-31 23:59:59.999999", "9999-12-31 23:59:59"]),
    "zoned": ("TIMESTAMPTZ", ["2026-10-25 02:30:00+02", "2026-10-25 02:30:00+01", "1883-11-18 12:00:00+00"]),
    "nanos": ("TIMESTAMP_NS", ["2026-01-01 00:00:00.123456789", "1900-01-01", "1970-01-01"]),
    "day": ("DATE", ["0001-01-01", "1582-10-10", "9999-12-31"]),
    "clock": ("TIME", ["23:59:59.999999", "00:00:00", "12:00:00"]),
    "real": ("DOUBLE", ["NaN", "Infinity", "-Infinity"]),
    "exact": ("DOUBLE", ["0.1", "5e-324", "1.7976931348623157e308"]),
    "single": ("FLOAT", ["0.1", "NaN", "-0.0"]),
    "words": ("VARCHAR", ["", "é\u0301 😀 \u200b", "line\nbreak \\ \"quoted\" 'x'"]),
    "raw": ("BLOB", ["\\x00\\xFF\\x27", "", "abc"]),
    "who": ("UUID", ["00000000-0000-0000-0000-000000000000"] * 3),
    "list": ("INTEGER[]", ["[1, NULL, 3]", "[]", "NULL"]),
    "nested": (
        "STRUCT(a INTEGER, \"b c\" STRUCT(d VARCHAR[], e DECIMAL(9,2)))[]",
        ["[{'a': 1, 'b c': {'d': ['x', NULL, 'it''s, \"q\"'], 'e': 1.10}}, NULL]", "[]", "NULL"],
    ),
    "map": ("MAP(VARCHAR, INTEGER)", ["MAP {'k': 1, 'é': NULL}", "MAP {}", "NULL"]),
    "flag": ("BOOLEAN", ["true", "false", "NULL"]),
    "document": ("JSON", ['{"a": [1, 1.50, null, "é"]}', '"text"', "1e400"]),
}  # fmt: skip
_EXPRESSIONS = ("INTEGER[]", "STRUCT", "MAP", "BOOLEAN")


def value_sql(type_: str, text: str) -> str:
    written = text if type_.startswith(_EXPRESSIONS) else "'" + text.replace("'", "''") + "'"
    return f"CAST({written} AS {type_})"


def write_values(file: Path) -> None:
    rows = [
        ", ".join(f'{value_sql(t, texts[n])} AS "{name}"' for name, (t, texts) in VALUES.items())
        for n in range(3)
    ]
    nulls = ", ".join(f'CAST(NULL AS {t}) AS "{name}"' for name, (t, _) in VALUES.items())
    selects = [f"SELECT {n} AS id, {row}" for n, row in enumerate([*rows, nulls])]
    file.parent.mkdir(exist_ok=True)
    con = open_duckdb()
    con.execute(f"COPY ({' UNION ALL '.join(selects)}) TO '{file}' (FORMAT parquet)")
    con.close()


def differences(project: Any) -> list[tuple[Any, ...]]:
    """Rows of the file that the table lacks, and the other way, cell for cell."""
    given = f"SELECT * FROM read_parquet('{project.folder}/data/v.parquet')"
    there = "SELECT * FROM {t}"
    found = project.query(
        f"SELECT 'lost', * FROM ({given} EXCEPT ALL {there}) UNION ALL BY NAME "
        f"SELECT 'made', * FROM ({there} EXCEPT ALL {given})",
        "mart.v",
    )
    return [(*row[:2], *(c for c in row[2:])) for row in found]


def values_pipeline(mode: str, rules: str = "[]", steps: str = "[]") -> str:
    return (
        "pipeline: v\nsources: {v: {type: parquet, path: data/v.parquet}}\n"
        f"transform: {steps}\nrules: {rules}\ndestination: {{table: mart.v, mode: {mode}}}\n"
    )


@pytest.mark.parametrize("mode", ["append", "merge, primary_key: id", "replace"])
def test_values_are_published_as_they_were(make_project, mode):
    project = make_project({"pipelines/v.yml": values_pipeline(mode)})
    write_values(project.folder / "data/v.parquet")
    told = run(project.folder, "v")
    assert told.code == 0, told.document["error"]
    assert differences(project) == []
    if mode != "append":
        assert run(project.folder, "v").code == 0
        assert differences(project) == []


def test_values_come_back_from_quarantine_as_they_were(make_project):
    rules = "[{expression: id > 100, on_fail: quarantine}]"
    project = make_project({"pipelines/v.yml": values_pipeline("append", rules)})
    write_values(project.folder / "data/v.parquet")
    told = run(project.folder, "v")
    assert (told.code, told.records["quarantined"]) == (0, 4)
    project.write("pipelines/v.yml", values_pipeline("append"))
    told = sluiceway(project.folder, "quarantine", "replay", "v", "--all")
    assert told.code == 0, told.document["error"]
    assert differences(project) == []


def test_values_pass_through_a_python_step(make_project):
    project = make_project(
        {
            "steps.py": "def same(batches):\n    yield from batches\n",
            "pipelines/v.yml": values_pipeline("append", steps='[{python: "steps:same"}]'),
        }
    )
    write_values(project.folder / "data/v.parquet")
    told = run(project.folder, "v")
    assert told.code == 0, told.document["error"]
    assert differences(project) == []


def test_integers_beyond_64_bits(make_project):
    """Never rounded: kept exactly, or refused with what to do."""
    big = "170141183460469231731687303715884105727"
    project = make_project({"data/a.csv": f"id,n\n1,{big}\n2,7\n", "pipelines/a.yml": PIPELINE})
    assert run(project.folder).code == 0
    assert [n for (n,) in project.rows("mart.a", "n")] == [big, "7"]
    text = PIPELINE.replace("path: data/a.csv", "path: data/a.csv, columns: {id: BIGINT, n: VARCHAR}")
    text += "transform:\n  - cast: {n: HUGEINT}\n"
    project.write("pipelines/a.yml", text.replace("mart.a", "mart.b"))
    told = run(project.folder)
    refused(told, 3, "DataQualityError", "BIGINT")
    assert not project.exists("mart.b")


def test_wall_clocks_of_a_zone_with_summer_time(make_project):
    text = PIPELINE.replace(
        "data/a.csv", "data/a.csv, timezone: Europe/Amsterdam, columns: {id: BIGINT, at: TIMESTAMP}"
    )
    project = make_project(
        {
            "data/a.csv": "id,at\n1,2026-07-01 12:00:00\n2,2026-01-01 12:00:00\n3,2026-10-25 02:30:00\n"
            "4,2026-03-29 02:30:00\n5,1899-12-31 00:00:00\n",
            "pipelines/a.yml": text,
        }
    )
    told = run(project.folder)
    assert told.code == 0, told.document["error"]
    found = dict(project.rows("mart.a", 'id, CAST(CAST("at" AS TIMESTAMP) AS VARCHAR)'))
    assert found[1] == "2026-07-01 10:00:00"
    assert found[2] == "2026-01-01 11:00:00"
    assert found[3] in ("2026-10-25 00:30:00", "2026-10-25 01:30:00")  # twice that night
    assert found[4] in ("2026-03-29 01:30:00", "2026-03-29 00:30:00")  # never that night
    assert found[5].startswith(("1899-12-30 23:", "1899-12-31 00:"))
    types = project.query('SELECT DISTINCT typeof("at") FROM {t}', "mart.a")
    assert types == [("TIMESTAMP WITH TIME ZONE",)]


def test_mixed_scalars_of_json_become_plain_text(make_project):
    values = ["1", '"x"', "1.5", "true", "null", '"é\\"q"']
    lines = [*(f'{{"v": {value}}}' for value in values), "{}"]
    project = make_project(
        {
            "data/a.jsonl": "\n".join(lines) + "\n",
            "pipelines/a.yml": PIPELINE.replace(
                "type: csv, path: data/a.csv", "type: json, path: data/a.jsonl"
            ),
        }
    )
    told = run(project.folder)
    assert told.code == 0, told.document["error"]
    found = [v for (v,) in project.rows("mart.a", "v")]
    assert sorted(v for v in found if v is not None) == ["1", "1.5", "true", "x", 'é"q']
    assert found.count(None) == 2


def test_not_a_number_and_infinity_meet_rules(make_project):
    project = make_project(
        {
            "data/a.csv": "id,v\n1,nan\n2,inf\n3,-inf\n4,1.5\n5,\n",
            "pipelines/a.yml": PIPELINE.replace(
                "data/a.csv}", "data/a.csv, columns: {id: BIGINT, v: DOUBLE}}"
            )
            + "rules:\n  - range: {column: v, min: 0, max: 100}\n    on_fail: quarantine\n"
            + "  - aggregate: {measure: max(v), max: 100}\n",
        }
    )
    told = run(project.folder)
    assert told.code == 0, told.document["error"]
    assert project.rows("mart.a") == [(4, 1.5), (5, None)]
    kept = [json.loads(row)["v"] for (row,) in project.query('SELECT "row" FROM {q}')]
    assert sorted(kept) == ["-inf", "inf", "nan"]


# mistakes in YAML -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text", "line", "key"),
    [
        ("pipelines/a.yml", PIPELINE + "destination: {table: mart.b}\n", 5, "destination"),
        ("pipelines/a.yml", PIPELINE.replace("mart.a}", "mart.a, table: mart.b}"), 4, "table"),
        ("pipelines/a.yml", PIPELINE + "rules:\n  - not_null: id\n    not_null: name\n", 7, "not_null"),
        ("sluiceway.yml", "project: test\nproject: other\n", 2, "project"),
    ],
)  # fmt: skip
def test_a_key_that_stands_twice(make_project, file, text, line, key):
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": PIPELINE})
    project.write(file, text)
    error = refused(run(project.folder), 2, "SpecError", key, "twice")
    assert error["where"]["file"].endswith(file)
    assert error["where"]["line"] == line
    assert not project.exists("mart.a") if file != "sluiceway.yml" else True


MISSING = [
    "not_null: nme", "unique: nme", "range: {column: nme, min: 0}", "length: {column: nme, max: 3}",
    "accepted_values: {column: nme, values: [a]}", "not_accepted_values: {column: nme, values: [a]}",
    "pattern: {column: nme, regex: a}", "type: {column: nme, type: integer}", "unique: [id, nme]",
    "relationships: {column: nme, to: a.id}", "relationships: {column: id, to: a.nme}",
    "expression: nme > 1", "freshness: {column: nme, max_age: 1d}", "aggregate: {measure: avg(nme), min: 0}",
    "monotonic: {column: nme, by: id}", "{not_null: id, where: nme > 1}", 'sql: "SELECT nme FROM _"',
]  # fmt: skip


def test_a_rule_on_a_column_that_is_not_there(make_project):
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": PIPELINE})
    for rule in MISSING:
        project.write("pipelines/a.yml", f"{PIPELINE}rules:\n  - {rule}\n")
        told = sluiceway(project.folder, "plan", "a")
        error = refused(told, 2, "PlanError", "nme", "name")
        assert error["where"]["line"] == 6, rule
        assert error["where"]["key"].startswith("rules[0]"), rule
    project.write("pipelines/a.yml", PIPELINE.replace("data/a.csv}", "data/a.csv, rules: [{not_null: nme}]}"))
    error = refused(run(project.folder), 2, "PlanError", "nme", "name")
    assert "sources.a.rules[0]" in error["where"]["key"]
    assert not project.exists("mart.a")


# a full disk ------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can't be mounted here: not root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def large(file: Path) -> None:
    """Noise, so that it does not compress: some ten megabytes."""
    con = open_duckdb()
    file.parent.mkdir(exist_ok=True)
    con.execute(
        "COPY (SELECT i AS id, md5(i::VARCHAR) || md5((i * 7)::VARCHAR) AS name FROM range(300000) AS t(i)) "
        f"TO '{file}' (HEADER)"
    )
    con.close()


def recovers(project: Any, told: Told, code: int, type_: str, room: Any = None) -> None:
    """The error is clear, the destination as before, and the next run that fits is fine."""
    error = refused(told, code, type_)
    assert "disk" in error["hint"] or "disk" in error["message"], error
    assert told.records["published"] == 0
    assert project.rows("mart.a") == [(1, "a")]
    if room is not None:
        room()
    project.write("data/a.csv", "id,name\n2,b\n")
    again = run(project.folder)
    assert again.code == 0, again.document["error"]
    assert project.rows("mart.a") == [(1, "a"), (2, "b")]
    assert not list((project.folder / ".sluiceway/staging").glob("*"))


@pytest.mark.parametrize("kind", ["ducklake", "parquet", "duckdb"])
def test_the_warehouse_s_disk_is_full(make_project, small_disk, kind):
    path = small_disk / ("w.duckdb" if kind == "duckdb" else "w")
    project = make_project(
        {"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": PIPELINE},
        settings=f"project: test\nenvironments:\n  dev:\n    warehouse: {{type: {kind}, path: {path}}}\n",
    )
    assert run(project.folder).code == 0
    large(project.folder / "data/a.csv")

    def room() -> None:
        """A DuckDB file keeps the size that it grew to; the others gave their room back."""
        if kind == "duckdb":
            subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)

    recovers(project, run(project.folder), 1, "DestinationError", room)


def test_the_disk_of_everything_is_full(make_project, small_disk):
    """Staging, lake, metadata store and locks on one disk."""
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": PIPELINE})
    (project.folder / ".sluiceway").symlink_to(small_disk)
    assert run(project.folder).code == 0
    large(project.folder / "data/a.csv")
    recovers(project, run(project.folder), 1, "EngineError")


def test_the_staging_s_disk_is_full(make_project, small_disk):
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": PIPELINE})
    assert run(project.folder).code == 0
    staging = project.folder / ".sluiceway/staging"
    staging.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(small_disk), str(staging)], check=True)
    try:
        large(project.folder / "data/a.csv")
        recovers(project, run(project.folder), 1, "EngineError")
    finally:
        subprocess.run(["umount", "-l", str(staging)], check=True)


LIMITED = """\
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from sluiceway.cli.app import invoke
sys.exit(invoke(["run", "a", "--project", sys.argv[1], "--json"]))
"""


def test_a_limit_on_the_size_of_files(make_project):
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": PIPELINE})
    assert run(project.folder).code == 0
    large(project.folder / "data/a.csv")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(project.folder)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    recovers(project, Told(done.returncode, json.loads(done.stdout), done.stderr), 1, "EngineError")
