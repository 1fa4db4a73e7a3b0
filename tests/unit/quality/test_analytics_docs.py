"""The page's example runs, and its ranges and methods are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from sluiceway.quality import drift_columns
from sluiceway.quality.history import Settings
from sluiceway.quality.ranges import parse_range

PAGE = (Path(__file__).parents[3] / "docs" / "analytics.md").read_text("utf-8")


def test_the_example_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(blocks) == 1
    exec(compile(blocks[0], "docs/analytics.md", "exec"), {})


def test_its_figures_are_the_defaults() -> None:
    settings = Settings()
    assert (settings.min_points, settings.sensitivity, settings.alpha, settings.level_size) == (
        10,
        3.5,
        0.01,
        5,
    )
    assert (drift_columns._PSI, drift_columns._KS, drift_columns._V) == ((0.1, 0.25), (0.1, 0.2), (0.1, 0.3))
    assert (drift_columns._SHARE, drift_columns.ALPHA) == ((0.05, 0.15), 0.01)
    for text in ("30d", "12w", "24h", "30d..7d", "60d..30d", "2026-01-01..2026-01-31"):
        assert f"`{text}`" in PAGE or f" {text} " in PAGE
        parse_range(text)
