"""``sluiceway rules list``: every rule that is declared, where, and whether it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["command", "project_or_none"]


@click.command()
@click.argument("target", metavar="[PIPELINE|DATASET|CONTRACT]", required=False)
@click.option("--status", type=click.Choice(("shadow", "enforced")), help="Only these.")
@common
def command(options: Options, target: str | None, status: str | None) -> int:
    """List rules with their ids: of a pipeline, a dataset, a contract, or of the whole project."""
    from sluiceway.quality.declared import declared_for

    found = declared_for(target, project_or_none(options, target), options.environment)
    shown = [rule.as_dict() for rule in found if status in (None, rule.declared.rule.status)]
    rows = [(r["id"], r["status"], r["on_fail"], r["severity"], r["pipeline"], r["where"]) for r in shown]
    options.console.table(("rule", "status", "if it fails", "severity", "pipeline", "declared in"), rows)
    if not shown:
        options.console.say("no rules")
    options.console.document({"rules": shown})
    return 0


def project_or_none(options: Options, target: str | None) -> Project | None:
    """A contract's file can be looked at outside a project."""
    from sluiceway.errors import SpecError

    try:
        return options.project()
    except SpecError:
        if (
            options.project_folder is not None
            or target is None
            or not target.endswith((".yaml", ".yml", ".json"))
        ):
            raise
        return None
