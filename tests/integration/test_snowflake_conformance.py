"""The suite of sinks on fakesnow, an emulator of Snowflake. It is not Snowflake."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.conformance.harness import TABLE, Warehouse
from tests.conformance.sinks import SinkSuite
from tests.integration.snowflakes import warehouse

from sluiceway.errors import DestinationError
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.emulators import Emulator

pytestmark = pytest.mark.snowflake


class TestSnowflake(SinkSuite):
    kill_points = 0  # its statements are not DuckDB's: test_snowflake_faults kills it

    @pytest.fixture
    def warehouse(self, tmp_path: Path, snowflake: Emulator) -> Warehouse:
        made: Warehouse = warehouse(snowflake, tmp_path)
        return made

    # It has one integer and no UUID: what comes back is said below.
    VALUES = tuple(
        (name, text.replace("INTEGER", "BIGINT")) for name, text in SinkSuite.VALUES if name != "u"
    )

    def test_integers_come_back_as_bigint_and_a_uuid_is_refused(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            s.publish("SELECT 5::TINYINT AS t, 6::INTEGER AS i, 1.5::FLOAT AS f")
            columns = s.sink.columns(TABLE)
            assert columns is not None
            assert {c.name: c.type for c in columns} == {"t": "BIGINT", "i": "BIGINT", "f": "DOUBLE"}
            assert list(s.rows()) == [(5, 6, 1.5)]
            with pytest.raises(DestinationError, match="can't keep column 'u'"):
                s.publish("SELECT uuid() AS u", "r2", table=TableName("mart", "u"))
            assert s.sink.columns(TableName("mart", "u")) is None

    @pytest.mark.slow  # the emulator takes more than a minute for forty publishes
    def test_many_processes_publish_at_once_and_none_fails(self, warehouse: Warehouse) -> None:
        super().test_many_processes_publish_at_once_and_none_fails(warehouse)

    @pytest.mark.slow
    @pytest.mark.xfail(
        raises=DestinationError, strict=True, reason="the emulator puts names into its own SQL as they are"
    )
    def test_names_that_need_quoting(self, warehouse: Warehouse) -> None:
        super().test_names_that_need_quoting(warehouse)

    def test_other_names_that_need_quoting(self, warehouse: Warehouse) -> None:
        """Those that do not meet the emulator's COPY, which quotes no table."""
        table = TableName("sel ect", 'order "x" é')
        sql = """SELECT 1 AS "order", 'a' AS "a b", 2 AS "d""q", 3 AS "Ab" """
        with warehouse.session() as s:
            for run, mode in (("r1", "append"), ("r2", "replace")):
                s.publish(sql, run, mode)
            assert s.rows() == Counter([(1, "a", 2, 3)])
            for run in ("m1", "m2"):
                s.publish(sql, run, "merge", table=table, key=("order",), version='d"q')
            s.publish(
                """SELECT 1 AS "order", 'b' AS "a b" """, "r4", "scd2", key=("order",),
                table=TableName("sel ect", "%s {x} `y`"),
            )  # fmt: skip
            assert s.rows(table) == Counter([(1, "a", 2, 3)])
            columns = s.sink.columns(table)
            assert columns is not None
            assert columns.names == ("order", "a b", 'd"q', "Ab")
            assert s.rows(TableName("sel ect", "%s {x} `y`"), '"a b"') == Counter([("b",)])

    def test_a_lock_that_was_taken_meanwhile_ends_the_publish(self, warehouse: Warehouse) -> None:
        with warehouse.session() as s:
            s.publish("SELECT 1 AS id", "r1")
            before = s.rows()
            session = s.sink._connect("another")  # type: ignore[attr-defined]
            with s.sink.lock("table mart.orders", 10, "me"):
                lease = s.sink._leases[0]  # type: ignore[attr-defined]
                session.execute(f"UPDATE {lease.table} SET \"TOKEN\" = 'theirs', \"HOLDER\" = 'they'")
                lease._renew_once()
                with pytest.raises(DestinationError, match="lock ran out"):
                    s.publish("SELECT 2 AS id", "r2")
            assert s.rows() == before
            assert s.sink.receipts(run_id="r2") == ()
            assert session.rows(f'SELECT "HOLDER" FROM {lease.table}') == [("they",)]
            session.close()
