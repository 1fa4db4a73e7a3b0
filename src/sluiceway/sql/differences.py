"""What is not the same on another engine, in one list: refused at plan time, or told by the engine itself.

The tests of tests/conformance/dialects hold every line of it to its word: what is refused names its error,
what raises raises, and what differs must differ, so that a line that is no longer true fails; those of
tests/conformance/engines do so with ``GAPS``. The page docs/dialects.md is made from both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DIFFERENCES", "GAPS", "Difference", "Gap"]

Kind = Literal["refused", "raises", "differs"]


@dataclass(frozen=True)
class Difference:
    """``sql`` is an expression over the columns of the tests' table ``edge``, or a whole SELECT.

    ``refused``: a PlanError that holds ``error``. ``raises``: the engine's own error, with ``error`` in it,
    where DuckDB gives a value; it is told, never a wrong value. ``differs``: another value than DuckDB's.
    """

    engine: Literal["spark", "postgres"]
    kind: Kind
    sql: str
    error: str
    why: str
    instead: str


def _both(kind: Kind, sql: str, error: str, why: str, instead: str) -> tuple[Difference, Difference]:
    return Difference("spark", kind, sql, error, why, instead), Difference(
        "postgres", kind, sql, error, why, instead
    )


def _postgres(kind: Kind, sql: str, error: str, why: str, instead: str) -> tuple[Difference]:
    return (Difference("postgres", kind, sql, error, why, instead),)


def _spark(kind: Kind, sql: str, error: str, why: str, instead: str) -> tuple[Difference]:
    return (Difference("spark", kind, sql, error, why, instead),)


_FLOATS = (
    "floats are summed in whatever order they come in, so the last digits of sum and avg may be others, "
    "on DuckDB itself too"
)
_EXACT = "avg(v::DECIMAL(38,10)), which is summed exactly"

DIFFERENCES: tuple[Difference, ...] = (
    *_both("refused", "ts - tu", "is an interval", "intervals are kept and written in other forms",
           "date_diff('second', tu, ts), or epoch(ts) - epoch(tu)"),
    *_both("refused", "reverse(s)", "reverse(", "DuckDB turns grapheme clusters round, others code points",
           "do it in a step on DuckDB"),
    *_both("refused", "hash(s)", "hash()", "every engine has a hash of its own", "md5(s) or sha256(s)"),
    *_both("refused", "ln(k + 1)", "ln()", "logarithms, powers and angles differ in their last bit",
           "compute it in a step on DuckDB"),
    *_both("refused", "log(k + 1)", "log()",
    "logarithms, powers and angles differ in their last bit; Spark's "
           "is the natural one", "compute it in a step on DuckDB"),
    *_both("refused", "format('{}', k)", "format()", "formats are another language on every engine",
           "'' || k, or strftime(ts, '%Y') for times"),
    *_both("refused", "li[1:2]", "SLICE", "functions over lists are not translated", "li[1], li[2]"),
    *_both("refused", "list_sum(li)", "list_sum()", "functions over lists are not translated",
           "flatten the list, then sum(x)"),
    *_both("refused", "[x + 1 FOR x IN li]", "COMPREHENSION", "functions over lists are not translated",
           "flatten the list"),
    *_both("refused", "MAP {'a': k}", "map", "maps are not translated", "a column for each key"),
    *_both("refused", "try_strptime(s, '%Y')", "try_strptime()", "formats are read by other rules",
           "try_cast(s AS TIMESTAMP)"),
    *_both("refused", "SELECT COLUMNS('k|i') FROM edge", "COLUMNS", "no other engine has it",
    "list the columns"),
    *_both("refused", "SELECT skewness(x), kurtosis(x) FROM edge", "skewness()",
    "engines have other formulas",
           "compute it in a step on DuckDB"),
    *_both("refused", "SELECT histogram(i) FROM edge", "histogram()", "its result is a map",
           "SELECT i, count(*) … GROUP BY i"),
    *_both("refused", "SELECT first(s ORDER BY k) FROM edge", "first()", "rows have no order of their own",
           "the deduplicate step"),
    *_both("refused", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM edge", "WITHIN GROUP",
           "Spark's is an approximation", "quantile_cont(x, 0.5)"),
    *_both("refused", "k ** 2", "POW", "logarithms, powers and angles differ in their last bit", "k * k"),
    *_both("refused", "s GLOB 'a*'", "GLOB", "no other engine has it", "s LIKE 'a%'"),
    *_both("refused", "s COLLATE NOCASE", "COLLATE", "engines' collations differ", "lower(s)"),
    *_both("refused", "age(ts, tu)", "age()", "its result is an interval", "date_diff('day', tu, ts)"),
    *_both("refused", "time_bucket(INTERVAL 1 DAY, ts)", "time_bucket()", "no other engine has it",
           "date_trunc('day', ts)"),
    *_both("refused", "strptime('1', '%d')", "strptime()", "formats are read by other rules",
           "CAST(x AS TIMESTAMP)"),
    *_both("refused", "js ->> '$.a'", "json_extract_scalar()", "numbers and blanks of JSON are written anew",
           "cast the JSON to a STRUCT in a step on DuckDB, then flatten it"),
    *_both("refused", "list_transform(li, x -> x + 1)", "list_transform()",
           "functions over lists are not translated", "flatten the list and aggregate again"),
    *_both("refused", "i << 1", "BITWISE LEFT SHIFT", "a shift too far is an error in DuckDB alone",
    "i * 2"),
    *_both("refused", "s[2]", "[…]", "no other engine takes a letter out of a text so",
    "substring(s, 2, 1)"),
    *_both("refused", "regexp_matches(s, t)", "a pattern that is computed",
           "patterns are rewritten before the run", "write the pattern out"),
    *_both("refused", "regexp_matches(s, '\\p{L}')", "\\p",
    "engines know letters of other versions of Unicode",
           "[A-Za-zÀ-ÿ]"),
    *_both("refused", "regexp_matches(s, '(?m)^a')", "(?m…)", "where a line ends differs", "(^|\\n)a"),
    *_both("refused", "f::DECIMAL(9,2)", "in single precision", "DuckDB multiplies in single precision",
           "f::DOUBLE::DECIMAL(9,2)"),
    *_both("refused", "SELECT median(n) FROM edge", "a quantile of this type",
    "decimals are rounded elsewhere",
           "median(n::DOUBLE)"),
    *_both("refused", "SELECT string_agg(s, ',') FROM edge", "without an order",
           "the text would be another on every run", "string_agg(s, ',' ORDER BY s)"),
    *_both("refused", "SELECT stddev(i) FROM edge", "stddev()", "it is summed in another order",
           "sum(i * i), sum(i) and count(i)"),
    *_both("refused", "SELECT approx_count_distinct(i) FROM edge", "approx_count_distinct()",
           "every engine has a sketch of its own", "count(DISTINCT i)"),
    *_both("refused", "SELECT arg_max(s, i) FROM edge", "arg_max()", "rows that are equally great",
           "the deduplicate step, which breaks ties by all columns"),
    *_both("refused", "SELECT any_value(s) FROM edge", "any_value()", "any value is another one", "min(s)"),
    *_both("refused", "SELECT mode(s) FROM edge", "mode()", "values that are equally frequent",
           "GROUP BY s, then the deduplicate step"),
    *_both("refused", "SELECT sum(DISTINCT i) FROM edge", "of distinct values", "not looked at yet",
           "sum over a subquery: SELECT DISTINCT i"),
    *_both("refused", "SELECT row_number() OVER () AS r, k FROM edge", "without an order",
           "rows have no order of their own", "row_number() OVER (ORDER BY k)"),
    *_both("refused", "SELECT a.k FROM edge AS a ASOF JOIN edge AS b ON a.k >= b.k", "ASOF JOIN",
           "no other engine has it", "join on a range, then the deduplicate step"),
    *_both("refused", "SELECT DISTINCT ON (s) s, k FROM edge", "DISTINCT ON without ORDER BY",
           "which row stays is open", "add ORDER BY s, k"),
    *_spark("refused", "SELECT count(DISTINCT i), median(i) FROM edge", "does not end",
            "200,000 rows did not end", "two SELECTs that are joined"),
    *_spark("refused", "big % 7", "a remainder of so many digits", "Spark computes it with 34 digits",
            "big::DECIMAL(18,2) % 7"),
    *_postgres("refused", "d % e", "no remainder of floats", "PostgreSQL has none", "d::DECIMAL(18,6) % 2"),
    *_postgres("refused", "ti + ti", "overflows elsewhere", "PostgreSQL has no type of one byte",
               "ti::INTEGER + ti"),
    *_postgres("refused", "bit_count(bi)", "bit_count(", "PostgreSQL counts the bits of bytea alone",
               "do it in a step on DuckDB"),
    *_postgres("refused", "sha1(s)", "sha1()", "PostgreSQL has it in an extension alone", "sha256(s)"),
    *_both("raises", "try_cast('1_00' || k AS INTEGER)", "only DuckDB reads this text",
           "1_000, 0x1F, 'infinity' as a date and dates before Christ are read by DuckDB alone",
           "clean the text with replace() first"),
    *_postgres("raises", "d * e", "out of range", "PostgreSQL tells where a float overflows or underflows, "
               "others give infinity or 0", "bound the values with a filter or a range rule"),
    *_postgres("raises", "d / e", "out of range", "PostgreSQL tells where a float overflows or underflows, "
               "others give infinity or 0", "bound the values with a filter or a range rule"),
    *_both("differs", "CASE WHEN k >= 0 THEN 1627979.75::FLOAT END::VARCHAR", "",
    "DuckDB writes one FLOAT in a hundred with more digits than it takes; "
           "both texts read back as the same number", "f::DOUBLE::VARCHAR"),
    *_spark("differs", "SELECT avg(v) FROM (SELECT k / 7 AS v FROM edge UNION ALL SELECT k / 11 FROM edge) "
            "AS t", "", _FLOATS, _EXACT),
    *_postgres("differs", "SELECT avg(v) FROM (SELECT DISTINCT k / 7 AS v FROM edge) AS t", "", _FLOATS,
               _EXACT),
    *_both("differs", "SELECT d FROM edge ORDER BY d, k", "",
    "DuckDB forgets the sign of a zero where it sorts",
           "d + 0.0"),
    *_both("differs", "(-d)::VARCHAR", "",
           "DuckDB writes the sign of a NaN that has one (-nan), in quarantine too; others know one NaN",
           "nullif(d, 'nan'), or compare numbers rather than texts"),
)  # fmt: skip
"""Everything that is known to differ in an expression or a query."""


@dataclass(frozen=True)
class Gap:
    """``pipeline`` is one of ``sluiceway.testing.PIPELINES``; the engine refuses it with ``error``."""

    engine: Literal["spark", "postgres"]
    pipeline: str
    what: str
    error: str
    instead: str


GAPS: tuple[Gap, ...] = (
    Gap("postgres", "python", "a Python step", "the engine warehouse can't run a Python step",
        "SQL, or engine: duckdb or spark"),
    Gap("postgres", "unfolded", "a step that reads a STRUCT's fields",
        "a field of a STRUCT can't be read on PostgreSQL", "engine: duckdb or spark"),
)  # fmt: skip
"""Whole pipelines that an engine can't run. Those that are not here give the same on every engine."""
