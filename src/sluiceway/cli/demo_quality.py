"""The second half of the demo: a year month by month, and what the quality workbench makes of it.

Each step is the command that it prints, run as the command line would run it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.console import Console
from sluiceway.errors import RunError

if TYPE_CHECKING:
    import click

    from sluiceway.cli.options import Options
    from sluiceway.run.result import RunResult

__all__ = ["workbench"]

PIPELINE, DATASET = "departures", "mart.departures"
CONTRACT = "contracts/departures.odcs.yaml"
REPORT = "quality.html"
PROMOTED = ("accepted_values:origin", "not_null:dest")
TRIED = (*PROMOTED, "not_null:tailnum")
SPOILED = "data/flights_2014_01.csv"
_LINES = 30
"""Of a command's running text; tables are shown whole."""
_REPORT_A_BUG = "this is a bug, please report it"


def workbench(options: Options, folder: Path) -> dict[str, Any]:
    """Twelve runs, then profile, suggest, back-test, promote, a month that is blocked, trends and a report.

    Returns:
        The documents of the commands, by step.
    """
    bench = _Bench(options, folder)
    runs = bench.year()
    document: dict[str, Any] = {"months": [run.as_dict() for run in runs]}
    document["profile"] = bench.typed("profile", DATASET)
    document["suggest"] = bench.typed(
        "suggest", DATASET, "--min-confidence", "0.7", "--write", CONTRACT, "--yes"
    )
    document["contract"] = bench.typed("import odcs", CONTRACT, "--pipeline", PIPELINE)
    document["backtest"] = bench.typed("rules backtest", PIPELINE, *TRIED, "--last", "12")
    document["promote"] = bench.typed("rules promote", *PROMOTED, "--in", PIPELINE, "--last", "12", "--yes")
    document["spoiled"] = bench.spoiled().as_dict()
    document["trends"] = bench.typed("quality trends", DATASET, "--range", "2013-01-01..2014-02-28")
    document["report"] = bench.typed("quality report", DATASET, "-o", REPORT)
    return document


class _Quiet(Console):
    """Says what people read where the demo says it, and keeps the document."""

    def __init__(self, beside: Console) -> None:
        super().__init__(out=beside.out, err=beside.err)
        self.said: dict[str, Any] = {}
        self.lines = 0

    def say(self, text: str = "", style: str | None = None) -> None:
        self.lines += 1
        if self.lines <= _LINES:
            super().say(text, style)

    def document(self, value: dict[str, Any]) -> None:
        self.said = value


@dataclass(frozen=True)
class _Bench:
    options: Options
    folder: Path
    file_words: frozenset[str] = field(default=frozenset({CONTRACT, REPORT}))

    @property
    def console(self) -> Console:
        return self.options.console

    def typed(self, words: str, *args: str) -> dict[str, Any]:
        """One command as if it had been typed in the project's folder; its document."""
        self.console.say(f"\n$ sluiceway {words} {' '.join(args)}", "bold cyan")
        found = [str(self.folder / a) if a in self.file_words else a for a in args]
        quiet = _Quiet(self.console)
        command = _command(words)
        context = command.make_context(command.name, found)
        given = {k: v for k, v in context.params.items() if k not in _COMMON}
        callback: Any = command.callback
        code = callback.__wrapped__(replace(self.options, console=quiet), **given)
        if quiet.lines > _LINES:
            self.console.say(f"  … and {quiet.lines - _LINES} lines more")
        if code:
            raise RunError(f"the demo's command 'sluiceway {words}' ended with {code}", hint=_REPORT_A_BUG)
        return quiet.said

    def year(self) -> list[RunResult]:
        for left in (CONTRACT, SPOILED):  # of an earlier demo
            (self.folder / left).unlink(missing_ok=True)
        self.console.say("\nNow the same year month by month, so that there is a history:", "bold")
        runs = []
        for month in range(1, 13):
            runs.append(self._month(2013, month))
            if not runs[-1].success:
                raise RunError(f"month {month} of the demo did not succeed", hint=_REPORT_A_BUG)
        rows = [(f"2013-{n:02}", run.records.published, run.quality_score) for n, run in enumerate(runs, 1)]
        self.console.table(("month", "published", "score"), rows, ("published", "score"))
        return runs

    def _month(self, year: int, month: int) -> RunResult:
        from sluiceway.cli.progress import Progress
        from sluiceway.cli.run import run_one

        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if month == 1:
            words = f"--vars year={year} --vars month={month} --at {end:%Y-%m-%d}"
            self.console.say(f"$ sluiceway run {PIPELINE} {words}", "bold cyan")
        pipeline = self.options.pipeline(PIPELINE, variables={"year": year, "month": month})
        with Progress(self.console) as progress:
            return run_one(pipeline, progress, at=end)

    def spoiled(self) -> RunResult:
        """January 2014 comes with an airport that there is not; the promoted rule stops it."""
        from sluiceway.cli.summary import print_result

        self.console.say("\nJanuary 2014 arrives spoiled: one origin in fifty is misspelled.", "bold")
        _spoil(self.folder)
        result = self._month(2014, 1)
        print_result(self.console, result)
        if result.status != "blocked":
            raise RunError(
                f"the demo expected the promoted rule to block January; status {result.status}",
                hint=_REPORT_A_BUG,
            )
        return result


_COMMON = frozenset({"project_folder", "environment", "as_json"})


def _command(words: str) -> click.Command:
    import click

    from sluiceway.cli.app import app

    found: click.Command | None = app
    for word in words.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)
    assert found is not None
    return found


def _spoil(folder: Path) -> None:
    """December's flights a month later, every fiftieth from ``NYC``."""
    from sluiceway.duck import literal, open_duckdb

    source, target = (literal(str(folder / name)) for name in ("data/flights.csv", SPOILED))
    with open_duckdb() as connection:
        connection.execute(
            "COPY (SELECT * REPLACE (2014 AS year, 1 AS month, "
            "CASE WHEN flight % 50 = 0 THEN 'NYC' ELSE origin END AS origin, "
            "strftime(time_hour + INTERVAL 31 DAY, '%Y-%m-%dT%H:%M:%SZ') AS time_hour) "
            f"FROM read_csv({source}, nullstr = 'NA') WHERE month = 12) TO {target} (HEADER, NULLSTR 'NA')"
        )
