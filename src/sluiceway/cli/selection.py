"""Which pipelines a call means, and in which order they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.cli.options import Options
    from sluiceway.orchestrate.graph import Graph
    from sluiceway.spec.model import Pipeline, Project

__all__ = ["choose", "states_of"]


def choose(
    options: Options,
    project: Project,
    names: tuple[str, ...],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    variables: dict[str, Any],
    *,
    whole: bool = False,
) -> tuple[list[Pipeline], Graph | None]:
    """The named pipelines and those that are selected, each once, after those that it needs; and the graph
    of all of the project's, where it was asked for more than one, or ``whole``.

    Raises:
        ConfigError: nothing was named, or a selector chooses nothing, or a file can't be read.
    """
    from sluiceway.spec.project import pipeline_files

    if not names and not select:
        there = ", ".join(pipeline_files(project)) or "none yet; make a project with: sluiceway init DIR"
        raise ConfigError(
            f"which pipeline? There are: {there}",
            hint="sluiceway run NAME, or all of them: sluiceway run --select '*'",
        )
    if len(names) == 1 and not select and not whole:
        return [options.pipeline(names[0], project, variables)], None
    from sluiceway.orchestrate.graph import Graph
    from sluiceway.orchestrate.select import chosen

    graph = Graph.load(project, options.environment, variables)
    found = {p.name: p for p in (options.pipeline(name, project, variables) for name in names)}
    if select:
        for error in graph.broken.values():
            raise error  # what is selected is not known while a file can't be read
        for name in chosen(graph, select, exclude, project.folder, states_of(options, project)):
            found.setdefault(name, options.pipeline(name, project, variables))
    order = graph.order(found)
    return [*(found[name] for name in order), *(p for name, p in found.items() if name not in order)], graph


def states_of(options: Options, project: Project) -> Callable[[], dict[str, str]]:
    """For ``state:``, which alone looks into the store."""

    def look() -> dict[str, str]:
        from sluiceway.orchestrate.states import states

        return states(project, options.environment_of(project).name)

    return look
