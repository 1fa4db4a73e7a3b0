"""What BigQuery is sent, and what is known before it is asked: no server is needed for any of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from sluiceway.connectors.bqdialect import BIGQUERY
from sluiceway.connectors.bqscript import publish_script
from sluiceway.connectors.bqtypes import bq_type, encoded
from sluiceway.connectors.loading import load
from sluiceway.errors import SpecError
from sluiceway.exchange import PublishOrder, Scd2
from sluiceway.schema import TableName
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from pathlib import Path

T0 = datetime(2026, 1, 1)  # noqa: DTZ001 naive and in UTC, as everywhere
HOSTILE = ["it's", "back\\slash", "a\nb", "`tick`", "\\'; DROP TABLE x; --", "é\t\x00", '"']


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_stays_within_its_quotes(text: str) -> None:
    written = BIGQUERY.literal(text)
    inner = written[1:-1]
    assert written[0] == written[-1] == "'"
    assert "\n" not in inner
    unescaped = inner.replace("\\\\", "").replace("\\'", "")
    assert "'" not in unescaped


def test_a_column_can_t_leave_its_quotes() -> None:
    assert BIGQUERY.ident("a`b\\") == "`a\\`b\\\\`"


def script(mode: str, **options: object) -> str:
    order = PublishOrder("r1", "p", TableName("mart", "t"), mode, T0, **options)  # type: ignore[arg-type]
    plan = load(BIGQUERY, ("p", "mart", "t"), "(SELECT 1)", ["id", "v"], order)
    return publish_script("`p`.`_sluiceway`.`receipts`", "'r1'", plan, ["INSERT the receipt"], ["FENCE;"])


@pytest.mark.parametrize(
    ("mode", "options"),
    [("append", {}), ("replace", {}), ("merge", {"key": ("id",), "version": "v"}),
     ("scd2", {"key": ("id",), "scd2": Scd2(late="block")})],
)  # fmt: skip
def test_a_publish_is_one_transaction_behind_its_receipt(mode: str, options: dict[str, object]) -> None:
    text = script(mode, **options)
    begin, commit = text.index("BEGIN TRANSACTION;"), text.index("COMMIT TRANSACTION;")
    asked, then = text.index("SET sluiceway_done"), text.index("IF sluiceway_done = 0 THEN")
    assert begin < asked < then < text.index("INSERT INTO") < text.index("INSERT the receipt")
    assert text.index("INSERT the receipt") < text.index("FENCE;") < commit
    assert text.count("TRANSACTION;") == 2
    for forbidden in ("CREATE TABLE", "ALTER ", "DROP SCHEMA"):  # a transaction takes no DDL
        assert forbidden not in text.replace("CREATE TEMP TABLE", "")
    assert "DELETE FROM `p`.`mart`.`t`;" not in text  # BigQuery wants a WHERE


def test_a_late_row_stops_the_script_with_its_count() -> None:
    text = script("scd2", key=("id",), scd2=Scd2(late="block"))
    assert "RAISE USING MESSAGE = CONCAT('sluiceway:check:1:'" in text
    assert "ANY_VALUE(w.t_ends)" in text  # a correlated subquery of one row, as its planner takes it


def test_digits_that_numeric_has_not_go_to_bignumeric() -> None:
    assert [bq_type(t) for t in ("DECIMAL(38,9)", "DECIMAL(38,8)", "DECIMAL(12,10)", "DECIMAL(29,0)")] == [
        "NUMERIC(38, 9)", "BIGNUMERIC(38, 8)", "BIGNUMERIC(12, 10)", "NUMERIC(29, 0)",
    ]  # fmt: skip


def test_json_that_a_number_of_bigquery_s_can_t_hold_is_not_rounded() -> None:
    assert encoded("JSON", "x")[2] == "PARSE_JSON({})"  # by default it raises rather than round


def test_a_key_file_is_never_shown(tmp_path: Path) -> None:
    pytest.importorskip("google.cloud.bigquery")
    from sluiceway.connectors.bqclient import BigQueryKeys, BqServer

    file = tmp_path / "key.json"
    file.write_text(json.dumps({"type": "service_account", "private_key": "-----BEGIN-abcdef", "x": 1}))
    server = BqServer(BigQueryKeys(project="p", credentials="key.json"), folder=tmp_path)
    with pytest.raises(SpecError, match="key file") as told:
        server.client  # noqa: B018
    assert "abcdef" not in str(told.value)
    assert "abcdef" not in redact("-----BEGIN-abcdef")
    assert "abcdef" not in repr(server)


def test_a_key_file_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    pytest.importorskip("google.cloud.bigquery")
    from sluiceway.connectors.bqclient import BigQueryKeys, BqServer

    server = BqServer(BigQueryKeys(project="p", credentials="none.json"), folder=tmp_path)
    with pytest.raises(SpecError, match="key file of the connection can't be used"):
        server.client  # noqa: B018
