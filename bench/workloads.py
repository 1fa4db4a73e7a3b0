"""The workloads: who contends, and how it is known that everyone did the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import data, projects
from bench.measure import Contender, Measured, contest, last_json
from bench.peering import OFFLINE, Peers
from bench.report import Goal, Table
from bench.verify import Content, content

if TYPE_CHECKING:
    from scripts.servers import Server

__all__ = ["ALL", "Sizes", "by_hand", "cpu_of", "filled", "named", "same_run", "same_tables"]

HAND = Path(__file__).parent / "hand"
MILLION = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """Rows of each workload, jobs of the queue, and how often it is each one's turn. 0 leaves one out."""

    gate: int = 10 * MILLION
    load: int = 5 * MILLION
    gate_large: int = 0
    memory: int = 0
    small: int = MILLION
    engines: tuple[int, ...] = (MILLION,)
    rows_by_row: int = 100_000
    jobs: int = 10_000
    rounds: int = 3
    peer_rounds: int = 2


def by_hand(script: str, *arguments: object) -> list[str]:
    return [sys.executable, str(HAND / f"{script}.py"), *map(str, arguments)]


# -- the gate ----------------------------------------------------------------------------------------


def same_counts(truth: dict[str, int]) -> Callable[[str], str]:
    """Every planted defect is counted, and nothing else is."""

    def judge(said: str) -> str:
        answer = last_json(said)
        if "checks" in answer:
            found = {c["id"]: c["failing"] for c in answer["checks"]}
            proven = sum(bool(c["proven"]) for c in answer["checks"])
            note = f"ok {len(found)} checks, {proven} proven from metadata"
        else:
            found, note = answer["counts"], "ok"
        wrong = [f"{n}: {found.get(n, 0)}, planted {k}" for n, k in truth.items() if found.get(n, 0) != k]
        wrong += [f"{n}: {k}, planted none" for n, k in found.items() if k and n not in truth]
        return note if not wrong else "; ".join(wrong)

    return judge


def _gate_ours(name: str, path: Path, truth: dict[str, int]) -> Contender:
    project = projects.gate(name, path, data.PARENTS)
    return Contender("sluiceway check", "ours", project.command("check"), cwd=project.folder,
                     before=project.reset, truth=same_counts(truth))  # fmt: skip


def _gate_hand(path: Path, truth: dict[str, int]) -> list[Contender]:
    names = {"queries": "DuckDB, one query a rule", "fused": "DuckDB, one scan and distincts apart"}
    return [
        Contender(name, "hand", by_hand("gate_rules", how, path, data.PARENTS), truth=same_counts(truth))
        for how, name in names.items()
    ]


def _gate_peer(
    peers: Peers, name: str, script: str, packages: tuple[str, ...], path: Path, truth: dict[str, int],
    rounds: int,
) -> Contender:  # fmt: skip
    return Contender(name, "peer", peers.script(script, path, data.PARENTS), environment=OFFLINE,
                     rounds=rounds, truth=same_counts(truth), missing=peers.missing(*packages))  # fmt: skip


def gate(sizes: Sizes, peers: Peers) -> Iterator[Table]:
    """Twenty checks over Parquet, where it lies."""
    path, truth = data.made("gate", sizes.gate)
    contenders = [_gate_ours("gate", path, truth), *_gate_hand(path, truth)]
    for name, script, packages in (
        ("Polars by hand, streaming", "gate_polars", ("polars",)),
        ("pandera on Polars", "gate_pandera", ("pandera", "polars")),
        ("pointblank on Polars", "gate_pointblank", ("pointblank", "polars")),
        ("Soda 4 on DuckDB", "gate_soda", ("soda-core", "soda-duckdb")),
    ):
        contenders.append(_gate_peer(peers, name, script, packages, path, truth, sizes.peer_rounds))
    goals: tuple[Goal, ...] = (("wall ratio", 1.1), ("peak MB", 1000))
    yield Table(f"gate, 20 checks, {named(sizes.gate)}", contest(contenders, sizes.rounds), goals)

    bare, truth = data.made("bare", sizes.gate)
    found = contest([_gate_ours("gate_bare", bare, truth), *_gate_hand(bare, truth)], sizes.rounds)
    yield Table(f"gate, {named(sizes.gate)}, footers without statistics", found, goals,
                ["The same rows in files that prove nothing but their number of rows."])  # fmt: skip

    path, truth = data.made("gate", sizes.small)
    contenders = [_gate_ours("gate_small", path, truth), *_gate_hand(path, truth)]
    contenders.append(_gate_peer(
        peers, "Great Expectations on pandas", "gate_gx", ("great_expectations", "pandas"), path, truth, 1
    ))  # fmt: skip
    note = "Great Expectations runs at this size alone: at the other it would be most of the time."
    found = contest(contenders, sizes.rounds)
    yield Table(f"gate, {named(sizes.small)}, with Great Expectations", found, (), [note])


