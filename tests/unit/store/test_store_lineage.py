"""Lineage over many pipelines: up, down, columns, cycles, environments, and what a change removes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import StoreError
from sluiceway.events import RunFinished
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/m.db") as opened:
        yield opened


def ran(
    store: Store,
    pipeline: str,
    inputs: list[str],
    output: str,
    edges: dict[str, list[tuple[str, str]]],
    environment: str = "dev",
    run_id: str | None = None,
    namespace: str = "lake",
) -> None:
    """A run that published; edges are output column -> [(input, column)], all DIRECT IDENTITY."""

    def dataset(name: str, columns: list[str]) -> dict[str, Any]:
        return {
            "namespace": namespace,
            "name": name,
            "columns": [{"name": c, "type": "BIGINT"} for c in columns],
        }

    lineage = {
        column: [
            {"dataset": f"{namespace}.{i}", "column": c, "type": "DIRECT", "subtype": "IDENTITY"}
            for i, c in froms
        ]
        for column, froms in edges.items()
    }
    store.record_event(
        RunFinished(
            run_id or f"{pipeline}-{environment}", pipeline, AT,
            environment=environment, status="succeeded",
            inputs=tuple(dataset(name, []) for name in inputs),
            output=dataset(output, list(edges)), lineage=lineage,
        )
    )  # fmt: skip


def chain(store: Store) -> None:
    ran(store, "p1", ["raw.a", "raw.b"], "stg.c", {"id": [("raw.a", "id")], "x": [("raw.b", "x")]})
    ran(store, "p2", ["stg.c"], "mart.d", {"id": [("stg.c", "id")], "y": [("stg.c", "x"), ("stg.c", "id")]})
    ran(store, "p3", ["mart.d"], "mart.e", {"z": [("mart.d", "y")]})


def names(graph: dict[str, Any]) -> list[str]:
    return [node["name"] for node in graph["nodes"]]


def test_up_and_down_over_pipelines(store: Store) -> None:
    chain(store)
    up = store.lineage("mart.e")
    assert [(n["name"], n["depth"]) for n in up["nodes"]] == [
        ("mart.e", 0), ("mart.d", 1), ("stg.c", 2), ("raw.a", 3), ("raw.b", 3),
    ]  # fmt: skip
    assert {(e["from"], e["to"], e["pipeline"]) for e in up["edges"]} == {
        ("lake.mart.d", "lake.mart.e", "p3"),
        ("lake.stg.c", "lake.mart.d", "p2"),
        ("lake.raw.a", "lake.stg.c", "p1"),
        ("lake.raw.b", "lake.stg.c", "p1"),
    }
    assert len(up["column_edges"]) == 6
    assert names(store.lineage("raw.b", direction="down")) == ["raw.b", "stg.c", "mart.d", "mart.e"]
    assert names(store.lineage("raw.b")) == ["raw.b"]
    assert names(store.lineage("mart.e", depth=1)) == ["mart.e", "mart.d"]
    assert names(store.lineage("mart.e", depth=0)) == ["mart.e"]


def test_a_column_reaches_only_what_feeds_it(store: Store) -> None:
    chain(store)
    up = store.lineage("mart.d.id")
    assert (up["dataset"], up["column"]) == ("lake.mart.d", "id")
    assert names(up) == ["mart.d", "stg.c", "raw.a"]
    assert "raw.b" not in names(up)
    assert {n["name"]: n["columns"] for n in up["nodes"]} == {
        "mart.d": ["id"],
        "stg.c": ["id"],
        "raw.a": ["id"],
    }
    assert [(e["from"], e["from_column"], e["to_column"]) for e in up["column_edges"]] == [
        ("lake.stg.c", "id", "id"),
        ("lake.raw.a", "id", "id"),
    ]
    down = store.lineage("raw.b", "X", "down")  # without case, as SQL does
    assert down["column"] == "x"
    assert [(e["to"], e["to_column"]) for e in down["column_edges"]] == [
        ("lake.mart.d", "y"),
        ("lake.mart.e", "z"),
        ("lake.stg.c", "x"),
    ]


def test_cycles_end(store: Store) -> None:
    ran(store, "p1", ["t.b"], "t.a", {"k": [("t.b", "k")]})
    ran(store, "p2", ["t.a"], "t.b", {"k": [("t.a", "k")]})
    ran(store, "p3", ["t.c", "t.a"], "t.c", {"k": [("t.c", "k"), ("t.a", "k")]})
    for direction in ("up", "down"):
        graph = store.lineage("t.a", direction=direction)  # type: ignore[arg-type]
        assert len(graph["nodes"]) == len(set(names(graph)))
        edges = [(e["from"], e["to"], e["pipeline"]) for e in graph["edges"]]
        assert len(edges) == len(set(edges))
    own = store.lineage("t.c.k")
    assert ("lake.t.c", "lake.t.c") in {(e["from"], e["to"]) for e in own["edges"]}
    assert set(names(own)) == {"t.a", "t.b", "t.c"}


def test_a_changed_pipeline_loses_its_old_edges_and_keeps_others(store: Store) -> None:
    chain(store)
    ran(store, "other", ["raw.z"], "stg.c", {"id": [("raw.z", "id")]})
    ran(store, "p1", ["raw.a"], "stg.c", {"id": [("raw.a", "key")]}, run_id="p1-again")
    graph = store.lineage("stg.c")
    assert names(graph) == ["stg.c", "raw.a", "raw.z"]
    assert {(e["from"], e["from_column"], e["pipeline"]) for e in graph["column_edges"]} == {
        ("lake.raw.a", "key", "p1"),
        ("lake.raw.z", "id", "other"),
    }


def test_environments_do_not_mix(store: Store) -> None:
    ran(store, "p", ["raw.a"], "mart.d", {"id": [("raw.a", "id")]}, "dev")
    ran(store, "p", ["raw.b"], "mart.d", {"id": [("raw.b", "id")]}, "prod")
    assert names(store.lineage("mart.d", environment="prod")) == ["mart.d", "raw.b"]
    with pytest.raises(StoreError, match="several environments: dev, prod") as several:
        store.lineage("mart.d")
    assert several.value.hint == "add --env dev"
    assert [d["name"] for d in store.datasets("dev")] == ["mart.d", "raw.a"]


def test_names_that_users_write(store: Store) -> None:
    source = {"namespace": "file", "name": "/srv/shop/data/orders.csv", "source": "orders"}
    target = {"namespace": "postgres://db:5432", "name": "shop.mart.orders", "source": "mart.orders"}
    from sluiceway.events import RunStarted

    store.record_event(RunStarted("r", "orders", AT, environment="dev", inputs=(source,), output=target))
    edge = {"dataset": "orders", "column": "id", "type": "DIRECT", "subtype": "IDENTITY"}
    store.record_event(
        RunFinished(
            "r", "orders", AT, environment="dev", status="succeeded",
            inputs=(source,), output=target, lineage={"a.b": [edge]},
        )
    )  # fmt: skip
    for name in ("mart.orders", "shop.mart.orders", "postgres://db:5432.shop.mart.orders"):
        assert names(store.lineage(name)) == ["shop.mart.orders", "/srv/shop/data/orders.csv"]
    assert names(store.lineage("data/orders.csv", direction="down")) == [
        "/srv/shop/data/orders.csv",
        "shop.mart.orders",
    ]
    assert store.lineage("mart.orders", "a.b")["column_edges"][0]["from_column"] == "id"
    assert [d["dataset"] for d in store.datasets()] == [
        "file./srv/shop/data/orders.csv",
        "postgres://db:5432.shop.mart.orders",
    ]


def test_a_name_that_fits_two_datasets_is_refused(store: Store) -> None:
    ran(store, "p1", ["t.x"], "mart.a", {"id": []}, namespace="one")
    ran(store, "p2", ["t.x"], "mart.b", {"id": []}, namespace="two")
    with pytest.raises(StoreError, match="names several") as several:
        store.lineage("t.x", direction="down")
    assert several.value.hint == "write one of: one.t.x, two.t.x"
    assert names(store.lineage("two.t.x", direction="down")) == ["t.x", "mart.b"]


def test_like_patterns_in_names_are_plain_text(store: Store) -> None:
    ran(store, "p", ["raw.a"], "mart.d", {"id": []})
    for name in ("%", "_art.d", "mart_d"):
        with pytest.raises(StoreError, match="no run has seen"):
            store.lineage(name)


def test_an_input_that_no_one_listed_gets_a_dataset(store: Store) -> None:
    edge = {"dataset": "mart.rates", "column": "rate", "type": "DIRECT", "subtype": "IDENTITY"}
    hidden = {"dataset": "mart.rates", "column": "day", "type": "INDIRECT", "subtype": "JOIN"}
    output = {"namespace": "lake", "name": "mart.d", "columns": [{"name": "rate", "type": "DOUBLE"}]}
    store.record_event(
        RunFinished(
            "r", "p", AT, environment="dev", status="succeeded", output=output,
            lineage={"rate": [edge, hidden, edge | {"masking": True}]},
        )
    )  # fmt: skip
    graph = store.lineage("mart.d")
    assert [e["from"] for e in graph["edges"]] == ["mart.rates"]
    assert [(e["type"], e["subtype"], e["masking"]) for e in graph["column_edges"]] == [
        ("INDIRECT", "JOIN", False),
        ("DIRECT", "IDENTITY", False),  # one way that does not mask is enough to reach the data
    ]


def test_a_run_that_changes_nothing_writes_no_edge_again(store: Store, tmp_path: Path) -> None:
    import sqlite3

    def ids() -> list[int]:
        con = sqlite3.connect(tmp_path / "m.db")
        try:
            return [row[0] for row in con.execute("SELECT id FROM column_edges ORDER BY id")]
        finally:
            con.close()

    chain(store)
    before = ids()
    ran(
        store,
        "p2",
        ["stg.c"],
        "mart.d",
        {"id": [("stg.c", "id")], "y": [("stg.c", "x"), ("stg.c", "id")]},
        run_id="again",
    )
    assert ids() == before
