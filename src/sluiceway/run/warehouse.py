"""An environment's warehouse, opened by itself: for quarantine, rollback and doctor."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluiceway.connectors.base import ConnectorContext
from sluiceway.errors import PlanError
from sluiceway.spec.resolve import environment_of, warehouse_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sluiceway.connectors.base import Sink
    from sluiceway.spec.model import EnvironmentSpec, Project

__all__ = ["environment_of", "sink_of", "warehouse"]


def sink_of(project: Project, env: EnvironmentSpec) -> Sink:
    """An environment's warehouse, not opened."""
    connector, config = warehouse_config(project, env)
    if connector.sink is None:
        raise PlanError(f"{connector.name} can't be written to")
    sink: Sink = connector.sink(config, ConnectorContext(project=project.folder))
    return sink


@contextmanager
def warehouse(project: Project, environment: str | None) -> Iterator[Sink]:
    """The sink of an environment, with a connection of its own."""
    sink = sink_of(project, environment_of(project, environment))
    try:
        sink.open(None)
        yield sink
    finally:
        sink.close()
