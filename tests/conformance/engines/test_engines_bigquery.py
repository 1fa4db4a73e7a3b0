"""The pipelines of every engine inside BigQuery, on its emulator: what DuckDB gives, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.engines.emulated import PIPELINES, facts, run_in, write_sources

from sluiceway.errors import PlanError

if TYPE_CHECKING:
    from scripts.emulators import Emulator

    from sluiceway.connectors.bqclient import BqServer

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
REFUSED = {
    "cast": "try_cast",
    "derived": "split_part",
}
"""Of the pipelines, those that want more than is known to be the same there."""


@pytest.fixture(scope="module")
def keys(bigquery: Emulator) -> dict[str, str]:
    return {
        "api_endpoint": f"http://{bigquery.host}:{bigquery.port}",
        "storage_endpoint": f"{bigquery.host}:{(bigquery.folder / 'storage').read_text()}",
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("parity")
    (folder / "pipelines").mkdir()
    listed = ", ".join(f'{name}: "{value}"' for name, value in keys.items())
    (folder / "sluiceway.yml").write_text(SETTINGS.format(keys=listed), encoding="utf-8")
    for name, text in PIPELINES.items():
        (folder / "pipelines" / f"{name}.yml").write_text(text, encoding="utf-8")
    write_sources(folder)
    return folder


def _server(project: str, keys: dict[str, str]) -> BqServer:
    from sluiceway.connectors.bqclient import BigQueryKeys, BqServer

    return BqServer(BigQueryKeys(project=project, **keys))


def _contents(server: BqServer, table: str) -> tuple[Any, ...]:
    """Columns with their types, rows, and the quarantine without what names the run."""
    shape = [(c.name, c.spelled) for c in server.columns(server.project, "mart", table) or ()]
    rows = sorted(server.rows(f"SELECT * FROM mart.`{table}`"), key=repr)
    turned = server.rows(
        f"SELECT reasons, `row`, types, phase, source FROM _sluiceway.quarantine WHERE pipeline = '{table}'"
    )
    return shape, rows, sorted(turned)


EMULATOR = {"masked": "the emulator casts a text that is not ASCII to no BYTES; BigQuery takes its UTF-8"}


def _params() -> list[Any]:
    strict = {n: pytest.mark.xfail(strict=True, reason=why) for n, why in EMULATOR.items()}
    return [pytest.param(n, marks=strict[n]) if n in strict else n for n in PIPELINES if n not in REFUSED]


@pytest.mark.parametrize("name", _params())
def test_bigquery_pushed_down_gives_what_duckdb_gives(project: Path, keys: dict[str, str], name: str) -> None:
    wanted, found = (facts(run_in(project, name, place)) for place in ("filled", "inside"))
    assert found == wanted
    filled, inside = (_contents(_server(place, keys), name) for place in ("filled", "inside"))
    assert inside == filled


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_so_before_anything_is_made(
    project: Path, keys: dict[str, str], name: str
) -> None:
    with pytest.raises(PlanError, match=REFUSED[name]):
        run_in(project, name, "inside")
    assert _server("inside", keys).columns("inside", "mart", name) is None
