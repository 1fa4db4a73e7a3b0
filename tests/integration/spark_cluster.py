"""A standalone Spark of this machine: a master and workers, each a process group of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripts import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Cluster", "cluster", "connect_server", "free_port", "java_process", "listening", "until"]

_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], bool], what: str, *, seconds: float = _SECONDS, every: float = 0.02) -> None:
    """Wait for a sign; AssertionError if it does not come."""
    import time

    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(every)


def listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _home() -> Path:
    pyspark = pytest.importorskip("pyspark", reason="no Spark: pyspark is not installed")
    if os.environ.get("SLUICEWAY_SERVERS") == "off":
        pytest.skip("no Spark: SLUICEWAY_SERVERS=off")
    try:
        servers.install("java")
    except servers.ServerUnavailableError as error:
        pytest.skip(f"no Spark: {error}")
    return Path(pyspark.__file__).parent


def java_process(
    log: Path, *arguments: str, before: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """``spark-class ARGUMENTS`` in a process group of its own. ``before``: words of a command around it."""
    settings = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
        "SPARK_DAEMON_MEMORY": "256m",
        **(env or {}),
    }
    command = [*before, str(_home() / "bin" / "spark-class"), *arguments]
    with log.open("wb") as out:
        return subprocess.Popen(
            command, env=settings, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )


@dataclass
class Cluster:
    folder: Path
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self.port}"

    @property
    def settings(self) -> str:
        """``engine:`` of an environment, as YAML."""
        return (
            f'{{type: spark, master: "{self.master}", conf: {{spark.executor.memory: 512m, '
            "spark.driver.host: 127.0.0.1, spark.driver.bindAddress: 127.0.0.1}}"
        )

    def start(self) -> None:
        self.processes.append(
            java_process(
                self.folder / "master.log", "org.apache.spark.deploy.master.Master",
                "--host", "127.0.0.1", "--port", str(self.port), "--webui-port", str(free_port()),
            )
        )  # fmt: skip
        until(lambda: listening(self.port), "the master")

    def worker(self, before: Sequence[str] = ()) -> None:
        """One more, of one core and 1 GB; it is there when the master knows it."""
        number = len(self.workers)
        started = java_process(
            self.folder / f"worker{number}.log", "org.apache.spark.deploy.worker.Worker", self.master,
            "--host", "127.0.0.1", "--port", str(free_port()), "--webui-port", str(free_port()),
            "--cores", "1", "--memory", "1G", "--work-dir", str(self.folder / f"work{number}"),
            before=before,
        )  # fmt: skip
        self.workers.append(started)
        self.processes.append(started)
        until(lambda: self._log().count("Registering worker") > number, f"worker {number}")

    def _log(self) -> str:
        return (self.folder / "master.log").read_text(errors="replace")

    def kill(self, number: int) -> None:
        """End a worker and its executors at once."""
        os.killpg(self.workers[number].pid, signal.SIGKILL)
        self.workers[number].wait()

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and workers, all gone afterwards. Skips the test where Spark or Java can't be had."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Cluster(folder)
    try:
        made.start()
        for _ in range(workers):
            made.worker()
        yield made
    finally:
        made.close()


@contextmanager
def connect_server(folder: Path, port: int) -> Iterator[None]:
    """A Spark Connect server of two cores at ``port``, gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "connect.log"
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
    }
    started = java_process(
        log, "org.apache.spark.deploy.SparkSubmit",
        "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]",
        *(word for key, value in settings.items() for word in ("--conf", f"{key}={value}")),
        "spark-internal",
        env={"PYSPARK_PYTHON": sys.executable, "SPARK_DAEMON_MEMORY": "1g"},
    )  # fmt: skip
    try:
        until(lambda: listening(port) or started.poll() is not None, "the Connect server", seconds=120)
        assert started.poll() is None, log.read_text(errors="replace")[-3000:]
        yield
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
