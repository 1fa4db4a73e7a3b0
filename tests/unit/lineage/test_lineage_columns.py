"""Column lineage: what flows into each column, what only decides, and what is not claimed."""

from __future__ import annotations

from typing import Any

import pytest

from sluiceway import plugins
from sluiceway.errors import PlanError, Where
from sluiceway.plan.lineage import Lineage, column_lineage
from sluiceway.schema import Schema
from sluiceway.sql.safe import tables_of
from sluiceway.sql.typing import describe
from sluiceway.transforms.base import StepContext

HERE = Where("p.yml", 1, "transform")
INPUTS = {
    "orders": Schema.of(
        {
            "order_id": "BIGINT", "customer_id": "BIGINT", "amount": "DOUBLE", "discount": "DOUBLE",
            "status": "VARCHAR", "email": "VARCHAR", "updated_at": "TIMESTAMP", "tags": "VARCHAR[]",
            "address": "STRUCT(city VARCHAR, zip VARCHAR)",
        }
    ),
    "customers": Schema.of({"customer_id": "BIGINT", "segment": "VARCHAR", "country": "VARCHAR"}),
}  # fmt: skip


def lineage(*declared: dict[str, Any]) -> Lineage:
    """The lineage of the last of these steps, planned the way the planner does it."""
    relations, steps, current = dict(INPUTS), [], "orders"
    binds: dict[str, Any] = {}
    for n, item in enumerate(declared, 1):
        options = {k: v for k, v in item.items() if k in ("name", "from")}
        ((kind, value),) = [(k, v) for k, v in item.items() if k not in options]
        step = plugins.load("transforms", kind).parse(value, options)
        reads = step.from_ or current
        query = step.compile(StepContext(reads, relations, HERE, {}, binds, "2026-11-23 05:06:07.000000"))
        name = step.name or f"_step_{n}"
        names = tables_of(query)
        relations[name] = describe(query, {t: relations[t] for t in names}, HERE)
        steps.append((name, query, names, relations[name]))
        current = name
    return column_lineage(INPUTS, steps, current)


def direct(found: Lineage, column: str) -> set[tuple[str, str, str]]:
    return {(e.relation, e.column, e.subtype) for e in found.columns[column] if e.type == "DIRECT"}


def deciding(found: Lineage, column: str) -> set[tuple[str, str, str]]:
    return {(e.relation, e.column, e.subtype) for e in found.columns[column] if e.type == "INDIRECT"}


def test_filter_keeps_identity_and_decides_about_every_column() -> None:
    found = lineage({"filter": "status <> 'draft' AND amount > 0"})
    assert direct(found, "email") == {("orders", "email", "IDENTITY")}
    for column in found.columns:
        assert deciding(found, column) == {("orders", "status", "FILTER"), ("orders", "amount", "FILTER")}


def test_an_edge_that_decides_stands_once_an_output() -> None:
    found = lineage({"filter": "amount > 0"}, {"filter": "amount < 100"}, {"filter": "amount <> 5"})
    edges = found.columns["email"]
    assert len([e for e in edges if e.subtype == "FILTER"]) == 1
    assert len(edges) == len(set(edges))


def test_rename_and_select_are_identity() -> None:
    found = lineage({"rename": {"amount": "gross"}}, {"select": ["gross", {"twice": "gross * 2"}]})
    assert direct(found, "gross") == {("orders", "amount", "IDENTITY")}
    assert direct(found, "twice") == {("orders", "amount", "TRANSFORMATION")}
    assert not deciding(found, "gross")


def test_derive_through_layers() -> None:
    found = lineage({"derive": {"net": "amount - coalesce(discount, 0)", "vat": "net * 0.21"}})
    both = {("orders", "amount", "TRANSFORMATION"), ("orders", "discount", "TRANSFORMATION")}
    assert direct(found, "vat") == both == direct(found, "net")
    assert direct(found, "amount") == {("orders", "amount", "IDENTITY")}


