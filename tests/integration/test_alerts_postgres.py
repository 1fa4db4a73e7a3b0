"""Alerts in a store that a team shares: on a real PostgreSQL, raised by several at once."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.alerts.dispatch import raise_alert, resolve_alert
from sluiceway.alerts.model import Alert
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.postgres


def test_of_several_that_raise_at_once_one_tells_it(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "sluiceway.yml").write_text("project: shop\nalerts: [{to: 'file:said.jsonl'}]\n", "utf-8")
    project = replace(load_project(tmp_path), metadata=postgres_url)
    alert = Alert("run_failed", "error", "run_failed:orders", "orders: the run failed", "no\x00disk")
    told: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        with Store.open(project.metadata) as store:
            start.wait()
            told.extend(d.status for d in raise_alert(project, "dev", alert, store=store))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["sent", "throttled", "throttled", "throttled"]
    assert resolve_alert(project, "dev", alert.key)[0].status == "sent"
    lines: list[Any] = [
        json.loads(line) for line in (tmp_path / "said.jsonl").read_text("utf-8").splitlines()
    ]
    assert [line["kind"] for line in lines] == ["raised", "resolved"]
    with Store.open(project.metadata) as store:
        [row] = store.alerts.alerts(state=None)
        assert (row["count"], row["state"]) == (4, "resolved")
        assert len(store.alerts.history()) == 5
