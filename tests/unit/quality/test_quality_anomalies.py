"""Anomalies in data: what is planted is found with its rows, and clean data is left in peace."""

from __future__ import annotations

import datetime as dt
import json
import random

import pyarrow as pa
import pytest

from sluiceway.cli.app import invoke
from sluiceway.errors import ConfigError, PlanError
from sluiceway.quality.anomalies import anomalies

START = dt.datetime(2024, 1, 1)  # noqa: DTZ001


def rows(seed: int, n: int = 1_500) -> list[dict[str, object]]:
    rng = random.Random(seed)
    at, out = START, []
    for i in range(n):
        at += dt.timedelta(minutes=rng.expovariate(1 / 30))
        out.append(
            {
                "id": i,
                "amount": rng.gauss(100, 10),
                "price": rng.lognormvariate(3, 1),
                "wait": rng.expovariate(1),
                "status": rng.choice(["paid", "shipped", "returned", "draft"]),
                "email": f"u{i}@example.com",
                "sku": f"AB-{rng.randint(1000, 9999)}",
                "day": START.date() + dt.timedelta(days=i // 8),
                "at": at,
                "note": " ".join(rng.choice(["a", "bee", "sea"]) for _ in range(5)),
            }
        )
    return out


def test_clean_data_is_left_in_peace():
    found = [f for seed in range(8) for f in anomalies(rows(seed))]
    assert len(found) <= 1, found


def planted() -> list[dict[str, object]]:
    data = rows(1)
    data[5]["amount"], data[7]["amount"], data[14]["amount"] = 1e6, -999.0, float("nan")
    data[9]["status"], data[11]["email"], data[12]["sku"] = "shiped", "nobody at home", "AB1234"
    gone = (dt.date(2024, 5, 1), dt.date(2024, 5, 11))
    return [row for row in data if not gone[0] <= row["day"] < gone[1]]


def test_what_is_planted_is_found_with_its_rows():
    found = {(f.kind, f.column, f.method): f for f in anomalies(planted())}
    assert set(found) == {
        ("outlier", "amount", "iqr and robust_z"), ("outlier", "amount", "not finite"),
        ("rare_category", "status", "share"), ("format", "email", "type"), ("format", "sku", "shape"),
        ("gap", "day", "distances"), ("gap", "at", "distances"),
    }  # fmt: skip
    assert [r["id"] for r in found["outlier", "amount", "iqr and robust_z"].rows] == [5, 7]
    assert [r["id"] for r in found["outlier", "amount", "not finite"].rows] == [14]
    rare = found["rare_category", "status", "share"]
    assert (rare.count, rare.rows) == (1, ({"id": 9, "status": "shiped"},))
    assert "perhaps 'shipped'" in rare.message
    assert found["format", "sku", "shape"].rows == ({"id": 12, "sku": "AB1234"},)
    gap = found["gap", "day", "distances"]
    assert [r["day"] for r in gap.rows] == [dt.date(2024, 4, 30), dt.date(2024, 5, 11)]
    assert "10 days" in gap.message


def test_values_about_persons_are_masked():
    data = rows(2)
    data[3]["email"] = "the secret of Ann"
    data[4]["amount"] = 1e9
    found = anomalies(data, hidden=["amount"])
    assert {f.column for f in found} >= {"email", "amount"}
    shown = repr(found)
    assert "secret" not in shown
    assert "1000000000" not in shown
    assert {r["email"] for f in found if f.column == "email" for r in f.rows} == {"***"}
    outlier = next(f for f in found if f.column == "amount")
    assert outlier.message == "1 value lies far from the others"


def test_what_the_contract_classifies_is_masked(tmp_path):
    data = rows(2)
    data[4]["amount"] = 987_654_321.0
    contract = tmp_path / "c.odcs.yaml"
    contract.write_text(
        "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n"
        "schema:\n  - name: t\n    properties:\n"
        "      - {name: AMOUNT, logicalType: number, classification: confidential}\n"
        "      - {name: absent, logicalType: string, classification: secret}\n",
        "utf-8",
    )
    assert "987654321" in repr(anomalies(data, kinds=["outlier"]))
    found = anomalies(data, kinds=["outlier"], contract=contract)
    assert [f.column for f in found] == ["amount"]
    assert "987654321" not in repr(found)
    with pytest.raises(ConfigError, match="no contract"):
        anomalies(data, contract=tmp_path / "none.odcs.yaml")


def test_samples_are_bounded_and_the_count_is_not():
    data = [{"id": i, "amount": 1e9 if i % 50 == 0 else 5.0 + i % 7} for i in range(2_000)]
    (found,) = anomalies(data, kinds=["outlier"], samples=3)
    assert (found.count, len(found.rows)) == (40, 3)
    assert anomalies(data, kinds=["outlier"], samples=0)[0].rows == ()


def test_only_what_is_asked_for_is_looked_at():
    assert {f.kind for f in anomalies(planted(), kinds=["gap"])} == {"gap"}
    assert {f.column for f in anomalies(planted(), columns=["sku"])} == {"sku"}
    with pytest.raises(PlanError, match="does not exist"):
        anomalies(planted(), columns=["skuu"])
    with pytest.raises(PlanError, match="no kind of anomaly"):
        anomalies(planted(), kinds=["gaps"])


@pytest.mark.parametrize(
    "table",
    [
        {"a": pa.array([], pa.float64())},
        {"a": pa.array([1.0])},
        {"a": pa.array([None] * 50, pa.float64()), "t": pa.array([None] * 50, pa.timestamp("us"))},
        {"a": pa.array([7] * 500), "b": pa.array(["x"] * 500)},
        {"a": pa.array([float("nan"), float("inf")] * 2)[:0]},
        {"t": pa.array([dt.datetime(2024, 1, 1)] * 500)},  # noqa: DTZ001
        {"b": pa.array([b"\x00\xff"] * 100), "n": pa.array([[1]] * 100)},
        {"s": pa.array(["x" * 1_000_000] * 3)},
    ],
    ids=["empty", "one", "nulls", "constant", "none", "one time", "binary", "long"],
)
def test_what_has_nothing_to_compare_has_no_anomaly(table):
    assert anomalies(pa.table(table)) == ()


def test_the_command_shows_rows_and_one_document(tmp_path, capsys):
    file = tmp_path / "orders.csv"
    lines = [f"{i},{10 + i % 7},AB-{1000 + i}" for i in range(300)]
    file.write_text("\n".join(["id,amount,sku", *lines, "300,90000,AB99"]), "utf-8")
    assert invoke(["quality", "anomalies", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "90000" in shown
    assert "AB99" in shown
    assert invoke(["quality", "anomalies", str(file), "--kind", "outlier", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(f["kind"], f["column"], f["count"]) for f in document["findings"]] == [("outlier", "amount", 1)]
    assert invoke(["quality", "anomalies", str(file), "--column", "nope"]) == 2
    assert "Traceback" not in capsys.readouterr().err
