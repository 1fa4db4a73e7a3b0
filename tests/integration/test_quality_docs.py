"""docs/report.md and docs/quality-python.md: their examples run and print what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from sluiceway.cli.app import invoke

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)


def test_the_doors_example_prints_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(blocks("quality-python.md", "python")[0], {})  # the page's own code
    assert capsys.readouterr().out == blocks("quality-python.md", "text")[0]


def test_the_report_s_commands_and_code_run(make_project, monkeypatch, capsys):
    project = make_project(
        {
            "pipelines/orders.yml": "pipeline: orders\nsources: {o: {type: csv, path: o.csv}}\n"
            "rules: [{not_null: id}]\ndestination: {table: mart.orders}\n",
            "o.csv": "id\n1\n2\n",
        }
    )
    assert project.run("orders").success
    monkeypatch.chdir(project.folder)
    for line in blocks("report.md", "console")[0].splitlines():
        assert invoke(shlex.split(line.removeprefix("$ sluiceway "))) == 0, line
    for file in ("quality.html", "results.xml", "profile.html"):
        assert (project.folder / file).stat().st_size > 500
    capsys.readouterr()
    known = {}
    exec(blocks("report.md", "python")[0], known)  # the page's own code
    assert capsys.readouterr().out == "mart.orders fit 1.0\n"
    assert known["page"].startswith("<!DOCTYPE html>")
