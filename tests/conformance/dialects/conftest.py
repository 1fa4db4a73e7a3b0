"""The engines with the edge table, once a session (with pytest-xdist: once a worker)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.dialects.engines import BigQuery, Duck, Engine, MariaDB, Postgres, Snowflake, Spark
from tests.integration.snowflakes import keys

from sluiceway.connectors.sfclient import SfServer, SnowflakeKeys
from sluiceway.connectors.sfsession import SfSession
from sluiceway.sql.sessions import POSTGRES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.emulators import Emulator
    from scripts.servers import Server


@pytest.fixture(scope="session")
def duck() -> Duck:
    return Duck()


@pytest.fixture(scope="session")
def spark_engine(spark: Any, duck: Duck, tmp_path_factory: pytest.TempPathFactory) -> Spark:
    file = tmp_path_factory.mktemp("spark") / "edge.parquet"
    duck.parquet(file)
    return Spark(spark, file)


@pytest.fixture(scope="module")  # another module may kill the server
def postgres_engine(postgres: Server, duck: Duck) -> Iterator[Postgres]:
    with postgres.connect(postgres.create_database()) as connection:
        yield Postgres(connection, duck, POSTGRES)


@pytest.fixture(scope="module")  # another module may kill the server
def mariadb_engine(mariadb: Server, duck: Duck) -> Iterator[MariaDB]:
    connection = mariadb.connect(mariadb.create_database())
    try:
        yield MariaDB(connection, duck, ("SET time_zone = '+00:00'", "SET sql_mode = 'STRICT_ALL_TABLES'"))
    finally:
        connection.close()


@pytest.fixture(scope="session")
def snowflake_engine(
    snowflake: Emulator, duck: Duck, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Snowflake]:
    config = SnowflakeKeys.model_validate({**keys(snowflake), "network_timeout": 4})
    session = SfSession(SfServer.of(config), "tests")
    try:
        yield Snowflake(session, duck, tmp_path_factory.mktemp("snowflake"))
    finally:
        session.close()


@pytest.fixture(scope="session")
def bigquery_engine(bigquery: Emulator, duck: Duck, tmp_path_factory: pytest.TempPathFactory) -> BigQuery:
    pytest.importorskip("google.cloud.bigquery")
    from sluiceway.connectors.bqclient import BigQueryKeys, BqServer

    endpoint = f"http://{bigquery.host}:{bigquery.port}"
    keys = BigQueryKeys(project="dialects", dataset="edge", api_endpoint=endpoint)
    return BigQuery(BqServer(keys), duck, tmp_path_factory.mktemp("bigquery"))


@pytest.fixture(params=["spark", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in its turn."""
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found
