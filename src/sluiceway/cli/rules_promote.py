"""``sluiceway rules promote``: a rule leaves its shadow, or goes back into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.quality.backtest_model import Backtest
    from sluiceway.quality.declared import Ruled

__all__ = ["command"]


@click.command()
@click.argument("rules", metavar="RULE…", nargs=-1, required=True)
@click.option(
    "--to", type=click.Choice(("enforced", "shadow")), default="enforced", show_default=True,
    help="What the rules become.",
)  # fmt: skip
@click.option("--in", "target", metavar="PIPELINE|DATASET", help="Whose rules; needed where ids repeat.")
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    help="Change the rules of this contract; with --in DATASET.",
)
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Try them on the newest N runs only.")
@click.option("--force", is_flag=True, help="Enforce rules that would have blocked runs of the past.")
@click.option("--yes", is_flag=True, help="Write without a question.")
@common
def command(
    options: Options,
    rules: tuple[str, ...],
    to: Literal["enforced", "shadow"],
    target: str | None,
    contract: Path | None,
    last: int | None,
    force: bool,
    yes: bool,
) -> int:
    """Enforce rules that are in shadow, in the file that declares them; with --to shadow the other way.

    The rules are tried on the history first: where one would have blocked a run, nothing is changed and
    the exit code is 3, unless --force. The file keeps its comments; the diff is shown before it is written.
    """
    from sluiceway.quality.promote import promoted

    project = options.project()
    found = _named(options, rules, target, contract)
    tests = _tried(options, found, target, contract, last) if to == "enforced" else []
    blocked = [rule.id for test in tests for rule in test.rules if rule.blocked]
    document: dict[str, Any] = {"to": to, "backtests": [test.as_dict() for test in tests], "refused": []}
    if blocked and not force:
        options.console.say(f"refused: {', '.join(blocked)} would have blocked runs of the past", "bold red")
        options.console.say("  mend the rule or the data, or: rules promote … --force")
        options.console.document({**document, "changed": [], "files": [], "refused": blocked})
        return 3
    change = promoted(found, to, project.folder)
    document |= {"changed": list(change.changed), "files": []}
    for one in change.changes:
        for line in one.diff.splitlines():
            options.console.say(line)
        written = _write(options, one, yes=yes)
        document["files"].append({"file": str(one.path), "diff": one.diff, "written": written})
    if not change.changes:
        options.console.say(
            f"nothing to change: {', '.join(rules)} {'is' if len(rules) == 1 else 'are'} {to}"
        )
    options.console.document(document)
    return 0


def _named(options: Options, rules: Sequence[str], target: str | None, contract: Path | None) -> list[Ruled]:
    from sluiceway.quality.declared import chosen, declared_for

    declared = declared_for(target, options.project(), options.environment, contract)
    for name in rules:
        where = sorted({r.pipeline for r in declared if r.id == name})
        if len(where) > 1:
            raise ConfigError(
                f"rule '{name}' is in several pipelines: {', '.join(where)}", hint=f"add --in {where[0]}"
            )
    return chosen(declared, rules)


def _tried(
    options: Options, found: Sequence[Ruled], target: str | None, contract: Path | None, last: int | None
) -> list[Backtest]:
    from sluiceway.cli.rules_backtest import print_backtest
    from sluiceway.quality.trial import tried

    if contract is not None and target is None:
        raise ConfigError(
            "a contract by itself has no history to try its rules on",
            hint="add --in DATASET, or --in PIPELINE",
        )
    wanted: dict[str, list[str]] = {}
    for one in found:
        wanted.setdefault(one.pipeline or str(target), []).append(one.id)
    tests = []
    for name, ids in wanted.items():
        test = tried(name, ids, options.project(), options.environment, contract=contract, last=last)
        print_backtest(options.console, test)
        tests.append(test)
    return tests


def _write(options: Options, change: Any, *, yes: bool) -> bool:
    from sluiceway.cli.suggest import confirmed
    from sluiceway.spec.yaml_edit import write_text

    if not (yes or confirmed(options, f"write {change.path}?")):
        return False
    write_text(change.path, change.after)
    options.console.say(f"{change.path}: written")
    return True