def test_cast_is_a_transformation() -> None:
    for on_error in ("fail", "null"):
        found = lineage({"cast": {"columns": {"amount": "INTEGER"}, "on_error": on_error}})
        assert direct(found, "amount") == {("orders", "amount", "TRANSFORMATION")}
        assert direct(found, "status") == {("orders", "status", "IDENTITY")}


def test_deduplicate_is_a_window_over_key_and_order() -> None:
    found = lineage({"deduplicate": {"key": "order_id", "by": "updated_at"}})
    assert direct(found, "amount") == {("orders", "amount", "IDENTITY")}
    assert {("orders", "order_id", "WINDOW"), ("orders", "updated_at", "WINDOW")} <= deciding(found, "amount")


def test_join_takes_columns_of_the_other_side_and_keys_decide() -> None:
    found = lineage({"join": {"with": "customers", "on": "customer_id", "columns": ["segment"]}})
    assert direct(found, "segment") == {("customers", "segment", "IDENTITY")}
    keys = {("orders", "customer_id", "JOIN"), ("customers", "customer_id", "JOIN")}
    assert deciding(found, "amount") == keys == deciding(found, "segment")
    assert "country" not in found.columns


def test_semi_join_only_decides() -> None:
    found = lineage({"join": {"with": "customers", "on": "customer_id", "type": "semi"}})
    assert found.relations() == ("customers", "orders")
    assert all(e.relation == "orders" for c in found.columns.values() for e in c if e.type == "DIRECT")


def test_aggregate() -> None:
    found = lineage(
        {"aggregate": {"group_by": "status", "measures": {"n": "count(*)", "total": "sum(amount)"}}}
    )
    assert direct(found, "status") == {("orders", "status", "IDENTITY")}
    assert direct(found, "total") == {("orders", "amount", "AGGREGATION")}
    assert direct(found, "n") == set()
    assert deciding(found, "n") == {("orders", "status", "GROUP_BY")}


def test_aggregation_stays_aggregation_downstream() -> None:
    found = lineage(
        {"aggregate": {"group_by": "status", "measures": {"total": "sum(amount)"}}},
        {"derive": {"k": "total / 1000"}},
    )
    assert direct(found, "k") == {("orders", "amount", "AGGREGATION")}


def test_pivot() -> None:
    found = lineage(
        {"pivot": {"on": "status", "values": ["paid"], "using": "sum(amount)", "group_by": "customer_id"}}
    )
    assert direct(found, "paid") == {("orders", "amount", "AGGREGATION")}
    assert ("orders", "status", "CONDITIONAL") in deciding(found, "paid")
    assert ("orders", "status", "CONDITIONAL") not in deciding(found, "customer_id")
    assert ("orders", "customer_id", "GROUP_BY") in deciding(found, "customer_id")


def test_unpivot() -> None:
    found = lineage({"unpivot": {"columns": ["amount", "discount"], "name": "kind", "value": "v"}})
    assert {c for _, c, _ in direct(found, "v")} == {"amount", "discount"}
    assert direct(found, "kind") == set()
    assert direct(found, "status") == {("orders", "status", "IDENTITY")}


def test_flatten_struct_and_list() -> None:
    found = lineage({"flatten": "address"}, {"flatten": {"column": "tags", "position": "n"}})
    assert direct(found, "address_city") == {("orders", "address", "TRANSFORMATION")}
    assert direct(found, "tags") == {("orders", "tags", "TRANSFORMATION")}
    assert direct(found, "status") == {("orders", "status", "IDENTITY")}


@pytest.mark.parametrize("method", [{"hmac": "a-long-key"}, {"hash": True}, "redact", "nullify", "partial"])
def test_mask_says_masking(method: Any) -> None:
    found = lineage({"mask": {"email": method}}, {"derive": {"copy": "email"}})
    for column in ("email", "copy"):
        (edge,) = [e for e in found.columns[column] if e.type == "DIRECT"]
        assert (edge.relation, edge.column, edge.masking) == ("orders", "email", True)
    assert not any(e.masking for e in found.columns["status"])


def test_a_value_that_is_also_shown_is_not_masked() -> None:
    found = lineage({"derive": {"both": "email || sha256(email)", "hashed": "sha256(email)"}})
    assert [e.masking for e in found.columns["both"]] == [False]
    assert [e.masking for e in found.columns["hashed"]] == [True]


