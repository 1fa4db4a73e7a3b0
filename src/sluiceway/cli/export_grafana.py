"""``sluiceway export grafana``: a dashboard of the metrics that ``serve`` gives."""

from __future__ import annotations

from sluiceway.cli.export_text import command_for

__all__ = ["command"]


def _text() -> str:
    from sluiceway.integrations.grafana import dashboard

    return dashboard()


command = command_for(
    "grafana", "Write a Grafana dashboard of the metrics that `serve --metrics-port` gives, as JSON.", _text
)
