"""Runs that are killed, and the next run: the destination, cursor, quarantine and receipts are those of a
run that was never killed, and the store says of the killed one what became of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import empty_mariadb
from tests.integration.killing import Chain, chain_of_kills

from sluiceway.events import NodeFinished

if TYPE_CHECKING:
    from scripts.servers import Server
    from tests.integration.conftest import ProjectOnDisk

EVENTS = [float(number) for number in range(1, 40)]
WAREHOUSES = {
    "ducklake": ("merge", "{type: ducklake, path: .sluiceway/lake}"),
    "ducklake append": ("append", "{type: ducklake, path: .sluiceway/lake}"),
    "duckdb": ("merge", "{type: duckdb, path: out.duckdb}"),
    "sqlite": ("merge", "{type: sqlite, path: out.sqlite}"),
    "parquet": ("append", "{type: parquet, path: out}"),
    "postgres": ("merge", "{type: postgres, connection: db}"),
    "mariadb": ("merge", "{type: mysql, connection: db}"),
}
MARKS = {"postgres": [pytest.mark.postgres], "mariadb": [pytest.mark.mysql]}
CHAOS = [pytest.param(name, marks=MARKS.get(name, [])) for name in WAREHOUSES]


@pytest.fixture
def project(
    warehouse: str, request: pytest.FixtureRequest, make_project: Any, monkeypatch: pytest.MonkeyPatch
) -> ProjectOnDisk:
    kind = WAREHOUSES[warehouse][1]
    settings = f"project: test\nenvironments:\n  dev:\n    warehouse: {kind}\n"
    if "connection" in kind:
        server: Server = request.getfixturevalue(warehouse)
        if warehouse == "mariadb":
            empty_mariadb(server)
        monkeypatch.setenv("DB_URL", server.url_of(server.create_database()))
        system = "postgres" if warehouse == "postgres" else "mysql"
        settings += f'connections:\n  db: {{type: {system}, url: "${{DB_URL}}"}}\n'
    made: ProjectOnDisk = make_project({}, settings=settings)
    return made


@pytest.mark.parametrize("warehouse", ["ducklake"])
def test_a_lake_after_a_kill_at_every_event(warehouse: str, project: ProjectOnDisk) -> None:
    assert chain_of_kills(project, Chain(WAREHOUSES[warehouse][0]), "event", EVENTS) > 8


@pytest.mark.chaos
@pytest.mark.parametrize("warehouse", [param for param in CHAOS if param.values[0] != "ducklake"])
def test_any_warehouse_after_a_kill_at_every_event(warehouse: str, project: ProjectOnDisk) -> None:
    assert chain_of_kills(project, Chain(WAREHOUSES[warehouse][0]), "event", EVENTS) > 8


@pytest.mark.chaos
@pytest.mark.parametrize("warehouse", CHAOS)
def test_any_warehouse_after_kills_at_random_instants_of_the_publish(
    warehouse: str, project: ProjectOnDisk
) -> None:
    chain = Chain(WAREHOUSES[warehouse][0], size=20_000)
    project.write("pipelines/a.yml", chain.pipeline())
    took: list[float] = []

    def measure(event: Any) -> None:
        if isinstance(event, NodeFinished) and event.node == "publish":
            took.append(event.seconds)

    for _ in range(2):  # the first makes the tables, too
        project.write("data/a.csv", chain.next_batch())
        project.run("a", progress=measure)
    chain.compare(project, "before the kills")
    at_random, parts = random.Random(20260301), 6
    instants = [(part + at_random.random()) * took[1] / parts for part in range(parts)]
    at_random.shuffle(instants)
    assert chain_of_kills(project, chain, "publish", instants) > 2, (took, instants)
