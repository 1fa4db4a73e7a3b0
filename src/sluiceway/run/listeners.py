"""Who listens to the events of a project's runs, beside the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway import logs, plugins

if TYPE_CHECKING:
    from sluiceway.events import EventBus
    from sluiceway.spec.model import Project

__all__ = ["listen", "outside"]


def listen(bus: EventBus, project: Project) -> None:
    """What the project's file asks for: lineage, alerts, StatsD, OpenTelemetry; and JSON logs."""
    outside(bus, project)
    logs.listen(bus)  # the last: what the others log when a run is over is still of the run


def outside(bus: EventBus, project: Project) -> None:
    """The same without our own logs."""
    if project.lineage:
        bus.listen(
            "openlineage", plugins.load("integrations", "openlineage").listener(project.lineage, project)
        )
    if project.alerts:
        bus.listen("alerts", plugins.load("integrations", "alerts").listener({}, project))
    for name, config in project.observe.items():
        bus.listen(name, plugins.load("integrations", name).listener(config, project))
