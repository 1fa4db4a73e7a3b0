"""``sluiceway suggest``: rules that data speaks for, and a contract with them in shadow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from sluiceway.quality.suggest_model import Suggestions
    from sluiceway.spec.model import Project

__all__ = ["command", "confirmed"]


@click.command()
@click.argument("source", metavar="FILE|DATASET|CONNECTION:TABLE")
@click.option("--history", is_flag=True, help="Learn from the dataset's runs too: rows by run, cadence.")
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), default=0.5, show_default=True, metavar="0..1",
    help="Leave out what is less sure.",
)  # fmt: skip
@click.option(
    "--references",
    multiple=True,
    metavar="DATASET",
    help="Look for columns that refer to its keys; repeat it. 'all': whatever the project's pipelines load.",
)
@click.option(
    "--write", type=click.Path(path_type=Path), metavar="CONTRACT",
    help="Put the rules into this contract (new or not), each with status: shadow. Shows the diff first.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Write without a question.")
@common
def command(
    options: Options,
    source: str,
    history: bool,
    min_confidence: float,
    references: tuple[str, ...],
    write: Path | None,
    yes: bool,
) -> int:
    """Propose rules that data keeps, each with its evidence and how sure it is.

    Rules that the contract or a pipeline has already are left out. --json has them as rules: takes them.
    """
    from sluiceway.cli.profile import project_for, references_for
    from sluiceway.quality.suggest import suggest
    from sluiceway.quality.suggest_write import rules_of

    project = project_for(options, source)
    known = _declared(source, project, options.environment)
    if write is not None:
        known += rules_of(write, source)
    found = suggest(
        source,
        history=history,
        min_confidence=min_confidence,
        project=project,
        environment=options.environment,
        references=references_for(references, source, project),
        known=known,
        contract=write if write is not None and write.is_file() else None,
    )
    _show(options, found)
    document = found.as_dict()
    if write is not None:
        document["contract"] = _write(options, source, write, found, yes=yes)
    options.console.document(document)
    return 0


def _declared(source: str, project: Project | None, environment: str | None) -> list[dict[str, Any]]:
    """What pipelines declare for a dataset; a file has none."""
    from sluiceway.quality.declared import pipelines_loading
    from sluiceway.run.standing import kind_of_file
    from sluiceway.spec.entries import Entry, entry_of

    if project is None or kind_of_file(source) is not None or ":" in source:
        return []
    pipelines = pipelines_loading(source, project, environment)
    return [entry_of(Entry(declared.rule)) for p in pipelines for declared in p.rules]


def _show(options: Options, found: Suggestions) -> None:
    console = options.console
    console.say(f"{found.dataset}: {len(found.items)} rules for {found.rows:,} rows", "bold")
    rows = [(_worded(item.rule), item.confidence, item.source, item.evidence) for item in found.items]
    console.table(("rule", "sure", "by", "because"), rows, ("sure",))
    for count, what in ((found.refuted, "refuted by the rows themselves"), (found.known, "declared already")):
        if count:
            console.say(f"  {count} more: {what}")
    for note in found.notes:
        console.say(f"  note: {note}")


def _worded(rule: Any) -> str:
    """The rule on one line, as YAML's flow style has it."""
    import json

    kind = next(iter(rule))
    options = {k: v for k, v in rule.items() if k not in (kind, "name")}
    value = rule[kind]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    beside = "".join(f", {k}: {v}" for k, v in options.items())
    shown = f"{kind}: {text}{beside}"
    return shown if len(shown) <= 100 else f"{shown[:97]}…"


def _write(options: Options, source: str, path: Path, found: Suggestions, *, yes: bool) -> dict[str, Any]:
    from sluiceway.quality.suggest_write import contract_with
    from sluiceway.spec.yaml_edit import write_text

    console = options.console
    change = contract_with(path, source, found)
    if not change.diff:
        console.say(f"{path}: nothing to add")
        return {"file": str(path), "written": False, "diff": ""}
    for line in change.diff.splitlines():
        console.say(line)
    written = yes or confirmed(options, f"write {path}?")
    if written:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, change.after)
        console.say(f"{path}: {len(found.items)} rules added in shadow")
        console.say(f"  make it a pipeline's: sluiceway import odcs {path} --pipeline PIPELINE")
    return {"file": str(path), "written": written, "diff": change.diff}


def confirmed(options: Options, question: str) -> bool:
    """Ask on a terminal; where nobody can answer, whoever called has said it already."""
    if not (sys.stdin.isatty() and options.console.out.isatty()):
        return True
    return click.confirm(question, default=False)
