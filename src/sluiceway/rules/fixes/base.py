"""What a fix is: an expression that a row's value is replaced by, where the row breaks a rule.

A fix never decides which rows it touches: the rule does, by ``failing``. It gives NULL where it does not know
what to do; the value then stays as it is, fails its rule again and goes to quarantine. A fix is written in
DuckDB's SQL and our primitives, so that it runs in the one SELECT of the plan and is translated, or refused
when the plan is made, like every other part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.sql.emit.template import fill

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["BLANKS", "Fix", "duck", "squeezed", "stripped"]

BLANKS = "\\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space, of Unicode too, within the brackets of an RE2 class."""


class Fix(BaseModel):
    """One way to put a value right. ``kind`` is its name in YAML.

    ``families`` are the types that it takes (None: all). ``gives_null``: NULL is its answer and not that it
    has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    kind: ClassVar[str]
    families: ClassVar[frozenset[str] | None] = frozenset({"text"})
    gives_null: ClassVar[bool] = False
    example: ClassVar[str] = ""
    """A rule with this fix, in YAML; it stands in the documentation, and a test plans it."""

    @classmethod
    def shorthand(cls, value: Any) -> dict[str, Any]:
        """The fields that a bare value stands for.

        Raises:
            ValueError: the fix takes a mapping.
        """
        names = ", ".join(cls.model_fields)
        raise ValueError(f"the fix {cls.kind} takes {names or 'no options'}, not {value!r}")

    def validate_for(self, rule: Rule, judged: Column, ctx: RuleContext) -> None:
        """Raise PlanError where the column's type, or the rule, is none that this can put right."""
        if self.families is not None and judged.family not in self.families:
            raise PlanError(
                f"the fix {self.kind} does not fit column '{judged.name}' of type {judged.type}",
                where=ctx.where,
                hint=f"it takes {', '.join(sorted(self.families))}; choose another, or on_fail: quarantine",
            )

    def reads(self) -> tuple[str, ...]:
        """Relations that it looks values up in."""
        return ()

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        """What ``value``, which broke ``rule``, becomes; NULL where that is not known."""
        raise NotImplementedError

    def said(self) -> str:
        """What it does, in a word or two, for reports."""
        return self.kind


def duck(sql: str, **holes: exp.Expr) -> exp.Expr:
    """An expression of DuckDB's with ``:holes``.

    >>> duck("lower(:x)", x=exp.column("a")).sql("duckdb")
    'LOWER(a)'
    """
    return fill("duckdb", sql, **holes)


def stripped(value: exp.Expr) -> exp.Expr:
    """Without white space at both ends."""
    # one end after the other: alternatives are not found alike on every engine
    for pattern in (f"^[{BLANKS}]+", f"[{BLANKS}]+$"):
        value = duck("regexp_replace(:x, :p, '')", x=value, p=exp.Literal.string(pattern))
    return value


def squeezed(value: exp.Expr) -> exp.Expr:
    """In lower case, words apart by one blank, whatever stood between them: how near misses are compared."""
    blank = exp.Literal.string(f"[{BLANKS}_-]+")
    inner = duck("regexp_replace(lower(:x), :p, ' ', 'g')", x=value, p=blank)
    return duck("trim(:x)", x=inner)
