"""The pipelines of every engine inside BigQuery, on its emulator: what DuckDB gives, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.engines.variants import runs_of, write_without

from sluiceway.duck import literal, open_duckdb
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
    "filtered", "selected", "deduplicated", "joined", "anti", "aggregated", "masked", "windowed_without",
    "judged_without", "merged_without",
)  # fmt: skip
"""Of the suite's pipelines: a publish takes the emulator seconds."""
REFUSED = {
    "cast": "try_cast",
    "derived": "regexp_extract",
    "windowed": "over a window it is not known to be the same",
    "judged": "sw_try_cast",
    "merged": "sw_try_cast",
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
    # what does not fit DECIMAL(38,2) is told by its bound, which the emulator has no number for
    wide = folder / "pipelines" / "aggregated.yml"
    text = wide.read_text("utf-8")
    assert "sum(wide::DECIMAL(38,2))" in text
    wide.write_text(text.replace("sum(wide::DECIMAL(38,2))", "sum(wide::DECIMAL(18,2))"), "utf-8")
    for name in ("judged", "merged"):
        write_without(folder, name, "- type:")
    write_without(folder, "windowed", "(lag|dense_rank)", "sum")
    return folder


def _sources(project: Path, batch: int = 0) -> None:
    """Without decimals of more digits before the point than the emulator's BIGNUMERIC has, which is 20, nor
    such sums; and without floats that BigQuery writes in other digits, which read back as the same number
    (``test_the_text_of_a_float_reads_back_as_the_same_number``)."""
    write_sources(project, batch=batch)
    file = literal(str(project / "data" / "orders.parquet"))
    narrow = "CAST(wide % 1000000000000000 AS DECIMAL(38,10)) AS wide"
    plain = "CASE WHEN NOT isfinite(ratio) OR ratio IN (-1.5, -0.5, 1.5, 2.5) THEN ratio END"
    with open_duckdb(threads=1) as con:
        con.execute(f"CREATE TABLE narrowed AS SELECT * REPLACE ({narrow}, {plain} AS ratio) FROM {file}")
        con.execute(f"COPY narrowed TO {file} (FORMAT parquet)")


def _params() -> list[Any]:
    strict = {n: pytest.mark.xfail(strict=True, reason=why) for n, why in EMULATOR.items()}
    return [pytest.param(n, marks=strict[n]) if n in strict else n for n in EQUAL]


@pytest.mark.parametrize("name", _params())
def test_bigquery_pushed_down_gives_what_duckdb_gives(project: Path, name: str) -> None:
    same_on(
        project, name, "filled", "inside", runs=runs_of(name),
        before=lambda batch: _sources(project, batch),
    )  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_so_before_anything_is_made(project: Path, name: str) -> None:
    _sources(project)
    with pytest.raises(PlanError, match=REFUSED[name]):
        outcome(project, name, "inside")
    with pytest.raises(ConfigError, match="no table"):
        checksum(project, "inside", PIPELINES[name].table)
