"""Every primitive, executed on DuckDB."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlglot import exp

from sluiceway.duck import open_duckdb
from sluiceway.errors import PlanError
from sluiceway.sql.primitives import PRIMITIVES, call, lower, support

NAN = exp.cast(exp.Literal.string("NaN"), "DOUBLE")
NUMBERS = "(SELECT UNNEST([1, 2, 2, NULL]) AS n)"
N = exp.column("n")
ANSWERS: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "among": [
        ((5, '["1", "5"]', "INTEGER"), True),
        ((exp.cast(exp.Literal.string("2.50"), "DECIMAL(9,2)"), '["2.5"]', "DECIMAL(9,2)"), True),
        (("a'b", '["x", "a\'b"]', "VARCHAR"), True),
        (("A", '["a"]', "VARCHAR"), False),
        ((True, '["true"]', "BOOLEAN"), True),
        ((exp.cast(exp.Literal.string("2024-01-01 00:00:00+00"), "TIMESTAMPTZ"),
          '["2024-01-01 01:00:00+01:00"]', "TIMESTAMPTZ"), True),
        ((exp.null(), '["1"]', "INTEGER"), None),
    ],
    "concat": [(("a", "b"), "ab"), (("a", exp.null()), None)],
    "count_distinct_dense": [((N, 1, 9), 2)],
    "count_if": [((exp.GT(this=N, expression=exp.Literal.number(1)),), 2)],
    "divide": [((6, 4), 1.5), ((6, 0), None)],
    "edit_distance": [(("shiped", "shipped"), 1), (("", "ab"), 2), (("a", "a"), 0),
                      ((exp.null(), "a"), None)],
    "hash64": [],  # not the same on two engines: see below
    "hide": [(("+31 20", 2), "****20"), (("ab", 2), "**"), (("", 1), ""), ((exp.null(), 2), None)],
    "hmac_sha256": [],  # its key is bound: see test_transforms_mask
    "is_finite": [((exp.cast(exp.Literal.number(1), "DOUBLE"),), True), ((NAN,), False)],
    "is_json": [(('{"a": 1}',), True), (("{",), False), ((exp.null(),), None)],
    "is_nan": [((NAN,), True), ((exp.cast(exp.Literal.number(1), "DOUBLE"),), False)],
    "least_rows": [((2, N), [[1], [2]])],
    "length": [(("é😀",), 2), (("",), 0), ((exp.null(),), None)],
    "list_json": [(("a\"b", exp.cast(exp.null(), "VARCHAR")), '["a\\"b",null]')],
    "mapped": [(("a", '{"a": "x", "": "none"}'), "x"), (("", '{"": "none"}'), "none"),
               (("b", '{"a": "x"}'), None), ((exp.null(), '{"a": "x"}'), None)],
    "matches": [(("ab", "a|ab"), True), (("xab", "ab"), False), (("a\n", "a"), False),
                ((exp.null(), "a"), None)],
    "mod97": [(("97",), 0), (("WEST12345698765432GB82",), 1), (("a",), None),
              (("9" * 34,), int("9" * 34) % 97),
              (("Z" * 34,), int("35" * 34) % 97)],
    "nfc": [(("e\u0301",), "\u00e9"), ((exp.null(),), None)],
    "reasons_json": [
        ((exp.true(), "n:a", exp.false(), "b", exp.null(), "c", exp.true(), 'x"'), '["n:a","x\\""]'),
        ((exp.false(), "b"), "[]"),
    ],
    "row_id": [((), 1)],
    "row_json": [(("k\"", "v\\", "n", exp.cast(exp.null(), "VARCHAR")), '{"k\\"":"v\\\\","n":null}')],
    "sha256": [(("abc",), hashlib.sha256(b"abc").hexdigest()), ((exp.null(),), None)],
    "string_of": [((exp.cast(exp.Literal.number(1), "DOUBLE"), "DOUBLE"), "1.0"),
                  ((True, "BOOLEAN"), "true")],
    "substring": [(("émile", 2, 3), "mil"), (("ab", 5, 2), "")],
    "title": [(("den haag",), "Den Haag"), (("a  é",), "A  É"), (("",), ""), ((exp.null(),), None)],
    "unnest_item": [((exp.Array(expressions=[exp.Literal.number(7)]), False), 7),
                    ((exp.Array(expressions=[]), True), None)],
    "unnest_number": [((exp.Array(expressions=[exp.Literal.number(7)]), False), 1)],
    "try_cast": [(("12", "INTEGER"), 12), (("x", "INTEGER", "VARCHAR"), None)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [pytest.param(n, a, e, id=f"{n}-{i}") for n, c in sorted(ANSWERS.items()) for i, (a, e) in enumerate(c)],
)
def test_primitive_means_what_it_says(name: str, args: tuple[Any, ...], expected: Any) -> None:
    sql = lower(call(name, *args), "duckdb").sql("duckdb")
    source = (
        NUMBERS if any(arg.find(exp.Column) for arg in args if isinstance(arg, exp.Expr)) else "(SELECT 1)"
    )
    assert open_duckdb(threads=1).execute(f"SELECT {sql} FROM {source}").fetchall() == [(expected,)]


def test_hash64_is_equal_for_equal_arguments_only() -> None:
    texts = [lower(call("hash64", *args), "duckdb").sql("duckdb") for args in ((1, "a"), (1, "a"), (1, "b"))]
    (row,) = open_duckdb(threads=1).execute(f"SELECT {', '.join(texts)}").fetchall()
    assert row[0] == row[1] != row[2]


def own_primitives() -> set[str]:
    return set(ANSWERS)


def test_every_primitive_of_the_rules_is_documented_and_runs_on_duckdb() -> None:
    for name in own_primitives():
        assert PRIMITIVES[name].doc.startswith(f"{name}(")
        assert "duckdb" in support()[name]


def test_no_primitive_is_left_unexecuted() -> None:
    assert set(PRIMITIVES) == own_primitives()


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_unknown_dialect_is_an_error_while_planning(name: str) -> None:
    with pytest.raises(PlanError, match=f"{name} can't be written for sqlite"):
        lower(exp.select(call(name, exp.column("a"))), "sqlite")


def test_primitives_inside_primitives_are_lowered() -> None:
    tree = call("length", call("concat", "ab", call("substring", "xyz", 1, 2)))
    sql = lower(tree, "duckdb").sql("duckdb")
    assert "SW_" not in sql
    assert open_duckdb(threads=1).execute(f"SELECT {sql}").fetchall() == [(4,)]
