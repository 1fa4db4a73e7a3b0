"""MariaDB as a warehouse under faults: whatever dies, nothing is half there, and a rerun is whole."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import (
    context,
    empty_mariadb,
    engine,
    order,
    publish,
    quarantine_rows,
    staged,
)

from sluiceway import plugins
from sluiceway.errors import DestinationError, LockTimeoutError
from sluiceway.exchange import Cursor, Receipt
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scripts.servers import Server

    from sluiceway.connectors.mysink import MysqlSink

pytestmark = pytest.mark.mysql
MARK = Cursor("orders", "id", "BIGINT", "199")
TABLE = TableName("mart", "t")
MANY = "SELECT range AS id, repeat('x', 400) AS s FROM range(200000)"


@pytest.fixture
def server(mariadb: Server) -> Server:
    empty_mariadb(mariadb)
    return mariadb


@contextmanager
def opened(server: Server, folder: Path, on: Any) -> Iterator[MysqlSink]:
    connector = plugins.load("connectors", "mysql")
    config = connector.sink_config.model_validate({"type": "mysql", "url": server.url})
    with closing(connector.sink(config, context(folder))) as sink:
        sink.open(on)
        on.seal(sink.folders())
        yield sink


def contents(server: Server) -> list[tuple[Any, ...]]:
    """How much there is of everything that a publish writes."""
    found = []
    for table in ("mart.t", "_sluiceway.state", "_sluiceway.receipts", "_sluiceway.quarantine"):
        found += server.execute(f"SELECT '{table}', count(*) FROM {table}")
    return found


def loading(server: Server) -> list[int]:
    """Sessions that load rows just now."""
    found = server.execute(
        "SELECT id FROM information_schema.processlist WHERE info LIKE 'LOAD DATA%' AND time_ms > 30"
    )
    return [row[0] for row in found]


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


@pytest.mark.slow  # the server leaves its socket open: only the client's time limit ends the wait
@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_session_that_ends_in_the_middle_of_a_publish(server: Server, tmp_path: Path, mode: str) -> None:
    key = {"key": ("id",)} if mode == "merge" else {}

    def kill() -> int:
        busy = loading(server)
        for session in busy:
            server.execute(f"KILL {session}")
        return len(busy)

    with engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        publish(sink, staged(on, "SELECT 1::BIGINT AS id, 'a' AS s"), order("r0", mode=mode, **key))
        before = contents(server)
        rows = staged(on, MANY, quarantine_rows("r1", 2))
        how = order("r1", mode=mode, cursors=(MARK,), **key)
        with pytest.raises(DestinationError, match=r"MySQL at 127\.0\.0\.1") as error:
            while_it_publishes(lambda: publish(sink, rows, how), kill)
        assert server.password not in str(error.value)
        assert contents(server) == before
        assert sink.receipts(run_id="r1") == ()
        assert publish(sink, rows, how).published == 200000
        assert sink.state("orders") == (MARK,)
        total = 200001 if mode == "append" else 200000
        assert contents(server)[0] == ("mart.t", total)
        assert on.query(f"SELECT count(*) FROM ({sink.quarantine()}) AS q") == [(2,)]


def test_a_server_that_is_killed_in_the_middle_of_a_publish(server: Server, tmp_path: Path) -> None:
    def kill() -> int:
        busy = loading(server)
        if busy:
            server.kill()
        return len(busy)

    with engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        rows = staged(on, MANY)
        try:
            with pytest.raises(DestinationError, match=r"MySQL at 127\.0\.0\.1"):
                while_it_publishes(lambda: publish(sink, rows, order("r1")), kill)
        finally:
            server.restart()
        assert sink.receipts() == ()
        assert server.execute("SELECT count(*) FROM mart.t") == [(0,)]  # MySQL's DDL can't be taken back
        assert publish(sink, rows, order("r1")).published == 200000
        assert publish(sink, rows, order("r1")).published == 200000
        assert server.execute("SELECT count(*) FROM mart.t") == [(200000,)]


@pytest.mark.parametrize("commits", [True, False])
def test_a_commit_without_an_answer_is_settled_by_the_receipt(
    server: Server, tmp_path: Path, commits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        publish(sink, staged(on, "SELECT 1 AS id"), order("r0"))
        rows = staged(on, "SELECT 2 AS id")
        with sink.lock("table mart.t", 5, "r1"):
            session = sink._locked
            assert session is not None
            commit = session.commit

            def cut() -> None:
                if commits:
                    commit()
                server.execute(f"KILL {session.rows('SELECT CONNECTION_ID()')[0][0]}")
                commit()

            monkeypatch.setattr(session, "commit", cut)
            if commits:
                assert publish(sink, rows, order("r1")).run_id == "r1"
            else:
                with pytest.raises(DestinationError):
                    publish(sink, rows, order("r1"))
        assert [r.run_id for r in sink.receipts()] == (["r1", "r0"] if commits else ["r0"])
        publish(sink, rows, order("r1"))
        assert server.execute("SELECT id FROM mart.t ORDER BY 1") == [(1,), (2,)]


def test_an_error_of_the_engine_while_rows_stream_leaves_nothing(server: Server, tmp_path: Path) -> None:
    from dataclasses import replace

    with engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        rows = staged(on, MANY)
        broken = (
            f"SELECT CASE WHEN id = 150000 THEN error('full') ELSE id END AS id, s FROM ({rows.good}) AS g"
        )
        with pytest.raises(DestinationError, match="full"):
            publish(sink, replace(rows, good=broken), order("r1"))
        assert sink.columns(TABLE) is None
        assert sink.receipts() == ()


@pytest.mark.parametrize(
    ("ddl", "good", "message"),
    [
        ("s varchar(3)", "SELECT 'long' AS s", "(?i)truncated"),
        ("n tinyint", "SELECT 300::INTEGER AS n", "Out of range|does not fit|Conversion"),
        ("d double", "SELECT 'inf'::DOUBLE AS d", "(?i)incorrect|truncated"),
    ],
)
def test_a_value_is_never_changed_to_fit(
    server: Server, tmp_path: Path, ddl: str, good: str, message: str
) -> None:
    server.execute("CREATE DATABASE mart", f"CREATE TABLE mart.t ({ddl})")
    with engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        with pytest.raises(DestinationError, match=message):
            publish(sink, staged(on, good), order("r1"))
        assert server.execute("SELECT count(*) FROM mart.t") == [(0,)]
        assert sink.receipts() == ()


def test_texts_that_look_like_the_files_own_signs(server: Server, tmp_path: Path) -> None:
    texts = [
        "NULL",
        "",
        "\\N",
        '"',
        '""',
        "a,b",
        "a\nb",
        "a\r\nb",
        "\\",
        "\\n",
        "'",
        " x ",
        "\x00",
        "\x1a",
        "😀",
    ]
    listed = ", ".join("(" + on_sql(text) + f", {n})" for n, text in enumerate(texts))
    with engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        good = f"SELECT * FROM (VALUES {listed}, (NULL, 99)) AS t(s, n)"
        for run, mode in (("r1", "append"), ("r2", "merge")):
            publish(sink, staged(on, good), order(run, mode=mode, key=("n",)))
        found = on.query(f"SELECT s FROM ({sink.scan(TABLE)}) AS t ORDER BY n")
        assert [row[0] for row in found] == [*texts, None]


def on_sql(text: str) -> str:
    return " || ".join(f"chr({ord(c)})" for c in text) or "''"


def test_a_merge_by_a_key_that_ignores_case_is_refused(server: Server, tmp_path: Path) -> None:
    server.execute("CREATE DATABASE mart", "CREATE TABLE mart.t (k varchar(9) COLLATE utf8mb4_general_ci)")
    server.execute("INSERT INTO mart.t VALUES ('A')")
    with engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        with pytest.raises(DestinationError, match="utf8mb4_general_ci") as error:
            publish(sink, staged(on, "SELECT 'a' AS k"), order("r1", mode="merge", key=("k",)))
        assert "MODIFY `k`" in (error.value.hint or "")
        assert server.execute("SELECT k FROM mart.t") == [("A",)]


def test_a_new_table_keeps_keys_apart_that_differ(server: Server, tmp_path: Path) -> None:
    with engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        for run, key in (("r1", "a"), ("r2", "A"), ("r3", "a "), ("r4", "a")):
            publish(sink, staged(on, f"SELECT '{key}' AS k"), order(run, mode="merge", key=("k",)))
        assert sorted(server.execute("SELECT k FROM mart.t")) == [("A",), ("a",), ("a ",)]


def test_a_lock_dies_with_its_process(server: Server, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom tests.integration import databases as d\n"
        "from sluiceway import plugins\n"
        "c = plugins.load('connectors', 'mysql')\n"
        "s = c.sink(c.sink_config(type='mysql', url=sys.argv[2]), d.context(Path('.')))\n"
        "with s.lock('table mart.t', 5, 'run r7 of orders'): print('held', flush=True); sys.stdin.read()\n"
    )
    root = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", code, root, server.url],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child, engine(tmp_path) as on, opened(server, tmp_path, on) as sink:
        assert child.stdout.readline() == "held\n"
        with (
            pytest.raises(LockTimeoutError, match=r"run r7 of orders \(session \d+"),
            sink.lock("table mart.t", 0.2, "run r8"),
        ):
            pytest.fail("two hold it")
        child.kill()
        with sink.lock("table mart.t", 30, "run r8"):
            assert publish(sink, staged(on, "SELECT 1 AS id"), order("r8")).published == 1
