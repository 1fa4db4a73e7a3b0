"""Pipeline files and PipelineConfig: what they become, and every mistake with file, line and key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from sluiceway.errors import SluicewayError, SpecError
from sluiceway.secrets import redact
from sluiceway.spec.model import Pipeline, SchemaContract
from sluiceway.spec.pipeline import DestinationConfig, PipelineConfig
from sluiceway.spec.project import load_project
from sluiceway.spec.resolve import resolve

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = """pipeline: orders
description: One row per order
owner: sales-data
tags: [sales]
schedule: "0 6 * * *"
timezone: Europe/Amsterdam
depends_on: ["pipeline:customers", "dataset:mart.rates"]
retry: {attempts: 3, delay: 1m}
timeout: 30m
memory_limit: 4GB
variables: {least: 5, other: a}
sources:
  orders:
    type: csv
    path: data/orders.csv
    incremental: {cursor: updated_at, lag: 1h}
    rules:
      - not_null: order_id
        severity: warning
  customers: {connection: folder}
transform:
  - filter: status <> 'draft'
  - derive: {net: "amount - coalesce(discount, 0)"}
    name: priced
rules:
  - not_null: [order_id, customer_id]
  - range: {column: amount, min: 0}
    on_fail: quarantine
    tolerance: 0.5%
quality: {thresholds: {score: 0.95}, samples: 3}
destination:
  table: mart.orders
  mode: merge
  primary_key: order_id
  version: updated_at
  schema_contract: {columns: freeze}
  lock_timeout: 5s
