"""local-bigquery without a network: run by ``emulators.py`` in the emulator's own environment.

It would fetch DuckDB's extensions, and sets the time zone before the one that knows zones is there. So the
extensions are laid out from their wheels first, and the zone is set by a statement.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import duckdb

EXTENSIONS = ("icu", "ducklake", "spatial")
_FOLDER = Path.home() / "extensions"
_connect = duckdb.connect


def _lay_out() -> None:
    platform = _connect().execute("PRAGMA platform").fetchall()[0][0]
    into = _FOLDER / f"v{duckdb.__version__}" / platform
    into.mkdir(parents=True, exist_ok=True)
    for name in EXTENSIONS:
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(f"duckdb-extension-{name} is not installed")
        file = next(Path(next(iter(spec.submodule_search_locations))).rglob(f"{name}.duckdb_extension"))
        target = into / file.name
        if not target.exists():
            target.symlink_to(file)


def _offline(*args: Any, config: Any = None, **options: Any) -> Any:
    con = _connect(*args, config={"extension_directory": str(_FOLDER)}, **options)
    con.execute("LOAD icu")
    con.execute("SET TimeZone = 'UTC'")
    return con


if __name__ == "__main__":
    sys.setrecursionlimit(20_000)  # its parser recurses: a text as JSON is thirty replaces in one another
    _lay_out()
    duckdb.connect = _offline
    from local_bigquery.cli import main

    main(sys.argv[1:])
