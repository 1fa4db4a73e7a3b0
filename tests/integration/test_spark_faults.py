"""What goes wrong with Spark: nobody answers, no Java, a killed driver, a full disk. Each is told clearly,
and leaves the destination as it was."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.badinput import refused, sluiceway
from tests.integration.killing import ROOT
from tests.integration.spark_cluster import free_port, until
from tests.integration.spark_parity import SETTINGS, on_both

from sluiceway.duck import open_duckdb
from sluiceway.engines.base import EngineSettings
from sluiceway.engines.spark_session import open_session
from sluiceway.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("pyspark", reason="no Spark: pyspark is not installed")

PIPELINE = """\
pipeline: a
sources: {a: {type: parquet, path: data}}
rules:
  - not_null: id
  - unique: id
  - range: {column: v, min: 3}
    on_fail: quarantine
destination: {table: mart.a, mode: append}
"""
LAKE = """\
project: test
environments:
  dev:
    engine: ENGINE
    warehouse: {type: ducklake, path: lake}
"""
_CODE = "import sys; from sluiceway.cli.app import invoke; sys.exit(invoke(sys.argv[1:]))"


def _data(folder: Path, rows: int = 100) -> None:
    folder.mkdir(exist_ok=True)
    with open_duckdb() as con:
        con.execute(
            f"COPY (SELECT range AS id, range % 100 AS v, sha256(range::VARCHAR) AS text FROM range({rows})) "
            f"TO '{folder}/a.parquet'"
        )


def _begin(folder: Path, **env: str) -> subprocess.Popen[str]:
    """``sluiceway run a`` in a process of its own: the tests' has a Spark already."""
    return subprocess.Popen(
        [sys.executable, "-c", _CODE, "run", "a", "--project", str(folder), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **env},
    )  # fmt: skip


def _ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, json.loads(out)


# what is told before anything runs --------------------------------------------------------------------


def test_a_master_that_nobody_answers_for(make_project: Any) -> None:
    port = free_port()
    engine = f'{{type: spark, master: "spark://127.0.0.1:{port}"}}'
    project = make_project({"pipelines/a.yml": PIPELINE}, settings=LAKE.replace("ENGINE", engine))
    _data(project.folder / "data")
    began = time.monotonic()
    code, document = _ended(_begin(project.folder))
    error = document["error"]
    assert (code, error["type"]) == (1, "EngineError")
    assert f"no Spark master answers at 127.0.0.1:{port}" in error["message"]
    assert "engine.master" in error["hint"]
    assert time.monotonic() - began < 30  # Spark itself would try for a minute


def test_a_connect_server_that_nobody_answers_for(make_project: Any) -> None:
    port = free_port()
    engine = f'{{type: spark, remote: "sc://127.0.0.1:{port}/;token=sesame"}}'
    project = make_project({"pipelines/a.yml": PIPELINE}, settings=LAKE.replace("ENGINE", engine))
    _data(project.folder / "data")
    told = sluiceway(project.folder, "run", "a")
    refused(told, 1, "EngineError", f"no Spark Connect server answers at 127.0.0.1:{port}", "engine.remote")
    assert "sesame" not in json.dumps(told.document)


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("{type: spark, mastre: local}", ["engine.mastre", "did you mean 'master'?", "sluiceway.yml"]),
        ("{type: spark, thread: 2}", ["engine.thread", "did you mean 'threads'?"]),
        ("{type: sparc}", ["there is no engine 'sparc'", "did you mean 'spark'?", "engine.type"]),
        ('{type: spark, master: "local", remote: "sc://a"}', ["both master and remote"]),
        ("{type: spark, master: yarn}", ["'yarn' is not supported", "engine.master"]),
        ("{type: spark, remote: localhost}", ["sc://HOST:PORT", "engine.remote"]),
        ("{type: spark, deploy_mode: cluster}", ["engine.deploy_mode", "client"]),
        ("{type: spark, conf: {spark.sql.ansi.enabled: false}}", ["spark.sql.ansi.enabled", "leave it out"]),
    ],
)
def test_keys_that_are_wrong_are_told_with_their_line(
    make_project: Any, engine: str, words: list[str]
) -> None:
    project = make_project({"pipelines/a.yml": PIPELINE}, settings=LAKE.replace("ENGINE", engine))
    told = sluiceway(project.folder, "run", "a")
    assert told.code == 2
    read = json.dumps(told.document["error"])
    for word in words:
        assert word in read, (word, read)
    assert told.error["where"]["line"] == 4


