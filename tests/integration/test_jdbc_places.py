"""Working tables that others write into: shut once nobody writes, each row once, nothing left behind."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import context

from sluiceway import plugins
from sluiceway.errors import DestinationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.servers import Server

KINDS = [
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("mysql", marks=pytest.mark.mysql),
]
COLUMNS = [("c0", "bigint"), ("_number", "bigint")]


@pytest.fixture
def server(request: pytest.FixtureRequest, kind: str) -> Server:
    found: Server = request.getfixturevalue("postgres" if kind == "postgres" else "mariadb")
    return found


@pytest.fixture
def database(server: Server) -> str:
    return server.create_database()


@pytest.fixture
def room(kind: str, server: Server, database: str, tmp_path: Path) -> Iterator[Any]:
    """``room()``: a workroom of a sink, left at the end if the test did not."""
    connector = plugins.load("connectors", kind)
    config = connector.sink_config.model_validate({"type": kind, "url": server.url_of(database)})
    with closing(connector.sink(config, context(tmp_path))) as sink:
        made: list[Any] = []

        def make() -> Any:
            made.append(sink._workroom())
            return made[-1]

        yield make
        for one in made:
            one.leave()


def working(server: Server, database: str) -> int:
    sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = '_sluiceway_work'"
    return int(server.execute(sql, database=database)[0][0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_shut_when_nobody_writes_and_who_comes_late_finds_none(
    server: Server, database: str, room: Any
) -> None:
    place = room()
    table = place.blank("rows", COLUMNS)
    with server.connect(database=database) as late:
        cursor = late.cursor()
        cursor.execute("BEGIN")
        cursor.execute(f"INSERT INTO {table} VALUES (1, 1)")
        with pytest.raises(DestinationError):
            place.sealed("rows", 1.0)
        cursor.execute("COMMIT")
        sealed = place.sealed("rows", 5.0)
        assert place.ask(f"SELECT * FROM {sealed}") == [(1, 1)]
        with pytest.raises(Exception, match=r"(?i)(not|n.t) exist"):
            cursor.execute(f"INSERT INTO {table} VALUES (2, 2)")
    assert place.ask(f"SELECT * FROM {sealed}") == [(1, 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_there_twice_go(server: Server, database: str, room: Any) -> None:
    place = room()
    table = place.blank("rows", COLUMNS)
    server.execute(
        f"INSERT INTO {table} VALUES (7, 1), (7, 2), (7, 1), (NULL, 3), (NULL, 3)", database=database
    )
    place.sealed("rows", 5.0)
    once = place.distinct("rows")
    assert place.ask(f"SELECT * FROM {once} ORDER BY _number") == [(7, 1), (7, 2), (None, 3)]
    place.leave()
    assert working(server, database) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_dead_session_left_goes_and_what_a_living_one_has_stays(
    server: Server, database: str, room: Any
) -> None:
    living, dead = room(), room()
    kept = living.blank("rows", COLUMNS)
    dead.blank("rows", COLUMNS)
    dead._con.close()
    room()
    assert working(server, database) == 1
    assert living.ask(f"SELECT count(*) FROM {kept}") == [(0,)]
