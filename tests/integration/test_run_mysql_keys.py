"""MariaDB joins by an index or row by row: a merge of some thousand rows must not read millions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import BEFORE, TO_MARIADB, into, write_parquet

if TYPE_CHECKING:
    from scripts.servers import Server
    from tests.integration.conftest import ProjectOnDisk


@pytest.mark.mysql
@pytest.mark.parametrize("mode", ["merge", "scd2"])
@pytest.mark.parametrize("key", ["id", "name", "id, name"])
def test_mariadb_finds_rows_by_their_key_and_does_not_compare_each_with_each(
    mariadb: Server, maria: str, make_project: Any, mode: str, key: str
) -> None:
    rows = 3000
    text = into(mode).replace("primary_key: id", f"primary_key: [{key}]")
    project: ProjectOnDisk = make_project({"pipelines/a.yml": text}, settings=TO_MARIADB)
    for day in ("2026-01-01", "2026-01-02"):
        batch = [(i, f"n{i}", i + int(day[-1]), day) for i in range(rows)]
        write_parquet(project.folder / "data/a.parquet", batch)
        before = rows_read(mariadb)
        assert project.run("a").error is None
        assert rows_read(mariadb) - before < 300 * rows  # each with each would be 9 million, several times
    expected = rows if mode == "merge" else 2 * rows
    assert project.query("SELECT count(*), count(DISTINCT id) FROM {t}", "mart.a") == [(expected, rows)]


def rows_read(server: Server) -> int:
    """Rows that all statements of the server have read so far."""
    found = server.execute("SHOW GLOBAL STATUS LIKE 'Handler_read%'")
    return sum(int(value) for _, value in found)


@pytest.mark.mysql
def test_a_table_without_an_index_on_its_key_is_told_how_to_get_one(
    mariadb: Server, maria: str, make_project: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mariadb.execute(
        "CREATE DATABASE mart", "CREATE TABLE mart.a (id bigint, name longtext COLLATE utf8mb4_bin)"
    )
    text = into("merge").replace(", version: seen", "").replace("primary_key: id", "primary_key: [id, name]")
    text = text.replace("rules:", "transform:\n          - select: [id, name]\n        rules:")
    text = text.replace("range: {column: v, min: 0}", "not_null: id")
    project: ProjectOnDisk = make_project({"pipelines/a.yml": text}, settings=TO_MARIADB)
    write_parquet(project.folder / "data/a.parquet", BEFORE)
    assert project.run("a").error is None
    (told,) = [r.getMessage() for r in caplog.records if "no index" in r.getMessage()]
    mariadb.execute(told.partition("type in mysql: ")[2])
    caplog.clear()
    assert project.run("a").error is None
    assert not [r for r in caplog.records if "no index" in r.getMessage()]
    assert project.rows("mart.a", "id") == [(1,), (2,), (3,)]
