"""Quality checks of the Open Data Contract Standard as items of our ``rules:``.

A metric with an upper bound (``nullValues``, ``mustBeLessOrEqualTo: 5``) becomes the row rule with that
tolerance, so that its rows can be named; any other comparison becomes a ``sql`` rule about the number.
What the standard has no word for is given by ``customProperties``: ``on_fail``, ``tolerance``, ``status``.
Patterns match whole values; ``mustBeBetween`` includes its bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, literal
from sluiceway.errors import SpecError, did_you_mean
from sluiceway.spec.validate import brief

if TYPE_CHECKING:
    from sluiceway.spec.validate import Place

__all__ = ["OPERATORS", "OWN_OPTIONS", "quality_rule"]

OPERATORS: Mapping[str, str] = {
    "mustBe": "must_be",
    "mustNotBe": "must_not_be",
    "mustBeGreaterThan": "must_be_greater_than",
    "mustBeGreaterOrEqualTo": "must_be_greater_or_equal_to",
    "mustBeLessThan": "must_be_less_than",
    "mustBeLessOrEqualTo": "must_be_less_or_equal_to",
    "mustBeBetween": "must_be_between",
    "mustNotBeBetween": "must_not_be_between",
}
_KEYS = (
    "id", "authoritativeDefinitions", "businessImpact", "customProperties", "description", "dimension",
    "method", "name", "schedule", "scheduler", "severity", "tags", "type", "unit", "metric", "rule",
    "arguments", "query", "engine", "implementation", "validValues",
)  # fmt: skip
OWN_OPTIONS = ("on_fail", "tolerance", "status")
"""Options of our rules that a check carries as ``customProperties``."""
_METRICS = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")
_OLD_METRICS = {
    "nullCheck": "nullValues", "validValues": "invalidValues", "duplicateCount": "duplicateValues",
}  # fmt: skip
_DIMENSIONS = {
    "accuracy": "accuracy", "completeness": "completeness", "conformity": "accuracy",
    "consistency": "consistency", "coverage": "completeness", "timeliness": "timeliness",
    "uniqueness": "uniqueness",
}  # fmt: skip
_SEVERITIES = {
    "info": "info", "warn": "warning", "warning": "warning", "error": "error", "critical": "critical",
}  # fmt: skip


def quality_rule(
    check: Mapping[str, Any],
    column: str | None,
    names: set[str],
    physical: Callable[[str], str],
    where: Place,
) -> dict[str, Any] | None:
    """One check as an item of ``rules:``; None for text and for other tools' checks.

    Args:
        column: the property that it stands under; None under the schema object.
        names: what the object is called in SQL; these tables are the batch.
        physical: the column of a property's name.

    Raises:
        SpecError: it can't be understood; with the place.
    """
    for key in check:
        close = get_close_matches(key, [*_KEYS, *OPERATORS], n=1, cutoff=0.8)
        if key not in _KEYS and key not in OPERATORS and close:
            raise SpecError(f"unknown key '{key}'", where=where((key,)), hint=f"did you mean '{close[0]}'?")
    kind = check.get("type", "sql" if "query" in check else "library")
    if kind == "text":
        return None
    if kind == "custom":
        return _custom(check, where)
    if kind == "sql":
        return {"sql": _sql(check, column, names, where), **_options(check, where)}
    if kind == "library":
        return {**_library(check, column, physical, where), **_options(check, where)}
    raise SpecError(
        f"unknown type {brief(kind)}",
        where=where(("type",)),
        hint=did_you_mean(str(kind), ["library", "text", "sql", "custom"]),
    )


def _options(check: Mapping[str, Any], where: Place) -> dict[str, Any]:
    options: dict[str, Any] = {}
    name = check.get("id") or check.get("name")
    if name:
        options["name"] = str(name)
    if check.get("description"):
        options["description"] = str(check["description"])
    # the standard leaves severity open; a word that we don't know is taken as strictly as none
    severity = _SEVERITIES.get(str(check.get("severity", "")).lower())
    if severity:
        options["severity"] = severity
    dimension = check.get("dimension")
    if dimension is not None:
        if not isinstance(dimension, str) or dimension not in _DIMENSIONS:
            raise SpecError(
                f"unknown dimension {brief(dimension)}",
                where=where(("dimension",)),
                hint=did_you_mean(str(dimension), _DIMENSIONS),
            )
        options["dimension"] = _DIMENSIONS[dimension]
    own_words = check.get("customProperties") or []
    if not isinstance(own_words, list):
        raise SpecError(f"expected a list, got {brief(own_words)}", where=where(("customProperties",)))
    for own in own_words:
        if isinstance(own, Mapping) and own.get("property") in OWN_OPTIONS:
            options[str(own["property"])] = own.get("value")
    return options


def _custom(check: Mapping[str, Any], where: Place) -> dict[str, Any] | None:
    """``engine: sluiceway`` holds a rule of ours, as a mapping or as YAML text."""
    if str(check.get("engine", "")).lower() != "sluiceway":
        return None
    rule = check.get("implementation")
    if isinstance(rule, str):
        from sluiceway.spec.yaml import read_yaml_text

        try:
            rule = read_yaml_text(rule).value
        except SpecError as error:
            raise SpecError(error.message, where=where(("implementation",)), hint=error.hint) from None
    if isinstance(rule, list) and len(rule) == 1:
        rule = rule[0]
    if not isinstance(rule, dict):
        raise SpecError(
            f"expected a rule such as 'not_null: id', got {brief(rule)}", where=where(("implementation",))
        )
    given = _options(check, where)
    return {**{key: value for key, value in given.items() if not _has(rule, key)}, **rule}


def _has(rule: Mapping[str, Any], key: str) -> bool:
    return key in rule or any(isinstance(value, dict) and key in value for value in rule.values())


def _operator(check: Mapping[str, Any], where: Place, *, required: bool) -> tuple[str, Any] | None:
    given = [key for key in check if key in OPERATORS]
    if len(given) > 1:
        raise SpecError(
            f"two comparisons: {given[0]} and {given[1]}",
            where=where((given[1],)),
            hint="remove one of the two",
        )
    if not given:
        if required:
            raise SpecError("there is no comparison", where=where(()), hint=f"one of: {', '.join(OPERATORS)}")
        return None
    key, value = given[0], check[given[0]]
    pair = key.endswith("Between")
    numbers = value if pair and isinstance(value, list) and len(value) == 2 else [value]
    if pair != (len(numbers) == 2) or not all(_is_number(number) for number in numbers):
        wanted = "two numbers, the smaller first" if pair else "a number"
        raise SpecError(f"expected {wanted}, got {brief(value)}", where=where((key,)))
    return key, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sql(check: Mapping[str, Any], column: str | None, names: set[str], where: Place) -> dict[str, Any]:
    query = check.get("query")
    if not isinstance(query, str) or not query.strip():
        raise SpecError("the key 'query' is missing", where=where(()), hint="write query: SELECT …")
    for placeholder in ("${object}", "${table}"):
        query = query.replace(placeholder, "_")
    for placeholder in ("${property}", "${column}"):
        if placeholder in query and column is None:
            raise SpecError(
                f"{placeholder} has no meaning under a schema object",
                where=where(("query",)),
                hint="move the check under its property",
            )
        query = query.replace(placeholder, ident(column or ""))
    operator = _operator(check, where, required=False)
    found: dict[str, Any] = {"query": _own_table(query, names, where)}
    if operator is not None:
        found[OPERATORS[operator[0]]] = operator[1]
    return found


def _own_table(query: str, names: set[str], where: Place) -> str:
    """The query with the contract's own table, by whatever name, as ``_``."""
    from sqlglot import exp

    from sluiceway.sql.safe import parse_select

    tree = parse_select(query, where(("query",)))
    own = {name.casefold() for name in names}
    shadowed = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    found = False
    for table in list(tree.find_all(exp.Table)):
        name = table.name.casefold()
        dotted = f"{table.db}.{table.name}".casefold() if table.db else name
        if (name in own or dotted in own) and not (name in shadowed and not table.db):
            alias = table.alias or table.name
            batch = exp.alias_(exp.to_table("_"), alias, table=True, quoted=True)
            table.replace(batch)
            found = True
    return tree.sql("duckdb") if found else query


