"""``docs/rules.md``, out of the models; ``make docs`` writes it."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, get_args

from sluiceway import plugins
from sluiceway.rules.base import RowRule, Rule

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["render"]

_HEAD = """\
# Rules

Written by `make docs` from the rules themselves: edit them, not this page.

A rule is an entry of `rules:` in a pipeline (judged by the gate, before anything is published) or of a
source (judged before the transform). Options stand beside the rule's key:

```yaml
rules:
  - not_null: order_id
  - range: {column: amount, min: 0}
    on_fail: quarantine
    tolerance: 0.5%
```

A predicate that gives NULL passes: `not_null` is what asks for values. **Row rules** say which rows are
wrong. **Table rules** judge the rows together; those that can say which rows are to blame can quarantine
them too.

A new rule can go on trial first: with `status: shadow` it is judged in the same scans and recorded in every
run, and does nothing else. `sluiceway rules backtest` tells what it would have done, `sluiceway rules
promote` enforces it ([suggest.md](suggest.md)).
"""


def render() -> str:
    """The page.

    >>> "## not_null" in render()
    True
    """
    found = {name: plugins.load("rules", name) for name in plugins.names("rules")}
    rules = {name: rule for name, rule in found.items() if rule.__module__.startswith("sluiceway.")}
    lines = [_HEAD, "| rule | judges | dimension | what must hold |", "| --- | --- | --- | --- |"]
    for name, rule in rules.items():
        first = _text(rule).split(". ")[0].rstrip(".")
        lines.append(f"| [{name}](#{name}) | {_judges(rule)} | {rule.default_dimension} | {_cell(first)} |")
    lines += ["", "## Options of every rule", "", *_table(Rule, tuple(Rule.model_fields)), ""]
    for name, rule in rules.items():
        lines += _section(name, rule)
    return "\n".join(lines).rstrip() + "\n"


def _judges(rule: type[Rule]) -> str:
    return "each row" if issubclass(rule, RowRule) else "the table"


def _text(rule: type[Rule]) -> str:
    """The docstring without its doctest, one line a paragraph."""
    prose = inspect.getdoc(rule) or ""
    paragraphs = prose.split(">>>")[0].strip().split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in paragraphs).replace("``", "`")


def _section(name: str, rule: type[Rule]) -> list[str]:
    own = tuple(field for field in rule.model_fields if field not in Rule.model_fields)
    examples = [line for example in rule.examples for line in _indent(example)]
    return [
        f"## {name}",
        "",
        _text(rule),
        "",
        *_table(rule, own),
        "",
        "```yaml",
        "rules:",
        *examples,
        "```",
        "",
    ]


def _indent(example: str) -> list[str]:
    first, *rest = example.splitlines()
    return [f"  - {first}", *(f"    {line}" for line in rest)]


def _table(rule: type[Rule], names: tuple[str, ...]) -> list[str]:
    lines = ["| option | type | default | |", "| --- | --- | --- | --- |"]
    for name in names:
        field = rule.model_fields[name]
        default = "required" if field.is_required() else _default(field)
        lines.append(
            f"| `{name}` | {_cell(_type(field.annotation))} | {default} | {_cell(field.description or '')} |"
        )
    return lines


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


_PLAIN = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "Any": "value",
    "Tolerance": "rows or share",
}


def _type(annotation: Any) -> str:
    """A type as people say it.

    >>> _type(str | None), _type(tuple[str, ...]), _type(int | float | None)
    ('text', 'list of text', 'number')
    """
    args = [arg for arg in get_args(annotation) if arg not in (type(None), Ellipsis)]
    if not args:
        name = getattr(annotation, "__name__", str(annotation))
        return _PLAIN.get(name, name)
    origin = getattr(annotation, "__origin__", None)
    if hasattr(annotation, "__metadata__"):  # Annotated
        return _type(args[0])
    if all(isinstance(arg, str) for arg in args):
        return ", ".join(f"`{arg}`" for arg in args)
    if origin is dict:
        return f"mapping of {_type(args[0])} to {_type(args[1])}"
    if origin is tuple:
        items = list(dict.fromkeys(_type(arg) for arg in args))
        return f"{'pair' if len(args) == 2 else 'list'} of {' and '.join(items)}"
    said = list(dict.fromkeys(_type(arg) for arg in args))
    return "number" if set(said) == {"whole number", "number"} else " or ".join(said)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
