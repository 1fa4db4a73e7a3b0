"""One table of awkward values, the same on every engine: each value stands once, as DuckDB's text.

``pairs`` columns let two-argument functions meet each value with another one; ``k`` is the key.
"""

from __future__ import annotations

from sluiceway.schema import Schema

ROWS = 120


def _column(type_: str, *values: str | None) -> tuple[str, list[str | None]]:
    """``values``, repeated until the table is full."""
    return type_, [values[i % len(values)] for i in range(ROWS)]


COLUMNS: dict[str, tuple[str, list[str | None]]] = {
    "k": _column("INTEGER", *(str(i) for i in range(ROWS))),
    "b": _column("BOOLEAN", "true", "false", None),
    "c": _column("BOOLEAN", "true", None, "false", "false"),
    "ti": _column("TINYINT", "0", "1", "-1", "127", "-128", None, "7"),
    "si": _column("SMALLINT", "0", "1", "-1", "32767", "-32768", None, "300"),
    "i": _column("INTEGER", "0", "1", "-1", "7", "-7", None, "2147483647", "-2147483648", "100", "3"),
    "j": _column("INTEGER", "2", "-2", "3", "0", None, "10", "-1", "1", "7"),
    "bi": _column("BIGINT", "0", "1", "-1", "9223372036854775807", "-9223372036854775808", None,
                 "123456789012"),
    "d": _column("DOUBLE", "0.0", "-0.0", "1.5", "-1.5", "2.5", "nan", "inf", "-inf", None, "0.1", "1e+23",
                 "5e-324", "1.7976931348623157e+308", "1e+16", "1e-05", "123456.789", "0.30000000000000004",
                 "8.41e+21", "1000000000000000.0", "-2.2250738585072014e-308", "100.0",
                 "5.684341886080802e-14"),
    "e": _column("DOUBLE", "1.0", "2.0", "-3.0", "0.0", "0.5", None, "nan", "1e+300", "-0.0"),
    "x": _column("DOUBLE", "0.5", "1.5", "2.5", "-2.5", "3.25", "-7.125", None, "10.0", "0.0", "99.99"),
    "f": _column("FLOAT", "0.0", "0.1", "-1.5", "nan", "inf", None, "16777216.0", "3.4028235e+38", "1e-05",
                 "1.1754944e-38", "1e-45", "2.5", "1000000.0"),
    "n": _column("DECIMAL(18,2)", "0.00", "1.50", "2.50", "-1.50", "-2.50", None, "9999999999999999.99",
                 "0.01",
                 "-0.05", "123.45"),
    "m": _column("DECIMAL(9,3)", "0.500", "1.005", "-0.005", None, "2.000", "999999.999", "0.000"),
    "big": _column("DECIMAL(38,10)", "0.0000000000", "1.5000000000",
                 "-9999999999999999999999999999.9999999999",
                   "0.0000000001", None, "12345678901234567890.1234567890"),
    "s": _column("VARCHAR", "", "a", "A", "abc", "  pad ", None, "é", "e\u0301", "😀", "naïve Straße",
                 "a_b%c",
                 "null", "it's", 'q"q', "back\\slash", "tab\there", "line\nfeed", "1", "-12", "ÅÄÖ", "日本語",
                 "👨\u200d👩\u200d👧", "a,b,c", "zz"),
    "t": _column("VARCHAR", "a", "b", "", "bc", None, "é", "A", " ", "😀", "x\ny", "\\", "%"),
    "num": _column("VARCHAR", "12", "-7", "1.5", "2.5", "abc", "", None, " 42 ", "1e3", "99999999999",
                 "+5", "007",
                   "0.1", "nan", "inf", "-0", ".5", "5.", "1_000", "0x1F", "true", "1e400"),
    "js": _column("VARCHAR", '{"a": 1, "b": {"c": [1, 2, "x"]}}', "[1, 2, 3]", "null", '"text"', "{", "",
                 None,
                  '{"a": null}', '{"a": "é\\u00e9"}', "12"),
    "dt": _column("DATE", "2024-02-29", "1970-01-01", "1899-12-31", "1582-10-15", "0001-01-01",
                 "9999-12-31", None,
                  "2024-12-30", "2021-01-03", "2024-03-31", "1600-02-29"),
    "du": _column("DATE", "2024-01-31", "1969-12-31", "2000-02-29", "1752-09-14", None, "2023-07-15",
                 "2024-11-03"),
    "ts": _column("TIMESTAMP", "2024-02-29 23:59:59.999999", "1970-01-01 00:00:00", "1969-12-31 23:59:59.5",
                  "1899-12-31 12:34:56.000001", "1582-10-15 00:00:00", "0001-01-01 00:00:00", None,
                  "2024-03-31 02:30:00", "2024-11-03 01:30:00", "9999-12-31 23:59:59.999999",
                  "2024-12-30 06:07:08.1", "1600-02-29 01:02:03"),
    "tu": _column("TIMESTAMP", "2024-02-28 10:00:00", None, "1970-01-02 00:00:00", "2000-01-01 00:00:00.25",
                  "2024-03-31 01:59:59"),
    "tz": _column("TIMESTAMP WITH TIME ZONE", "2024-03-31 00:59:59.999999+00", "2024-03-31 01:00:00+00",
                  "2024-10-27 00:30:00+00", "1899-12-31 23:59:59+00", "1970-01-01 00:00:00+00", None,
                  "0001-01-01 00:00:00+00", "2024-11-03 06:30:00.5+00"),
    "tm": _column("TIME", "00:00:00", "23:59:59.999999", "12:34:56.5", None, "06:07:08"),
    "u": _column("UUID", "00000000-0000-0000-0000-000000000000", "6f9619ff-8b86-d011-b42d-00c04fc964ff",
                 None),
    "bl": _column("BLOB", "", "abc", "\\x00\\xFF\\x80", None, "it\\x27s \\x5C \\x22q\\x22", "\\xC3\\xA9",
                 "\\x7F~ "),
    "li": _column("INTEGER[]", "[]", "[1, 2, 3]", "[NULL]", None, "[-1, NULL, 5]", "[2147483647]"),
    "ls": _column("VARCHAR[]", "[]", "[a, b c]",
                 "['', 'null', NULL, ' lead', 'x,y', 'it\\'s', 'a:b', 'back\\\\slash,']",
                  None, "[é, 😀]"),
}  # fmt: skip

STRUCTS: dict[str, tuple[str, list[str | None]]] = {
    "st": _column('STRUCT(a INTEGER, "b c" VARCHAR, l DOUBLE[])',
                 "{'a': 1, 'b c': x y, 'l': [1.5, NULL]}", None,
                  "{'a': NULL, 'b c': 'it\\'s, {x}', 'l': NULL}", "{'a': -5, 'b c': NULL, 'l': []}"),
    "lt": _column("TIMESTAMP[]", "['2024-01-01 10:00:00', NULL]", None, "[]"),
    "ll": _column("INTEGER[][]", "[[1, 2], [], NULL]", None),
}  # fmt: skip

GROUPS = 4
SCHEMA = Schema.of({name: type_ for name, (type_, _) in COLUMNS.items()})
NESTED = Schema.of({name: type_ for name, (type_, _) in {**COLUMNS, **STRUCTS}.items()})
