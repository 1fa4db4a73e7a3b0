"""Datadog: a dashboard over our metrics as its Agent's OpenMetrics check names them.

By the documents of its API of dashboards; no Datadog was at hand to load it into.
"""

from __future__ import annotations

import json
from typing import Any

from sluiceway.integrations.panels import PANELS, Panel

__all__ = ["dashboard"]


def dashboard(title: str = "Sluiceway") -> str:
    """The body of ``POST /api/v1/dashboard``.

    >>> json.loads(dashboard())["layout_type"]
    'ordered'
    """
    document = {
        "title": title,
        "description": "Runs, quality, queue and health. The Agent's openmetrics check reads the endpoint.",
        "layout_type": "ordered",
        "template_variables": [
            {"name": name, "prefix": name, "available_values": [], "default": "*"}
            for name in ("environment", "pipeline")
        ],
        "widgets": [{"definition": _widget(panel)} for panel in PANELS],
    }
    return json.dumps(document, indent=2) + "\n"


def _widget(panel: Panel) -> dict[str, Any]:
    number = panel.kind == "number"
    asked = {"name": "a", "data_source": "metrics", "query": panel.datadog}
    if " / " in panel.datadog:
        parts = panel.datadog.split(" / ")
        queries = [{**asked, "name": name, "query": part} for name, part in zip("ab", parts, strict=True)]
        formula = "a / b"
    else:
        queries, formula = [asked], "a"
    for query in queries:
        if number:
            query["aggregator"] = "last"
    request: dict[str, Any] = {
        "formulas": [{"formula": formula}],
        "queries": queries,
        "response_format": "scalar" if number else "timeseries",
    }
    if not number:
        request["display_type"] = "line"
    return {"type": "query_value" if number else "timeseries", "title": panel.title, "requests": [request]}
