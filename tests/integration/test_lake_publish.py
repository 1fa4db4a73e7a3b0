"""What is a lake's own: files handed over, snapshots, orphans of a crash, types that it can't keep."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conformance.harness import TABLE, Warehouse
from tests.conformance.sinks import WORKER

from sluiceway.errors import DestinationError
from sluiceway.schema import Schema

MANY = "SELECT range AS id, 'v' AS name FROM range(1000)"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse("ducklake", {"type": "ducklake", "path": "lake"}, tmp_path)


def files(warehouse: Warehouse) -> list[Path]:
    return sorted((warehouse.project / "lake" / "data" / "mart").rglob("*.parquet"))


def test_staged_files_are_handed_over_and_not_written_again(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        staged = s.stage(MANY)
        assert staged.files is not None
        s.publish_staged(staged, "r1")
        assert [f.stat().st_ino for f in files(warehouse)] == [f.stat().st_ino for f in staged.files]
        assert sum(s.rows().values()) == 1000


def test_columns_that_are_only_for_the_gate_stay_outside(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        whole = s.stage(f"SELECT *, 0::BIGINT AS _sluiceway_mask FROM ({MANY})")
        schema = Schema(tuple(c for c in whole.schema if c.name != "_sluiceway_mask"))
        staged = replace(whole, schema=schema, extra_columns=("_sluiceway_mask",))
        s.publish_staged(staged, "r1")
        columns = s.sink.columns(TABLE)
        assert columns is not None
        assert columns.names == ("id", "name")
        assert len(files(warehouse)) == len(staged.files or ())


def test_a_type_that_differs_is_cast_by_insert(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        s.publish("SELECT 1::BIGINT AS id, 'a' AS name", "r1")
        s.publish("SELECT 2::INTEGER AS id, 'b' AS name", "r2")
        assert s.rows() == Counter([(1, "a"), (2, "b")])
        columns = s.sink.columns(TABLE)
        assert columns is not None
        assert columns["id"].type == "BIGINT"


def test_a_snapshot_is_named_in_the_receipt_and_tagged_with_its_run(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        for n in (1, 2, 3):
            receipt = s.publish(f"SELECT {n} AS id", f"r{n}", note="nightly")
            assert s.sink.receipts(run_id=f"r{n}") == (receipt,)
            seen = s.engine.query(
                f"SELECT count(*) FROM _warehouse.mart.orders AT (VERSION => {receipt.snapshot})"
            )
            assert seen == [(n,)]
            tagged = s.engine.query(
                "SELECT author, commit_message, commit_extra_info FROM _warehouse.snapshots() "
                f"WHERE snapshot_id = {receipt.snapshot}"
            )[0]
            assert tagged[0] == "sluiceway"
            assert tagged[1] == f"run r{n} of p: nightly"
            assert json.loads(tagged[2])["run_id"] == f"r{n}"


def test_a_crash_between_hand_over_and_commit_leaves_a_file_that_nobody_sees(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        s.publish("SELECT 0 AS id, 'start' AS name", "r")
    known = set(files(warehouse))
    orphans: set[Path] = set()
    for point in range(1, 60):
        job = {"warehouse": warehouse.as_json(), "do": "kill", "run_id": "k", "id": 1, "point": point}
        done = subprocess.run([sys.executable, str(WORKER), json.dumps(job)], check=False, timeout=120)
        assert done.returncode == -signal.SIGKILL, "every point up to the hand-over dies"
        orphans = set(files(warehouse)) - known
        if orphans:
            break
    assert orphans
    with warehouse.session() as s:
        assert s.rows() == Counter([(0, "start")])
        assert s.sink.receipts(run_id="k") == ()
        s.publish("SELECT 1 AS id, 'k' AS name", "k")
        assert s.rows() == Counter([(0, "start"), (1, "k")])
        named = s.engine.query("SELECT DISTINCT filename FROM _warehouse.mart.orders")
        assert not {Path(row[0]).name for row in named} & {o.name for o in orphans}


def test_a_kill_in_the_very_first_publish_is_made_good_by_the_next(tmp_path: Path) -> None:
    for point in (1, 2, 4, 6, 8, 10, 12, 14, 18):
        folder = tmp_path / str(point)
        folder.mkdir()
        fresh = Warehouse("ducklake", {"type": "ducklake", "path": "lake"}, folder)
        job = {"warehouse": fresh.as_json(), "do": "kill", "run_id": "k", "id": 1, "point": point}
        done = subprocess.run([sys.executable, str(WORKER), json.dumps(job)], check=False, timeout=120)
        assert done.returncode == -signal.SIGKILL
        with fresh.session() as s:
            s.publish("SELECT 1 AS id, 'k' AS name", "k", bad=["b"])
            assert s.rows() == Counter([(1, "k")]), point
            assert len(s.quarantined()) == 1
            assert len(s.sink.receipts()) == 1


def test_a_refused_publish_removes_the_files_it_handed_over(warehouse: Warehouse) -> None:
    with warehouse.session() as s:
        s.publish(MANY, "r1")
        before = files(warehouse)
        # the quarantine's SELECT fails after the files were handed over
        staged = replace(s.stage(MANY), quarantined="SELECT nothing FROM nowhere")
        with pytest.raises(DestinationError):
            s.publish_staged(staged, "r2")
        assert files(warehouse) == before
        s.publish_staged(s.stage(MANY), "r2")
        assert sum(s.rows().values()) == 2000


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("HUGEINT", "1::HUGEINT"), ("INTERVAL", "INTERVAL 1 DAY"), ("TIMETZ", "'10:00+02'::TIMETZ"),
        ("ENUM", "'a'::ENUM('a')"), ("BIT", "'01'::BIT"), ("ARRAY", "[1, 2]::INTEGER[2]"),
        ("UNION", "union_value(a := 1)"), ("BIGNUM", "1::BIGNUM"), ("nested", "[{'a': 1::HUGEINT}]"),
    ],
)  # fmt: skip
def test_types_that_a_lake_can_not_keep_are_refused_before_anything_is_written(
    warehouse: Warehouse, type_: str, value: str
) -> None:
    with warehouse.session() as s:
        schema = s.engine.columns(f"SELECT 1 AS id, {value} AS x")
        refused = s.sink.unsupported(schema)
        assert list(refused) == ["x"], type_
        staged = replace(s.stage("SELECT 1 AS id, 2 AS x"), schema=schema)
        with pytest.raises(DestinationError, match="can't keep") as caught:
            s.publish_staged(staged, "r1")
        assert refused["x"] in str(caught.value)
        assert caught.value.details["final"]  # it would be so again, so it is not tried again
        assert s.sink.columns(TABLE) is None


def test_dates_in_structs_read_back_from_a_small_batch(warehouse: Warehouse) -> None:
    """Inlined into the catalog they would not."""
    with warehouse.session() as s:
        sql = "SELECT 1 AS id, {'d': DATE '2026-01-01', 't': TIMESTAMP '2026-01-01 10:00:00'} AS s"
        s.publish(sql, "r1", "merge", key=("id",))
        assert s.engine.query(f"SELECT * FROM ({s.sink.scan(TABLE)}) AS t") == s.engine.query(sql)
