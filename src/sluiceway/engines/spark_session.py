"""Sessions of Spark: started here, joined at a master, or spoken to over Spark Connect."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.engines.spark_options import SESSION, SparkOptions, is_local, options_of
from sluiceway.engines.spark_scan import quiet_pandas
from sluiceway.errors import EngineError, MissingExtraError, PlanError

if TYPE_CHECKING:
    from sluiceway.engines.base import EngineSettings

__all__ = ["executors_apart", "java_version", "open_session", "stop_session"]

_JAVA = 17
_WAIT = 5.0
"""Seconds to wait for a master or a Connect server to take a connection."""


@dataclass
class _Shared:
    """The session that was started here: a process has one, and who leaves last stops it."""

    users: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_shared = _Shared()


def _not_of_py4j(record: logging.LogRecord) -> bool:
    """It logs the trace of what it also raises, to the root logger: an interrupted run would show one."""
    return "py4j" not in record.pathname


def open_session(settings: EngineSettings, log: Path) -> tuple[Any, bool]:
    """A session with temporary views and settings of its own, and whether ``stop_session`` is to be called
    for it.

    A process has one Spark. Runs that meet in it share it, and the last one stops it; one that was there
    before, such as a notebook's, is joined and left running.

    Args:
        log: where a JVM that is started here writes.

    Raises:
        MissingExtraError: pyspark is not installed.
        PlanError: the process is bound to another master, or to settings that can't be changed any more.
        EngineError: no Java, a wrong one, or nobody answers at the address.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtraError.of("spark", "Spark") from error
    options = options_of(settings)
    if options.remote is not None:
        return _connected(options), True
    if not _has_jvm_side():
        raise PlanError(
            "only Spark Connect's client is installed here, and it starts no Spark of its own",
            hint="give engine.remote: sc://HOST:PORT, or pip install 'sluiceway[spark]'",
        )
    with _shared.lock:
        there = _present()
        if there is None:
            session = _start(SparkSession.builder, settings, options, log)
            _shared.users = 1
            return session, True
        session = _joined(there, options)
        if not _shared.users:
            return session, False
        _shared.users += 1
        return session, True


def _has_jvm_side() -> bool:
    from importlib.util import find_spec

    return find_spec("pyspark.core") is not None and find_spec("py4j") is not None


def _present() -> Any:
    """This process's session, in whatever thread it was made."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._active_spark_context is None:  # noqa: SLF001  there is no public way to ask
        return None
    return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()


def _joined(there: Any, options: SparkOptions) -> Any:
    """A session beside ``there``, if that is what ``options`` asks for."""
    master = there.sparkContext.master
    wanted = options.master or master
    if wanted != master and not (wanted.startswith("local") and master.startswith("local")):
        raise PlanError(
            f"this process has a Spark of {master} already, and engine.master says {wanted}",
            hint="run it in a process of its own, or leave engine.master out to join the one that is there",
        )
    session = there.newSession()
    known = dict(there.sparkContext.getConf().getAll())
    for key, value in options.conf.items():
        text = _text(value)
        if session.conf.isModifiable(key):
            session.conf.set(key, text)
        elif known.get(key) != text:
            raise PlanError(
                f"engine.conf.{key} can't be {text}: this process has a Spark that was started "
                f"{f'with {known[key]}' if key in known else 'without it'}",
                hint="run it in a process of its own",
            )
    return _set(session)


def _start(builder: Any, settings: EngineSettings, options: SparkOptions, log: Path) -> Any:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = options.master or f"local[{settings.threads or '*'}]"
    if master.startswith("spark://"):
        _reachable(master, "Spark master", 7077)
    _java()
    builder = builder.appName("sluiceway").master(master).config("spark.ui.enabled", "false")
    if master.startswith("local"):  # nobody else needs to reach the driver
        builder = builder.config("spark.driver.host", "127.0.0.1")
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "16")
    if settings.memory_limit is not None:
        builder = builder.config("spark.driver.memory", _megabytes(settings.memory_limit))
    if settings.spill is not None:
        builder = builder.config("spark.local.dir", str(settings.spill))
    with _quiet(log):
        session = _started(builder, options, "getOrCreate", log)
    logging.getLogger().addFilter(_not_of_py4j)
    session.sparkContext.setLogLevel("ERROR")
    return _set(session)


def _connected(options: SparkOptions) -> Any:
    """A session of a Connect server, which any number may have beside a Spark of the process's own."""
    assert options.remote is not None
    _reachable(options.remote, "Spark Connect server", 15002)
    try:
        with quiet_pandas():
            # not pyspark.sql's builder: it turns the whole process to Connect by an environment variable
            from pyspark.sql.connect.session import SparkSession as ConnectSession
    except ImportError as error:
        raise MissingExtraError.of("spark-connect", "Spark Connect") from error
    builder = ConnectSession.builder.remote(options.remote)
    session = _started(builder, options.model_copy(update={"conf": {}}), "create")
    for key, value in options.conf.items():
        if session.conf.isModifiable(key):
            session.conf.set(key, _text(value))
        elif session.conf.get(key, None) != _text(value):
            session.stop()
            raise PlanError(
                f"engine.conf.{key} can't be set over Spark Connect",
                hint="set it where the server is started",
            )
    return _set(session)


