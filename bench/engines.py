"""The workloads of the other engines: orders on Spark, and judged inside PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bench import data, projects
from bench.measure import Contender, contest, last_json
from bench.report import Goal, Table
from bench.verify import content
from bench.workloads import Sizes, by_hand, cpu_of, filled, named, same_run, same_tables

if TYPE_CHECKING:
    from bench.peering import Peers

__all__ = ["ENGINES"]

PLANTED = ("amount", "quantity", "email", "customer_id")


def same_judged(truth: dict[str, int], rows: int) -> Callable[[str], str]:
    """Of a script by hand: its rows, and each count that it made."""

    def judge(said: str) -> str:
        answer = last_json(said)
        counts = answer["counts"]
        wrong = [f"{n}: {counts.get(n)}, planted {k}" for n, k in truth.items() if counts.get(n) != k]
        wrong += [f"{n}: {k}, planted none" for n, k in counts.items() if k and n not in truth]
        if answer["rows"] != rows:
            wrong.append(f"{answer['rows']} rows, expected {rows}")
        return "; ".join(wrong) or "ok"

    return judge


def spark(sizes: Sizes, _: Peers) -> Iterator[Table]:
    """The pipeline of the orders, its file unchanged but for the engine, at growing sizes."""
    for rows in sizes.engines:
        yield _on_spark(rows, 1 if rows > sizes.load else sizes.rounds)


def _on_spark(rows: int, rounds: int) -> Table:
    path, truth = data.made("orders_parquet", rows)
    planted = {n: truth[n] for n in PLANTED}
    judge = same_run(planted, truth["rows"], truth["quarantined"])
    ours = projects.orders_on("spark", path, data.CUSTOMERS)
    embedded = projects.orders_on("duckdb", path, data.CUSTOMERS)
    folder = data.OUT / "hand" / "spark_orders"
    command = by_hand("spark_orders", path, data.CUSTOMERS, folder)
    found = contest(
        [
            Contender("sluiceway run on Spark", "ours", ours.command("run"), cwd=ours.folder,
                      before=ours.reset, truth=judge),
            Contender("PySpark SQL", "hand", command, truth=same_judged(planted, truth["rows"])),
            Contender("sluiceway run on DuckDB", "peer", embedded.command("run"), cwd=embedded.folder,
                      before=embedded.reset, truth=judge),
        ],
        rounds,
    )  # fmt: skip
    agree = same_tables(
        found[0],
        lambda: content(f"lake:{ours.lake}"),
        lambda: content(f"parquet:{folder}/bad=false"),
    )
    goals: tuple[Goal, ...] = (("wall ratio", 1.2),)
    table = Table(f"orders to lake on Spark, 10 checks, {named(rows)}", found, goals, [agree, _JVM])
    for left in (folder, ours.lake, embedded.lake):
        shutil.rmtree(left, ignore_errors=True)
    return table


_JVM = "CPU seconds hold the JVM's; peak memory is that of the larger process."


def inside(sizes: Sizes, _: Peers) -> Iterator[Table]:
    """A table of PostgreSQL judged and published without leaving it."""
    from scripts.servers import ServerUnavailableError

    path, truth = data.made("gate", sizes.load)
    planted = {n: truth[n] for n in ("amount", "email")}
    title = f"inside PostgreSQL, 5 checks, {named(sizes.load)}"
    goals: tuple[Goal, ...] = (("wall ratio", 1.2),)
    project = projects.inside("inside")
    try:
        with filled(path) as (server, environment):
            beside = cpu_of(server)

            def forget(*schemas: str) -> None:
                drops = (f"DROP SCHEMA IF EXISTS {s} CASCADE" for s in schemas)
                server.execute(*drops, "CHECKPOINT")

            def forget_ours() -> None:
                project.reset()
                forget("mart", "_sluiceway")

            found = contest(
                [
                    Contender("sluiceway run, gated", "ours", project.command("run"), cwd=project.folder,
                              environment=environment, before=forget_ours, beside=beside,
                              truth=same_run(planted, sizes.load, planted["amount"])),
                    *(
                        Contender(name, "hand", by_hand("inside", how), environment=environment,
                                  before=lambda: forget("hand"), beside=beside,
                                  truth=same_judged(planted, sizes.load))
                        for how, name in (("staged", "SQL, staged with flags"),
                                          ("twice", "SQL, read twice in one snapshot"))
                    ),
                ],
                sizes.rounds,
            )  # fmt: skip
            agree = same_tables(
                found[0],
                lambda: content("postgres:mart.orders", environment=environment),
                lambda: content("postgres:hand.orders", environment=environment),
            )
            yield Table(title, found, goals, [agree, "CPU seconds hold the server's. No row leaves it."])
    except ServerUnavailableError as error:
        missing = f"no server: {error}"
        yield Table(title, contest([Contender("sluiceway run", "ours", [], missing=missing)], 1), goals)


ENGINES: dict[str, Callable[[Sizes, Peers], Iterator[Table]]] = {"spark": spark, "inside": inside}
