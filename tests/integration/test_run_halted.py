"""Runs that are ended from outside: by a signal in the middle of a query, and by their own timeout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluiceway.store.store import Store

LONG = """\
    pipeline: long
    timeout: {timeout}
    sources:
      a: {{type: csv, path: data/a.csv}}
    transform:
      - sql: SELECT count(*) AS n FROM _ AS x CROSS JOIN range(100000000000) AS r(i) WHERE sin(i) > 2
    destination: {{table: mart.long}}
    """


def _long(make_project: Any, timeout: str) -> Any:
    text = LONG.format(timeout=timeout)
    # range() in FROM is not for users; a chain of joins takes as long
    joins = " ".join(f"CROSS JOIN _ AS t{i}" for i in range(5))
    text = text.replace("CROSS JOIN range(100000000000) AS r(i) WHERE sin(i) > 2", f"{joins} WHERE x.id < 0")
    rows = "id\n" + "\n".join(str(i) for i in range(3000)) + "\n"
    return make_project({"pipelines/long.yml": text, "data/a.csv": rows})


def test_a_run_that_takes_longer_than_its_timeout_fails_and_publishes_nothing(make_project: Any) -> None:
    project = _long(make_project, "1s")
    result = project.run("long")
    assert result.status == "failed"
    assert "longer than its timeout of 1 s" in str(result.error)
    assert not project.exists("mart.long")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_timeout_that_is_not_reached_changes_nothing(make_project: Any) -> None:
    project = make_project(
        {
            "pipelines/a.yml": "pipeline: a\ntimeout: 5m\nsources: {a: {type: csv, path: a.csv}}\n"
            "destination: {table: mart.a}\n",
            "a.csv": "id\n1\n",
        }
    )
    assert project.run("a").status == "succeeded"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_query_cancels_the_run(make_project: Any, number: int) -> None:
    project = _long(make_project, "10m")
    command = [str(Path(sys.executable).with_name("sluiceway")), "run", "long", "--json"]
    process = subprocess.Popen(
        command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # the folder of the staged result is made right before the query that takes so long
    while not list(project.folder.glob(".sluiceway/staging/*/result")):
        assert process.poll() is None
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode == 1, err
    assert not list(project.folder.glob(".sluiceway/staging/*"))
    assert not project.exists("mart.long")
    with Store.open(project.resolve("long").project.metadata) as store:
        assert [row["status"] for row in store.runs(limit=5)] == ["cancelled"]
    assert json.loads(out or "{}").get("status") in (None, "cancelled")
