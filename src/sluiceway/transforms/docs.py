"""``docs/transforms.md``, out of the models; ``make docs`` writes it."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any, get_args

from sluiceway import plugins
from sluiceway.sql.support import AGGREGATES, CLOCK, TARGETS, WINDOW_ONLY
from sluiceway.transforms.base import Step

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["example", "render"]

_HEAD = """\
# Transforms

Written by `make docs` from the steps themselves: edit them, not this page.

A step is an entry of `transform:` in a pipeline. It reads the step before it; the first one reads the first
source. Beside the step's key stand `name:`, so that later steps and rules can read it, and `from:`, to read
another source or named step instead of the step before.

```yaml
transform:
  - filter: status <> 'draft'
    name: real
  - sql: SELECT customer_id, count(*) AS orders FROM _ GROUP BY customer_id
    from: real
```

A column that does not exist is an error before anything is read. Names are matched without case. Expressions
are DuckDB's SQL over the columns of the relation that is read; a subquery in one may read any source, named
step or dataset. `:name` is a variable (`--vars name=VALUE`) and is bound beside the SQL. YAML needs quotes
round an expression with a comma or a colon.

**Row-wise** steps make each row out of one row of what they read, so rows that a source's rules turned away
can be replayed through them alone. An expression with a window, an aggregate or a subquery makes its step one
that is not.
"""

_SQL = """\
## What SQL may contain

One SELECT; WITH, UNION, EXCEPT, INTERSECT, subqueries, windows, QUALIFY, lambdas and nested types are fine.
It reads relations by name and nothing else, so these are refused, with the reason: other statements, table
functions (`read_csv`, `glob`, `range` in FROM), file names as tables, catalogs of the engine, functions that
look outside (`getenv`, `current_setting`), and any function that is not in the list below.

Every run must give the same rows from the same data. So `random()`, `uuid()`, sampling, and LIMIT without
ORDER BY are refused, and clock functions ({clock}, `current_date`, `current_timestamp`) say when the run
started, in UTC. What the engine itself leaves open stays open: `any_value`, `first` without ORDER BY,
`row_number()` over ties.

PIVOT and UNPIVOT in SQL are refused; the steps of those names have columns that are known before the run.
Behind `->` and `->>` stands a plain key or a path such as `$.a.b[0]`; for other keys write
`json_extract_string(column, 'key')`.

Aggregates: {aggregates}.

Window functions: {windows}.

Functions: {functions}.
"""


def render() -> str:
    """The page.

    >>> "## deduplicate" in render()
    True
    """
    found = {name: plugins.load("transforms", name) for name in plugins.names("transforms")}
    steps = {name: step for name, step in found.items() if step.__module__.startswith("sluiceway.")}
    lines = [_HEAD, "| step | does | row-wise |", "| --- | --- | --- |"]
    for name, step in steps.items():
        first = _prose(step).split(". ")[0].split("; ")[0].split(": ")[0].rstrip(".")
        lines.append(f"| [{name}](#{name}) | {_cell(first)} | {'yes' if step.row_wise else 'no'} |")
    lines.append("")
    for name, step in steps.items():
        lines += _section(name, step)
    target = TARGETS["duckdb"]
    lines.append(
        _SQL.format(
            clock=_names(CLOCK),
            aggregates=_names(AGGREGATES),
            windows=_names(WINDOW_ONLY),
            functions=_names(target.functions - AGGREGATES - WINDOW_ONLY),
        )
    )
    return "\n".join(lines).rstrip() + "\n"


def example(step: type[Step]) -> str:
    """The YAML of the step's docstring: a list of steps."""
    text = inspect.getdoc(step) or ""
    return textwrap.dedent(text.split(".. code-block:: yaml\n", 1)[1]).strip()


def _section(name: str, step: type[Step]) -> list[str]:
    own = [field for field in step.model_fields if field not in Step.model_fields]
    table = ["| key | takes | default | |", "| --- | --- | --- | --- |"]
    table += [_row(field, step.model_fields[field]) for field in own]
    return [f"## {name}", "", _prose(step), "", "```yaml", example(step), "```", "", *table, ""]


def _row(name: str, field: FieldInfo) -> str:
    if not field.description:
        raise ValueError(f"the option {name} has no description")
    default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
    takes = _cell(_type(field.annotation))
    return f"| `{field.alias or name}` | {takes} | {default} | {_cell(field.description)} |"


def _default(value: Any) -> str:
    return (
        ""
        if value is None or value == {}
        else f"`{str(value).lower() if isinstance(value, bool) else value}`"
    )


_PLAIN = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    type(None): "",
    dict: "mapping",
}


def _type(annotation: Any) -> str:
    """A type in the words of a YAML file."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    arguments = get_args(annotation)
    origin = getattr(annotation, "__origin__", None)
    if origin is tuple:
        return "list"
    if origin is dict:
        return "mapping"
    if arguments and all(isinstance(a, str) for a in arguments):
        return ", ".join(f"`{a}`" for a in arguments)
    named = dict.fromkeys(_type(a) for a in arguments)
    return " or ".join(part for part in named if part) or "mapping"


def _prose(step: type[Step]) -> str:
    text = (inspect.getdoc(step) or "").split(".. code-block::")[0]
    return " ".join(text.split()).replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _names(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