SQL = [
    ("SELECT * FROM _", "amount", {("orders", "amount", "IDENTITY")}, set()),
    ("SELECT * EXCLUDE (email) REPLACE (amount * 2 AS amount) FROM _", "amount",
     {("orders", "amount", "TRANSFORMATION")}, set()),
    ("SELECT * RENAME (amount AS gross) FROM _", "gross", {("orders", "amount", "IDENTITY")}, set()),
    ("SELECT o.*, c.segment FROM _ AS o LEFT JOIN customers AS c USING (customer_id)", "segment",
     {("customers", "segment", "IDENTITY")},
     {("orders", "customer_id", "JOIN"), ("customers", "customer_id", "JOIN")}),
    (("WITH x AS (SELECT customer_id, sum(amount) AS s FROM _ GROUP BY 1), orders AS (SELECT * FROM x) "
      "SELECT s AS total FROM orders WHERE s > 1"), "total", {("orders", "amount", "AGGREGATION")},
     {("orders", "customer_id", "GROUP_BY"), ("orders", "amount", "FILTER")}),
    ("SELECT status AS s FROM _ UNION ALL SELECT segment FROM customers", "s",
     {("orders", "status", "IDENTITY"), ("customers", "segment", "IDENTITY")}, set()),
    (("SELECT customer_id, status FROM _ UNION ALL BY NAME "
      "SELECT segment AS status, customer_id FROM customers"),
     "status", {("orders", "status", "IDENTITY"), ("customers", "segment", "IDENTITY")}, set()),
    ("SELECT customer_id FROM _ EXCEPT SELECT customer_id FROM customers", "customer_id",
     {("orders", "customer_id", "IDENTITY")},
     {("orders", "customer_id", "FILTER"), ("customers", "customer_id", "FILTER")}),
    ("SELECT amount - lag(amount) OVER (PARTITION BY customer_id ORDER BY updated_at) AS d FROM _", "d",
     {("orders", "amount", "TRANSFORMATION")},
     {("orders", "customer_id", "WINDOW"), ("orders", "updated_at", "WINDOW")}),
    ("SELECT sum(amount) OVER w AS d FROM _ WINDOW w AS (PARTITION BY customer_id)", "d",
     {("orders", "amount", "AGGREGATION")}, {("orders", "customer_id", "WINDOW")}),
    ("SELECT amount FROM _ QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC) = 1",
     "amount",
     {("orders", "amount", "IDENTITY")},
     {("orders", "order_id", "WINDOW"), ("orders", "updated_at", "WINDOW")}),
    ("SELECT CASE WHEN status = 'paid' THEN amount ELSE discount END AS v FROM _", "v",
     {("orders", "amount", "TRANSFORMATION"), ("orders", "discount", "TRANSFORMATION")},
     {("orders", "status", "CONDITIONAL")}),
    (("SELECT amount AS v FROM _ "
      "WHERE customer_id IN (SELECT customer_id FROM customers WHERE country = 'NL')"),
     "v",
     {("orders", "amount", "IDENTITY")},
     {("orders", "customer_id", "FILTER"), ("customers", "customer_id", "FILTER"),
      ("customers", "country", "FILTER")}),
    ("SELECT (SELECT max(c.segment) FROM customers c WHERE c.customer_id = o.customer_id) AS v FROM _ o", "v",
     {("customers", "segment", "AGGREGATION")},
     {("orders", "customer_id", "FILTER"), ("customers", "customer_id", "FILTER")}),
    ("SELECT unnest(tags) AS v FROM _", "v", {("orders", "tags", "TRANSFORMATION")}, set()),
    ("SELECT u.tag AS v FROM _, unnest(_.tags) AS u(tag)", "v", {("orders", "tags", "TRANSFORMATION")},
     {("orders", "tags", "JOIN")}),
    ("SELECT address.city AS v FROM _", "v", {("orders", "address", "TRANSFORMATION")}, set()),
    ("SELECT list_transform(tags, x -> x || status) AS v FROM _", "v",
     {("orders", "tags", "TRANSFORMATION"), ("orders", "status", "TRANSFORMATION")}, set()),
    ("SELECT [x || 'a' FOR x IN tags] AS v FROM _", "v", {("orders", "tags", "TRANSFORMATION")}, set()),
    ("SELECT amount + 1 AS a, a * 2 AS v FROM _", "v", {("orders", "amount", "TRANSFORMATION")}, set()),
    ("SELECT DISTINCT status AS v FROM _",
     "v", {("orders", "status", "IDENTITY")}, {("orders", "status", "GROUP_BY")}),
    (("SELECT status AS v, count(*) FILTER (WHERE amount > 1) AS n FROM _ "
      "GROUP BY ALL HAVING max(discount) > 0"),
     "v",
     {("orders", "status", "IDENTITY")},
     {("orders", "status", "GROUP_BY"), ("orders", "discount", "FILTER")}),
    ("SELECT string_agg(status, ',' ORDER BY updated_at) AS v FROM _",
     "v", {("orders", "status", "AGGREGATION")},
     {("orders", "updated_at", "SORT")}),
    ("SELECT status AS v FROM _ ORDER BY amount", "v", {("orders", "status", "IDENTITY")},
     {("orders", "amount", "SORT")}),
    ("SELECT l.v FROM _, LATERAL (SELECT _.amount * 2 AS v) AS l",
     "v", {("orders", "amount", "TRANSFORMATION")},
     set()),
    (("WITH RECURSIVE r AS (SELECT order_id, 1 AS n FROM _ UNION ALL "
      "SELECT order_id, n + 1 FROM r WHERE n < 3) SELECT order_id AS v FROM r"), "v",
     {("orders", "order_id", "IDENTITY")}, set()),
    ("SELECT a.v FROM (SELECT amount AS v, status FROM _) AS a WHERE a.status = 'x'", "v",
     {("orders", "amount", "IDENTITY")}, {("orders", "status", "FILTER")}),
    ("SELECT x.v FROM (VALUES (1), (2)) AS x(v), _", "v", set(), set()),
    ("SELECT customer_id AS v FROM _ FULL JOIN customers USING (customer_id)", "v",
     {("orders", "customer_id", "IDENTITY"), ("customers", "customer_id", "IDENTITY")},
     {("orders", "customer_id", "JOIN"), ("customers", "customer_id", "JOIN")}),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "column", "flows", "decides"), SQL, ids=[s[0][:60] for s in SQL])
