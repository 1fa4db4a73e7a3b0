"""The metadata store on a real PostgreSQL, shared with whatever else lies in the database."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import StoreError
from sluiceway.events import NodeFinished, NodeStarted, RunFinished, RunStarted
from sluiceway.exchange import Cursor, Receipt
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from scripts.servers import Server

pytestmark = pytest.mark.postgres
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def url(postgres_url: str) -> str:
    assert postgres_url.startswith("postgres")
    return postgres_url


def fetch(url: str, sql: str) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as con:
        cursor = con.execute(sql)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


def dataset(name: str, columns: list[str]) -> dict[str, Any]:
    return {
        "namespace": "postgres://db:5432",
        "name": name,
        "columns": [{"name": c, "type": "BIGINT"} for c in columns],
    }


def finish(run_id: str, pipeline: str = "orders", output: str = "mart.orders") -> RunFinished:
    inputs = tuple(dataset(f"raw.{n}", ["id"]) for n in "abc")
    edges = [
        {"dataset": f"postgres://db:5432.raw.{n}", "column": "id", "type": "DIRECT", "subtype": "IDENTITY"}
        for n in "abc"
    ]
    check = {
        "id": "range:id", "rule": "range", "phase": "gate", "columns": ["id"], "dimension": "accuracy",
        "severity": "error", "on_fail": "quarantine", "failing": 2, "total": 10, "passed": False,
        "observed": None, "proven": False, "message": "2 of 10\x00 rows \ud800",
    }  # fmt: skip
    return RunFinished(
        run_id, pipeline, AT, environment="dev", status="succeeded", seconds=1.0,
        records={"staged": 10, "published": 8, "quarantined": 2}, inputs=inputs,
        output=dataset(output, ["id"]), lineage={"id": edges}, checks=(check,),
        metrics={"row_count": 2**60 + 1, "columns": {"id": {"max": "z"}}}, quality_score=0.9,
    )  # fmt: skip


def test_a_whole_run_comes_back(url: str) -> None:
    with Store.open(url) as store:
        store.begin_run("r", "orders", "dev", AT, config_raw={"key": "${KEY}"})
        store.record_event(
            RunStarted("r", "orders", AT.astimezone(), environment="dev", output=dataset("mart.orders", []))
        )
        store.record_event(NodeStarted("r", "orders", AT, node="stage"))
        store.record_event(
            NodeFinished("r", "orders", AT + timedelta(seconds=1), node="stage", seconds=1.0, rows=10)
        )
        store.record_samples("r", "range:id", [{"id": float("nan"), "b": "x\x00"}])
        store.record_event(finish("r"))
        store.record_cursors("dev", "orders", "r", [Cursor("a", "id", "BIGINT", "9")])
        store.record_receipt("dev", Receipt("r", "orders", "mart.orders", "append", 8, 2, None, AT))
        run = store.run("r")
        assert (run["status"], run["started_at"]) == ("succeeded", "2026-01-02T03:04:05.000000Z")
        assert run["checks"][0]["message"] == "2 of 10\\x00 rows \\ud800"
        assert run["checks"][0]["samples"] == [{"id": "nan", "b": "x\\x00"}]
        assert [(q["check_id"], q["waiting"]) for q in run["quarantine"]] == [("range:id", 2)]
        values = {m["name"]: m["value"] for m in store.metrics("mart.orders")}
        assert values == {"row_count": 2**60 + 1, "max": "z", "quality_score": 0.9}
        up = store.lineage("mart.orders.id")
        assert [n["name"] for n in up["nodes"]] == ["mart.orders", "raw.a", "raw.b", "raw.c"]
        assert [c["value"] for c in store.cursors("dev", "orders")] == ["9"]
        assert len(store.receipts(run_id="r")) == 1
        assert store.checks_history("orders")[0]["failing"] == 2


def test_what_else_lies_in_the_database_is_left_alone(url: str) -> None:
    fetch(url, "CREATE TABLE runs (mine int)")
    fetch(url, "CREATE TABLE alembic_version (version_num text)")
    fetch(url, "INSERT INTO alembic_version VALUES ('theirs')")
    with Store.open(url) as store:
        store.begin_run("r", "p", "dev", AT)
    assert fetch(url, "SELECT * FROM runs") == []
    assert fetch(url, "SELECT * FROM alembic_version") == [("theirs",)]
    public = fetch(url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    assert sorted(public) == [("alembic_version",), ("runs",)]
    assert fetch(url, "SELECT id FROM sluiceway.runs") == [("r",)]


def compare(url: str) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from sluiceway.store.connect import connect
    from sluiceway.store.tables import metadata, version

    engine = connect(url)
    with engine.begin() as con:
        options = {"version_table": version.name, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(con, opts=options), metadata)
    engine.dispose()
    return list(found)


def shape(url: str) -> list[tuple[Any, ...]]:
    return fetch(
        url,
        "SELECT table_name, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'sluiceway' ORDER BY 1, 2",
    ) + fetch(
        url,
        "SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes"
        " WHERE schemaname = 'sluiceway' ORDER BY 1, 2",
    )


def test_migrations_make_exactly_the_tables(url: str, postgres: Server) -> None:
    from sluiceway.store import upgrade
    from sluiceway.store.connect import connect

    engine = connect(url)
    upgrade.migrate(engine)
    engine.dispose()
    assert compare(url) == []
    fresh = postgres.url_of(postgres.create_database())
    Store.open(fresh).close()
    assert compare(fresh) == []
    assert shape(fresh) == shape(url)


MANY = """
import sys
from datetime import datetime
from sluiceway.store.store import Store
sys.stdin.readline()
with Store.open(sys.argv[1]) as store:
    store.begin_run(sys.argv[2], "p", "dev", datetime(2026, 1, 2))
