"""The suite of sinks on an emulator of BigQuery. It shows what our statements do to rows there, and nothing
about BigQuery itself."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.conformance.harness import TABLE, Warehouse
from tests.conformance.sinks import THREE, TWO, SinkSuite

from sluiceway.errors import DestinationError
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.bigquery, pytest.mark.slow]

_OTHER_VALUES = {
    "i": "(-2147483648)::BIGINT",
    # the emulator's BIGNUMERIC has 20 digits before the point, BigQuery's 38
    "d": "'12345678901234567890.0123456789'::DECIMAL(38,10)",
}


class TestBigQuery(SinkSuite):
    kill_points = 0  # a publish is one script, which goes on when its sender is killed

    @pytest.fixture
    def warehouse(
        self, tmp_path: Path, bigquery_keys: dict[str, str], request: pytest.FixtureRequest
    ) -> Warehouse:
        lease = 4 if "lock" in request.node.name else 60  # that one kills the holder and waits
        return Warehouse("bigquery", {"type": "bigquery", "lock_lease": lease, **bigquery_keys}, tmp_path)

    def test_who_lost_the_lock_publishes_nothing_and_undoes_nothing(self, warehouse: Warehouse) -> None:
        """A run that slept past its lease must not drop the table that another made use of meanwhile."""
        with warehouse.session() as slow, warehouse.session() as quick:
            with slow.sink.lock("table mart.orders", 5, "slow"):
                (lease,) = slow.sink.leases.held.values()  # type: ignore[attr-defined]
                staged = slow.stage(THREE, run_id="r1")
                taken = f"UPDATE {lease.leases.locks} SET token = 'another' WHERE TRUE"

                def confirm() -> None:  # in the middle of the publish: the table is made, nothing committed
                    quick.sink.server.run(taken)  # type: ignore[attr-defined]

                with pytest.raises(DestinationError, match="lost its lock"):
                    slow.publish_staged(replace(staged, confirm=confirm), "r1")
                assert slow.rows() == Counter()
                assert slow.sink.receipts() == ()
                assert slow.sink.columns(TABLE) is not None
            quick.publish(TWO, "r2")
            assert quick.rows() == Counter([(1, "a"), (2, None)])

    VALUES = tuple((name, _OTHER_VALUES.get(name, text)) for name, text in SinkSuite.VALUES if name != "u")

    def test_columns_are_added_and_widened_with_the_rows(self, warehouse: Warehouse) -> None:
        """Widths of decimals apart: see below."""
        with warehouse.session() as s:
            s.publish("SELECT 1::INTEGER AS id, 'a' AS name", "r1")
            s.publish(
                "SELECT 5_000_000_000 AS id, 'b' AS name, TRUE AS paid", "r2",
                add_columns={"paid": "BOOLEAN"}, widen_columns={"id": "BIGINT"},
            )  # fmt: skip
            assert s.rows() == Counter([(1, "a", None), (5_000_000_000, "b", True)])
            columns = s.sink.columns(TABLE)
            assert columns is not None
            assert [columns[n].type for n in ("id", "paid")] == ["BIGINT", "BOOLEAN"]

    @pytest.mark.xfail(strict=True, reason="the emulator forgets the width of a column that was added")
    def test_an_added_column_keeps_its_width(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            s.publish("SELECT 1 AS id", "r1")
            s.publish("SELECT 2 AS id, 1.5::DECIMAL(3,2) AS n", "r2", add_columns={"n": "DECIMAL(3,2)"})
            columns = s.sink.columns(TABLE)
            assert columns is not None
            assert columns["n"].type == "DECIMAL(3,2)"

    def test_types_that_come_back_wider(self, warehouse: Warehouse) -> None:
        """BigQuery has one integer and one float, and no UUID."""
        sql = "SELECT 7::INTEGER AS i, 0.1::FLOAT AS f, '7b2b4d1c-9d5c-4c3f-8a55-0c6c1f6f2a10'::UUID AS u"
        with warehouse.session() as s:
            s.publish(sql, "r1")
            columns = s.sink.columns(TABLE)
            assert columns is not None
            assert [c.type for c in columns] == ["BIGINT", "DOUBLE", "VARCHAR"]
            ((i, f, u),) = s.rows()
            assert (i, u) == (7, "7b2b4d1c-9d5c-4c3f-8a55-0c6c1f6f2a10")
            assert f == s.engine.query("SELECT 0.1::FLOAT")[0][0]

    def test_names_that_need_quoting(self, warehouse: Warehouse) -> None:
        table = TableName("select", "order")
        sql = """SELECT 1 AS "order", 'a' AS "a b", 2 AS "select", 3 AS "é" """
        with warehouse.session() as s:
            for run, mode in (("r1", "append"), ("r2", "replace"), ("r3", "merge")):
                s.publish(sql, run, mode, table=table, key=("order",), version="select")
            s.publish("""SELECT 1 AS "from", 'b' AS "a b" """, "r4", "scd2", key=("from",),
                      table=TableName("select", "from"))  # fmt: skip
            assert s.rows(table) == Counter([(1, "a", 2, 3)])
            assert s.rows(TableName("select", "from"), '"a b"') == Counter([("b",)])

    @pytest.mark.parametrize(
        ("sql", "table"),
        [
            ("""SELECT 1 AS "a.b" """, TABLE),
            ("""SELECT 1 AS "d""q" """, TABLE),
            ("SELECT 1 AS a", TableName("sel ect", "t")),
            ("SELECT 1 AS a", TableName("mart", "or'der")),
            ("SELECT 1 AS a", TableName("mart", "x`y")),
        ],
    )
    def test_names_that_bigquery_has_not_are_refused(
        self, warehouse: Warehouse, sql: str, table: TableName
    ) -> None:
        with warehouse.session() as s:
            with pytest.raises(DestinationError, match=r"takes no|can't keep"):
                s.publish(sql, "r1", table=table)
            assert s.sink.columns(TABLE) is None
            assert s.sink.receipts() == ()

    def test_nested_values(self, warehouse: Warehouse) -> None:
        struct_sql = "{'a b': DATE '2026-01-01', 'c': ['x']}"
        sql = f"SELECT 1 AS id, [1, NULL] AS l, {struct_sql} AS st, MAP {{'k': 1.5}} AS m"
        with warehouse.session() as s:
            s.publish(sql, "r1")
            s.publish(sql, "r2", "merge", key=("id",))
            ((_, numbers, struct, mapping),) = s.engine.query(s.sink.scan(TABLE))
            assert json.loads(numbers) == [1, None]
            assert json.loads(struct) == {"a b": "2026-01-01", "c": ["x"]}
            assert json.loads(mapping) == {"k": 1.5}
