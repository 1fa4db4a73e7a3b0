"""Columns whose values are not to be shown, of data that is looked at outside a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.errors import SluicewayError
from sluiceway.run.standing import kind_of_file
from sluiceway.schema import TableName
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import pipeline_files
from sluiceway.spec.resolve import resolve

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["hidden_columns"]


def hidden_columns(project: Project, environment: str | None, target: str) -> frozenset[str]:
    """Columns of a dataset that the contract of the pipeline which loads it classifies.

    A file or a connection's table has no contract. A pipeline's file that can't be read names no dataset.

    Raises:
        SluicewayError: the pipeline that loads the dataset can't be resolved, so that what it classifies
            is not known.
    """
    if kind_of_file(target) is not None or ":" in target:
        return frozenset()
    table = TableName.parse(target)
    found: set[str] = set()
    for file in pipeline_files(project).values():
        try:
            config = PipelineConfig.load(file)
            loads = None if config.destination is None else TableName.parse(config.destination.table)
        except SluicewayError:
            continue
        if loads == table:
            pipeline = resolve(config, project, environment=environment)
            found |= pipeline.contract.classified if pipeline.contract else frozenset()
    return frozenset(found)