"""

Make = Callable[..., Pipeline]
Small = Callable[..., str]


def test_a_whole_pipeline(make: Make) -> None:
    pipeline = make(ORDERS, variables={"least": 9})
    assert (pipeline.name, pipeline.environment.name, pipeline.owner) == ("orders", "dev", "sales-data")
    assert (pipeline.timeout, pipeline.memory_limit) == (1800.0, 4_000_000_000)
    assert (pipeline.retry.attempts, pipeline.retry.delay, pipeline.retry.backoff) == (3, 60.0, "exponential")
    assert pipeline.variables == {"least": 9, "other": "a"}
    assert pipeline.quality.thresholds == {"score": 0.95}
    assert pipeline.quality.samples == 3
    assert [step.step.kind for step in pipeline.steps] == ["filter", "derive"]
    assert pipeline.steps[1].step.name == "priced"
    orders = pipeline.sources["orders"]
    assert orders.incremental is not None
    assert (orders.incremental.cursor, orders.incremental.lag) == ("updated_at", "1h")
    assert [rule.rule.severity for rule in orders.rules] == ["warning"]
    destination = pipeline.destination
    assert str(destination.table) == "mart.orders"
    assert (destination.mode, destination.key, destination.version) == ("merge", ("order_id",), "updated_at")
    assert destination.schema_contract == SchemaContract("freeze", "freeze")
    assert destination.lock_timeout == 5.0
    assert destination.connector.name == "ducklake"


def test_places_are_kept(make: Make) -> None:
    pipeline = make(ORDERS)
    assert str(pipeline.rules[-1].where) == "pipelines/orders.yml:27: rules[1].range"
    assert str(pipeline.steps[0].where) == "pipelines/orders.yml:22: transform[0].filter"
    assert str(pipeline.sources["orders"].rules[0].where) == (
        "pipelines/orders.yml:18: sources.orders.rules[0].not_null"
    )
    assert str(pipeline.destination.where) == "pipelines/orders.yml:31: destination"


def test_a_list_of_columns_is_one_check_each_and_options_hold_for_all(make: Make) -> None:
    rules = [r.rule for r in make(ORDERS).rules if r.origin == "pipeline"]
    assert [rule.default_id() for rule in rules] == [
        "not_null:order_id",
        "not_null:customer_id",
        "range:amount",
    ]
    assert rules[2].on_fail == "quarantine"
    assert str(rules[2].tolerance) == "0.5%"


def test_merge_implies_rules_on_its_key(make: Make) -> None:
    implied = [r for r in make(ORDERS).rules if r.origin == "implied"]
    assert [r.rule.default_id() for r in implied] == ["not_null:order_id", "unique:order_id"]
    assert [r.rule.on_fail for r in implied] == ["block", "block"]
    assert implied[1].rule.scope == "batch"


def test_append_and_replace_imply_nothing(make: Make, small: Small) -> None:
    assert not make(small(destination="{table: a.b, mode: replace}")).rules


def test_scd2_versions_of_a_key_are_told_apart_by_their_time(make: Make, small: Small) -> None:
    text = small(
        destination="{table: a.b, mode: scd2, primary_key: [x, y], effective_at: t, on_delete: close}"
    )
    pipeline = make(text)
    assert [r.rule.default_id() for r in pipeline.rules] == ["not_null:x", "not_null:y", "unique:x,y,t"]
    scd2 = pipeline.destination.scd2
    assert scd2 is not None
    assert (scd2.effective_at, scd2.on_delete, scd2.late, scd2.valid_to) == (
        "t",
        "close",
        "block",
        "valid_to",
    )


def test_one_word_for_the_whole_schema_contract(make: Make, small: Small) -> None:
    pipeline = make(small(destination="{table: a.b, schema_contract: discard_row}"))
    assert pipeline.destination.schema_contract == SchemaContract("discard_row", "discard_row")


def test_a_connections_keys_are_merged_and_own_keys_win(make: Make, small: Small) -> None:
    pipeline = make(small(sources="{a: {connection: folder, path: mine.csv}, b: {connection: folder}}"))
    assert pipeline.sources["a"].connector.name == "csv"
    assert pipeline.sources["a"].config.model_dump()["path"] == "mine.csv"
    assert pipeline.sources["b"].config.model_dump()["path"] == "data/*.csv"
    assert pipeline.sources["b"].config.model_dump()["delimiter"] == ";"


def test_the_destination_overrides_the_warehouse(make: Make, small: Small) -> None:
    plain = make(small(), "files").destination
    assert (plain.connector.name, plain.config.model_dump()["path"]) == ("parquet", "out")
    moved = make(small(destination="{table: a.b, path: other}"), "files").destination
    assert (moved.connector.name, moved.config.model_dump()["path"]) == ("parquet", "other")
    other = make(small(destination="{table: a.b, type: duckdb, path: x.duckdb}"), "files").destination
    assert (other.connector.name, other.config.model_dump()["path"]) == ("duckdb", "x.duckdb")
    named = make(small(), "byname").destination
    assert (named.connector.name, named.config.model_dump()["path"]) == ("ducklake", "elsewhere")


def test_a_check_needs_no_destination(make: Make, small: Small) -> None:
    with pytest.raises(SpecError, match="no destination") as caught:
        make(small(destination=""))
    assert "table: NAMESPACE.NAME" in (caught.value.hint or "")
    pipeline = make(small(destination=""), require_destination=False)
    assert str(pipeline.destination.table) == "main.o"


def test_raw_keeps_variables_and_the_result_has_them(
    make: Make, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SW_PATH", "real.csv")
    monkeypatch.setenv("SW_KEY", "a-long-mask-key")
    monkeypatch.setenv("SW_TRIES", "4")
    text = small(
        sources="{a: {type: csv, path: '${SW_PATH}'}}",
        transform="[{mask: {email: {hmac: '${SW_KEY}'}}}, {filter: \"x <> '${SW_PATH}'\"}]",
        retry="{attempts: '${SW_TRIES}'}",
    )
    pipeline = make(text)
    assert pipeline.raw["sources"]["a"]["path"] == "${SW_PATH}"
    assert "a-long-mask-key" not in repr(pipeline.raw)
    assert pipeline.sources["a"].config.model_dump()["path"] == "real.csv"
    assert pipeline.retry.attempts == 4
    assert pipeline.steps[1].step.model_dump()["condition"] == "x <> '${SW_PATH}'"
    assert redact("key a-long-mask-key") == "key ***"


def test_an_undefined_variable_is_no_error_until_it_is_used(
    make: Make, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SW_NOT_THERE", raising=False)
    with pytest.raises(SpecError, match="SW_NOT_THERE is not defined") as caught:
        make(small(retry="\n  attempts: '${SW_NOT_THERE}'"))
    assert str(caught.value.where) == "pipelines/orders.yml:5: retry.attempts"
    assert PipelineConfig.load("pipelines/orders.yml").declared()["retry"] == {"attempts": "${SW_NOT_THERE}"}


def test_a_variable_of_the_wrong_type_is_found_when_it_has_its_value(
    make: Make, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SW_TRIES", "many")
    with pytest.raises(SpecError, match="expected a whole number, got 'many'"):
        make(small(retry="{attempts: '${SW_TRIES}'}"))


def test_python_says_the_same_as_the_file(make: Make, small: Small, tmp_path: Path) -> None:
    from_file = make(small(rules="[{not_null: id}]"))
    config = PipelineConfig(
        pipeline="o",
        sources={"a": {"type": "csv", "path": "a.csv"}},
        rules=[{"not_null": "id"}],
        destination=DestinationConfig(table="a.b"),
    )
    in_python = resolve(config, load_project(tmp_path))
    assert in_python.raw == from_file.raw
    assert [r.rule for r in in_python.rules] == [r.rule for r in from_file.rules]
    assert in_python.destination.config == from_file.destination.config
    assert in_python.file is None


def test_the_missions_names_are_understood(make: Make) -> None:
    pipeline = make(
        "pipeline: o\nsources: [{name: a, type: parquet, path: a}]\nbatch_size: 10\nfilters: x > 1\n"
        "validation_rules:\n  - not_null: id\ntransformation_rules:\n  - filter: x > 2\n"
        "quality_thresholds: {score: 0.5}\ndestination_table: a.b\nload_mode: replace\nload_batch_size: 7\n"
    )
    source = pipeline.sources["a"]
    assert (source.config.batch_size, source.config.filters) == (10, "x > 1")
    assert str(source.rules[0].where) == "pipelines/orders.yml:6: validation_rules[0].not_null"
    assert pipeline.steps[0].where.line == 8
    assert pipeline.quality.thresholds == {"score": 0.5}
    assert (str(pipeline.destination.table), pipeline.destination.mode) == ("a.b", "replace")
    assert pipeline.destination.load_batch_size == 7


def test_extract_query_belongs_to_the_only_source() -> None:
    config = PipelineConfig(
        pipeline="o", sources={"a": {"type": "duckdb", "path": "x"}}, extract_query="SELECT 1"
    )
    assert config.sources["a"]["query"] == "SELECT 1"
    cases: list[tuple[dict[str, object], str]] = [
        ({}, "needs a source"),
        ({"a": {}, "b": {}}, "which of the 2 sources"),
    ]
    for sources, said in cases:
        with pytest.raises(SpecError, match=said):
            PipelineConfig(pipeline="o", sources=sources, extract_query="SELECT 1")
    with pytest.raises(SpecError, match="both are given"):
        PipelineConfig(pipeline="o", destination={"table": "a.b"}, destination_table="a.c")


def test_nothing_secret_in_what_it_prints() -> None:
    config = PipelineConfig(pipeline="o", sources={"a": {"url": "postgresql://u:verysecret@h/d"}})
    assert "verysecret" not in repr(config)
    assert "verysecret" not in str(config)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        PipelineConfig.load(tmp_path / "x.yml")


def test_the_first_of_several_mistakes_counts_the_others(make: Make, small: Small) -> None:
    with pytest.raises(SpecError, match=r"1 more problem") as caught:
        make(small(retry="{attempts: x, backoff: y}"))
    assert len(caught.value.details["problems"]) == 2


def test_python_mistakes_are_spec_errors_too() -> None:
    with pytest.raises(SpecError, match="unknown key 'sorces'") as caught:
        PipelineConfig(pipeline="o", sorces={})
    assert caught.value.hint == "did you mean 'sources'?"


def test_no_error_text_holds_a_typed_secret(
    make: Make, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SW_SECRET_URL", "topsecretvalue")
    project = "project: a\nconnections:\n  pg: {type: csv, path: x, batch_size: '${SW_SECRET_URL}'}\n"
    with pytest.raises(SluicewayError) as caught:
        make(small(sources="{a: {connection: pg}}"), project=project)
    assert "topsecretvalue" not in str(caught.value)
    assert "topsecretvalue" not in repr(caught.value.as_dict())
