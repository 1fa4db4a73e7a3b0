"""``observe:`` of sluiceway.yml: whom the numbers and traces of runs are sent to."""

from __future__ import annotations

from pydantic import Field

from sluiceway.spec.fields import Duration, Strict

__all__ = ["ObserveConfig", "OtelConfig", "StatsdConfig"]


class StatsdConfig(Strict):
    """A StatsD server, told over UDP."""

    host: str = Field("127.0.0.1", description="the server")
    port: int = Field(8125, ge=1, le=65_535, description="its UDP port")
    prefix: str = Field("sluiceway", description="what every name begins with")
    tags: bool = Field(
        True, description="tags as DogStatsD has them; false puts the pipeline into the name, as plain StatsD"
    )


class OtelConfig(Strict):
    """An OpenTelemetry collector, told over OTLP by HTTP."""

    endpoint: str = Field(description="its base URL, such as http://127.0.0.1:4318")
    headers: dict[str, str] = Field(default_factory=dict, description="headers of each request; secrets")
    service: str = Field("sluiceway", description="service.name")
    timeout: Duration = Field("5s", description="how long a request may take")


class ObserveConfig(Strict):
    """Whom the numbers and traces of runs are sent to."""

    statsd: StatsdConfig | None = Field(None, description="a StatsD or DogStatsD server")
    otel: OtelConfig | None = Field(None, description="an OpenTelemetry collector: a run is a trace")