def test_editors_and_the_page_know_the_keys() -> None:
    from sluiceway.spec.docs import settings
    from sluiceway.spec.jsonschema import project_schema

    assert set(settings()["engine type: spark"]) == {"master", "remote", "conf", "staging", "deploy_mode"}
    jsonschema = pytest.importorskip("jsonschema")
    schema = project_schema()

    def fits(engine: dict[str, Any]) -> bool:
        document = {"project": "a", "environments": {"dev": {"engine": engine}}}
        return bool(jsonschema.Draft202012Validator(schema).is_valid(document))

    assert fits({"type": "spark", "master": "local[2]", "conf": {"spark.jars": "a.jar"}, "threads": 2})
    assert fits({"type": "of_a_plugin", "threads": 2})
    assert not fits({"type": "of_a_plugin", "anything": 1})
    assert not fits({"type": "spark", "mastre": "local[2]"})


def _path_with(folder: Path, java: str | None) -> dict[str, str]:
    """A PATH with nothing but the shell's needs, and perhaps a java."""
    bin_ = folder / "bin"
    bin_.mkdir()
    for name in ("sh", "bash", "cat", "dirname"):
        (bin_ / name).symlink_to(shutil.which(name) or "/bin/sh")
    if java is not None:
        (bin_ / "java").write_text(f"#!/bin/sh\necho '{java}' >&2\n")
        (bin_ / "java").chmod(0o755)
    return {"PATH": str(bin_), "JAVA_HOME": ""}


@pytest.mark.parametrize(
    ("java", "said"),
    [
        (None, "Spark needs Java, and there is none"),
        ('openjdk version "11.0.22" 2024-01-16', "is 11"),
        ('java version "1.8.0_402"', "is 8"),
        ("I am no java", "of no known version"),
    ],
)
def test_no_java_or_one_that_is_too_old(make_project: Any, java: str | None, said: str) -> None:
    project = make_project(
        {"pipelines/a.yml": PIPELINE}, settings=LAKE.replace("ENGINE", '{type: spark, master: "local[1]"}')
    )
    _data(project.folder / "data")
    code, document = _ended(_begin(project.folder, **_path_with(project.folder, java)))
    assert (code, document["error"]["type"]) == (1, "EngineError")
    assert said in document["error"]["message"]
    assert "Java 17" in document["error"]["hint"]


def test_a_java_home_without_java(make_project: Any) -> None:
    project = make_project({"pipelines/a.yml": PIPELINE}, settings=LAKE.replace("ENGINE", "spark"))
    _data(project.folder / "data")
    code, document = _ended(_begin(project.folder, JAVA_HOME=str(project.folder)))
    assert (code, document["error"]["type"]) == (1, "EngineError")
    assert "JAVA_HOME" in document["error"]["hint"]


# a Spark that the process has -------------------------------------------------------------------------


@pytest.mark.spark
def test_settings_that_the_running_spark_lacks_are_not_passed_over(spark: Any, tmp_path: Path) -> None:
    def opened(conf: dict[str, Any]) -> Any:
        return open_session(
            EngineSettings("spark", options={"master": "local[2]", "conf": conf}), tmp_path / "log"
        )

    with pytest.raises(PlanError, match=r"engine.conf.spark.jars can't be a.jar"):
        opened({"spark.jars": "a.jar"})
    session, ours = opened({"spark.sql.shuffle.partitions": 3})
    assert session.conf.get("spark.sql.shuffle.partitions") == "3"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"  # the others keep theirs
    assert ours
    from sluiceway.engines.spark_session import stop_session

    stop_session(session)
    assert spark.sql("SELECT 1").collect()[0][0] == 1, "whoever leaves first must not stop it for the rest"


# a driver that dies -----------------------------------------------------------------------------------