def _library(
    check: Mapping[str, Any], column: str | None, physical: Callable[[str], str], where: Place
) -> dict[str, Any]:
    key = "metric" if "metric" in check else "rule"
    metric = _OLD_METRICS.get(str(check.get(key)), check.get(key))
    if metric not in _METRICS:
        what = "the key 'metric' is missing" if metric is None else f"unknown metric {brief(metric)}"
        raise SpecError(
            what, where=where((key,) if key in check else ()), hint=did_you_mean(str(metric), _METRICS)
        )
    unit = check.get("unit", "rows")
    if unit not in ("rows", "percent"):
        raise SpecError(f"expected rows or percent, got {brief(unit)}", where=where(("unit",)))
    comparison = _operator(check, where, required=True)
    if comparison is None:
        raise AssertionError("required")
    if metric == "rowCount":
        return _row_count(*comparison)
    arguments = check.get("arguments") or {}
    if not isinstance(arguments, dict):
        raise SpecError(f"expected a mapping, got {brief(arguments)}", where=where(("arguments",)))
    if "validValues" in check:  # where v3.0 put it
        arguments = {"validValues": check["validValues"], **arguments}
    columns = _columns(metric, arguments, column, physical, where)
    rule, failing = _row_rule(str(metric), columns, arguments, where)
    tolerance = _tolerance(*comparison, unit == "percent")
    if tolerance is not None:
        return rule if tolerance == 0 else {**rule, "tolerance": tolerance}
    query = failing if unit == "rows" else f"SELECT 100.0 * ({failing}) / nullif((SELECT count(*) FROM _), 0)"
    return {"sql": {"query": query, OPERATORS[comparison[0]]: comparison[1]}}


