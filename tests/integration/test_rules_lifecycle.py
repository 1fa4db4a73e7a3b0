"""Rules in shadow, tried on the lake's snapshots, and promoted: through real runs and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sluiceway.cli.app import invoke
from sluiceway.quality.trial import tried
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

PIPELINE = """\
# the orders
pipeline: orders
sources: {s: {type: parquet, path: data.parquet}}
contract: orders.odcs.yaml
rules:
  - not_null: id
  # about money
  - range: {column: amount, min: 0}   # in euro
    name: amount_min
    status: shadow
  - range: {column: amount, max: 900}
    on_fail: quarantine
    name: amount_max
    status: shadow
  - unique: id
    status: shadow
  # about rows
  - row_count: {min: 1}
destination: {table: mart.orders, mode: MODE, KEY}
"""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: t
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - name: amount
        logicalType: number
        quality:
          # none is missing?
          - metric: nullValues
            mustBe: 0
            customProperties:
              - property: status
                value: shadow   # on trial
      - {name: id, logicalType: integer}
"""


def batch(made: Any, n: int, *, bad: bool = False, again: bool = False) -> None:
    """Fifty rows; ``bad``: five negative amounts, ``again``: the ids of the batch before."""
    start = (n - again) * 50
    file = Path(made.folder) / "data.parquet"
    amount = f"CASE WHEN {bad} AND i % 10 = 0 THEN -5.0 ELSE 1.0 + i END"
    duckdb.sql(
        f"COPY (SELECT i + {start} AS id, CAST({amount} AS DOUBLE) AS amount FROM range(50) AS t(i)) "
        f"TO '{file}' (FORMAT parquet)"
    )


def history(make_project: Any, mode: str) -> Any:
    """Four runs; the third brings negative amounts, the fourth of an append ids that are there already."""
    key = "primary_key: id" if mode == "merge" else "allow_empty: false"
    pipeline = PIPELINE.replace("MODE", mode).replace("KEY", key)
    made = make_project(
        {"pipelines/orders.yml": pipeline, "orders.odcs.yaml": CONTRACT}, settings="project: t\n"
    )
    for n in range(4):
        batch(made, n, bad=n == 2, again=mode == "append" and n == 3)
        result = made.run("orders")
        assert result.status == "succeeded"
    return made


def call(made: Any, capsys: Any, *args: str) -> tuple[int, Any, str]:
    capsys.readouterr()
    code = invoke([*args, "--project", str(made.folder), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_shadow_is_recorded_and_of_no_consequence(make_project: Any) -> None:
    made = history(make_project, "append")
    project = load_project(made.folder)
    with Store.open(project.metadata) as store:
        third = store.run(store.runs(None, "orders")[1]["run_id"])
    check = next(c for c in third["checks"] if c["id"] == "amount_min")
    assert (check["shadow"], check["failing"], check["passed"], check["on_fail"]) == (True, 5, False, "warn")
    assert third["records"]["published"] == 50
    assert third["records"]["quarantined"] == 0
    assert third["verdict"] == "pass"
    assert third["quality_score"] == 1.0
    assert len(check["samples"]) == 5


def test_the_defect_of_the_third_run_is_found_in_its_snapshot(make_project: Any, capsys: Any) -> None:
    made = history(make_project, "append")
    found = tried("orders", (), load_project(made.folder))
    money = found["amount_min"]
    assert [(o.failing, o.total, o.blocked, o.by) for o in money.outcomes] == [
        (0, 50, False, "snapshot"), (0, 50, False, "snapshot"), (5, 50, True, "snapshot"),
        (0, 50, False, "snapshot"),
    ]  # fmt: skip
    assert money.verdict == "would have blocked 1 of 4 runs"
    assert [o.failing for o in found["unique:id"].outcomes] == [0, 0, 0, 50]  # beside what stood then
    assert found["row_count"].safe
    assert found["amount_max"].verdict == "safe to enforce: never fired in 4 runs"
    assert len(tried("orders", ["amount_min"], load_project(made.folder), last=1)["amount_min"].outcomes) == 1


@pytest.mark.parametrize(("mode", "rows"), [("replace", 50), ("merge", 50)])
def test_other_modes_judge_what_their_runs_made(make_project: Any, mode: str, rows: int) -> None:
    made = history(make_project, mode)
    found = tried("mart.orders", ["amount_min", "unique:id"], load_project(made.folder))
    assert [o.failing for o in found["amount_min"].outcomes] == [0, 0, 5, 0]
    assert {o.total for o in found["amount_min"].outcomes} == {rows}
    assert found["unique:id"].safe


def test_promote_refuses_what_would_have_blocked_and_keeps_comments(make_project: Any, capsys: Any) -> None:
    made = history(make_project, "append")
    file = made.folder / "pipelines" / "orders.yml"
    before = file.read_text()
    code, document, _ = call(made, capsys, "rules", "promote", "amount_min")
    assert (code, document["refused"], file.read_text()) == (3, ["amount_min"], before)
    code, document, _ = call(made, capsys, "rules", "promote", "amount_max")
    assert (code, document["changed"]) == (0, ["amount_max"])
    changed = [line for line in document["files"][0]["diff"].splitlines() if line[:2] in ("- ", "+ ")]
    assert changed == ["-    status: shadow", "+    status: enforced"]
    after = file.read_text()
    assert all(comment in after for comment in ("# the orders", "# about money", "# in euro", "# about rows"))
    call(made, capsys, "rules", "promote", "amount_max", "--to", "shadow")
    assert file.read_text() == before
    assert call(made, capsys, "rules", "promote", "amount_min", "--force")[0] == 0
    batch(made, 7, bad=True)
    assert invoke(["run", "orders", "--project", str(made.folder)]) == 3


def test_promote_in_a_contract_keeps_it(make_project: Any, capsys: Any) -> None:
    made = history(make_project, "replace")
    assert call(made, capsys, "rules", "promote", "not_null:amount")[0] == 0
    text = (made.folder / "orders.odcs.yaml").read_text()
    assert "# none is missing?" in text
    assert "# on trial" in text
    listed = call(made, capsys, "rules", "list", "orders")[1]["rules"]
    assert {r["id"]: r["status"] for r in listed}["not_null:amount"] == "enforced"
    assert call(made, capsys, "rules", "promote", "nothing")[0] == 2


def test_shadow_costs_no_scan(make_project: Any) -> None:
    made = history(make_project, "replace")
    scans = []
    for text in (PIPELINE, PIPELINE.replace("- range: {column: amount, max: 900}\n    on_fail: quarantine\n"
                                            "    name: amount_max\n    status: shadow\n  ", "")):  # fmt: skip
        made.write("pipelines/orders.yml", text.replace("MODE", "replace").replace(", KEY", ""))
        result = made.run("orders")
        scans.append(result.scans)
    assert scans[0] == scans[1]
