"""A project in a temporary folder, and pipelines resolved in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluiceway.spec.model import Pipeline
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import load_project
from sluiceway.spec.resolve import resolve

PROJECT = """project: shop
environments:
  dev:
  files:
    warehouse: {type: parquet, path: out}
  byname:
    warehouse: {connection: lake}
connections:
  folder: {type: csv, path: data/*.csv, delimiter: ";"}
  lake: {type: ducklake, path: elsewhere}
  broken: {type: csv, pth: x}
"""

Make = Callable[..., Pipeline]
Small = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Resolve a pipeline's text in a project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines").mkdir()

    def build(text: str, environment: str | None = None, project: str = PROJECT, **more: Any) -> Pipeline:
        (tmp_path / "sluiceway.yml").write_text(project, encoding="utf-8")
        (tmp_path / "pipelines" / "orders.yml").write_text(text, encoding="utf-8")
        config = PipelineConfig.load(Path("pipelines/orders.yml"))
        return resolve(config, load_project(tmp_path), environment, **more)

    return build


@pytest.fixture
def small() -> Small:
    """A short pipeline's text."""
    return _small


def _small(**parts: str) -> str:
    """A pipeline with parts replaced; ``""`` leaves one out."""
    every = {
        "pipeline": "o", "sources": "{a: {type: csv, path: a.csv}}", "destination": "{table: a.b}", **parts,
    }  # fmt: skip
    return "".join(f"{key}: {value}\n" for key, value in every.items() if value)