def gate_large(sizes: Sizes, _: Peers) -> Iterator[Table]:
    """The gate where distincts are large."""
    if sizes.gate_large:
        path, truth = data.made("gate", sizes.gate_large)
        contenders = [_gate_ours("gate_large", path, truth), *_gate_hand(path, truth)]
        yield Table(f"gate, 20 checks, {named(sizes.gate_large)}", contest(contenders, 1),
                    (("wall ratio", 1.1), ("peak MB", 2500)))  # fmt: skip


# -- loads -------------------------------------------------------------------------------------------


def same_run(truth: dict[str, int], rows: int, quarantined: int) -> Callable[[str], str]:
    """The run's own numbers: counts of its checks, and staged = published + quarantined."""

    def judge(said: str) -> str:
        answer = last_json(said)
        records, checks = answer["records"], {c["id"]: c["failing"] for c in answer["checks"]}
        expected = {"staged": rows, "published": rows - quarantined, "quarantined": quarantined}
        wrong = [f"{n} {records[n]}, expected {k}" for n, k in expected.items() if records[n] != k]
        wrong += [f"{n}: {checks.get(n)}, planted {k}" for n, k in truth.items() if checks.get(n) != k]
        wrong += [f"{n}: {k}, planted none" for n, k in checks.items() if k and n not in truth]
        return "; ".join(wrong) or f"ok {len(checks)} checks, {quarantined} quarantined"

    return judge


def same_rows(rows: int) -> Callable[[str], str]:
    def judge(said: str) -> str:
        found = last_json(said)["rows"]
        return "ok" if found == rows else f"{found} rows, expected {rows}"

    return judge


def same_tables(ours: Measured, mine: Callable[[], Content], theirs: Callable[[], Content]) -> str:
    """The note of a table; a difference becomes ours to answer for."""
    if ours.failed:
        return "not compared: the run failed"
    left, right = mine(), theirs()
    if left != right:
        ours.wrong = (
            f"the tables differ: {left.rows} rows {left.checksum}, by hand {right.rows} {right.checksum}"
        )
        return ours.wrong
    return f"The tables agree, cell for cell: {left.rows:,} rows, checksum {left.checksum}."


GOOD_ORDERS = "amount IS NOT NULL AND quantity BETWEEN 1 AND 20"


def _to_lake(
    project: projects.Project, path: Path, truth: dict[str, int], hows: dict[str, str]
) -> list[Contender]:
    planted = {n: truth[n] for n in ("amount", "quantity", "email", "customer_id")}
    judge = same_run(planted, truth["rows"], truth["quarantined"])
    out = [Contender("sluiceway run, gated", "ours", project.command("run"), cwd=project.folder,
                     before=project.reset, truth=judge)]  # fmt: skip
    for how, name in hows.items():
        command = by_hand("csv_to_lake", how, path, data.CUSTOMERS, data.OUT / "hand" / "lake")
        out.append(Contender(name, "hand", command, truth=same_rows(truth["rows"])))
    return out


LAKE_WAYS = {
    "window": "DuckDB, window",
    "narrow": "DuckDB, landed, group by and join",
    "losers": "DuckDB, landed, losers taken away",
    "twice": "DuckDB, group by and join, read twice",
}


def _same_lakes(ours: Measured, project: projects.Project) -> str:
    return same_tables(
        ours,
        lambda: content(f"lake:{project.lake}"),
        lambda: content(f"lake:{data.OUT / 'hand' / 'lake'}", GOOD_ORDERS),
    )


