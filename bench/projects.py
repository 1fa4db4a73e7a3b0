"""The projects that the workloads run, written from here so that nothing is measured that isn't committed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from bench.data import OUT

__all__ = ["SLUICEWAY", "Project", "csv_to_lake", "csv_to_table", "gate", "inside", "orders_on",
           "parquet_to_postgres", "postgres_to_lake", "ten_rows"]  # fmt: skip

SLUICEWAY = str(Path(sys.executable).with_name("sluiceway"))


class Project:
    """A folder with one pipeline, called as the folder is."""

    def __init__(self, name: str, pipeline: str, settings: str = "") -> None:
        self.name, self.folder = name, OUT / name
        (self.folder / "pipelines").mkdir(parents=True, exist_ok=True)
        (self.folder / "sluiceway.yml").write_text(f"project: {name}\n{settings}", encoding="utf-8")
        (self.folder / "pipelines" / f"{name}.yml").write_text(
            f"pipeline: {name}\n{pipeline}", encoding="utf-8"
        )

    @property
    def lake(self) -> Path:
        return self.folder / ".sluiceway" / "lake"

    def command(self, verb: str) -> list[str]:
        return [SLUICEWAY, verb, self.name, "--json"]

    def forget(self) -> None:
        shutil.rmtree(self.folder / ".sluiceway", ignore_errors=True)

    def reset(self) -> None:
        """No rows, no history; the metadata store stands, as it does from the second run on."""
        self.forget()
        subprocess.run(
            [SLUICEWAY, "runs", "list", "--json"], cwd=self.folder, check=True, capture_output=True
        )


GATE_RULES = """\
rules:
  - not_null: [order_id, reference, customer_id, email, created_at]
  - unique: order_id
  - unique: reference
  - range: {column: amount, min: 0, max: 100000}
    severity: warning
    name: amount
  - range: {column: quantity, min: 1, max: 20}
  - range: {column: discount, min: 0, max: 1}
  - range: {column: created_at, min: '2026-01-01', max: '2027-01-01'}
  - accepted_values: {column: status, values: [paid, shipped, returned, open]}
  - accepted_values: {column: country, values: [NL, DE, FR, BE, US]}
  - pattern: {column: email, regex: '[^@]+@[^@]+[.][a-z]+'}
    severity: warning
    name: email
  - pattern: {column: phone, regex: '[+][0-9]{9,15}'}
  - row_count: {min: 1}
  - relationships: {column: customer_id, to: customers.customer_id}
    severity: warning
    name: customer_id
  - expression: shipped_at >= created_at
    severity: warning
    name: order
  - freshness: {column: created_at, max_age: 3650d}
  - aggregate: {measure: avg(amount), min: 20, max: 80000}
destination: {table: mart.gate}
"""


def gate(name: str, orders: Path, customers: Path) -> Project:
    """Twenty checks over a Parquet file, for ``sluiceway check``."""
    sources = f"""\
sources:
  orders: {{type: parquet, path: {_up(orders)}}}
  customers: {{type: parquet, path: {_up(customers)}}}
"""
    return Project(name, sources + GATE_RULES)


LAKE_STEPS = """\
transform:
  - cast: {amount: "DECIMAL(12,2)"}
    on_error: "null"
  - derive:
      net: "amount - coalesce(discount, 0)"
      email_domain: "lower(split_part(email, '@', 2))"
  - filter: status <> 'draft'
  - deduplicate: {key: order_id, keep: latest, by: updated_at}
  - join: {with: customers, on: customer_id, columns: [segment, region]}
rules:
  - not_null: [order_id, customer_id]
  - not_null: amount
    on_fail: quarantine
    name: amount
  - unique: order_id
  - accepted_values: {column: status, values: [paid, shipped, returned, open]}
  - range: {column: quantity, min: 1, max: 20}
    on_fail: quarantine
    name: quantity
  - range: {column: net, min: -100, max: 100000}
  - pattern: {column: email, regex: '[^@]+@[^@]+[.][a-z]+'}
    severity: warning
    name: email
  - relationships: {column: customer_id, to: customers.customer_id}
    severity: warning
    name: customer_id
  - expression: updated_at >= created_at
