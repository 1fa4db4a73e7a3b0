"""The twenty rules as a contract of Soda 4, verified locally on DuckDB over the Parquet files."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from rules import COUNTRIES, EMAIL, NEVER_NULL, PHONE, STATUSES, say
from soda_core.contracts import verify_contract_locally


def contract() -> dict[str, Any]:
    duplicate = {"duplicate": {"name": "unique"}}
    by_column: dict[str, list[dict[str, Any]]] = {
        "order_id": [duplicate],
        "reference": [duplicate],
        "customer_id": [],
        "status": [{"invalid": {"valid_values": STATUSES}}],
        "country": [{"invalid": {"valid_values": COUNTRIES}}],
        "amount": [
            {"invalid": {"name": "amount", "valid_min": 0, "valid_max": 100_000}},
            {"aggregate": {"function": "avg", "threshold": {"must_be_between": {
                "greater_than_or_equal": 20, "less_than_or_equal": 80_000}}}},
        ],
        "quantity": [{"invalid": {"valid_min": 1, "valid_max": 20}}],
        "discount": [{"invalid": {"valid_min": 0, "valid_max": 1}}],
        "email": [{"invalid": {"name": "email", "valid_format": {"name": "email", "regex": f"^{EMAIL}$"}}}],
        "phone": [{"invalid": {"valid_format": {"name": "phone", "regex": f"^{PHONE}$"}}}],
        "created_at": [],
    }  # fmt: skip
    for name in NEVER_NULL:
        by_column[name].append({"missing": {}})
    bounds = "created_at < TIMESTAMP '2026-01-01' OR created_at > TIMESTAMP '2027-01-01'"
    orphans = "SELECT o.customer_id FROM orders o ANTI JOIN customers c USING (customer_id)"
    old = "SELECT 1 FROM (SELECT max(created_at) AS m FROM orders) AS t WHERE m < TIMESTAMP '2016-01-01'"
    return {
        "dataset": "bench/main/orders",
        "columns": [{"name": n, **({"checks": c} if c else {})} for n, c in by_column.items()],
        "checks": [
            {"row_count": {"threshold": {"must_be_greater_than_or_equal": 1}}},
            {"failed_rows": {"name": "order", "qualifier": "1", "expression": "shipped_at < created_at"}},
            {"failed_rows": {"name": "created_at", "qualifier": "2", "expression": bounds}},
            {"failed_rows": {"name": "customer_id", "qualifier": "3", "query": orphans}},
            {"failed_rows": {"name": "freshness", "qualifier": "4", "query": old}},
        ],
    }


def main(orders: str, customers: str) -> None:
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        database, source, file = (Path(folder) / n for n in ("b.duckdb", "source.yml", "contract.yml"))
        con = duckdb.connect(str(database))
        con.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{orders}')")
        con.execute(f"CREATE VIEW customers AS SELECT * FROM read_parquet('{customers}')")
        con.close()
        connection = {"database": str(database), "schema": "main"}
        source.write_text(json.dumps({"type": "duckdb", "name": "bench", "connection": connection}))
        file.write_text(json.dumps(contract()))
        session = verify_contract_locally(data_source_file_path=str(source), contract_file_path=str(file))
        if session.has_errors:
            raise SystemExit(session.get_errors_str())
        counts: dict[str, int] = {}
        checks = 0
        for result in session.contract_verification_results[0].check_results:
            checks += 1
            found = result.diagnostic_metric_values or {}
            name = str(result.check.name)
            failing = next((v for k, v in found.items() if k in COUNTED), 0)
            counts[name] = counts.get(name, 0) + (int(failing or 0) or int(not result.is_passed))
        if checks < 20:
            raise SystemExit(f"only {checks} checks were evaluated")
    say(counts)


COUNTED = ("invalid_count", "missing_count", "duplicate_count", "failed_rows_count")

if __name__ == "__main__":
    main(*sys.argv[1:])