def csv_to_lake(sizes: Sizes, _: Peers) -> Iterator[Table]:
    """Cast, derive, filter, deduplicate, join, ten checks, publish."""
    path, truth = data.made("orders_csv", sizes.load)
    project = projects.csv_to_lake("csv_to_lake", path, data.CUSTOMERS)
    found = contest(_to_lake(project, path, truth, LAKE_WAYS), sizes.rounds)
    notes = [_same_lakes(found[0], project), "By hand there is no rule, no gate, no quarantine."]
    yield Table(f"CSV to lake, 10 checks, {named(sizes.load)}", found, (("wall ratio", 1.4),), notes)


def memory(sizes: Sizes, _: Peers) -> Iterator[Table]:
    """The same steps from Parquet, in a process that was told how much memory it may use."""
    if not sizes.memory:
        return
    path, truth = data.made("orders_parquet", sizes.memory)
    project = projects.csv_to_lake("memory", path, data.CUSTOMERS, limit="1GB")
    found = contest(_to_lake(project, path, truth, {"losers": LAKE_WAYS["losers"] + ", no limit"}), 1)
    yield Table(f"Parquet to lake under memory_limit 1GB, {named(sizes.memory)}", found, (("peak MB", 1500),),
                [_same_lakes(found[0], project)])  # fmt: skip


def csv_load(sizes: Sizes, peers: Peers) -> Iterator[Table]:
    """A CSV file into a typed table, which is what a loader without transforms does."""
    for rows, how in ((sizes.load, "arrow"), (sizes.rows_by_row, "rows")):
        path, _ = data.made("orders_csv", rows)
        project = projects.csv_to_table("csv_to_table", path)
        ours, hand = project.folder / ".sluiceway" / "out.duckdb", data.OUT / "hand" / "out.duckdb"
        hand.parent.mkdir(exist_ok=True)
        missing = peers.missing("dlt", "duckdb")
        script = peers.script("dlt_csv", how, path, data.OUT / "hand" / "dlt.duckdb")
        name = "dlt, Arrow tables" if how == "arrow" else "dlt, rows as its guides begin"
        found = contest(
            [
                Contender("sluiceway run, 1 check", "ours", project.command("run"), cwd=project.folder,
                          before=project.reset, truth=same_run({}, rows, 0)),
                Contender("DuckDB, read_csv", "hand", by_hand("csv_to_table", path, hand),
                          truth=same_rows(rows)),
                Contender(name, "peer", script, environment=OFFLINE, truth=same_rows(rows),
                          rounds=sizes.peer_rounds if how == "arrow" else 1, missing=missing),
            ],
            sizes.rounds,
        )  # fmt: skip
        agree = same_tables(
            found[0],
            lambda ours=ours: content(f"duckdb:{ours}:mart.orders"),  # type: ignore[misc]
            lambda hand=hand: content(f"duckdb:{hand}:main.orders"),  # type: ignore[misc]
        )
        yield Table(f"CSV to a DuckDB table, {named(rows)}", found, (), [agree])


# -- PostgreSQL --------------------------------------------------------------------------------------


