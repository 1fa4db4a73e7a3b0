"""Publishing to folders of files: each promise, and what must not happen, with SIGKILL at every step."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sluiceway.connectors import csv, parquet
from sluiceway.connectors import json as json_connector
from sluiceway.connectors.base import ConnectorContext
from sluiceway.duck import ident
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.duckdb import DuckDBEngine
from sluiceway.errors import DataQualityError, DestinationError, LockTimeoutError, PlanError
from sluiceway.exchange import QUARANTINE_COLUMNS, Cursor, PublishOrder, Staged, Verdict
from sluiceway.locks import file_lock
from sluiceway.schema import Schema, TableName

CONNECTORS = {"csv": csv.CONNECTOR, "json": json_connector.CONNECTOR, "parquet": parquet.CONNECTOR}
TABLE = TableName("mart", "orders")
SCHEMA = Schema.of({"id": "BIGINT", "name": "VARCHAR"})


def make_sink(root: Path, kind: str, **options: Any) -> Any:
    connector = CONNECTORS[kind]
    assert connector.sink is not None
    assert connector.sink_config is not None
    config = connector.sink_config(type=kind, path="out", **options)
    return connector.sink(config, ConnectorContext(project=root, lock_timeout=1.0))


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    engine = DuckDBEngine()
    engine.connect(EngineSettings(threads=1), tmp_path / "staging")
    yield engine
    engine.close()


def staged(engine: Any, run: str, good: str, rows: int, schema: Schema = SCHEMA, **more: Any) -> Staged:
    held = more.get("quarantined_rows", 0)
    return Staged(f"s-{run}", engine, schema, good, rows + held, rows, **more)


def order(run: str, mode: str = "append", **more: Any) -> PublishOrder:
    started = datetime(2026, 1, 2, tzinfo=UTC)
    return PublishOrder(run, "orders", TABLE, mode, started, **more)  # type: ignore[arg-type]


def verdict(run: str, outcome: str = "pass") -> Verdict:
    return Verdict(outcome, run, f"s-{run}")  # type: ignore[arg-type]


def rows_of(sink: Any, engine: Any) -> list[tuple[Any, ...]]:
    return sorted(engine.query(sink.scan(TABLE)), key=str)


def numbers(first: int, last: int) -> str:
    return f"SELECT range::BIGINT AS id, 'n' || range AS name FROM range({first}, {last})"


def quarantined(run: str, count: int) -> str:
    values = {name: f"CAST('' AS {t})" for name, t in QUARANTINE_COLUMNS.items() if t == "VARCHAR"}
    values["quarantine_id"] = f"'{run}:gate::' || range"
    values["run_id"] = f"'{run}'"
    values["status"] = "'waiting'"
    values["quarantined_at"] = "TIMESTAMP '2026-01-02'"
    return f"SELECT {', '.join(f'{v} AS {n}' for n, v in values.items())} FROM range({count})"


# the plain promises -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_append_then_replace(tmp_path: Path, engine: Any, kind: str) -> None:
    sink = make_sink(tmp_path, kind)
    sink.open(engine)
    assert sink.columns(TABLE) is None
    receipt = sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 3), order("r1"))
    assert (receipt.published, receipt.table, receipt.mode) == (3, "mart.orders", "append")
    sink.publish(verdict("r2"), staged(engine, "r2", numbers(3, 5), 2), order("r2"))
    assert rows_of(sink, engine) == [(i, f"n{i}") for i in range(5)]
    assert sink.columns(TABLE) == SCHEMA
    sink.publish(verdict("r3"), staged(engine, "r3", numbers(9, 10), 1), order("r3", "replace"))
    assert rows_of(sink, engine) == [(9, "n9")]
    assert [r.run_id for r in sink.receipts()] == ["r3", "r2", "r1"]
    live = [p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file()]
    visible = [p for p in live if p.parts[0] != "_sluiceway"]
    assert len(visible) == 1
    assert visible[0].parts[:2] == ("mart", "orders")
    assert not list((tmp_path / "out/_sluiceway/staging").iterdir())
    assert not list((tmp_path / "out/_sluiceway/intents").iterdir())


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_awkward_values_come_back_as_they_were(tmp_path: Path, engine: Any, kind: str) -> None:
    types = {
        'a "b", c': "VARCHAR", "order": "DECIMAL(38,10)", "ünï": "TIMESTAMP", "z": "TIMESTAMP WITH TIME ZONE",
        "d": "DATE", "f": "DOUBLE", "b": "BOOLEAN", "u": "UUID", "t": "TIME", "n": "BIGINT",
    }  # fmt: skip
    rows = [
        ("'x,\"y\"\n;''é'", "12345678901234567890123456.0123456789", "'2024-01-02 03:04:05.678901'",
         "'2024-01-02 03:04:05+02'", "'2024-02-29'", "'nan'", "true",
         "'0b7e3a6e-6d7a-4b8e-8d0a-1f2e3d4c5b6a'", "'23:59:59.5'", "9223372036854775807"),
        ("''", "-0.5", "'0001-01-01'", "'1970-01-01 00:00:00+00'", "'9999-12-31'", "'-inf'", "false",
         "NULL", "'00:00:00'", "0"),
        ("NULL",) * 10,
    ]  # fmt: skip
    selects = [
        "SELECT " + ", ".join(f"CAST({v} AS {t}) AS {ident(n)}" for v, (n, t) in zip(row, types.items()))
        for row in rows
    ]
    good = " UNION ALL ".join(selects)
    sink = make_sink(tmp_path, kind)
    sink.open(engine)
    sink.publish(verdict("r1"), staged(engine, "r1", good, 3, Schema.of(types)), order("r1"))
    text = "SELECT COLUMNS(*)::VARCHAR FROM ({}) AS x"
    assert sorted(engine.query(text.format(sink.scan(TABLE))), key=str) == sorted(
        engine.query(text.format(good)), key=str
    )


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_same_run_is_not_published_again(tmp_path: Path, engine: Any, kind: str) -> None:
    sink = make_sink(tmp_path, kind)
    sink.open(engine)
    first = sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 3), order("r1"))
    again = sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 9), 9), order("r1"))
    assert again == first
    assert len(rows_of(sink, engine)) == 3


def test_parquet_takes_the_staged_files_without_writing_rows_again(tmp_path: Path, engine: Any) -> None:
    stage = engine.stage("t", numbers(0, 10))
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    given = staged(engine, "r1", f"SELECT * FROM {stage.relation}", 10, files=stage.files)
    sink.publish(verdict("r1"), given, order("r1"))
    live = list((tmp_path / "out/mart/orders").iterdir())
    assert [p.stat().st_ino for p in live] == [f.stat().st_ino for f in stage.files]
    engine.drop(stage)
    assert len(rows_of(sink, engine)) == 10


def test_extra_columns_of_staged_files_are_left_out(tmp_path: Path, engine: Any) -> None:
    stage = engine.stage("t", f"SELECT *, 1::BIGINT AS _sluiceway_mask FROM ({numbers(0, 4)})")
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    good = f"SELECT id, name FROM {stage.relation}"
    given = staged(engine, "r1", good, 4, files=stage.files, extra_columns=("_sluiceway_mask",))
    sink.publish(verdict("r1"), given, order("r1"))
    live = next((tmp_path / "out/mart/orders").iterdir())
    names = [row[0] for row in engine.query(f"DESCRIBE SELECT * FROM read_parquet('{live}')")]
    assert names == ["id", "name"]


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_a_count_that_differs_from_the_judged_one_publishes_nothing(
    tmp_path: Path, engine: Any, kind: str
) -> None:
    sink = make_sink(tmp_path, kind)
    sink.open(engine)
    with pytest.raises(DestinationError, match="nothing was published"):
        sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 4), order("r1"))
    assert sink.columns(TABLE) is None
    assert sink.receipts() == ()
    assert not list((tmp_path / "out/_sluiceway/staging").iterdir())


def test_no_door_round_the_gate(tmp_path: Path, engine: Any) -> None:
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    given = staged(engine, "r1", numbers(0, 3), 3)
    with pytest.raises(DataQualityError):
        sink.publish(verdict("r1", "block"), given, order("r1"))
    with pytest.raises(DestinationError, match="verdict"):
        sink.publish(Verdict("pass", "r1", "another"), given, order("r1"))
    assert sink.columns(TABLE) is None
    assert sink.receipts() == ()


def test_merge_is_refused(tmp_path: Path, engine: Any) -> None:
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    with pytest.raises(DestinationError, match="mode: merge"):
        sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 3), order("r1", "merge", key=("id",)))
    assert "merge" not in sink.capabilities.modes


def test_rollback_says_that_files_keep_no_snapshots(tmp_path: Path) -> None:
    sink = make_sink(tmp_path, "parquet")
    sink.open(None)
    with pytest.raises(DestinationError, match="no snapshots"):
        sink.rollback("r1", new_run_id="r2", force=True, keep_cursor=False)
    assert not sink.capabilities.snapshots


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_replace_by_no_rows_leaves_an_empty_table_with_its_columns(
    tmp_path: Path, engine: Any, kind: str
) -> None:
    sink = make_sink(tmp_path, kind)
    sink.open(engine)
    sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 3), order("r1"))
    sink.publish(verdict("r2"), staged(engine, "r2", numbers(0, 0), 0), order("r2", "replace"))
    assert sink.columns(TABLE) == SCHEMA
    assert rows_of(sink, engine) == []
    sink.publish(verdict("r3"), staged(engine, "r3", numbers(0, 2), 2), order("r3"))
    assert len(rows_of(sink, engine)) == 2


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_evolution(tmp_path: Path, engine: Any, kind: str) -> None:
    sink = make_sink(tmp_path, kind)
    sink.open(engine)
    small = Schema.of({"id": "INTEGER", "name": "VARCHAR"})
    good = "SELECT 1::INTEGER AS id, 'a' AS name"
    sink.publish(verdict("r1"), staged(engine, "r1", good, 1, small), order("r1"))
    wide = Schema.of({"id": "BIGINT", "name": "VARCHAR", "extra": "DATE"})
    good = "SELECT 5000000000::BIGINT AS id, 'b' AS name, DATE '2024-01-01' AS extra"
    with pytest.raises(DestinationError, match="can't be appended"):
        sink.publish(verdict("r2"), staged(engine, "r2", good, 1, wide), order("r2"))
    assert len(rows_of(sink, engine)) == 1
    evolve = order("r3", add_columns={"extra": "DATE"}, widen_columns={"id": "BIGINT"})
    sink.publish(verdict("r3"), staged(engine, "r3", good, 1, wide), evolve)
    assert sink.columns(TABLE) == wide
    assert [row[0] for row in rows_of(sink, engine)] == [1, 5_000_000_000]


@pytest.mark.parametrize(
    ("kind", "type_"),
    [("parquet", "HUGEINT"), ("parquet", "TIME WITH TIME ZONE"), ("csv", "INTEGER[]"), ("json", "BLOB")],
)
def test_types_that_would_change_are_refused(tmp_path: Path, engine: Any, kind: str, type_: str) -> None:
    sink = make_sink(tmp_path, kind)
    sink.open(engine)
    good, schema = f"SELECT CAST(NULL AS {type_}) AS x", Schema.of({"x": type_})
    with pytest.raises(DestinationError, match="column 'x'") as error:
        sink.publish(verdict("r1"), staged(engine, "r1", good, 1, schema), order("r1"))
    assert "cast" in str(error.value.hint)
    assert sink.columns(TABLE) is None


def test_partitions(tmp_path: Path, engine: Any) -> None:
    sink = make_sink(tmp_path, "parquet", partition_by="p")
    sink.open(engine)
    schema = Schema.of({"id": "BIGINT", "p": "VARCHAR"})
    good = "SELECT range AS id, CASE range % 3 WHEN 0 THEN 'a/b' WHEN 1 THEN 'ü' END AS p FROM range({}, {})"
    sink.publish(verdict("r1"), staged(engine, "r1", good.format(0, 6), 6, schema), order("r1"))
    sink.publish(verdict("r2"), staged(engine, "r2", good.format(6, 9), 3, schema), order("r2"))
    assert len(list((tmp_path / "out/mart/orders").iterdir())) == 3
    assert rows_of(sink, engine) == sorted(engine.query(good.format(0, 9)), key=str)
    sink.publish(verdict("r3"), staged(engine, "r3", good.format(0, 0), 0, schema), order("r3", "replace"))
    assert rows_of(sink, engine) == []
    sink.publish(verdict("r4"), staged(engine, "r4", good.format(0, 2), 2, schema), order("r4"))
    assert rows_of(sink, engine) == sorted(engine.query(good.format(0, 2)), key=str)


# state, quarantine, locks -----------------------------------------------------------------------------


def test_cursors_quarantine_and_statuses(tmp_path: Path, engine: Any) -> None:
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    assert sink.quarantine() is None
    assert sink.state("orders") == ()
    marks = (Cursor("a", "ts", "TIMESTAMP", "2024-01-02 00:00:00"), Cursor("b", "id", "BIGINT", "7"))
    given = staged(engine, "r1", numbers(0, 3), 3, quarantined=quarantined("r1", 2), quarantined_rows=2)
    receipt = sink.publish(verdict("r1", "quarantine"), given, order("r1", cursors=marks))
    assert receipt.quarantined == 2
    assert sink.state("orders") == marks
    assert sink.state("other") == ()
    assert sink.settle(("r1:gate::0", "nobody"), "discarded") == 1
    assert sink.settle(("r1:gate::0",), "replayed") == 0
    statuses = f"SELECT quarantine_id, status FROM ({sink.quarantine()}) AS q ORDER BY 1"
    assert engine.query(statuses) == [("r1:gate::0", "discarded"), ("r1:gate::1", "waiting")]
    newer = Cursor("b", "id", "BIGINT", "9")
    replay = order("r2", cursors=(newer,), replays=("r1:gate::0", "r1:gate::1"))
    sink.publish(verdict("r2"), staged(engine, "r2", numbers(3, 4), 1), replay)
    statuses = f"SELECT quarantine_id, status FROM ({sink.quarantine()}) AS q ORDER BY 1"
    assert engine.query(statuses) == [("r1:gate::0", "discarded"), ("r1:gate::1", "replayed")]
    assert sink.state("orders") == (marks[0], newer)
    names = [row[0] for row in engine.query(f"DESCRIBE {sink.quarantine()}")]
    assert names == list(QUARANTINE_COLUMNS)


def test_a_held_lock_is_waited_for_and_named(tmp_path: Path, engine: Any) -> None:
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    with (
        file_lock(tmp_path / "out/_sluiceway/locks", "publish mart.orders", 0, "run r0"),
        pytest.raises(LockTimeoutError, match="run r0"),
    ):
        sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 3), order("r1"))
    assert sink.columns(TABLE) is None


@pytest.mark.parametrize("name", ["../../x", "..", ".hidden", "a=b", "_sluiceway", "x*", "a[1]", "end."])
def test_names_that_can_not_be_folders(tmp_path: Path, name: str) -> None:
    sink = make_sink(tmp_path, "parquet")
    sink.open(None)
    with pytest.raises(PlanError):
        sink.columns(TableName("mart", name))
    with pytest.raises(PlanError):
        sink.columns(TableName(name, "orders"))
    assert [p.name for p in tmp_path.rglob("*") if p.is_dir() and p.name == "x"] == []


def test_a_link_out_of_the_warehouse_is_refused(tmp_path: Path, engine: Any) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    (tmp_path / "out/mart").symlink_to(elsewhere)
    with pytest.raises(PlanError, match="outside the warehouse"):
        sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 3), order("r1"))
    assert list(elsewhere.iterdir()) == []


def test_the_sealed_engine_can_publish(tmp_path: Path, engine: Any) -> None:
    sink = make_sink(tmp_path, "csv")
    sink.open(engine)
    engine.seal(sink.folders())
    given = staged(engine, "r1", numbers(0, 3), 3, quarantined=quarantined("r1", 1), quarantined_rows=1)
    sink.publish(verdict("r1", "quarantine"), given, order("r1"))
    assert len(rows_of(sink, engine)) == 3
    assert sink.settle(("r1:gate::0",), "discarded") == 1


@pytest.mark.parametrize("kind", list(CONNECTORS))
def test_another_engine_hands_over_batches(tmp_path: Path, engine: Any, kind: str) -> None:
    class Other:
        name = "other"

        def batches(self, sql: str, size: int) -> Any:
            return engine.batches(sql, size)

    sink = make_sink(tmp_path, kind)
    sink.open(Other())  # type: ignore[arg-type]
    given = staged(Other(), "r1", numbers(0, 3), 3, quarantined=quarantined("r1", 1), quarantined_rows=1)
    sink.publish(verdict("r1", "quarantine"), given, order("r1"))
    assert len(rows_of(sink, engine)) == 3
    assert engine.query(f"SELECT count(*) FROM ({sink.quarantine()}) AS q") == [(1,)]


# a full disk ------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can't be mounted here: not root")
    engine = DuckDBEngine()
    try:
        engine.connect(EngineSettings(threads=1), tmp_path / "staging")
        sink = make_sink(small, "csv")
        sink.open(engine)
        sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 3), order("r1"))
        big = staged(engine, "r2", numbers(0, 200_000), 200_000)
        with pytest.raises(DestinationError, match=r"[Nn]o space|space left") as error:
            sink.publish(verdict("r2"), big, order("r2", "replace"))
        assert "free some disk" in str(error.value.hint)
        assert len(rows_of(sink, engine)) == 3
        assert sink.receipts(run_id="r2") == ()
        assert not list((small / "out/_sluiceway/staging").iterdir())
        sink.publish(verdict("r3"), staged(engine, "r3", numbers(3, 5), 2), order("r3"))
        assert len(rows_of(sink, engine)) == 5
    finally:
        engine.close()
        subprocess.run(["umount", str(small)], check=True)


# SIGKILL ----------------------------------------------------------------------------------------------

_PUBLISH = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    import test_files_publish as t
    from sluiceway.connectors import durable
    root, kind, mode, parts, kill_at, swap = Path(sys.argv[2]), *sys.argv[3:5], *map(int, sys.argv[5:8])
    engine = t.DuckDBEngine()
    engine.connect(t.EngineSettings(threads=1), root / "staging")
    sink = t.make_sink(root, kind)
    sink.open(engine)
    steps = 0
    def step(call):
        def counted(*args, **kwargs):
            global steps
            steps += 1
            if steps == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)
        return counted
    if not swap:
        durable._renameat2 = lambda: None
    for name in ("rename", "fsync", "link", "unlink"):
        setattr(os, name, step(getattr(os, name)))
    t.publish_second(sink, engine, mode, parts)
    print(steps)
    """
)


