"""Another process that publishes, holds a lock, or dies at a given statement. Run by ``sinks``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conformance.harness import Warehouse

from sluiceway.exchange import Cursor


class Dying:
    """A connection whose process is killed right before its n-th statement after ``arm``."""

    def __init__(self, con: Any, point: int) -> None:
        self._con = con
        self._left = point
        self.armed = False

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        if self.armed:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._con.execute(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)


def main(job: dict[str, Any]) -> None:
    warehouse = Warehouse.from_json(job["warehouse"])
    if job["do"] == "publish":
        for i in range(job["rounds"]):
            name = f"w{job['worker']}"
            with warehouse.session() as s:
                s.publish(
                    f"SELECT {job['worker']} AS id, '{name}-{i}' AS name", f"{name}-{i}", pipeline=name,
                    cursors=(Cursor("s", "at", "VARCHAR", f"{name}-{i}"),),
                )  # fmt: skip
    elif job["do"] == "hold":
        with warehouse.session() as s, s.sink.lock(job["name"], 60, job["holder"]):
            print("held", flush=True)
            sys.stdin.read()
    elif job["do"] == "kill":
        with warehouse.session() as s:
            dying = Dying(s.engine.connection, job["point"])
            s.engine.connection = dying
            staged = s.stage(
                f"SELECT {job['id']} AS id, '{job['run_id']}' AS name", bad=["b"], run_id=job["run_id"]
            )
            dying.armed = True
            s.publish_staged(
                staged, job["run_id"], cursors=(Cursor("orders", "at", "VARCHAR", job["run_id"]),)
            )
            dying.armed = False
    else:
        raise SystemExit(f"unknown job {job['do']}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
