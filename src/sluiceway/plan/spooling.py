"""What is written to staging before it is read, and why.

A relation that several readers share is computed again by each of them, unless it is spooled. So is one
that ``deduplicate`` reads: it looks for the keys that repeat before it sorts anything, which is three
scans, and these cost less than one sort of whole rows wherever scanning again is cheap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sluiceway.connectors.types import leaves
from sluiceway.plan.nodes import PythonStep, Transform

if TYPE_CHECKING:
    from sluiceway.schema import Schema
    from sluiceway.spec.model import DeclaredRule, Pipeline

__all__ = ["Spooling"]

_THRICE = "deduplicate reads it three times, which costs less than to sort it"


@dataclass
class Spooling:
    """Decides while a plan is built.

    Args:
        exact: types that come back from the engine's staging as they were, without their widths; none
            where scanning a staging again is not cheap.
        count: every source is spooled, so that the rows read are known.
    """

    pipeline: Pipeline
    exact: frozenset[str] = frozenset()
    count: bool = False
    thrice: set[str] = field(default_factory=set)
    steps: dict[str, Transform | PythonStep] = field(default_factory=dict)

    def source(self, name: str, readers: int) -> str | None:
        """Why a source is spooled: reading it once more would cost or could differ."""
        spec = self.pipeline.sources[name]
        if spec.incremental is not None:
            return "its cursor's maximum must be of the very rows that were read"
        if spec.config.on_bad_row != "fail":
            return "unreadable rows are counted and kept"
        if spec.rules and not (spec.connector.rescan and _only_judges(spec.rules)):
            return "its rules are judged before the transform"
        if name in self.thrice:
            return _THRICE
        if readers > 1 and not spec.connector.rescan:
            return f"it is read by {readers} steps and rules"
        return "its rows are counted" if self.count else None

    def step(self, name: str) -> str | None:
        """Why what a step makes is spooled."""
        return _THRICE if name in self.thrice else None

    def for_three_scans(self, name: str, schema: Schema) -> bool:
        """Whether ``deduplicate`` may scan a relation three times; it is spooled if need be."""
        if not self.exact:
            return False
        if self._cheap_again(name):
            return True
        known = name in self.pipeline.sources or name in self.steps
        if not known or any(leaf not in self.exact for c in schema for leaf in leaves(c.type)):
            return False  # a staging would change its values
        self.thrice.add(name)
        return True

    def _cheap_again(self, name: str) -> bool:
        spec = self.pipeline.sources.get(name)
        if spec is not None:
            return spec.connector.rescan or self.source(name, 1) is not None
        step = self.steps.get(name)
        if step is None:
            return False  # a table of the warehouse, which may be a server's
        if isinstance(step, PythonStep) or name in self.thrice:
            return True
        return step.inline and all(self._cheap_again(read) for read in step.reads)


def _only_judges(rules: Iterable[DeclaredRule]) -> bool:
    """No row is taken away by these rules."""
    return all(declared.rule.effective_on_fail in ("warn", "block") for declared in rules)
