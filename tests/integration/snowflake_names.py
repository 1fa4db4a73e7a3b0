"""Whether statements find every name as Snowflake reads it, where case counts and its emulator's does not.

Reads the statements of a run in their order, remembers what they make, and resolves each column by sqlglot's
optimizer with Snowflake's rules: unquoted is in capitals, quoted is as it stands.
"""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

__all__ = ["Reader"]


class Reader:
    """``read`` raises where a name is not found. ``resolved`` counts the statements that it looked into."""

    def __init__(self) -> None:
        self.tables: dict[tuple[str, str], dict[str, str]] = {}
        self.resolved = 0

    def read(self, sql: str) -> None:
        if sql.startswith(
            ("PUT", "COPY", "BEGIN", "COMMIT", "ROLLBACK", "DESCRIBE", "CREATE TEMPORARY STAGE")
        ):
            return
        if "information_schema" in sql:
            return
        tree = normalize_identifiers(sqlglot.parse_one(sql, read="snowflake"), dialect="snowflake")
        match tree:
            case exp.Create(kind="TABLE"):
                self._create(tree)
            case exp.Alter():
                for column in tree.find_all(exp.ColumnDef):
                    self.tables[_key(tree.this)][column.name] = "TEXT"
            case exp.Insert():
                target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
                there = self.tables[_key(target)]
                if isinstance(tree.this, exp.Schema):
                    assert {c.name for c in tree.this.expressions} <= set(there), sql
                if isinstance(tree.expression, exp.Query):
                    self._query(tree.expression)
            case exp.Delete():
                where = tree.args.get("where")
                self._query(exp.select("1").from_(tree.this).where(where.this if where else exp.true()))
            case exp.Update():
                self._update(tree, sql)
            case exp.Query():
                self._query(tree)

    def _create(self, tree: exp.Create) -> None:
        if isinstance(tree.this, exp.Schema):
            made = {c.name: "TEXT" for c in tree.this.expressions}
            name = _key(tree.this.this)
        else:
            made = dict.fromkeys(self._query(tree.expression), "TEXT")
            name = _key(tree.this)
        if not (tree.args.get("exists") and name in self.tables):
            self.tables[name] = made

    def _update(self, tree: exp.Update, sql: str) -> None:
        there = self.tables[_key(tree.this)]
        assert all(e.this.name in there for e in tree.expressions), sql
        select = exp.select(*[e.expression for e in tree.expressions]).from_(tree.this)
        other = tree.args.get("from_")
        if other is not None:
            select = select.join(other.this, join_type="cross")
        if tree.args.get("where") is not None:
            select = select.where(tree.args["where"].this)
        self._query(select)

    def _query(self, query: Any) -> list[str]:
        nested: dict[str, Any] = {}
        for (schema, table), columns in self.tables.items():
            nested.setdefault(schema, {})[table] = columns
        known = MappingSchema({"D": nested}, dialect="snowflake", normalize=False)
        made = qualify(query.copy(), schema=known, dialect="snowflake", catalog="D", db="PUBLIC",
                       identify=False, quote_identifiers=False)  # fmt: skip
        self.resolved += 1
        names: list[str] = made.named_selects
        return names


def _key(table: exp.Table) -> tuple[str, str]:
    return table.db or "PUBLIC", table.name
