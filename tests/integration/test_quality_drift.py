"""``quality drift``: files, rows, snapshots of the lake and ranges of time, by counts in one scan a side."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from sluiceway.cli.app import invoke
from sluiceway.errors import PlanError
from sluiceway.quality.anomalies import anomalies
from sluiceway.quality.drift import drift, drift_of_ranges, drift_of_snapshots
from sluiceway.quality.ranges import parse_range
from sluiceway.spec.project import load_project

if TYPE_CHECKING:
    from pathlib import Path


def normal(seed: int, n: int = 4000, mean: float = 0.0, scale: float = 1.0) -> Any:
    return np.random.default_rng(seed).normal(mean, scale, n)


@pytest.mark.parametrize("mean", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("offset", [0.0, 1e9, -5e-7])
def test_ks_by_bins_is_close_to_scipy_s(mean: float, offset: float) -> None:
    unit = 1e-9 if offset == -5e-7 else 1.0
    left, right = normal(1) * unit + offset, normal(2, 3000, mean) * unit + offset
    found = drift(pa.table({"x": left}), pa.table({"x": right}))["x"]
    expected = stats.ks_2samp(left, right, method="asymp")
    assert found.ks == pytest.approx(expected.statistic, abs=0.01)
    assert found.ks <= expected.statistic + 1e-12
    assert found.verdict == {0.0: "none", 0.3: "moderate", 1.0: "large"}[mean]
    assert found.d == pytest.approx(mean, abs=0.1)
    assert sum(b.before for b in found.bins) == 4000
    assert sum(b.after for b in found.bins) == 3000
    assert max(b.before for b in found.bins) <= 4000 * 0.13


def test_a_side_does_not_drift_from_itself() -> None:
    rows = pa.table({"x": normal(1), "k": (normal(2) > 0).astype(str)})
    found = drift(rows, rows)
    assert found.verdict == "none"
    assert [(c.psi, c.ks) for c in found.columns] == [(0.0, 0.0), (0.0, None)]
    assert found["x"].d == 0.0


def test_small_samples_of_one_source_are_no_drift() -> None:
    """Their PSI is large by chance alone: the verdict asks for more."""
    alarms = 0
    for seed in range(40):
        found = drift(pa.table({"x": normal(seed, 40)}), pa.table({"x": normal(seed + 1000, 40)}))["x"]
        alarms += found.verdict != "none"
        assert found.psi is not None
    assert alarms <= 2


def test_a_difference_that_matters_to_nobody_is_no_drift_in_millions(tmp_path: Path) -> None:
    import duckdb

    for name, more in (("a", 0.0), ("b", 0.02)):
        duckdb.sql(
            f"COPY (SELECT sqrt(-2*ln(1-random()))*cos(6.283*random()) + {more} AS x FROM range(400000)) "
            f"TO '{tmp_path}/{name}.parquet'"
        )
    found = drift(tmp_path / "a.parquet", tmp_path / "b.parquet")["x"]
    assert found.ks_p < 1e-6
    assert found.verdict == "none"


def test_categories_nulls_and_constants() -> None:
    left = pa.table({
        "status": ["paid"] * 600 + ["sent"] * 400, "mail": ["x"] * 1000, "const": [5.0] * 1000,
        "flag": [True] * 500 + [False] * 500, "empty": pa.nulls(1000, pa.float64()), "tags": [[1]] * 1000,
        "id": [f"id{n}" for n in range(1000)] + [],
    })  # fmt: skip
    right = pa.table({
        "status": ["paid"] * 300 + ["sent"] * 500 + ["lost"] * 200, "mail": ["x"] * 700 + [None] * 300,
        "const": [4.0] * 1000, "flag": [True] * 510 + [False] * 490, "empty": pa.nulls(1000, pa.float64()),
        "tags": [[1]] * 999 + [None], "id": [f"id{n}" for n in range(5000, 6000)],
    })  # fmt: skip
    found = drift(left, right)
    verdicts = {c.column: c.verdict for c in found.columns}
    assert verdicts == {
        "status": "large", "mail": "large", "const": "large", "flag": "none", "empty": "none", "tags": "none",
        "id": "none",
    }  # fmt: skip
    status = found["status"]
    assert [(b.label, b.before, b.after) for b in status.bins] == [
        ("paid", 600, 300), ("sent", 400, 500), ("lost", 0, 200),
    ]  # fmt: skip
    assert "'paid' went from 60.0% to 30.0%" in status.reasons
    assert status.v == pytest.approx(stats.contingency.association([[600, 400, 0], [300, 500, 200]]))
    assert found["mail"].reasons == ("missing values went from 0.0% to 30.0%",)
    assert found["id"].notes == ("more than 1,000 different values: too many to compare one by one",)


def test_nan_and_infinity_are_counted_apart() -> None:
    left = pa.table({"x": [1.0, 2.0, 3.0, 4.0] * 100})
    right = pa.table({"x": [1.0, 2.0, math.nan, -math.inf] * 100})
    found = drift(left, right)["x"]
    assert (found.after.special, found.after.minimum, found.after.maximum) == (200, 1.0, 2.0)
    assert "missing values went from 0.0% to 50.0%" in found.reasons


def test_dates_times_and_schemas() -> None:
    left = pa.table({"d": [date(2026, 1, 1 + n % 20) for n in range(400)], "old": [1] * 400, "t": [1] * 400})
    right = pa.table(
        {"d": [date(2026, 2, 1 + n % 20) for n in range(400)], "new": [1] * 400, "t": ["1"] * 400}
    )
    found = drift(left, right)
    assert (found.added, found.removed, found.retyped) == (("new",), ("old",), ("t: BIGINT -> VARCHAR",))
    assert found["d"].verdict == "large"
    assert (found["d"].before.minimum, found["d"].after.maximum) == ("2026-01-01", "2026-02-20")
    assert found["d"].ks == 1.0


@pytest.mark.parametrize("empty", ["before", "after"])
def test_an_empty_side_has_no_verdict(empty: str) -> None:
    full = pa.table({"x": [1.0, 2.0], "k": ["a", "b"]})
    sides = (full.slice(0, 0), full) if empty == "before" else (full, full.slice(0, 0))
    found = drift(*sides)
    assert found.verdict == "unknown"
    assert f"the side '{empty}' has no rows" in found["x"].notes


def test_extreme_numbers_have_bins() -> None:
    x = pa.table({"x": [1e308, -1e308, 5e-324, 0.0, 1.0, 2.0] * 50, "h": [2**62, -(2**62), 0, 1, 2, 3] * 50})
    found = drift(x, x)
    assert found.verdict == "none"
    json.dumps(found.as_dict(), allow_nan=False)


def test_no_column_in_common_and_unknown_columns() -> None:
    with pytest.raises(PlanError, match="no column in common"):
        drift([{"a": 1}], [{"b": 1}])
    with pytest.raises(PlanError, match="column 'c' does not exist"):
        drift([{"a": 1}], [{"a": 1}], columns=["c"])


def test_names_that_need_quotes() -> None:
    rows = [{'we"ird, name': n, "select": str(n % 3)} for n in range(100)]
    assert {c.column for c in drift(rows, rows).columns} == {'we"ird, name', "select"}


def test_ranges_of_a_time_column() -> None:
    rows = [
        {"at": datetime(2026, 1 + n % 2, 1 + n % 27, tzinfo=UTC), "v": n % 7 + 10 * (n % 2)}
        for n in range(600)
    ]
    ranges = parse_range("2026-01-01..2026-01-31"), parse_range("2026-02-01..2026-02-28")
    found = drift_of_ranges(rows, "at", *ranges)
    assert (found.rows_before, found.rows_after, found["v"].verdict) == (300, 300, "large")
    assert [c.column for c in found.columns] == ["v"]
    with pytest.raises(PlanError, match="no date or timestamp"):
        drift_of_ranges(rows, "v", *ranges)
    with pytest.raises(PlanError, match="column 'when' does not exist"):
        drift_of_ranges(rows, "when", *ranges)


PIPELINE = """
    pipeline: p
    sources: {s: {type: parquet, path: data.parquet}}
    contract: c.odcs.yaml
    destination: {table: mart.t, mode: replace}
