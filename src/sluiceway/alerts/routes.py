"""Which channel wants which alert, and what belongs into one message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from sluiceway.alerts.channels import Send, cleaner, open_channel
from sluiceway.alerts.model import Alert, at_least
from sluiceway.errors import SluicewayError, Where
from sluiceway.secrets import redact
from sluiceway.spec.alerts import AlertConfig, AlertSpec, share
from sluiceway.spec.fields import as_list
from sluiceway.spec.validate import build
from sluiceway.spec.yaml import shown
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.spec.model import Project
    from sluiceway.spec.yaml import KeyPath

__all__ = ["KINDS", "Channel", "routes_of"]

KINDS: Mapping[str, str] = {
    "failed": "run_failed",
    "blocked": "gate_blocked",
    "quarantined": "quarantine",
    "slow": "run_slow",
    "listener": "listener_failed",
    "cancelled": "run_cancelled",
    "degraded": "quality_*",
    "anomaly": "*anomaly*",
    "all": "*",
}
"""The words of ``on`` and the kinds of alerts that they mean."""

_LIMITS = {"quarantine": ("quarantined", "share"), "run_slow": ("slow", "seconds")}
"""Kinds that a route is told of only beyond a limit of its own: its key, and what is measured."""

_UNREAD = frozenset({"to", "secret"})
"""Keys whose variables are put in when something is sent, and no sooner."""


@dataclass(frozen=True)
class Channel:
    """One URL of one route. ``config`` is None where the route can't be read: ``problem`` says why, and
    whoever is told anything is told that."""

    name: str
    route: Mapping[str, Any]
    position: int
    config: AlertConfig | None
    where: Where | None = None
    problem: SluicewayError | None = None

    def wants(self, alert: Alert, environment: str) -> bool:
        """Whether this route is for such an alert."""
        config = self.config
        if config is None:
            return True
        named = (
            (config.environments, environment),
            (config.pipelines, alert.pipeline),
            (config.datasets, alert.dataset),
            (config.owners, alert.owner),
        )
        if not all(patterns is None or _fits(value, patterns) for patterns, value in named):
            return False
        if config.on is None and config.kinds is None:
            chosen = alert.kind != "run_cancelled" and alert.kind not in _LIMITS
        else:
            chosen = _fits(alert.kind, [*(KINDS[word] for word in as_list(config.on) or ())])
            chosen = chosen or _fits(alert.kind, config.kinds or ())
        beyond = self._beyond(alert)
        if alert.kind == "run_slow":  # every run takes some time: without a limit none is slow
            return bool(beyond)
        if beyond is not None:  # its own key asks for it: `severity: error` beside it is about the others
            return beyond
        return chosen and at_least(alert.severity, config.severity)

    def _beyond(self, alert: Alert) -> bool | None:
        """Whether an alert is beyond the route's own limit for its kind; None where it has none."""
        if alert.kind not in _LIMITS or self.config is None:
            return None
        key, measured = _LIMITS[alert.kind]
        limit = getattr(self.config, key)
        if limit is None:
            return None
        found = alert.details.get(measured, 0)
        return bool(found > (share(limit) if key == "quarantined" else duration(limit)))

    def group_of(self, alert: Alert, environment: str) -> str:
        """Alerts with the same answer make one message; by default each key is its own."""
        if self.config is None or self.config.group_by is None:
            return alert.key
        values = {
            "pipeline": alert.pipeline,
            "dataset": alert.dataset,
            "owner": alert.owner,
            "kind": alert.kind,
            "severity": alert.severity,
            "environment": environment,
        }
        return json.dumps({name: values[name] for name in as_list(self.config.group_by)}, sort_keys=True)

    @property
    def grouped(self) -> bool:
        return self.config is not None and self.config.group_by is not None

    @property
    def throttle(self) -> float:
        """Seconds."""
        return duration(self.config.throttle) if self.config is not None else 0.0

    @property
    def timeout(self) -> float:
        """Seconds."""
        return duration(self.config.timeout) if self.config is not None else 0.0

    @property
    def resolve(self) -> bool:
        return self.config is not None and self.config.resolve

    def open(self, project: Project) -> tuple[Send, Callable[[str], str]]:
        """What sends, and what makes a text safe to be shown.

        Raises:
            SluicewayError: the route can't be read, a variable is not defined, the URL can't be used.
        """
        if self.problem is not None:
            raise self.problem
        route = self.route
        url = (
            route.url(self.position)
            if isinstance(route, AlertSpec)
            else str(as_list(route["to"])[self.position])
        )
        secret = self.route.get("secret")
        send = open_channel(url, folder=project.folder, secret=secret, timeout=self.timeout, where=self.where)
        return send, cleaner(url)


def routes_of(project: Project) -> list[Channel]:
    """Every channel of ``alerts:``, in the order of the file. None of them is opened."""
    found: list[Channel] = []
    for n, route in enumerate(project.alerts):
        raw = route.raw if isinstance(route, AlertSpec) else route
        name = str(raw.get("name") or f"alerts[{n}]")
        config, problem = None, None
        try:
            given = {key: raw[key] if key in _UNREAD else route[key] for key in raw}
            config = build(AlertConfig, given, partial(_below, project, n))
        except SluicewayError as error:
            problem = error
        urls = raw.get("to")
        count = len(urls) if isinstance(urls, list | tuple) else 1
        for position in range(count):
            called = name if count == 1 else f"{name}.{position + 1}"
            where = _place(project, (n, "to"))
            found.append(Channel(redact(called), route, position, config, where, problem))
    return found


def _below(project: Project, n: int, path: KeyPath) -> Where:
    return _place(project, (n, *path))


def _place(project: Project, path: tuple[Any, ...]) -> Where:
    key = "alerts" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return Where(shown(project.file) if project.file else None, None, key)


def _fits(value: str | None, patterns: Any) -> bool:
    """
    >>> _fits("sales_eu", ["sales_*"]), _fits(None, "*")
    (True, False)
    """
    return value is not None and any(fnmatchcase(value, pattern) for pattern in as_list(patterns))
