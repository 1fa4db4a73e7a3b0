"""What columns hold, whatever their type says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.quality.model import Pii, Semantic, TextType
    from sluiceway.schema import Schema

__all__ = ["Detected", "detected"]


@dataclass(frozen=True)
class Detected:
    """What was found out about one column. ``notes``: what could not be decided, a sentence each."""

    text_type: TextType | None = None
    semantic: Semantic | None = None
    pii: Pii | None = None
    notes: tuple[str, ...] = ()


def detected(engine: Engine, relation: str, schema: Schema, rows: int) -> dict[str, Detected]:
    """Every column of ``schema`` by name."""
    return {column.name: Detected() for column in schema}
