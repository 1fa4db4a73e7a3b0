"""A project for other orchestrators: what is run by them, and what must have come of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluiceway.duck import open_duckdb

__all__ = [
    "FILES", "LONG", "LOST", "add_long", "environment_of", "installed", "judge", "listed", "run_in",
    "runs_of", "said_by", "wait_for_work",
]  # fmt: skip

SOURCE = Path(__file__).parents[2] / "src"
FILES = {
    "a.csv": "id,v\n1,5\n2,-3\n3,9\n",
    "pipelines/raw.yml": """\
pipeline: raw
description: Rows "as" they come
owner: data
tags: [daily]
schedule: "0 6 * * *"
timezone: Europe/Amsterdam
retry: {attempts: 3, delay: 1s}
sources: {a: {type: csv, path: a.csv}}
rules:
  - range: {column: v, min: 0}
    on_fail: quarantine
destination: {table: raw.a, mode: merge, primary_key: id}
""",
    "pipelines/mart.yml": """\
pipeline: mart
timeout: 10m
sources: {a: {type: ducklake, table: raw.a}}
transform: [{derive: {w: v * 2}}]
destination: {table: mart.a, mode: replace}
""",
    "pipelines/bad.yml": """\
pipeline: bad
schedule: every 2h
retry: {attempts: 3, delay: 1s}
sources: {a: {type: csv, path: a.csv}}
rules: [{range: {column: v, min: 0}}]
destination: {table: mart.bad, mode: replace}
""",
}
LOST = """\
pipeline: lost
retry: {attempts: 2, delay: 1s}
sources: {a: {type: postgres, url: "postgresql://nobody@127.0.0.1:1/none", table: a}}
destination: {table: mart.lost, mode: replace}
"""
"""Its database is away: another try is worth it."""
LONG = """\
pipeline: long
sources:
  many: {type: parquet, path: data/many.parquet}
  few: {type: parquet, path: data/few.parquet}
transform:
  - sql: SELECT sum(sin(x.id * y.id)) AS n FROM many AS x CROSS JOIN few AS y
destination: {table: mart.long}
"""
"""Minutes of work in no memory to speak of, which a signal ends at once."""


def add_long(made: Any) -> None:
    """The pipeline ``long``, with its data."""
    made.write("pipelines/long.yml", LONG)
    (made.folder / "data").mkdir()
    with open_duckdb() as con:
        for name, rows in (("many", 2_000_000), ("few", 50_000)):
            path = made.folder / "data" / f"{name}.parquet"
            con.execute(f"COPY (SELECT range + 2 AS id FROM range({rows})) TO '{path}'")


def wait_for_work(made: Any, process: subprocess.Popen[Any]) -> None:
    """Until the query that takes so long has begun: the folder of its result is made right before."""
    while not list(made.folder.glob(".sluiceway/staging/*/result")):
        assert process.poll() is None


def environment_of(made: Any, **more: str) -> dict[str, str]:
    return {
        **os.environ, **more, "PYTHONPATH": f"{SOURCE}:{made.folder}", "HOME": str(made.folder),
        "SLUICEWAY_BIN": f"{sys.executable} -m sluiceway",
    }  # fmt: skip


def run_in(made: Any, python: str, *arguments: str, **more: str) -> str:
    """What the tool said. Whether it calls the whole a failure is its own affair."""
    done = subprocess.run(
        [python, *arguments], cwd=made.folder, env=environment_of(made, **more), capture_output=True,
        text=True, timeout=400, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def said_by(text: str) -> Any:
    """The line of JSON that a script of ours printed amid a tool's own."""
    line = next((line for line in text.splitlines() if line.startswith("SAID ")), None)
    assert line is not None, text[-4000:]
    return json.loads(line[5:])


def listed(made: Any) -> list[dict[str, Any]]:
    """Every run, in the order of time."""
    command = [sys.executable, "-m", "sluiceway", "runs", "list", "--json", "--limit", "100"]
    done = subprocess.run(
        [*command, "--project", str(made.folder)], capture_output=True, text=True, check=True
    )
    return list(reversed(json.loads(done.stdout)["runs"]))


def runs_of(made: Any) -> list[tuple[str, str]]:
    """(pipeline, status) of every run, in the order of time."""
    return [(run["pipeline"], run["status"]) for run in listed(made)]


def judge(made: Any) -> None:
    """Each pipeline ran once, what needs another after it; the blocked one was not tried again."""
    runs = runs_of(made)
    assert sorted(runs) == [("bad", "blocked"), ("mart", "succeeded"), ("raw", "succeeded")]
    assert runs.index(("raw", "succeeded")) < runs.index(("mart", "succeeded"))
    assert made.rows("mart.a") == [(1, 5, 10), (3, 9, 18)]
    assert not made.exists("mart.bad")


def installed(name: str) -> str:
    """The interpreter of the environment with a tool; else the test is skipped with the reason."""
    from scripts import orchestrators
    from scripts.servers import ServerUnavailableError

    if os.environ.get("SLUICEWAY_SERVERS") == "off":
        pytest.skip(f"no {name}: SLUICEWAY_SERVERS=off")
    try:
        return str(orchestrators.install(name))
    except ServerUnavailableError as error:
        pytest.skip(str(error))
