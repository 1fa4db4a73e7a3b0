"""``sluiceway fix``: what can be put right, the doing of it, and the undoing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError, SpecError

if TYPE_CHECKING:
    from sluiceway.quality.fix import Proposal
    from sluiceway.spec.model import Project

__all__ = ["command"]


class _Group(click.Group):
    """``fix TARGET`` is short for ``fix propose TARGET``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["propose", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, context_settings={"ignore_unknown_options": True})
def command() -> None:
    """Put failing values right: propose, list, undo. `fix TARGET` proposes; --apply does it."""


@command.command()
@click.argument("target", metavar="PIPELINE|FILE|DATASET")
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    help="An Open Data Contract Standard file (*.odcs.yaml) whose rules judge DATASET or FILE.",
)
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Only this check; may be repeated.")
@click.option("--apply", is_flag=True, help="Do it. Without it nothing is changed.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="FILE with --apply: the new file to write."
)
@click.option("--key", "keys", multiple=True, metavar="COLUMN", help="DATASET: what tells its rows apart.")
@common
def propose(
    options: Options,
    target: str,
    contract: Path | None,
    rules: tuple[str, ...],
    apply: bool,
    output: Path | None,
    keys: tuple[str, ...],
) -> int:
    """Say which rules have a fix and what it would change; with --apply, change it.

    A PIPELINE is judged by what it would publish now, and --apply runs it once with the fixes on. A DATASET
    is merged by its key, through the gate, as a run that `fix undo` takes back. A FILE is never changed: -o
    names the new one.
    """
    from sluiceway.run.standing import kind_of_file

    if contract is not None and not contract.is_file():
        raise ConfigError(f"there is no contract '{contract}'", hint="give --contract a *.odcs.yaml file")
    if kind_of_file(target) is not None:
        proposal = _file(options, target, contract, rules, apply, output)
    elif output is not None:
        raise ConfigError("-o is for files; a dataset or a pipeline is published", hint="leave it out")
    elif "." in target or contract is not None:
        proposal = _dataset(options, target, contract, rules, apply, keys)
    else:
        proposal = _pipeline(options, target, rules, apply)
    _print(options, proposal)
    options.console.document(proposal.as_dict())
    return _code(proposal)


def _pipeline(options: Options, target: str, rules: tuple[str, ...], apply: bool) -> Proposal:
    from sluiceway.cli.progress import Progress
    from sluiceway.quality.fix import apply_pipeline, propose_pipeline

    pipeline = options.pipeline(target)
    with Progress(options.console) as progress:
        do = apply_pipeline if apply else propose_pipeline
        return do(pipeline, chosen=rules, progress=progress)


def _dataset(
    options: Options,
    target: str,
    contract: Path | None,
    rules: tuple[str, ...],
    apply: bool,
    keys: tuple[str, ...],
) -> Proposal:
    from sluiceway.quality.mending import apply_dataset, propose_data

    project, env = options.project(), options.environment
    if apply:
        return apply_dataset(target, contract, project=project, environment=env, chosen=rules, key=keys)
    return propose_data(target, contract, project=project, environment=env, chosen=rules)


def _file(
    options: Options,
    target: str,
    contract: Path | None,
    rules: tuple[str, ...],
    apply: bool,
    output: Path | None,
) -> Proposal:
    from sluiceway.quality.mending import apply_file, propose_data

    if contract is None:
        raise ConfigError(f"nothing says what is wrong with {target}", hint="give --contract FILE.odcs.yaml")
    if apply != (output is not None):
        raise ConfigError("a file is never changed in place", hint="write --apply -o NEWFILE")
    project = _project(options)
    if output is not None:
        return apply_file(target, output, contract, project=project, chosen=rules)
    return propose_data(target, contract, project=project, chosen=rules)


def _project(options: Options) -> Project | None:
    """A file can be looked at outside a project."""
    try:
        return options.project()
    except SpecError:
        if options.project_folder is not None:
            raise
        return None


