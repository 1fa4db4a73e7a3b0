"""Suggestions: planted truths are proposed, nothing that the next sound batch would break is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluiceway.errors import PlanError, Where
from sluiceway.quality.suggest import suggest
from sluiceway.quality.suggest_history import history_proposals
from sluiceway.quality.suggest_model import Proposal, Suggestions
from sluiceway.quality.suggest_write import contract_with, rules_of
from sluiceway.rules.base import RuleContext
from sluiceway.rules.trial import try_rule
from sluiceway.schema import Column, Schema
from sluiceway.spec.entries import parse_entries

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def orders(seed: int, rows: int = 2000) -> pa.Table:
    """One batch; another seed is the next batch of the same sound source."""
    rng = np.random.default_rng(seed)
    ids = np.arange(rows) + seed * rows
    created = np.datetime64("2026-11-20T00:00:00") + (np.arange(rows) * 60).astype("timedelta64[s]")
    status = np.array(["paid", "sent", "returned", "open"])[rng.choice(4, rows, p=[0.6, 0.3, 0.08, 0.02])]
    price = np.round(np.exp(rng.normal(3, 0.5, rows)), 2)
    city = rng.integers(0, 40, rows)
    return pa.table({
        "id": ids,
        "code": [f"ORD-{n:07d}" for n in ids],
        "status": status,
        "price": price,
        "list_price": np.round(price * (1 + rng.random(rows)), 2),
        "temperature": rng.normal(4, 3, rows),
        "share": rng.random(rows),
        "noise": rng.random(rows) * 1e6,
        "visits": rng.poisson(2, rows),
        "email": [f"user{n}@example.org" for n in rng.integers(0, 10**6, rows)],
        "comment": [None if x < 0.2 else "so " * int(x * 9) + f"about {x:.6f}" for x in rng.random(rows)],
        "quantity": [str(n) for n in rng.integers(-99, 999, rows)],
        "city": [f"city {n}" for n in city],
        "country": [("NL", "DE", "FR")[n % 3] for n in city],
        "created_at": created,
        "shipped_at": created + (rng.exponential(86400, rows) + 1).astype("timedelta64[s]"),
    })  # fmt: skip


def keeps(rule: Any, table: pa.Table) -> bool:
    """Whether a batch passes a rule with its tolerance, by the expressions that the gate runs."""
    con = duckdb.connect()
    con.register("_given", table)
    con.execute("CREATE TEMP TABLE _batch AS SELECT * FROM _given")
    schema = Schema(tuple(Column(r[0], r[1]) for r in con.execute("DESCRIBE _batch").fetchall()))
    (entry,) = parse_entries([rule])
    found = try_rule(con, entry.rule, RuleContext(schema, Where(), started_at="2026-11-27 12:00:00"))
    tolerance = entry.rule.tolerance
    return found.failing == 0 or (
        tolerance is not None and not tolerance.exceeded(found.failing, found.total)
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suggest") / "orders.parquet"
    pq.write_table(orders(1), path)
    return path


@pytest.fixture(scope="module")
def found(file: Path) -> Suggestions:
    return suggest(file, now=NOW)


def by(found: Suggestions, source: str) -> list[Any]:
    return [item.rule for item in found.items if item.source == source]


def test_every_planted_truth_is_proposed(found: Suggestions) -> None:
    wanted = [
        {"not_null": "id"},
        {"unique": "id"},
        {"unique": "code"},
        {"accepted_values": {"column": "status", "values": ["open", "paid", "returned", "sent"]}},
        {"accepted_values": {"column": "country", "values": ["DE", "FR", "NL"]}},
        {"pattern": {"column": "code", "regex": r"[A-Z]+\-[0-9]+"}},
        {"pattern": {"column": "email", "format": "email"}},
        {"type": {"column": "quantity", "type": "integer"}},
        {"range": {"column": "price", "min": 0}, "name": "price_min"},
        {"range": {"column": "share", "max": 1}, "name": "share_max"},
        {"range": {"column": "visits", "min": 0}, "name": "visits_min"},
        {"expression": '"price" <= "list_price"'},
        {"expression": '"created_at" <= "shipped_at"'},
        {"row_count": {"min": 1}},
    ]
    assert [rule for rule in wanted if rule not in found.rules] == []


def test_all_of_deequ_s_rules_have_a_place(found: Suggestions) -> None:
    said = {name for item in found.items for name in item.source.split(", ")}
    assert said >= {
        "CompleteIfComplete", "RetainCompleteness", "RetainType", "CategoricalRange", "NonNegativeNumbers",
        "HasMin", "HasMax", "HasMean", "HasStandardDeviation", "HasMinLength", "HasMaxLength",
        "UniqueIfApproximatelyUnique",
    }  # fmt: skip
    rare = ["a", "b"] * 2000 + [f"odd {n}" for n in range(20)]
    (mostly,) = by(suggest([{"kind": kind} for kind in rare]), "FractionalCategoricalRange")
    assert mostly["accepted_values"]["values"] == ["a", "b"]
    assert 0.5 < float(mostly["tolerance"].rstrip("%")) < 2


def test_what_is_not_true_is_not_proposed(found: Suggestions) -> None:
    ranges = {(r["range"]["column"], "min" in r["range"]): r["range"] for r in found.rules if "range" in r}
    assert ranges["temperature", True]["min"] < -9  # negative values are in it
    assert not any(
        r["range"].get("max") == 1 for r in found.rules if "range" in r and r["range"]["column"] != "share"
    )
    assert {"unique": "noise"} not in found.rules  # all different by chance
    assert {"unique": "created_at"} not in found.rules
    assert not any("city" in str(r.get("range")) or "id" in str(r.get("aggregate")) for r in found.rules)
    assert not any(r.get("not_null") == "comment" and "tolerance" not in r for r in found.rules)


def test_the_next_sound_batches_keep_them(found: Suggestions) -> None:
    """Precision: of what is proposed, on batches that were not seen."""
    judged = [(item.rule, keeps(item.rule, orders(seed))) for seed in (2, 3, 4) for item in found.items]
    broken = [rule for rule, kept in judged if not kept]
    assert 1 - len(broken) / len(judged) >= 0.95, broken


def test_a_broken_batch_does_not(found: Suggestions) -> None:
    table = orders(9)
    bad = table.set_column(table.schema.get_field_index("status"), "status", pa.array(["lost"] * len(table)))
    bad = bad.set_column(bad.schema.get_field_index("id"), "id", pa.array([7] * len(table)))
    broken = {next(iter(item.rule)) for item in found.items if not keeps(item.rule, bad)}
    assert broken >= {"accepted_values", "unique"}


def test_the_evidence_has_numbers_and_the_cost_is_one_scan_more(found: Suggestions) -> None:
    assert all(any(c.isdigit() for c in item.evidence) or item.source == "Shapes" for item in found.items)
    assert all(0 < item.confidence < 1 for item in found.items)
    assert found.refuted == 0
    assert found.scans <= 12


def test_a_proposal_that_the_rows_refute_is_dropped() -> None:
    """The sample is blind to one row in thousands; the scan is not."""
    rows = [{"a": n % 900, "b": n % 900 + n % 7} for n in range(40_000)]
    rows[30_000]["a"] = 5000
    found = suggest(rows)
    assert not by(found, "ColumnOrder")
    assert found.refuted >= 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"a": 1}], "too few"),
        ([{"a": n} for n in range(29)], "too few"),
    ],
)
def test_few_rows_teach_nothing(rows: Any, said: str) -> None:
    found = suggest(rows)
    assert found.items == ()
    assert said in found.notes[-1]


def test_empty_all_null_and_constant(tmp_path: Path) -> None:
    empty = suggest(pa.table({"a": pa.array([], pa.int64())}))
    assert (empty.rows, empty.items) == (0, ())
    nothing = suggest(pa.table({"a": pa.nulls(200, pa.int64()), "b": pa.nulls(200, pa.string())}))
    assert {item.source for item in nothing.items} == {"RowCount"}
    constant = suggest(pa.table({"a": [5] * 200, "t": ["x"] * 200}))
    assert {next(iter(r)) for r in constant.rules} <= {"not_null", "row_count", "length"}
    wild = suggest(pa.table({"x": [float("nan"), float("inf"), 1.0, 2.0] * 100}))
    assert {next(iter(r)) for r in wild.rules} == {"not_null", "row_count"}


def test_a_composite_key_is_proposed_and_a_chance_pair_is_not() -> None:
    lines = [{"order": n // 5, "line": n % 5, "x": n * 7919 % 1000} for n in range(2000)]
    assert by(suggest(lines), "CompositeKey")[0] == {"unique": ["order", "line"]}
    rng = np.random.default_rng(1)
    chance = pa.table({"u": rng.integers(0, 1500, 300), "v": rng.integers(0, 1500, 300)})
    assert not by(suggest(chance), "CompositeKey")


def test_a_dependency_is_said_by_a_query() -> None:
    rng = np.random.default_rng(3)
    zip_ = rng.integers(0, 50, 3000)
    names = np.array(["north", "south", "east"])[zip_ % 3]
    found = suggest(pa.table({"zip": zip_, "region": names}))
    (rule,) = by(found, "FunctionalDependency")
    assert rule["name"] == "zip_decides_region"
    torn = pa.table({"zip": zip_, "region": np.roll(names, 1)})
    assert keeps(rule, pa.table({"zip": zip_, "region": names}))
    assert not keeps(rule, torn)


def test_freshness_of_what_is_new_and_none_of_what_is_old() -> None:
    def rows(newest: datetime) -> Any:
        return pa.table({"updated_at": [newest - timedelta(minutes=n) for n in range(100)]})

    fresh = by(suggest(rows(NOW - timedelta(hours=20)), now=NOW), "Freshness")
    assert fresh == [{"freshness": {"column": "updated_at", "max_age": "40h"}}]
    assert not by(suggest(rows(NOW - timedelta(days=90)), now=NOW), "Freshness")
    assert not by(suggest(rows(NOW + timedelta(days=1)), now=NOW), "Freshness")


def test_history_gives_a_band_of_rows_and_the_cadence() -> None:
    guess = Proposal({"freshness": {"column": "at", "max_age": "26h"}}, ("at",), "Freshness", "", 0.5)
    runs = [(NOW + timedelta(days=n), 1000.0 + n % 5) for n in range(12)]
    rules = [p.rule for p in history_proposals(runs, guess)]
    assert rules == [
        {"row_count": {"min": 801, "max": 1202}}, {"freshness": {"column": "at", "max_age": "48h"}},
    ]  # fmt: skip
    assert list(history_proposals(runs[:7], guess)) == []
    with pytest.raises(PlanError, match="history"):
        suggest([{"a": 1}], history=True)


def test_what_is_declared_is_not_said_again(file: Path) -> None:
    known = [{"not_null": "id"}, {"range": {"column": "price", "min": 1}}, {"unique": "code"}]
    found = suggest(file, known=known, now=NOW)
    assert found.known >= 4
    assert {"not_null": "id"} not in found.rules
    assert not any(r.get("range", {}).get("column") == "price" for r in found.rules)


CONTRACT = """
# for everyone
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, required: true}   # the key
      - {name: email, logicalType: string, classification: confidential}
"""


def test_written_in_shadow_and_merged_without_loss(file: Path, tmp_path: Path, found: Suggestions) -> None:
    path = tmp_path / "new.odcs.yaml"
    change = contract_with(path, str(file), found)
    path.write_text(change.after)
    said = rules_of(path, str(file))
    assert len(said) == len(found.items)
    assert all(rule["status"] == "shadow" for rule in said)
    assert contract_with(path, str(file), found).diff == ""

    there = tmp_path / "there.odcs.yaml"
    there.write_text(CONTRACT)
    more = suggest(file, known=rules_of(there, str(file)), contract=there, now=NOW)
    merged = contract_with(there, str(file), more)
    assert "# for everyone" in merged.after
    assert "# the key" in merged.after
    assert "classification: confidential" in merged.after
    there.write_text(merged.after)
    assert {"not_null": "id"} in rules_of(there, str(file))  # enforced as before
    assert not any("email" in str(r) and next(iter(r)) != "not_null" for r in more.rules)