"""


def test_eight_processes_open_a_fresh_store_at_once(url: str) -> None:
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, url, str(n)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(8)
    ]  # fmt: skip
    for one in crowd:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=120)[1] for one in crowd]
    assert [one.returncode for one in crowd] == [0] * 8, said
    with Store.open(url) as store:
        assert len(store.runs()) == 8


def test_runs_that_know_the_same_datasets_do_not_lock_each_other_out(url: str) -> None:
    with Store.open(url) as store:
        failures: list[BaseException] = []
        barrier = threading.Barrier(4)

        def work(n: int) -> None:
            barrier.wait()
            try:
                for round_ in range(5):
                    event = finish(f"r{n}-{round_}", f"p{n}", f"mart.o{n % 2}")
                    ordered = event.inputs if n % 2 else tuple(reversed(event.inputs))
                    store.record_event(replace(event, inputs=ordered))
            except StoreError as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert len(store.runs(limit=None)) == 20
        assert len(store.lineage("raw.a", direction="down")["nodes"]) == 3


def test_a_newer_store_is_refused(url: str) -> None:
    Store.open(url).close()
    fetch(url, "UPDATE sluiceway.sluiceway_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="schema 9999"):
        Store.open(url)


def test_a_server_that_went_away_is_a_store_error_and_comes_back(postgres: Server) -> None:
    name = postgres.create_database()
    with Store.open(postgres.url_of(name)) as store:
        store.begin_run("r", "p", "dev", AT)
        postgres.stop()
        try:
            with pytest.raises(StoreError, match="metadata store") as gone:
                store.begin_run("s", "p", "dev", AT)
            assert "check that the server runs" in str(gone.value.hint)
        finally:
            postgres.restart()
        store.begin_run("t", "p", "dev", AT)
        assert {r["run_id"] for r in store.runs()} == {"r", "t"}


def test_a_user_without_rights_is_told(url: str) -> None:
    import psycopg

    fetch(url, "DROP ROLE IF EXISTS store_reader")
    fetch(url, "CREATE ROLE store_reader LOGIN PASSWORD 'reader-secret-1'")
    parts = psycopg.conninfo.conninfo_to_dict(url.replace("+psycopg", ""))
    poor = (
        f"postgresql+psycopg://store_reader:reader-secret-1@{parts['host']}:{parts['port']}/{parts['dbname']}"
    )
    with pytest.raises(StoreError, match="permission denied") as refused:
        Store.open(poor)
    assert "reader-secret-1" not in str(refused.value)
