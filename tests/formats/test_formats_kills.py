"""SIGKILL at the commit of a Delta and of an Iceberg table; the next run leaves what an unkilled one does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.killing import Chain

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.chaos]

ROOT = Path(__file__).resolve().parents[2]
_CHILD = """\
import os, signal, sys, threading, time
from pathlib import Path
from sluiceway.connectors.tablejournal import TableIntent
from sluiceway.connectors.tablesink import TableSink
from sluiceway.run.runner import run
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import resolve

folder, instant = sys.argv[1:]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)

if instant == "before the commit":
    TableSink._to_its_end = die
elif instant == "after the commit":
    TableIntent.carry_out = die
elif instant == "among the renames":
    TableIntent.drop = die
else:  # so many seconds into the statement: the JVM lives on for a moment, and may still commit
    execute = TableSink._to_its_end
    def soon(sink, statement):
        threading.Timer(float(instant), die).start()
        execute(sink, statement)
        time.sleep(60)
    TableSink._to_its_end = soon

project = load_project(Path(folder))
result = run(resolve(PipelineConfig.load(find_pipeline(project, "a")), project))
print(result.status, result.error)
"""
INSTANTS = ("before the commit", "after the commit", "among the renames", "0.05", "0.4", "1.2")


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_chain_of_kills_at_the_commit(tables: Any, mode: str) -> None:
    chain = Chain(mode)
    project = tables({"pipelines/a.yml": chain.pipeline()})
    # the first run makes the table; half the instants of each mode on each format
    half = INSTANTS[::2] if (mode == "append") == (project.kind == "delta") else INSTANTS[1::2]
    for instant in half:
        project.write("data/a.csv", chain.next_batch())
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(project.folder), instant],
            capture_output=True, text=True, timeout=240, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
        result = project.run("a")
        assert result.error is None, (instant, result.error)
        # the log of the JVM that the killed process started is no staging
        (project.folder / ".sluiceway/staging/spark.log").unlink(missing_ok=True)
        chain.compare(project, (project.kind, mode, instant))
