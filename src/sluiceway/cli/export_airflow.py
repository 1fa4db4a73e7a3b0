"""``sluiceway export airflow``: the project's pipelines as code for Airflow."""

from __future__ import annotations

from sluiceway.cli.export_code import command_for

__all__ = ["command"]

command = command_for("airflow", "Airflow")
