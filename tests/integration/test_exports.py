"""Exports to other orchestrators: the files, and Luigi, which runs them: in order, once, with our verdict."""

from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.orchestrated import (
    FILES,
    LOST,
    add_long,
    environment_of,
    judge,
    listed,
    run_in,
    runs_of,
    wait_for_work,
)

from sluiceway.cli.app import invoke
from sluiceway.errors import ConfigError
from sluiceway.integrations.exporting import TOOLS, exported
from sluiceway.spec.project import load_project

ODD = {
    "pipelines/a-b.yml": """\
pipeline: a-b
description: "Ends in a quote: \\"x\\\\\\""
depends_on: ["dataset:ext.rates"]
priority: 3
retry: {attempts: 4, delay: 2s, backoff: linear}
schedule:
  cron: ["0 9 * * 1-5", "30 10 * * 6"]
  every: 90s
  datasets: [raw.a, mart.a]
  when: all
  files: in/*.csv
  start: 2026-01-01
  end: 2027-01-01
  catchup: all
  jitter: 5m
sources: {a: {type: csv, path: a.csv}}
destination: {table: DAG, mode: replace}
""",
    "pipelines/a.b.yml": """\
pipeline: a.b
schedule: {datasets: [raw.a, mart.a]}
sources: {a: {type: csv, path: a.csv}}
destination: {table: dag, mode: replace}
""",
    "pipelines/All.yml": """\
pipeline: All
schedule: every 7h
sources: {a: {type: csv, path: a.csv}}
destination: {table: größe, mode: replace}
""",
    "pipelines/flow.yml": """\
pipeline: flow
depends_on: ["pipeline:All"]
sources: {a: {type: csv, path: a.csv}}
destination: {table: os, mode: replace}
""",
}


@pytest.fixture
def made(make_project: Any) -> Any:
    return make_project(FILES, settings='project: "sh\\"op"\n')


