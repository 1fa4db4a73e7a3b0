"""Lineage of real runs: OpenLineage events in a file, and what the command traces across pipelines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.openlineage_spec import validator

from sluiceway.cli.app import invoke
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from tests.integration.conftest import ProjectOnDisk

SETTINGS = "project: shop\nlineage: {type: file, path: out/lineage.jsonl}\n"
ORDERS = "id,customer,amount,discount,email\n1,10,10,1,a@b.c\n2,20,20,,d@e.f\n3,10,-5,,g@h.i\n"
CUSTOMERS = "customer,segment\n10,gold\n20,silver\n"
FIRST = """\
pipeline: orders
owner: sales-data
sources:
  orders: {type: csv, path: data/orders.csv}
  customers: {type: csv, path: data/customers.csv}
transform:
  - filter: amount <> 0
  - derive: {net: "amount - coalesce(discount, 0)"}
  - join: {with: customers, on: customer, columns: [segment]}
  - mask: {email: {hmac: a-key-that-must-not-leave}}
rules:
  - not_null: id
  - range: {column: amount, min: 0}
    on_fail: quarantine
destination: {table: mart.orders}
"""
SECOND = """\
pipeline: segments
sources: {orders: {type: ducklake, table: mart.orders}}
transform:
  - aggregate: {group_by: segment, measures: {total: sum(net)}}
destination: {table: mart.segments, mode: replace}
"""


@pytest.fixture
def shop(make_project: Any) -> ProjectOnDisk:
    project: ProjectOnDisk = make_project(
        {
            "data/orders.csv": ORDERS,
            "data/customers.csv": CUSTOMERS,
            "pipelines/orders.yml": FIRST,
            "pipelines/segments.yml": SECOND,
        },
        settings=SETTINGS,
    )
    return project


def events(project: ProjectOnDisk) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.folder / "out/lineage.jsonl").read_text().splitlines()]


def sources_of(field: dict[str, Any]) -> set[tuple[str, str, str, str, bool]]:
    return {
        (Path(i["name"]).name, i["field"], t["type"], t["subtype"], t["masking"])
        for i in field["inputFields"]
        for t in i["transformations"]
    }


def test_a_run_is_told_from_start_to_complete(shop: ProjectOnDisk) -> None:
    result = shop.run("orders")
    assert result.error is None
    told = events(shop)
    assert [event["eventType"] for event in told] == ["START", "COMPLETE"]
    assert {event["run"]["runId"] for event in told} == {result.run_id}
    end = told[-1]
    assert {Path(i["name"]).name for i in end["inputs"]} == {"orders.csv", "customers.csv"}
    (output,) = end["outputs"]
    assert output["name"] == "mart.orders"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    fields = output["facets"]["columnLineage"]["fields"]
    assert set(fields) == {"id", "customer", "amount", "discount", "email", "net", "segment"}
    direct = {
        name: {(d, f, sub, masked) for d, f, type_, sub, masked in sources_of(field) if type_ == "DIRECT"}
        for name, field in fields.items()
    }
    assert direct["id"] == {("orders.csv", "id", "IDENTITY", False)}
    assert direct["segment"] == {("customers.csv", "segment", "IDENTITY", False)}
    assert {(d, f) for d, f, _, _ in direct["net"]} == {
        ("orders.csv", "amount"),
        ("orders.csv", "discount"),
    }
    assert {sub for _, _, sub, _ in direct["net"]} == {"TRANSFORMATION"}
    assert {(d, f, masked) for d, f, _, masked in direct["email"]} == {("orders.csv", "email", True)}
    whole = output["facets"]["columnLineage"]["dataset"]
    indirect = {(Path(i["name"]).name, i["field"], t["subtype"]) for i in whole for t in i["transformations"]}
    assert ("orders.csv", "amount", "FILTER") in indirect
    assert ("orders.csv", "customer", "JOIN") in indirect
    assert ("customers.csv", "customer", "JOIN") in indirect
    text = (shop.folder / "out/lineage.jsonl").read_text()
    for secret in ("a-key-that-must-not-leave", "a@b.c", "g@h.i"):
        assert secret not in text


def test_a_blocked_run_is_told_as_failed(shop: ProjectOnDisk) -> None:
    shop.write("data/orders.csv", ORDERS.replace("2,20,", ",20,"))
    assert shop.run("orders").status == "blocked"
    start, end = events(shop)
    assert (start["eventType"], end["eventType"]) == ("START", "FAIL")
    assert "not_null" in end["run"]["facets"]["errorMessage"]["message"]
    failed = [
        a
        for dataset in (*end["inputs"], *end["outputs"])
        for facets in (dataset.get("inputFacets", {}), dataset.get("facets", {}))
        for a in facets.get("dataQualityAssertions", {}).get("assertions", ())
        if not a["success"]
    ]
    assert {assertion["column"] for assertion in failed} >= {"id"}
    with Store.open(load_project(shop.folder).metadata) as store:
        assert [run["status"] for run in store.runs()] == ["blocked"]


STOPS = """\
import os
import signal

