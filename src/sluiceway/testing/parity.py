"""One pipeline in two environments, and the first cells that differ."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, open_duckdb, take_rows
from sluiceway.errors import ConfigError
from sluiceway.run.resolve import open_engine
from sluiceway.run.runner import run
from sluiceway.run.warehouse import environment_of, sink_of
from sluiceway.schema import TableName
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import resolve

if TYPE_CHECKING:
    from sluiceway.connectors.base import Sink
    from sluiceway.engines.base import Engine
    from sluiceway.run.result import RunResult
    from sluiceway.spec.model import Project

__all__ = ["Outcome", "checksum", "differences", "outcome", "same_on"]

Row = tuple[str | None, ...]
_SHOWN = 5
_BATCH = 10_000
_KEPT = ("reasons", "row", "types", "phase", "source", "status")
"""Columns of the quarantine that say nothing of the run or the clock."""


@dataclass(frozen=True)
class Outcome:
    """What a run said and left. Cells are DuckDB's text of them, None for NULL: it tells NaN, -0.0 and
    an empty text apart. ``facts``: status, counts, checks, score, samples, without times and ids.
    ``table`` is the destination's, ``columns``: name -> type; ``rows`` of the whole table, ``quarantine`` of
    this run. ``error``: what ended the run, where it ended badly.
    """

    environment: str
    table: str
    facts: dict[str, Any]
    columns: dict[str, str] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    quarantine: tuple[Row, ...] = ()
    error: str | None = None


def outcome(project: str | Path, pipeline: str, environment: str, *, rows: bool = True) -> Outcome:
    """Run a pipeline of the project in ``environment`` and look at what it left.

    Args:
        rows: take the table's rows, too; of a large one ``checksum`` says as much.

    Raises:
        ConfigError: nothing was run: no such pipeline or environment, or a plan that can't be made.
    """
    loaded = load_project(Path(project))
    config = PipelineConfig.load(find_pipeline(loaded, pipeline))
    resolved = resolve(config, loaded, environment, {})
    result = run(resolved)
    table, columns, found, turned = resolved.destination.table, {}, [], []
    with _warehouse(loaded, environment) as place:
        if place.sink.columns(table) is not None:
            scan = place.scan(table)
            described = place.con.execute(f"DESCRIBE {scan}").fetchall()
            columns = {row[0]: row[1] for row in described}
            if rows:
                found = place.con.execute(_cells(scan, list(columns))).fetchall()
        kept = place.sink.quarantine()
        if kept is not None:
            wanted = f"SELECT * FROM ({kept}) AS _q WHERE run_id = ?"
            turned = place.con.execute(_cells(wanted, _KEPT), [result.run_id]).fetchall()
    failed = result.error is not None and result.status != "blocked"
    return Outcome(
        environment, str(table), _facts(result), columns, tuple(found), tuple(turned),
        str(result.error) if failed else None,
    )  # fmt: skip


@dataclass(frozen=True)
class _Reader:
    """DuckDB as the reading side of a warehouse, outside any run."""

    connection: Any
    name: str = "duckdb"


@dataclass(frozen=True)
class _Place:
    """A warehouse, and DuckDB, which reads it. ``engine``: the one that alone can read the tables, if any."""

    sink: Sink
    con: Any
    engine: Engine | None

    def scan(self, table: TableName) -> str:
        """A SELECT of the table's rows, in DuckDB's SQL."""
        scan = self.sink.scan(table)
        if self.engine is None:
            return scan
        take_rows(self.con, self.engine.batches(scan, _BATCH), "_sluiceway_rows", temporary=True)
        return "SELECT * FROM temp._sluiceway_rows"


@contextmanager
def _warehouse(project: Project, environment: str) -> Iterator[_Place]:
    """As it stands. Tables that one engine alone publishes are read by it, too."""
    spec = environment_of(project, environment)
    with ExitStack() as stack:
        sink, con = sink_of(project, spec), stack.enter_context(open_duckdb())
        engine = None
        if sink.capabilities.engine is not None:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluiceway-"))
            engine = open_engine(spec.engine, Path(scratch) / "look")
            stack.callback(engine.close)
        stack.callback(sink.close)
        sink.open(engine or _Reader(con))  # type: ignore[arg-type]  # a sink asks a reader for these two alone
        yield _Place(sink, con, engine)


def _cells(scan: str, columns: Sequence[str]) -> str:
    listed = ", ".join(f"CAST({ident(c)} AS VARCHAR) AS {ident(c)}" for c in columns)
    return f"SELECT {listed} FROM ({scan}) AS _cells ORDER BY ALL"


def _facts(result: RunResult) -> dict[str, Any]:
    """What the run says of itself. An engine may have counted what it read where another need not."""
    facts: dict[str, Any] = {"status": result.status, "score": result.quality_score}
    facts |= {f"records.{k}": v for k, v in result.records.as_dict().items() if k != "read"}
    for checked in result.checks:
        said = checked.as_dict()
        facts |= {
            f"check {said['id']}: {k}": str(said[k]) for k in ("failing", "total", "passed", "observed")
        }
    # which ten of the failing rows are kept is any engine's own choice
    facts |= {f"samples of {name}": len(rows) for name, rows in result.samples.items()}
    return facts


def differences(reference: Outcome, other: Outcome, *, limit: int = _SHOWN) -> list[str]:
    """What ``other`` has otherwise than ``reference``, in words; at most ``limit`` rows of each table.

    >>> types = {"id": "BIGINT", "v": "DOUBLE"}
    >>> one = Outcome("dev", "mart.t", {"status": "succeeded"}, types, (("1", "2.0"), ("2", None)))
    >>> two = Outcome("big", "mart.t", {"status": "succeeded"}, types, (("1", "2.5"), ("2", None)))
    >>> differences(one, two)
    ["mart.t, row id '1': v is '2.0' in dev, '2.5' in big"]
    >>> differences(one, one)
    []
    """
    a, b = reference.environment, other.environment
    found = [
        f"the run in {place.environment} failed: {place.error}"
        for place in (reference, other)
        if place.error is not None
    ]
    names = dict.fromkeys([*reference.facts, *other.facts])
    found += [
        f"{name} is {reference.facts.get(name)!r} in {a}, {other.facts.get(name)!r} in {b}"
        for name in names
        if reference.facts.get(name) != other.facts.get(name)
    ]
    if list(reference.columns.items()) != list(other.columns.items()):
        found.append(f"the columns are {reference.columns} in {a}, {other.columns} in {b}")
    else:
        columns = tuple(reference.columns)
        found += _differing(reference.table, columns, (a, b), reference.rows, other.rows, limit)
    return found + _differing("quarantine", _KEPT, (a, b), reference.quarantine, other.quarantine, limit)


def _differing(
    what: str, columns: Sequence[str], places: tuple[str, str], mine: Sequence[Row], theirs: Sequence[Row],
    limit: int,
) -> list[str]:  # fmt: skip
    """Rows that stand on one side only, each beside the one of the other side that is most like it."""
    left, right = Counter(mine), Counter(theirs)
    only = list((left - right).elements())
    others = list((right - left).elements())
    found = []
    for row in only[:limit]:
        if not others:
            found.append(f"{what}: only {places[0]} has the row {row}")
            continue
        near = max(others, key=lambda o: sum(x == y for x, y in zip(row, o, strict=True)))
        others.remove(near)
        cells = ", ".join(
            f"{name} is {x!r} in {places[0]}, {y!r} in {places[1]}"
            for name, x, y in zip(columns, row, near, strict=True)
            if x != y
        )
        found.append(f"{what}, row {columns[0]} {row[0]!r}: {cells}")
    if len(only) <= limit:
        found += [f"{what}: only {places[1]} has the row {row}" for row in others[: limit - len(only) or 1]]
    return found


def same_on(
    project: str | Path,
    pipeline: str,
    reference: str,
    other: str,
    *,
    runs: int = 1,
    before: Callable[[int], object] | None = None,
) -> Outcome:
    """Run a pipeline in two environments; what it says and leaves must be the same, cell for cell.

    Args:
        project: its folder, or the file sluiceway.yml.
        reference, other: environments, each with a warehouse of its own.
        runs: how often, one environment after the other.
        before: called with the number of each run before it; it writes what the sources then hold.

    Returns:
        What the last run left in ``other``.

    Raises:
        AssertionError: with the first differing cells, or why a run failed.
        ConfigError: one of them can't be planned.

    >>> from tempfile import TemporaryDirectory
    >>> from sluiceway.testing import write_project, write_sources
    >>> settings = '''project: parity
    ... environments:
    ...   one: {warehouse: {type: duckdb, path: one.duckdb}}
    ...   two: {warehouse: {type: duckdb, path: two.duckdb}}
    ... '''
    >>> with TemporaryDirectory() as folder:
    ...     write_project(Path(folder), settings)
    ...     write_sources(Path(folder))
    ...     left = same_on(folder, "joined", "one", "two")
    >>> left.facts["status"], len(left.rows), list(left.columns)[-1]
    ('succeeded', 199, 'segment')
    """
    found = None
    for number in range(max(runs, 1)):
        if before is not None:
            before(number)
        wanted = outcome(project, pipeline, reference)
        found = outcome(project, pipeline, other)
        told = differences(wanted, found)
        if told:
            place = f"pipeline {pipeline}" + (f", run {number + 1}" if runs > 1 else "")
            raise AssertionError("\n".join([f"{place}: {other} is not the same as {reference}", *told]))
    assert found is not None
    return found


def checksum(project: str | Path, environment: str, table: str) -> str:
    """``ROWS:HASH`` of a table as it stands, over its names, its types and the texts of its cells, in
    whatever order the rows are: for tables that are too large to be held side by side.

    Raises:
        ConfigError: there is no such table.
    """
    loaded, name = load_project(Path(project)), TableName.parse(table)
    with _warehouse(loaded, environment) as place:
        if place.sink.columns(name) is None:
            raise ConfigError(f"the warehouse of {environment} has no table {name}")
        scan, con = place.scan(name), place.con
        described = [(row[0], row[1]) for row in con.execute(f"DESCRIBE {scan}").fetchall()]
        texts = ", ".join(f"CAST({ident(c)} AS VARCHAR)" for c, _ in described)
        shape = str(described)
        rows, total = con.execute(
            f"SELECT count(*), sum(CAST(hash(?, {texts}) AS HUGEINT)) FROM ({scan}) AS _rows", [shape]
        ).fetchall()[0]
    return f"{rows}:{(total or 0) % 2**64:016x}"
