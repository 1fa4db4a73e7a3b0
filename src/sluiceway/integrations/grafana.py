"""Grafana: a dashboard of our metrics, by Grafana's own SDK."""

from __future__ import annotations

from typing import Any

from sluiceway.errors import MissingExtraError
from sluiceway.integrations.panels import PANELS, Panel

__all__ = ["dashboard", "query_of"]

_SELECT = 'environment=~"$environment", pipeline=~"$pipeline"'
_ENV = 'environment=~"$environment"'


def query_of(panel: Panel) -> str:
    """A panel's PromQL with the dashboard's variables.

    >>> query_of(PANELS[1])
    'min(sluiceway_health_score{environment=~"$environment", pipeline=~"$pipeline"})'
    """
    return panel.query.replace("$SELECT", _SELECT).replace("$ENV", _ENV)


def dashboard(title: str = "Sluiceway") -> str:
    """The dashboard as JSON, for Grafana 10 and later; it asks for its Prometheus when it is imported.

    Raises:
        MissingExtraError: the SDK is not installed.
    """
    try:
        from grafana_foundation_sdk.builders import dashboard as builders
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
    except ModuleNotFoundError:
        raise MissingExtraError.of("grafana", "The export to Grafana") from None
    made = (
        builders.Dashboard(title).uid("sluiceway").tags(["sluiceway"]).refresh("30s").time("now-24h", "now")
        .timezone("browser").with_variable(builders.DatasourceVariable("source").type("prometheus"))
        .with_variable(_variable(builders, "environment", "label_values(sluiceway_runs_total, environment)"))
        .with_variable(
            _variable(builders, "pipeline", f"label_values(sluiceway_runs_total{{{_ENV}}}, pipeline)")
        )
    )  # fmt: skip
    for panel in PANELS:
        made = made.with_panel(_panel(panel))
    encoded = JSONEncoder(sort_keys=True, indent=2).encode(made.build())
    return str(encoded) + "\n"


def _variable(builders: Any, name: str, query: str) -> Any:
    return (
        builders.QueryVariable(name)
        .query(query)
        .datasource(_source())
        .multi(True)
        .include_all(True)
        .refresh(2)
    )


def _source() -> Any:
    from grafana_foundation_sdk.models.dashboard import DataSourceRef

    return DataSourceRef(type_val="prometheus", uid="${source}")


def _panel(panel: Panel) -> Any:
    from grafana_foundation_sdk.builders import prometheus, stat, timeseries

    asked = prometheus.Dataquery().expr(query_of(panel)).legend_format(panel.legend).ref_id("A")
    kind = stat if panel.kind == "number" else timeseries
    small = panel.kind == "number"
    made = kind.Panel().title(panel.title).unit(panel.unit).datasource(_source()).with_target(asked)
    return made.description(panel.help).span(6 if small else 12).height(4 if small else 8)
