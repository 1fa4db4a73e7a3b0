"""Relations that are staged before they are read, and bound to what was staged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from sluiceway.plan.nodes import NUMBERED
from sluiceway.run.reach import slug
from sluiceway.schema import Column, Schema
from sluiceway.sql.names import tables_of
from sluiceway.transforms.deduplicate import ROW

if TYPE_CHECKING:
    from sluiceway.engines.base import Stage
    from sluiceway.plan.nodes import Transform
    from sluiceway.run.execute import Execution

__all__ = ["as_if_spooled", "bind_spooled", "bind_step"]


def bind_step(run: Execution, node: Transform) -> None:
    """Bind a step, spooled if the plan says so."""
    for name in tables_of(node.query):
        if name.startswith(NUMBERED) and name not in run.relations:  # by a door, which extracts nothing
            _spool(run, name.removeprefix(NUMBERED), f"extract {name}", numbered=True)
    run.relations.step(node.relation, node.query, inline=node.inline)
    if node.spool:
        _spool(run, node.relation, node.name, numbered=node.numbered)


def _spool(run: Execution, relation: str, node: str, *, numbered: bool) -> None:
    """Stage a relation as it is bound, and bind it to that."""
    columns = [exp.column(c.name, quoted=True) for c in run.plan.relations[relation]]
    select = exp.select(*columns).from_(exp.table_(relation, quoted=True))
    with run.timer(node) as timed:
        sql = run.relations.compile(select)
        stage = run.engine.stage(f"step_{slug(relation)}", sql, parameters=run.plan.binds)
        timed.rows = stage.rows
    bind_spooled(run, relation, stage, numbered=numbered)


def bind_spooled(run: Execution, name: str, stage: Stage, *, numbered: bool) -> None:
    """Bind a relation to all rows of its staging; with their numbers too, under a name of its own."""
    listed = ", ".join(run.quoted(c.name) for c in run.plan.relations[name])
    run.relations.scan(name, f"SELECT {listed} FROM {stage.relation} AS _rows")
    if numbered:
        row = f"{stage.row} AS {run.quoted(ROW)}"
        sql = f"SELECT {listed}, {row} FROM {stage.relation} AS _rows"
        run.relations.scan(NUMBERED + name, sql, schema=numbered_schema(run.plan.relations[name]))


def numbered_schema(schema: Schema) -> Schema:
    return Schema((*schema, Column(ROW, "BIGINT")))


def as_if_spooled(run: Execution, name: str, *, numbered: bool) -> None:
    """For explain, which reads no row: what a run spools stands where it is computed."""
    if numbered:
        row = f"row_number() OVER () AS {run.quoted(ROW)}"
        run.relations.scan(
            NUMBERED + name,
            f"SELECT *, {row} FROM {run.quoted(name)} AS _rows",
            reads=(name,),
            schema=numbered_schema(run.plan.relations[name]),
        )
