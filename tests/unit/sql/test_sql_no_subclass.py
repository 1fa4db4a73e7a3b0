"""sqlglot also comes compiled, and then its classes can't be subclassed: nothing here does."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import sluiceway

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(sluiceway.__file__).parent


def subclasses(text: str) -> Iterator[str]:
    """Classes of ``text`` with a base that comes from sqlglot."""
    tree = ast.parse(text)
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {
                (a.asname or a.name).split(".")[0] for a in node.names if a.name.startswith("sqlglot")
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlglot"):
            imported |= {a.asname or a.name for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            roots = {ast.unparse(base).split(".")[0].split("[")[0] for base in node.bases}
            if roots & imported:
                yield node.name


def test_nothing_subclasses_sqlglot() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 20
    found = {f"{file.relative_to(SOURCE)}: {name}" for file in files for name in subclasses(file.read_text())}
    assert found == set()


def test_the_scan_would_see_one() -> None:
    assert list(subclasses("from sqlglot import exp\nclass A(exp.Func): ...")) == ["A"]
    assert list(subclasses("import sqlglot\nclass B(sqlglot.Dialect): ...\nclass C: ...")) == ["B"]
    assert list(subclasses("from sqlglot.dialects.duckdb import DuckDB\nclass D(DuckDB): ...")) == ["D"]
