"""Random tables with the values that engines disagree on, many of them in one file.

A run on Spark takes seconds whatever it reads, so an example is a batch of tables: ``t`` is the table,
``k`` the row in it.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["batches", "write_tables"]

Row = dict[str, Any]
_EXACT = Context(prec=60)
_letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
"""PostgreSQL holds no text with a NUL."""
_texts = st.sampled_from(
    ["", " ", "a", "A", "ab", "é", "e\u0301", "😀", "👨\u200d👩", "it's", 'q"q', "\\", "\n", "\t", "null",
     "NULL", "%", "_", "日本語", "\u00a0", "ß", "a,b", "\ufeff"]
) | st.text(_letters, max_size=5)  # fmt: skip
# 1_000, 0x1F and inf (as a date) are read by DuckDB alone; PostgreSQL and Spark say so (docs/dialects.md)
_readable = st.sampled_from(
    ["", "0", "12", "-7", "+5", "007", "1.5", ".5", "5.", "1e3", "1E-3", "1e999", " 42",
     "9223372036854775807", "9223372036854775808", "nan", "true", "T", "yes", "2",
     "2024-02-29", "2023-02-29", "0001-01-01", "1899-12-31", "2024-03-31 02:30:00",
     "2024-03-31T02:30:00.123456Z", "2024-13-01", "23:59:59", "24:00:00", "{}", "[1, 2]", "{\"a\": 1}",
     "{'a': 1}", "ada@example.org", "ada@example", "a@b.c", "NL", "nl",
     "+31 6 1234 5678", "GB82WEST12345698765432", "192.168.0.1", "256.1.1.1", "::1", "https://example.org/?q=1",
     "6f9619ff-8b86-d011-b42d-00c04fc964ff"]
) | st.from_regex(r"[+-]?[0-9]{1,12}([.][0-9]{1,4})?", fullmatch=True)  # fmt: skip
_floats = st.sampled_from(
    [0.0, 1.0, -1.5, 0.1, 2.5, 1e16, 1e23, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf]
) | st.floats(width=64, allow_nan=False, allow_subnormal=False).filter(lambda v: v != 0)
"""One NaN: of those with a sign DuckDB writes it, and no other engine has them (docs/dialects.md)."""
_wide = st.sampled_from(
    [Decimal(0), Decimal("1.5"), Decimal("-0.0000000001"), Decimal("9999999999999999999999999999.9999999999")]
) | st.integers(-(10**38) + 1, 10**38 - 1).map(lambda v: Decimal(v).scaleb(-10, _EXACT))
_money = st.sampled_from([Decimal("0.00"), Decimal("0.05"), Decimal("2.50"), Decimal("-2.50")]) | st.integers(
    -(10**6), 10**6
).map(lambda v: Decimal(v).scaleb(-2))
_small = st.integers(-4, 4) | st.sampled_from([2**31 - 1, -(2**31)])
_dates = st.sampled_from(
    [date(1, 1, 1), date(1582, 10, 4), date(1582, 10, 15), date(1899, 12, 31), date(1970, 1, 1),
     date(2024, 2, 29), date(2024, 3, 31), date(9999, 12, 31)]
) | st.dates()  # fmt: skip
_moments = st.sampled_from(
    [datetime.fromisoformat(text) for text in (
        "0001-01-01 00:00:00", "1899-12-31 23:59:59.999999", "1969-12-31 23:59:59.000001",
        "2024-03-31 01:00:00", "2024-03-31 02:30:00", "2024-10-27 00:30:00", "2024-11-03 06:30:00",
    )]
) | st.datetimes()  # fmt: skip
_zoned = _moments.map(lambda v: v.replace(tzinfo=UTC))
_lists = st.lists(st.none() | st.integers(-3, 3), max_size=3)

_row = st.fixed_dictionaries(
    {
        "b": st.none() | st.booleans(),
        "i": st.none() | _small,
        "j": st.none() | st.integers(-3, 9),
        "d": st.none() | _floats,
        "n": st.none() | _money,
        "w": st.none() | _wide,
        "s": st.none() | _texts,
        "u": st.none() | _readable,
        "dt": st.none() | _dates,
        "ts": st.none() | _moments,
        "tz": st.none() | _zoned,
        "li": st.none() | _lists,
        "c": st.none() | _texts,
        "v": st.none() | _lists,
    }
)
batches = st.lists(st.lists(_row, max_size=6), min_size=1, max_size=12)
"""Tables; an empty one is one, too."""


def write_tables(file: Path, tables: list[list[Row]]) -> None:
    """Not by DuckDB: its dictionaries make one value of 0.0 and -0.0."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"t": t, "k": k, **row} for t, table in enumerate(tables) for k, row in enumerate(table)]
    fields = {
        "t": pa.int32(), "k": pa.int32(), "b": pa.bool_(), "i": pa.int32(), "j": pa.int32(),
        "d": pa.float64(), "n": pa.decimal128(18, 2), "w": pa.decimal128(38, 10), "s": pa.string(),
        "u": pa.string(), "dt": pa.date32(), "ts": pa.timestamp("us"), "tz": pa.timestamp("us", "UTC"),
        "li": pa.list_(pa.int32()), "st": pa.struct({"c": pa.string(), "v": pa.list_(pa.int32())}),
    }  # fmt: skip
    for row in rows:
        city, values = row.pop("c"), row.pop("v")
        row["st"] = None if city is None and values is None else {"c": city, "v": values}
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(fields.items())))
    parquet.write_table(table.drop_columns("st"), file)
    parquet.write_table(table.select(["t", "k", "st"]), file.with_name("nested.parquet"))
