"""What users' SQL may contain, by target, with what the tests of tests/conformance/dialects have executed.

DuckDB's list stands in ``support``. Another engine has the nodes that ``translate`` writes and the
functions of its tables; everything else is refused with its name, not passed through because it parsed.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluiceway.sql.rewrite.aggregates import AGGREGATE_CALLS
from sluiceway.sql.rewrite.bigquery_calls import CALLS
from sluiceway.sql.rewrite.calls import SPECIAL, TABLES
from sluiceway.sql.support import TARGETS as _OWN
from sluiceway.sql.support import Target

__all__ = ["TARGETS", "rewrite_hint"]

_NOWHERE = frozenset(
    [
        "Aliases",
        "All",
        "Any",
        "ArrayContainedBy",
        "ArrayContainsAll",
        "ArrayOverlaps",
        "AtTimeZone",
        "BitwiseLeftShift",
        "BitwiseNot",
        "BitwiseRightShift",
        "ByteString",
        "Collate",
        "Columns",
        "Comprehension",
        "Format",
        "GenerateSeries",
        "Glob",
        "IgnoreNulls",
        "JSONExtract",
        "JSONExtractScalar",
        "JSONPath",
        "JSONPathKey",
        "JSONPathRoot",
        "JSONPathSubscript",
        "Lambda",
        "Lateral",
        "Map",
        "Overlay",
        "PercentileCont",
        "PercentileDisc",
        "Pow",
        "RawString",
        "RespectNulls",
        "Slice",
        "ToMap",
        "Transform",
        "WithinGroup",
    ]
)
"""Nodes of DuckDB's list that no other engine has here."""
_MISSING = {
    "spark": frozenset[str](),
    "postgres": frozenset({"Struct", "PropertyEQ"}),
    "snowflake": frozenset(
        {"Struct", "PropertyEQ", "Bracket", "Array", "Escape", "SimilarTo", "Explode", "Unnest"}
    ),
}
_REFUSED = frozenset({"hash", "arg_max", "arg_min", "max_by", "min_by"})
"""Functions that are known only to be refused with a better word."""


_SNOWFLAKE = frozenset((
    "round", "concat", "coalesce", "ifnull", "nullif", "if", "iif", "lower", "lcase", "upper", "ucase", "mod",
    "date_trunc", "datetrunc", "date_part", "datepart", "date_diff", "datediff", "sum", "avg", "mean", "min",
    "max", "count", "bool_and", "bool_or", "count_if", "countif",
))  # fmt: skip
"""Of those that look at their words."""


def _functions(dialect: str) -> frozenset[str]:
    if dialect == "snowflake":
        return _SNOWFLAKE | {name for name, ways in TABLES.items() if any(w.snowflake for w in ways)}
    tabled = {name for name, ways in TABLES.items() if any(way.template(dialect) for way in ways)}
    return frozenset((tabled | set(SPECIAL) | set(AGGREGATE_CALLS)) - _REFUSED)


TARGETS: Mapping[str, Target] = {
    **_OWN,
    **{
        dialect: Target(nodes=_OWN["duckdb"].nodes - _NOWHERE - missing, functions=_functions(dialect))
        for dialect, missing in _MISSING.items()
    },
    "bigquery": Target(
        nodes=_OWN["duckdb"].nodes - _NOWHERE - {"Struct", "PropertyEQ"},
        functions=frozenset(CALLS) | {"sum", "avg", "min", "max", "count", "row_number", "rank"},
    ),
}

_INSTEAD = {
    "Any": "use IN (SELECT …) or EXISTS",
    "All": "use NOT EXISTS",
    "Lambda": "unnest the list and aggregate again",
    "Comprehension": "unnest the list and aggregate again",
    "Lateral": "join a subquery ON a condition",
    "Pow": "multiply: x * x",
    "Glob": "use LIKE, or regexp_full_match()",
    "Collate": "compare lower(…)",
    "AtTimeZone": "keep times in UTC, or use timezone: of the source",
    "Columns": "list the columns",
    "JSONExtract": "cast the JSON to a STRUCT in a step on DuckDB",
    "JSONExtractScalar": "cast the JSON to a STRUCT in a step on DuckDB",
    "Slice": "use substring() for text, list[n] for one element",
    "IgnoreNulls": "filter the NULLs out first",
    "arg_max": "use the deduplicate step",
    "arg_min": "use the deduplicate step",
    "max_by": "use the deduplicate step",
    "min_by": "use the deduplicate step",
    "hash": "use md5() or sha256()",
    "random": "use md5() of a key",
    "stddev": "compute it from sum(x * x), sum(x) and count(x)",
    "approx_count_distinct": "use count(DISTINCT x)",
    "first": "use min(), or the deduplicate step",
    "any_value": "use min()",
    "last": "use max()",
    "array_agg": "use string_agg(x, ',' ORDER BY x)",
    "list": "use string_agg(x, ',' ORDER BY x)",
    "mode": "count the values by GROUP BY and keep the first by the deduplicate step",
    "strptime": "cast the text: CAST(x AS TIMESTAMP)",
    "age": "use date_diff('day', a, b)",
    "time_bucket": "use date_trunc('hour', x)",
    "date_sub": "use date_diff('day', a, b)",
    "date_add": "write x + INTERVAL 1 DAY",
    "reverse": "do it in a step on DuckDB",
}


def rewrite_hint(name: str) -> str | None:
    """What to write instead of a node or function that a target lacks; None where we know nothing."""
    return _INSTEAD.get(name)
