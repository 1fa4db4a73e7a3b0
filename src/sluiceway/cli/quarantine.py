"""``sluiceway quarantine``: the rows that a rule turned away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

__all__ = ["command"]


@click.group()
def command() -> None:
    """Rows that the gate turned away: list, show, export, replay, discard."""


@command.command("list")
@click.option("--pipeline", help="Only this pipeline's rows.")
@click.option("--run", "run_id", help="Only the rows of this run.")
@click.option(
    "--status",
    type=click.Choice(("waiting", "replayed", "discarded", "all")),
    default="waiting",
    show_default=True,
    help="What became of them.",
)
@common
def list_(options: Options, pipeline: str | None, run_id: str | None, status: str) -> None:
    """Count rows by run and reasons."""
    from sluiceway.run.quarantine import list_quarantine

    rows = list_quarantine(
        options.project(),
        options.environment,
        pipeline=pipeline,
        run_id=run_id,
        status=None if status == "all" else status,
    )
    if not rows:
        options.console.say("nothing is in quarantine" if status == "waiting" else "there are no such rows")
    _print(options, rows)
    waiting = [row for row in rows if row["status"] == "waiting"]
    if waiting:
        options.console.say(f"  see the rows:  sluiceway quarantine show --run {waiting[0]['run_id']}")
        options.console.say(f"  try them again:  sluiceway quarantine replay {waiting[0]['pipeline']} --all")
    options.console.document({"quarantine": rows})


@command.command()
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--pipeline", help="Only this pipeline's rows.")
@click.option("--run", "run_id", help="Only the rows of this run.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows at most.")
@common
def show(
    options: Options, ids: tuple[str, ...], pipeline: str | None, run_id: str | None, limit: int
) -> None:
    """Show rows with their reasons."""
    from sluiceway.run import quarantine

    rows = quarantine.show(
        options.project(), options.environment, ids=ids, pipeline=pipeline, run_id=run_id, limit=limit
    )
    for row in rows:
        since = str(row["quarantined_at"])[:19]
        reasons = _text(row["reasons"])
        options.console.say(f"{row['quarantine_id']}  {row['status']} since {since}  {reasons}", "bold")
        options.console.say(f"  {_text(row['row'])}")
    if not rows:
        options.console.say("no such row is in quarantine")
    options.console.document({"rows": rows})


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--pipeline", help="Only this pipeline's rows.")
@click.option("--run", "run_id", help="Only the rows of this run.")
@common
def export(options: Options, path: Path, pipeline: str | None, run_id: str | None) -> None:
    """Write the waiting rows with their reasons to PATH, as JSON lines."""
    from sluiceway.run import quarantine

    count = quarantine.export(options.project(), options.environment, path, pipeline=pipeline, run_id=run_id)
    options.console.say(f"wrote {count:,} rows to {path}")
    options.console.document({"path": str(path), "rows": count})


@command.command()
@click.argument("pipeline")
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--run", "run_id", help="The rows of this run.")
@click.option("--all", "everything", is_flag=True, help="Every waiting row of the pipeline.")
@click.option("--from", "place", metavar="PLACE", help="Rows turned away here: a source, or gate.")
@common
def replay(
    options: Options,
    pipeline: str,
    ids: tuple[str, ...],
    run_id: str | None,
    everything: bool,
    place: str | None,
) -> int:
    """Send rows through today's rules; those that pass are published.

    A newer row is never overwritten, and a row leaves quarantine only when it is published.
    """
    from sluiceway.cli.summary import exit_code, print_result
    from sluiceway.run import quarantine

    which = _which(ids, run_id, everything or place is not None)
    result = quarantine.replay(options.pipeline(pipeline), **which, place=place)
    print_result(options.console, result)
    options.console.document(result.as_dict())
    return exit_code(result)


@command.command()
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--pipeline", help="Only this pipeline's rows.")
@click.option("--run", "run_id", help="The rows of this run.")
@click.option("--all", "everything", is_flag=True, help="Every waiting row.")
@common
def discard(
    options: Options, ids: tuple[str, ...], pipeline: str | None, run_id: str | None, everything: bool
) -> None:
    """Give rows up: they stay readable, marked as discarded, and are never replayed."""
    from sluiceway.run import quarantine

    which = _which(ids, run_id, everything or pipeline is not None)
    count = quarantine.discard(options.project(), options.environment, pipeline=pipeline, **which)
    options.console.say(f"discarded {count:,} rows")
    options.console.document({"discarded": count})


def _which(ids: tuple[str, ...], run_id: str | None, everything: bool) -> dict[str, Any]:
    if not ids and run_id is None and not everything:
        raise ConfigError("which rows?", hint="give ids, or --run RUN, or --all")
    return {"ids": ids, "run_id": run_id}


def _print(options: Options, rows: list[dict[str, Any]]) -> None:
    if rows:
        columns = tuple(rows[0])
        numbers = tuple(c for c in columns if isinstance(rows[0][c], int))
        cells = [tuple(_text(row.get(c)) for c in columns) for row in rows]
        options.console.table(columns, cells, numbers)


def _text(value: Any) -> Any:
    """Lists as words, rows as ``column=value``; everything else as it is."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={item}" for name, item in value.items())
    return value