def _code(proposal: Proposal) -> int:
    from sluiceway.cli.summary import exit_code

    return exit_code(proposal.run) if proposal.run is not None and proposal.run.status != "blocked" else (
        3 if proposal.run is not None else 0
    )  # fmt: skip


def _print(options: Options, proposal: Proposal) -> None:
    say = options.console.say
    done = "put right" if proposal.applied else "could be put right"
    say(f"{proposal.target}: {proposal.rows:,} rows, {proposal.fixable:,} values {done}", "bold")
    rows = [(f.check_id, f.fix, f.failing, f.fixed, f.failing - f.fixed) for f in proposal.fixes if f.failing]
    options.console.table(("check", "fix", "failing", "fixed", "left"), rows, ("failing", "fixed", "left"))
    for fix in proposal.fixes:
        if fix.values:
            say(f"  {fix.check_id}, the commonest changes:")
            cells = [(_quoted(v["before"]), "→", _quoted(v["after"]), v["count"]) for v in fix.values]
            options.console.table(("before", "", "after", "rows"), cells, ("rows",))
    for check, why in proposal.without.items():
        say(f"  {check} has no fix: {why}")
    run = proposal.run
    if run is not None and run.error is not None:
        say(f"  why: {run.error.message}", "red")
    if proposal.output is not None:
        say(f"  written to {proposal.output}")
    elif proposal.applied and run is not None:
        say(f"  take it back: sluiceway fix undo {run.run_id}")
    elif proposal.fixable and not proposal.applied and (run is None or run.success):
        say("  nothing was changed; add --apply to do it")


def _quoted(value: Any) -> str:
    return "NULL" if value is None else f"'{value}'"


@command.command("list")
@click.option("--run", "run_id", help="Only this run, with its commonest changes.")
@click.option("--dataset", metavar="TABLE", help="Only runs that published this table.")
@common
def list_(options: Options, run_id: str | None, dataset: str | None) -> None:
    """List the runs that put values right, and whether they were undone."""
    from sluiceway.run.unfix import fixed_runs
    from sluiceway.store.store import Store

    project = options.project()
    found = fixed_runs(project, options.environment, run_id=run_id, table=dataset)
    with Store.open(project.metadata) as store:
        env = options.environment_of(project).name
        kept = store.fixes(run_id=run_id, dataset=dataset, environment=env, limit=None)
    checks: dict[str, list[dict[str, Any]]] = {}
    for row in kept:
        checks.setdefault(row["run_id"], []).append(row)
    columns = ("run_id", "pipeline", "dataset", "fixed", "undone", "at")
    options.console.table(columns, [tuple(r[c] for c in columns) for r in found], ("fixed", "undone"))
    if not found:
        options.console.say("no run has put a value right")
    for row in kept if run_id is not None else ():
        options.console.say(
            f"  {row['check_id']}: {row['fixed']:,} of {row['failing']:,} fixed by {row['fix']}"
        )
        cells = [(_quoted(v["before"]), "→", _quoted(v["after"]), v["count"]) for v in row["values"]]
        options.console.table(("before", "", "after", "rows"), cells, ("rows",))
    if any(r["fixed"] > r["undone"] for r in found):
        options.console.say("  take one back:  sluiceway fix undo RUN")
    options.console.document({"fixes": [{**row, "checks": checks.get(row["run_id"], [])} for row in found]})


@command.command()
@click.argument("run")
@common
def undo(options: Options, run: str) -> int:
    """Put back every value that RUN put right, where its row was not changed since.

    It is a publish of its own, with a receipt. Where single rows can't be put back it says why.
    """
    from sluiceway.cli.summary import exit_code
    from sluiceway.run.unfix import undo_fixes

    undone = undo_fixes(options.project(), options.environment, run)
    options.console.say(f"{undone.restored:,} rows are as they came to run {run}")
    if undone.changed:
        options.console.say(f"  {undone.changed:,} rows were changed since, and stay as they are")
    if undone.before:
        options.console.say(f"  {undone.before:,} rows were put back by an earlier undo")
    options.console.document({"undone": run, **undone.as_dict()})
    return exit_code(undone.run) if undone.run is not None else 0
