"""The suite itself: every rule, step and mode is in it, and no difference is overlooked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pytest

from sluiceway import plugins
from sluiceway.duck import open_duckdb
from sluiceway.spec.pipeline import DestinationConfig, PipelineConfig
from sluiceway.testing import (
    PIPELINES,
    Outcome,
    checksum,
    differences,
    outcome,
    same_on,
    write_project,
    write_sources,
)

if TYPE_CHECKING:
    from pathlib import Path

TWO = """\
project: parity
environments:
  one: {warehouse: {type: duckdb, path: one.duckdb}}
  two: {warehouse: {type: duckdb, path: two.duckdb}}
  lake: {warehouse: {type: ducklake, path: lake}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(tmp_path, TWO)
    write_sources(tmp_path)
    return tmp_path


def _configs(tmp_path: Path) -> dict[str, PipelineConfig]:
    write_project(tmp_path, TWO)
    return {name: PipelineConfig.load(tmp_path / "pipelines" / f"{name}.yml") for name in PIPELINES}


def _kinds(items: list[dict[str, object]], known: list[str]) -> set[str]:
    return {key for item in items for key in item if key in known}


def test_every_rule_step_and_mode_is_in_a_pipeline(tmp_path: Path) -> None:
    configs = _configs(tmp_path)
    steps, rules = plugins.names("transforms"), plugins.names("rules")
    used_steps: set[str] = set()
    used_rules: set[str] = set()
    modes = set()
    for config in configs.values():
        assert config.destination is not None
        modes.add(config.destination.mode)
        used_steps |= _kinds(config.transform, steps)
        used_rules |= _kinds(config.rules, rules)
        for source in config.sources.values():
            used_rules |= _kinds(source.get("rules", []), rules)
    assert set(steps) - used_steps == set()
    assert set(rules) - used_rules == set()
    assert modes == set(get_args(DestinationConfig.model_fields["mode"].annotation))
    again = {configs[name].destination.mode for name, p in PIPELINES.items() if p.runs > 1}  # type: ignore[union-attr]
    assert again == modes
    cursors = [source.get("incremental", {}) for c in configs.values() for source in c.sources.values()]
    assert {"lag" in cursor for cursor in cursors if cursor} == {True, False}


VALUES = {
    "orders": [
        "isnan(ratio)", "ratio = 'inf'", "ratio = '-inf'", "note = ''", "note = '😀'", "length(note) = 2",
        "abs(wide) > 1e27", "day < '1900-01-01'", "moment < '1900-01-01'",
        "moment = '2024-03-31 01:00:00+00'", "amount < 0", "quantity = 0", "code = '99999999999'",
        *(f"{c} IS NULL" for c in ("id", "customer", "status", "amount", "ratio", "wide", "note", "moment")),
    ],
    "nested": ["tags IS NULL", "len(tags) = 0", "tags[1] IS NULL AND len(tags) = 1", "isnan(rates[1])"],
    "places": ["place IS NULL", "place.city IS NULL AND place IS NOT NULL", "place.city = ''"],
}  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_sources_hold_the_values_that_engines_disagree_on(tmp_path: Path, seed: int) -> None:
    write_sources(tmp_path, seed=seed)
    with open_duckdb() as con:
        for file, conditions in VALUES.items():
            for condition in conditions:
                found = con.execute(
                    f"SELECT count(*) FROM '{tmp_path}/data/{file}.parquet' WHERE {condition}"
                ).fetchall()
                assert found[0][0] > 0, (file, condition)


def test_a_seed_gives_the_same_rows_and_another_one_others(tmp_path: Path) -> None:
    texts = []
    for number, seed in enumerate((5, 5, 6)):
        folder = tmp_path / str(number)
        write_sources(folder, seed=seed)
        with open_duckdb() as con:
            rows = con.execute(
                f"SELECT t::VARCHAR FROM '{folder}/data/orders.parquet' AS t ORDER BY 1"
            ).fetchall()
        texts.append(rows)
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_another_warehouse_takes_the_same_rows(project: Path) -> None:
    same_on(
        project, "merged", "one", "lake", runs=2, before=lambda batch: write_sources(project, batch=batch)
    )
    assert checksum(project, "one", "mart.merged") == checksum(project, "lake", "mart.merged")


def test_a_difference_is_told_with_its_cells(project: Path) -> None:
    """The second environment finds other rows in the sources."""
    text = PIPELINES["judged"].text
    file = project / "pipelines" / "judged.yml"

    def spoil(config: str) -> None:
        file.write_text(config, encoding="utf-8")

    wanted = outcome(project, "judged", "one")
    spoil(
        text.replace("max: 100}", "max: 101}").replace(
            "rules:", "transform:\n  - derive: {quantity: quantity * 2}\nrules:", 1
        )
    )
    told = differences(wanted, outcome(project, "judged", "two"))
    assert any(line.startswith("check ") for line in told)
    assert any(line.startswith("mart.judged, row id") and "quantity is '" in line for line in told)
    assert any(line.startswith("quarantine") for line in told)
    assert checksum(project, "one", "mart.judged") != checksum(project, "two", "mart.judged")


ROWS = Outcome(
    "a",
    "mart.t",
    {"status": "succeeded"},
    {"id": "BIGINT", "v": "DOUBLE"},
    (("1", "nan"), ("1", "nan"), ("2", None)),
)


@pytest.mark.parametrize(
    "other",
    [
        replace(ROWS, rows=ROWS.rows[1:]),
        replace(ROWS, rows=(*ROWS.rows, ("2", None))),
        replace(ROWS, rows=(*ROWS.rows[:2], ("2", ""))),
        replace(ROWS, rows=(*ROWS.rows[:2], ("2", "NULL"))),
        replace(ROWS, columns={"v": "DOUBLE", "id": "BIGINT"}),
        replace(ROWS, columns={"id": "BIGINT", "v": "FLOAT"}),
        replace(ROWS, facts={"status": "blocked"}),
        replace(ROWS, error="no Java"),
        replace(ROWS, quarantine=(("[]", "{}", "{}", "gate", "", "waiting"),)),
    ],
)  # fmt: skip
def test_nothing_is_overlooked(other: Outcome) -> None:
    assert differences(ROWS, other)
    assert differences(other, ROWS)
    assert differences(other, replace(other, environment="b")) == (
        []
        if other.error is None
        else [
            "the run in a failed: no Java",
            "the run in b failed: no Java",
        ]
    )


def test_a_run_that_fails_on_both_is_not_the_same(project: Path) -> None:
    """Else two engines that can't run it would agree."""
    (project / "data" / "orders.parquet").write_bytes(b"not Parquet")
    with pytest.raises(AssertionError, match=r"the run in one failed: .*orders"):
        same_on(project, "filtered", "one", "two")
