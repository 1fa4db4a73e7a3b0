"""The pipelines of the suite: between them every step, every kind of rule and every load mode.

They are files as a user writes them; ``write_project`` puts them into a folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["PIPELINES", "ParityPipeline", "write_project"]


@dataclass(frozen=True)
class ParityPipeline:
    """``text`` is a pipeline file that publishes to ``mart.NAME``. ``runs``: how often it is run, each
    time over the next batch of the sources; once where the second run would say nothing new.

    >>> PIPELINES["merged"].runs, PIPELINES["merged"].table
    (2, 'mart.merged')
    """

    name: str
    text: str
    runs: int = 1

    @property
    def table(self) -> str:
        return f"mart.{self.name}"


_ORDERS = "  orders: {type: parquet, path: data/orders.parquet}\n"
_CUSTOMERS = "  customers: {type: parquet, path: data/customers.parquet}\n"
_NESTED = "  nested: {type: parquet, path: data/nested.parquet}\n"
_PLACES = "  places: {type: parquet, path: data/places.parquet}\n"

_STEPS = {
    "filtered": "  - filter: status <> 'draft' AND (amount > 0 OR amount IS NULL)\n",
    "selected": (
        "  - select: [id, customer, amount, {label: \"coalesce(status, 'none')\"}]\n"
        "  - rename: {amount: price}\n"
    ),
    "excluded": "  - select: {exclude: [note, ratio, wide]}\n",
    "cast": (
        "  - select: [id, code, amount, day, ratio, wide, paid]\n"
        "  - cast: {code: INTEGER, amount: 'DECIMAL(12,1)', day: VARCHAR, ratio: INTEGER, paid: INTEGER,\n"
        "      wide: 'DECIMAL(9,2)'}\n    on_error: 'null'\n"
    ),
    "texts": (
        "  - select: [id, amount, wide, ratio, paid, day, seen, moment, customer]\n"
        "  - cast: {amount: VARCHAR, wide: VARCHAR, ratio: VARCHAR, paid: VARCHAR, day: VARCHAR,\n"
        "      seen: VARCHAR, moment: VARCHAR, customer: VARCHAR}\n"
    ),
    "derived": """\
  - derive:
      net: amount - coalesce(discount, 0)
      domain: lower(split_part(email, '@', 2))
      half: quantity / 2
      whole: quantity // 2
      rest: quantity % 3
      share: amount / quantity
      rounded: round(amount, 1)
      whole_ratio: round(ratio)
      small: try_cast(wide AS DECIMAL(12,4))
      number: try_cast(code AS BIGINT)
      digits: regexp_extract(code, '[0-9]+')
      masked: regexp_replace(note, '[aé]', '_', 'g')
      found: regexp_matches(email, '(?i)example[.]org$')
      length: length(note)
      label: CASE WHEN amount > 50 THEN 'big' ELSE upper(status) END
      month: date_trunc('month', seen)
      week: date_trunc('week', day)
      weekday: isodow(day)
      hour: hour(moment)
      later: seen + INTERVAL 1 DAY
      since: date_diff('day', DATE '1900-01-01', day)
      either: coalesce(amount > 50, paid)
      least: least(quantity, customer)
""",
    "deduplicated": "  - deduplicate: {key: customer, keep: latest, by: seen}\n",
    "earliest": "  - deduplicate: {key: [status, paid], keep: earliest, by: day}\n",
    "joined": "  - join: {with: customers, on: customer, columns: [segment]}\n",
    "inner": "  - join: {with: customers, on: customer, type: inner, columns: {region: area}}\n",
    "semi": "  - join: {with: customers, on: {quantity: customer}, type: semi}\n",
    "anti": "  - join: {with: customers, on: customer, type: anti}\n",
    "aggregated": """\
  - aggregate:
      group_by: [status, paid]
      measures:
        orders: count(*)
        total: sum(amount)
        wide: sum(wide::DECIMAL(38,2))
        mean: avg(quantity)
        last: max(seen)
        first: min(note)
        most: max(ratio)
        buyers: count(DISTINCT customer)
        big: count(*) FILTER (WHERE amount > 50)