def publish_second(sink: Any, engine: Any, mode: str, parts: int) -> None:
    """Run r2: rows 10..19 in ``parts`` files, two quarantined, one replay, a cursor."""
    more: dict[str, Any] = {}
    if parts:
        stages = [
            engine.stage(f"p{i}", numbers(10 + 10 * i // parts, 10 + 10 * (i + 1) // parts))
            for i in range(parts)
        ]
        more["files"] = tuple(f for stage in stages for f in stage.files)
        good = " UNION ALL ".join(f"SELECT * FROM {stage.relation}" for stage in stages)
    else:
        good = numbers(10, 20)
    given = staged(engine, "r2", good, 10, quarantined=quarantined("r2", 2), quarantined_rows=2, **more)
    asked = order("r2", mode, cursors=(Cursor("a", "id", "BIGINT", "19"),), replays=("r1:gate::0",))
    sink.publish(verdict("r2", "quarantine"), given, asked)


def _first_run(root: Path, kind: str, engine: Any) -> None:
    sink = make_sink(root, kind)
    sink.open(engine)
    given = staged(engine, "r1", numbers(0, 5), 5, quarantined=quarantined("r1", 2), quarantined_rows=2)
    marked = order("r1", cursors=(Cursor("a", "id", "BIGINT", "4"),))
    sink.publish(verdict("r1", "quarantine"), given, marked)


def _seen(root: Path, kind: str, engine: Any) -> dict[str, Any]:
    """What stands in the warehouse, without the times."""
    sink = make_sink(root, kind)
    live = root / "out/mart/orders"
    return {
        "rows": rows_of(sink, engine) if sink.columns(TABLE) else None,
        "cursors": sink.state("orders"),
        "receipts": sorted((r.run_id, r.published, r.quarantined) for r in sink.receipts()),
        "quarantine": sorted(engine.query(f"SELECT quarantine_id, status FROM ({sink.quarantine()}) AS q")),
        "files": len([p for p in live.rglob("*") if p.is_file()]),
        "hidden": list(live.rglob(".*")),
    }


def _publish_killed(root: Path, *options: Any) -> subprocess.CompletedProcess[str]:
    """``options``: kind, mode, parts, the step to be killed at (0: none), whether names can be swapped."""
    arguments = map(str, (Path(__file__).parent, root, *options))
    return subprocess.run(
        [sys.executable, "-c", _PUBLISH, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("kind", "mode", "parts", "swap"),
    [
        ("parquet", "append", 3, 1),
        ("parquet", "replace", 2, 1),
        ("parquet", "replace", 1, 0),
        ("csv", "append", 0, 1),
        ("json", "replace", 0, 1),
    ],
)
def test_killed_at_every_step(
    tmp_path: Path, engine: Any, kind: str, mode: str, parts: int, swap: int
) -> None:
    first, whole = tmp_path / "first", tmp_path / "whole"
    _first_run(first, kind, engine)
    before = _seen(first, kind, engine)
    shutil.copytree(first, whole)
    done = _publish_killed(whole, kind, mode, parts, 0, swap)
    assert done.returncode == 0, done.stderr
    steps, after = int(done.stdout), _seen(whole, kind, engine)
    assert steps > 15
    assert after["rows"] != before["rows"]
    for kill_at in range(1, steps + 1):
        root = tmp_path / "killed"
        shutil.copytree(first, root)
        killed = _publish_killed(root, kind, mode, parts, kill_at, swap)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        seen = _seen(root, kind, engine)
        if parts < 2 or mode == "replace":
            absent = before["rows"] if swap else None
            assert seen["rows"] in (before["rows"], after["rows"], absent), kill_at
        assert len(seen["receipts"]) == 1 or seen == after, kill_at
        # the next process opens the warehouse: what was decided is done, what was not is gone
        sink = make_sink(root, kind)
        sink.open(engine)
        assert _seen(root, kind, engine) in (before, after), kill_at
        publish_second(sink, engine, mode, parts)
        assert _seen(root, kind, engine) == after, kill_at
        assert not list((root / "out/_sluiceway/staging").iterdir())
        shutil.rmtree(root)


def test_a_torn_journal_is_an_error_and_not_a_guess(tmp_path: Path, engine: Any) -> None:
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    (tmp_path / "out/_sluiceway/intents/x.json").write_text('{"table": ')
    with pytest.raises(DestinationError, match="damaged"):
        make_sink(tmp_path, "parquet").open(engine)


def test_a_live_publish_is_left_alone(tmp_path: Path, engine: Any) -> None:
    sink = make_sink(tmp_path, "parquet")
    sink.open(engine)
    sink.publish(verdict("r1"), staged(engine, "r1", numbers(0, 3), 3), order("r1"))
    intent = sink.places.intent("mart.orders")
    intent.write_text(json.dumps({
        "table": "mart.orders", "mode": "append", "live": "mart/orders",
        "rows": "_sluiceway/staging/none", "files": ["f.parquet"], "beside": [],
    }))  # fmt: skip
    with file_lock(tmp_path / "out/_sluiceway/locks", "publish mart.orders", 0, "run r2"):
        make_sink(tmp_path, "parquet").open(engine)
        assert intent.exists()
