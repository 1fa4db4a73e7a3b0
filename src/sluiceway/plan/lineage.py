"""Column lineage out of the steps' trees, as OpenLineage's columnLineage facet means it.

Step by step: each relation knows what its columns come from, so the next step only looks one step
back. Values that flow into a column are DIRECT; what decides about rows (filters, joins, groups, sorts)
is INDIRECT and holds for every column of the result; conditions and windows within one column's
expression are INDIRECT for that column alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sluiceway.errors import PlanError
from sluiceway.schema import Schema

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Edge", "Lineage", "Subtype", "Traced", "column_lineage"]

Subtype = Literal[
    "IDENTITY", "TRANSFORMATION", "AGGREGATION", "JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"
]
_STRENGTH = {"IDENTITY": 0, "TRANSFORMATION": 1, "AGGREGATION": 2}


@dataclass(frozen=True, order=True)
class Edge:
    """``column`` of ``relation`` (a source or a dataset, by its name in the pipeline) and what it is
    used for. ``masking``: the value can't be read any more."""

    type: Literal["DIRECT", "INDIRECT"]
    relation: str
    column: str
    subtype: Subtype
    masking: bool = False


Edges = frozenset[Edge]
NONE: Edges = frozenset()


@dataclass(frozen=True)
class Traced:
    """A relation whose columns are traced to the inputs. Names of ``columns`` are as written;
    ``rows`` are the edges that decide about its rows."""

    columns: Mapping[str, Edges]
    rows: Edges = NONE

    def get(self, name: str) -> Edges | None:
        wanted = name.casefold()
        return next((edges for column, edges in self.columns.items() if column.casefold() == wanted), None)

    def everything(self) -> Edges:
        return frozenset().union(*self.columns.values()) if self.columns else NONE


@dataclass(frozen=True)
class Lineage:
    """``columns``: output column -> its edges, DIRECT ones first, sorted.

    >>> from sluiceway.sql.safe import parse_select
    >>> from sluiceway.errors import Where
    >>> query = parse_select("SELECT a + 1 AS b FROM t WHERE c", Where())
    >>> schema = Schema.of({"a": "INTEGER", "c": "BOOLEAN"})
    >>> found = column_lineage({"t": schema}, [("s", query, ("t",), Schema.of({"b": "INTEGER"}))], "s")
    >>> [(e.column, e.subtype) for e in found.columns["b"]]
    [('a', 'TRANSFORMATION'), ('c', 'FILTER')]
    """

    columns: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)

    def relations(self) -> tuple[str, ...]:
        """The inputs that anything comes from."""
        return tuple(sorted({edge.relation for edges in self.columns.values() for edge in edges}))


Step = tuple[str, "exp.Query | None", Sequence[str], Schema]


def column_lineage(inputs: Mapping[str, Schema], steps: Iterable[Step], output: str) -> Lineage:
    """Where every column of ``output`` comes from.

    Args:
        inputs: sources and datasets: name -> schema.
        steps: in order: (name, its SELECT or None for Python, the relations it reads, its schema).
        output: the name of a step or an input.

    Raises:
        PlanError: ``output`` or a relation that a step reads is not there.
    """
    from sluiceway.plan.trace import trace

    known: dict[str, Traced] = {}
    for name, schema in inputs.items():
        columns = {c: frozenset({Edge("DIRECT", name, c, "IDENTITY")}) for c in schema.names}
        known[name.casefold()] = Traced(columns)
    for name, query, reads, schema in steps:
        if query is None:
            known[name.casefold()] = _opaque([_find(known, n) for n in reads], schema)
        else:
            traced = trace(query, known)
            known[name.casefold()] = named(traced, schema, lambda r=reads: [_find(known, n) for n in r])
    final = _find(known, output)
    return Lineage({name: tidy(edges | final.rows) for name, edges in final.columns.items()})


def _find(known: Mapping[str, Traced], name: str) -> Traced:
    found = known.get(name.casefold())
    if found is None:
        raise PlanError(f"there is no relation '{name}' to trace columns to")
    return found


def named(traced: Traced | None, schema: Schema, reads: object) -> Traced:
    """``traced`` under the names that the engine gave; where the two don't fit, all that was read."""
    if traced is not None and len(traced.columns) == len(schema):
        return Traced(dict(zip(schema.names, traced.columns.values(), strict=True)), traced.rows)
    opaque = _opaque(reads() if callable(reads) else [], schema)
    return Traced(opaque.columns, opaque.rows | (traced.rows if traced is not None else NONE))


def _opaque(reads: Sequence[Traced], schema: Schema) -> Traced:
    """Nobody can look inside: every column comes from every column."""
    inputs = frozenset().union(*(through(r.everything(), "TRANSFORMATION") for r in reads))
    rows = frozenset().union(*(r.rows for r in reads))
    return Traced(dict.fromkeys(schema.names, inputs), rows)


def through(edges: Edges, subtype: Subtype, *, masking: bool = False) -> Edges:
    """``edges`` after one more DIRECT use."""
    found = []
    for edge in edges:
        if edge.type == "INDIRECT":
            found.append(edge)
            continue
        stronger: Subtype = max(edge.subtype, subtype, key=lambda s: _STRENGTH[s])
        found.append(Edge("DIRECT", edge.relation, edge.column, stronger, edge.masking or masking))
    return frozenset(found)


def indirect(edges: Edges, subtype: Subtype) -> Edges:
    """``edges`` when the value only decides; what already only decided keeps saying how."""
    return frozenset(
        e if e.type == "INDIRECT" else Edge("INDIRECT", e.relation, e.column, subtype) for e in edges
    )


def tidy(edges: Edges) -> tuple[Edge, ...]:
    """One DIRECT edge a column, the strongest use; masked only if it is masked in every use."""
    direct: dict[tuple[str, str], Edge] = {}
    for edge in edges:
        if edge.type != "DIRECT":
            continue
        key = (edge.relation, edge.column)
        old = direct.get(key, edge)
        subtype: Subtype = max(old.subtype, edge.subtype, key=lambda s: _STRENGTH[s])
        direct[key] = Edge("DIRECT", *key, subtype, old.masking and edge.masking)
    return tuple(sorted([*direct.values(), *(e for e in edges if e.type == "INDIRECT")]))
