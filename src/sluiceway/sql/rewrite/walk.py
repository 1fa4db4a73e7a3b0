"""Trees are rewritten from the leaves up; what becomes of a node is said by the engine's own walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.sql.rewrite.constants import folded
from sluiceway.sql.scopes import TYPE, type_of

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context

__all__ = ["PRIMITIVE", "TEXT", "Walk"]

PRIMITIVE = "SW_"
TEXT = "sluiceway_text"
"""Key in ``meta``: how the user wrote it."""


class Walk:
    """``sides``: what DuckDB makes of the columns of each UNION, by the id of its node."""

    def __init__(self, ctx: Context, sides: Mapping[int, list[str] | None]) -> None:
        self.ctx, self.sides = ctx, sides

    def node(self, node: Any) -> Any:
        known = type_of(node)
        made = self._made(node)
        if known is not None and isinstance(made, exp.Expr) and not isinstance(made, exp.Null):
            made.meta[TYPE] = known
        if made is not node and TEXT in node.meta:
            made.meta.setdefault(TEXT, node.meta[TEXT])
        return made

    def _made(self, node: Any) -> Any:
        self._children(node)
        return self._rewritten(node)

    def _rewritten(self, node: Any) -> Any:
        """What ``node``, whose children are rewritten, becomes."""
        raise NotImplementedError

    def _children(self, node: Any) -> None:
        if isinstance(node, exp.Escape):  # the LIKE within is written with it
            self._children(node.this)
            return
        for child in list(node.iter_expressions()):
            if isinstance(child, exp.DataType | exp.Identifier):
                continue
            made = self.node(child)
            if made is not child:
                child.replace(made)

    def _or_constant(self, node: Any, rewrite: Callable[[Context, Any], Any]) -> Any:
        """What can't be said but is known before the run is computed by DuckDB."""
        original = node.copy()
        try:
            return rewrite(self.ctx, node)
        except PlanError:
            made = folded(self.ctx, original)
            if made is None:
                raise
            return made
