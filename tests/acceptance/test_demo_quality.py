"""The demo's second half, against plain SQL over the CSV files: history, rules, a spoiled month, a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.acceptance.test_demo import _invoke, demo  # noqa: F401

from sluiceway.duck import literal, open_duckdb

if TYPE_CHECKING:
    from pathlib import Path

MONTHS = range(1, 13)


@pytest.fixture(scope="module")
def quality(demo):  # noqa: F811
    folder, document, said = demo
    return folder, document["quality"], said


def by_month(folder: Path, what: str) -> list[int]:
    with open_duckdb() as con:
        rows = con.execute(
            f"SELECT {what} FROM read_csv({literal(str(folder / 'data/flights.csv'))}, nullstr = 'NA') "
            "GROUP BY month ORDER BY month"
        ).fetchall()
    return [row[0] for row in rows]


def test_every_month_is_loaded_once_and_whole(quality) -> None:
    folder, document, _ = quality
    assert [run["records"]["published"] for run in document["months"]] == by_month(folder, "count(*)")
    assert document["profile"]["rows"] == 336776


def test_the_back_test_counts_what_each_month_lacked(quality) -> None:
    folder, document, _ = quality
    tried = {rule["id"]: rule for rule in document["backtest"]["rules"]}
    tailnum = tried["not_null:tailnum"]
    assert [o["failing"] for o in tailnum["outcomes"]] == by_month(
        folder, "count(*) FILTER (tailnum IS NULL)"
    )
    assert 0 < sum(o["blocked"] for o in tailnum["outcomes"]) < len(MONTHS)
    assert [o["failing"] for o in tried["accepted_values:origin"]["outcomes"]] == [0] * len(MONTHS)


def test_only_the_promoted_rules_are_enforced(quality) -> None:
    folder, document, _ = quality
    code, out, err = _invoke("rules", "list", "departures", "--project", str(folder))
    assert code == 0, err
    enforced = {line.split()[0] for line in out.splitlines() if " enforced " in line}
    assert {"accepted_values:origin", "not_null:dest"} <= enforced
    assert "not_null:tailnum" not in enforced
    assert sorted(document["promote"]["changed"]) == ["accepted_values:origin", "not_null:dest"]


def test_the_spoiled_month_is_stopped_by_the_rule_that_was_proposed(quality) -> None:
    folder, document, said = quality
    run = document["spoiled"]
    assert (run["status"], run["records"]["published"]) == ("blocked", 0)
    failed = {c["id"]: c["failing"] for c in run["checks"] if c["on_fail"] == "block" and not c["passed"]}
    with open_duckdb() as con:
        file = literal(str(folder / "data/flights_2014_01.csv"))
        ((spoiled,),) = con.execute(
            f"SELECT count(*) FROM read_csv({file}, nullstr = 'NA') WHERE origin = 'NYC'"
        ).fetchall()
    assert failed == {"accepted_values:origin": spoiled}
    assert spoiled > 0
    shadow = {c["id"]: c["failing"] for c in run["checks"] if c["shadow"] and c["failing"]}
    assert set(shadow) == {"not_null:tailnum"}  # seen, and of no consequence
    code, _, err = _invoke("check", "departures", "--vars", "year=2013", "--vars", "month=12", "--json",
                             "--project", str(folder))  # fmt: skip
    assert code == 0, err
    assert "in shadow" in said


def test_trends_and_the_report_tell_of_thirteen_runs(quality) -> None:
    folder, document, _ = quality
    runs = {t["metric"]: t["points"] for t in document["trends"]["trends"] if t["column"] is None}
    assert runs["quality_score"] == 13
    page = (folder / "quality.html").read_text("utf-8")
    assert "mart.departures" in page
    assert 'src="http' not in page
    assert "<link" not in page
