"""``alerts:`` of sluiceway.yml: who is told of what. Channels and the sending are ``sluiceway.alerts``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from sluiceway.spec.fields import Duration, Names, Strict, as_list

__all__ = ["AlertConfig", "AlertSpec", "share"]

Severity = Literal["info", "warning", "error", "critical"]
Told = Literal[
    "failed", "blocked", "quarantined", "degraded", "anomaly", "slow", "listener", "cancelled", "all"
]
Group = Literal["pipeline", "dataset", "owner", "kind", "severity", "environment"]


def share(value: Any) -> float:
    """0..1 out of ``1%``, or of a number that is one already.

    >>> share("1%"), share(0.05), share("0.5 %")
    (0.01, 0.05, 0.005)

    Raises:
        ValueError: anything else.
    """
    text = value.strip() if isinstance(value, str) else ""
    try:
        if text.endswith("%"):
            found = float(text[:-1]) / 100
        elif isinstance(value, bool):
            raise ValueError
        else:
            found = float(value)
    except (TypeError, ValueError):
        raise ValueError("expected a share such as '1%' or 0.01") from None
    if not 0 <= found <= 1:
        raise ValueError("expected a share between 0% and 100%")
    return found


def _declared_share(value: Any) -> Any:
    share(value)
    return value


Share = Annotated[
    str | float,
    PlainValidator(_declared_share),
    Field(json_schema_extra={"anyOf": [{"type": "string"}, {"type": "number"}]}),
]


class AlertConfig(Strict):
    """One route: a channel or several, and which alerts go there."""

    to: Names = Field(description="where to: a URL or a list of them; docs/alerts.md has the schemes")
    name: str | None = Field(None, description="its name in the history; `alerts[N]` if absent")
    severity: Severity = Field("info", description="the least severity that is told")
    pipelines: Names | None = Field(None, description="only of these pipelines; * and ? are wildcards")
    datasets: Names | None = Field(None, description="only of these datasets; * and ? are wildcards")
    owners: Names | None = Field(None, description="only of pipelines of these owners; * and ? are wildcards")
    environments: Names | None = Field(None, description="only in these environments; * and ? are wildcards")
    on: Told | list[Told] | None = Field(
        None,
        description="what is told, and nothing else; all but `cancelled` without `on` and `kinds`",
    )
    kinds: Names | None = Field(
        None, description="kinds of alerts beside those of `on`, such as `quality_*`; * and ? are wildcards"
    )
    quarantined: Share | None = Field(
        None, description="tell of a run that quarantined more than this share of its rows, such as 1%"
    )
    slow: Duration | None = Field(None, description="tell of a run that took longer than this")
    throttle: Duration = Field(
        "5m", description="tell of the same problem at most once in this time; 0 tells every time"
    )
    group_by: Group | list[Group] | None = Field(
        None, description="alerts that agree in these make one message per `throttle`; each its own if absent"
    )
    resolve: bool = Field(True, description="tell too when it is over")
    timeout: Duration = Field("5s", description="the longest that it is waited for; all together 10s")
    secret: str | None = Field(None, description="the key that webhooks are signed with; a ${VAR}")

    @model_validator(mode="after")
    def _slow_has_a_limit(self) -> AlertConfig:
        if "slow" in (as_list(self.on) or ()) and self.slow is None:
            raise ValueError("`on: slow` needs a limit: write slow: 30m beside it")
        return self


class AlertSpec(Mapping[str, Any]):
    """A route as it is declared. A variable is put in when its key is read, so that a channel that is not
    told anything need not have its variables defined. ``raw`` keeps them."""

    def __init__(self, raw: Mapping[str, Any], resolve: Callable[[tuple[str | int, ...]], Any]) -> None:
        self.raw, self._resolve = raw, resolve

    def url(self, position: int) -> str:
        """One of ``to:``, with its variables, and without those of the others."""
        several = isinstance(self.raw["to"], list)
        return str(self._resolve(("to", position) if several else ("to",)))

    def __getitem__(self, key: str) -> Any:
        if key not in self.raw:
            raise KeyError(key)
        return self._resolve((key,))

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def __repr__(self) -> str:
        return f"<{', '.join(self.raw)}>"
