"""The files of a lake's table, where they alone are its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.connectors.footers import alike
from sluiceway.duck import literal, relation
from sluiceway.exchange import Location

if TYPE_CHECKING:
    import duckdb

    from sluiceway.schema import Schema, TableName

__all__ = ["located"]


def located(con: duckdb.DuckDBPyConnection, lake: str, table: TableName, schema: Schema) -> Location | None:
    """The table's Parquet files, if whoever reads them by the names of their columns gets its rows.

    That is not so where rows of a file are deleted, where some lie in the catalog (inlined), or where
    columns came, went or changed: then a file's column of that name may be another one.

    Args:
        lake: under what name it is attached.
    """
    found = con.execute(
        f"SELECT data_file, delete_file, data_file_encryption_key FROM ducklake_list_files({literal(lake)}, "
        f"{literal(table.name)}, schema => {literal(table.namespace)})"
    ).fetchall()
    if not found or any(deleted is not None or key is not None for _, deleted, key in found):
        return None
    if _changed(con, lake, table):
        return None
    files = [str(file) for file, _, _ in found]
    listed = "[" + ", ".join(map(literal, files)) + "]"
    return Location("parquet", schema, tuple(files)) if alike(con, listed, schema) else None


def _changed(con: duckdb.DuckDBPyConnection, lake: str, table: TableName) -> bool:
    """By the catalog: other columns than the first ones, or rows and deletions that are only there."""
    import duckdb

    catalog = f"__ducklake_metadata_{lake}"
    tables, schemas, columns, inlined = (
        relation(catalog, name)
        for name in ("ducklake_table", "ducklake_schema", "ducklake_column", "ducklake_inlined_data_tables")
    )
    rows = con.execute(
        f"SELECT t.table_id, t.begin_snapshot FROM {tables} AS t JOIN {schemas} AS s USING (schema_id) "
        f"WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND t.table_name = {literal(table.name)} "
        f"AND s.schema_name = {literal(table.namespace)}"
    ).fetchall()
    if len(rows) != 1:
        return True
    number, since = rows[0]
    others = con.execute(
        f"SELECT count(*) FROM {columns} WHERE table_id = {int(number)} "
        f"AND (end_snapshot IS NOT NULL OR begin_snapshot <> {int(since)})"
    ).fetchall()[0][0]
    names = con.execute(f"SELECT table_name FROM {inlined} WHERE table_id = {int(number)}").fetchall()
    held = [name for (name,) in names]
    try:
        con.execute(f"SELECT 1 FROM {relation(catalog, f'ducklake_inlined_delete_{int(number)}')} LIMIT 0")
        held.append(f"ducklake_inlined_delete_{int(number)}")
    except duckdb.CatalogException:
        pass  # it is made with the first deletion that is inlined
    return bool(others) or any(
        con.execute(f"SELECT count(*) FROM {relation(catalog, name)}").fetchall()[0][0] for name in held
    )
