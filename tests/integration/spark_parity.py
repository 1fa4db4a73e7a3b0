"""The same pipeline on the embedded engine and on Spark, and what the two left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import Read
from sluiceway.duck import open_duckdb
from sluiceway.run.resolve import open_source
from sluiceway.run.runner import run

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.errors import SluicewayError
    from sluiceway.exchange import Location
    from sluiceway.run.result import RunResult

__all__ = ["SETTINGS", "Both", "located", "on_both", "table"]

SETTINGS = """\
project: test
environments:
  embedded:
    warehouse: {type: duckdb, path: embedded.duckdb}
  spark:
    engine: {type: spark, master: "local[2]"}
    warehouse: {type: duckdb, path: spark.duckdb}
"""


def table(file: Path, name: str = "mart.a") -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Names and types of a table's columns, and its rows as text that tells -0.0, NaN and NULL apart."""
    with open_duckdb() as con:
        con.execute(f"ATTACH '{file}' AS w (READ_ONLY)")
        shape = con.execute(f"DESCRIBE SELECT * FROM w.{name}").fetchall()
        # one text a row: of the columns' own types, NaN is not equal to itself in Python
        rows = con.execute(
            f"SELECT to_json(t)::VARCHAR, t::VARCHAR FROM w.{name} AS t ORDER BY ALL"
        ).fetchall()
    return [(row[0], row[1]) for row in shape], rows


@dataclass(frozen=True)
class Both:
    project: Any
    embedded: RunResult
    spark: RunResult

    def same(self) -> list[tuple[Any, ...]]:
        """Both succeeded with the same table; its rows."""
        assert self.embedded.error is None, self.embedded.error
        assert self.spark.error is None, self.spark.error
        wanted = table(self.project.folder / "embedded.duckdb")
        found = table(self.project.folder / "spark.duckdb")
        assert found == wanted
        ours, theirs = self.embedded.records, self.spark.records
        counts = (theirs.staged, theirs.published, theirs.quarantined)
        assert counts == (ours.staged, ours.published, ours.quarantined)
        return found[1]

    def refused(self) -> SluicewayError:
        """Spark's error; it published nothing."""
        error = self.spark.error
        assert error is not None
        assert self.spark.records.published == 0
        return error


def on_both(project: Any, name: str = "a") -> Both:
    """Run it on the one, then on the other."""
    embedded = run(project.resolve(name, "embedded"))
    return Both(project, embedded, run(project.resolve(name, "spark")))


def located(project: Any, name: str = "a", read: Read | None = None) -> Location | None:
    """Where the source ``a`` says that its rows lie; None where the embedded engine must read them."""
    source = open_source(project.resolve(name, "spark"), "a", datetime.now(UTC))
    try:
        return source.locate(read or Read())
    finally:
        source.close()
