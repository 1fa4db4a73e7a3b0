"""The page of the steps is what the steps say, and its examples are steps."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sluiceway import plugins
from sluiceway.errors import Where
from sluiceway.schema import Schema
from sluiceway.spec.declared import parse_steps
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.docs import example, render

PAGE = Path(__file__).parents[3] / "docs" / "transforms.md"
STEPS = plugins.names("transforms")


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "type: make docs"


@pytest.mark.parametrize("kind", STEPS)
def test_every_option_is_on_the_page(kind: str) -> None:
    section = PAGE.read_text().split(f"\n## {kind}\n")[1].split("\n## ")[0]
    step = plugins.load("transforms", kind)
    for name, field in step.model_fields.items():
        if name not in Step.model_fields:
            assert f"| `{field.alias or name}` |" in section
            assert field.description


@pytest.mark.parametrize("kind", STEPS)
def test_the_example_is_a_step_that_compiles(kind: str) -> None:
    items = YAML(typ="safe").load(io.StringIO(example(plugins.load("transforms", kind))))
    (declared,) = parse_steps(items, lambda path: Where("p.yml", 1, str(path)))
    assert declared.step.kind == kind
    if kind == "python":
        return
    columns = {
        "status": "VARCHAR", "order_id": "INTEGER", "amount": "DOUBLE", "discount": "DOUBLE",
        "cust": "INTEGER", "Order Date": "DATE",
        "ordered_at": "VARCHAR", "updated_at": "TIMESTAMP", "origin": "VARCHAR",
        "country": "VARCHAR", "q1": "INTEGER", "q2": "INTEGER", "q3": "INTEGER", "q4": "INTEGER",
        "address": "STRUCT(city VARCHAR)", "email": "VARCHAR", "phone": "VARCHAR", "name": "VARCHAR",
        "customer_id": "INTEGER",
    }  # fmt: skip
    schemas = {"t": Schema.of(columns), "airports": Schema.of({"iata": "VARCHAR", "name": "VARCHAR"})}
    context = StepContext("t", schemas, Where(), {}, {}, "2026-11-23 05:06:07")
    assert declared.step.compile(context).sql("duckdb").startswith("SELECT")
