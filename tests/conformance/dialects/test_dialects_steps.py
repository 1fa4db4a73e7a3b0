"""Steps and rules on the engines: the same rows out of the same file, the same verdict over the same rows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlglot import exp
from tests.conformance.dialects import edge
from tests.conformance.dialects.answers import HERE, same_rows
from tests.conformance.dialects.engines import plain

from sluiceway import plugins
from sluiceway.rules.base import BATCH, RuleContext
from sluiceway.rules.fuse import Check, assign, mask_expressions, masks_query, scan_query
from sluiceway.schema import Schema
from sluiceway.sql.primitives import lower
from sluiceway.sql.translate import translate
from sluiceway.transforms.base import StepContext
from sluiceway.transforms.deduplicate import Deduplicate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.conformance.dialects.engines import Duck, Engine

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.postgres]

PLAIN = {name: type_ for name, (type_, _) in edge.COLUMNS.items() if name != "tm"}
OTHER = Schema.of({"i": "INTEGER", "z": "VARCHAR", "w": "DOUBLE"})
VIEWS = {
    "other": "SELECT DISTINCT i, s AS z, x AS w FROM edge WHERE k < 15",
    "_batch": "SELECT * FROM edge",
    "_target": "SELECT * FROM edge WHERE k < 30",
    "parents": "SELECT i, s FROM edge WHERE k < 7",
}


@pytest.fixture(scope="module")
def views(duck: Duck, spark_engine: Any, postgres_engine: Any) -> Iterator[None]:
    for run in (duck.con.execute, spark_engine.session.sql, postgres_engine.connection.execute):
        for name, query in VIEWS.items():
            run(f"CREATE TEMP VIEW {name} AS {query}")
    yield
    for name in VIEWS:
        duck.con.execute(f"DROP VIEW {name}")


def compared(
    engine: Engine, duck: Duck, query: exp.Expr, schemas: Mapping[str, Schema], binds: Mapping[str, Any]
) -> tuple[list[Any], list[Any]]:
    mine = lower(query, "duckdb").sql("duckdb")
    theirs = translate(query, engine.dialect, schemas=schemas, where=HERE).sql(engine.dialect)
    return tuple(
        [tuple(plain(v) for v in row) for row in e.rows(_bound(sql, binds, e.dialect))]
        for e, sql in ((duck, mine), (engine, theirs))
    )  # type: ignore[return-value]


_HOLES = {"duckdb": r"\$(p\d+)", "spark": r":(p\d+)", "postgres": r"%\((p\d+)\)s"}


def _bound(sql: str, binds: Mapping[str, Any], dialect: str) -> str:
    """Every engine binds in a way of its own; here the bytes stand in the text."""

    def written(found: re.Match[str]) -> str:
        digits = binds[found[1]].hex()
        escaped = "".join(f"\\x{digits[i : i + 2]}" for i in range(0, len(digits), 2))
        return {"spark": f"X'{digits}'", "postgres": f"'\\x{digits}'::bytea", "duckdb": f"'{escaped}'::BLOB"}[
            dialect
        ]

    return re.sub(_HOLES[dialect], written, sql) if binds else sql


STEPS: tuple[tuple[str, Any], ...] = (
    ("select", {"columns": ["k", "s", {"net": "i * 2.5"}, {"up": "upper(s)"}]}),
    ("select", {"exclude": ["k", "d"]}),
    ("derive", {"v": "k + 1", "w": "v * 2", "z": "s || '-' || w"}),
    ("filter", "s <> 'a'"),
    ("filter", ["i > 0", "b"]),
    ("rename", {"k": "key"}),
    ("cast", {"columns": {"js": "INTEGER"}, "on_error": "null"}),
    ("cast", {"k": "VARCHAR", "x": "DECIMAL(9,2)", "dt": "TIMESTAMP", "d": "VARCHAR", "b": "INTEGER"}),
    ("join", {"with": "other", "on": "i"}),
    ("join", {"with": "other", "on": {"j": "i"}, "type": "inner", "columns": ["w"]}),
    ("join", {"with": "other", "on": {"j": "i"}, "type": "semi"}),
    ("join", {"with": "other", "on": {"j": "i"}, "type": "anti"}),
    ("deduplicate", {"key": "i", "keep": "latest", "by": "k"}),
    ("deduplicate", {"key": ["s", "b"], "by": "dt", "keep": "earliest"}),
    ("aggregate", {"group_by": ["b", "s"],
                   "measures": {"n": "count(*)", "t": "sum(n)", "a": "avg(i)", "m": "max(t)"}}),
    ("aggregate", {"measures": {"n": "count(DISTINCT s)"}}),
    ("pivot", {"on": "t", "values": ["a", "bc", None], "using": "sum(k)", "group_by": "b"}),
    ("pivot", {"on": "b", "values": [True, False], "using": "count(*)", "group_by": "s"}),
    ("unpivot", {"columns": ["s", "t"], "name": "which", "value": "what"}),
    ("unpivot", {"columns": ["i", "j"], "include_nulls": False}),
    ("unpivot", {"columns": ["i", "n"]}),
    ("mask", {"s": "hash", "t": "partial", "num": "redact", "i": "nullify", "d": "hash",
              "dt": {"hmac": "secret-key-1"}, "u": {"hmac": "secret-key-1"}}),
    ("flatten", {"column": "li"}),
    ("flatten", {"column": "li", "keep_empty": False, "position": "at"}),
    ("flatten", {"column": "ls", "to": "item", "keep": True, "position": "at"}),
    ("sql", "SELECT b, count(*) AS n FROM _ GROUP BY b"),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), STEPS, ids=[f"{k}-{i}" for i, (k, _) in enumerate(STEPS)])
def test_a_step_gives_the_same_rows(engine: Engine, duck: Duck, views: None, kind: str, value: Any) -> None:
    # DuckDB forgets the sign of a zero where it sorts
    types = {n: t for n, t in PLAIN.items() if not (kind == "deduplicate" and t in ("DOUBLE", "FLOAT"))}
    schemas = {"edge": Schema.of(types), "other": OTHER}
    step, binds = plugins.load("transforms", kind).parse(value, {}), dict[str, Any]()
    ctx = StepContext(
        current="edge", schemas=schemas, where=HERE, variables={}, binds=binds,
        started_at="2026-01-01 00:00:00",
    )  # fmt: skip
    queries = [step.compile(ctx)]
    if isinstance(step, Deduplicate):
        queries.append(step.compile_antijoin(ctx))
    for query in queries:
        mine, theirs = compared(engine, duck, query, schemas, binds)
        assert mine
        assert same_rows(theirs, mine)


def test_a_struct_s_fields_become_columns(spark_engine: Engine, duck: Duck) -> None:
    schemas = {"edge": Schema.of({"k": "INTEGER", "st": edge.STRUCTS["st"][0]})}
    step = plugins.load("transforms", "flatten").parse({"column": "st"}, {})
    ctx = StepContext("edge", schemas, HERE, {}, {}, "2026-01-01 00:00:00")
    mine, theirs = compared(spark_engine, duck, step.compile(ctx), schemas, {})
    assert len(mine[0]) == 4
    assert same_rows(theirs, mine)


RULES: tuple[tuple[str, Any], ...] = (
    ("not_null", ["i", "s"]),
    ("unique", "k"), ("unique", ["i", "s"]), ("unique", "s"), ("unique", "d"), ("unique", "ts"), ("unique",
    "bl"),
    ("unique", {"column": "k", "where": "i > 0"}), ("unique", {"column": "u", "scope": "batch"}),
    ("accepted_values", {"column": "s", "values": ["a", "é", ""]}),
    ("accepted_values", {"column": "i", "values": list(range(-10, 20))}),
    ("not_accepted_values", {"column": "s", "values": ["a"]}),
    ("range", {"column": "n", "min": 0, "max": 100}),
    ("range", {"column": "d", "min": -1, "max_exclusive": 1e20}),
    ("range", {"column": "f", "min": 0.1}),
    ("range", {"column": "dt", "min": "1900-01-01", "max": "2024-12-30"}),
    ("range", {"column": "ts", "min": "1970-01-01 00:00:00"}),
    ("range", {"column": "tz", "max": "2024-03-31T01:00:00Z"}),
    ("pattern", {"column": "s", "regex": "[a-z]+"}),
    ("pattern", {"column": "num", "format": "phone"}),
    ("pattern", {"column": "s", "format": "iso_country"}),
    ("pattern", {"column": "num", "format": "iban"}),
    ("pattern", {"column": "num", "format": "date"}),
    ("length", {"column": "s", "min": 1, "max": 3}),
    ("type", {"column": "num", "type": "decimal"}), ("type", {"column": "js", "type": "json"}),
    ("type", {"column": "num", "type": "boolean"}), ("type", {"column": "num", "type": "integer"}),
    ("relationships", {"column": "i", "to": "parents.i"}),
    ("relationships", {"column": ["i", "s"], "to": ["parents.i", "parents.s"]}),
    ("relationships", {"column": "j", "to": "_.i"}),
    ("expression", "i > 0 OR s IS NULL"),
    ("expression", "coalesce(n, 0) <= 100 AND length(s) < 10"),
    ("row_count", {"min": 1}),
    ("aggregate", {"measure": "avg(x)", "min": 1, "max": 2}),
    ("aggregate", {"measure": "sum(i) - count(*)", "min": 1}),
    ("aggregate", {"measure": "median(x)", "min": 1}),
    ("freshness", {"column": "tu", "max_age": "1d"}), ("freshness", {"column": "dt", "max_age": "1d"}),
    ("monotonic", {"column": "k", "by": "ts", "partition_by": "b"}),
    ("monotonic", {"column": "i", "by": ["du", "k"], "direction": "strictly_decreasing"}),
    ("sql", "SELECT k FROM _ WHERE i < 0"),
    ("sql", {"query": "SELECT count(*) FROM _ WHERE s = 'a'", "must_be": 1}),
)  # fmt: skip
SCHEMAS = {
    "_batch": Schema.of(PLAIN),
    "_target": Schema.of(PLAIN),
    "parents": Schema.of({"i": "INTEGER", "s": "VARCHAR"}),
}


def _checks() -> list[Check]:
    out = []
    for kind, value in RULES:
        for rule in plugins.load("rules", kind).parse(value, {}):
            ctx = RuleContext(
                schema=SCHEMAS["_batch"], where=HERE, relations={"parents": SCHEMAS["parents"]},
                has_target=True,
                key=("k",), started_at="2026-01-01 00:00:00", bounds={"k": (0, edge.ROWS - 1, 0)},
            )  # fmt: skip
            rule.validate_for(ctx)
            out.append(Check(f"{len(out)} {rule.default_id()}", rule, HERE, ctx, "gate"))
    return list(assign(out))


CHECKS = _checks()


def _queries(check: Check) -> list[exp.Query]:
    """What the gate asks of a rule: its measures, its aggregates, the rows it blames."""
    key, batch = exp.column("k"), exp.table_(BATCH, quoted=True)
    queries = list(check.measures.queries)
    if check.measures.aggregates:
        scan = scan_query([check], BATCH, aggregates=True)
        queries += [scan] if scan is not None else []
    blame, matching = check.blame(), check.matching()
    if blame is not None and matching is not None:
        queries.append(exp.select(key, exp.alias_(blame, "bad")).from_(batch))
        queries.append(exp.select(key).from_(batch).where(matching))
    return queries


@pytest.mark.parametrize("check", CHECKS, ids=[check.id for check in CHECKS])
def test_a_rule_blames_the_same_rows(engine: Engine, duck: Duck, views: None, check: Check) -> None:
    for query in _queries(check):
        mine, theirs = compared(engine, duck, query, SCHEMAS, {})
        assert same_rows(theirs, mine), query.sql("duckdb")


def test_the_masks_of_all_rules_are_the_same(engine: Engine, duck: Duck, views: None) -> None:
    checks = assign([replace(check, bit=None) for check in CHECKS])
    row_wise = [check for check in checks if check.in_pass]
    query = exp.select(exp.column("k")).from_(exp.table_(BATCH, quoted=True))
    for name, mask in mask_expressions(row_wise, of=checks).items():
        query = query.select(exp.alias_(mask, name, quoted=True))
    mine, theirs = compared(engine, duck, query, SCHEMAS, {})
    assert same_rows(theirs, mine)
    assert any(row[1] != ("number", "0") for row in mine)
    scan = scan_query(row_wise, BATCH, predicates=True, totals=True)
    assert scan is not None
    mine, theirs = compared(engine, duck, scan, SCHEMAS, {})
    assert theirs == mine
    assert masks_query(checks, BATCH) is not None
