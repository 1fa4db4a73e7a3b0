"""Real servers for the tests, and at the end of the run which of them there were.

A server starts when the first test asks for it, once a session (with pytest-xdist: once a worker).
``SLUICEWAY_SERVERS=off`` starts none: the tests that need one are skipped, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.emulators import Emulator
    from scripts.servers import Server

_RAN = pytest.StashKey[dict[str, str]]()
_NAMES = {"postgres": "PostgreSQL", "mariadb": "MariaDB", "spark": "Spark"}
_EMULATORS = {"snowflake": "Snowflake's emulator", "bigquery": "BigQuery's emulator"}


@pytest.fixture(autouse=True)
def _own_secrets() -> Iterator[None]:
    """What one test registers as a secret isn't cut out of the texts of the next."""
    from sluiceway import secrets

    before = set(secrets._values)
    yield
    secrets._values.intersection_update(before)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RAN] = {}


def _server(kind: str, config: pytest.Config) -> Iterator[Server]:
    name = _NAMES[kind]
    if os.environ.get("SLUICEWAY_SERVERS") == "off":
        pytest.skip(f"no {name}: SLUICEWAY_SERVERS=off")
    from scripts import servers

    try:
        server = servers.start(kind)
    except servers.ServerUnavailableError as error:
        pytest.skip(f"no {name}: {error}")
    config.stash[_RAN][name] = server.version
    with server:
        yield server


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A PostgreSQL: url, connect(), execute(), create_database(), stop(), kill(), restart()."""
    yield from _server("postgres", pytestconfig)


@pytest.fixture(scope="session")
def mariadb(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A MariaDB, with the same handle."""
    yield from _server("mariadb", pytestconfig)


@pytest.fixture(scope="session")
def spark(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A local session of Spark, as our engine opens it, which runs then share. Its JVM is gone
    afterwards."""
    if os.environ.get("SLUICEWAY_SERVERS") == "off":
        pytest.skip("no Spark: SLUICEWAY_SERVERS=off")
    pyspark = pytest.importorskip("pyspark", reason="no Spark: pyspark is not installed")
    from scripts import servers

    from sluiceway.engines.base import EngineSettings
    from sluiceway.engines.spark_session import open_session, stop_session

    try:
        servers.install("java")
    except servers.ServerUnavailableError as error:
        pytest.skip(f"no Spark: {error}")
    conf = {"spark.sql.shuffle.partitions": "2", "spark.default.parallelism": "2"}
    settings = EngineSettings("spark", memory_limit="1GB", options={"master": "local[2]", "conf": conf})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyspark's own, about versions of pandas
        session, _ = open_session(settings, tmp_path_factory.mktemp("spark") / "spark.log")
    pytestconfig.stash[_RAN]["Spark"] = pyspark.__version__
    process = session.sparkContext._gateway.proc
    yield session
    stop_session(session)
    assert process.poll() is not None, "the JVM outlived its session"


def _emulator(kind: str, config: pytest.Config) -> Iterator[Emulator]:
    name = _EMULATORS[kind]
    if os.environ.get("SLUICEWAY_SERVERS") == "off":
        pytest.skip(f"no {name}: SLUICEWAY_SERVERS=off")
    from scripts import emulators
    from scripts.servers import ServerUnavailableError

    with contextlib.ExitStack() as stack:
        try:
            emulator = stack.enter_context(emulators.start(kind))
        except ServerUnavailableError as error:
            pytest.skip(f"no {name}: {error}")
        made_of = emulators.KINDS[kind]
        config.stash[_RAN][name] = (*made_of.alone, *made_of.packages)[0]
        yield emulator


@pytest.fixture(scope="session")
def snowflake(pytestconfig: pytest.Config) -> Iterator[Emulator]:
    """An emulator of Snowflake, for the connector of the extra."""
    pytest.importorskip(
        "snowflake.connector.version", reason="no Snowflake's emulator: its connector is not here"
    )
    yield from _emulator("snowflake", pytestconfig)


@pytest.fixture(scope="session")
def bigquery(pytestconfig: pytest.Config) -> Iterator[Emulator]:
    """An emulator of BigQuery: port, and the port of its Storage Read API in the file ``storage``."""
    pytest.importorskip("google.cloud.bigquery", reason="no BigQuery's emulator: its client is not here")
    yield from _emulator("bigquery", pytestconfig)


@pytest.fixture
def bigquery_keys(bigquery: Emulator) -> dict[str, str]:
    """The connection to a project that holds nothing. It is one for all tests: with each more the emulator
    gets slower."""
    from sluiceway.connectors.bqclient import BigQueryKeys, BqServer

    keys = {
        "project": "tests",
        "api_endpoint": f"http://{bigquery.host}:{bigquery.port}",
        "storage_endpoint": f"{bigquery.host}:{(bigquery.folder / 'storage').read_text()}",
    }
    server = BqServer(BigQueryKeys(**keys))
    server.rows("SELECT 1")
    for dataset in server.client.list_datasets(include_all=True):
        server.client.delete_dataset(dataset.reference, delete_contents=True)
    server.close()
    return keys


@pytest.fixture
def postgres_url(postgres: Server) -> str:
    """A database of the test's own."""
    return postgres.url_of(postgres.create_database())


@pytest.fixture
def mariadb_url(mariadb: Server) -> str:
    """A database of the test's own."""
    return mariadb.url_of(mariadb.create_database())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist tells the controller, which writes the summary."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["servers"] = session.config.stash[_RAN]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    node.config.stash[_RAN].update(getattr(node, "workeroutput", {}).get("servers", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    missed: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for name in (*_NAMES.values(), *_EMULATORS.values()):
            if f"no {name}:" in reason:
                missed[name] = missed.get(name, 0) + 1
    lines = [f"{name} {version}" for name, version in sorted(config.stash[_RAN].items())]
    lines += [f"no {name}: {count} tests skipped" for name, count in sorted(missed.items())]
    if lines:
        terminalreporter.section("servers")
        for line in lines:
            terminalreporter.write_line(line)
