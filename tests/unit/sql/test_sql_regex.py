"""RE2's patterns in other engines' words, and what has none."""

from __future__ import annotations

import pytest

from sluiceway.errors import PlanError
from sluiceway.sql.regex import regex
from sluiceway.sql.regexsets import complement


@pytest.mark.parametrize(
    ("pattern", "java", "postgres"),
    [
        ("a.c", r"a[\x{0}-\x{9}\x{B}-\x{10FFFF}]c", r"a[\u0001-\u0009\u000B-\U0010FFFF]c"),
        ("(?s)a.", r"a(?s:.)", "a."),
        ("^a$", r"\Aa\z", r"\Aa\Z"),
        ("(?i)k", r"[Kk\x{212A}]", r"[Kk\u212A]"),
        (r"\s", r"[\x{9}-\x{A}\x{C}-\x{D}\x{20}]", r"[\u0009-\u000A\u000C-\u000D\u0020]"),
        ("(?P<n>a)(?:b)", "(a)(?:b)", "(a)(?:b)"),
        ("a*?", "a*?", "a*"),
        ("x{2,}{", r"x{2,}\x{7B}", r"x{2,}\u007B"),
        (r"[]\-a]", r"[\x{5D}\x{2D}a]", r"[\u005D\u002Da]"),
        (r"\Qa.b\E", r"(?:a\x{2E}b)", r"(?:a\u002Eb)"),
    ],
)
def test_a_pattern_in_other_words(pattern: str, java: str, postgres: str) -> None:
    assert regex(pattern, "spark").text == java
    assert regex(pattern, "postgres").text == postgres


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(?i)é", "(?i) with a letter beyond ASCII"), (r"\pL", r"\p"), ("(?m)a", "(?m…)"), ("(?<=a)b",
        "a look-behind"),
        ("a**", "two quantifiers"), ("^*", "after something without width"), ("(", "is not closed"),
        ("a)", "an unmatched ')'"), ("*a", "nothing before it"), ("[b-a]", "runs backwards"), ("[a",
        "too early"),
        (r"(?i)\W", r"\W under (?i)"), ("[[:word2:]]", "[:word2:]"), ("a\\", "too early"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["spark", "postgres"])
def test_what_can_t_be_said_is_named(pattern: str, what: str, dialect: str) -> None:
    with pytest.raises(PlanError) as caught:
        regex(pattern, dialect)
    assert what in caught.value.message
    assert pattern in caught.value.message
    assert caught.value.hint


def test_postgres_extracts_less() -> None:
    """It takes the longest match, so what tells alternatives apart is refused where the text is wanted."""
    assert regex("a|ab", "spark", found=True).text == "a|ab"
    for pattern in ("a|ab", "a+?b"):
        with pytest.raises(PlanError, match="on PostgreSQL as on DuckDB"):
            regex(pattern, "postgres", found=True)
    with pytest.raises(PlanError, match="a count above 255"):
        regex("a{300}", "postgres")


def test_a_set_and_its_complement_are_everything() -> None:
    ranges = ((9, 10), (0x41, 0x5A))
    assert complement(complement(ranges)) == ranges
    assert complement(()) == ((0, 0x10FFFF),)
