"""``sluiceway contract lint``: everything that is wrong with contract files."""

from __future__ import annotations

from pathlib import Path

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@common
def command(options: Options, files: tuple[Path, ...], strict: bool) -> int:
    """Check contract files: the standard, their rules, the columns these name, ids, versions.

    Prints every problem with its line. Exits with 1 if one is an error.
    """
    from sluiceway.spec.contract_lint import lint_file

    found = {str(path): lint_file(path) for path in files}
    problems = [problem for each in found.values() for problem in each]
    for problem in problems:
        style = "red" if problem.level == "error" else "yellow"
        options.console.say(f"{problem.where}: {problem.level}: {problem.message}", style)
        if problem.hint:
            options.console.say(f"  {problem.hint}")
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    s = "" if len(found) == 1 else "s"
    options.console.say(f"{len(found)} contract{s}: {errors} errors, {warnings} warnings")
    options.console.document(
        {
            "errors": errors,
            "warnings": warnings,
            "files": [
                {"file": name, "problems": [problem.as_dict() for problem in each]}
                for name, each in found.items()
            ],
        }
    )
    return 1 if errors or (strict and warnings) else 0