def stop(batches):
    os.kill(os.getpid(), signal.SIGTERM)
    yield from batches
"""


def test_a_run_that_is_told_to_stop_is_told_as_aborted(shop: ProjectOnDisk) -> None:
    shop.write("steps.py", STOPS)
    shop.write("pipelines/orders.yml", FIRST.replace("rules:", "  - python: steps:stop\nrules:"))
    done = subprocess.run(
        [Path(sys.executable).with_name("sluiceway"), "run", "orders", "--project", str(shop.folder)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert [event["eventType"] for event in events(shop)] == ["START", "ABORT"]
    assert not shop.exists("mart.orders")
    with Store.open(load_project(shop.folder).metadata) as store:
        assert [run["status"] for run in store.runs()] == ["cancelled"]
    assert list((shop.folder / ".sluiceway" / "staging").glob("*")) == []
    shop.write("pipelines/orders.yml", FIRST)
    assert shop.run("orders").error is None
    assert len(shop.rows("mart.orders")) == 2


def test_events_of_real_runs_fit_the_specification(shop: ProjectOnDisk) -> None:
    validate = validator()
    assert shop.run("orders").success
    assert shop.run("segments").success
    shop.write("data/orders.csv", ORDERS.replace("2,20,", ",20,"))
    assert shop.run("orders").status == "blocked"
    told = events(shop)
    assert len(told) == 6
    for event in told:
        validate(event)


def test_the_command_traces_a_column_across_pipelines(
    shop: ProjectOnDisk, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shop.run("orders").success
    assert shop.run("segments").success

    def trace(*arguments: str) -> dict[str, Any]:
        capfd.readouterr()
        assert invoke(["lineage", *arguments, "--project", str(shop.folder), "--json"]) == 0
        graph: dict[str, Any] = json.loads(capfd.readouterr().out)
        return graph

    up = trace("mart.segments.total", "--up")
    direct = {
        (Path(e["from"]).name, e["from_column"], Path(e["to"]).name, e["to_column"])
        for e in up["column_edges"]
        if e["type"] == "DIRECT"
    }
    ends = {(f.rpartition("/")[2], c) for f, c, _, _ in direct}
    assert {c for f, c in ends if f.endswith("orders.csv")} == {"amount", "discount"}
    assert any(f.endswith("mart.orders") and c == "net" for f, c in ends)
    assert {c for _, c, t, column in direct if t.endswith("mart.segments") and column == "total"} == {"net"}
    assert "email" not in {c for _, c in ends}  # but segment, which total is grouped by
    down = trace("mart.orders.net", "--down")
    reached = {(e["to"].rpartition("/")[2], e["to_column"]) for e in down["column_edges"]}
    assert any(t.endswith("mart.segments") and c == "total" for t, c in reached)
    assert not any(t.endswith("orders.csv") for t, _ in reached)
    code = invoke(["lineage", "mart.segments.total", "--up", "--project", str(shop.folder)])
    shown = capfd.readouterr().out
    assert code == 0
    assert "data/orders.csv.amount" in shown
    assert "data/orders.csv.discount" in shown
    assert invoke(["lineage", "mart.nothing", "--project", str(shop.folder)]) != 0
