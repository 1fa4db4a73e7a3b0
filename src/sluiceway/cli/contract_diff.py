"""``sluiceway contract diff``: what changed between two contracts, and whom it breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from sluiceway.cli.console import Console
    from sluiceway.schema import TableName
    from sluiceway.spec.contract_change import ContractDiff

__all__ = ["command"]

_STYLES = {"breaking": "red", "non-breaking": "yellow", "informational": None}


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--table", metavar="NAME", help="Compare this schema object alone.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if a change is breaking.")
@common
def command(options: Options, old: str, new: str, table: str | None, exit_code: bool) -> int:
    """Compare two contracts: each change by name, whether it breaks, and the version it asks for.

    OLD and NEW are files, or one of them a DATASET: a table of the warehouse as it stands, of which the
    columns and their types are compared. Exits with 0 whatever is found, unless --exit-code is given.
    """
    from sluiceway.schema import TableName
    from sluiceway.spec.contract_diff import compare_contracts

    sides = [_side(options, name) for name in (old, new)]
    standing = [name for _, name in sides if name is not None]
    if len(standing) == 2:
        raise ConfigError("one of the two must be a contract file", hint="for two datasets: quality drift")
    chosen: TableName | None = TableName.parse(table) if table else standing[0] if standing else None
    diff = compare_contracts(sides[0][0], sides[1][0], table=chosen, columns_only=bool(standing))
    _print(options.console, diff, versions=not standing)
    options.console.document({"old": old, "new": new, **diff.as_dict()})
    return 1 if exit_code and diff.breaking else 0


def _side(options: Options, name: str) -> tuple[dict[str, Any], TableName | None]:
    """The document, and the table's name where it is one that stands."""
    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml", ".json"):
        from sluiceway.spec.contract import read_contract_document
        from sluiceway.spec.odcs_shape import sound
        from sluiceway.spec.yaml import read_yaml

        found = read_contract_document(path)
        sound(found, read_yaml(path).where)
        return found, None
    from sluiceway.run.contracts import contract_of_standing
    from sluiceway.schema import TableName

    made = contract_of_standing(name, options.project(), options.environment)
    return made, TableName.parse(name)


def _print(console: Console, diff: ContractDiff, *, versions: bool) -> None:
    for change in diff.changes:
        console.say(f"{change.level}: {change.path}: {change.message} ({change.kind})", _STYLES[change.level])
    if not diff.changes:
        console.say("no difference")
        return
    counts = [f"{diff.count(level)} {level}" for level in _STYLES if diff.count(level)]  # type: ignore[arg-type]
    console.say(", ".join(counts))
    if not versions:
        return
    suggested = diff.suggested_version
    if suggested is None:
        console.say(f"that asks for a {diff.bump} version; '{diff.old_version}' is no semantic version")
    elif diff.version_suffices:
        console.say(f"version {diff.old_version} to {diff.new_version}: enough for a {diff.bump} change")
    else:
        told = f"version {diff.old_version} to {diff.new_version}: a {diff.bump} change asks for {suggested}"
        console.say(told, "yellow")
