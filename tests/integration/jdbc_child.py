"""A process with a Spark of its own that has the JDBC drivers, and does what it is asked line by line.

The tests' Spark has none, and a process has one Spark. This one has an executor that is a process of its own,
as on a cluster: the executors of a local Spark publish nothing.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

__all__ = ["Child"]

ROOT = Path(__file__).resolve().parents[2]


class Child:
    """The other end, for tests."""

    def __init__(self, jars: list[Path], folder: Path) -> None:
        words = [sys.executable, "-m", "tests.integration.jdbc_child", str(folder), *map(str, jars)]
        self.log = folder / "child.log"
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
                env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip

    def send(self, what: str, **given: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"what": what, **given}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ANSWER "):
                told = json.loads(line.removeprefix("ANSWER "))
                assert "trace" not in told, told["trace"]
                return told
        raise AssertionError(f"the process ended: {self.log.read_text()[-3000:]}")

    def ask(self, what: str, **given: Any) -> Any:
        self.send(what, **given)
        return self.answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()  # then it ends
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.close()


def _resolved(folder: str, name: str, environment: str) -> Any:
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline, load_project
    from sluiceway.spec.resolve import resolve

    project = load_project(Path(folder))
    return resolve(PipelineConfig.load(find_pipeline(project, name)), project, environment)


def _run(folder: str, name: str, environment: str, url: str) -> dict[str, Any]:
    from sluiceway.run.runner import run

    os.environ["DB_URL"] = url
    result = run(_resolved(folder, name, environment))
    told = result.error.message if result.error else ""
    records = result.records
    return {
        "status": result.status, "error": told, "late": records.late,
        "counts": [records.staged, records.published, records.quarantined],
    }  # fmt: skip


def _unread(folder: str, kind: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Publish rows of which the embedded engine is given nothing that it could read."""
    from tests.integration import databases

    from sluiceway import plugins
    from sluiceway.engines.base import EngineSettings
    from sluiceway.engines.spark import SparkEngine

    engine = SparkEngine()
    engine.connect(EngineSettings("spark"), Path(folder) / "staging" / "unread")
    connector = plugins.load("connectors", kind)
    sink = connector.sink(
        connector.sink_config.model_validate({"type": kind, **keys}), databases.context(Path(folder))
    )
    try:
        sink.open(engine)
        stage = engine.stage(
            "result", "SELECT id, CAST(id AS STRING) AS name FROM range(200)", bad="id >= 150"
        )
        rows = replace(
            databases.staged(engine.local, "SELECT 1 AS id"),
            schema=stage.schema, rows=150, published=150, delivery=engine.delivery(stage),
            good="SELECT error('read') AS id, '' AS name",
            files=(Path(folder) / "nowhere.parquet",),
        )  # fmt: skip
        receipt = databases.publish(sink, rows, databases.order("r1"))
        return {"published": receipt.published}
    finally:
        sink.close()
        engine.close()


class _Notes(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main(folder: str, *jars: str) -> None:
    from sluiceway.engines.base import EngineSettings
    from sluiceway.engines.spark_session import open_session, stop_session

    conf = {"spark.jars": ",".join(jars), "spark.sql.shuffle.partitions": "2", "spark.executor.memory": "1g"}
    options = {"master": "local-cluster[1,2,1024]", "conf": conf}
    session, _ = open_session(
        EngineSettings("spark", memory_limit="1GB", options=options), Path(folder) / "spark.log"
    )
    notes = _Notes()
    logging.getLogger("sluiceway").addHandler(notes)
    logging.getLogger("sluiceway").setLevel(logging.INFO)
    doors = {"run": _run, "unread": _unread}
    for line in sys.stdin:
        given = json.loads(line)
        notes.said = []
        try:
            told = doors[given.pop("what")](**given)
            told["said"] = notes.said
        except Exception:  # noqa: BLE001 the other end raises it
            told = {"trace": traceback.format_exc()}
        print("ANSWER " + json.dumps(told), flush=True)
    stop_session(session)


if __name__ == "__main__":
    main(*sys.argv[1:])
