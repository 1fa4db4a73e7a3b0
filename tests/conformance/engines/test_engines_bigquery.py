"""The pipelines of every engine inside BigQuery, on its emulator: what DuckDB gives, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import ConfigError, PlanError
from sluiceway.testing import PIPELINES, checksum, outcome, same_on, write_project, write_sources

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.emulators import Emulator

pytestmark = [pytest.mark.bigquery, pytest.mark.slow]

SETTINGS = """\
project: test
environments:
  filled:
    warehouse: {{type: bigquery, project: filled, {keys}}}
  inside:
    engine: warehouse
    warehouse: {{type: bigquery, project: inside, {keys}}}
"""
EQUAL = (
    "filtered", "selected", "deduplicated", "joined", "anti", "aggregated", "masked", "windowed", "judged",
    "merged",
)  # fmt: skip
"""Of the suite's pipelines: a publish takes the emulator seconds."""
REFUSED = {
    "cast": "try_cast",
    "derived": "split_part",
}
"""Of the pipelines, those that want more than is known to be the same there."""
EMULATOR = {"masked": "the emulator casts a text that is not ASCII to no BYTES; BigQuery takes its UTF-8"}


@pytest.fixture(scope="module")
def project(bigquery: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parity")
    keys = {
        "api_endpoint": f"http://{bigquery.host}:{bigquery.port}",
        "storage_endpoint": f"{bigquery.host}:{(bigquery.folder / 'storage').read_text()}",
    }
    listed = ", ".join(f'{name}: "{value}"' for name, value in keys.items())
    write_project(folder, SETTINGS.format(keys=listed))
    return folder


def _params() -> list[Any]:
    strict = {n: pytest.mark.xfail(strict=True, reason=why) for n, why in EMULATOR.items()}
    return [pytest.param(n, marks=strict[n]) if n in strict else n for n in EQUAL]


@pytest.mark.parametrize("name", _params())
def test_bigquery_pushed_down_gives_what_duckdb_gives(project: Path, name: str) -> None:
    same_on(
        project, name, "filled", "inside", runs=PIPELINES[name].runs,
        before=lambda batch: write_sources(project, batch=batch),
    )  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_so_before_anything_is_made(project: Path, name: str) -> None:
    write_sources(project)
    with pytest.raises(PlanError, match=REFUSED[name]):
        outcome(project, name, "inside")
    with pytest.raises(ConfigError, match="no table"):
        checksum(project, "inside", PIPELINES[name].table)