def test_sql(sql: str, column: str, flows: set[Any], decides: set[Any]) -> None:
    found = lineage({"sql": sql})
    assert direct(found, column) == flows
    assert deciding(found, column) == decides


def test_what_cannot_be_told_apart_is_said_to_come_from_everything() -> None:
    found = lineage({"sql": "SELECT COLUMNS('^a') FROM _ WHERE status = 'x'"})
    assert set(found.columns) == {"amount", "address"}
    assert {c for _, c, _ in direct(found, "amount")} == set(INPUTS["orders"].names)


def test_python_maps_every_column_to_all_inputs() -> None:
    out = Schema.of({"x": "INTEGER", "amount": "DOUBLE"})
    found = column_lineage(INPUTS, [("p", None, ("customers",), out)], "p")
    for column in out.names:
        assert direct(found, column) == {
            ("customers", c, "TRANSFORMATION") for c in INPUTS["customers"].names
        }


def test_names_that_repeat_and_need_quotes() -> None:
    found = lineage({"sql": 'SELECT status AS "or der", amount AS "Ünï\'s ""x""" FROM _'})
    assert direct(found, 'Ünï\'s "x"') == {("orders", "amount", "IDENTITY")}


def test_without_steps_every_column_is_itself() -> None:
    found = column_lineage(INPUTS, [], "customers")
    assert direct(found, "segment") == {("customers", "segment", "IDENTITY")}


def test_an_unknown_relation_is_an_error() -> None:
    with pytest.raises(PlanError, match="there is no relation 'nope'"):
        column_lineage(INPUTS, [], "nope")
