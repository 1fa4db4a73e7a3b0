"""The page's example runs, and it names every method."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "suggest.md").read_text("utf-8")


def test_the_example_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(blocks) == 1
    exec(compile(blocks[0], "docs/suggest.md", "exec"), {})


def test_every_method_is_on_the_page() -> None:
    files = (ROOT / "src" / "sluiceway" / "quality").glob("suggest_*.py")
    text = "".join(file.read_text("utf-8") for file in files)
    said = {
        name
        for found in re.findall(r'^\s+"([A-Z]\w+(?:, [A-Z]\w+)*)",$', text, re.M)
        for name in found.split(", ")
    }
    assert len(said) >= 12
    assert [name for name in said if name not in PAGE] == []
