"""What a session must be told first, so that translated SQL means what it says."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["POSTGRES", "SPARK"]

SPARK: Mapping[str, str] = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # else 38 digits lose those behind the point
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    # a key that stands twice is told, not dropped; dates before 1582 are taken as they are written
    "spark.sql.mapKeyDedupPolicy": "EXCEPTION",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}
"""Configuration of a Spark session."""

POSTGRES: tuple[str, ...] = (
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET standard_conforming_strings = on",
)
"""Statements for a PostgreSQL session."""
