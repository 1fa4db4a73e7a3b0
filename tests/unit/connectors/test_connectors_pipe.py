"""Rows through a pipe, and the DuckDB of one thread that writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from sluiceway.connectors.pipe import copy_pipe, of_one_thread
from sluiceway.duck import open_duckdb

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sealed(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    con = open_duckdb(threads=2)
    con.execute(f"COPY (SELECT range AS a FROM range(10)) TO '{tmp_path / 'in.csv'}'")
    inside, file = tmp_path / "inside", tmp_path / "in.csv"
    inside.mkdir()
    con.execute(f"SET allowed_directories = ['{inside}']")
    con.execute(f"SET allowed_paths = ['{file}']")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    return con


def test_one_thread_may_touch_what_the_engine_may_and_nothing_else(
    sealed: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "other.csv").write_text("secret\n")
    with of_one_thread(sealed, tmp_path / "inside", "icu") as own:
        assert own.execute("SELECT current_setting('threads')").fetchall() == [(1,)]
        with copy_pipe(own, f"FROM '{tmp_path / 'in.csv'}'", tmp_path / "inside", "FORMAT csv") as pipe:
            said = b"".join(bytes(chunk) for chunk in pipe.chunks())
        assert said.split() == [b"a", *(str(i).encode() for i in range(10))]
        for refused in (
            f"FROM '{tmp_path / 'other.csv'}'",
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            "SET enable_external_access = true",
            "SET threads = 2",
        ):
            with pytest.raises(duckdb.Error):
                own.execute(refused)
    with pytest.raises(duckdb.ConnectionException):
        own.execute("SELECT 1")


def test_many_bytes_come_whole_and_in_order(sealed: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """More than a pipe and its buffer hold: a chunk that was still in use would be overwritten."""
    rows = "SELECT range AS a FROM range(300000) ORDER BY a"
    with copy_pipe(sealed, rows, tmp_path / "inside", "FORMAT csv, HEADER false") as pipe:
        said = b"".join(bytes(chunk) for chunk in pipe.chunks())
    assert said == "".join(f"{i}\n" for i in range(300_000)).encode()
