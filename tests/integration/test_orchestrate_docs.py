"""The pages about orchestration: their files are read, their commands and their Python run."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluiceway.alerts.model import SEVERITIES
from sluiceway.orchestrate.metrics import LEFT_OUT, METRICS, UP
from sluiceway.orchestrate.watch import KINDS

DOCS = Path(__file__).parents[2] / "docs"
DATA = {
    "data/orders.csv": "order_id,customer_id,updated_at\n1,7,2026-01-01\n2,8,2026-01-02\n",
    "data/customers.csv": "customer_id,segment\n7,a\n8,b\n",
    "data/events.csv": "id,at\n1,2026-01-01 10:00:00\n2,2026-01-02 10:00:00\n3,2026-01-03 10:00:00\n",
    "pipelines/orders.yml": """\
pipeline: orders
tags: [daily]
sources: {orders: {type: csv, path: data/orders.csv}}
rules: [{not_null: order_id}]
destination: {table: mart.orders, mode: merge, primary_key: order_id}
""",
}
PAGES = ("schedules", "workers", "backfill", "dependencies", "health", "orchestrators")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / f"{page}.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def written(make_project: Any) -> Any:
    """The project of a page: our data, and the files that the page shows under their names."""

    def make(page: str) -> Any:
        project = make_project(DATA)
        for text in blocks(page, "yaml"):
            name = text.splitlines()[0].removeprefix("# ")
            project.write(name, text)
        return project

    return make


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(written: Any, page: str) -> None:
    project = written(page)
    commands = [line for text in blocks(page, "sh") for line in text.splitlines()]
    assert commands
    for command in commands:
        name, *arguments = shlex.split(command)
        assert name == "sluiceway"
        done = subprocess.run(
            [sys.executable, "-m", "sluiceway", *arguments], cwd=project.folder, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_doors_of_the_pages_open(written: Any) -> None:
    project = written("schedules")
    known: dict[str, Any] = {}
    exec(blocks("schedules", "python")[0], known)  # the page's own code
    assert asyncio.run(known["once"](project.folder)) == "succeeded"
    exec(blocks("backfill", "python")[0], known)
    project.write("pipelines/events.yml", blocks("backfill", "yaml")[0])
    assert asyncio.run(known["january"](project.folder)) == 4
    assert project.query("SELECT count(*) FROM {t}", "mart.events") == [(3,)]
    project.write("pipelines/orders.yml", DATA["pipelines/orders.yml"])
    exec(blocks("health", "python")[0], known)
    assert asyncio.run(known["score"](project.folder)) == 100.0


def test_the_page_of_health_names_what_there_is() -> None:
    page = (DOCS / "health.md").read_text("utf-8")
    for metric in METRICS:
        assert f"| `{metric.shown}` | {metric.kind} | {', '.join(metric.labels)} | {metric.help} |" in page
    for name, help in (UP, LEFT_OUT):
        assert f"| `{name}` |" in page
        assert help in page
    for kind in KINDS:
        assert re.search(rf"\| `{kind}` \| ({'|'.join(SEVERITIES)}) \|", page)
