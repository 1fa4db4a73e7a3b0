"""A dozen pipelines, for warehouses where each publish takes seconds: emulators, tables that Spark writes.

``sluiceway.testing`` has the whole suite, for engines that are really here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.duck import open_duckdb
from sluiceway.run.runner import run
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import resolve

if TYPE_CHECKING:
    from sluiceway.run.result import RunResult

__all__ = ["PIPELINES", "facts", "run_in", "write_sources"]

_HEAD = """\
pipeline: {name}
sources:
  orders: {{type: parquet, path: data/orders.parquet}}
  customers: {{type: parquet, path: data/customers.parquet}}
"""

_STEPS = {
    "filtered": "  - filter: status <> 'draft' AND (amount > 0 OR amount IS NULL)\n",
    "selected": "  - select: [id, customer, amount]\n  - rename: {amount: price}\n",
    "cast": (
        "  - select: [id, code, amount, day]\n"
        "  - cast: {code: INTEGER, amount: 'DECIMAL(12,1)', day: VARCHAR}\n    on_error: 'null'\n"
    ),
    "derived": (
        "  - derive:\n"
        "      net: amount - coalesce(discount, 0)\n"
        "      domain: lower(split_part(email, '@', 2))\n"
        "      half: quantity / 2\n"
        "      whole: quantity // 2\n"
        "      label: CASE WHEN amount > 50 THEN 'big' ELSE upper(status) END\n"
        "      month: date_trunc('month', seen)\n"
        "      later: seen + INTERVAL 1 DAY\n"
    ),
    "deduplicated": "  - deduplicate: {key: customer, keep: latest, by: seen}\n",
    "joined": "  - join: {with: customers, on: customer, columns: [segment]}\n",
    "anti": "  - join: {with: customers, on: customer, type: anti}\n",
    "aggregated": (
        "  - aggregate:\n      group_by: status\n      measures:\n"
        "        orders: count(*)\n        total: sum(amount)\n"
        "        mean: avg(quantity)\n        last: max(seen)\n        buyers: count(DISTINCT customer)\n"
    ),
    "masked": "  - mask: {email: {hmac: a key of sixteen letters}, code: hash}\n",
    "windowed": (
        "  - sql: >\n      SELECT id, customer,\n"
        "      row_number() OVER (PARTITION BY customer ORDER BY seen, id) AS n,\n"
        "      lag(amount) OVER (PARTITION BY customer ORDER BY seen, id) AS before FROM _\n"
    ),
}

_RULES = """\
rules:
  - not_null: [id, customer]
    on_fail: quarantine
  - unique: id
  - accepted_values: {column: status, values: [paid, shipped, returned, draft]}
    on_fail: quarantine
  - not_accepted_values: {column: status, values: [lost]}
    on_fail: warn
  - range: {column: amount, min: 0, max: 100}
    on_fail: quarantine
  - length: {column: code, min: 1, max: 4}
    on_fail: warn
  - pattern: {column: email, format: email}
    on_fail: warn
  - pattern: {column: code, regex: '[0-9]+'}
    on_fail: warn
  - relationships: {column: customer, to: customers.customer}
    on_fail: warn
  - expression: quantity IS NULL OR quantity < 9
    on_fail: quarantine
  - row_count: {min: 1}
  - aggregate: {measure: avg(amount), min: -10, max: 1000}
  - monotonic: {column: seen, by: id}
    on_fail: warn
"""


def _pipeline(name: str, body: str, mode: str = "") -> str:
    return f"{_HEAD.format(name=name)}{body}destination: {{table: mart.{name}{mode}}}\n"


PIPELINES = {name: _pipeline(name, f"transform:\n{steps}") for name, steps in _STEPS.items()} | {
    "judged": _pipeline("judged", _RULES),
    "merged": _pipeline(
        "merged",
        "transform:\n  - filter: id IS NOT NULL\n  - deduplicate: {key: id, keep: latest, by: seen}\n"
        + _RULES,
        ", mode: merge, primary_key: id",
    ),
}
"""Name -> a pipeline file that publishes to ``mart.NAME``."""
_ORDERS = """\
SELECT CASE WHEN i = 7 THEN NULL ELSE i END AS id,
  CASE i % 11 WHEN 0 THEN NULL ELSE i % 6 END AS customer,
  CASE i % 5 WHEN 0 THEN 'paid' WHEN 1 THEN 'shipped' WHEN 2 THEN 'draft' WHEN 3 THEN 'returned'
    ELSE CASE WHEN i % 2 = 0 THEN 'lost' END END AS status,
  CASE WHEN i % 9 <> 0 THEN CAST((i * 7 % 130) - 5 AS DECIMAL(18,2)) + 0.25 END::DECIMAL(18,2) AS amount,
  CASE WHEN i % 4 = 0 THEN CAST(i % 3 AS DECIMAL(9,2)) END AS discount,
  CASE WHEN i % 8 = 0 THEN NULL ELSE i % 10 END::INTEGER AS quantity,
  CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN 'Ada@Example.ORG' WHEN 2 THEN 'no address'
    WHEN 3 THEN 'é@ü.example'
    ELSE 'u' || i || '@example.org' END AS email,
  CASE i % 7 WHEN 0 THEN '' WHEN 1 THEN ' 12' WHEN 2 THEN '1.5' WHEN 3 THEN '12345' WHEN 4 THEN NULL
    WHEN 5 THEN '😀' ELSE CAST(i AS VARCHAR) END AS code,
  CAST(DATE '1899-12-30' + CAST(i * 400 AS INTEGER) AS DATE) AS day,
  TIMESTAMP '2026-03-29 00:30:00' + to_minutes(CAST(i * 37 % 900 AS BIGINT)) AS seen
FROM range(1, 200) AS t(i)"""


def write_sources(folder: Path) -> None:
    """The two Parquet files, in ``data/``."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    with open_duckdb(threads=1) as con:
        con.execute(f"COPY ({_ORDERS}) TO '{data}/orders.parquet' (FORMAT parquet)")
        con.execute(
            "COPY (SELECT range::BIGINT AS customer, "
            "CASE WHEN range < 3 THEN 'gold' ELSE 'tin' END AS segment "
            f"FROM range(4)) TO '{data}/customers.parquet' (FORMAT parquet)"
        )


def run_in(folder: Path, name: str, environment: str) -> RunResult:
    project = load_project(folder)
    config = PipelineConfig.load(find_pipeline(project, name))
    return run(resolve(config, project, environment, {}))


def facts(result: RunResult) -> dict[str, Any]:
    """What the run says of itself, but for times and ids."""
    assert result.error is None, result.error
    return {
        "records": {**result.records.as_dict(), "read": None},  # an engine may count what another need not
        "checks": [(c.check.id, c.failing, c.total, c.passed, str(c.observed)) for c in result.checks],
        "score": result.quality_score,
        "samples": {id_: len(rows) for id_, rows in result.samples.items()},
    }
