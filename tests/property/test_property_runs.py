"""Whole runs on random tables: what is published, quarantined and counted equals a naive model.

One project folder serves all examples, each with a table of its own: a run costs about a second.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from sluiceway.duck import open_duckdb
from sluiceway.errors import DataQualityError
from sluiceway.run.runner import run
from sluiceway.run.warehouse import sink_of
from sluiceway.schema import TableName
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import load_project
from sluiceway.spec.resolve import environment_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from sluiceway.run.result import RunResult

Row = dict[str, Any]
TYPES = {"k": "INTEGER", "n": "INTEGER", "f": "DOUBLE", "s": "VARCHAR", "odd name": "VARCHAR"}
NAN = float("nan")

texts = st.sampled_from(
    ["", " ", "a", "A", "é", "e\u0301", "😀", "a,b", 'q"q', "line\nbreak", "NULL", "it's"]
)
row = st.fixed_dictionaries(
    {
        "k": st.integers(0, 9),
        "n": st.none() | st.integers(-3, 3),
        "f": st.none() | st.sampled_from([0.0, -1.5, 2.5, NAN, math.inf, -math.inf]),
        "s": st.none() | texts,
        "odd name": st.none() | texts,
    }
)
tables = st.lists(row, max_size=25)


@dataclass(frozen=True)
class Case:
    """A rule in YAML and what is wrong by it, on known values: NULL passes but for not_null."""

    rule: dict[str, Any]
    wrong: Any
    column: str

    def fails(self, given: Row) -> bool:
        value = given[self.column]
        if "not_null" in self.rule:
            return value is None
        return value is not None and bool(self.wrong(value))


CASES = [
    Case({"not_null": "s"}, None, "s"),
    Case({"not_null": "odd name"}, None, "odd name"),
    Case({"accepted_values": {"column": "s", "values": ["a", "", "é", 'q"q']}},
         lambda v: v not in ("a", "", "é", 'q"q'), "s"),
    Case({"not_accepted_values": {"column": "odd name", "values": ["NULL", "it's"]}},
         lambda v: v in ("NULL", "it's"), "odd name"),
    Case({"range": {"column": "n", "min": -1, "max": 2}}, lambda v: not -1 <= v <= 2, "n"),
    Case({"range": {"column": "f", "min": 0}}, lambda v: math.isnan(v) or v < 0, "f"),
    Case({"length": {"column": "s", "min": 1, "max": 3}}, lambda v: not 1 <= len(v) <= 3, "s"),
    Case({"expression": "n <> 1"}, lambda v: v == 1, "n"),
]  # fmt: skip
WHERES = {None: lambda _: True, "n > 0": lambda r: r["n"] is not None and r["n"] > 0,
          "\"odd name\" <> ''": lambda r: r["odd name"] is not None and r["odd name"] != ""}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    case: Case
    on_fail: str
    tolerance: int | str | None
    where: str | None
    id: str

    def as_yaml(self) -> dict[str, Any]:
        options = {"name": self.id, "on_fail": self.on_fail}
        if self.tolerance is not None:
            options["tolerance"] = self.tolerance
        if self.where is not None:
            options["where"] = self.where
        return {**self.case.rule, **options}

    def matches(self, given: Row) -> bool:
        return bool(WHERES[self.where](given))

    def fails(self, given: Row) -> bool:
        return self.matches(given) and self.case.fails(given)


UNIQUE = Case({"unique": "k"}, None, "k")


@st.composite
def chosen(draw: st.DrawFn) -> list[Chosen]:
    cases = draw(st.lists(st.sampled_from([*CASES, UNIQUE]), max_size=5, unique_by=id))
    out = []
    for number, case in enumerate(cases):
        on_fail = draw(st.sampled_from(["quarantine", "quarantine", "warn", "block"]))
        tolerance = draw(st.none() | st.sampled_from([0, 3, 20, "10%", "60%"]))
        where = None if case is UNIQUE else draw(st.sampled_from(list(WHERES)))
        out.append(Chosen(case, on_fail, tolerance, where, f"rule {number}"))
    return out


@dataclass
class Model:
    """The naive reference of one run: over lists, row by row."""

    batch: list[Row]
    target: list[Row]
    mode: str
    rules: list[Chosen]
    failing: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    reasons: list[list[str]] = field(default_factory=list)
    blocked: bool = False

    def judge(self) -> None:
        reasons: list[list[str]] = [[] for _ in self.batch]
        for rule in (r for r in self.rules if r.case is not UNIQUE):
            flags = [rule.fails(row_) for row_ in self.batch]
            self._count(rule, flags, sum(map(rule.matches, self.batch)))
            if rule.on_fail == "quarantine":
                for at, bad in enumerate(flags):
                    reasons[at] += [rule.id] * bad
        # unique judges what row rules let through, beside what stays of the table
        left = [row_ for row_, why in zip(self.batch, reasons, strict=True) if not why]
        keys = Counter(row_["k"] for row_ in [*left, *self._stays(left)])
        for rule in (r for r in self.rules if r.case is UNIQUE):
            flags = [not why and keys[row_["k"]] > 1 for row_, why in zip(self.batch, reasons, strict=True)]
            self._count(rule, flags, len(left))
            if rule.on_fail == "quarantine":
                for at, bad in enumerate(flags):
                    reasons[at] += [rule.id] * bad
        self.reasons = reasons
        batch_keys = Counter(row_["k"] for row_ in left)
        if self.mode == "merge" and any(count > 1 for count in batch_keys.values()):
            self.blocked = True  # what merge implies of its key
        if self.mode == "replace" and not self.good():
            self.blocked = True

    def _stays(self, left: list[Row]) -> list[Row]:
        if self.mode == "replace":
            return []
        mine = {row_["k"] for row_ in left} if self.mode == "merge" else set()
        return [row_ for row_ in self.target if row_["k"] not in mine]

    def _count(self, rule: Chosen, flags: list[bool], total: int) -> None:
        failing = sum(flags)
        self.failing[rule.id], self.totals[rule.id] = failing, total
        if rule.on_fail == "warn" or not failing:
            return
        if rule.tolerance is None:
            self.blocked |= rule.on_fail == "block"
        elif isinstance(rule.tolerance, int):
            self.blocked |= failing > rule.tolerance
        else:
            self.blocked |= failing * 100 > float(rule.tolerance.rstrip("%")) * total

    def good(self) -> list[Row]:
        return [row_ for row_, why in zip(self.batch, self.reasons, strict=True) if not why]

    def after(self) -> list[Row]:
        if self.blocked:
            return self.target
        good = self.good()
        if self.mode == "append":
            return [*self.target, *good]
        if self.mode == "replace":
            return good
        mine = {row_["k"] for row_ in good}
        return [*(row_ for row_ in self.target if row_["k"] not in mine), *good]


def bag(rows: list[Row]) -> Counter[tuple[str, ...]]:
    """A multiset that NaN is equal to itself in."""
    return Counter(tuple(repr(row_[name]) for name in TYPES) for row_ in rows)


class Lake:
    """A project whose tables are made one an example."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tables = folder, 0
        (folder / "sluiceway.yml").write_text("project: property\n", encoding="utf-8")
        (folder / "data").mkdir()
        self.project = load_project(folder)
        self.con: duckdb.DuckDBPyConnection = open_duckdb(threads=1)

    def write(self, rows: list[Row]) -> None:
        columns = ", ".join(f'"{name}" {type_}' for name, type_ in TYPES.items())
        self.con.execute(f"CREATE OR REPLACE TABLE given ({columns})")
        if rows:
            marks = ", ".join("?" for _ in TYPES)
            self.con.executemany(
                f"INSERT INTO given VALUES ({marks})", [[r[name] for name in TYPES] for r in rows]
            )
        self.con.execute(f"COPY given TO '{self.folder}/data/given.parquet' (FORMAT parquet)")

    def run(self, table: str, mode: str, rules: list[dict[str, Any]]) -> RunResult:
        config = PipelineConfig.model_validate(
            {
                "pipeline": table,
                "sources": {"given": {"type": "parquet", "path": "data/given.parquet"}},
                "rules": rules,
                "destination": {
                    "table": f"mart.{table}",
                    "mode": mode,
                    **({"primary_key": "k"} if mode == "merge" else {}),
                },
            }
        )
        return run(resolve(config, self.project, None, {}))

    def look(self, table: str) -> tuple[list[Row] | None, list[tuple[list[str], Row]]]:
        """The table (None: it is not there) and its quarantine."""
        sink, con = sink_of(self.project, environment_of(self.project, None)), open_duckdb(threads=1)
        try:
            sink.open(_Reading(con))  # type: ignore[arg-type]  # a sink asks for these two alone
            name = TableName("mart", table)
            rows = None
            if sink.columns(name) is not None:
                columns = ", ".join(f'"{column}"' for column in TYPES)
                found = con.execute(f"SELECT {columns} FROM ({sink.scan(name)}) AS _t").fetchall()
                rows = [dict(zip(TYPES, values, strict=True)) for values in found]
            kept = []
            scan = sink.quarantine()
            if scan is not None:
                select = f'SELECT reasons, "row" FROM ({scan}) AS _q WHERE pipeline = ?'
                for reasons, text in con.execute(select, [table]).fetchall():
                    values = json.loads(text)
                    casts = ", ".join(f"CAST(? AS {type_})" for type_ in TYPES.values())
                    exact = con.execute(f"SELECT {casts}", [values[n] for n in TYPES]).fetchall()[0]
                    kept.append((sorted(json.loads(reasons)), dict(zip(TYPES, exact, strict=True))))
            return rows, kept
        finally:
            sink.close()
            con.close()


