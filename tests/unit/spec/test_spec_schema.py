"""JSON Schemas for editors, and the configuration page: both follow the models."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sluiceway import plugins
from sluiceway.spec.docs import configuration_page, settings
from sluiceway.spec.jsonschema import pipeline_schema, project_schema
from sluiceway.spec.yaml import read_yaml_text

DOCS = Path(__file__).parents[3] / "docs"

# design, section 3, without the `anomaly` rule, which does not exist yet
ORDERS = """
pipeline: orders
description: One row per paid order, with the customer's segment
owner: sales-data
schedule: "0 6 * * *"
timezone: Europe/Amsterdam
depends_on: ["pipeline:customers", "dataset:mart.rates"]
retry: {attempts: 3, backoff: exponential, delay: 30s}
timeout: 30m
memory_limit: 4GB
sources:
  orders:
    type: postgres
    connection: shop_db
    table: public.orders
    incremental: {cursor: updated_at, lag: 1h}
    rules:
      - not_null: order_id
      - pattern: {column: email, format: email}
        severity: warning
  customers:
    type: csv
    path: data/customers/*.csv
transform:
  - filter: status <> 'draft'
  - deduplicate: {key: order_id, keep: latest, by: updated_at}
  - derive: {net: "amount - coalesce(discount, 0)"}
  - join: {with: customers, on: customer_id, columns: [segment, country]}
  - sql: SELECT * FROM _ WHERE net >= 0
  - mask: {email: {hmac: "${MASK_KEY}"}}
contract: contracts/orders.odcs.yaml
rules:
  - not_null: [order_id, customer_id]
  - unique: order_id
  - accepted_values: {column: status, values: [paid, shipped, returned]}
    on_fail: quarantine
  - range: {column: amount, min: 0, max: 100000}
    on_fail: quarantine
    tolerance: 0.5%
  - relationships: {column: customer_id, to: customers.customer_id}
  - expression: shipped_at IS NULL OR shipped_at >= created_at
  - row_count: {min: 1}
  - freshness: {column: updated_at, max_age: 26h}
  - aggregate: {measure: avg(amount), min: 20, max: 80}
quality: {thresholds: {score: 0.95, completeness: 0.99}}
destination:
  table: mart.orders
  mode: merge
  primary_key: order_id
  version: updated_at
  schema_contract: {columns: evolve, data_type: freeze}
"""
SHOP = """
project: shop
environments:
  dev:
    warehouse: {type: ducklake, path: .sluiceway/lake}
  prod:
    engine: {type: spark, remote: "${SPARK_REMOTE}"}
    warehouse: {connection: wh}
connections:
  shop_db: {type: postgres, url: "${SHOP_DB_URL}"}
metadata: sqlite:///.sluiceway/metadata.db
alerts:
  - {to: "slack://…", severity: error, pipelines: ["sales_*"], throttle: 15m}
"""


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return jsonschema.Draft202012Validator(pipeline_schema())


@pytest.fixture(scope="module")
def project() -> Any:
    return jsonschema.Draft202012Validator(project_schema())


def changed(text: str, path: tuple[Any, ...], value: Any) -> Any:
    tree = copy.deepcopy(read_yaml_text(text).value)
    level = tree
    for part in path[:-1]:
        level = level[part]
    level[path[-1]] = value
    return tree


def test_they_are_json_schemas(pipeline: Any, project: Any) -> None:
    for validator in (pipeline, project):
        validator.check_schema(validator.schema)
        assert validator.schema["$schema"].endswith("2020-12/schema")


def test_the_designs_examples_are_valid(pipeline: Any, project: Any) -> None:
    assert [error.message for error in pipeline.iter_errors(read_yaml_text(ORDERS).value)] == []
    assert [error.message for error in project.iter_errors(read_yaml_text(SHOP).value)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("retyr",), {}),
        (("retry", "atempts"), 3),
        (("retry", "attempts"), "many"),
        (("sources", "orders", "tabel"), "x"),
        (("sources", "customers", "type"), "cvs"),
        (("sources", "orders", "incremental", "curser"), "x"),
        (("sources", "orders", "rules", 0), {"not_nul": "x"}),
        (("rules", 0), {"not_nul": "x"}),
        (("rules", 0), "not_null"),
        (("rules", 3, "severty"), "error"),
        (("rules", 3, "severity"), "eror"),
        (("rules", 3, "tolerance"), "lots"),
        (("rules", 3, "range", "mni"), 0),
        (("transform", 0), {"filtre": "x"}),
        (("transform", 1, "deduplicate", "kee"), "latest"),
        (("transform", 3, "join", "wiht"), "x"),
        (("destination", "moode"), "merge"),
        (("destination", "mode"), "megre"),
        (("quality", "treshold"), {}),
    ],
)
def test_typos_in_a_pipeline_are_not(pipeline: Any, path: tuple[Any, ...], value: Any) -> None:
    assert not pipeline.is_valid(changed(ORDERS, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("environmnts",), {}),
        (("environments", "dev", "warehose"), {}),
        (("environments", "dev", "warehouse", "pth"), "x"),
        (("environments", "dev", "warehouse", "type"), "duckbd"),
        (("connections", "shop_db", "ulr"), "x"),
        (("lineage",), {"type": "fiel"}),
    ],
)
def test_typos_in_a_project_are_not(project: Any, path: tuple[Any, ...], value: Any) -> None:
    assert not project.is_valid(changed(SHOP, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("retry", "attempts"), "${TRIES}"),
        (("destination", "allow_empty"), "${EMPTY:-true}"),
        (("rules", 0), {"not_null": {"column": ["a", "b"]}, "where": "c > 1"}),
        (("rules", 0), {"row_count": 5}),
        (("transform", 0), {"cast": {"any name": "INTEGER"}, "name": "typed", "from": "orders"}),
        (("destination", "path"), "elsewhere"),
        (("load_mode",), "append"),
    ],
)
def test_what_else_may_stand_there(pipeline: Any, path: tuple[Any, ...], value: Any) -> None:
    assert pipeline.is_valid(changed(ORDERS, path, value))


def test_every_kind_and_every_key_is_said_to_be_something(pipeline: Any) -> None:
    schema = pipeline.schema
    for name, group in (("rule", "rules"), ("step", "transforms")):
        items = schema["$defs"][name]["anyOf"]
        assert [item["required"][0] for item in items] == plugins.names(group)
        for item in items:
            for key, part in item["properties"].items():
                assert part.get("description"), f"{item['required'][0]}: {key}"
    types = [b["properties"]["type"]["const"] for b in _sources(schema) if "type" in b["properties"]]
    assert types == plugins.names("connectors")
    for branch in _sources(schema):
        for key, part in branch["properties"].items():
            assert "description" in str(part), key


def _sources(schema: Any) -> list[Any]:
    branches: list[Any] = schema["properties"]["sources"]["additionalProperties"]["anyOf"]
    return branches


def test_every_setting_has_a_word_on_it() -> None:
    page = configuration_page()
    for section, keys in settings().items():
        assert f"# {section}" in page
        for key, said in keys.items():
            assert said, f"{section}: {key} has no description"
            assert f"| `{key}` |" in page
            assert said.replace("|", "\\|") in page


def test_the_page_is_up_to_date() -> None:
    written = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert written == configuration_page(), "type: make docs"
