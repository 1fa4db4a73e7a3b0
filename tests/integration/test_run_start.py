"""What a small run must not pay for. Seconds depend on the machine, so what is imported is asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sluiceway import duck

HEAVY = {
    "alembic": "a store that is up to date needs no migration",
    "numpy": "comes with pyarrow and pandas",
    "pandas": "duckdb imports it to bind a parameter",
    "psycopg": "of another warehouse",
    "pyarrow": "rows stay in DuckDB, and plain files are opened by Python",
    "pymysql": "of another warehouse",
    "rich": "only a terminal shows it",
    "sluiceway.connectors.mysql": "of another warehouse",
    "sluiceway.connectors.postgres": "of another warehouse",
    "sluiceway.store.queue": "nobody orchestrates it, and no run went wrong before",
    "sqlalchemy.dialects.postgresql": "of another store; it brings asyncio along",
}

SETTINGS = (
    "TimeZone", "allow_unsigned_extensions", "autoinstall_known_extensions", "autoload_known_extensions",
    "enable_external_access", "preserve_insertion_order", "python_enable_replacements",
)  # fmt: skip

PIPELINE = """\
pipeline: small
sources:
  small: {type: csv, path: data/small.csv}
transform:
  - derive: {twice: amount * 2}
rules:
  - not_null: id
  - accepted_values: {column: status, values: [paid, shipped]}
  - range: {column: amount, min: 0}
    on_fail: quarantine
destination: {table: mart.small}
"""

PROGRAM = """\
import json, sys
from sluiceway.cli.app import invoke
code = invoke(["run", "small", "--json"])
print("\\n" + json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""


@pytest.fixture
def small(make_project):
    rows = "".join(f"{n},paid,{n}.50,2026-01-0{n} 10:00:00\n" for n in range(1, 10))
    data = f"id,status,amount,at\n{rows}10,shipped,-1,\n"
    return make_project({"data/small.csv": data, "pipelines/small.yml": PIPELINE})


def run_and_list(project) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=project.folder, env=dict(os.environ), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def test_a_small_run_imports_nothing_that_it_does_not_use(small):
    """The first run makes lake and store, the second finds them, and rows go to quarantine in both."""
    for published in (9, 18):
        seen = run_and_list(small)
        assert seen["code"] == 0
        assert {name: why for name, why in HEAVY.items() if name in seen["modules"]} == {}
        assert small.query("SELECT count(*) FROM {t}", "mart.small") == [(published,)]


def test_the_instance_opened_ahead_is_taken_once_and_is_like_any_other():
    duck.open_ahead(("sqlite_scanner",))
    plain = duck.open_duckdb()  # who does not ask for it does not get it
    ahead = duck.open_duckdb(ahead=True, threads=1, memory_limit="100MB")
    other = duck.open_duckdb(ahead=True)
    loaded = "SELECT loaded FROM duckdb_extensions() WHERE extension_name = 'sqlite_scanner'"
    settings = f"SELECT name, value FROM duckdb_settings() WHERE name IN {SETTINGS} ORDER BY name"
    try:
        assert [con.execute(loaded).fetchall()[0][0] for con in (plain, ahead, other)] == [False, True, False]
        assert ahead.execute("SELECT current_setting('threads')").fetchall() == [(1,)]
        kept = ahead.execute(settings).fetchall()
        assert len(kept) == len(SETTINGS)
        assert kept == plain.execute(settings).fetchall()
        assert dict(kept)["allow_unsigned_extensions"] == "false"
    finally:
        for con in (plain, ahead, other):
            con.close()


def test_what_can_not_be_loaded_ahead_is_told_where_it_is_needed():
    duck.open_ahead(("no_such_extension",))
    con = duck.open_duckdb(ahead=True)
    try:
        assert con.execute("SELECT 1").fetchall() == [(1,)]
    finally:
        con.close()
