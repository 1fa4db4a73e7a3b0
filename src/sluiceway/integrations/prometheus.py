"""Prometheus: alert rules over our metrics."""

from __future__ import annotations

import io
from typing import Any

from sluiceway.integrations.panels import RULES

__all__ = ["rules"]


def rules() -> str:
    """A file for ``rule_files:``.

    >>> rules().splitlines()[1]
    '- name: sluiceway'
    """
    from ruamel.yaml import YAML

    document: dict[str, Any] = {
        "groups": [
            {
                "name": "sluiceway",
                "rules": [
                    {
                        "alert": rule.name,
                        "expr": rule.query,
                        "for": rule.since,
                        "labels": {"severity": rule.severity},
                        "annotations": {"summary": rule.summary},
                    }
                    for rule in RULES
                ],
            }
        ]
    }
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 10_000
    yaml.dump(document, text)
    return text.getvalue()
