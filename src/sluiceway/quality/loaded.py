"""What a project's pipelines say of the datasets they load: which there are, and whose columns are secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError, PlanError, SpecError
from sluiceway.run.standing import kind_of_file
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from sluiceway.spec.model import Project
    from sluiceway.spec.pipeline import PipelineConfig

__all__ = ["classified", "loaded_datasets"]


def loaded_datasets(project: Project) -> list[str]:
    """Every table that a pipeline of the project loads into the warehouse, by name."""
    found = {str(table) for _, table in _loads(project)}
    return sorted(found)


def classified(target: Any, project: Project | None, contract: Path | None) -> frozenset[str]:
    """Columns of ``target`` whose values are not to be shown, in lower case.

    Args:
        contract: says it by ``classification:``; where absent, and ``target`` is a dataset that pipelines of
            the project load, their contracts and ``mask`` steps do.

    Raises:
        ConfigError: there is no such contract. SpecError: what must be read for this can't be.
    """
    from sluiceway.spec.contract import load_contract

    if contract is not None:
        if not contract.is_file() and (project is None or not (project.folder / contract).is_file()):
            raise ConfigError(f"there is no contract '{contract}'", hint="name a *.odcs.yaml file")
        return frozenset(n.casefold() for n in load_contract(contract, project=project).classified)
    if project is None or not isinstance(target, str) or kind_of_file(target) is not None or ":" in target:
        return frozenset()  # a file, rows or a connection's table: no pipeline loads them
    try:
        wanted = TableName.parse(target)
    except PlanError:
        return frozenset()
    found: set[str] = set()
    for config, table in _loads(project, about=wanted.name):
        if table == wanted:
            found |= _masked(config)
            if config.contract is not None:
                found |= {
                    c.casefold() for c in load_contract(Path(config.contract), project=project).classified
                }
    return frozenset(found)


def _loads(project: Project, about: str | None = None) -> Iterator[tuple[PipelineConfig, TableName]]:
    """A pipeline that can't be read is passed over, unless its file speaks of the table ``about``: then not
    to know what is secret is an error."""
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import pipeline_files

    for file in pipeline_files(project).values():
        try:
            config = PipelineConfig.load(file)
        except SpecError:
            if about is not None and about.casefold() in file.read_text("utf-8", errors="replace").casefold():
                raise
            continue
        if config.destination is not None and config.destination.table is not None:
            yield config, TableName.parse(config.destination.table)


def _masked(config: PipelineConfig) -> set[str]:
    steps = [step["mask"] for step in config.transform if isinstance(step, dict) and "mask" in step]
    return {str(column).casefold() for step in steps if isinstance(step, dict) for column in step}
