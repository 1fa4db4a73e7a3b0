"""Servers that refuse, stop, die or fall silent in the middle of a run: a clear error, nothing half
visible, and the next run gives what a run that never failed gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import empty_mariadb
from tests.integration.proxy import CommitCutter

from sluiceway.cli.app import invoke
from sluiceway.errors import DestinationError, SourceError
from sluiceway.events import Event, NodeStarted
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scripts.servers import Server
    from tests.integration.conftest import ProjectOnDisk

ROWS = 50_000
SETTINGS = """\
project: test
environments:
  dev:
    warehouse: {warehouse}
connections:
  db: {{type: {system}, url: "${{DB_URL}}"}}
"""
LAKE = "{type: ducklake, path: .sluiceway/lake}"
FROM_DATABASE = """\
pipeline: a
sources:
  a:
    type: SYSTEM
    connection: db
    SOURCE
    incremental: {cursor: id}
rules:
  - range: {column: v, min: 1}
    on_fail: quarantine
destination: {table: mart.a}
"""
INTO_DATABASE = """\
pipeline: a
sources: {a: {type: csv, path: data/a.csv, incremental: {cursor: id}}}
rules:
  - range: {column: v, min: 1}
    on_fail: quarantine
destination: {table: mart.a}
"""
FILLED = "CREATE TABLE a AS SELECT i AS id, i % 10 AS v FROM generate_series(1, 50000) AS i"
CSV = "id,v\n" + "".join(f"{i},{i % 10}\n" for i in range(1, ROWS + 1))


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    """The server that the test's parameter or name says, up again afterwards, and a database there."""
    kind = getattr(request, "param", "postgres")
    server: Server = request.getfixturevalue(kind)
    if kind == "mariadb":
        empty_mariadb(server)
    name = server.create_database()
    monkeypatch.setenv("DB_URL", server.url_of(name))
    yield server, name
    server.restart()


def at(node: str, act: Callable[[], Any]) -> Callable[[Event], None]:
    """A progress callback that acts once, when ``node`` starts."""
    done: list[bool] = []

    def progress(event: Event) -> None:
        if isinstance(event, NodeStarted) and event.node == node and not done:
            done.append(True)
            act()

    return progress


def state(project: ProjectOnDisk) -> dict[str, Any]:
    """Whatever a run makes visible, but for the ids and times of runs."""
    sink = project.sink()
    sink.open(None)
    try:
        receipts = [(r.mode, r.published, r.quarantined, r.late) for r in sink.receipts()]
        cursors = sink.state("a")
    finally:
        sink.close()
    rows = project.rows("mart.a") if project.exists("mart.a") else None
    turned = project.query('SELECT "row", reasons, status FROM {q} ORDER BY ALL') if receipts else []
    return {"rows": rows, "quarantine": turned, "cursors": cursors, "receipts": receipts}


NOTHING = {"rows": None, "quarantine": [], "cursors": (), "receipts": []}


