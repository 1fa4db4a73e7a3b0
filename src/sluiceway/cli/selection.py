"""Which pipelines a call means, and in which order they run."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from sluiceway.cli.options import Options
    from sluiceway.spec.model import Pipeline, Project

__all__ = ["choose", "in_order"]


def choose(
    options: Options,
    project: Project,
    names: tuple[str, ...],
    patterns: tuple[str, ...],
    variables: dict[str, Any],
) -> list[Pipeline]:
    """The named pipelines and those that a pattern selects, each once, dependencies first.

    Raises:
        ConfigError: nothing was named, or a pattern matches nothing.
    """
    from sluiceway.spec.project import pipeline_files

    if not names and not patterns:
        there = ", ".join(pipeline_files(project)) or "none yet; make a project with: sluiceway init DIR"
        raise ConfigError(
            f"which pipeline? There are: {there}",
            hint="sluiceway run NAME, or all of them: sluiceway run --select '*'",
        )
    chosen = {p.name: p for p in (options.pipeline(name, project, variables) for name in names)}
    if patterns:
        everything = [options.pipeline(str(f), project, variables) for f in pipeline_files(project).values()]
        for pattern in patterns:
            matching = [p for p in everything if _matches(p, pattern)]
            if not matching:
                known = [p.name for p in everything]
                raise ConfigError(f"no pipeline matches '{pattern}'", hint=did_you_mean(pattern, known))
            chosen.update({p.name: p for p in matching if p.name not in chosen})
    return in_order(list(chosen.values()))


def _matches(pipeline: Pipeline, pattern: str) -> bool:
    if pattern.startswith("tag:"):
        return any(fnmatchcase(tag, pattern.removeprefix("tag:")) for tag in pipeline.tags)
    return fnmatchcase(pipeline.name, pattern)


def in_order(pipelines: list[Pipeline]) -> list[Pipeline]:
    """Dependencies among them first; else as they were given.

    A dependency is ``pipeline:NAME``, or ``dataset:TABLE`` that another of them publishes.

    Raises:
        ConfigError: they depend on each other in a circle.
    """
    by_name = {p.name: p for p in pipelines}
    by_table = {str(p.destination.table): p.name for p in pipelines}
    done: list[Pipeline] = []
    path: list[str] = []

    def visit(pipeline: Pipeline) -> None:
        if pipeline.name in {p.name for p in done}:
            return
        if pipeline.name in path:
            circle = " → ".join([*path[path.index(pipeline.name) :], pipeline.name])
            raise ConfigError(f"depends_on goes in a circle: {circle}", hint="remove one of the entries")
        path.append(pipeline.name)
        for entry in pipeline.depends_on:
            kind, _, what = entry.partition(":")
            name = by_table.get(what) if kind == "dataset" else what or kind
            if name in by_name and name != pipeline.name:
                visit(by_name[name])
        path.pop()
        done.append(pipeline)

    for pipeline in pipelines:
        visit(pipeline)
    return done
