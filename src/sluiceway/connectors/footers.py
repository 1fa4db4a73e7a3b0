"""What Parquet footers prove: rows, nulls and bounds, without reading a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluiceway.duck import literal

if TYPE_CHECKING:
    import duckdb

    from sluiceway.schema import Schema

__all__ = ["alike", "footers"]

_BOUNDED = {"integer", "decimal", "date", "timestamp", "timestamptz", "text"}
"""NaN is left out of footers: the bounds of floats prove nothing."""


def footers(
    con: duckdb.DuckDBPyConnection, files: str, schema: Schema
) -> tuple[Mapping[str, tuple[Any, Any, int | None]], int]:
    """Per column (least, greatest, nulls) as text, and the number of rows, over all files.

    Args:
        files: a list of paths as a SQL literal.
        schema: columns as they are in the files; those of another type there are left out.

    A column is only in the answer where every row group of every file says how many nulls it has.
    """
    rows = con.execute(
        f"SELECT COALESCE(sum(num_rows), 0)::BIGINT FROM parquet_file_metadata({files})"
    ).fetchall()
    parts = []
    for column in schema:
        low = high = "NULL"
        if column.family in _BOUNDED:
            # casting to the column's own type orders numbers as numbers; a file that says otherwise
            # has text that does not cast, and then nothing is proven
            least, greatest = (
                f"TRY_CAST(COALESCE({exact}, {old}) AS {column.type})"
                for exact, old in (("stats_min_value", "stats_min"), ("stats_max_value", "stats_max"))
            )
            filled = "stats_null_count < num_values"
            unknown = f"{least} IS NULL OR {greatest} IS NULL"
            if column.family == "text":  # long ones are cut short
                unknown = f"({unknown}) OR min_is_exact IS NOT TRUE OR max_is_exact IS NOT TRUE"
            known = f"count(*) FILTER ({filled} AND ({unknown})) = 0"
            low = f"CASE WHEN {known} THEN min({least})::VARCHAR END"
            high = f"CASE WHEN {known} THEN max({greatest})::VARCHAR END"
        nulls = "CASE WHEN count(*) = count(stats_null_count) THEN sum(stats_null_count)::BIGINT END"
        parts.append(
            f"SELECT {literal(column.name)} AS name, {low} AS low, {high} AS high, {nulls} AS nulls, "
            f"sum(num_values)::BIGINT AS n FROM _footers WHERE path_in_schema = {literal(column.name)}"
        )
    found = con.execute(
        f"WITH _footers AS MATERIALIZED (SELECT * FROM parquet_metadata({files})) {' UNION ALL '.join(parts)}"
    ).fetchall()
    total = int(rows[0][0])
    # a nested or repeated column has other numbers of values than rows; it proves nothing here
    return {
        name: (low, high, nulls) for name, low, high, nulls, n in found if nulls is not None and n == total
    }, total


def alike(con: duckdb.DuckDBPyConnection, files: str, schema: Schema) -> bool:
    """Whether every file has every column of ``schema`` in its type, so that a reader who goes by names
    finds the table's rows in them. Nested columns are not looked into: then it is not known, and False.

    Args:
        files: a list of paths as a SQL literal.
    """
    if any(column.family == "nested" for column in schema):
        return False
    rows = con.execute(
        "SELECT name, count(*), count(DISTINCT file_name), min(duckdb_type), max(duckdb_type) "
        f"FROM parquet_schema({files}) WHERE column_id > 0 GROUP BY name"
    ).fetchall()
    (total,) = con.execute(f"SELECT count(DISTINCT file_name) FROM parquet_schema({files})").fetchall()[0]
    found = {name: facts for name, *facts in rows}
    return all(found.get(c.name) == [total, total, c.type, c.type] for c in schema)