def _columns(
    metric: str,
    arguments: Mapping[str, Any],
    column: str | None,
    physical: Callable[[str], str],
    where: Place,
) -> list[str]:
    if column is not None:
        return [column]
    named = arguments.get("properties")
    if metric == "duplicateValues" and isinstance(named, list) and named:
        return [physical(str(name)) for name in named]
    hint = "arguments: {properties: [a, b]}" if metric == "duplicateValues" else "move it under a property"
    raise SpecError(f"{metric} does not say which column", where=where(()), hint=hint)


def _row_count(operator: str, value: Any) -> dict[str, Any]:
    bounds: Mapping[str, dict[str, Any]] = {
        "mustBe": {"equals": value},
        "mustBeGreaterOrEqualTo": {"min": value},
        "mustBeLessOrEqualTo": {"max": value},
        "mustBeBetween": {"min": value[0], "max": value[1]} if isinstance(value, list) else {},
    }
    if operator in bounds:
        return {"row_count": bounds[operator]}
    if operator == "mustBeGreaterThan" and isinstance(value, int):
        return {"row_count": {"min": value + 1}}
    if operator == "mustBeLessThan" and isinstance(value, int) and value > 0:
        return {"row_count": {"max": value - 1}}
    return {"sql": {"query": "SELECT count(*) FROM _", OPERATORS[operator]: value}}


def _tolerance(operator: str, value: Any, percent: bool) -> int | str | None:
    """How many rows may fail, where the comparison is an upper bound; None where it is another one."""
    most: Any = None
    if operator == "mustBe" and value == 0:
        most = 0
    elif operator == "mustBeLessOrEqualTo":
        most = value
    elif operator == "mustBeBetween" and value[0] == 0:
        most = value[1]
    elif operator == "mustBeLessThan" and not percent and isinstance(value, int):
        most = value - 1
    if most is None or most < 0 or (percent and most > 100):
        return None
    if percent:
        return f"{most}%" if most else 0
    return int(most)


def _row_rule(
    metric: str, columns: Sequence[str], arguments: Mapping[str, Any], where: Place
) -> tuple[dict[str, Any], str]:
    """The rule that names the failing rows, and a SELECT that counts them."""
    name = ident(columns[0])
    if metric == "nullValues":
        return {"not_null": columns[0]}, f"SELECT count(*) FROM _ WHERE {name} IS NULL"
    if metric == "duplicateValues":
        keys = ", ".join(ident(column) for column in columns)
        there = " AND ".join(f"{ident(column)} IS NOT NULL" for column in columns)
        count = (
            "SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM "
            f"(SELECT count(*) AS n FROM _ WHERE {there} GROUP BY {keys} HAVING count(*) > 1) AS repeated"
        )
        return {"unique": list(columns)}, count
    if metric == "missingValues":
        given = arguments.get("missingValues", [None])
        listed = _literals(given, "missingValues", where)
        present = f"{name} IS NOT NULL" if None in given else ""
        among = f"{name} NOT IN ({listed})" if listed else ""
        right = " AND ".join(part for part in (present, among) if part)
        return {"expression": right}, f"SELECT count(*) FROM _ WHERE NOT ({right})"
    return _invalid(columns[0], name, arguments, where)


def _invalid(
    column: str, name: str, arguments: Mapping[str, Any], where: Place
) -> tuple[dict[str, Any], str]:
    values, pattern = arguments.get("validValues"), arguments.get("pattern")
    if (values is None) == (pattern is None):
        raise SpecError(
            "invalidValues needs validValues or a pattern, and not both",
            where=where(("arguments",)),
            hint="write arguments: {validValues: [a, b]}",
        )
    if pattern is not None:
        if not isinstance(pattern, str):
            raise SpecError(f"expected a text, got {brief(pattern)}", where=where(("arguments", "pattern")))
        wrong = f"NOT regexp_full_match({name}, {literal(pattern)})"
        return {"pattern": {"column": column, "regex": pattern}}, f"SELECT count(*) FROM _ WHERE {wrong}"
    listed = _literals(values, "validValues", where)
    valid = [value for value in values or () if value is not None]  # NULL is no invalid value
    wrong = f"{name} NOT IN ({listed})" if listed else f"{name} IS NOT NULL"
    rule: dict[str, Any] = {"accepted_values": {"column": column, "values": valid}}
    if not valid:
        rule = {"expression": f"{name} IS NULL"}
    return rule, f"SELECT count(*) FROM _ WHERE {wrong}"


def _literals(values: Any, key: str, where: Place) -> str:
    if not isinstance(values, list) or not values:
        raise SpecError(f"expected a list, got {brief(values)}", where=where(("arguments", key)))
    texts = []
    for value in values:
        if isinstance(value, bool):
            texts.append(str(value).upper())
        elif isinstance(value, int | float):
            texts.append(repr(value))
        elif value is not None:
            texts.append(literal(str(value)))
    return ", ".join(texts)
