"""``sluiceway export prometheus``: alert rules over the metrics that ``serve`` gives."""

from __future__ import annotations

from sluiceway.cli.export_text import command_for

__all__ = ["command"]


def _text() -> str:
    from sluiceway.integrations.prometheus import rules

    return rules()


command = command_for(
    "prometheus", "Write Prometheus' alert rules over the metrics that `serve --metrics-port` gives.", _text
)
