"""The promises of a run, on real files and a real lake; each says what must not happen too."""

from __future__ import annotations

import json

import pytest

from sluiceway.errors import DataQualityError, PlanError

ORDERS = """\
order_id,status,amount,updated_at
1,paid,10.50,2026-01-01 10:00:00
2,shipped,20.00,2026-01-01 11:00:00
3,broken,30.00,2026-01-01 12:00:00
4,paid,-5.00,2026-01-01 13:00:00
5,broken,-1.00,2026-01-01 14:00:00
"""

PIPELINE = """\
pipeline: orders
sources:
  orders: {type: csv, path: data/orders.csv}
rules:
  - not_null: order_id
  - unique: order_id
  - accepted_values: {column: status, values: [paid, shipped]}
    on_fail: quarantine
  - range: {column: amount, min: 0}
    on_fail: quarantine
    name: amount_positive
destination: {table: mart.orders}
"""


@pytest.fixture
def orders(make_project):
    return make_project({"data/orders.csv": ORDERS, "pipelines/orders.yml": PIPELINE})


def test_a_run_splits_counts_and_publishes(orders):
    result = orders.run("orders")
    assert result.error is None
    assert (result.status, result.verdict.outcome) == ("succeeded", "quarantine")
    records = result.records
    assert (records.staged, records.published, records.quarantined) == (5, 2, 3)
    assert records.staged == records.published + records.quarantined
    assert [row[0] for row in orders.rows("mart.orders")] == [1, 2]
    by_id = {check.check.id: check for check in result.checks}
    assert by_id["accepted_values:status"].failing == 2
    assert by_id["amount_positive"].failing == 2
    assert by_id["unique:order_id"].failing == 0


def test_a_row_lies_in_quarantine_once_with_all_its_reasons(orders):
    orders.run("orders")
    found = orders.query('SELECT "row", reasons FROM {q} ORDER BY quarantine_id')
    by_order = {json.loads(row)["order_id"]: sorted(json.loads(reasons)) for row, reasons in found}
    assert by_order == {
        "3": ["accepted_values:status"],
        "4": ["amount_positive"],
        "5": ["accepted_values:status", "amount_positive"],
    }


def test_a_warning_is_no_reason_to_lie_in_quarantine(orders):
    orders.write(
        "pipelines/orders.yml",
        PIPELINE.replace(
            "destination:", "  - range: {column: order_id, max: 2}\n    on_fail: warn\ndestination:"
        ),
    )
    result = orders.run("orders")
    assert {c.check.id: c.failing for c in result.checks}["range:order_id"] == 3
    found = orders.query("SELECT DISTINCT unnest(CAST(reasons AS VARCHAR[])) FROM {q} ORDER BY 1")
    assert found == [("accepted_values:status",), ("amount_positive",)]


def test_a_blocked_run_leaves_the_destination_as_it_was(orders):
    orders.run("orders")
    before = (orders.rows("mart.orders"), orders.query("SELECT count(*) FROM {q}"))
    orders.write("data/orders.csv", ORDERS.replace("1,paid", ",paid") + "9,paid,1.00,2026-01-02 00:00:00\n")
    result = orders.run("orders")
    assert result.status == "blocked"
    assert isinstance(result.error, DataQualityError)
    assert "not_null:order_id" in str(result.error)
    assert (orders.rows("mart.orders"), orders.query("SELECT count(*) FROM {q}")) == before
    assert result.records.published == 0
    assert result.records.quarantined == 0


def test_the_json_document_has_exactly_the_promised_keys(orders):
    document = orders.run("orders").as_dict()
    json.dumps(document)
    assert set(document) == {
        "run_id", "pipeline", "environment", "status", "success", "verdict", "records", "quality_score",
        "dimensions", "checks", "nodes", "execution_time", "snapshot", "error",
    }  # fmt: skip
    assert set(document["checks"][0]) == {
        "id", "rule", "phase", "columns", "dimension", "severity", "on_fail", "failing", "total", "passed",
        "observed", "proven", "message", "shadow",
    }  # fmt: skip


def test_unique_looks_at_the_table_as_it_would_stand(orders):
    orders.run("orders")
    result = orders.run("orders")  # append the same keys again
    assert result.status == "blocked"
    by_id = {check.check.id: check for check in result.checks}
    assert by_id["unique:order_id"].failing == 2
    assert len(orders.rows("mart.orders")) == 2


def test_unique_in_quarantine_takes_every_row_of_a_repeated_key(make_project):
    project = make_project(
        {
            "data/a.csv": "id,v\n1,a\n1,b\n2,c\n,d\n,e\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                rules:
                  - unique: id
                    on_fail: quarantine
                destination: {table: mart.a}
                """,
        }
    )
    result = project.run("a")
    assert result.error is None
    assert project.rows("mart.a") == [(2, "c"), (None, "d"), (None, "e")]
    assert result.records.quarantined == 2


def test_incremental_reads_each_row_once_and_an_empty_run_succeeds(make_project):
    project = make_project(
        {
            "data/a.csv": "id,at\n1,2026-01-01 00:00:00\n2,2026-01-02 00:00:00\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources:
                  a: {type: csv, path: data/a.csv, incremental: {cursor: at}}
                rules:
                  - row_count: {min: 1}
                destination: {table: mart.a}
                """,
        }
    )
    assert project.run("a").records.published == 2
    empty = project.run("a")
    assert (empty.status, empty.records.published) == ("succeeded", 0)
    project.write("data/a.csv", "id,at\n2,2026-01-02 00:00:00\n3,2026-01-03 00:00:00\n")
    assert project.run("a").records.published == 1
    assert [row[0] for row in project.rows("mart.a")] == [1, 2, 3]


def test_replace_by_nothing_is_blocked(make_project):
    pipeline = """\
        pipeline: a
        sources: {a: {type: csv, path: data/a.csv, columns: {id: BIGINT}}}
        destination: {table: mart.a, mode: replace}
        """
    project = make_project({"data/a.csv": "id\n1\n", "pipelines/a.yml": pipeline})
    assert project.run("a").success
    project.write("data/a.csv", "id\n")
    blocked = project.run("a")
    assert blocked.status == "blocked"
    assert "allow_empty" in str(blocked.error)
    assert project.rows("mart.a") == [(1,)]
    project.write("pipelines/a.yml", pipeline.replace("replace}", "replace, allow_empty: true}"))
    assert project.run("a").success
    assert project.rows("mart.a") == []


def test_source_rules_turn_rows_away_before_the_transform(make_project):
    project = make_project(
        {
            "data/a.csv": "id,v\n1,10\n2,\n3,30\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources:
                  a:
                    type: csv
                    path: data/a.csv
                    rules:
                      - not_null: v
                        on_fail: quarantine
                transform:
                  - derive: {w: v * 2}
                rules:
                  - not_null: w
                destination: {table: mart.a}
                """,
        }
    )
    result = project.run("a")
    assert result.error is None
    assert (result.records.read, result.records.rejected, result.records.staged) == (3, 1, 2)
    assert result.records.published == 2
    assert [row[:2] for row in project.rows("mart.a")] == [(1, 10), (3, 30)]


def test_a_missing_column_is_an_error_before_anything_is_read(make_project):
    project = make_project(
        {
            "data/a.csv": "id\n1\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                rules:
                  - not_null: idd
                destination: {table: mart.a}
                """,
        }
    )
    with pytest.raises(PlanError, match="idd") as caught:
        project.run("a")
    assert "id" in str(caught.value)
    assert not project.exists("mart.a")
