"""docs/alerts.md: its examples run, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

from sluiceway.alerts.routes import KINDS, routes_of
from sluiceway.alerts.webhook import sign
from sluiceway.spec.project import load_project

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def test_its_configuration_is_one(tmp_path):
    [text] = blocks("yaml")
    (tmp_path / "sluiceway.yml").write_text(text, "utf-8")
    channels = routes_of(load_project(tmp_path))
    assert [channel.name for channel in channels] == ["alerts[0]", "hook", "alerts[2].1", "alerts[2].2"]


def test_its_verification_accepts_ours_and_nothing_else():
    known = {}
    exec(blocks("python")[0], known)  # the page's own code
    is_ours = known["is_ours"]
    header = sign("key", b"{}", 1767323045)
    assert is_ours("key", header, b"{}", 1767323050)
    assert not is_ours("other", header, b"{}", 1767323050)
    assert not is_ours("key", header, b"{ }", 1767323050)
    assert not is_ours("key", header, b"{}", 1767323045 + 301)


def test_its_python_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "sluiceway.yml").write_text("project: shop\nalerts: [{to: 'file:a.jsonl'}]\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[1], {})
    assert capsys.readouterr().out == "alerts[0] sent None\n"
    assert len((tmp_path / "a.jsonl").read_text("utf-8").splitlines()) == 2


def test_every_word_of_on_is_explained():
    assert [word for word in KINDS if word != "all" and f"| `{word}` | `{KINDS[word]}` |" not in PAGE] == []
