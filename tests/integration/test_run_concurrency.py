"""Several processes at one warehouse: they queue, they don't fail, and no row is there twice."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.duck import open_duckdb
from sluiceway.events import Event, NodeStarted
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts.servers import Server
    from tests.integration.conftest import ProjectOnDisk

SLUICEWAY = str(Path(sys.executable).with_name("sluiceway"))
LAKE = "project: test\n"
ROWS = 3000
CSV = "id,v\n" + "".join(f"{i},{i % 10}\n" for i in range(ROWS))
APPEND = """\
pipeline: {name}
sources:
  a: {{type: csv, path: data/a.csv, incremental: {{cursor: id}}}}
rules:
  - range: {{column: v, min: 1}}
    on_fail: quarantine
destination: {{table: mart.{name}, lock_timeout: {timeout}}}
"""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: a-contract
version: 1.0.0
status: active
schema:
  - name: a
    properties:
      - {name: id, logicalType: integer, required: true}
"""


def start(project: ProjectOnDisk, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SLUICEWAY, *arguments, "--project", str(project.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err


def call(project: ProjectOnDisk, *arguments: str) -> tuple[int, str, str]:
    return finish(start(project, *arguments))


def when(node: str, act: Callable[[], Any]) -> Callable[[Event], None]:
    def progress(event: Event) -> None:
        if isinstance(event, NodeStarted) and event.node == node:
            act()

    return progress


@pytest.fixture
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, warehouse: str) -> str:
    if warehouse == "lake":
        return LAKE
    if warehouse == "postgres":
        server: Server = request.getfixturevalue("postgres")
        monkeypatch.setenv("DB_URL", server.url_of(server.create_database()))
        kind = "{type: postgres, connection: db}"
    else:
        kind = "{type: duckdb, path: out.duckdb}"
    return (
        f"project: test\nenvironments:\n  dev:\n    warehouse: {kind}\n"
        'connections:\n  db: {type: postgres, url: "${DB_URL:-postgresql://localhost}"}\n'
    )


BOTH = pytest.mark.parametrize(
    "warehouse", ["lake", "duckdb", pytest.param("postgres", marks=pytest.mark.postgres)]
)


@pytest.mark.parametrize("warehouse", ["lake", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_four_processes_of_several_pipelines_into_one_warehouse(
    make_project: Any, settings: str, warehouse: str
) -> None:
    names = [f"p{i}" for i in range(8)]
    project: ProjectOnDisk = make_project(
        {"data/a.csv": CSV, **{f"pipelines/{n}.yml": APPEND.format(name=n, timeout="180s") for n in names}},
        settings=settings,
    )
    running = [start(project, "run", *names[i::4]) for i in range(4)]
    ended = [finish(process) for process in running]
    assert [code for code, _, _ in ended] == [0] * 4, "\n".join(err + out for code, out, err in ended if code)
    for name in names:
        assert project.query("SELECT count(*), count(DISTINCT id) FROM {t}", f"mart.{name}") == [
            (ROWS * 9 // 10, ROWS * 9 // 10)
        ]
    assert project.query("SELECT pipeline, count(*) FROM {q} GROUP BY 1 ORDER BY 1") == [
        (name, ROWS // 10) for name in names
    ]
    with Store.open(load_project(project.folder).metadata) as store:
        assert [run["status"] for run in store.runs()] == ["succeeded"] * 8


@BOTH
def test_one_pipeline_started_three_times_at_once_loads_each_row_once(
    make_project: Any, settings: str, warehouse: str
) -> None:
    project: ProjectOnDisk = make_project(
        {"data/a.csv": CSV, "pipelines/a.yml": APPEND.format(name="a", timeout="180s")}, settings=settings
    )
    ended = [finish(process) for process in [start(project, "run", "a", "--json") for _ in range(3)]]
    assert [code for code, _, _ in ended] == [0] * 3, "\n".join(err + out for code, out, err in ended if code)
    published = sorted(json.loads(out)["records"]["published"] for _, out, _ in ended)
    assert published == [0, 0, ROWS * 9 // 10]
    assert len({row[0] for row in project.rows("mart.a", "id")}) == ROWS * 9 // 10
    assert len(project.rows("mart.a")) == ROWS * 9 // 10
    assert project.query("SELECT count(*) FROM {q}") == [(ROWS // 10,)]


@BOTH
def test_a_second_run_of_a_pipeline_waits_its_time_and_names_who_holds_it(
    make_project: Any, settings: str, warehouse: str
) -> None:
    project: ProjectOnDisk = make_project(
        {"data/a.csv": CSV, "pipelines/a.yml": APPEND.format(name="a", timeout="0.3s")}, settings=settings
    )
    second: list[tuple[int, str, str]] = []
    result = project.run("a", progress=when("publish", lambda: second.append(call(project, "run", "a"))))
    assert result.error is None
    code, out, err = second[0]
    assert code == 1
    assert "Traceback" not in out + err
    assert result.run_id in out + err
    assert "pipeline a is locked by run" in out + err
    assert len(project.rows("mart.a")) == ROWS * 9 // 10
    third, out, err = call(project, "run", "a")  # the lock went with its holder
    assert third == 0, out + err
    assert len(project.rows("mart.a")) == ROWS * 9 // 10


def test_a_publisher_in_its_transaction_does_not_block_a_reader(make_project: Any) -> None:
    project: ProjectOnDisk = make_project(
        {
            "data/a.csv": CSV,
            "pipelines/a.yml": APPEND.format(name="a", timeout="60s"),
            "contracts/a.odcs.yaml": CONTRACT,
        },
        settings=LAKE,
    )
    assert project.run("a").error is None
    contract = str(project.folder / "contracts/a.odcs.yaml")
    sink, con = project.sink(), open_duckdb()
    try:
        from tests.integration.conftest import LocalEngine

        sink.open(LocalEngine(con))
        with sink._writer("a publish that takes long"):
            con.execute("BEGIN")
            con.execute('INSERT INTO "_warehouse"."mart"."a" SELECT 90000 + range, 1 FROM range(5000)')
            code, out, err = call(project, "check", "mart.a", "--contract", contract, "--json")
            con.execute("ROLLBACK")
    finally:
        sink.close()
        con.close()
    assert code == 0, out + err
    assert json.loads(out)["records"]["staged"] == ROWS * 9 // 10  # nothing of what is not committed


def test_a_reader_of_the_lake_does_not_block_a_publisher_and_sees_one_snapshot(make_project: Any) -> None:
    copy = """\
        pipeline: b
        sources: {a: {type: ducklake, table: mart.a}}
        rules:
          - row_count: {min: 1}
        destination: {table: mart.b}
        """
    project: ProjectOnDisk = make_project(
        {
            "data/a.csv": CSV,
            "pipelines/a.yml": APPEND.format(name="a", timeout="5s"),
            "pipelines/b.yml": copy,
        },
        settings=LAKE,
    )
    assert project.run("a").error is None
    project.write("data/a.csv", CSV + f"{ROWS},1\n")
    published: list[tuple[int, str, str]] = []
    result = project.run("b", progress=when("stage", lambda: published.append(call(project, "run", "a"))))
    assert published[0][0] == 0, published
    assert len(project.rows("mart.a")) == ROWS * 9 // 10 + 1
    assert result.error is None
    assert len(project.rows("mart.b")) == ROWS * 9 // 10


def test_two_pipelines_that_write_one_table_judge_it_one_after_the_other(make_project: Any) -> None:
    """unique looks at the table as it stands: the second must see what the first published."""
    text = """\
        pipeline: NAME
        sources: {a: {type: csv, path: data/a.csv}}
        rules: [{unique: id}]
        destination: {table: mart.one, lock_timeout: 120s}
        """
    project: ProjectOnDisk = make_project(
        {"data/a.csv": CSV, **{f"pipelines/{n}.yml": text.replace("NAME", n) for n in ("x", "y")}},
        settings=LAKE,
    )
    assert project.run("x", dry_run=True).error is None
    ended = [finish(process) for process in [start(project, "run", n) for n in ("x", "y")]]
    codes = sorted(code for code, _, _ in ended)
    assert codes[0] == 0, "\n".join(err + out for code, out, err in ended if code)
    assert codes[1] in (1, 3)  # blocked by the gate, or told that the table came to be meanwhile
    assert len(project.rows("mart.one")) == ROWS


@pytest.mark.postgres
def test_a_schema_that_another_makes_at_the_same_time_is_no_failure(
    make_project: Any, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.create_database()
    monkeypatch.setenv("DB_URL", postgres.url_of(database))
    project: ProjectOnDisk = make_project(
        {"data/a.csv": CSV, "pipelines/a.yml": APPEND.format(name="a", timeout="60s")},
        settings="project: test\nenvironments:\n  dev:\n    warehouse: {type: postgres, connection: db}\n"
        'connections:\n  db: {type: postgres, url: "${DB_URL}"}\n',
    )
    waiting = (
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' "
        "AND wait_event_type = 'Lock' AND query LIKE 'CREATE SCHEMA%'"
    )
    with closing(postgres.connect(database)) as other:
        other.execute("BEGIN")
        other.execute("CREATE SCHEMA mart")

        def commit_once_awaited() -> None:
            while postgres.execute(waiting) == [(0,)] and not over.wait(0.02):
                pass
            other.execute("COMMIT")

        over = threading.Event()
        thread = threading.Thread(target=commit_once_awaited)
        thread.start()
        try:
            result = project.run("a")
        finally:
            over.set()
            thread.join()
    assert result.error is None
    assert len(project.rows("mart.a")) == ROWS * 9 // 10
