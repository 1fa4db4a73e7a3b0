"""Logs of JSON: every line of stderr is a document, a run's lines have its id, and no secret is in them."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway import logs
from sluiceway.events import EventBus, RunStarted
from sluiceway.secrets import register_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    "a.csv": "id,v\n1,5\n2,-3\n",
    "pipelines/p.yml": """\
pipeline: p
sources: {a: {type: csv, path: a.csv}}
rules: [{range: {column: v, min: 0}, on_fail: quarantine}]
destination: {table: mart.p, mode: replace}
""",
    "pipelines/bad.yml": """\
pipeline: bad
sources: {a: {type: csv, path: "${HIDDEN_PLACE}/a.csv"}}
destination: {table: mart.bad, mode: replace}
""",
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sluiceway(project: Any, *arguments: str, **environment: str) -> tuple[int, str, list[dict[str, Any]]]:
    """(exit code, stdout, documents of stderr)."""
    done = subprocess.run(
        [sys.executable, "-m", "sluiceway", *arguments], cwd=project.folder, capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout, [json.loads(line) for line in done.stderr.splitlines()]


def test_a_run_says_its_events_with_its_id_and_nothing_else_is_on_stderr(make_project: Any) -> None:
    project = make_project(FILES)
    code, out, lines = sluiceway(project, "--log-format", "json", "run", "p", "--json")
    assert code == 0
    result = json.loads(out)
    mine = [line for line in lines if line.get("event")]
    assert {line["run_id"] for line in mine} == {result["run_id"]}
    assert {(line["pipeline"], line["environment"]) for line in mine} == {("p", "dev")}
    assert [mine[0]["event"], mine[-1]["event"]] == ["run started", "run finished"]
    nodes = {line["node"] for line in mine if line["event"] == "node finished"}
    assert nodes == {node["name"] for node in result["nodes"]}
    assert mine[-1]["records"]["published"] == 1
    for line in lines:
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert line["level"] in ("info", "warning", "error")


def test_a_users_mistake_is_a_line_too(make_project: Any) -> None:
    code, _, lines = sluiceway(make_project(FILES), "run", "q", SLUICEWAY_LOG_FORMAT="json")
    assert code == 2
    assert lines[0]["level"] == "error"
    assert "q" in lines[0]["message"]
    assert not any("exception" in line for line in lines)


def test_a_format_that_there_is_none_of_is_said(make_project: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sluiceway", "--log-format", "xml", "health"], cwd=make_project(FILES).folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "xml" in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_of_a_worker_log_as_it_does_and_theirs_is_kept(make_project: Any) -> None:
    project = make_project(FILES)
    secret = "/nowhere/s3cret-folder"
    run_ids = {}
    for name in ("p", "bad"):
        done = sluiceway(project, "schedule", "trigger", name, "--json", SLUICEWAY_LOG_FORMAT="json")
        run_ids[name] = json.loads(done[1])["run_id"]
    hidden = {"SLUICEWAY_LOG_FORMAT": "json", "HIDDEN_PLACE": secret}
    code, _, lines = sluiceway(project, "worker", "--until-idle", **hidden)
    assert code == 0
    ended = {line["pipeline"]: line["status"] for line in lines if line.get("event") == "run ended"}
    assert ended == {"p": "succeeded", "bad": "failed"}
    _, out, _ = sluiceway(project, "runs", "logs", run_ids["p"], SLUICEWAY_LOG_FORMAT="json")
    kept = [json.loads(line) for line in out.splitlines()]
    assert {line["run_id"] for line in kept} == {run_ids["p"]}
    assert kept[-1]["event"] == "run finished"
    _, out, _ = sluiceway(project, "runs", "logs", run_ids["bad"], SLUICEWAY_LOG_FORMAT="json")
    assert any(json.loads(line)["level"] == "error" for line in out.splitlines())


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger of ours whose lines are JSON, and what it wrote."""
    monkeypatch.setenv(logs.FORMAT, "json")
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.JsonLines())
    log = logging.getLogger("sluiceway.tests")
    log.addHandler(handler)
    yield log, text
    log.removeHandler(handler)


def lines_of(text: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.getvalue().splitlines()]


def begin(run_id: str) -> EventBus:
    bus = EventBus()
    logs.listen(bus)
    bus.emit(RunStarted(run_id, f"pipeline of {run_id}", NOW, environment="dev"))
    return bus


def test_a_thread_of_the_only_run_says_its_id_and_of_two_runs_none_is_guessed(heard: Any) -> None:
    log, text = heard
    first = begin("r1")
    log.warning("mine")
    in_thread(log.warning, "of a thread")
    second: list[EventBus] = []
    in_thread(lambda: second.append(begin("r2")))
    log.warning("still mine")
    in_thread(log.warning, "whose?")
    first.over()
    for bus in second:
        in_thread(bus.over)
    log.warning("nobody's")
    assert [(line["message"], line.get("run_id")) for line in lines_of(text)] == [
        ("mine", "r1"), ("of a thread", "r1"), ("still mine", "r1"), ("whose?", None), ("nobody's", None),
    ]  # fmt: skip


def in_thread(call: Any, *arguments: Any) -> None:
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    thread.join()


def test_secrets_are_masked_in_messages_fields_and_traces(heard: Any) -> None:
    log, text = heard
    register_secret("s3cret-word")
    try:
        raise ValueError("s3cret-word")
    except ValueError:
        log.exception("with %s", "s3cret-word", extra={"fields": {"url": "pg://a:s3cret-word@h/d"}})
    (line,) = lines_of(text)
    assert "s3cret-word" not in text.getvalue()
    assert line["message"] == "with ***"
    assert "ValueError" in line["exception"]
