"""One suite for every sink. A test module of a system inherits it and gives the fixture::

class TestMySystem(SinkSuite):
    @pytest.fixture
    def warehouse(self, tmp_path): return Warehouse("mysystem", {...}, tmp_path)
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import reference
from tests.conformance.harness import T0, TABLE, Warehouse

from sluiceway.errors import DataQualityError, DestinationError, LockTimeoutError
from sluiceway.exchange import Cursor, PublishOrder, Scd2, Verdict
from sluiceway.schema import TableName

__all__ = ["SinkSuite"]

WORKER = Path(__file__).with_name("sink_worker.py")
TWO = "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(id, name)"
THREE = "SELECT 3 AS id, 'c' AS name"
NONE = "SELECT 1 AS id, 'a' AS name WHERE FALSE"
MARK = Cursor("orders", "at", "TIMESTAMP", "2026-01-02 03:04:05.678901")


def start(warehouse: Warehouse, **job: Any) -> subprocess.Popen[str]:
    given = json.dumps({"warehouse": warehouse.as_json(), **job})
    return subprocess.Popen(
        [sys.executable, str(WORKER), given], stdout=subprocess.PIPE, stdin=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


class SinkSuite:
    """``kill_points``: how many statements a publish has at most; 0 where they can't be counted."""

    kill_points = 40
    retries_lost = False

    # the gate ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("verdict", "error", "message"),
        [
            (Verdict("block", "r1", "*", ("not_null:id",)), DataQualityError, "not_null:id"),
            (Verdict("pass", "r1", "another"), DestinationError, "another"),
            (Verdict("pass", "r0", "*"), DestinationError, "r0"),
            ("pass", DestinationError, "without a verdict"),
        ],
    )
    def test_nothing_is_published_against_the_gate(
        self, warehouse: Warehouse, verdict: Any, error: type[Exception], message: str
    ) -> None:
        with warehouse.session() as s:
            s.publish(TWO, "r0")
            before, columns, receipts = s.rows(), s.sink.columns(TABLE), s.sink.receipts()
            with pytest.raises(error, match=message):
                s.publish(THREE, "r1", verdict=verdict, add_columns={"extra": "INTEGER"})
            assert s.rows() == before
            assert s.sink.columns(TABLE) == columns
            assert s.sink.receipts() == receipts
            assert s.sink.state("p") == ()

    def test_a_blocked_first_run_makes_no_table(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            with pytest.raises(DataQualityError):
                s.publish(TWO, verdict=Verdict("block", "r1", "*"))
            assert s.sink.columns(TABLE) is None
            assert s.sink.receipts() == ()

    def test_counts_that_do_not_add_up_are_refused(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            staged = replace(s.stage(TWO), rows=3)
            with pytest.raises(DestinationError, match="staged 3 rows"):
                s.sink.publish(
                    Verdict("pass", "r1", staged.id), staged, PublishOrder("r1", "p", TABLE, "append", T0)
                )
            assert s.sink.columns(TABLE) is None

    # modes ------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("files", [True, False])
    def test_append_and_replace(self, warehouse: Warehouse, files: bool) -> None:
        with warehouse.session() as s:
            receipt = s.publish(TWO, "r1", files=files)
            assert (receipt.published, receipt.quarantined, receipt.late) == (2, 0, 0)
            s.publish(THREE, "r2", files=files)
            assert s.rows() == Counter([(1, "a"), (2, None), (3, "c")])
            s.publish(THREE, "r3", "replace", files=files)
            assert s.rows() == Counter([(3, "c")])

    def test_empty_batches(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            assert s.publish(NONE, "r1").published == 0
            assert s.sink.columns(TABLE) is not None
            s.publish(TWO, "r2")
            s.publish(NONE, "r3")
            assert s.rows() == Counter([(1, "a"), (2, None)])
            s.publish(NONE, "r4", "merge", key=("id",))
            assert s.rows() == Counter([(1, "a"), (2, None)])
            s.publish(NONE, "r5", "replace")
            assert s.rows() == Counter()

    def test_merge_by_version(self, warehouse: Warehouse) -> None:
        columns = "AS t(id, name, seen)"
        old = (
            f"SELECT * FROM (VALUES (1, 'old', TIMESTAMP '2026-01-02'), (2, 'old', NULL), "
            f"(3, 'old', TIMESTAMP '2026-01-02'), (4, 'old', TIMESTAMP '2026-01-02 00:00:00.5')) {columns}"
        )
        new = (
            f"SELECT * FROM (VALUES (1, 'late', TIMESTAMP '2026-01-01'), (2, 'new', TIMESTAMP '2026-01-01'), "
            f"(3, 'same', TIMESTAMP '2026-01-02'), (4, 'late', NULL), (5, 'first', NULL)) {columns}"
        )
        with warehouse.session() as s:
            s.publish(old, "r1", "merge", key=("id",), version="seen")
            receipt = s.publish(new, "r2", "merge", key=("id",), version="seen")
            assert (receipt.published, receipt.late) == (5, 2)
            assert s.rows(columns="id, name") == Counter(
                [(1, "old"), (2, "new"), (3, "same"), (4, "old"), (5, "first")]
            )

    @pytest.mark.parametrize("version", [None, "v"])
    def test_merge_is_the_reference(self, warehouse: Warehouse, version: str | None) -> None:
        table = [{"k": k, "g": g, "v": v} for k, g, v in [(1, "a", 1), (1, "b", 2), (2, "a", None)]]
        batch = [{"k": k, "g": g, "v": v} for k, g, v in [(1, "a", 0), (2, "a", 0), (2, "é", 1)]]
        expected, late = reference.merge(table, batch, ("k", "g"), version)
        with warehouse.session() as s:
            s.publish(_values(table), "r1")
            receipt = s.publish(_values(batch), "r2", "merge", key=("k", "g"), version=version)
            assert receipt.late == late
            assert s.rows() == Counter(tuple(row.values()) for row in expected)

    def test_scd2_is_the_reference(self, warehouse: Warehouse) -> None:
        def day(n: int) -> datetime:
            return T0 + timedelta(days=n)

        batches = [
            [{"k": 1, "v": 1, "since": day(1)}, {"k": 2, "v": 1, "since": day(1)}],
            [{"k": 1, "v": 2, "since": day(5)}, {"k": 1, "v": 3, "since": day(7)}],  # two versions
            [{"k": 1, "v": None, "since": day(3)}, {"k": 2, "v": 1, "since": day(9)}],  # late; no change
            [{"k": 1, "v": 9, "since": day(5)}],  # in the place of one
            [{"k": 2, "v": None, "since": day(0)}],  # before all
        ]
        options = Scd2(effective_at="since", late="split")
        expected: list[reference.Row] = []
        with warehouse.session() as s:
            for number, batch in enumerate(batches):
                s.publish(_values(batch), f"r{number}", "scd2", key=("k",), scd2=options)
                expected, _ = reference.scd2(expected, batch, ("k",), T0, effective_at="since")
                assert s.rows() == Counter(tuple(row.values()) for row in expected), number

    def test_scd2_late_rows_block_and_leave_everything(self, warehouse: Warehouse) -> None:
        options = Scd2(effective_at="since", late="block")
        with warehouse.session() as s:
            first = "SELECT 1 AS k, 'a' AS v, TIMESTAMP '2026-01-05' AS since"
            s.publish(first, "r1", "scd2", key=("k",), scd2=options)
            before = s.rows()
            late = "SELECT 1 AS k, 'b' AS v, TIMESTAMP '2026-01-04' AS since"
            with pytest.raises(DataQualityError, match="older"):
                s.publish(late, "r2", "scd2", key=("k",), scd2=options, cursors=(MARK,))
            assert s.rows() == before
            assert s.sink.receipts(run_id="r2") == ()
            assert s.sink.state("p") == ()

    def test_scd2_closes_what_a_snapshot_lacks(self, warehouse: Warehouse) -> None:
        options = Scd2(on_delete="close")
        with warehouse.session() as s:
            s.publish(TWO, "r1", "scd2", key=("id",), scd2=options, started_at=T0)
            later = T0 + timedelta(days=1)
            s.publish(
                "SELECT 1 AS id, 'a' AS name", "r2", "scd2", key=("id",), scd2=options, started_at=later
            )
            assert s.rows() == Counter([(1, "a", T0, None), (2, None, T0, later)])

    # schema -----------------------------------------------------------------------------------------

    def test_columns_are_added_and_widened_with_the_rows(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            s.publish("SELECT 1::INTEGER AS id, 'a' AS name", "r1")
            widen = {"id": "BIGINT"} if warehouse.widens else {}
            number = 5_000_000_000 if warehouse.widens else 5
            type_ = "BIGINT" if warehouse.widens else "INTEGER"
            s.publish(
                f"SELECT {number}::{type_} AS id, 'b' AS name, DECIMAL '1.50' AS paid", "r2",
                add_columns={"paid": "DECIMAL(3,2)"}, widen_columns=widen,
            )  # fmt: skip
            assert s.rows() == Counter([(1, "a", None), (number, "b", Decimal("1.50"))])
            columns = s.sink.columns(TABLE)
            assert columns is not None
            assert (columns["id"].type, columns["paid"].type) == (type_, "DECIMAL(3,2)")

    def test_a_column_that_nobody_allowed_is_refused(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            s.publish(TWO, "r1")
            before = s.sink.columns(TABLE)
            with pytest.raises(DestinationError, match="extra"):
                s.publish("SELECT 3 AS id, 'c' AS name, 1 AS extra", "r2")
            assert s.sink.columns(TABLE) == before
            assert s.rows() == Counter([(1, "a"), (2, None)])

    def test_columns_are_matched_by_name(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            s.publish(TWO, "r1")
            s.publish("SELECT 'c' AS name, 3 AS id", "r2")
            s.publish("SELECT 4 AS id", "r3")
            assert s.rows() == Counter([(1, "a"), (2, None), (3, "c"), (4, None)])

    # once, and all together ---------------------------------------------------------------------------

    def test_a_run_is_published_once(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            first = s.publish(TWO, "r1", cursors=(MARK,), bad=["x"])
            again = s.publish(TWO, "r1", cursors=(replace(MARK, value="later"),), bad=["x"])
            assert again == first
            assert s.sink.receipts() == (first,)
            assert s.rows() == Counter([(1, "a"), (2, None)])
            assert s.sink.state("p") == (MARK,)
            assert len(s.quarantined()) == 1
        with warehouse.session() as s:
            assert s.publish(TWO, "r1") == first

    def test_receipts_are_newest_first_and_by_pipeline(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            assert s.sink.receipts() == ()
            assert s.sink.quarantine() is None
            s.publish(TWO, "r1")
            s.publish(THREE, "r2")
            s.publish(THREE, "r3", pipeline="q")
            assert [r.run_id for r in s.sink.receipts()] == ["r3", "r2", "r1"]
            assert [r.run_id for r in s.sink.receipts(pipeline="p")] == ["r2", "r1"]
            assert [r.run_id for r in s.sink.receipts(run_id="r1")] == ["r1"]
            assert s.sink.receipts(run_id="nobody") == ()
            age = datetime.now(UTC).replace(tzinfo=None) - s.sink.receipts()[0].published_at
            assert timedelta(0) <= age < timedelta(minutes=5)

    def test_cursors_are_per_pipeline_and_source(self, warehouse: Warehouse) -> None:
        other = Cursor('o\'ther \\ "x"', "n", "DECIMAL(38,10)", None)
        with warehouse.session() as s:
            s.publish(TWO, "r1", cursors=(MARK, other))
            moved = replace(MARK, value="2027-01-01 00:00:00")
            s.publish(THREE, "r2", cursors=(moved,))
            s.publish(THREE, "r3", pipeline="q", cursors=(MARK,))
            assert set(s.sink.state("p")) == {moved, other}
            assert s.sink.state("q") == (MARK,)
            assert s.sink.state("nobody") == ()

    def test_quarantine_keeps_rows_and_settles(self, warehouse: Warehouse) -> None:
        texts = ['{"id": "1"}', '{"name": "é \\\\ \' \\n \U0001f600"}', "x" * 5000]
        with warehouse.session() as s:
            receipt = s.publish(TWO, "r1", bad=texts)
            assert (receipt.published, receipt.quarantined) == (2, 3)
            found = s.quarantined()
            assert [row[1] for row in found] == texts
            assert {row[2] for row in found} == {"waiting"}
            assert found[0][3] == datetime(2026, 1, 1, 10, 0, 0, 123456)  # noqa: DTZ001
            ids = tuple(row[0] for row in found)
            assert s.sink.settle(ids[:1], "discarded") == 1
            assert s.sink.settle(ids[:1], "replayed") == 0, "it waits no more"
            s.publish(THREE, "r2", replays=ids[1:2])
            assert [row[2] for row in s.quarantined()] == ["discarded", "replayed", "waiting"]

    def test_a_failing_publish_leaves_nothing(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            s.publish(TWO, "r1")
            before = s.sink.columns(TABLE)
            staged = "SELECT 9 AS id, 'z' AS name"
            bad_order: dict[str, Any] = {"add_columns": {"extra": "INTEGER"}, "cursors": (MARK,)}
            with pytest.raises(DestinationError):
                s.publish(staged, "r2", widen_columns={"absent": "BIGINT"}, **bad_order)
            assert s.sink.columns(TABLE) == before
            assert s.rows() == Counter([(1, "a"), (2, None)])
            assert s.sink.state("p") == ()
            assert [r.run_id for r in s.sink.receipts()] == ["r1"]
            s.publish(staged, "r2")
            assert s.rows()[(9, "z")] == 1

    def test_a_kill_at_any_statement_then_the_run_again_is_a_run_without_a_kill(
        self, warehouse: Warehouse
    ) -> None:
        """Every boundary; each round publishes a run of its own, killed at its n-th statement."""
        if not self.kill_points:
            pytest.skip("its statements can't be counted from outside")
        with warehouse.session() as s:
            s.publish("SELECT 0 AS id, 'start' AS name", "r")
        expected = Counter([(0, "start")])
        for point in range(1, self.kill_points + 1):
            job = {"do": "kill", "run_id": f"k{point}", "id": point, "point": point}
            worker = start(warehouse, **job)
            _, errors = worker.communicate(timeout=120)
            with warehouse.session() as s:
                seen = s.rows()
                receipt = s.sink.receipts(run_id=f"k{point}")
                row = (point, f"k{point}")
                assert seen in (expected, expected + Counter([row]))
                assert bool(receipt) == (seen[row] == 1), errors
                marks = {c.value for c in s.sink.state("p")}
                assert (f"k{point}" in marks) == bool(receipt)
                assert any(q[0].startswith(f"k{point}:") for q in s.quarantined()) == bool(receipt)
                s.publish(
                    f"SELECT {point} AS id, 'k{point}' AS name", f"k{point}",
                    bad=["b"], cursors=(Cursor("orders", "at", "VARCHAR", f"k{point}"),),
                )  # fmt: skip
                expected[row] += 1
                assert s.rows() == expected
                assert sum(q[0].startswith(f"k{point}:") for q in s.quarantined()) == 1
            if worker.returncode != -signal.SIGKILL:
                assert worker.returncode == 0, errors
                assert point > 5, "a publish has more statements than that"
                return
        pytest.fail(f"a publish has more than {self.kill_points} statements")

    def test_many_processes_publish_at_once_and_none_fails(self, warehouse: Warehouse) -> None:
        processes, rounds = 8, 5
        workers = [start(warehouse, do="publish", worker=n, rounds=rounds) for n in range(processes)]
        outcomes = [(w.communicate(timeout=300)[1], w.returncode) for w in workers]
        assert [o for o in outcomes if o[1]] == []
        with warehouse.session() as s:
            expected = Counter((n, f"w{n}-{i}") for n in range(processes) for i in range(rounds))
            assert s.rows() == expected
            assert len(s.sink.receipts()) == processes * rounds
            assert {c.value for c in s.sink.state("w3")} == {"w3-4"}

    def test_a_waiting_lock_says_who_holds_it(self, warehouse: Warehouse) -> None:
        holder = start(warehouse, do="hold", name="table mart.orders", holder="run other of p")
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline().strip() == "held"
            with warehouse.session() as s:
                with (
                    pytest.raises(LockTimeoutError, match="run other of p"),
                    s.sink.lock("table mart.orders", 0.3, "me"),
                ):
                    pytest.fail("the lock was given twice")
                holder.kill()
                holder.wait()
                with s.sink.lock("table mart.orders", 10, "me"):  # it died with its process
                    s.publish(TWO)
                assert s.rows() == Counter([(1, "a"), (2, None)])
        finally:
            holder.kill()
            holder.communicate()

    # names and values ---------------------------------------------------------------------------------

    def test_names_that_need_quoting(self, warehouse: Warehouse) -> None:
        table = TableName("sel ect", 'or\'der "x" é')
        sql = """SELECT 1 AS "order", 'a' AS "a b", 2 AS "d""q", 3 AS "é'" """
        with warehouse.session() as s:
            for run, mode in (("r1", "append"), ("r2", "replace"), ("r3", "merge")):
                s.publish(sql, run, mode, table=table, key=("order",), version='d"q')
            s.publish(
                """SELECT 1 AS "order", 'b' AS "a b" """, "r4", "scd2", key=("order",),
                table=TableName("sel ect", "%s {x} `y`"),
            )  # fmt: skip
            assert s.rows(table) == Counter([(1, "a", 2, 3)])
            columns = s.sink.columns(table)
            assert columns is not None
            assert columns.names == ("order", "a b", 'd"q', "é'")
            assert s.rows(TableName("sel ect", "%s {x} `y`"), '"a b"') == Counter([("b",)])

    VALUES: tuple[tuple[str, str], ...] = (
        ("b", "true"),
        ("i", "(-2147483648)::INTEGER"),
        ("l", "9223372036854775807::BIGINT"),
        ("d", "'1234567890123456789012345678.0123456789'::DECIMAL(38,10)"),
        ("f", "0.1::DOUBLE"),
        ("t", "'é \\ '' \" %s \U0001f600 \t'"),
        ("e", "''"),
        ("dt", "DATE '2026-02-28'"),
        ("ts", "TIMESTAMP '2026-01-02 03:04:05.678901'"),
        ("tz", "TIMESTAMPTZ '2026-06-01 12:00:00.5+02:00'"),
        ("tm", "TIME '23:59:59.123456'"),
        ("x", "'\\x00\\xFF\\x5C'::BLOB"),
        ("u", "'7b2b4d1c-9d5c-4c3f-8a55-0c6c1f6f2a10'::UUID"),
    )

    @pytest.mark.parametrize("mode", ["append", "merge"])
    def test_values_come_back_as_they_went(self, warehouse: Warehouse, mode: str) -> None:
        listed = ", ".join(f"{text} AS {name}" for name, text in self.VALUES)
        empty = ", ".join(f"NULL::{'VARCHAR' if n in 'te' else 'INTEGER'} AS {n}" for n in ("t", "e", "i"))
        with warehouse.session() as s:
            wanted = s.engine.query(f"SELECT {listed}")[0]
            staged_types = s.stage(f"SELECT {listed}").schema
            s.publish(f"SELECT {listed}", "r1", mode, key=("i",))
            assert list(s.rows()) == [wanted]
            s.publish(f"SELECT {empty.replace('NULL::INTEGER AS i', '5 AS i')}", "r2", mode, key=("i",))
            assert s.rows(columns="t, e")[(None, None)] == 1
            columns = s.sink.columns(TABLE)
            assert columns is not None
            assert {c.name: c.type for c in columns} == {c.name: c.type for c in staged_types}

    def test_nested_values(self, warehouse: Warehouse) -> None:
        sql = (
            "SELECT 1 AS id, [1, NULL] AS l, {'a b': DATE '2026-01-01', 'c': ['x']} AS st, "
            "MAP {'k': 1.5} AS m, '{\"a\": [1]}'::JSON AS js, [{'z': TIMESTAMP '2026-01-01'}] AS ls"
        )
        with warehouse.session() as s:
            if not warehouse.nested:
                with pytest.raises(DestinationError, match="can't keep"):
                    s.publish(sql, "r1")
                assert s.sink.columns(TABLE) is None
                return
            wanted = s.engine.query(sql)[0]
            for run, mode, files in (("r1", "append", True), ("r2", "append", False), ("r3", "merge", True)):
                s.publish(sql, run, mode, key=("id",), files=files)
            scanned = s.engine.query(f"SELECT * FROM ({s.sink.scan(TABLE)}) AS t")
            assert scanned == [wanted]  # the merge took the place of both


def _values(rows: list[dict[str, Any]]) -> str:
    def text(value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, datetime):
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"

    listed = ", ".join("(" + ", ".join(text(v) for v in row.values()) + ")" for row in rows)
    types = {k: "VARCHAR" if k == "g" else "TIMESTAMP" if k == "since" else "INTEGER" for k in rows[0]}
    typed = ", ".join(f"{k}::{t} AS {k}" for k, t in types.items())
    return f"SELECT {typed} FROM (VALUES {listed}) AS t({', '.join(rows[0])})"
