"""``sluiceway export luigi``: the project's pipelines as code for Luigi."""

from __future__ import annotations

from sluiceway.cli.export_code import command_for

__all__ = ["command"]

command = command_for("luigi", "Luigi")
