"""Several pipelines in one call: what needs one that did not succeed is skipped, all the way down."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


def pipeline(name: str, source: str, rule: str = "") -> str:
    return (
        f"pipeline: {name}\nsources: {{s: {source}}}\n{rule}"
        f"destination: {{table: mart.{name}, mode: replace}}\n"
    )


def lake(table: str) -> str:
    return f"{{type: ducklake, table: {table}}}"


@pytest.fixture
def chain(make_project: Any) -> Any:
    """a -> b -> c, and d by itself."""
    return make_project(
        {
            "s.csv": "id\n1\n",
            "pipelines/a.yml": pipeline("a", "{type: csv, path: s.csv}"),
            "pipelines/b.yml": pipeline("b", lake("mart.a")),
            "pipelines/c.yml": pipeline("c", lake("mart.b")),
            "pipelines/d.yml": pipeline("d", "{type: csv, path: s.csv}"),
        }
    )


def run(project: Any, *arguments: str) -> tuple[int, dict[str, str]]:
    command = [
        sys.executable,
        "-m",
        "sluiceway",
        "run",
        *arguments,
        "--json",
        "--project",
        str(project.folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, {r["pipeline"]: r["status"] for r in json.loads(done.stdout)["runs"]}


def statuses(project: Any) -> list[tuple[str, str]]:
    command = [sys.executable, "-m", "sluiceway", "runs", "list", "--json", "--project", str(project.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return sorted((r["pipeline"], r["status"]) for r in json.loads(done.stdout)["runs"])


def test_all_of_them_in_order(chain: Any) -> None:
    assert run(chain, "--select", "+c") == (0, {"a": "succeeded", "b": "succeeded", "c": "succeeded"})
    assert chain.rows("mart.c") == [(1,)]


def test_what_fails_takes_all_that_need_it_and_no_other(chain: Any) -> None:
    run(chain, "--select", "*")
    chain.write(
        "pipelines/a.yml",
        pipeline("a", "{type: csv, path: s.csv}", "rules: [{range: {column: id, max: 0}}]\n"),
    )
    code, found = run(chain, "--select", "*")
    assert code == 3
    assert found == {"a": "blocked", "b": "skipped", "c": "skipped", "d": "succeeded"}
    assert statuses(chain)[:8] == [
        ("a", "blocked"), ("a", "succeeded"), ("b", "skipped"), ("b", "succeeded"), ("c", "skipped"),
        ("c", "succeeded"), ("d", "succeeded"), ("d", "succeeded"),
    ]  # fmt: skip


def test_a_need_that_was_not_selected_still_ties_what_was(chain: Any) -> None:
    run(chain, "--select", "*")
    (chain.folder / "s.csv").unlink()
    code, found = run(chain, "--select", "a c")
    assert code == 1
    assert found == {"a": "failed", "c": "skipped"}


def test_a_setting_that_is_wrong_ends_its_own_run_alone(chain: Any) -> None:
    chain.write("pipelines/d.yml", pipeline("d", lake("mart.nothing")))
    code, found = run(chain, "--select", "*")
    assert code in (1, 2)
    assert found == {"a": "succeeded", "b": "succeeded", "c": "succeeded", "d": "failed"}


def test_exclude_takes_away(chain: Any) -> None:
    assert run(chain, "--select", "*", "--exclude", "b+") == (0, {"a": "succeeded", "d": "succeeded"})