""",
    "totals": "  - aggregate: {measures: {rows: count(*), middle: median(quantity), none: sum(discount)}}\n",
    "pivoted": (
        "  - pivot: {on: status, values: [shipped, lost, null], using: sum(amount),\n"
        "      group_by: [customer, paid]}\n"
    ),
    "unpivoted": (
        "  - select: [id, status, code, email]\n"
        "  - unpivot: {columns: [status, code, email], name: which, value: what}\n"
    ),
    "masked": (
        "  - mask: {email: {hmac: a key of sixteen letters}, code: hash, note: partial, status: redact,\n"
        "      ratio: nullify}\n"
    ),
    "windowed": """\
  - sql: >
      SELECT id, customer,
      row_number() OVER (PARTITION BY customer ORDER BY seen, id) AS n,
      lag(amount) OVER (PARTITION BY customer ORDER BY seen, id) AS before,
      rank() OVER (ORDER BY amount) AS nulls_last,
      dense_rank() OVER (ORDER BY ratio DESC) AS nan_first,
      sum(amount) OVER (PARTITION BY status ORDER BY seen) AS running,
      row_number() OVER (ORDER BY note NULLS FIRST, id) AS by_bytes FROM _
""",
    "queried": """\
  - sql: >
      WITH paying AS (SELECT customer, count(*) AS orders, sum(amount) AS total FROM _
      WHERE status IN ('paid', 'shipped') GROUP BY customer HAVING count(*) > 1)
      SELECT c.segment, p.customer, p.orders, p.total, o.note AS last_note FROM paying AS p
      JOIN customers AS c USING (customer)
      LEFT JOIN (SELECT customer, note FROM _ QUALIFY row_number() OVER (PARTITION BY customer
      ORDER BY seen DESC) = 1) AS o ON o.customer = p.customer
      UNION ALL BY NAME
      SELECT NULL AS segment, id AS customer, 1 AS orders, amount AS total, note AS last_note FROM _
      WHERE id IN (SELECT max(id) FROM _)
""",
    "python": "  - python: {function: 'parity_steps:twice'}\n",
}

_RULES = """\
rules:
  - not_null: [id, customer]
    on_fail: quarantine
  - unique: id
  - unique: note
    on_fail: warn
  - accepted_values: {column: status, values: [paid, shipped, returned, draft]}
    on_fail: quarantine
  - not_accepted_values: {column: note, values: ['', 'null']}
    on_fail: warn
  - range: {column: amount, min: 0, max: 100}
    on_fail: quarantine
  - range: {column: ratio, min: -1, max_exclusive: 1.0e+16}
    on_fail: warn
  - range: {column: wide, min: -1}
    on_fail: warn
  - range: {column: day, min: '1900-01-01', max: '2024-12-30'}
    on_fail: warn
  - range: {column: moment, max: '2024-03-31T01:00:00Z'}
    on_fail: warn
  - length: {column: note, min: 1, max: 4}
    on_fail: warn
  - pattern: {column: email, format: email}
    on_fail: warn
  - pattern: {column: code, regex: '[0-9]+'}
    on_fail: warn
  - type: {column: code, type: integer}
    on_fail: warn
    name: an integer
  - type: {column: code, type: decimal}
    on_fail: warn
    name: a number
  - type: {column: code, type: timestamp}
    on_fail: warn
    name: a moment
  - type: {column: code, type: json}
    on_fail: warn
    name: JSON
  - relationships: {column: customer, to: customers.customer}
    on_fail: warn
  - expression: quantity IS NULL OR quantity < 9
    on_fail: quarantine
  - expression: "amount / quantity < 50"
    on_fail: warn
    where: status <> 'lost'
"""
_TABLE_RULES = """\
rules:
  - schema: {columns: {id: integer, amount: 'DECIMAL(18,2)', note: text, moment: timestamptz}}
  - not_null: amount
    on_fail: quarantine
  - row_count: {min: 1}
  - aggregate: {measure: avg(amount), min: -10, max: 1000}
  - aggregate: {measure: "sum(quantity) - count(*)", max: 10}
    on_fail: warn
    name: how many
  - freshness: {column: seen, max_age: 36500d}
  - freshness: {column: moment, max_age: 1h}
    on_fail: warn
  - monotonic: {column: seen, by: id}
    on_fail: warn
  - monotonic: {column: quantity, by: [seen, id], partition_by: customer, direction: strictly_decreasing}
    on_fail: quarantine
    name: falling
  - unique: [customer, status, quantity]
    on_fail: quarantine
  - sql: {query: "SELECT count(*) FROM _ WHERE status IS NULL", must_be_less_than: 3}
    on_fail: warn
  - sql: "SELECT id FROM _ WHERE amount > 100"
    on_fail: warn
    name: great ones
  - anomaly: {metric: row_count}
  - anomaly: {metric: mean, column: amount}
  - anomaly: {metric: null_share, column: note}
  - anomaly: {dimension: status}
  - anomaly: {metric: schema}
