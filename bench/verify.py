"""Do two tables hold the same rows? Their counts and the sum of a hash of every row, by a third process.

    python -m bench.verify lake:FOLDER|duckdb:FILE:TABLE|parquet:FOLDER|postgres:TABLE [CONDITION]

``CONDITION`` keeps the rows for which it is true; the bench gives what the gate should have let pass.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Content", "content"]

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Content:
    rows: int
    columns: str
    checksum: str


def content(table: str, condition: str = "TRUE", environment: dict[str, str] | None = None) -> Content:
    """What a table holds, found by a process of its own.

    Raises:
        RuntimeError: it can't be read.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.verify", table, condition],
        check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{table} can't be read: {done.stderr.strip()[-300:]}")
    return Content(**json.loads(done.stdout))


def main(table: str, condition: str = "TRUE") -> None:
    sys.path.insert(0, str(Path(__file__).parent / "hand"))
    from duck import connect, load

    con: Any = connect()
    con.execute("SET memory_limit = '4GB'")
    kind, _, rest = table.partition(":")
    if kind == "lake":
        for name in ("sqlite_scanner", "ducklake"):
            load(con, name)
        con.execute(f"ATTACH 'ducklake:sqlite:{rest}/catalog.sqlite' AS db (READ_ONLY)")
        name = "mart.orders"
    elif kind == "duckdb":
        file, name = rest.rsplit(":", 1)
        con.execute(f"ATTACH '{file}' AS db (READ_ONLY)")
    elif kind == "parquet":
        con.execute("ATTACH ':memory:' AS db")
        files = f"read_parquet('{rest}/*.parquet', hive_partitioning = false)"
        con.execute(f"CREATE VIEW db.rows AS SELECT * EXCLUDE (flags) FROM {files}")
        name = "rows"
    else:
        load(con, "postgres_scanner")
        con.execute(f"ATTACH '{os.environ['BENCH_PG_URL']}' AS db (TYPE postgres, READ_ONLY)")
        name = rest
    described = con.execute(f"DESCRIBE SELECT * FROM db.{name}").fetchall()
    names = sorted(row[0] for row in described)
    # as text: two writers may choose types of different width, but not different values
    values = ", ".join(f'CAST("{n}" AS VARCHAR)' for n in names)
    rows, checksum = con.execute(
        f"SELECT count(*), sum(CAST(hash(row({values})) AS HUGEINT)) FROM db.{name} WHERE {condition}"
    ).fetchall()[0]
    print(json.dumps({"rows": rows, "columns": ",".join(names), "checksum": str(checksum)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
