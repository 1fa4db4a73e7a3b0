"""For those who write an engine or a destination: does a pipeline give there what it gives on DuckDB?

The pipelines of ``PIPELINES`` have between them every step, every kind of rule and every load mode;
``same_on`` runs one on two environments and compares what they left cell by cell. See docs/testing.md.
"""

from __future__ import annotations

from sluiceway.testing.parity import Outcome, checksum, differences, outcome, same_on
from sluiceway.testing.pipelines import PIPELINES, ParityPipeline, write_project
from sluiceway.testing.sources import write_sources

__all__ = [
    "PIPELINES",
    "Outcome",
    "ParityPipeline",
    "checksum",
    "differences",
    "outcome",
    "same_on",
    "write_project",
    "write_sources",
]
