"""The demo's project served: scheduled each minute, by real processes; its health is shown."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "src" / "sluiceway" / "demo" / "project"


def sluiceway(folder: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "sluiceway", *arguments, "--json", "--project", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


class Served:
    """``sluiceway serve --json``, its events as they come."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sluiceway", "serve", "--json", "--project", str(folder), *arguments],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._events.put(json.loads(line))

    def until(self, event: str, seconds: float = 120, **facts: Any) -> dict[str, Any]:
        while True:
            found = self._events.get(timeout=seconds)
            if found["event"] == event and facts.items() <= found.items():
                return found

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self._thread.join(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The demo's airlines, scheduled each minute, and the data that it reads."""
    subprocess.run(
        [sys.executable, "-m", "sluiceway", "demo", str(tmp_path / "demo"), "--force"],
        check=True, capture_output=True, timeout=280,
    )  # fmt: skip
    folder = tmp_path / "demo"
    file = folder / "pipelines" / "airlines.yml"
    text = file.read_text()
    assert "schedule:" not in text
    file.write_text(text + '\nschedule: "* * * * *"\nsla: 1h\n')
    return folder


@pytest.mark.slow
def test_the_demo_is_served_on_a_schedule_and_its_health_is_shown(demo: Path) -> None:
    before = len(sluiceway(demo, "runs", "list", "--pipeline", "airlines", "--limit", "1000")["runs"])
    served = Served(demo, "--metrics-port", "0")
    try:
        port = served.until("metrics served")["message"]
        assert port.startswith("http://127.0.0.1:")
        for _ in range(2):
            ended = served.until("run ended", pipeline="airlines")
            assert ended["status"] == "succeeded"
            assert ended["trigger"] == "schedule"
    finally:
        assert served.end() == 0
    runs = sluiceway(demo, "runs", "list", "--pipeline", "airlines", "--limit", "1000")["runs"]
    moments = [run["nominal_at"] for run in runs if run["nominal_at"]]
    assert len(runs) - before == len(moments) == len(set(moments)) >= 2
    assert all(run["status"] == "succeeded" for run in runs[: len(moments)])
    (health,) = sluiceway(demo, "health", "airlines")["health"]
    assert health["status"] == "healthy"
    assert {part["name"] for part in health["parts"]} == {
        "success_rate", "data_quality", "execution_time", "resource_usage", "error_rate",
    }  # fmt: skip
    schedules = sluiceway(demo, "schedule", "list")["schedules"]
    assert [s["pipeline"] for s in schedules if s["last_at"]] == ["airlines"]
