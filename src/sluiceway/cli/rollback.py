"""``sluiceway rollback``: put a table back to what it was before a run."""

from __future__ import annotations

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.argument("run")
@click.option("--force", is_flag=True, help="Even though later runs touched the table: undo them too.")
@click.option("--keep-cursor", is_flag=True, help="Don't read the run's rows again at the next run.")
@common
def command(options: Options, run: str, force: bool, keep_cursor: bool) -> None:
    """Undo RUN: its table gets the content from before it, as a new snapshot."""
    from sluiceway.run.rollback import rollback

    receipt = rollback(options.project(), options.environment, run, force=force, keep_cursor=keep_cursor)
    options.console.say(f"{receipt.table} is as it was before run {run}; snapshot {receipt.snapshot}")
    cursor = "kept" if keep_cursor else "restored: the next run reads its rows again"
    options.console.say(f"  the cursor is {cursor}")
    document = {"run_id": receipt.run_id, "rolled_back": run, "table": receipt.table}
    options.console.document({**document, "snapshot": receipt.snapshot, "cursor_kept": keep_cursor})
