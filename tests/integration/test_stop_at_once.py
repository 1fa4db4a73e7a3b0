"""A run that is told to stop right after its process was made."""

from __future__ import annotations

import os
import threading
from typing import Any

from sluiceway.ids import new_run_id
from sluiceway.orchestrate.forker import Forker
from sluiceway.orchestrate.order import Order
from sluiceway.orchestrate.process import RunProcess


def test_who_is_told_to_stop_at_once_stops(make_project: Any) -> None:
    """The signal comes before the process can answer it, and is not lost."""
    project = make_project(
        {
            "s.csv": "id\n1\n",
            "pipelines/a.yml": "pipeline: a\nsources: {s: {type: csv, path: s.csv}}\n"
            "destination: {table: mart.a, mode: replace}\n",
        }
    )
    forker, over = Forker(), threading.Event()
    forker.start()
    try:
        order = Order(
            project=str(project.folder), environment="dev", pipeline=str(project.folder / "pipelines/a.yml"),
            run_id=new_run_id(), attempt=1, claim=0, token=0, at=None, group_id=None, full_refresh=False,
            dry_run=False, retries=False, variables={}, process_environment=dict(os.environ),
        )  # fmt: skip
        process = RunProcess(order, forker, project.folder / "log", 60.0, over.set)
        process.start()
        process.stop("cancel")
        assert over.wait(50)
        assert process.ended is not None
        assert (process.ended.said or {}).get("status") == "cancelled"
    finally:
        forker.close()
    assert not (project.folder / "lake").exists() or project.rows("mart.a") == []
