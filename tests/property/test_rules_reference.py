"""Every row rule, unique and relationships against a naive reference in Python, on random tables."""

from __future__ import annotations

import ipaddress
import itertools
import math
import re
from collections import Counter
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway import plugins
from sluiceway.duck import open_duckdb
from sluiceway.errors import Where
from sluiceway.rules.base import Rule, RuleContext
from sluiceway.rules.trial import try_rule
from sluiceway.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

COLUMNS = {"n": "INTEGER", "f": "DOUBLE", "s": "VARCHAR", "d": "DATE", "odd name": "VARCHAR"}
SCHEMA = Schema.of(COLUMNS)
KEYS = Schema.of({"a": "INTEGER", "b": "VARCHAR"})
Row = dict[str, Any]

texts = st.sampled_from(
    ["", " ", "a", "A", "ab", "é", "e\u0301", "😀", "a\nb", "1", "-7", "1.5", "N/A", "None"]
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.none() | st.integers(-3, 3),
            "f": st.none() | st.sampled_from([0.0, -0.0, 0.1, -1.0, 2.5, math.nan, math.inf, -math.inf]),
            "s": st.none() | texts,
            "d": st.none() | st.dates(date(2023, 12, 30), date(2024, 1, 3)),
            "odd name": st.none() | texts,
        }
    ),
    min_size=4,
    max_size=40,
)
keys = st.lists(
    st.fixed_dictionaries(
        {"a": st.none() | st.integers(0, 3), "b": st.none() | st.sampled_from(["", "x", "X"])}
    ),
    max_size=8,
)
# few values, so that partitions are not single rows and orders have ties
readings = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(-2, 2))
    | st.tuples(*(st.none() | st.integers(0, 1) for _ in range(3))),
    min_size=3,
    max_size=14,
)
fast = settings(max_examples=40, deadline=None)
"""Large tables, few of them: each costs a query a rule."""


@cache
def connection() -> duckdb.DuckDBPyConnection:
    return open_duckdb(threads=1)


def load(name: str, schema: Schema, content: Sequence[Row]) -> None:
    con = connection()
    columns = ", ".join(f'"{c.name}" {c.type}' for c in schema)
    con.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
    if content:
        marks = ", ".join("?" for _ in schema)
        con.executemany(
            f"INSERT INTO {name} VALUES ({marks})", [[row[c.name] for c in schema] for row in content]
        )


def rule(kind: str, value: Any, **options: Any) -> Rule:
    (made,) = plugins.load("rules", kind).parse(value, options)
    assert isinstance(made, Rule)
    return made


def outside(low: Any, high: Any) -> Callable[[Any], bool]:
    return lambda v: (isinstance(v, float) and math.isnan(v)) or v < low or v > high


