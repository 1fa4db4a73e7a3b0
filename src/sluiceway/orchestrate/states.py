"""Which pipelines were changed since they last succeeded: ``state:modified``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.errors import SluicewayError
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import pipeline_files
from sluiceway.store.store import Store
from sluiceway.store.values import clean_config, config_hash

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["states"]


def states(project: Project, environment: str) -> dict[str, str]:
    """Name -> ``new``, ``modified`` or ``unmodified``, by what the file declares and nothing beside it:
    neither a contract's file nor the code of a Python step.

    Raises:
        StoreError: the metadata store can't be reached.
    """
    with Store.open(project.metadata) as store:
        last = store.tally.configs(environment)
    found = {}
    for file in pipeline_files(project).values():
        try:
            config = PipelineConfig.load(file)
        except SluicewayError:
            continue  # whoever selects is told of it
        name = config.pipeline
        same = last.get(name) == config_hash(name, clean_config(config.declared()))
        found[name] = "new" if name not in last else ("unmodified" if same else "modified")
    return found
