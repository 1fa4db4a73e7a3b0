"""The plan is data: small frozen nodes that run, explain and lineage walk alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sluiceway.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from sluiceway.plan.fixing import Fixing
    from sluiceway.plan.lineage import Lineage
    from sluiceway.rules.fuse import Check
    from sluiceway.spec.model import Pipeline
    from sluiceway.transforms.python import Python

__all__ = [
    "BEFORE",
    "NUMBERED",
    "AuditGate",
    "AuditSource",
    "Extract",
    "Node",
    "Plan",
    "Publish",
    "PythonStep",
    "Quarantine",
    "Stage",
    "Transform",
]


BEFORE = "_sluiceway_before_"
"""Prefix of a staged column that keeps the text of a value which the destination can't hold."""
NUMBERED = "_sluiceway_rows_"
"""Prefix of a spooled relation where it is read with the numbers of its rows."""


@dataclass(frozen=True)
class Extract:
    """Read one source. ``spool`` says why it is written to staging first; None: scanned in place.
    ``numbered``: it is read with the numbers of its rows too.
    """

    source: str
    columns: tuple[str, ...] | None
    spool: str | None
    numbered: bool = False

    @property
    def name(self) -> str:
        return f"extract {self.source}"


@dataclass(frozen=True)
class AuditSource:
    """Judge a source's rows before the transform sees them."""

    source: str
    checks: tuple[Check, ...]

    @property
    def name(self) -> str:
        return f"audit {self.source}"


@dataclass(frozen=True)
class Transform:
    """One declarative step: a SELECT over relations by name. Evaluated lazily, within the staging.

    ``inline``: cheap enough to be computed again by each of its readers, rather than kept in memory.
    ``spool`` says why its rows are written to staging first; None: they are computed where they are read.
    ``numbered``: they are read with their numbers too.
    """

    relation: str
    query: exp.Query
    reads: tuple[str, ...]
    kind: str
    inline: bool = False
    spool: str | None = None
    numbered: bool = False

    @property
    def name(self) -> str:
        return f"transform {self.relation}"


@dataclass(frozen=True)
class PythonStep:
    """A function from Arrow batches to Arrow batches; its output is spooled."""

    relation: str
    reads: str
    step: Python
    schema: Schema

    @property
    def name(self) -> str:
        return f"transform {self.relation}"


@dataclass(frozen=True)
class Stage:
    """Materialise the result once, with the violation bitmask of every check that needs one row only.

    ``query`` selects the output columns and the mask columns; ``bad`` is the condition, over the masks,
    of rows that are set apart. ``in_place``: nothing is written in between; the rows are judged and
    handed over where they lie, and ``query`` is only run to keep the rows of a blocked run for a look.
    """

    query: exp.Query
    bad: exp.Expr | None
    relation: str
    in_place: bool = False
    name: str = "stage"


@dataclass(frozen=True)
class AuditGate:
    """Judge the staged rows: masks, aggregates, and queries of their own."""

    checks: tuple[Check, ...]
    name: str = "audit gate"


@dataclass(frozen=True)
class Quarantine:
    """Describe the rows that were turned away, for the publish transaction."""

    checks: tuple[Check, ...]
    name: str = "quarantine"


@dataclass(frozen=True)
class Publish:
    """One transaction: evolution, rows by mode, quarantine, cursors, receipt."""

    mode: str
    add_columns: Mapping[str, str] = field(default_factory=dict)
    widen_columns: Mapping[str, str] = field(default_factory=dict)
    name: str = "publish"


Node = Extract | AuditSource | Transform | PythonStep | Stage | AuditGate | Quarantine | Publish


@dataclass(frozen=True)
class Plan:
    """``relations``: every name that SQL may read, with its schema; ``output``: what is published.

    ``binds`` are values that stand beside the SQL. ``hidden`` maps a phase (a source's name, or
    ``gate``) to the columns whose samples are masked. ``before``: columns whose values the destination
    can't hold, with their types; they are staged as text. ``discards``: those among them whose values
    are discarded, with the check that counts them. ``fixing``: what ``on_fail: fix`` changes on the way to
    the staging.
    """

    pipeline: Pipeline
    nodes: tuple[Node, ...]
    relations: Mapping[str, Schema]
    output: Schema
    last: str
    lineage: Lineage
    binds: Mapping[str, Any] = field(default_factory=dict)
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)
    discards: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    fixing: Fixing | None = None

    @property
    def in_place(self) -> bool:
        """Nothing is staged: see ``Stage``."""
        return any(node.in_place for node in self.select(Stage))

    def checks(self) -> tuple[Check, ...]:
        return tuple(
            check for node in self.nodes if isinstance(node, AuditSource | AuditGate) for check in node.checks
        )

    def select(self, kind: type[Any]) -> tuple[Any, ...]:
        """The nodes of one kind, in order."""
        return tuple(node for node in self.nodes if isinstance(node, kind))
