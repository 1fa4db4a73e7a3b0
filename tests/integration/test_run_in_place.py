"""A plain scan into PostgreSQL: judged where it lies and copied from there, with nothing staged, and yet
with everything that a staged run gives."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import TO_POSTGRES

from sluiceway.connectors import pgsink
from sluiceway.duck import open_duckdb
from sluiceway.errors import SourceError
from sluiceway.events import Event, NodeStarted
from sluiceway.run.explain import explain
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scripts.servers import Server
    from tests.integration.conftest import ProjectOnDisk

pytestmark = pytest.mark.postgres

ROWS = """\
SELECT i AS id, 'k' || i % 7 AS key,
    CASE WHEN i % 50 = 0 THEN -1.5 ELSE i * 1.25 END::DECIMAL(12,2) AS amount,
    CASE WHEN i % 70 = 0 THEN 'lost' ELSE 'paid' END AS status,
    CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN 'NaN'::DOUBLE ELSE i / 4 END AS share,
    repeat('some words ', 300) || i AS long,
    TIMESTAMP '2026-01-01' + to_minutes(i) AS seen, [i, NULL] AS list,
    i % 2 = 0 AS even, DATE '2026-01-01' + i::INTEGER AS day
FROM range(1000) AS t(i)"""
PIPELINE = """\
pipeline: a
sources: {a: {type: parquet, path: data/a.parquet}}
rules:
  - not_null: id
  - unique: id
  - range: {column: amount, min: 0}
    on_fail: quarantine
  - accepted_values: {column: status, values: [paid]}
    on_fail: quarantine
  - pattern: {column: key, regex: "k[0-5]"}
    severity: warning
  - aggregate: {measure: min(amount), min: 0}
  - row_count: {min: 960, max: 968}
