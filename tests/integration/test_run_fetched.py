"""A run goes on from what an earlier try of it fetched; and only from that."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.connectors.base import Connector
from sluiceway.connectors.memory import MemoryConfig, MemorySource
from sluiceway.run.runner import run
from sluiceway.run.ticket import Ticket
from sluiceway.store.queue import JobRequest
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from sluiceway.connectors.base import Read
    from sluiceway.spec.model import Pipeline

PIPELINE = """\
pipeline: a
sources: {s: {type: csv, path: nowhere.csv}}
transform:
- python: {function: "steps.last:last", columns: {id: BIGINT, v: VARCHAR}}
destination: {table: mart.a, lock_timeout: 100ms}
"""
PASS = "def last(batches):\n    yield from batches\n"
DIE = "import os\n\ndef last(batches):\n    yield from batches\n    os.kill(os.getpid(), 9)\n"
FIRST, OTHER = [{"id": 1, "v": "é"}, {"id": 2, "v": None}], [{"id": 3, "v": "later"}]


class Paged(MemorySource):
    """A service that counts how often its rows are asked for, and has others each time."""

    asked: Callable[[], list[dict[str, Any]]]
    breaks = False

    def read(self, read: Read) -> pa.RecordBatchReader:
        import pyarrow as pa

        table = pa.Table.from_pylist(self.asked(), self._table.schema)
        if not self.breaks:
            return table.to_reader()

        def half() -> Any:
            yield from table.to_batches()
            raise OSError("the line went dead")

        return pa.RecordBatchReader.from_batches(table.schema, half())


class Service:
    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers, self.asked, self.breaks = list(answers), 0, False

    def ask(self) -> list[dict[str, Any]]:
        self.asked += 1
        return self.answers[self.asked - 1]

    def feeds(self, pipeline: Pipeline, **keys: Any) -> Pipeline:
        """The pipeline with its source fed by this service."""

        def opened(config: Any, context: Any) -> Paged:
            source = Paged(config, context, FIRST)
            source.asked, source.breaks = self.ask, self.breaks
            return source

        connector = Connector("paged", "a service", MemoryConfig, opened)
        config = MemoryConfig(type="paged", **keys)
        spec = replace(pipeline.sources["s"], connector=connector, config=config)
        return replace(pipeline, sources={"s": spec})


@pytest.fixture
def project(make_project: Any) -> Any:
    return make_project(
        {"pipelines/a.yml": PIPELINE, "steps/__init__.py": "", "steps/last.py": PASS}
    )  # fmt: skip


def left(project: Any) -> list[str]:
    """What is still staged."""
    staging = project.folder / ".sluiceway" / "staging"
    return sorted(str(entry.relative_to(staging)) for entry in staging.glob("*/*"))


def held(project: Any, pipeline: Pipeline, ticket: Ticket) -> Any:
    """A try while somebody else holds the table."""
    with project.opened() as (sink, _), sink.lock("table mart.a", 1.0, "somebody"):
        return run(pipeline, ticket=ticket)


def test_what_was_fetched_is_not_fetched_again(project: Any) -> None:
    service = Service(FIRST, OTHER)
    pipeline = service.feeds(project.resolve("a"))
    failed = held(project, pipeline, Ticket("r1", 1, "1", more=True))
    assert (failed.status, service.asked) == ("failed", 1)
    assert not project.exists("mart.a")
    kept = left(project)
    assert len(kept) == 2  # the rows and their manifest, and nothing of what was made of them
    assert all("r1.1/stream_" in name for name in kept)
    done = run(pipeline, ticket=Ticket("r1", 2, "2"))
    assert (done.status, service.asked) == ("succeeded", 1)
    assert project.rows("mart.a") == [(1, "é"), (2, None)]
    assert done.records.read == 2
    assert left(project) == []


def test_another_run_fetches_for_itself(project: Any) -> None:
    service = Service(FIRST, OTHER)
    pipeline = service.feeds(project.resolve("a"))
    held(project, pipeline, Ticket("r1", 1, "1", more=True))
    assert run(pipeline).status == "succeeded"
    assert service.asked == 2
    assert project.rows("mart.a") == [(3, "later")]
    assert left(project) == []


def test_another_run_leaves_alone_what_the_queue_will_try_again(project: Any) -> None:
    service = Service(FIRST, OTHER)
    pipeline = service.feeds(project.resolve("a"))
    with Store.open(pipeline.project.metadata) as store:
        store.queue.put("dev", [JobRequest("a", run_id="r1")], datetime.now(UTC))
    held(project, pipeline, Ticket("r1", 1, "1", more=True))
    kept = left(project)
    assert run(pipeline).status == "succeeded"
    assert left(project) == kept
    assert run(pipeline, ticket=Ticket("r1", 2, "2")).status == "succeeded"
    assert service.asked == 2
    assert project.rows("mart.a") == [(1, "é"), (2, None), (3, "later")]


def test_a_source_that_was_changed_meanwhile_is_fetched_again(project: Any) -> None:
    service = Service(FIRST, OTHER)
    held(project, service.feeds(project.resolve("a")), Ticket("r1", 1, "1", more=True))
    done = run(service.feeds(project.resolve("a"), filters=("id > 0",)), ticket=Ticket("r1", 2, "2"))
    assert (done.status, service.asked) == ("succeeded", 2)
    assert project.rows("mart.a") == [(3, "later")]


def test_half_a_fetch_is_none(project: Any) -> None:
    service = Service(FIRST, OTHER)
    service.breaks = True
    failed = run(service.feeds(project.resolve("a")), ticket=Ticket("r1", 1, "1", more=True))
    assert failed.status == "failed"
    service.breaks = False
    done = run(service.feeds(project.resolve("a")), ticket=Ticket("r1", 2, "2"))
    assert (done.status, service.asked) == ("succeeded", 2)
    assert project.rows("mart.a") == [(3, "later")]


def test_rows_of_a_fetch_that_are_gone_are_fetched_again(project: Any) -> None:
    service = Service(FIRST, OTHER)
    pipeline = service.feeds(project.resolve("a"))
    held(project, pipeline, Ticket("r1", 1, "1", more=True))
    for file in (project.folder / ".sluiceway" / "staging").rglob("*.parquet"):
        file.unlink()
    assert run(pipeline, ticket=Ticket("r1", 2, "2")).status == "succeeded"
    assert project.rows("mart.a") == [(3, "later")]


def test_a_run_that_ended_for_good_leaves_nothing(project: Any) -> None:
    service = Service(FIRST)
    assert held(project, service.feeds(project.resolve("a")), Ticket("r1", 1, "1")).status == "failed"
    assert left(project) == []


@pytest.mark.postgres
def test_a_run_that_tries_again_itself_fetches_once(pg: str, make_project: Any) -> None:
    """The table's first row is refused once, by a trigger that a rollback does not make forget."""
    import psycopg

    settings = "project: t\nenvironments: {dev: {warehouse: {type: postgres, url: '${DB_URL}'}}}\n"
    text = PIPELINE.replace("lock_timeout: 100ms", "mode: append")
    project = make_project(
        {
            "pipelines/a.yml": f"{text}retry: {{attempts: 2, delay: 1ms}}\n",
            "steps/__init__.py": "", "steps/last.py": PASS,
        },
        settings=settings,
    )  # fmt: skip
    with psycopg.connect(os.environ["DB_URL"], autocommit=True) as con:
        con.execute("CREATE SCHEMA mart")
        con.execute("CREATE TABLE mart.a (id bigint, v text)")
        con.execute("CREATE SEQUENCE tries")
        con.execute(
            "CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF nextval('public.tries') = 1 THEN RAISE EXCEPTION 'not yet'; END IF; RETURN NEW; END $$"
        )
        con.execute("CREATE TRIGGER once BEFORE INSERT ON mart.a FOR EACH ROW EXECUTE FUNCTION once()")
    service = Service(FIRST, OTHER)
    done = run(service.feeds(project.resolve("a")))
    assert (done.status, service.asked) == ("succeeded", 1)
    assert project.rows("mart.a", "id, v") == [(1, "é"), (2, None)]
    assert left(project) == []


CHILD = """\
import sys
from pathlib import Path
from tests.integration.test_run_fetched import FIRST, OTHER, Service
from sluiceway.run.runner import run
from sluiceway.run.ticket import Ticket
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import resolve

project = load_project(Path(sys.argv[1]))
pipeline = resolve(PipelineConfig.load(find_pipeline(project, "a")), project)
service = Service(FIRST if sys.argv[2] == "1" else OTHER)
print(run(service.feeds(pipeline), ticket=Ticket("r1", 1, sys.argv[2])).status, service.asked)
"""


def test_a_killed_run_goes_on_from_what_it_had_fetched(project: Any) -> None:
    def child(claim: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", CHILD, str(project.folder), claim],
            capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    project.write("steps/last.py", DIE)
    assert child("1").returncode == -9
    project.write("steps/last.py", PASS)
    done = child("2")
    assert done.stdout.split() == ["succeeded", "0"], done.stderr
    assert project.rows("mart.a") == [(1, "é"), (2, None)]
    assert left(project) == []
