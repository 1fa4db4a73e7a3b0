"""Datadog: a dashboard over our metrics, and the settings by which its Agent reads them.

By the documents of its API of dashboards and of the Agent's OpenMetrics check. No Datadog was at hand to load
the dashboard into.
"""

from __future__ import annotations

import io
import json
from string import ascii_lowercase
from typing import Any

from sluiceway.integrations.panels import PANELS, Panel
from sluiceway.orchestrate.metrics import METRICS

__all__ = ["agent", "dashboard"]

_ENV = "$environment"
_SELECT = "$environment,$pipeline"


def dashboard(title: str = "Sluiceway") -> str:
    """The body of ``POST /api/v1/dashboard``.

    >>> json.loads(dashboard())["layout_type"]
    'ordered'
    """
    document = {
        "title": title,
        "description": "Runs, quality, queue and health, by: sluiceway export datadog --agent",
        "layout_type": "ordered",
        "template_variables": [
            {"name": name, "prefix": name, "available_values": [], "default": "*"}
            for name in ("environment", "pipeline")
        ],
        "widgets": [{"definition": _widget(panel)} for panel in PANELS if panel.datadog],
    }
    return json.dumps(document, indent=2) + "\n"


def _widget(panel: Panel) -> dict[str, Any]:
    number = panel.kind == "number"
    queries = [
        {
            "name": name,
            "data_source": "metrics",
            "query": query.replace("$SELECT", _SELECT).replace("$ENV", _ENV),
            # what is counted is added up over the time that is shown; of the rest the last value counts
            **({"aggregator": "sum" if query.endswith(".as_count()") else "last"} if number else {}),
        }
        for name, query in zip(ascii_lowercase, panel.datadog, strict=False)
    ]
    request: dict[str, Any] = {
        "formulas": [{"formula": panel.formula}],
        "queries": queries,
        "response_format": "scalar" if number else "timeseries",
    }
    if not number:
        request["display_type"] = "line"
    return {"type": "query_value" if number else "timeseries", "title": panel.title, "requests": [request]}


def agent(endpoint: str = "http://127.0.0.1:9464/metrics") -> str:
    """``conf.d/openmetrics.d/conf.yaml`` of the Agent, 7.32 or later: our names become Datadog's.

    >>> agent().splitlines()[:3]
    ['init_config: {}', 'instances:', '- openmetrics_endpoint: http://127.0.0.1:9464/metrics']
    """
    from ruamel.yaml import YAML

    instance = {
        "openmetrics_endpoint": endpoint,
        "namespace": "sluiceway",
        "metrics": [{metric.name: metric.name.removeprefix("sluiceway_")} for metric in METRICS],
    }
    text = io.StringIO()
    YAML().dump({"init_config": {}, "instances": [instance]}, text)
    return text.getvalue()
