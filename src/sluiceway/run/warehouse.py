"""An environment's warehouse, opened by itself: for quarantine, rollback and doctor."""

from __future__ import annotations

import shutil
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sluiceway.connectors.base import ConnectorContext
from sluiceway.errors import PlanError
from sluiceway.run.resolve import fits, open_engine
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
def warehouse(project: Project, environment: str | None, *, changes: bool = False) -> Iterator[Sink]:
    """The sink of an environment, with a connection of its own.

    Args:
        changes: its tables will be changed: where that takes an engine, it is started.
    """
    env = environment_of(project, environment)
    sink = sink_of(project, env)
    with ExitStack() as stack:
        stack.callback(sink.close)
        if not changes or sink.capabilities.engine is None:
            sink.open(None)
        else:
            fits(sink, env.engine)
            folder = project.folder / ".sluiceway" / "staging" / f"rollback-{uuid.uuid4().hex[:12]}"
            engine = open_engine(env.engine, folder)
            stack.callback(engine.close)
            stack.callback(shutil.rmtree, engine.staging, ignore_errors=True)
            sink.open(engine)
            engine.seal(sink.folders())
        yield sink
