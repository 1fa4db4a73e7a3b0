"""Functions of dates and times. Sessions run in UTC, so a timestamp with a zone is looked at in UTC."""

from __future__ import annotations

from sluiceway.sql.functions.base import Function, table

__all__ = ["EPOCH_MICROS", "PARTS", "TIME", "TRUNC_UNITS"]

EPOCH_MICROS = {
    "spark": "unix_micros(CAST(:a AS TIMESTAMP))",
    "postgres": "CAST(extract(epoch FROM CAST(:a AS TIMESTAMP)) * 1000000 AS BIGINT)",
}
"""Microseconds since 1970."""

_S_MICROS, _P_MICROS = (
    "unix_micros(CAST(:a AS TIMESTAMP))",
    "CAST(EXTRACT(EPOCH FROM :a) * 1000000 AS BIGINT)",
)

PARTS: dict[str, tuple[str | None, str | None]] = {
    "year": ("CAST(year(:a) AS BIGINT)", "CAST(EXTRACT(YEAR FROM :a) AS BIGINT)"),
    "quarter": ("CAST(quarter(:a) AS BIGINT)", "CAST(EXTRACT(QUARTER FROM :a) AS BIGINT)"),
    "month": ("CAST(month(:a) AS BIGINT)", "CAST(EXTRACT(MONTH FROM :a) AS BIGINT)"),
    "week": ("CAST(weekofyear(:a) AS BIGINT)", "CAST(EXTRACT(WEEK FROM :a) AS BIGINT)"),
    "isoyear": ("CAST(EXTRACT(YEAROFWEEK FROM :a) AS BIGINT)", "CAST(EXTRACT(ISOYEAR FROM :a) AS BIGINT)"),
    "day": ("CAST(day(:a) AS BIGINT)", "CAST(EXTRACT(DAY FROM :a) AS BIGINT)"),
    "dayofyear": ("CAST(dayofyear(:a) AS BIGINT)", "CAST(EXTRACT(DOY FROM :a) AS BIGINT)"),
    "dayofweek": ("CAST(dayofweek(:a) - 1 AS BIGINT)", "CAST(EXTRACT(DOW FROM :a) AS BIGINT)"),
    "isodow": ("CAST(weekday(:a) + 1 AS BIGINT)", "CAST(EXTRACT(ISODOW FROM :a) AS BIGINT)"),
    "hour": ("CAST(hour(:a) AS BIGINT)", "CAST(EXTRACT(HOUR FROM CAST(:a AS TIMESTAMP)) AS BIGINT)"),
    "minute": ("CAST(minute(:a) AS BIGINT)", "CAST(EXTRACT(MINUTE FROM CAST(:a AS TIMESTAMP)) AS BIGINT)"),
    "second": (
        "CAST(second(:a) AS BIGINT)",
        "CAST(floor(EXTRACT(SECOND FROM CAST(:a AS TIMESTAMP))) AS BIGINT)",
    ),
    "millisecond": (
        f"CAST(floor(pmod({_S_MICROS}, 60000000) / 1000) AS BIGINT)",
        "CAST(floor(EXTRACT(MILLISECONDS FROM CAST(:a AS TIMESTAMP))) AS BIGINT)",
    ),
    "microsecond": (
        f"pmod({_S_MICROS}, 60000000)",
        "CAST(EXTRACT(MICROSECONDS FROM CAST(:a AS TIMESTAMP)) AS BIGINT)",
    ),
    "epoch": (
        f"CAST({_S_MICROS} AS DOUBLE) / 1000000D",
        f"CAST({_P_MICROS} AS FLOAT8) / CAST(1000000 AS FLOAT8)",
    ),
}
"""Unit -> how a date or time gives it."""

SAME_UNIT = {
    "years": "year", "y": "year", "yr": "year", "quarters": "quarter", "months": "month", "mon": "month",
    "weeks": "week", "weekofyear": "week", "days": "day", "dayofmonth": "day", "doy": "dayofyear",
    "dow": "dayofweek", "weekday": "dayofweek", "hours": "hour", "h": "hour", "minutes": "minute",
    "seconds": "second", "milliseconds": "millisecond", "ms": "millisecond", "microseconds": "microsecond",
    "us": "microsecond",
}  # fmt: skip

TRUNC_UNITS = (
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "microsecond",
)

_PART_FUNCTIONS = tuple(
    Function(
        name, "O" if unit in ("hour", "minute", "second", "millisecond", "microsecond") else "M", *templates
    )
    for unit, templates in PARTS.items()
    for name in (unit, *(other for other, same in SAME_UNIT.items() if same == unit and len(other) > 3))
    if name not in ("days", "years", "months", "weeks", "quarters", "hours", "minutes", "seconds")
    and not name.endswith("seconds")
)

TIME = _PART_FUNCTIONS + table(
    ("dayname", "M", "date_format(:a, 'EEEE')", "to_char(:a, 'FMDay')"),
    ("monthname", "M", "date_format(:a, 'MMMM')", "to_char(:a, 'FMMonth')"),
    ("last_day", "M", "last_day(CAST(:a AS DATE))",
     "CAST(date_trunc('month', CAST(:a AS TIMESTAMP)) + INTERVAL '1 month' - INTERVAL '1 day' AS DATE)"),
    ("make_date", "III", "make_date(CAST(:a AS INT), CAST(:b AS INT), CAST(:c AS INT))", "="),
    ("epoch_us", "M", _S_MICROS, _P_MICROS),
    ("epoch_ms", "M", f"{_S_MICROS} div 1000", f"{_P_MICROS} / 1000"),
)  # fmt: skip
