"""What a run writes is what people read; secrets and other databases' limits end at the store's door."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import StoreError
from sluiceway.events import EventBus, NodeFinished, NodeStarted, RunFinished, RunStarted
from sluiceway.exchange import Cursor, Receipt
from sluiceway.ids import new_run_id
from sluiceway.secrets import register_secret
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
INPUT = {
    "namespace": "file",
    "name": "/data/orders.csv",
    "source": "orders",
    "columns": [{"name": "id", "type": "BIGINT"}, {"name": "amount", "type": "DECIMAL(18,2)"}],
}
OUTPUT = {
    "namespace": "ducklake:lake",
    "name": "mart.orders",
    "source": "mart.orders",
    "columns": [{"name": "id", "type": "BIGINT"}, {"name": "net", "type": "DOUBLE"}],
}
LINEAGE = {
    "id": [{"dataset": "file./data/orders.csv", "column": "id", "type": "DIRECT", "subtype": "IDENTITY"}],
    "net": [{"dataset": "orders", "column": "amount", "type": "DIRECT", "subtype": "TRANSFORMATION"}],
}


def check(id_: str, failing: int = 0, on_fail: str = "block", **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "rule": id_.partition(":")[0],
        "phase": "gate",
        "columns": ["id"],
        "dimension": "accuracy",
        "severity": "error",
        "on_fail": on_fail,
        "failing": failing,
        "total": 10,
        "passed": failing == 0,
        "observed": None,
        "proven": False,
        "message": f"{failing} of 10 rows",
        **more,
    }


def finish(run_id: str, status: str = "succeeded", **more: Any) -> RunFinished:
    facts: dict[str, Any] = {
        "environment": "dev",
        "seconds": 1.5,
        "verdict": "pass" if status == "succeeded" else "block",
        "records": {"read": 10, "rejected": 0, "staged": 10, "published": 8, "quarantined": 2, "late": 0},
        "inputs": (INPUT,),
        "output": OUTPUT,
        "lineage": LINEAGE,
        "metrics": {
            "row_count": 8,
            "columns": {
                "id": {"null_count": 0, "min": 1, "max": str(2**60 + 1)},
                "net": {"min": "-1.5", "max": "nan"},
                "note": {"max": "7"},
            },
        },
    }
    return RunFinished(run_id, "orders", AT + timedelta(seconds=2), status=status, **facts | more)


def start(run_id: str, **more: Any) -> RunStarted:
    facts: dict[str, Any] = {
        "environment": "dev",
        "inputs": (INPUT,),
        "output": OUTPUT,
        "description": "Paid orders",
        "owner": "sales",
    }
    return RunStarted(run_id, "orders", AT, **facts | more)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/deep/down/metadata.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def everything(url: str) -> str:
    """All that the file holds, as text."""
    import sqlite3

    con = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        return "\n".join(con.iterdump())
    finally:
        con.close()


def test_a_whole_run_comes_back(store: Store) -> None:
    run_id = new_run_id()
    store.begin_run(run_id, "orders", "dev", AT, config_raw={"pipeline": "orders", "key": "${KEY}"})
    store.record_event(start(run_id, engine={"name": "duckdb", "version": "1.5.5"}))
    store.record_event(NodeStarted(run_id, "orders", AT, node="extract orders"))
    running = store.run(run_id)
    assert (running["status"], running["nodes"][0]["status"]) == ("running", "running")
    store.record_event(
        NodeFinished(run_id, "orders", AT + timedelta(seconds=1), node="extract orders", seconds=1.0, rows=10)
    )
    store.record_samples(run_id, "range:amount", [{"id": 7, "amount": Decimal("1.10")}])
    checks = (check("not_null:id"), check("range:amount", 2, "quarantine", observed=2.5, proven=True))
    store.record_event(
        finish(run_id, checks=checks, quality_score=0.9, dimensions={"accuracy": 0.9}, snapshot="4")
    )

    run = store.run(run_id)
    assert (run["status"], run["success"], run["verdict"], run["attempt"]) == ("succeeded", True, "pass", 1)
    assert run["started_at"] == "2026-01-02T03:04:05.000000Z"
    assert run["finished_at"] == "2026-01-02T03:04:07.000000Z"
    assert run["records"] == {
        "read": 10, "rejected": 0, "staged": 10, "published": 8, "quarantined": 2, "late": 0,
    }  # fmt: skip
    assert (run["dataset"], run["table"], run["snapshot"]) == (
        "ducklake:lake.mart.orders",
        "mart.orders",
        "4",
    )
    assert run["config"] == {"pipeline": "orders", "key": "${KEY}"}
    assert run["engine"] == {"name": "duckdb", "version": "1.5.5"}
    assert [(n["name"], n["status"], n["rows"]) for n in run["nodes"]] == [
        ("extract orders", "succeeded", 10)
    ]
    assert [c["id"] for c in run["checks"]] == ["not_null:id", "range:amount"]
    assert run["checks"][1]["samples"] == [{"id": 7, "amount": "1.10"}]
    assert (run["checks"][1]["observed"], run["checks"][1]["proven"]) == (2.5, True)
    assert [(q["check_id"], q["waiting"]) for q in run["quarantine"]] == [("range:amount", 2)]
    assert store.interrupted() == []
    json.dumps(run)

    whole = store.dataset("mart.orders")
    assert [c["name"] for c in whole["columns"]] == ["id", "net"]
    assert (whole["pipeline"], whole["owner"], whole["description"]) == ("orders", "sales", "Paid orders")
    values = {(m["column"], m["name"]): m["value"] for m in store.metrics("mart.orders")}
    assert values[None, "row_count"] == 8
    assert values["id", "max"] == 2**60 + 1  # a double alone would have lost the last digit
    assert values[None, "quality_score"] == 0.9
    assert (values["net", "min"], values["net", "max"], values["note", "max"]) == (-1.5, "nan", "7")


@pytest.mark.parametrize("status", ["blocked", "failed", "cancelled"])
def test_a_run_that_published_nothing_leaves_no_columns_edges_or_quarantine(
    store: Store, status: str
) -> None:
    run_id = new_run_id()
    store.record_event(start(run_id))
    store.record_event(NodeStarted(run_id, "orders", AT, node="stage"))
    store.record_event(
        finish(
            run_id, status, checks=(check("range:id", 2, "quarantine"),), error={"message": "it did not pass"}
        )
    )
    run = store.run(run_id)
    assert (run["status"], run["success"]) == (status, False)
    assert run["error"] == {"message": "it did not pass"}
    assert run["nodes"][0]["status"] == ("cancelled" if status == "cancelled" else "failed")
    assert run["attempts"][0]["status"] == status
    assert run["quarantine"] == []
    dataset = store.dataset("mart.orders")
    assert (dataset["columns"], dataset["published_at"], dataset["pipeline"]) == ([], None, None)
    assert store.lineage("mart.orders")["edges"] == []
    assert store.metrics("mart.orders", "row_count") == []
    assert [m["value"] for m in store.metrics("mart.orders", "row_count", status=None)] == [8]


def test_a_check_publishes_nothing_even_where_it_succeeds(store: Store) -> None:
    store.record_event(start("c1", kind="check"))
    store.record_event(finish("c1", checks=(check("range:id", 2, "quarantine"),)))
    assert store.run("c1")["kind"] == "check"
    assert store.run("c1")["quarantine"] == []
    assert store.dataset("mart.orders")["published_at"] is None
    assert store.latest("orders") is None
    assert store.latest("orders", kind=None) is not None


def test_attempts_are_kept_apart_and_only_the_last_ones_checks_stay(store: Store) -> None:
    store.begin_run("r", "orders", "dev", AT)
    store.record_event(NodeStarted("r", "orders", AT, node="stage"))
    store.begin_run("r", "orders", "dev", AT + timedelta(hours=1), attempt=2)
    store.record_event(NodeStarted("r", "orders", AT, node="stage"))
    store.record_event(NodeFinished("r", "orders", AT, node="stage", seconds=0.1))
    store.record_event(finish("r", checks=(check("a:x"),)))
    store.record_event(finish("r", checks=(check("b:x"),)))
    run = store.run("r")
    assert run["started_at"] == "2026-01-02T03:04:05.000000Z"
    assert [(a["attempt"], a["status"]) for a in run["attempts"]] == [(1, "failed"), (2, "succeeded")]
    assert [(n["attempt"], n["status"]) for n in run["nodes"]] == [(1, "failed"), (2, "succeeded")]
    assert [c["id"] for c in run["checks"]] == ["b:x"]


def test_an_end_without_a_beginning_is_kept(store: Store) -> None:
    store.record_event(finish("late", inputs=(), lineage={}))
    assert store.run("late")["status"] == "succeeded"
    assert store.lineage("mart.orders")["edges"] == []


def test_runs_are_filtered_and_newest_first(store: Store) -> None:
    for hour, (pipeline, environment) in enumerate([("a", "dev"), ("b", "dev"), ("a", "prod"), ("a", "dev")]):
        store.begin_run(f"r{hour}", pipeline, environment, AT + timedelta(hours=hour))
    store.mark("r0", "failed")
    assert [r["run_id"] for r in store.runs()] == ["r3", "r2", "r1", "r0"]
    assert [r["run_id"] for r in store.runs(2)] == ["r3", "r2"]
    assert [r["run_id"] for r in store.runs(pipeline="a", environment="dev")] == ["r3", "r0"]
    assert [r["run_id"] for r in store.runs(status="failed")] == ["r0"]
    latest = store.latest("a", "prod")
    assert latest is not None
    assert latest["run_id"] == "r2"


def test_unknown_names_say_what_to_type(store: Store) -> None:
    with pytest.raises(StoreError, match="there is no run zzz") as unknown:
        store.run("zzz")
    assert unknown.value.hint == "sluiceway runs list"
    with pytest.raises(StoreError, match="no run has seen a dataset") as empty:
        store.dataset("mart.orders")
    assert "sluiceway run" in str(empty.value.hint)
    store.record_event(start("r"))
    store.record_event(finish("r"))
    with pytest.raises(StoreError) as close:
        store.dataset("mart.order")
    assert close.value.hint == "did you mean 'mart.orders'?"
    with pytest.raises(StoreError) as column:
        store.lineage("mart.orders", "nett")
    assert column.value.hint == "did you mean 'net'?"
    assert store.mark("zzz", "failed") is False


def test_no_secret_reaches_the_file(url: str, store: Store) -> None:
    secret = "s3cr3t-hunter2-value"
    register_secret(secret)
    leaky = f"postgres://bob:{secret}@db/x failed"
    dirty = {"namespace": f"postgres://bob:{secret}@db", "name": f"t_{secret}", "columns": []}
    store.begin_run(
        "r",
        "orders",
        "dev",
        AT,
        config_raw={
            "url": leaky,
            "password": "literal-in-file-1",
            "mask": {"email": {"hmac": "literal-in-file-2"}},
            "list": [{"api_key": "literal-in-file-3"}],
            "token": "${TOKEN}",
        },
    )
    store.record_event(start("r", inputs=(dirty,), description=leaky, owner=secret))
    store.record_event(NodeFinished("r", "orders", AT, node=f"extract {secret}", error=leaky))
    store.record_samples("r", "c", [{"note": leaky, secret: [secret]}])
    store.record_cursors("dev", "orders", "r", [Cursor("s", "c", "VARCHAR", secret)])
    store.record_failures("r", {secret: 1})
    edge = {"dataset": f"x.{secret}", "column": secret, "type": "DIRECT"}
    store.record_event(
        finish(
            "r",
            inputs=(dirty,),
            lineage={secret: [edge]},
            checks=(check("c", observed=secret, message=leaky),),
            metrics={"columns": {"email": {"max": secret}}},
            sql=f"SELECT '{secret}'",
            error={"message": leaky, "details": {"deep": [leaky]}},
        )
    )
    held = everything(url)
    assert secret not in held
    assert "literal-in-file" not in held
    assert "${TOKEN}" in held
    assert "***" in held


def test_what_databases_and_json_refuse_is_kept_as_text(store: Store) -> None:
    row = {
        "nul": "a\x00b",
        "surrogate": "\ud800",
        "nan": float("nan"),
        "bytes": b"\x01",
        "day": AT.date(),
        1: AT,
    }
    store.record_event(start("r"))
    store.record_samples("r", "c", [row])
    store.record_event(
        finish("r", checks=(check("c", observed=float("inf"), message="x\x00"),), error={"when": AT})
    )
    (found,) = store.run("r")["checks"]
    assert found["samples"] == [
        {
            "nul": "a\\x00b",
            "surrogate": "\\ud800",
            "nan": "nan",
            "bytes": "01",
            "day": "2026-01-02",
            "1": "2026-01-02T03:04:05.000000Z",
        }
    ]
    assert (found["observed"], found["message"]) == ("inf", "x\\x00")


def test_samples_are_replaced_not_added(store: Store) -> None:
    store.record_event(start("r"))
    store.record_samples("r", "c", [{"id": 1}, {"id": 2}])
    store.record_samples("r", "c", [{"id": 3}])
    store.record_event(finish("r", checks=(check("c"),)))
    assert store.run("r")["checks"][0]["samples"] == [{"id": 3}]


def test_cursors_and_receipts_keep_the_last_word(store: Store) -> None:
    cursor = Cursor("orders", "updated_at", "TIMESTAMP", "2026-01-01 00:00:00")
    store.record_cursors("dev", "orders", "r1", [cursor])
    store.record_cursors("dev", "orders", "r2", [replace(cursor, value="2026-01-02 00:00:00")])
    store.record_cursors("prod", "orders", "r3", [cursor])
    assert [(c["run_id"], c["value"]) for c in store.cursors("dev")] == [("r2", "2026-01-02 00:00:00")]
    assert store.forget_cursors("dev", "orders") == 1
    assert [c["environment"] for c in store.cursors()] == ["prod"]

    receipt = Receipt("r1", "orders", "mart.orders", "merge", 8, 2, "4", AT)
    store.record_receipt("dev", receipt)
    store.record_receipt("dev", replace(receipt, rolled_back=True))
    (kept,) = store.receipts(table="mart.orders")
    assert (kept["run_id"], kept["published"], kept["rolled_back"]) == ("r1", 8, True)


def test_a_receipt_tells_the_numbers_of_a_run_that_died_after_its_commit(store: Store) -> None:
    store.begin_run("r", "orders", "dev", AT)
    store.mark("r", "succeeded", snapshot="4")
    store.record_receipt("dev", Receipt("r", "orders", "mart.orders", "append", 8, 2, "4", AT, late=1))
    records = store.run("r")["records"]
    assert (records["staged"], records["published"], records["quarantined"], records["late"]) == (10, 8, 2, 1)
    assert records["read"] is None
    store.record_receipt("dev", Receipt("r", "orders", "mart.orders", "append", 99, 0, "9", AT))
    assert store.run("r")["records"]["published"] == 8  # what the run itself said stands


def test_quarantine_counts_follow_replay_and_discard(store: Store) -> None:
    store.record_event(start("r"))
    store.record_event(finish("r", checks=(check("range:id", 3, "quarantine"),)))
    store.record_quarantine("r", {"range:id": {"waiting": 1, "replayed": 2}})
    (counts,) = store.run("r")["quarantine"]
    assert (counts["waiting"], counts["replayed"], counts["discarded"]) == (1, 2, 0)


def test_history_of_a_check(store: Store) -> None:
    for day in range(3):
        store.begin_run(f"r{day}", "orders", "dev", AT + timedelta(days=day))
        store.record_event(finish(f"r{day}", checks=(check("a:id", day), check("b:id"))))
    history = store.checks_history("orders", "a:id")
    assert [(h["run_id"], h["failing"]) for h in history] == [("r2", 2), ("r1", 1), ("r0", 0)]
    assert [h["run_id"] for h in store.checks_history(since=AT + timedelta(days=2), check_id="b:id")] == [
        "r2"
    ]
    assert len(store.checks_history(dataset="mart.orders", limit=4)) == 4
    assert store.checks_history("other") == []


def test_metrics_since_and_by_column(store: Store) -> None:
    for day in range(3):
        store.record_event(replace(finish(f"r{day}"), at=AT + timedelta(days=day)))
    assert [m["run_id"] for m in store.metrics("mart.orders", "row_count")] == ["r0", "r1", "r2"]
    assert [m["run_id"] for m in store.metrics("mart.orders", "row_count", limit=2)] == ["r1", "r2"]
    assert [m["run_id"] for m in store.metrics("mart.orders", "null_count", AT + timedelta(days=1))] == [
        "r1",
        "r2",
    ]
    assert {m["name"] for m in store.metrics("mart.orders", column="")} == {"row_count"}
    assert store.metrics("nothing.here") == []


def test_a_listener_that_fails_is_written_down_and_breaks_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_event: object) -> None:
        raise RuntimeError("no server")

    bus = EventBus()
    bus.listen("broken", broken)
    bus.listen("store", store.record_event)
    bus.emit(start("r"))
    bus.emit(finish("r"))
    store.record_failures("r", bus.failures)
    run = store.run("r")
    assert run["status"] == "succeeded"
    assert [(f["listener"], f["count"]) for f in run["listener_failures"]] == [("broken", 2)]
    assert "listener broken failed" in caplog.text


CRASH = """
import os, sys
from datetime import datetime
from sluiceway.store.store import Store
store = Store.open(sys.argv[1])
store.begin_run("crashed", "orders", "dev", datetime(2026, 1, 2))
os._exit(9)
"""


def test_a_run_whose_process_is_gone_is_interrupted_and_others_are_not(url: str, store: Store) -> None:
    store.begin_run("mine", "orders", "dev", AT)
    store.begin_run("done", "orders", "dev", AT)
    store.mark("done", "succeeded")
    done = subprocess.run([sys.executable, "-c", CRASH, url], check=False, timeout=60)
    assert done.returncode == 9
    assert [r["run_id"] for r in store.interrupted("orders", "dev")] == ["crashed"]
    assert store.interrupted("orders", "prod") == []
    assert store.interrupted("other") == []
    store.mark("crashed", "failed", error={"message": "its process was killed"})
    assert store.interrupted() == []


def test_a_reused_pid_is_not_mistaken_and_another_machine_is_left_alone(url: str, store: Store) -> None:
    import sqlite3

    for run_id in ("reused", "rebooted", "elsewhere", "container"):
        store.begin_run(run_id, "orders", "dev", AT)
    con = sqlite3.connect(url.removeprefix("sqlite:///"))
    with con:
        con.execute("UPDATE runs SET process_started = '1' WHERE id = 'reused'")
        con.execute("UPDATE runs SET boot_id = 'before/pid:[1]' WHERE id = 'rebooted'")
        con.execute("UPDATE runs SET boot_id = 'other/pid:[1]', host = 'other' WHERE id = 'elsewhere'")
        con.execute("UPDATE runs SET boot_id = boot_id || '9' WHERE id = 'container'")
    con.close()
    assert {r["run_id"] for r in store.interrupted()} == {"reused", "rebooted"}
    assert {r["run_id"] for r in store.interrupted(silent_for=timedelta(hours=1))} == {
        "reused",
        "rebooted",
        "elsewhere",
        "container",
    }
