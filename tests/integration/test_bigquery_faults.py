"""The line to BigQuery is cut when the publish was sent: it is published once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.conformance.harness import Warehouse
from tests.conformance.sinks import TWO
from tests.integration.proxy import CommitCutter

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.bigquery, pytest.mark.slow]


def _ports(keys: dict[str, str]) -> tuple[str, int]:
    host, _, port = keys["api_endpoint"].removeprefix("http://").partition(":")
    return host, int(port)


def _warehouse(keys: dict[str, str], folder: Path, port: int | None = None) -> Warehouse:
    endpoint = keys["api_endpoint"] if port is None else f"http://127.0.0.1:{port}"
    config = {"type": "bigquery", **keys, "api_endpoint": endpoint}
    return Warehouse("bigquery", config, folder)


def test_a_lost_answer_is_asked_for_again_and_nothing_is_published_twice(
    bigquery_keys: dict[str, str], tmp_path: Path
) -> None:
    with CommitCutter(*_ports(bigquery_keys)) as wire:
        with _warehouse(bigquery_keys, tmp_path, wire.port).session() as s:
            receipt = s.publish(TWO, "r1")
            assert s.rows() == Counter([(1, "a"), (2, None)])
            assert s.sink.receipts() == (receipt,)
        assert wire.cut == 1
