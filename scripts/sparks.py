"""A local Spark for the tests: two threads, no page, UTC; the JVM ends with it, however it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from sluiceway.sql.sessions import SPARK

__all__ = ["Spark", "SparkUnavailableError", "start"]

_STOP_SECONDS = 20.0


class SparkUnavailableError(Exception):
    """Spark can't be had here; the message says why and what would help."""


def _java() -> int:
    """The major version of the Java that pyspark would take."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not java or not Path(java).exists():
        raise SparkUnavailableError("no Java; type: sudo apt-get install openjdk-17-jre-headless")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else 0


class Spark:
    """A session and its JVM."""

    def __init__(self, session: Any, folder: Path) -> None:
        self.session, self.folder, self.version = session, folder, str(session.version)
        self._gateway = session.sparkContext._gateway  # noqa: SLF001  # nothing public says which process it is
        self._process = self._gateway.proc

    def __enter__(self) -> Spark:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the session and see its JVM go."""
        gateway = self._gateway
        self.session.stop()
        gateway.shutdown()
        # the JVM waits for its standard input to end
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        from pyspark import SparkContext

        # so that another can start in this process
        SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001
        shutil.rmtree(self.folder, ignore_errors=True)


def start() -> Spark:
    """A new session; its JVM is a child of this process.

    Raises:
        SparkUnavailableError: pyspark or Java 17 is missing, or the JVM does not start.
    """
    if _java() < 17:
        raise SparkUnavailableError(f"Java {_java()} is too old; Spark 4 needs 17")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, which it does not need here
        try:
            from pyspark.sql import SparkSession
        except ImportError:
            raise SparkUnavailableError("pyspark is not installed: pip install 'sluiceway[spark]'") from None
        os.environ["PYSPARK_PYTHON"] = sys.executable
        folder = Path(tempfile.mkdtemp(prefix="sluiceway-spark-"))
        builder = SparkSession.builder.master("local[2]").appName("sluiceway-tests")
        settings = {
            **SPARK,
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.driver.memory": "1g",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            # short queries: compiling them well costs more than it saves
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Duser.timezone=UTC "
            f"-Dderby.system.home={folder}",
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.local.dir": str(folder / "local"),
            "spark.log.level": "OFF",
        }
        for name, value in settings.items():
            builder = builder.config(name, value)
        try:
            session = builder.getOrCreate()
        except (RuntimeError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise SparkUnavailableError(f"Spark did not start: {error}") from error
    return Spark(session, folder)
