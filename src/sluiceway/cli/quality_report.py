"""``sluiceway quality report``: is the data fit, what changed, what to do; for people who don't write SQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from sluiceway.quality.reportmodel import QualityReport
    from sluiceway.spec.model import Project

__all__ = ["command"]


@click.command()
@click.argument("datasets", nargs=-1, metavar="[DATASET|FILE]…")
@click.option("--all", "everything", is_flag=True, help="Every dataset that runs load; so too without names.")
@click.option(
    "--format", "format_", type=click.Choice(("html", "json", "markdown", "junit")), default="html",
    show_default=True, help="One page, all there is, a summary, or test results for CI.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
    help="The file. Without it a page goes to .sluiceway/reports/quality.html, the rest to stdout.",
)  # fmt: skip
@click.option("--open", "open_", type=click.Choice(("yes", "no")), default="no", show_default=True,
              help="Show the page in a browser.")  # fmt: skip
@click.option("--range", "range_", default="30d", show_default=True, help="How far back trends look.")
@click.option("--no-profile", is_flag=True, help="Don't open the data: read the metadata store alone.")
@click.option("--show-pii", is_flag=True, help="Show values of columns that look personal, not only ***.")
@common
def command(
    options: Options,
    datasets: tuple[str, ...],
    everything: bool,
    format_: str,
    output: Path | None,
    open_: str,
    range_: str,
    no_profile: bool,
    show_pii: bool,
) -> int:
    """Report on datasets: the answer first, then scores, failing rules, odd values, trends, history.

    The page is one file: it fetches nothing and needs no script. Values of masked, classified and personal
    columns are hidden. The JUnit file has a test case a check.
    """
    if everything and datasets:
        raise ConfigError("--all takes no names", hint="leave one of them out")
    if open_ == "yes" and format_ != "html":
        raise ConfigError(f"--open shows a page, and --format is {format_}", hint="leave one of them out")
    from sluiceway.quality.report import quality_report

    project = options.project()
    report = quality_report(
        datasets, project=project, environment=options.environment, time_range=range_, look=not no_profile,
        show_pii=show_pii,
    )  # fmt: skip
    file = _write(options, project, report, format_, output)
    if file is not None and open_ == "yes":
        import webbrowser

        webbrowser.open(file.absolute().as_uri())
    url = None if file is None else file.absolute().as_uri()
    options.console.document({**report.as_dict(), "report_url": url})
    return 0


def _write(
    options: Options, project: Project, report: QualityReport, format_: str, output: Path | None
) -> Path | None:
    """The file that was written; None where the report went to stdout."""
    from sluiceway.quality.writereport import FORMATS, default_file, rendered, write_text

    wanted = next(known for known in FORMATS if known == format_)
    if output is None and wanted == "html":
        output = default_file(project)
    if output is None:
        if not options.console.json:  # --json prints its own document there, and nothing else
            text = rendered(report, wanted).encode("utf-8", "replace").decode()  # half of a character
            sys.stdout.write(text)
        return None
    write_text(rendered(report, wanted), output)
    options.console.say(report.answer, "bold")
    options.console.say(f"  {output}")
    return output
