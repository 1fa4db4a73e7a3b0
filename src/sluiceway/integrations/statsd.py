"""StatsD and DogStatsD: counters and timings of each run that ends, in one UDP packet or a few.

UDP tells nobody whether it arrived: a server that is not there costs a run nothing, and is not noticed.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sluiceway.events import Event, RunFinished
from sluiceway.integrations.base import Integration

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["INTEGRATION", "Teller", "lines", "listener"]

PACKET = 1_400
"""Bytes that pass every network unbroken."""


class Teller:
    """Remembers how a run ended, and tells it when the run is over: finding the server may take long."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._finished: RunFinished | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunFinished) and event.kind == "run":
            self._finished = event

    def over(self, _failures: Mapping[str, int]) -> tuple[str, ...]:
        """Raises OSError where the server's name is not known."""
        if self._finished is None:
            return ()
        run, self._finished = self._finished, None
        host, port = str(self._config.get("host", "127.0.0.1")), int(self._config.get("port", 8125))
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, proto) as out:
            for packet in _packets(lines(run, self._config)):
                out.sendto(packet, address)
        return ()


def listener(config: Mapping[str, Any], project: Project) -> Teller:
    """Tells the server of each run that ends."""
    return Teller(config)


def lines(event: RunFinished, config: Mapping[str, Any]) -> Iterator[str]:
    """What is said of a run.

    >>> from datetime import datetime
    >>> event = RunFinished("r1", "orders", datetime(2026, 1, 1), environment="dev", status="failed")
    >>> next(lines(event, {"tags": True}))
    'sluiceway.runs:1|c|#pipeline:orders,environment:dev,status:failed'
    >>> list(lines(event, {"tags": False, "prefix": "x"}))[0]
    'x.runs.orders.failed:1|c'
    """
    prefix, tagged = str(config.get("prefix", "sluiceway")), bool(config.get("tags", True))
    pipeline, status = _clean(event.pipeline), _clean(event.status)
    with_status = f"|#pipeline:{pipeline},environment:{_clean(event.environment)},status:{status}"
    plain = f"|#pipeline:{pipeline},environment:{_clean(event.environment)}"

    def line(name: str, value: str, kind: str, *, of_status: bool = False) -> str:
        if tagged:
            return f"{prefix}.{name}:{value}|{kind}{with_status if of_status else plain}"
        return f"{prefix}.{name}.{pipeline}{f'.{status}' if of_status else ''}:{value}|{kind}"

    yield line("runs", "1", "c", of_status=True)
    yield line("run_duration", f"{event.seconds * 1000:.0f}", "ms", of_status=True)
    for of in ("published", "quarantined"):
        number = event.records.get(of)
        if number:
            yield line(f"rows_{of}", str(number), "c")
    if event.quality_score is not None:
        yield line("quality_score", f"{event.quality_score:.6g}", "g")
    failing = sum(1 for check in event.checks if not check["passed"] and not check.get("shadow"))
    yield line("checks_failed", str(failing), "g")


def _clean(text: str) -> str:
    """What the protocol's own signs would break."""
    return re.sub(r"[:|@#,\s]", "_", text)


def _packets(said: Iterator[str]) -> Iterator[bytes]:
    packet = b""
    for line in said:
        encoded = line.encode()
        if packet and len(packet) + 1 + len(encoded) > PACKET:
            yield packet
            packet = b""
        packet = packet + b"\n" + encoded if packet else encoded
    if packet:
        yield packet


INTEGRATION = Integration(
    name="statsd",
    doc=__doc__,
    listener=listener,
    examples=("observe: {statsd: {host: 127.0.0.1, port: 8125}}",),
)