"""
CONTRACT = """
    apiVersion: v3.1.0
    kind: DataContract
    id: t
    version: 1.0.0
    status: active
    schema:
      - name: t
        properties:
          - {name: x, logicalType: number}
          - {name: name, logicalType: string, classification: confidential}
"""


@pytest.fixture
def lake(make_project: Any) -> Any:
    """Two publishes of one table: the numbers of the second are shifted."""
    made = make_project({"pipelines/p.yml": PIPELINE, "c.odcs.yaml": CONTRACT}, settings="project: t\n")
    for mean, names in ((0.0, ["Ada", "Ben"]), (2.0, ["Ada", "Ada"])):
        table = pa.table({"x": normal(3, 1000, mean), "name": names * 500})
        pq.write_table(table, made.folder / "data.parquet")
        made.run("p")
    return made


def test_snapshots_of_a_lake(lake: Any, capsys: Any) -> None:
    project = load_project(lake.folder)
    with lake.opened() as (sink, _):
        first, second = sorted(int(receipt.snapshot) for receipt in sink.receipts())
    found = drift_of_snapshots("mart.t", first, second, project=project)
    assert (found["x"].verdict, found.rows_before, found.rows_after) == ("large", 1000, 1000)
    assert found["x"].d == pytest.approx(2.0, abs=0.15)
    now = drift_of_snapshots("mart.t", first, project=project)
    assert (now["x"].ks, now.after) == (found["x"].ks, "mart.t now")
    assert drift_of_snapshots("mart.t", second, project=project).verdict == "none"
    with pytest.raises(PlanError, match=r"no mart\.t at snapshot 9999"):
        drift_of_snapshots("mart.t", 9999, project=project)
    with pytest.raises(PlanError, match="keeps no snapshots"):
        drift_of_snapshots("data.parquet", 1, project=project)

    args = ["quality", "drift", "mart.t", "--from", str(first), "--project", str(lake.folder)]
    assert invoke([*args, "--json"]) == 0
    said = capsys.readouterr().out
    document = json.loads(said)
    assert document["verdict"] == "large"
    hidden = next(c for c in document["columns"] if c["column"] == "name")
    assert (hidden["verdict"], hidden["bins"]) == ("large", [])
    assert "Ada" not in said
    assert "Ben" not in said
    assert invoke([*args, "--fail"]) == 1
    assert "drift: large" in capsys.readouterr().out


def test_anomalies_mask_what_the_datasets_contract_classifies(make_project: Any) -> None:
    files = {
        "pipelines/p.yml": PIPELINE,
        "c.odcs.yaml": CONTRACT.replace("name: x,", "name: x, classification: pii,"),
    }
    made = make_project(files, settings="project: t\n")
    table = pa.table({"x": [*normal(3, 999, 0.0), 123456.5], "name": ["Ada"] * 1000})
    pq.write_table(table, made.folder / "data.parquet")
    made.run("p")
    project = load_project(made.folder)
    found = anomalies("mart.t", project=project, kinds=["outlier"])
    assert [f.column for f in found] == ["x"]
    assert "123456" not in repr(found)
    assert "123456" in repr(anomalies(str(made.folder / "data.parquet"), project=project, kinds=["outlier"]))


def test_snapshots_by_the_runs_that_made_them(lake: Any, capsys: Any) -> None:
    with lake.opened() as (sink, _):
        runs = [r.run_id for r in sorted(sink.receipts(), key=lambda r: int(r.snapshot))]
    args = ["quality", "drift", "mart.t", "--from", runs[0], "--to", runs[1], "--project", str(lake.folder)]
    assert invoke(args) == 0
    assert "drift: large" in capsys.readouterr().out
    assert invoke([*args[:3], "--from", "no-such-run", *args[7:]]) == 1
    assert "there is no run no-such-run" in capsys.readouterr().err


def test_a_warehouse_without_snapshots(make_project: Any) -> None:
    made = make_project(
        {}, settings="project: t\nenvironments: {dev: {warehouse: {type: duckdb, path: w.duckdb}}}\n"
    )
    with pytest.raises(PlanError, match="duckdb, which keeps no snapshots"):
        drift_of_snapshots("mart.t", 1, project=load_project(made.folder))


def test_the_command_wants_one_way(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("x,k\n" + "\n".join(f"{n},a" for n in range(200)))
    (tmp_path / "b.csv").write_text("x,k\n" + "\n".join(f"{n + 150},b" for n in range(200)))
    assert invoke(["quality", "drift", "a.csv", "b.csv"]) == 0  # outside a project
    said = capsys.readouterr().out
    assert "a.csv (200 rows) and b.csv (200 rows)" in said
    assert "drift: large" in said
    for wrong in (["a.csv"], ["a.csv", "b.csv", "--from", "1"], ["a.csv", "--to", "2"],
                  ["a.csv", "--column", "x"], ["mart.t", "--from", "1"], ["a.csv", "mart.t"]):  # fmt: skip
        assert invoke(["quality", "drift", *wrong]) == 2, wrong
        assert "Traceback" not in capsys.readouterr().err
