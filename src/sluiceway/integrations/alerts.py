"""Alerts of runs: the listener of ``alerts:``, found as every integration is.

The work is done in ``sluiceway.alerts``, which runs must not import: it stands above them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluiceway.alerts.listener import RunAlerts
from sluiceway.integrations.base import Integration, Listener

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["INTEGRATION", "listener"]


def listener(_config: Mapping[str, Any], project: Project) -> Listener:
    """The listener for a project's ``alerts:``. A route that can't be used is told by the alert's delivery,
    never by the run."""
    return RunAlerts(project)


INTEGRATION = Integration(
    name="alerts",
    doc=__doc__,
    listener=listener,
    examples=(
        "alerts: [{to: 'slack://${SLACK_TOKENS}', severity: error, pipelines: 'sales_*'}]",
        "alerts: [{to: 'webhook+https://hooks.example.org/data', secret: '${HOOK_KEY}', quarantined: 1%}]",
    ),
)