destination: {table: mart.a, mode: replace}
"""


def write(file: Path, rows: str = ROWS, options: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open_duckdb() as con:
        con.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet{options})")


def made(make_project: Any, pipeline: str = PIPELINE, settings: str = TO_POSTGRES) -> ProjectOnDisk:
    project: ProjectOnDisk = make_project({"pipelines/a.yml": pipeline}, settings=settings)
    write(project.folder / "data/a.parquet")
    return project


def metrics(project: ProjectOnDisk) -> dict[tuple[str, str], Any]:
    """What the store knows of the columns: number and text."""
    with Store.open(load_project(project.folder).metadata) as store:
        return {(m["column"], m["name"]): m["value"] for m in store.metrics("mart.a")}


def at(node: str, do: Callable[[], object]) -> Callable[[Event], None]:
    """Called when ``node`` begins."""

    def listen(event: Event) -> None:
        if isinstance(event, NodeStarted) and event.node == node:
            do()

    return listen


def facts(project: ProjectOnDisk, progress: Any = None) -> dict[str, Any]:
    """What a run said, and what it left in the table, the quarantine and the store."""
    result = project.run("a", progress=progress)
    assert result.error is None, result.error
    return {
        "records": {**result.records.as_dict(), "read": None},
        "checks": [(c.check.id, c.failing, c.total, c.passed, c.observed) for c in result.checks],
        "score": result.quality_score,
        "samples": {id_: len(rows) for id_, rows in result.samples.items()},
        "rows": list(
            map(str, project.rows("mart.a", "id, key, amount, status, share, long, seen, even, day"))
        ),
        "quarantine": project.query(
            "SELECT row, reasons, types, phase, source, status, dataset FROM {q} ORDER BY ALL"
        ),
        "metrics": metrics(project),
    }


def receipts(project: ProjectOnDisk) -> int:
    with project.opened() as (sink, _):
        return len(sink.receipts())


def staged_instead(project: ProjectOnDisk) -> None:
    """The same pipeline into a lake, with a store that knows nothing yet."""
    shutil.rmtree(project.folder / ".sluiceway")
    project.write("sluiceway.yml", "project: test\n")


@pytest.mark.parametrize("many", [0, 500_000])
def test_it_says_and_leaves_what_a_staged_run_does(
    pg: str, make_project: Any, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(pgsink, "_MANY", many)  # from so many rows on they are encoded by one thread
    project = made(make_project)
    staging = project.folder / ".sluiceway/staging"
    written: list[str] = []
    in_place = facts(project, at("publish", lambda: written.extend(p.name for p in staging.glob("*/*/*"))))
    assert written == []
    assert in_place["records"] == {
        "read": None, "rejected": 0, "staged": 1000, "published": 968, "quarantined": 32, "late": 0,
    }  # fmt: skip
    # these fail both, and lie in quarantine once with both reasons
    both = [
        json.loads(row)["id"] for row, reasons, *_ in in_place["quarantine"] if len(json.loads(reasons)) == 2
    ]
    assert sorted(both) == ["0", "350", "700"]
    assert (in_place["metrics"]["share", "null_count"], in_place["metrics"]["share", "max"]) == (334, 249.5)

    staged_instead(project)
    staged = facts(project)
    # the statistics of a staging may make the greatest text greater where they cut it
    assert in_place["metrics"].pop(("long", "max"))[:200] == staged["metrics"].pop(("long", "max"))[:200]
    for name, value in staged.items():
        assert in_place[name] == value, name


def test_explain_says_so(pg: str, make_project: Any) -> None:
    project = made(make_project)
    (stage,) = [n for n in explain(project.resolve("a"))["nodes"] if n["kind"] == "Stage"]
    assert "where it lies" in stage["how"]
    project.write("sluiceway.yml", "project: test\n")
    (stage,) = [n for n in explain(project.resolve("a"))["nodes"] if n["kind"] == "Stage"]
    assert "how" not in stage


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("destination:", "transform:\n  - filter: id >= 0\ndestination:"),  # few rows may be left
        ("data/a.parquet}", "data/a.parquet, filters: id >= 0}"),
        ("data/a.parquet}", "data/a.parquet, incremental: {cursor: id}}"),
        ("data/a.parquet}", "data/a.parquet, on_bad_row: skip}"),
        ("- unique: id", "- unique: id\n    on_fail: quarantine"),  # it looks at rows beside one another
        ("type: parquet, path: data/a.parquet", "type: csv, path: data/a.csv"),
    ],
)
def test_what_is_no_plain_scan_is_staged(pg: str, make_project: Any, there: str, instead: str) -> None:
    project = made(make_project, PIPELINE.replace(there, instead))
    with open_duckdb() as con:
        con.execute(
            f"COPY (FROM '{project.folder / 'data/a.parquet'}') TO '{project.folder / 'data/a.csv'}' "
            "(FORMAT csv, HEADER)"
        )
    staging = project.folder / ".sluiceway/staging"
    written: list[str] = []
    result = project.run(
        "a", progress=at("publish", lambda: written.extend(p.name for p in staging.glob("*/*")))
    )
    assert (result.error, result.records.published, result.records.quarantined) == (None, 968, 32)
    assert "result" in written


@pytest.mark.parametrize("when", ["audit gate", "publish"])
def test_a_file_that_is_replaced_meanwhile_is_not_published(
    pg: str, postgres: Server, make_project: Any, when: str
) -> None:
    project = made(make_project)
    assert project.run("a").error is None
    before = postgres.execute("SELECT ctid::text, t::text FROM mart.a t ORDER BY 1", database=pg)
    file = project.folder / "data/a.parquet"

    def replace() -> None:
        write(file.with_suffix(".new"), f"SELECT * REPLACE (id + 5000 AS id) FROM ({ROWS})")
        file.with_suffix(".new").rename(file)

    result = project.run("a", progress=at(when, replace))
    assert isinstance(result.error, SourceError), result.error
    assert "changed while it was read; nothing was published" in result.error.message
    assert postgres.execute("SELECT ctid::text, t::text FROM mart.a t ORDER BY 1", database=pg) == before
    assert receipts(project) == 1
    assert project.run("a").records.published == 968  # the new file, whole


def test_a_value_that_no_rule_looked_at_stops_the_publish_in_the_words_of_the_source(
    pg: str, make_project: Any
) -> None:
    columns = "{id: BIGINT, key: VARCHAR, amount: 'DECIMAL(12,2)', status: VARCHAR, share: INTEGER}"
    pipeline = PIPELINE.replace("data/a.parquet}", f"data/a.parquet, columns: {columns}}}")
    project = made(make_project, pipeline)
    result = project.run("a")
    assert result.status == "failed"
    assert isinstance(result.error, SourceError), result.error
    assert "data/a.parquet" in result.error.message
    assert "share" in result.error.message
    assert not project.exists("mart.a")
    assert receipts(project) == 0


def test_a_blocked_run_keeps_its_rows_for_a_look_and_leaves_the_table(
    pg: str, postgres: Server, make_project: Any
) -> None:
    project = made(make_project)
    assert project.run("a").error is None
    before = postgres.execute("SELECT ctid::text, t::text FROM mart.a t ORDER BY 1", database=pg)
    project.write("pipelines/a.yml", PIPELINE.replace("min: 960, max: 968", "min: 2000"))
    result = project.run("a")
    assert result.status == "blocked"
    assert postgres.execute("SELECT ctid::text, t::text FROM mart.a t ORDER BY 1", database=pg) == before
    kept = project.folder / f".sluiceway/staging/{result.run_id}/result"
    with open_duckdb() as con:
        asked = f"SELECT count(*), count_if(_sluiceway_mask <> 0) FROM '{kept}/**/*.parquet'"
        assert con.execute(asked).fetchall() == [(1000, 172)]
