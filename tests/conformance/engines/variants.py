"""The suite's pipelines without what a warehouse that is known less well refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sluiceway.testing import PIPELINES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["runs_of", "write_without"]

_ENDING = "_without"


def runs_of(name: str) -> int:
    """How often a pipeline runs, or the one that it is a variant of."""
    return PIPELINES[name.removesuffix(_ENDING)].runs


def write_without(project: Path, name: str, *lines: str) -> None:
    """Write the pipeline ``NAME_without``: without the lines that begin so, and what is indented below them.

    Args:
        lines: regular expressions, each of which is found.
    """
    text = PIPELINES[name].text
    for line in lines:
        text, found = re.subn(rf"(?m)^( *){line}.*\n(?:\1 +.*\n)*", "", text)
        assert found, line
    text = re.sub(rf"(pipeline: |mart\.){name}\b", rf"\1{name}{_ENDING}", text)
    (project / "pipelines" / f"{name}{_ENDING}.yml").write_text(text, encoding="utf-8")