def check_whole(found: dict[str, Any], rows: int = ROWS) -> None:
    """As if nothing had ever failed."""
    assert [r[0] for r in found["rows"]] == [i for i in range(1, rows + 1) if i % 10]
    assert sorted(int(json.loads(q[0])["id"]) for q in found["quarantine"]) == list(range(10, rows + 1, 10))
    assert [c.value for c in found["cursors"]] == [str(rows)]
    assert found["receipts"] == [("append", rows * 9 // 10, rows // 10, 0)]


def from_database(make_project: Any, system: str, source: str, warehouse: str = LAKE) -> ProjectOnDisk:
    project: ProjectOnDisk = make_project(
        {"pipelines/a.yml": FROM_DATABASE.replace("SYSTEM", system).replace("SOURCE", source)},
        settings=SETTINGS.format(warehouse=warehouse, system=system),
    )
    return project


def into_database(
    make_project: Any, system: str = "postgres", pipeline: str = INTO_DATABASE
) -> ProjectOnDisk:
    project: ProjectOnDisk = make_project(
        {"data/a.csv": CSV, "pipelines/a.yml": pipeline},
        settings=SETTINGS.format(warehouse=f"{{type: {system}, connection: db}}", system=system),
    )
    return project


# reading ---------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_a_session_that_dies_in_the_middle_of_a_read(database: tuple[Server, str], make_project: Any) -> None:
    server, name = database
    server.execute("CREATE TABLE fuse AS SELECT 1 AS burns", database=name)
    query = (
        "SELECT i AS id, i % 10 + CASE WHEN i = 40000 AND EXISTS (SELECT 1 FROM fuse) "
        "AND pg_terminate_backend(pg_backend_pid()) THEN 0 ELSE 0 END AS v "
        "FROM generate_series(1, 50000) AS i"
    )
    project = from_database(make_project, "postgres", f'query: "{query}"')
    result = project.run("a")
    assert result.status == "failed"
    assert isinstance(result.error, SourceError), repr(result.error)
    assert "lost" in str(result.error)
    assert state(project) == NOTHING
    server.execute("DELETE FROM fuse", database=name)
    assert project.run("a").error is None
    check_whole(state(project))


@pytest.mark.parametrize(
    ("database", "system", "fill"),
    [
        pytest.param("postgres", "postgres", FILLED, marks=pytest.mark.postgres),
        pytest.param(
            "mariadb", "mysql", "CREATE TABLE a AS SELECT seq AS id, seq % 10 AS v FROM seq_1_to_50000",
            marks=pytest.mark.mysql,
        ),
    ],
    indirect=["database"],
)  # fmt: skip
@pytest.mark.parametrize("fault", ["stop", "drop"])
def test_a_server_that_stops_and_a_table_that_goes_between_plan_and_read(
    database: tuple[Server, str], make_project: Any, system: str, fill: str, fault: str
) -> None:
    server, name = database
    server.execute(fill, database=name)
    table = "a" if system == "postgres" else f"{name}.a"
    project = from_database(make_project, system, f"table: {table}")
    act = server.stop if fault == "stop" else lambda: server.execute("DROP TABLE a", database=name)
    result = project.run("a", progress=at("extract a", act))
    server.restart()
    assert result.status == "failed"
    assert isinstance(result.error, SourceError), repr(result.error)
    assert server.password not in str(result.error)
    assert ("table" if fault == "drop" else str(server.port)) in str(result.error)
    assert state(project) == NOTHING
    if fault == "drop":
        server.execute(fill, database=name)
    assert project.run("a").error is None
    check_whole(state(project))


@pytest.mark.postgres
def test_a_read_that_broke_is_tried_again_where_retry_says_so(
    database: tuple[Server, str], make_project: Any
) -> None:
    server, name = database
    server.execute(FILLED, database=name)
    project = from_database(make_project, "postgres", "table: a")
    text = (project.folder / "pipelines/a.yml").read_text()
    project.write("pipelines/a.yml", text + "retry: {attempts: 2, delay: 0s}\n")

    def blink() -> None:
        server.kill()

    seen: list[Event] = []
    once = at("extract a", blink)

    def progress(event: Event) -> None:
        once(event)
        seen.append(event)
        if getattr(event, "error", None) and type(event).__name__ == "NodeFinished":
            server.restart()

    result = project.run("a", progress=progress)
    assert result.error is None
    check_whole(state(project))
    with Store.open(load_project(project.folder).metadata) as store:
        assert [run["status"] for run in store.runs()] == ["succeeded"]


# publishing ------------------------------------------------------------------------------------------

BOMB = (
    "CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF NEW.id = 40001 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$"
)


@pytest.mark.postgres
@pytest.mark.parametrize("engine", ["duckdb", "warehouse"])
@pytest.mark.parametrize("when", ["a row in the middle", "the commit"])
def test_a_session_that_dies_in_the_middle_of_a_publish(
    database: tuple[Server, str], make_project: Any, when: str, engine: str
) -> None:
    server, name = database
    project = into_database(make_project)
    settings = (project.folder / "sluiceway.yml").read_text("utf-8")
    assert "    warehouse: " in settings
    project.write(
        "sluiceway.yml", settings.replace("    warehouse: ", f"    engine: {engine}\n    warehouse: ")
    )
    project.write("data/a.csv", "id,v\n")
    server.execute(
        "CREATE SCHEMA mart",
        "CREATE TABLE mart.a (id bigint, v bigint)",
        BOMB,
        "CREATE TRIGGER boom BEFORE INSERT ON mart.a FOR EACH ROW EXECUTE FUNCTION boom()"
        if when == "a row in the middle"
        else "CREATE CONSTRAINT TRIGGER boom AFTER INSERT ON mart.a DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.id = 40001) EXECUTE FUNCTION boom()",
        database=name,
    )
    project.write("data/a.csv", CSV)
    result = project.run("a")
    assert result.status == "failed"
    assert isinstance(result.error, DestinationError), repr(result.error)
    assert "lost" in str(result.error)
    assert state(project) == {**NOTHING, "rows": []}
    server.execute("DROP TRIGGER boom ON mart.a", database=name)
    assert project.run("a").error is None
    check_whole(state(project))


@pytest.mark.parametrize(
    ("database", "system"),
    [
        pytest.param("postgres", "postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", "mysql", marks=pytest.mark.mysql),
    ],
    indirect=["database"],
)
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_goes_away_before_a_publish(
    database: tuple[Server, str], make_project: Any, system: str, how: str
) -> None:
    server, _name = database
    project = into_database(make_project, system)
    result = project.run("a", progress=at("publish", getattr(server, how)))
    server.restart()
    assert result.status == "failed"
    assert isinstance(result.error, DestinationError), repr(result.error)
    assert server.password not in str(result.error)
    assert state(project) == NOTHING
    assert project.run("a").error is None
    check_whole(state(project))


@pytest.mark.parametrize(
    ("database", "system"),
    [
        pytest.param("postgres", "postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", "mysql", marks=pytest.mark.mysql),
    ],
    indirect=["database"],
)
def test_a_commit_whose_answer_is_lost_is_settled_by_the_receipt(
    database: tuple[Server, str], make_project: Any, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    server, name = database
    with CommitCutter(server.host, server.port) as wire:
        url = server.url_of(name).replace(f":{server.port}/", f":{wire.port}/")
        monkeypatch.setenv("DB_URL", url)
        project = into_database(make_project, system)
        result = project.run("a")
        assert wire.cut == 1
        assert result.error is None
        assert (result.records.published, result.records.quarantined) == (ROWS * 9 // 10, ROWS // 10)
        check_whole(state(project))
        assert project.run("a").records.published == 0  # the cursor went with the rows


# connections -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "system"),
    [
        pytest.param("postgres", "postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", "mysql", marks=pytest.mark.mysql),
    ],
    indirect=["database"],
)
@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("fault", ["password", "port"])
def test_what_can_not_be_reached_is_said_without_a_trace_or_a_password(
    database: tuple[Server, str],
    make_project: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    system: str,
    side: str,
    fault: str,
) -> None:
    server, name = database
    wrong = "s3cret-and-wr0ng"
    url = server.url_of(name)
    url = url.replace(f":{server.password}@", f":{wrong}@") if fault == "password" else url
    url = url.replace(f":{server.port}/", ":9/") if fault == "port" else url
    monkeypatch.setenv("DB_URL", url)
    project = (
        from_database(make_project, system, "table: a" if system == "postgres" else f"table: {name}.a")
        if side == "source"
        else into_database(make_project, system)
    )
    capfd.readouterr()
    code = invoke(["run", "a", "--project", str(project.folder)])
    out, err = capfd.readouterr()
    assert code == 1, err
    assert "Traceback" not in out + err
    assert wrong not in out + err
    assert server.password not in out + err
    assert ("password" if fault == "password" else ":9") in out + err
    assert "of the connection" in out + err  # the hint
    with Store.open(load_project(project.folder).metadata) as store:
        document = store.run(store.runs()[0]["run_id"])
    assert document["status"] == "failed"
    stored = json.dumps(document, default=str)
    assert wrong not in stored
    assert server.password not in stored


@pytest.mark.postgres
def test_a_commit_that_nobody_can_be_asked_about_is_settled_by_the_next_run(
    database: tuple[Server, str], make_project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluiceway.connectors import dbsink

    server, name = database
    monkeypatch.setattr(dbsink, "_ASK_AGAIN", 0.2)
    with CommitCutter(server.host, server.port, closes=True) as wire:
        monkeypatch.setenv("DB_URL", server.url_of(name).replace(f":{server.port}/", f":{wire.port}/"))
        project = into_database(make_project)
        result = project.run("a")
    assert result.status == "failed"
    assert isinstance(result.error, DestinationError), repr(result.error)
    monkeypatch.setenv("DB_URL", server.url_of(name))
    again = project.run("a")
    assert (again.error, again.records.published) == (None, 0)
    with Store.open(load_project(project.folder).metadata) as store:
        assert {run["run_id"]: run["status"] for run in store.runs()} == {
            result.run_id: "succeeded",
            again.run_id: "succeeded",
        }
    assert len(project.rows("mart.a")) == ROWS * 9 // 10


@pytest.mark.postgres
def test_a_server_that_stops_while_the_gate_looks_at_the_table(
    database: tuple[Server, str], make_project: Any
) -> None:
    server, _name = database
    project = into_database(make_project, pipeline=INTO_DATABASE.replace("rules:", "rules:\n  - unique: id"))
    assert project.run("a").error is None
    before = state(project)
    project.write("data/a.csv", CSV + f"{ROWS + 1},1\n")
    result = project.run("a", progress=at("audit gate", server.stop))
    server.restart()
    assert result.status == "failed"
    assert isinstance(result.error, DestinationError), repr(result.error)
    assert str(server.port) in str(result.error)
    assert state(project) == before
    assert project.run("a").records.published == 1
