"""Columns and types, spelled as DuckDB spells them, whatever engine runs the plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.errors import PlanError, Where, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Column", "Schema", "TableName", "as_number", "family"]

_FAMILIES = {
    "integer": {
        "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
        "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    },
    "decimal": {"DECIMAL"},
    "float": {"FLOAT", "DOUBLE"},
    "text": {"VARCHAR"},
    "boolean": {"BOOLEAN"},
    "date": {"DATE"},
    "time": {"TIME", "TIME WITH TIME ZONE", "TIME_NS"},
    "timestamp": {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"},
    "timestamptz": {"TIMESTAMP WITH TIME ZONE"},
    "interval": {"INTERVAL"},
    "uuid": {"UUID"},
    "blob": {"BLOB", "BIT"},
    "json": {"JSON"},
}  # fmt: skip
_BY_NAME = {name: group for group, names in _FAMILIES.items() for name in names}


def family(type_: str) -> str:
    """The family that a rule or a connector reasons about.

    One of: integer decimal float text boolean date time timestamp timestamptz interval uuid blob
    json nested unknown.

    >>> family("DECIMAL(18,2)"), family("TIMESTAMP WITH TIME ZONE"), family("INTEGER[]")
    ('decimal', 'timestamptz', 'nested')
    """
    upper = type_.upper()
    if upper.endswith("]") or upper.startswith(("STRUCT(", "MAP(", "UNION(")):
        return "nested"
    if upper.startswith("ENUM("):
        return "text"
    return _BY_NAME.get(re.sub(r"\(.*\)$", "", upper), "unknown")


def as_number(value: Any, type_: str) -> Any:
    """A value of a numeric column as int or float, where an engine gave it as text; else as it is.

    >>> as_number("42", "BIGINT"), as_number("1.50", "DECIMAL(18,2)"), as_number("42", "VARCHAR")
    (42, 1.5, '42')
    """
    if not isinstance(value, str):
        return value
    group = family(type_)
    try:
        if group == "integer":
            return int(value)
        return float(value) if group in ("decimal", "float") else value
    except ValueError:
        return value


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool = True

    @property
    def family(self) -> str:
        return family(self.type)


@dataclass(frozen=True)
class Schema:
    """The columns of a dataset, in order. Names are matched without case, as SQL does.

    >>> s = Schema.of({"id": "BIGINT", "Name": "VARCHAR"})
    >>> s.names, s["name"].type, "ID" in s
    (('id', 'Name'), 'VARCHAR', True)
    """

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, types: dict[str, str]) -> Schema:
        return cls(tuple(Column(name, type_) for name, type_ in types.items()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __getitem__(self, name: str) -> Column:
        column = self.get(name)
        if column is None:
            raise KeyError(name)
        return column

    def get(self, name: str) -> Column | None:
        wanted = name.casefold()
        return next((c for c in self.columns if c.name.casefold() == wanted), None)

    def require(self, names: Iterable[str], where: Where | None = None, of: str = "") -> None:
        """Raise PlanError, listing the columns there are, for the first name that is missing."""
        for name in names:
            if name not in self:
                there = ", ".join(self.names) or "no columns"
                raise PlanError(
                    f"column '{name}' does not exist{f' in {of}' if of else ''}; there are: {there}",
                    where=where,
                    hint=did_you_mean(name, self.names) if len(self) else None,
                )


_PART = re.compile(r"[^\x00-\x1f/\\]+")


@dataclass(frozen=True)
class TableName:
    """``namespace.name``. Parts may hold spaces and unicode, never a path separator or ``..``.

    >>> TableName.parse("mart.orders"), str(TableName.parse("orders"))
    (TableName(namespace='mart', name='orders'), 'main.orders')
    """

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str, default_namespace: str = "main", where: Where | None = None) -> TableName:
        parts = text.split(".")
        if len(parts) == 1:
            parts = [default_namespace, *parts]
        bad = len(parts) != 2 or any(
            not p.strip() or p != p.strip() or not _PART.fullmatch(p) or len(p) > 128 for p in parts
        )
        if bad:
            raise PlanError(
                f"'{text}' is not a table name",
                where=where,
                hint="write it as NAMESPACE.NAME, without path separators",
            )
        return cls(parts[0], parts[1])

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"
