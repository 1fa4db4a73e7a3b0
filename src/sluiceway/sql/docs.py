"""The page of dialects, made from the tables that the code itself goes by."""

from __future__ import annotations

from collections.abc import Iterable

from sluiceway.sql.differences import DIFFERENCES, GAPS, Difference
from sluiceway.sql.primitives import PRIMITIVES
from sluiceway.sql.sessions import POSTGRES, SPARK
from sluiceway.sql.targets import TARGETS
from sluiceway.sql.types import HELD, NAMES, to_engine

__all__ = ["render"]

ENGINES = ("spark", "postgres")
EXECUTED = ("duckdb", "spark", "postgres", "mysql")
"""Dialects whose emitters the tests execute; the others' are written from the manuals."""
EMULATED = ("snowflake", "bigquery")
"""Those that an emulator alone executes, which is not the warehouse."""

HEAD = """# Dialects

Written by `make docs` from the code; don't edit it.

A pipeline is written in DuckDB's SQL and means the same on every engine that it runs on. Where an engine
has other rules (Spark truncates 1.5 to an integer, PostgreSQL sorts by the database's language), its SQL is
written so that the answer is DuckDB's: the types of all expressions are asked of DuckDB's binder, and each
node is rewritten by them. What can't be made the same is refused before the run, with the expression, its
line and what to write instead. Nothing is passed through because it happened to parse.

Everything on this page but for Snowflake is executed by the tests on the engine itself, cell by cell, over
NULL, NaN, infinities, empty and combining texts, decimals of 38 digits, dates before 1900 and the hours at
which clocks are changed.

An engine's own SQL has its place in a step that says so; it is one safe SELECT all the same, and runs on
that engine alone:

```yaml
- sql: SELECT k, transform(sequence(1, k), x -> x * 2) AS doubled FROM _
  dialect: spark
  columns: {k: INTEGER, doubled: "INTEGER[]"}
```
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    lines += [f"| {' | '.join(_cell(c) for c in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _types() -> str:
    every = (*ENGINES, *EMULATED)
    rows = [[f"`{t}`", *(_place(t, engine) for engine in every)] for t in HELD]
    return (
        "## Types\n\nA type that an engine has no place for is refused; the message says what to cast it to."
        "\n\n" + _table(["DuckDB", *(NAMES[e] for e in every)], rows)
    )


def _place(type_: str, engine: str) -> str:
    from sluiceway.errors import PlanError

    try:
        return f"`{to_engine(type_, engine)}`"
    except PlanError:
        return "refused"


_QUERIES = """Window functions, CASE, IN, LIKE, subqueries, common table expressions, set operations, GROUPING
SETS, QUALIFY, DISTINCT ON (with ORDER BY), EXCLUDE, REPLACE, GROUP BY ALL, UNION BY NAME, SEMI and ANTI
joins are written in the engine's words, too.
"""


def _functions() -> str:
    parts = ["## Functions of users' SQL\n"]
    for engine in (*ENGINES, *EMULATED):
        names = ", ".join(f"`{name}`" for name in sorted(TARGETS[engine].functions))
        parts.append(f"{NAMES[engine]}: {names}.\n")
    return "\n".join([*parts, _QUERIES])


_TOLD = """## What is not the same

*Refused* ends the plan with an error that names the expression. *Raises* is the engine's own error where
DuckDB gives a value: it is told, never a wrong value. *Differs* is another value.
"""


def _differences() -> str:
    parts = [_TOLD]
    for engine in ENGINES:
        rows = [_row(d) for d in DIFFERENCES if d.engine == engine]
        parts.append(f"### {NAMES[engine]}\n\n{_table(['SQL', '', 'why', 'write'], rows)}")
    gaps = [[NAMES[gap.engine], gap.what, gap.error, gap.instead] for gap in GAPS]
    return "\n".join([*parts, _GAPS + _table(["engine", "what", "error", "use"], gaps)])


_GAPS = """### Steps and types

What an engine can't run at all; everything else that a pipeline file can say gives the same rows on all of
them. The pipelines that show it come with the package ([testing.md](testing.md)).

"""


def _row(d: Difference) -> list[str]:
    return [f"`{d.sql}`", d.kind, d.why, f"{d.instead}"]


_MADE_OF = """## Primitives

What rules, steps and quarantine are made of. *Not executed* is written from the engine's manual and run by
no test here, *emulator* is run on an emulator alone ([Snowflake](snowflake.md), [BigQuery](bigquery.md)); an
empty cell is refused.

"""


def _primitives() -> str:
    every = ("duckdb", *[d for d in NAMES if d != "duckdb"])
    rows = []
    for _, primitive in sorted(PRIMITIVES.items()):
        marks = [_mark(d) if d in primitive.emitters else "" for d in every]
        rows.append([f"`{primitive.doc.split(':')[0]}`", primitive.doc.partition(": ")[2], *marks])
    return _MADE_OF + _table(["call", "gives", *(NAMES[d] for d in every)], rows)


def _mark(dialect: str) -> str:
    if dialect in EXECUTED:
        return "yes"
    return "emulator" if dialect in EMULATED else "not executed"


def _sessions() -> str:
    spark = "\n".join(f"    {name} = {value}" for name, value in SPARK.items())
    postgres = "\n".join(f"    {statement}" for statement in POSTGRES)
    return (
        f"## Sessions\n\nAn engine sets these by itself.\n\nSpark:\n\n{spark}\n\nPostgreSQL:\n\n{postgres}\n"
    )


def render() -> str:
    """docs/dialects.md."""
    return "\n".join((HEAD, _types(), _functions(), _differences(), _primitives(), _sessions()))
