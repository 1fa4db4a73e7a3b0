"""PostgreSQL as a warehouse under faults: whatever dies, nothing is half there, and a rerun is whole."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import (
    context,
    engine,
    order,
    publish,
    quarantine_rows,
    staged,
)

from sluiceway import plugins
from sluiceway.errors import DestinationError, LockTimeoutError, SourceError
from sluiceway.exchange import Cursor, Receipt
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scripts.servers import Server

    from sluiceway.connectors.pgsink import PostgresSink

pytestmark = pytest.mark.postgres
MARK = Cursor("orders", "id", "BIGINT", "199")
TABLE = TableName("mart", "t")
MANY = "SELECT range AS id, repeat('x', 400) AS s FROM range(200000)"


@pytest.fixture
def database(postgres: Server) -> str:
    return postgres.create_database()


@contextmanager
def opened(url: str, folder: Path, on: Any) -> Iterator[PostgresSink]:
    connector = plugins.load("connectors", "postgres")
    config = connector.sink_config.model_validate({"type": "postgres", "url": url})
    with closing(connector.sink(config, context(folder))) as sink:
        sink.open(on)
        on.seal(sink.folders())
        yield sink


def contents(postgres: Server, database: str) -> list[list[tuple[Any, ...]]]:
    """Everything that a publish writes."""
    tables = ("mart.t", "_sluiceway.state", "_sluiceway.receipts", "_sluiceway.quarantine")
    found = []
    for table in tables:
        exists = postgres.execute(f"SELECT to_regclass('{table}') IS NOT NULL", database=database)[0][0]
        found.append(postgres.execute(f"SELECT count(*) FROM {table}", database=database) if exists else [])
    return found


def terminate(postgres: Server, database: str, like: str) -> int:
    """End the sessions whose current statement is like ``like``; how many."""
    return len(
        postgres.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' "
            f"AND pid <> pg_backend_pid() AND state <> 'idle' AND query LIKE '{like}'"
        )
    )


def while_it_publishes(work: Callable[[], Receipt], act: Callable[[], int]) -> Receipt:
    """Run ``work`` here while another thread tries ``act`` until it took effect."""
    done = threading.Event()
    acted: list[int] = []

    def watch() -> None:
        while not done.is_set() and not acted:
            count = act()
            if count:
                acted.append(count)
            done.wait(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        return work()
    finally:
        done.set()
        thread.join()
        assert acted, "the publish was over before anything could happen to it"


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_session_that_ends_in_the_middle_of_a_publish(
    postgres: Server, database: str, tmp_path: Path, mode: str
) -> None:
    key = {"key": ("id",)} if mode == "merge" else {}
    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        publish(sink, staged(on, "SELECT 1::BIGINT AS id, 'a' AS s"), order("r0", mode=mode, **key))
        before = contents(postgres, database)
        rows = staged(on, MANY, quarantine_rows("r1", 2))
        how = order("r1", mode=mode, cursors=(MARK,), **key)
        with pytest.raises(DestinationError, match=r"connection to PostgreSQL.*lost") as error:
            while_it_publishes(
                lambda: publish(sink, rows, how), lambda: terminate(postgres, database, "COPY%")
            )
        assert postgres.password not in str(error.value)
        assert contents(postgres, database) == before
        assert sink.receipts(run_id="r1") == ()
        assert publish(sink, rows, how).published == 200000
        assert sink.state("orders") == (MARK,)
        total = 200001 if mode == "append" else 200000
        assert contents(postgres, database)[0] == [(total,)]
        assert on.query(f"SELECT count(*) FROM ({sink.quarantine()}) AS q") == [(2,)]


def test_a_server_that_is_killed_in_the_middle_of_a_publish(
    postgres: Server, database: str, tmp_path: Path
) -> None:
    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        rows = staged(on, MANY)

        def kill() -> int:
            busy = postgres.execute(
                f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE 'COPY%'"
            )
            if busy:
                postgres.kill()
            return len(busy)

        try:
            with pytest.raises(DestinationError, match=r"lost|can't reach|can't be asked"):
                while_it_publishes(lambda: publish(sink, rows, order("r1")), kill)
        finally:
            postgres.restart()
        assert sink.columns(TABLE) is None
        assert sink.receipts() == ()
        assert publish(sink, rows, order("r1")).published == 200000
        assert publish(sink, rows, order("r1")).published == 200000
        assert postgres.execute("SELECT count(*) FROM mart.t", database=database) == [(200000,)]


@pytest.mark.parametrize("commits", [True, False])
def test_a_commit_without_an_answer_is_settled_by_the_receipt(
    postgres: Server, database: str, tmp_path: Path, commits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        publish(sink, staged(on, "SELECT 1 AS id"), order("r0"))
        rows = staged(on, "SELECT 2 AS id")
        with sink.lock("table mart.t", 5, "r1"):
            assert sink._locked is not None
            session = sink._locked
            commit = session.commit

            def cut() -> None:
                if commits:
                    commit()
                session.execute("SELECT pg_terminate_backend(pg_backend_pid())")  # a real loss, here

            monkeypatch.setattr(session, "commit", cut)
            if commits:
                assert publish(sink, rows, order("r1")).run_id == "r1"
            else:
                with pytest.raises(DestinationError, match="lost"):
                    publish(sink, rows, order("r1"))
        assert [r.run_id for r in sink.receipts()] == (["r1", "r0"] if commits else ["r0"])
        publish(sink, rows, order("r1"))
        assert postgres.execute("SELECT id FROM mart.t ORDER BY 1", database=database) == [(1,), (2,)]


def test_an_error_of_the_engine_while_rows_stream_leaves_nothing(
    postgres: Server, database: str, tmp_path: Path
) -> None:
    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        rows = staged(
            on, "SELECT CASE WHEN range = 150000 THEN 'a' || chr(0) ELSE 'a' END AS s FROM range(200000)"
        )
        with pytest.raises(DestinationError, match="NULL-byte"):
            publish(sink, rows, order("r1"))
        assert sink.columns(TABLE) is None
        assert sink.receipts() == ()


def test_rows_that_may_be_others_than_the_judged_ones_are_not_committed(
    postgres: Server, database: str, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def changed() -> None:
        asked.append(postgres.execute("SELECT to_regclass('mart.t')", database=database)[0][0])
        raise SourceError("it changed")

    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        rows = replace(staged(on, "SELECT 1 AS id", quarantine_rows("r1", 2)), confirm=changed)
        with pytest.raises(SourceError, match="it changed"):
            publish(sink, rows, order("r1"))
        assert asked == [None]  # asked while nobody else sees the table
        assert sink.columns(TABLE) is None
        assert sink.receipts() == ()
        assert postgres.execute("SELECT count(*) FROM _sluiceway.quarantine", database=database) == [(0,)]
        assert publish(sink, replace(rows, confirm=lambda: None), order("r1")).published == 1


def test_what_does_not_fit_the_target_is_refused_whole(
    postgres: Server, database: str, tmp_path: Path
) -> None:
    postgres.execute("CREATE SCHEMA mart", "CREATE TABLE mart.t (s varchar(3))", database=database)
    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        rows = staged(on, "SELECT CASE WHEN range = 9 THEN 'long' ELSE 'ok' END AS s FROM range(10)")
        with pytest.raises(DestinationError, match="too long for type character varying"):
            publish(sink, rows, order("r1"))
        assert postgres.execute("SELECT count(*) FROM mart.t", database=database) == [(0,)]


def test_types_of_an_existing_table_are_met(postgres: Server, database: str, tmp_path: Path) -> None:
    postgres.execute(
        "CREATE SCHEMA mart",
        "CREATE TYPE mood AS ENUM ('ok')",
        "CREATE TABLE mart.t (id int, ip inet, m mood, j jsonb, n numeric, r int4range, p money)",
        database=database,
    )
    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        good = (
            "SELECT 1 AS id, '10.0.0.1/32' AS ip, 'ok' AS m, '{\"a\": 1}'::JSON AS j, "
            "1.5::DECIMAL(38,9) AS n, "
            "'[1,5)' AS r, 2.50::DECIMAL(19,2) AS p"
        )
        for run, mode in (("r1", "append"), ("r2", "merge")):
            publish(sink, staged(on, good), order(run, mode=mode, key=("id",)))
        assert on.query(sink.scan(TABLE)) == on.query(good)


@pytest.mark.parametrize(
    ("table", "column", "message"),
    [(f"mart.{'t' * 64}", "id", "63 bytes"), ("mart.t", "é" * 32, "can't keep column")],
)
def test_names_that_would_be_cut_are_refused(
    postgres: Server, database: str, tmp_path: Path, table: str, column: str, message: str
) -> None:
    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        with pytest.raises(DestinationError, match=message):
            publish(sink, staged(on, f'SELECT 1 AS "{column}"'), order("r1", table))
        made = postgres.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'mart'", database=database)
        assert made == []


def test_a_lock_dies_with_its_process(postgres: Server, database: str, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom tests.integration import databases as d\n"
        "from sluiceway import plugins\n"
        "c = plugins.load('connectors', 'postgres')\n"
        "s = c.sink(c.sink_config(type='postgres', url=sys.argv[2]), d.context(Path('.')))\n"
        "with s.lock('table mart.t', 5, 'run r7 of orders'): print('held', flush=True); sys.stdin.read()\n"
    )
    root = str(Path(__file__).parents[2])
    url = postgres.url_of(database)
    child = subprocess.Popen(
        [sys.executable, "-c", code, root, url], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child, engine(tmp_path) as on, opened(url, tmp_path, on) as sink:
        assert child.stdout.readline() == "held\n"
        with (
            pytest.raises(LockTimeoutError, match=r"run r7 of orders \(session \d+"),
            sink.lock("table mart.t", 0.2, "run r8"),
        ):
            pytest.fail("two hold it")
        child.kill()
        with sink.lock("table mart.t", 30, "run r8"):
            assert publish(sink, staged(on, "SELECT 1 AS id"), order("r8")).published == 1


def test_a_run_whose_lock_was_lost_does_not_publish(postgres: Server, database: str, tmp_path: Path) -> None:
    with engine(tmp_path) as on, opened(postgres.url_of(database), tmp_path, on) as sink:
        rows = staged(on, "SELECT 1 AS id")
        with sink.lock("table mart.t", 5, "run r1"):
            assert terminate_locks(postgres, database) == 1
            with pytest.raises(DestinationError, match="lost"):
                publish(sink, rows, order("r1"))
        assert sink.columns(TABLE) is None


def terminate_locks(postgres: Server, database: str) -> int:
    return len(
        postgres.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
            f"WHERE l.locktype = 'advisory' AND a.datname = '{database}'"
        )
    )