"""
_SOURCE_RULES = """\
  orders:
    type: parquet
    path: data/orders.parquet
    rules:
      - not_null: [id, status]
        on_fail: quarantine
      - range: {column: amount, min: 0}
        on_fail: quarantine
      - unique: customer
        on_fail: warn
"""
_VALID = "transform:\n  - filter: id IS NOT NULL\n"


def _pipeline(
    name: str, body: str = "", mode: str = "", *, sources: str = _ORDERS + _CUSTOMERS, runs: int = 1
) -> ParityPipeline:
    destination = f"destination: {{table: mart.{name}{mode}}}\n"
    return ParityPipeline(name, f"pipeline: {name}\nsources:\n{sources}{body}{destination}", runs)


def _flattened() -> list[ParityPipeline]:
    lists = "transform:\n  - flatten: {column: tags, to: tag, position: at}\n    name: tagged\n"
    scores = "  - flatten: {column: scores, keep_empty: false}\n"
    return [
        _pipeline("listed", lists + scores, sources=_NESTED),
        _pipeline("lists", sources=_NESTED),
        _pipeline("unfolded", "transform:\n  - flatten: place\n", sources=_PLACES),
        _pipeline("structs", sources=_PLACES),
    ]


def _modes() -> list[ParityPipeline]:
    """Two runs of each: the second one meets what the first one left."""
    late = _ORDERS.replace("}", ", incremental: {cursor: changed, lag: 1h}}")
    quarantined = "rules:\n  - accepted_values: {column: status, values: [paid, shipped, returned, draft]}\n"
    quarantined += "    on_fail: quarantine\n"
    return [
        _pipeline("appended", quarantined, sources=_ORDERS, runs=2),
        _pipeline("replaced", quarantined, ", mode: replace", sources=_ORDERS, runs=2),
        _pipeline("merged", _VALID + _RULES, ", mode: merge, primary_key: id", runs=2),
        _pipeline(
            "versioned", _VALID + quarantined, ", mode: merge, primary_key: id, version: amount", runs=2
        ),
        _pipeline(
            "historised", _VALID + quarantined,
            ", mode: scd2, primary_key: id, effective_at: seen", sources=_ORDERS, runs=2,
        ),
        _pipeline("fresh", _VALID, ", mode: merge, primary_key: id", sources=late, runs=2),
        _pipeline("followed", _VALID, sources=late.replace(", lag: 1h", ""), runs=2),
    ]  # fmt: skip


_EVERY = (
    *(_pipeline(name, f"transform:\n{steps}") for name, steps in _STEPS.items()),
    *_flattened(),
    *_modes(),
    _pipeline("judged", _RULES),
    _pipeline("weighed", _TABLE_RULES),
    _pipeline("received", "", sources=_SOURCE_RULES),
    _pipeline("blocked", "rules:\n  - unique: customer\n"),
)
PIPELINES = {pipeline.name: pipeline for pipeline in _EVERY}
"""By name."""

_MODULE = '''\
"""A step in Python: each row by itself, whatever batches it comes in."""

import pyarrow.compute as pc


def twice(batches):
    for batch in batches:
        yield batch.append_column("twice", pc.multiply(batch.column("quantity"), 2))
'''


def write_project(folder: Path, settings: str) -> None:
    """Write a project with all pipelines. Its sources: ``write_sources``.

    Args:
        settings: the project file, with an environment for each engine that is compared.
    """
    pipelines = folder / "pipelines"
    pipelines.mkdir(parents=True, exist_ok=True)
    (folder / "sluiceway.yml").write_text(settings, encoding="utf-8")
    (folder / "parity_steps.py").write_text(_MODULE, encoding="utf-8")
    for pipeline in PIPELINES.values():
        (pipelines / f"{pipeline.name}.yml").write_text(pipeline.text, encoding="utf-8")