def _started(builder: Any, options: SparkOptions, how: str, log: Path | None = None) -> Any:
    from pyspark.errors import PySparkException

    for key, value in options.conf.items():
        builder = builder.config(key, _text(value))
    try:
        session = getattr(builder, how)()
    except PySparkException as error:
        raise EngineError(
            f"Spark did not start: {_first_line(error)}",
            hint=f"Spark's own log: {log}" if log else "look at the log of the Spark Connect server",
        ) from error
    # it logs each refused query with the JVM's whole trace; the exception that we translate says the same
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    return session


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _set(session: Any) -> Any:
    for key, value in SESSION.items():
        session.conf.set(key, value)
    return session


def executors_apart(session: Any) -> bool:
    """Whether the session's executors are processes of their own, so most often of other machines; those of
    a local Spark, or of a Connect server on one, are threads of the driver."""
    return not is_local(str(session.conf.get("spark.master", "local")))


def stop_session(session: Any) -> None:
    """Leave it. The last one to leave a Spark that was started here waits until its JVM is gone."""
    context = getattr(session, "_sc", None)
    if context is None:  # a Connect server's
        session.stop()
        return
    with _shared.lock:
        _shared.users -= 1
        if not _shared.users:
            _stop(session, context)


def _stop(session: Any, context: Any) -> None:
    logging.getLogger().removeFilter(_not_of_py4j)
    gateway = getattr(context, "_gateway", None)
    session.stop()
    process = getattr(gateway, "proc", None)
    if gateway is None or process is None:
        return
    from pyspark import SparkContext

    gateway.shutdown()
    process.stdin.close()  # the JVM ends when its standard input does
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # pyspark keeps the gateway for the process's life: without this the next session would speak to the
    # JVM that is gone
    SparkContext._gateway = None  # noqa: SLF001
    SparkContext._jvm = None  # noqa: SLF001


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """The JVM inherits our standard error and would write its log there: it gets a file instead."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(file, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(file)


def _java() -> None:
    """A Java that Spark 4 runs on."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    hint = f"install Java {_JAVA} or newer (apt-get install openjdk-{_JAVA}-jre-headless), or set JAVA_HOME"
    if java is None or not shutil.which(java):
        raise EngineError("Spark needs Java, and there is none", hint=hint)
    # the user's own JAVA_HOME or PATH says which program this is
    said = subprocess.run([java, "-version"], check=False, capture_output=True, text=True)  # noqa: S603
    version = java_version(said.stderr + said.stdout)
    if version is None or version < _JAVA:
        raise EngineError(
            f"Spark 4 needs Java {_JAVA}; {java} is {version or 'of no known version'}", hint=hint
        )


def java_version(text: str) -> int | None:
    """The feature release that ``java -version`` tells.

    >>> java_version('openjdk version "17.0.15" 2025-04-15'), java_version('java version "1.8.0_402"')
    (17, 8)
    """
    import re

    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None


def _reachable(url: str, what: str, port: int) -> None:
    """Spark itself waits for a minute and longer for a master that is not there."""
    address = url.split("://", 1)[1].split("/", 1)[0].split(";", 1)[0].split(",", 1)[0]
    host, _, number = address.rpartition(":")
    if not host:
        host, number = address, str(port)
    try:
        socket.create_connection((host.strip("[]"), int(number)), timeout=_WAIT).close()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no {what} answers at {host}:{number}: {error}",
            hint="is it running, and is engine.master or engine.remote right?",
        ) from error


def _megabytes(limit: str) -> str:
    from sluiceway.units import size

    return f"{max(512, size(limit) // 1_048_576)}m"


def _first_line(error: Exception) -> str:
    return " ".join(str(error).strip().split("\n")[0].split())[:400]
