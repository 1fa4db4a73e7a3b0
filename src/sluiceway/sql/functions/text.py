"""Functions of text."""

from __future__ import annotations

from sluiceway.sql.functions.base import table

__all__ = ["TEXT"]

# Position from which DuckDB counts: 0 is the place before the first, below it from the end.
_START_S = "CASE WHEN :b < 0 THEN length(:a) + :b ELSE :b - 1 END"
_LOW = "greatest(least(" + _START_S + ", " + _START_S + " + :c), 0)"
_HIGH = "greatest(greatest(" + _START_S + ", " + _START_S + " + :c), 0)"
_SUBSTRING = (
    "CASE WHEN :b IS NOT NULL AND :c IS NOT NULL THEN "
    f"substr(:a, CAST({_LOW} + 1 AS INT), CAST({_HIGH} - {_LOW} AS INT)) END"
)
_SUBSTRING_TAIL = f"CASE WHEN :b IS NOT NULL THEN substr(:a, CAST(greatest({_START_S}, 0) + 1 AS INT)) END"

_SHORTER = "CAST(CASE WHEN :b < 0 THEN greatest(length(:a) + :b, 0) ELSE :b END AS INT)"

_SPLIT = "CASE WHEN :a = '' THEN ARRAY[''] ELSE string_to_array(:a, :b) END"

TEXT = table(
    ("length len char_length character_length", "T", "CAST(length(:a) AS BIGINT)", "="),
    ("strlen", "T", "CAST(octet_length(:a) AS BIGINT)", "="),
    ("bit_length", "T", "CAST(bit_length(:a) AS BIGINT)", "="),
    ("trim", "T", "trim(:a)", "btrim(:a)"),
    ("ltrim", "T", "ltrim(:a)", "="),
    ("rtrim", "T", "rtrim(:a)", "="),
    ("trim", "TT", "btrim(:a, :b)", "="),
    ("ltrim", "TT", "TRIM(LEADING :b FROM :a)", "ltrim(:a, :b)"),
    ("rtrim", "TT", "TRIM(TRAILING :b FROM :a)", "rtrim(:a, :b)"),
    ("lpad", "TIT!", "CASE WHEN :b < 0 THEN '' ELSE lpad(:a, CAST(:b AS INT), :c) END",
     "lpad(:a, CAST(:b AS INT), :c)"),
    ("rpad", "TIT!", "CASE WHEN :b < 0 THEN '' ELSE rpad(:a, CAST(:b AS INT), :c) END",
     "rpad(:a, CAST(:b AS INT), :c)"),
    ("left", "TI", f"left(:a, {_SHORTER})", "left(:a, CAST(:b AS INT))"),
    ("right", "TI", f"right(:a, {_SHORTER})", "right(:a, CAST(:b AS INT))"),
    ("substring substr", "TI+", "substr(:a, :b)", "="),
    ("substring substr", "TI+I+", "substr(:a, :b, :c)", "="),
    ("substring substr", "TI", _SUBSTRING_TAIL, "="),
    ("substring substr", "TII", _SUBSTRING, "="),
    ("replace", "TTT", "replace(:a, :b, :c)", "="),
    ("repeat", "TI", "repeat(:a, CAST(:b AS INT))", "="),
    ("starts_with prefix", "TT", "startswith(:a, :b)", "starts_with(:a, :b)"),
    ("ends_with suffix", "TT", "endswith(:a, :b)", "right(:a, length(:b)) = :b"),
    ("contains", "TT", "contains(:a, :b)", "strpos(:a, :b) > 0"),
    ("strpos instr position", "TT", "CAST(instr(:a, :b) AS BIGINT)", "CAST(strpos(:a, :b) AS BIGINT)"),
    ("split_part", "TT!I+", "split_part(:a, :b, :c)", "="),
    ("unicode ord", "T", "CASE WHEN :a = '' THEN -1 ELSE ascii(:a) END", "="),
    ("ascii", "T", "ascii(:a)", "="),
    ("translate", "TT!T!", "translate(:a, :b, :c)", "="),
    ("md5", "T", "md5(:a)", "md5(:a)"),
    ("sha256", "T", "sha2(:a, 256)", "encode(sha256(convert_to(:a, 'UTF8')), 'hex')"),
    ("sha1", "T", "sha1(:a)", None),
    ("hex to_hex", "T", "hex(:a)", "upper(encode(convert_to(:a, 'UTF8'), 'hex'))"),
    ("string_split split str_split", "TT!", "split(:a, concat('\\\\Q', :b, '\\\\E'))", _SPLIT),
)  # fmt: skip