@contextmanager
def filled(orders: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    from scripts import servers

    with servers.start("postgres") as server:
        environment = {"BENCH_PG_URL": server.url}
        subprocess.run(by_hand("postgres", "fill", orders), check=True, capture_output=True,
                       env={**_environ(), **environment})  # fmt: skip
        server.execute("VACUUM ANALYZE public.orders", "CHECKPOINT")
        yield server, environment


def _environ() -> dict[str, str]:
    import os

    return dict(os.environ)


def cpu_of(server: Server) -> Callable[[], float]:
    """CPU seconds of the server: of itself, and of every backend that has ended."""
    import os

    pid = int((Path(server.address.folder) / "data" / "postmaster.pid").read_text().split()[0])

    def seconds() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(f) for f in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    return seconds


def postgres(sizes: Sizes, _: Peers) -> Iterator[Table]:
    """A table into the lake, and a Parquet file into a table."""
    from scripts.servers import ServerUnavailableError

    path, truth = data.made("gate", sizes.load)
    planted, rows = {n: truth[n] for n in ("amount", "email")}, sizes.load
    goals: tuple[Goal, ...] = (("wall ratio", 1.2),)
    titles = f"PostgreSQL to lake, 5 checks, {named(rows)}", f"Parquet to PostgreSQL, 5 checks, {named(rows)}"
    try:
        with filled(path) as (server, environment):
            beside = cpu_of(server)
            hand = data.OUT / "hand" / "lake"

            def ours(project: projects.Project, before: Callable[[], object]) -> Contender:
                return Contender("sluiceway run, gated", "ours", project.command("run"), cwd=project.folder,
                                 environment=environment, before=before, beside=beside,
                                 truth=same_run(planted, rows, planted["amount"]))  # fmt: skip

            def theirs(how: str, what: Path, before: Callable[[], object] | None) -> Contender:
                return Contender("DuckDB's scanner, plain", "hand", by_hand("postgres", how, what),
                                 environment=environment, before=before, beside=beside,
                                 truth=same_rows(rows))  # fmt: skip

            into = projects.postgres_to_lake("postgres_to_lake")
            found = contest([ours(into, into.reset), theirs("to_lake", hand, None)], sizes.rounds)
            agree = same_tables(
                found[0],
                lambda: content(f"lake:{into.lake}"),
                lambda: content(f"lake:{hand}", "amount BETWEEN 0 AND 100000"),
            )
            cpu = "CPU seconds hold the server's."
            yield Table(titles[0], found, goals, [agree, cpu])

            out = projects.parquet_to_postgres("parquet_to_postgres", path)

            def forget(*schemas: str) -> None:
                server.execute(*(f"DROP SCHEMA IF EXISTS {s} CASCADE" for s in schemas), "CHECKPOINT")

            def forget_ours() -> None:
                out.reset()
                forget("mart", "_sluiceway")

            found = contest(
                [ours(out, forget_ours), theirs("from_parquet", path, lambda: forget("hand"))], sizes.rounds
            )
            agree = same_tables(
                found[0],
                lambda: content("postgres:mart.orders", environment=environment),
                lambda: content("postgres:hand.orders", "amount BETWEEN 0 AND 100000", environment),
            )
            yield Table(titles[1], found, goals, [agree, cpu])
    except ServerUnavailableError as error:
        missing = f"no server: {error}"
        for title in titles:
            yield Table(title, contest([Contender("sluiceway run", "ours", [], missing=missing)], 1), goals)


# -- small -------------------------------------------------------------------------------------------


def small(_: Sizes, peers: Peers) -> Iterator[Table]:
    """What one waits for: the help, and the least run that does everything."""
    folder = Path(peers.python).parent
    others = [
        Contender(f"{name} --help", "peer", [str(folder / name), "--help"], environment=OFFLINE, rounds=3,
                  missing=peers.missing(package))
        for name, package in (("dlt", "dlt"), ("soda", "soda-core"))
    ]  # fmt: skip
    ours = Contender("sluiceway --help", "ours", [projects.SLUICEWAY, "--help"])
    yield Table("--help", contest([ours, *others], 9), (("wall s", 0.2),))

    project = projects.ten_rows("ten_rows")
    run, judge = project.command("run"), same_run({}, 10, 0)
    found = contest(
        [
            Contender("sluiceway run", "ours", run, cwd=project.folder, before=project.reset, truth=judge),
            Contender("the next run", "ours", run, cwd=project.folder, truth=judge),
            Contender(
                "the very first run", "ours", run, cwd=project.folder, before=project.forget, truth=judge
            ),
        ],
        7,
    )
    note = "The first line has a store and no lake; the very first run makes both; the next has both."
    yield Table("10 rows: store, lineage, lake", found, (("wall s", 1.5),), [note])


def named(n: int) -> str:
    return f"{n // MILLION}M rows" if n >= MILLION else f"{n:,} rows"


ALL: dict[str, Callable[[Sizes, Peers], Iterator[Table]]] = {
    "small": small,
    "gate": gate,
    "csv_to_lake": csv_to_lake,
    "csv_load": csv_load,
    "postgres": postgres,
    "gate_large": gate_large,
    "memory": memory,
}