def text_of(made: Any, tool: str) -> str:
    return exported(tool, load_project(made.folder)).text


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("more", [{}, ODD], ids=["plain", "odd"])
def test_an_export_is_black_s_and_says_the_same_twice(made: Any, tool: str, more: dict[str, str]) -> None:
    for path, text in more.items():
        made.write(path, text)
    text = text_of(made, tool)
    assert "sh'op" in (ast.get_docstring(ast.parse(text)) or "")
    assert "pipelines/raw.yml" in text
    assert text_of(made, tool) == text
    ruff = [str(Path(sys.executable).with_name("ruff")), "format", "--isolated", "--diff", "-"]
    done = subprocess.run(ruff, input=text, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
    # no name is defined twice, and none is undefined or imported in vain
    ruff = [ruff[0], "check", "--isolated", "--select", "F,E9", "-"]
    assert subprocess.run(ruff, input=text, capture_output=True, text=True, check=False).returncode == 0


def test_names_of_an_export_are_apart(made: Any) -> None:
    for path, text in ODD.items():
        made.write(path, text)
    for tool, names in (
        ("airflow", {'MAIN_DAG = Asset("main.DAG")', 'MAIN_DAG_2 = Asset("main.dag")'}),
        ("dagster", {"a_b = sluiceway_asset(", "a_b_2 = sluiceway_asset(", "All = sluiceway_asset("}),
        ("luigi", {"class AB(SluicewayTask):", "class AB_2(SluicewayTask):", "class All_2(SluicewayTask):"}),
        ("prefect", {"a_b = sluiceway_task(", "a_b_2 = sluiceway_task(", "flow_2 = sluiceway_task("}),
    ):
        text = "\n" + text_of(made, tool)
        assert {name for name in names if f"\n{name}" not in text} == set(), tool


def test_an_export_says_what_the_tool_has_no_words_for(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for path, text in ODD.items():
        made.write(path, text)
    arguments = ["export", "airflow", "--project", str(made.folder), "--select", "a-b", "--json"]
    assert invoke(arguments) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [note.partition(" for ")[2] for note in document["notes"]] == [
        "files: in/*.csv", "jitter: 300 s", "every: 90 s, beside cron",
        "retry.backoff: linear; the delay stays the same",
    ]  # fmt: skip
    for note in document["notes"]:
        assert note in err
        assert f"# Not in this file: {note.partition(' for ')[2]}" in document["text"]
    (about,) = document["pipelines"]
    assert (about["name"], about["table"], about["reads"]) == (
        "a-b",
        "main.DAG",
        ["ext.rates", "mart.a", "raw.a"],
    )
    assert about["when"]["start"] == "2026-01-01T00:00:00+00:00"


def test_two_loaders_of_one_table_are_no_assets_of_dagster(made: Any) -> None:
    made.write("pipelines/too.yml", FILES["pipelines/bad.yml"].replace("pipeline: bad", "pipeline: too"))
    with pytest.raises(ConfigError, match=r"mart\.bad, and Dagster has one asset a table"):
        text_of(made, "dagster")
    assert text_of(made, "airflow").count("MART_BAD = ") == 1


LUIGI = ("-m", "luigi", "--local-scheduler", "--module")


@pytest.fixture
def luigi(made: Any) -> Any:
    pytest.importorskip("luigi", reason="no Luigi: pip install luigi")
    made.write("ex_luigi.py", text_of(made, "luigi"))
    return made


def test_luigi_runs_them_in_order_and_not_twice(luigi: Any) -> None:
    moment = ("--at", "2026-11-27T0600")
    said = run_in(luigi, sys.executable, *LUIGI, "ex_luigi", "All", *moment)
    judge(luigi)
    assert "range:v (block): 1 of 3" in said
    assert {run["nominal_at"] for run in listed(luigi)} == {"2026-11-27T06:00:00.000000Z"}
    said = run_in(luigi, sys.executable, *LUIGI, "ex_luigi", "Mart", *moment)
    assert "1 complete ones were encountered" in said
    assert len(runs_of(luigi)) == 3  # its target was there
    done = (
        "from datetime import datetime; import ex_luigi\n"
        "moments = [datetime(2026, 11, 27, hour) for hour in (5, 6, 7)]\n"
        "print([at.hour for at in ex_luigi.Raw.bulk_complete(moments)])"
    )
    assert run_in(luigi, sys.executable, "-c", done).strip() == "[6]"


def test_luigi_that_keeps_alive_does_not_begin_a_run_again(luigi: Any) -> None:
    """What the gate blocked is not judged again; a lost connection is tried as often as ``retry:`` says."""
    luigi.write("pipelines/lost.yml", LOST)
    luigi.write("ex_luigi.py", text_of(luigi, "luigi"))
    keep = (
        "--worker-keep-alive", "--worker-wait-interval", "0.1", "--scheduler-retry-delay", "0",
        "--scheduler-retry-count", "2", "--at", "2026-11-27T0600", "--workers", "2",
    )  # fmt: skip
    said = run_in(luigi, sys.executable, *LUIGI, "ex_luigi", "Bad", *keep)
    assert said.count("running   Bad(") == 2, said  # Luigi tries; we don't
    run_in(luigi, sys.executable, *LUIGI, "ex_luigi", "Lost", *keep)
    assert runs_of(luigi) == [("bad", "blocked"), ("lost", "failed")]
    assert [run["attempt"] for run in listed(luigi)] == [1, 2]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_luigi_that_is_ended_leaves_no_run_behind(luigi: Any, workers: str) -> None:
    add_long(luigi)
    luigi.write("ex_luigi.py", text_of(luigi, "luigi"))
    command = [sys.executable, *LUIGI, "ex_luigi", "Long", "--at", "2026-11-27T0600", "--workers", workers]
    process = subprocess.Popen(
        command, cwd=luigi.folder, env=environment_of(luigi), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    wait_for_work(luigi, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert runs_of(luigi) == [("long", "cancelled")]
    assert not luigi.exists("mart.long")