def _java_of(pid: int) -> int | None:
    """The JVM that a process started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, rest = stat.read_text().split(" (", 1)[1].rsplit(") ", 1)
            if int(rest.split()[1]) == pid and name == "java":
                return int(stat.parent.name)
    return None


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")
    except OSError:
        return True


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_driver_killed_in_the_middle(make_project: Any, number: signal.Signals) -> None:
    rows = 1_500_000
    project = make_project(
        {"pipelines/a.yml": PIPELINE},
        settings=LAKE.replace("ENGINE", '{type: spark, master: "local[1]", memory_limit: 1GB}'),
    )
    _data(project.folder / "data")
    code, first = _ended(_begin(project.folder))
    assert (code, first["records"]["published"]) == (0, 97)
    before = project.rows("mart.a")
    (project.folder / "data/a.parquet").unlink()
    with open_duckdb() as con:  # further ids, so that a batch that came twice would show
        con.execute(
            f"COPY (SELECT range + 1000 AS id, range % 100 AS v, sha256(range::VARCHAR) AS text "
            f"FROM range({rows})) TO '{project.folder}/data/b.parquet'"
        )
    running = _begin(project.folder)
    staging = project.folder / ".sluiceway/staging"
    until(
        lambda: bool(list(staging.glob("*/result/**/*.parquet"))) or running.poll() is not None,
        "Spark to stage", seconds=180,
    )  # fmt: skip
    assert not list(staging.glob("*/result/_SUCCESS")), "it was over already"
    java = _java_of(running.pid)
    assert java is not None
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert "Traceback" not in err, err
    if number == signal.SIGTERM:
        assert running.returncode == 1
        assert json.loads(out)["error"]["type"] == "CancelledError"
    until(lambda: _gone(java), "the JVM to go", seconds=20)
    assert project.rows("mart.a") == before
    code, again = _ended(_begin(project.folder))
    assert (code, again["error"]) == (0, None)
    good = rows * 97 // 100
    assert (again["records"]["staged"], again["records"]["published"]) == (rows, good)
    found = project.query("SELECT count(*), count(DISTINCT id), min(v) FROM {t}", "mart.a")
    assert found == [(97 + good, 97 + good, 3)]
    assert project.query("SELECT count(*) FROM {q}") == [(3 + rows - good,)]
    assert list(staging.glob("*/")) == []


# a full disk ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 4 MB, where we may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs root and the right to mount, for a disk that fills up")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
def test_a_disk_that_fills_up_while_staging(make_project: Any) -> None:
    project = make_project({"pipelines/a.yml": PIPELINE})
    _data(project.folder / "data", 300_000)
    with _small_disk(project.folder / "small") as small:
        engine = f'{{type: spark, master: "local[2]", staging: {small}}}'
        project.write("sluiceway.yml", LAKE.replace("ENGINE", engine))
        told = sluiceway(project.folder, "run", "a")
        error = refused(told, 1, "EngineError", "No space left", "free some disk")
        assert told.records["published"] == 0
        assert len(error["message"]) < 800
        assert not project.exists("mart.a")
        assert list(small.iterdir()) == [], "what was staged is still there"
    _data(project.folder / "data", 1000)
    project.write("sluiceway.yml", LAKE.replace("ENGINE", '{type: spark, master: "local[2]"}'))
    assert sluiceway(project.folder, "run", "a").code == 0
    assert project.query("SELECT count(*) FROM {t}", "mart.a") == [(970,)]


# the user's own Python --------------------------------------------------------------------------------

STEPS = """\
import pyarrow as pa


def add(batches):
    for batch in batches:
        if 7 in batch["id"].to_pylist():
            raise ValueError("seven is not wanted")
        yield batch


def keep(batches):
    yield from batches
"""


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
def test_a_python_step_that_raises_is_told_with_its_line(make_project: Any) -> None:
    """On executors it is another process that raises: the place in the user's file comes along."""
    text = PIPELINE.replace("rules:", "transform:\n  - python: {function: 'steps:add'}\nrules:", 1)
    project = make_project({"pipelines/a.yml": text, "steps.py": STEPS}, settings=SETTINGS)
    _data(project.folder / "data", 10)
    both = on_both(project)
    ours, theirs = both.embedded.error, both.refused()
    assert ours is not None
    assert type(theirs) is type(ours)
    assert theirs.message == "the python step steps:add failed: ValueError: seven is not wanted"
    assert theirs.message in ours.message
    assert theirs.hint == "look at steps.py:7"
    project.write("pipelines/a.yml", text.replace("steps:add", "steps:keep"))
    assert len(on_both(project).same()) == 7
