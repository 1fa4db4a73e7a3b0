"""Opening: fresh, at once by many, up to date, older, newer, damaged, unreachable; and the migrations."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ConfigError, StoreError
from sluiceway.store.store import Store
from sluiceway.store.tables import REVISION

MANY = """
import sys
from datetime import datetime
from sluiceway.store.store import Store
sys.stdin.readline()
with Store.open(sys.argv[1]) as store:
    for n in range(5):
        store.begin_run(f"{sys.argv[2]}-{n}", "p", "dev", datetime(2026, 1, 2))
"""


def together(url: str, count: int) -> list[str]:
    """``count`` processes that open the same store at the same moment; what they complained of."""
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, url, str(n)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(count)
    ]  # fmt: skip
    for one in crowd:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = []
    for one in crowd:
        _, err = one.communicate(timeout=120)
        if one.returncode:
            said.append(err)
    return said


def test_eight_processes_open_a_fresh_store_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/metadata.db"
    assert together(url, 8) == []
    with Store.open(url) as store:
        assert len(store.runs(limit=None)) == 40


def test_an_up_to_date_store_opens_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    code = (
        "import sys; from sluiceway.store.store import Store; Store.open(sys.argv[1]).close();"
        "print('alembic' in sys.modules, 'duckdb' in sys.modules, 'pyarrow' in sys.modules)"
    )
    for _ in range(2):  # fresh, then there
        out = subprocess.run(
            [sys.executable, "-c", code, url], capture_output=True, text=True, check=True, timeout=60
        )
        assert out.stdout.split() == ["False", "False", "False"]


def test_sqlite_is_set_up_to_be_shared(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/m.db") as store, store._engine.connect() as con:
        found = [
            con.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        ]
    assert found == ["wal", 30_000, 1, 1]


def migrated(url: str) -> Any:
    """A store that the migrations made, not ``create_all``."""
    from sluiceway.store import upgrade
    from sluiceway.store.connect import connect

    engine = connect(url)
    upgrade.migrate(engine)
    return engine


def differences(url: str) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from sluiceway.store.tables import metadata, version

    engine = migrated(url)
    with engine.begin() as con:
        options = {"version_table": version.name, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(con, opts=options), metadata)
    engine.dispose()
    return list(found)


def test_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    assert differences(f"sqlite:///{tmp_path}/m.db") == []


def test_a_fresh_store_is_what_the_migrations_make(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path}/made.db").close()
    migrated(f"sqlite:///{tmp_path}/migrated.db").dispose()

    def shape(name: str) -> dict[str, Any]:
        con = sqlite3.connect(tmp_path / name)
        try:
            tables = [r[0] for r in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                table: [
                    sorted(con.execute(f'PRAGMA {what}("{table}")').fetchall(), key=str)
                    for what in ("table_info", "index_list", "foreign_key_list")
                ]
                for table in tables
            } | {"version": con.execute("SELECT version_num FROM sluiceway_version").fetchall()}
        finally:
            con.close()

    made, other = shape("made.db"), shape("migrated.db")
    assert sorted(made) == sorted(other)
    for table, facts in made.items():
        assert _unordered(facts) == _unordered(other[table]), table


def _unordered(facts: Any) -> Any:
    """Without the sequence numbers that SQLite gives to indexes and keys."""
    if facts and isinstance(facts[0], list):
        columns, indexes, keys = facts
        return columns, sorted(i[1:] for i in indexes), sorted(k[2:] for k in keys)
    return facts


def test_the_revision_in_code_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    from sluiceway.store import upgrade

    script = ScriptDirectory(str(upgrade._MIGRATIONS))
    assert script.get_heads() == [REVISION]
    assert all(revision.revision.isdigit() for revision in script.walk_revisions())


def test_an_older_store_is_upgraded_with_what_it_holds(tmp_path: Path) -> None:
    """A store of the first version, with a run and its check, opened by this one."""
    from sluiceway.store import upgrade
    from sluiceway.store.connect import connect

    url = f"sqlite:///{tmp_path}/m.db"
    engine = connect(url)
    upgrade.migrate(engine, "0001")
    engine.dispose()
    con = sqlite3.connect(tmp_path / "m.db")
    assert con.execute("SELECT version_num FROM sluiceway_version").fetchall() == [("0001",)]
    con.execute(
        "INSERT INTO runs (id, pipeline, environment, kind, status, attempt, started_at, updated_at,"
        " quarantined)"
        " VALUES ('r', 'p', 'dev', 'run', 'succeeded', 1, '2026-01-02', '2026-01-02', 3)"
    )
    con.execute(
        """INSERT INTO checks (run_id, position, check_id, rule, phase, source, columns, dimension, severity,
               on_fail, passed, proven, message)
           VALUES ('r', 0, 'not_null:a', 'not_null', 'gate', '', '["a"]', 'completeness', 'error', 'block',
               1, 0, 'fine')"""
    )
    con.commit()
    con.close()
    with Store.open(url) as store:
        run = store.run("r")
        assert (run["status"], run["records"]["quarantined"]) == ("succeeded", 3)
        assert [(c["id"], c["shadow"]) for c in run["checks"]] == [("not_null:a", False)]
    con = sqlite3.connect(tmp_path / "m.db")
    assert con.execute("SELECT version_num FROM sluiceway_version").fetchall() == [(REVISION,)]
    assert con.execute("PRAGMA foreign_key_check").fetchall() == []
    con.close()


@pytest.mark.parametrize("newer", ["9999", "abc"])
def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path, newer: str) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    Store.open(url).close()
    con = sqlite3.connect(tmp_path / "m.db")
    with con:
        con.execute("UPDATE sluiceway_version SET version_num = ?", [newer])
    with pytest.raises(StoreError, match=f"schema {newer}") as refused:
        Store.open(url)
    assert refused.value.hint == "pip install --upgrade sluiceway"
    assert con.execute("SELECT version_num FROM sluiceway_version").fetchall() == [(newer,)]
    con.close()


def test_a_damaged_file_says_so_and_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="not a database") as damaged:
        Store.open(f"sqlite:///{path}")
    assert "mv" in str(damaged.value.hint)
    assert path.read_bytes() == b"this is no database" * 100


def test_a_file_that_another_program_made_is_refused_and_left_alone(tmp_path: Path) -> None:
    con = sqlite3.connect(tmp_path / "m.db")
    with con:
        con.execute("CREATE TABLE runs (a)")
    con.close()
    with pytest.raises(StoreError, match="another program's tables"):
        Store.open(f"sqlite:///{tmp_path}/m.db")
    con = sqlite3.connect(tmp_path / "m.db")
    assert con.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    names = [row[0] for row in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    con.close()
    assert names == ["runs"]  # nothing of ours was left half made


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be made") as refused:
        Store.open(f"sqlite:///{tmp_path}/file/m.db")
    assert "metadata: in sluiceway.yml" in str(refused.value.hint)


def as_nobody(url: str) -> str:
    """What opening says to a user without rights, in a process of its own."""
    import sqlalchemy.dialects.sqlite  # noqa: F401  the child can't read our packages, perhaps

    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        said = "opened"
        try:
            os.setgid(65534)
            os.setuid(65534)
            with Store.open(url) as store:
                store.mark("r", "failed")
        except StoreError as error:
            said = f"{error.message} | {error.hint}"
        finally:
            os.write(write, said.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_folder_that_may_not_be_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))  # pytest's own folders are closed to other users
    try:
        folder.chmod(0o755)
        assert "writable" in as_nobody(f"sqlite:///{folder}/m.db")
        Store.open(f"sqlite:///{folder}/m.db").close()
        assert "writable" in as_nobody(f"sqlite:///{folder}/m.db")
        assert "writable" in as_nobody(f"sqlite:///{folder}/deeper/m.db")
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "is not a database URL"),
        ("mysql+pymysql://u:p@h/d", "can't live in mysql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql+nothing://u:p@h/d", "no driver"),
    ],
)
def test_urls_that_cannot_be_a_store(url: str, message: str) -> None:
    with pytest.raises((StoreError, ConfigError), match=message) as refused:
        Store.open(url)
    assert "sqlite:///FILE" in str(refused.value.hint)


def test_an_unreachable_server_shows_no_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as refused:
        Store.open("postgresql+psycopg://bob:hunter2secret@127.0.0.1:9/nowhere?connect_timeout=2")
    assert "hunter2secret" not in str(refused.value)
    assert "check that the server runs" in str(refused.value.hint)
    assert refused.value.__cause__ is None


def test_a_writer_takes_the_lock_before_it_reads_and_a_reader_takes_none(tmp_path: Path) -> None:
    """One that read first would not wait for another writer, but fail."""
    with Store.open(f"sqlite:///{tmp_path}/m.db") as store:
        other = sqlite3.connect(tmp_path / "m.db", timeout=0, isolation_level=None)
        with store._write() as con:
            con.exec_driver_sql("SELECT count(*) FROM runs")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        with store._read() as con:
            con.exec_driver_sql("SELECT count(*) FROM runs")
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        other.close()