@dataclass(frozen=True)
class _Reading:
    connection: duckdb.DuckDBPyConnection
    name: str = "duckdb"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    made = Lake(tmp_path_factory.mktemp("lake"))
    yield made
    made.con.close()


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # to shrink costs hundreds of runs
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batches=st.lists(tables, min_size=1, max_size=2),
    mode=st.sampled_from(["append", "replace", "merge"]),
    rules=chosen(),
)
def test_runs_are_what_a_naive_model_says(
    lake: Lake, batches: list[list[Row]], mode: str, rules: list[Chosen]
) -> None:
    lake.tables += 1
    table = f"t{lake.tables}"
    stood: list[Row] = []
    quarantined: list[tuple[list[str], Row]] = []
    exists = False
    for batch in batches:
        lake.write(batch)
        model = Model(batch, stood, mode, rules)
        model.judge()
        result = lake.run(table, mode, [rule.as_yaml() for rule in rules])
        note(f"{mode} {[r.as_yaml() for r in rules]} -> {result.status} {result.error}")
        compare(result, model)
        stood = model.after()
        if not model.blocked:
            exists = True
            quarantined += [(sorted(why), r) for why, r in zip(model.reasons, batch, strict=True) if why]
        rows, kept = lake.look(table)
        assert (rows is not None) == exists
        assert bag(rows or []) == bag(stood)
        assert counted(kept) == counted(quarantined)


def compare(result: RunResult, model: Model) -> None:
    """A run's own numbers: checks, records, verdict."""
    by_id = {check.check.id: check for check in result.checks}
    for rule in model.rules:
        check = by_id[rule.id]
        assert (check.failing, check.total) == (model.failing[rule.id], model.totals[rule.id]), rule
    records = result.records
    assert records.staged == len(model.batch)
    if model.blocked:
        assert result.status == "blocked"
        assert isinstance(result.error, DataQualityError)
        assert (records.published, records.quarantined) == (0, 0)
        return
    assert result.status == "succeeded", result.error
    good = len(model.good())
    assert (records.published, records.quarantined) == (good, len(model.batch) - good)
    assert records.staged == records.published + records.quarantined
    assert result.verdict is not None
    assert result.verdict.outcome == ("pass" if good == len(model.batch) else "quarantine")


def counted(rows: list[tuple[list[str], Row]]) -> Counter[tuple[str, ...]]:
    return Counter((json.dumps(why), *(repr(r[name]) for name in TYPES)) for why, r in rows)
