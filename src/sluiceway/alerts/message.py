"""What a channel is told: a title, a text for people, and a JSON document for programs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sluiceway.alerts.model import SEVERITIES, Severity
from sluiceway.secrets import redact, redact_tree
from sluiceway.store.values import plain

__all__ = ["Kind", "Message", "compose"]

Kind = Literal["raised", "resolved", "test"]
_SHOWN = 5
"""Reasons of an alert, and alerts of a message, that are written out; the others are counted."""


@dataclass(frozen=True)
class Message:
    """``id`` is the same however often the message is sent: receivers know by it what they have.

    ``severity`` is the worst of its alerts. All of it is redacted.
    """

    id: str
    kind: Kind
    severity: Severity
    title: str
    text: str
    document: Mapping[str, Any]


def compose(
    kind: Kind, project: str, environment: str, rows: Sequence[Mapping[str, Any]], at: datetime, identity: str
) -> Message:
    """The message of alerts that belong together.

    Args:
        rows: alerts as the store keeps them: the fields of ``Alert`` with ``count``, ``first_at``.
        identity: what is told by it, such as the deliveries' ids.
    """
    worst: Severity = max((row["severity"] for row in rows), key=SEVERITIES.index)
    if len(rows) == 1:
        title = f"{_label(kind, worst)} {rows[0]['title']}"
    else:
        first = rows[0]["title"]
        title = f"{_label(kind, worst)} {len(rows)} alerts in {project}, the first: {first}"
    parts = [_one(kind, environment, row) for row in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        keys = ", ".join(row["key"] for row in rows[_SHOWN:])
        parts.append(f"and {len(rows) - _SHOWN} more: {keys}")
    number = hashlib.sha256(f"{project}\0{environment}\0{identity}".encode()).hexdigest()[:32]
    document = {
        "version": 1,
        "id": number,
        "kind": kind,
        "project": project,
        "environment": environment,
        "severity": worst,
        "title": title,
        "at": at,
        "alerts": [_document(row) for row in rows],
    }
    known = redact_tree(plain(document))
    return Message(number, kind, worst, redact(title), redact("\n\n".join(parts)), known)


def _label(kind: Kind, severity: str) -> str:
    return {"raised": f"[{severity}]", "resolved": "[resolved]", "test": "[test]"}[kind]


def _one(kind: Kind, environment: str, row: Mapping[str, Any]) -> str:
    """One alert as people read it: what, why, where, how much, what to type."""
    details = row["details"]
    head = f"{row['title']}" if kind != "resolved" else f"{row['title']} (over)"
    lines = [head]
    if row["message"]:
        lines.append(row["message"])
    if kind != "resolved":
        reasons = [str(reason) for reason in details.get("reasons", ()) if str(reason) not in row["message"]]
        lines += [f"  - {reason}" for reason in reasons[:_SHOWN]]
        if len(reasons) > _SHOWN:
            lines.append(f"  - and {len(reasons) - _SHOWN} more")
    lines.append(_facts(environment, row))
    counts = details.get("records") or {}
    numbers = ", ".join(f"{count:,} {what}" for what, count in counts.items() if isinstance(count, int))
    if numbers and kind != "resolved":
        lines.append(f"rows: {numbers}")
    if row.get("count", 1) > 1:
        lines.append(f"raised {row['count']:,} times since {row['first_at']:%Y-%m-%d %H:%M} UTC")
    if details.get("next") and kind != "resolved":
        lines.append(f"next: {details['next']}")
    return "\n".join(lines)


def _facts(environment: str, row: Mapping[str, Any]) -> str:
    named = {
        "pipeline": row["pipeline"],
        "dataset": row["dataset"],
        "environment": environment,
        "owner": row["owner"],
        "run": row["run_id"],
        "alert": row["key"],
    }
    return "   ".join(f"{name}: {value}" for name, value in named.items() if value)


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    keys = (
        "key", "kind", "severity", "title", "message", "pipeline", "dataset", "owner", "run_id", "count",
        "first_at", "details",
    )  # fmt: skip
    return {key: row.get(key) for key in keys}
