"""What the hand-written scripts share: a connection, extensions from their wheels, and the last line."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb


def connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false")  # nobody asked for an order: the faster setting
    return con


def load(con: duckdb.DuckDBPyConnection, name: str) -> None:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        raise SystemExit(f"the wheel duckdb-extension-{name.replace('_', '-')} is not installed")
    file = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    con.execute(f"LOAD '{file}'")


def fresh_lake(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """An empty DuckLake, attached as ``lake``."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    for name in ("sqlite_scanner", "ducklake"):
        load(con, name)
    con.execute(
        f"ATTACH 'ducklake:sqlite:{folder / 'catalog.sqlite'}' AS lake (DATA_PATH '{folder / 'data'}')"
    )


def say(**found: Any) -> None:
    print(json.dumps(found))