destination: {table: mart.orders, mode: replace}
"""
_TYPES = """\
{order_id: BIGINT, customer_id: BIGINT, status: VARCHAR, amount: VARCHAR, discount: 'DECIMAL(9,2)',
      quantity: INTEGER, currency: VARCHAR, email: VARCHAR, country: VARCHAR, created_at: TIMESTAMP,
      updated_at: TIMESTAMP, note: VARCHAR}"""


def csv_to_lake(name: str, orders: Path, customers: Path, limit: str = "") -> Project:
    """Five steps and ten checks, into the default warehouse. ``orders`` may be Parquet too."""
    if orders.suffix == ".parquet":
        source = f"{{type: parquet, path: {_up(orders)}}}"
    else:
        source = f"\n    type: csv\n    path: {_up(orders)}\n    columns: {_TYPES}"
    head = f"memory_limit: {limit}\n" if limit else ""
    sources = f"""\
sources:
  orders: {source}
  customers: {{type: csv, path: {_up(customers)}}}
"""
    return Project(name, head + sources + LAKE_STEPS)


def orders_on(engine: str, orders: Path, customers: Path) -> Project:
    """The pipeline of ``csv_to_lake`` over Parquet, on the engine of that name."""
    sources = f"""\
sources:
  orders: {{type: parquet, path: {_up(orders)}}}
  customers: {{type: csv, path: {_up(customers)}}}
"""
    settings = f"environments:\n  dev: {{engine: {engine}}}\n"
    return Project(f"orders_on_{engine}", sources + LAKE_STEPS, settings)


def csv_to_table(name: str, orders: Path) -> Project:
    """A CSV file into a typed table of a DuckDB file, for loaders that do no more than that."""
    pipeline = f"""\
sources:
  orders:
    type: csv
    path: {_up(orders)}
    columns: {_TYPES}
rules:
  - not_null: order_id
destination: {{table: mart.orders, mode: replace}}
"""
    warehouse = "{type: duckdb, path: .sluiceway/out.duckdb}"
    return Project(name, pipeline, f"environments:\n  dev: {{warehouse: {warehouse}}}\n")


FIVE_RULES = """\
rules:
  - not_null: order_id
  - unique: order_id
  - range: {column: amount, min: 0, max: 100000}
    on_fail: quarantine
    name: amount
  - accepted_values: {column: status, values: [paid, shipped, returned, open]}
  - pattern: {column: email, regex: '[^@]+@[^@]+[.][a-z]+'}
    severity: warning
    name: email
destination: {table: mart.orders, mode: replace}
"""
_SHOP = "connections:\n  shop: {type: postgres, url: '${BENCH_PG_URL}'}\n"


def postgres_to_lake(name: str) -> Project:
    sources = "sources:\n  orders: {type: postgres, connection: shop, table: public.orders}\n"
    return Project(name, sources + FIVE_RULES, _SHOP)


def parquet_to_postgres(name: str, orders: Path) -> Project:
    sources = f"sources:\n  orders: {{type: parquet, path: {_up(orders)}}}\n"
    settings = _SHOP + "environments:\n  dev: {warehouse: {type: postgres, connection: shop}}\n"
    return Project(name, sources + FIVE_RULES, settings)


def inside(name: str) -> Project:
    """A table of the warehouse into another, by the warehouse."""
    sources = "sources:\n  orders: {type: postgres, connection: shop, table: public.orders}\n"
    settings = _SHOP + (
        "environments:\n  dev: {engine: warehouse, warehouse: {type: postgres, connection: shop}}\n"
    )
    return Project(name, sources + FIVE_RULES, settings)


def ten_rows(name: str) -> Project:
    """The smallest run that does everything: store, lineage to a file, lake."""
    project = Project(
        name,
        """\
sources:
  orders: {type: csv, path: ten.csv}
transform:
  - filter: status <> 'draft'
rules:
  - not_null: order_id
  - unique: order_id
  - accepted_values: {column: status, values: [paid, shipped]}
destination: {table: mart.orders, mode: replace}
""",
        "lineage: {type: file, path: .sluiceway/lineage.jsonl}\n",
    )
    rows = "".join(f"{i},{'shipped' if i % 2 else 'paid'},{i * 1.5}\n" for i in range(10))
    (project.folder / "ten.csv").write_text("order_id,status,amount\n" + rows, encoding="utf-8")
    return project


def _up(path: Path) -> str:
    """As seen from a project, which lies beside the data."""
    return f"../{path.name}"
