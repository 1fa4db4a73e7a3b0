"""What an integration is: a listener to a run's events, made from the project's configuration.

A system's file ends in ``INTEGRATION = Integration(...)``. A listener may raise: the event bus logs
and counts that, and the run goes on. It must come back soon: the run waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.events import Event

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["Integration", "Listener"]

Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Integration:
    """``listener(config, project)`` raises ConfigError where ``config`` can't be used."""

    name: str
    doc: str
    listener: Callable[[Mapping[str, Any], Project], Listener]
    examples: tuple[str, ...] = ()