REFERENCE: list[tuple[str, dict[str, Any], str, Callable[[Any], bool]]] = [
    ("accepted_values", {"column": "s", "values": ["a", "é", ""]}, "s", lambda v: v not in ("a", "é", "")),
    ("accepted_values", {"column": "n", "values": [1, 2]}, "n", lambda v: v not in (1, 2)),
    ("accepted_values", {"column": "f", "values": [0, 0.1]}, "f", lambda v: v not in (0, 0.1)),
    ("not_accepted_values", {"column": "odd name", "values": ["N/A", ""]}, "odd name",
     lambda v: v in ("N/A", "")),
    ("not_accepted_values", {"column": "d", "values": ["2024-01-01"]}, "d", lambda v: v == date(2024, 1, 1)),
    ("range", {"column": "n", "min": -1, "max": 2}, "n", outside(-1, 2)),
    ("range", {"column": "f", "min": 0, "max": 2.5}, "f", outside(0, 2.5)),
    ("range", {"column": "f", "min_exclusive": 0}, "f", lambda v: math.isnan(v) or v <= 0),
    ("range", {"column": "d", "min": "2024-01-01", "max_exclusive": "2024-01-03"}, "d",
     lambda v: v < date(2024, 1, 1) or v >= date(2024, 1, 3)),
    ("length", {"column": "s", "min": 1, "max": 2}, "s", lambda v: not 1 <= len(v) <= 2),
    ("length", {"column": "odd name", "exact": 1}, "odd name", lambda v: len(v) != 1),
    ("pattern", {"column": "s", "regex": "[a-z]+"}, "s", lambda v: not re.fullmatch("[a-z]+", v)),
    ("pattern", {"column": "s", "regex": "a|.b"}, "s", lambda v: not re.fullmatch("a|.b", v)),
    ("type", {"column": "s", "type": "integer"}, "s", lambda v: not re.fullmatch("[+-]?[0-9]+", v)),
    ("type", {"column": "s", "type": "decimal"}, "s", lambda v: not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", v)),
]  # fmt: skip


@given(rows | st.just([]))
@settings(max_examples=25, deadline=None)
def test_row_rules_count_like_the_reference(content: list[Row]) -> None:
    load("_batch", SCHEMA, content)
    ctx = RuleContext(SCHEMA, Where())
    kept = [row for row in content if row["n"] is not None and row["n"] > 0]
    for kind, value, column, wrong in REFERENCE:
        for options, judged in (({}, content), ({"where": "n > 0"}, kept)):
            result = try_rule(connection(), rule(kind, value, **options), ctx)
            expected = sum(row[column] is not None and wrong(row[column]) for row in judged)
            assert (result.failing, result.total) == (expected, len(judged)), (kind, value, options)


@given(rows)
@fast
def test_not_null_and_expression_count_like_the_reference(content: list[Row]) -> None:
    load("_batch", SCHEMA, content)
    ctx = RuleContext(SCHEMA, Where())
    for column in COLUMNS:
        assert try_rule(connection(), rule("not_null", column), ctx).failing == sum(
            row[column] is None for row in content
        )

    def either(row: Row) -> bool:
        """n > 0 OR s = 'a' is FALSE only where both sides are known and false."""
        return row["n"] is not None and row["s"] is not None and not (row["n"] > 0 or row["s"] == "a")

    found = try_rule(connection(), rule("expression", "n > 0 OR s = 'a'"), ctx)
    assert found.failing == sum(either(row) for row in content)


def repeating(content: Sequence[Row], target: Sequence[Row], columns: Sequence[str]) -> int:
    def key(row: Row) -> tuple[Any, ...] | None:
        values = tuple(row[c] for c in columns)
        return None if None in values else values

    counts = Counter(key(row) for row in [*content, *target])
    return sum(key(row) is not None and counts[key(row)] > 1 for row in content)


@given(
    keys, keys, st.sampled_from([("a",), ("b",), ("a", "b")]), st.sampled_from(["append", "merge", "replace"])
)
@fast
def test_unique_fails_every_row_whose_key_repeats_after_the_publish(
    batch: list[Row], old: list[Row], columns: tuple[str, ...], mode: str
) -> None:
    # what stays beside the batch: the runner's part, done here by hand
    mine = {row["a"] for row in batch if row["a"] is not None}
    stays = {"append": old, "merge": [r for r in old if r["a"] not in mine], "replace": []}[mode]
    load("_batch", KEYS, batch)
    load("_target", KEYS, stays)
    numbers = [row["a"] for row in batch if row["a"] is not None]
    bounds = {"a": (min(numbers), max(numbers), None)} if numbers else {}
    for known in ({}, bounds):
        ctx = RuleContext(KEYS, Where(), has_target=mode != "replace", mode=mode, key=("a",), bounds=known)
        if mode == "merge" and columns != ("b",) and any(r["a"] is None for r in batch):
            continue  # merge implies not_null on its key
        expected = repeating(batch, stays, columns)
        assert try_rule(connection(), rule("unique", list(columns)), ctx).failing == expected
        alone = try_rule(connection(), rule("unique", list(columns), scope="batch"), ctx)
        assert alone.failing == repeating(batch, [], columns)


@given(keys, keys)
@fast
def test_relationships_fail_only_whole_keys_that_no_parent_has(batch: list[Row], parents: list[Row]) -> None:
    load("_batch", KEYS, batch)
    load("parents", KEYS, parents)
    ctx = RuleContext(KEYS, Where(), relations={"parents": KEYS})

    def orphans(columns: Sequence[str], known: Sequence[Row]) -> int:
        there = {tuple(row[c] for c in columns) for row in known}
        given = [tuple(row[c] for c in columns) for row in batch]
        return sum(None not in key and key not in there for key in given)

    one = rule("relationships", {"column": "a", "to": "parents.a"})
    assert try_rule(connection(), one, ctx).failing == orphans(["a"], parents)
    two = rule("relationships", {"column": ["a", "b"], "to": ["parents.a", "parents.b"]})
    assert try_rule(connection(), two, ctx).failing == orphans(["a", "b"], parents)
    itself = rule("relationships", {"column": ["a", "b"], "to": ["_.a", "_.b"]})
    assert try_rule(connection(), itself, ctx).failing == 0
    grown = RuleContext(KEYS, Where(), relations={"parents": KEYS}, destination="main.parents")
    assert try_rule(connection(), two, grown).failing == 0, "the batch is among the parents"


@given(readings)
@fast
def test_monotonic_blames_the_rows_below_their_predecessor(content: list[tuple[Any, Any, Any]]) -> None:
    schema = Schema.of({"p": "INTEGER", "o": "INTEGER", "v": "INTEGER"})
    load("_batch", schema, [{"p": p, "o": o, "v": v} for p, o, v in content])
    whole = [row for row in content if None not in row]
    for direction, sign, strict in (
        ("increasing", 1, False), ("strictly_increasing", 1, True),
        ("decreasing", -1, False), ("strictly_decreasing", -1, True),
    ):  # fmt: skip
        blamed = set()
        for part in {row[0] for row in whole}:
            order = sorted((r for r in whole if r[0] == part), key=lambda r: (r[1], sign * r[2]))
            for before, after in itertools.pairwise(order):
                step = sign * (after[2] - before[2])
                if step < 0 or (strict and step == 0):
                    blamed.add(after)
        made = rule("monotonic", {"column": "v", "by": "o", "partition_by": "p", "direction": direction})
        result = try_rule(connection(), made, RuleContext(schema, Where()))
        assert result.failing == sum(row in blamed for row in content), direction


hexes = st.sampled_from(["", "0", "db8", "FFFF", "12345", "g", "1.2.3.4", "256.1.1.1"])
addresses = (
    st.lists(hexes, min_size=1, max_size=10).map(":".join)
    | st.ip_addresses(v=6).map(str)
    | st.ip_addresses(v=6).map(lambda a: a.exploded)
    | st.ip_addresses(v=4).map(str)
)


def reads(read: Callable[[str], Any], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


@given(st.lists(addresses, min_size=20, max_size=80))
@settings(max_examples=50, deadline=None)
def test_ip_formats_accept_what_python_reads(content: list[str]) -> None:
    schema = Schema.of({"s": "VARCHAR"})
    ctx = RuleContext(schema, Where())
    load("_batch", schema, [{"s": text} for text in content])
    for name, read in (("ipv4", ipaddress.IPv4Address), ("ipv6", ipaddress.IPv6Address)):
        expected = sum(not reads(read, text) for text in content)
        result = try_rule(connection(), rule("pattern", {"column": "s", "format": name}), ctx)
        assert result.failing == expected, (name, content)


ibans = st.from_regex(r"\A[A-Z]{2}[0-9]{2}[A-Z0-9]{10,31}\Z") | st.sampled_from(
    ["GB82WEST12345698765432", "NL91ABNA0417164300", "MT84MALT011000012345MTLCAST001S", "NO9386011117947"]
)


@given(st.lists(ibans, min_size=1, max_size=20))
@fast
def test_iban_checksum_is_that_of_iso_7064(content: list[str]) -> None:
    schema = Schema.of({"s": "VARCHAR"})
    load("_batch", schema, [{"s": text} for text in content])

    def right(text: str) -> bool:
        number = "".join(str(int(c, 36)) for c in text[4:] + text[:4])
        return 15 <= len(text) <= 34 and int(number) % 97 == 1

    made = rule("pattern", {"column": "s", "format": "iban"})
    result = try_rule(connection(), made, RuleContext(schema, Where()))
    assert result.failing == sum(not right(text) for text in content)
