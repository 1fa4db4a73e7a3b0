"""What the pipelines of the suite read: three Parquet files with the values that engines disagree on."""

from __future__ import annotations

from pathlib import Path

from sluiceway.duck import ident, literal, open_duckdb

__all__ = ["write_sources"]

_BATCHES = ((1, 200), (150, 260))
"""The first and the last id of a batch: the second one brings some of the first again, changed."""

_TEXTS = (
    "NULL", "''", "' '", "'a'", "'A'", "'ab c'", "'é'", "'e\u0301'", "'😀'", "'naïve Straße'", "'日本語'",
    "'null'", "'it''s'", "'q\"q'", "'back\\slash'", "'line' || chr(10) || 'feed'", "'a,b'", "'_%'",
)  # fmt: skip
_READABLE = (
    "NULL", "''", "'12'", "' 42 '", "'-7'", "'1.5'", "'1e3'", "'abc'", "'99999999999'", "'nan'", "'true'",
    "'2024-02-30'", "'2024-02-29'", "'2024-02-29 23:59:59.5'", "'2024-02-29T10:00:00+02:00'", "'{\"a\": 1}'",
    "'{'", "'12:30'", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'",
)  # fmt: skip
_EMAILS = ("NULL", "'Ada@Example.ORG'", "'no address'", "'é@ü.example'", "'u' || i || '@example.org'")
_FLOATS = (
    "NULL", "0.0", "1.5", "-1.5", "2.5", "'nan'", "'inf'", "'-inf'", "0.1", "1e23", "5e-324",
    "1.7976931348623157e308", "1e16", "123456.789", "-0.5",
)  # fmt: skip
_WIDE = (
    "NULL", "0", "1.5", "-1.5", "0.0000000001", "9999999999999999999999999999.9999999999",
    "-12345678901234567890.1234567890",
)  # fmt: skip
_DAYS = (
    "NULL", "'2024-02-29'", "'1970-01-01'", "'1899-12-31'", "'1582-10-15'", "'0001-01-01'", "'9999-12-31'",
    "'2024-12-30'", "'2021-01-03'", "'2024-03-31'",
)  # fmt: skip
_MOMENTS = (
    "NULL", "'2024-03-31 00:59:59.999999+00'", "'2024-03-31 01:00:00+00'", "'2024-10-27 00:30:00+00'",
    "'1899-12-31 23:59:59+00'", "'1970-01-01 00:00:00+00'", "'2024-11-03 06:30:00.5+00'",
)  # fmt: skip
_STATUS = ("NULL", "'paid'", "'shipped'", "'draft'", "'returned'", "'lost'")


def _one_of(type_: str, salt: int, values: tuple[str, ...]) -> str:
    listed = ", ".join(f"CAST({value} AS {type_})" for value in values)
    return f"([{listed}])[1 + CAST(hash(i * 64 + {salt} + s) % {len(values)} AS INTEGER)]"


def _orders(batch: int) -> dict[str, str]:
    """Columns of an order; ``seen`` and ``changed`` are never NULL, and no two rows share one."""
    amount = f"(i * {7 + batch} % 130) - 4.75"
    minutes = "to_minutes(CAST(i * 37 % 900 AS BIGINT))"
    return {
        "id": "CASE WHEN i = 7 THEN NULL ELSE i END",
        "customer": _one_of("BIGINT", 1, ("NULL", "0", "1", "2", "3", "4", "5")),
        "status": _one_of("VARCHAR", 2, _STATUS),
        "amount": f"CASE WHEN hash(i + s) % 9 > 0 THEN CAST({amount} AS DECIMAL(18,2)) END",
        "discount": _one_of("DECIMAL(9,2)", 3, ("NULL", "0", "1", "2.05")),
        "quantity": _one_of("INTEGER", 4, ("NULL", *map(str, range(10)))),
        "email": _one_of("VARCHAR", 5, _EMAILS),
        "code": _one_of("VARCHAR", 6, _READABLE),
        "note": _one_of("VARCHAR", 7, _TEXTS),
        "paid": _one_of("BOOLEAN", 8, ("NULL", "TRUE", "FALSE")),
        "ratio": _one_of("DOUBLE", 9, _FLOATS),
        "wide": _one_of("DECIMAL(38,10)", 10, _WIDE),
        "day": _one_of("DATE", 11, _DAYS),
        "moment": _one_of("TIMESTAMP WITH TIME ZONE", 12, _MOMENTS),
        "seen": f"TIMESTAMP '2026-03-29 00:30:00' + {minutes} + to_days({2 * batch})",
        "changed": f"TIMESTAMP '2026-03-29 00:30:00' + {minutes} + to_minutes({600 * batch})",
    }


_CUSTOMERS = {
    "customer": "i",
    "segment": "CASE WHEN i < 3 THEN 'gold' ELSE 'tin' END",
    "region": "CASE WHEN i <> 2 THEN 'région ' || i END",
}
_NESTED = {
    "id": "i",
    "tags": _one_of("VARCHAR[]", 13, ("NULL", "[]", "['a', 'b c']", "[NULL]", "['', 'é', '😀', 'a']")),
    "rates": _one_of("DOUBLE[]", 16, ("NULL", "['nan', '0.1', NULL]", "['-inf']", "[5e-324, 1e23]")),
    "scores": _one_of("INTEGER[]", 14, ("NULL", "[]", "[1, 2, 3]", "[-1, NULL]", "[2147483647]")),
}
_PLACE = "STRUCT(city VARCHAR, visits INTEGER, rated DOUBLE)"
_PLACES = (
    "NULL", "{'city': 'Köln', 'visits': 3, 'rated': 4.5}", "{'city': NULL, 'visits': NULL, 'rated': 0.1}",
    "{'city': '', 'visits': -2147483648, 'rated': NULL}",
)  # fmt: skip


def write_sources(folder: Path, *, seed: int = 0, batch: int = 0) -> None:
    """Write ``data/{orders,customers,nested,places}.parquet`` in the project's folder.

    The same seed gives the same rows (with the same version of DuckDB); ``batch`` 1 is what comes after
    ``batch`` 0: new orders, and some of the old ones changed.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_sources(Path(folder))
    ...     sorted(file.name for file in Path(folder, "data").iterdir())
    ['customers.parquet', 'nested.parquet', 'orders.parquet', 'places.parquet']
    """
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    first, last = _BATCHES[batch]
    salt = f"{seed} * 1000003 + {batch} * 7919"
    files = {
        "orders": (_orders(batch), first, last),
        "customers": (_CUSTOMERS, 0, 4),
        "nested": (_NESTED, 1, 60),
        "places": ({"id": "i", "place": _one_of(_PLACE, 15, _PLACES)}, 1, 30),
    }
    with open_duckdb(threads=1) as con:
        for name, (columns, start, end) in files.items():
            listed = ", ".join(f"{sql} AS {ident(column)}" for column, sql in columns.items())
            rows = f"SELECT {listed} FROM (SELECT range AS i, {salt} AS s FROM range({start}, {end}))"
            file = literal(str(data / f"{name}.parquet"))
            con.execute(f"COPY ({rows}) TO {file} (FORMAT parquet)")
