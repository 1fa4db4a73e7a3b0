"""The line to BigQuery is cut when the publish was sent: it is published once, or said not to be known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conformance.harness import Warehouse
from tests.conformance.sinks import TWO
from tests.integration.proxy import CommitCutter

from sluiceway.errors import DestinationError

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


def test_what_can_t_be_asked_is_not_known_and_the_next_run_reads_the_receipt(
    bigquery_keys: dict[str, str], tmp_path: Path
) -> None:
    with CommitCutter(*_ports(bigquery_keys), closes=True) as wire:
        with _warehouse(bigquery_keys, tmp_path, wire.port).session() as s:
            s.sink.server.patience = 1.0  # type: ignore[attr-defined]
            with pytest.raises(DestinationError, match="can't be asked") as told:
                s.publish(TWO, "r1")
            assert told.value.details == {"ambiguous": True}
        assert wire.cut == 1
    direct = _warehouse(bigquery_keys, tmp_path)
    direct = replace(direct, config={**direct.config, "lock_lease": 60})
    with direct.session() as s:
        s.sink.server.ended("none such")  # type: ignore[attr-defined]
        again = s.publish(TWO, "r1")
        assert again.published == 2
        assert s.rows() == Counter([(1, "a"), (2, None)])
        assert len(s.sink.receipts()) == 1
