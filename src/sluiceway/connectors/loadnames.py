"""What the statements of every load mode are written with, and what they come together as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluiceway.errors import DataQualityError
from sluiceway.exchange import PublishOrder

if TYPE_CHECKING:
    from sluiceway.connectors.dialects import Dialect

__all__ = ["NEW", "OLD", "Check", "Load", "Names"]

NEW = "_sluiceway_new"
"""The alias of the staging relation in every statement."""
OLD = "_sluiceway_old"
"""The alias of the target, where it has one."""


@dataclass(frozen=True)
class Check:
    """``sql`` counts rows that forbid the publish; ``message`` says what they are, ``hint`` what to do."""

    sql: str
    message: str
    hint: str

    def enforce(self, count: int, table: str) -> None:
        """Raise DataQualityError where ``count`` is above 0: data, not the destination, is at fault."""
        if count:
            raise DataQualityError(
                f"{table}: {count} {self.message}",
                hint=self.hint,
                details={"rows": count},
            )


@dataclass(frozen=True)
class Load:
    """``prepare`` (a temporary table), then ``checks``, then ``late`` (a SELECT of one number), then
    ``statements``, each in order and all in one transaction, which ``before`` goes before. Only
    ``statements`` touch the target."""

    statements: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    late: str | None = None
    before: tuple[str, ...] = ()

    def ready(self, execute: Callable[[str], object], count: Callable[[str], int], table: str) -> int:
        """All that goes before the target is touched; the number of late rows.

        Args:
            execute: run a statement. ``count``: the number that a SELECT gives. ``table``: for messages.

        Raises:
            DestinationError: a check refuses the publish.
        """
        for sql in self.prepare:
            execute(sql)
        for check in self.checks:
            check.enforce(count(check.sql), table)
        return count(self.late) if self.late else 0

    def carry_out(self, execute: Callable[[str], object], count: Callable[[str], int], table: str) -> int:
        """The whole load, in the caller's transaction; see ``ready``."""
        late = self.ready(execute, count, table)
        for sql in self.statements:
            execute(sql)
        return late


@dataclass(frozen=True)
class Names:
    dialect: Dialect
    target: tuple[str, ...]
    staging: str
    columns: tuple[str, ...]
    order: PublishOrder
    reads: Mapping[str, str]
    prefixes: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return self.dialect.relation(*self.target)

    @property
    def new(self) -> str:
        return f"{self.staging} AS {NEW}"

    def column(self, side: str, name: str) -> str:
        text = f"{side}.{self.dialect.ident(name)}"
        return self._read(text, name) if side == OLD else text

    def _read(self, text: str, name: str) -> str:
        return f"CAST({text} AS {self.reads[name]})" if name in self.reads else text

    def of_target(self, name: str) -> str:
        """Inside DELETE and UPDATE, where not every system lets the target have an alias."""
        return self._read(self.dialect.relation(self.target[-1], name), name)

    def keys(self, left: str, right: str) -> str:
        return " AND ".join(f"{self.column(left, k)} = {self.column(right, k)}" for k in self.order.key)

    def keys_of_target(self, other: str) -> str:
        return " AND ".join(f"{self.column(other, k)} = {self.of_target(k)}" for k in self.order.key)

    def insert(self, where: str = "") -> str:
        names = ", ".join(self.dialect.ident(c) for c in self.columns)
        values = ", ".join(self.column(NEW, c) for c in self.columns)
        return f"INSERT INTO {self.table} ({names}) SELECT {values} FROM {self.new}{where}"
