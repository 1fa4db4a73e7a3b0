"""The verdict and the scores, from checks alone."""

from __future__ import annotations

import pytest

from sluiceway.errors import PlanError, Where
from sluiceway.rules.base import RuleContext
from sluiceway.rules.fuse import BITS, Check, any_bit, assign, failing_by_bit, mask_column, number_checks
from sluiceway.rules.not_null import NotNull
from sluiceway.rules.row_count import RowCount
from sluiceway.run.gate import decide, dimensions, score
from sluiceway.run.result import CheckResult
from sluiceway.schema import Schema
from sluiceway.spec.model import QualitySpec

NOTHING_ASKED = QualitySpec()
CTX = RuleContext(Schema.of({"a": "INTEGER", "b": "VARCHAR"}), Where())


def check(**options):
    (rule,) = NotNull.parse("a", options)
    return Check("a", rule, Where(), CTX, "gate")


def result(failing, total, **options):
    return CheckResult(check(**options), failing, total)


def verdict(*results, quality=NOTHING_ASKED, published=10, turned_away=0, replace_empty=False):
    return decide(
        results, quality, run_id="r", staging_id="s",
        published=published, turned_away=turned_away, replace_empty=replace_empty,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "failing", "blocks"),
    [
        ({}, 1, True),
        ({}, 0, False),
        ({"severity": "critical"}, 1, True),
        ({"severity": "warning"}, 5, False),
        ({"severity": "info"}, 5, False),
        ({"tolerance": 2}, 2, False),
        ({"tolerance": 2}, 3, True),
        ({"tolerance": "10%"}, 10, False),
        ({"tolerance": "10%"}, 11, True),
        ({"on_fail": "quarantine"}, 100, False),
        ({"on_fail": "quarantine", "tolerance": "10%"}, 10, False),
        ({"on_fail": "quarantine", "tolerance": "10%"}, 11, True),
        ({"severity": "warning", "on_fail": "block"}, 1, True),
    ],
)
def test_what_blocks(options, failing, blocks):
    assert (verdict(result(failing, 100, **options)).outcome == "block") is blocks


def test_any_block_beats_quarantine_and_says_why():
    found = verdict(result(1, 10, on_fail="quarantine"), result(1, 10, name="x"), turned_away=1)
    assert found.outcome == "block"
    assert len(found.reasons) == 1


def test_turned_away_rows_make_a_pass_with_quarantine():
    assert verdict(result(1, 10, on_fail="quarantine"), turned_away=1).outcome == "quarantine"


def test_a_score_below_its_threshold_blocks_and_an_absent_dimension_does_not():
    failing = result(5, 10, severity="warning")
    assert verdict(failing, quality=QualitySpec({"score": 0.6})).outcome == "block"
    assert verdict(failing, quality=QualitySpec({"completeness": 0.5})).outcome == "pass"
    assert verdict(failing, quality=QualitySpec({"timeliness": 0.99})).outcome == "pass"


def test_replacing_by_nothing_blocks_unless_it_may():
    assert verdict(published=0, replace_empty=True).outcome == "block"
    assert verdict(published=0, replace_empty=False).outcome == "pass"


def test_a_dimension_is_the_mean_of_its_checks_and_info_does_not_count():
    parts = dimensions([result(1, 10), result(0, 10), result(10, 10, severity="info")])
    assert parts == {"completeness": pytest.approx(0.95)}
    assert dimensions([result(0, 0)]) == {"completeness": 1.0}


def test_weights_are_renormalised_over_what_is_present():
    assert score({"completeness": 1.0, "accuracy": 0.0}, {"completeness": 3.0}) == 0.75
    assert score({}, {}) is None


def test_more_checks_than_bits_go_on_in_another_column():
    checks = assign(number_checks([check() for _ in range(BITS + 2)]))
    assert [mask_column(c.bit) for c in (checks[0], checks[BITS - 1], checks[BITS])] == [
        "_sluiceway_mask",
        "_sluiceway_mask",
        "_sluiceway_mask_1",
    ]
    assert [c.id for c in checks[:2]] == ["not_null:a", "not_null:a#2"]
    counts = failing_by_bit([(1 | 1 << 62, 0, 3), (1, 2, 4)], checks)
    assert counts[checks[0].id] == 7
    assert counts[checks[62].id] == 3
    assert counts[checks[64].id] == 4
    assert counts[checks[63].id] == 0
    assert any_bit([62, 63]).sql("duckdb").count("&") == 2


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(PlanError, match="two rules"):
        number_checks([check(name="x"), check(name="x")])


def test_a_rule_without_rows_to_blame_can_not_quarantine():
    (rule,) = RowCount.parse({"min": 1}, {"on_fail": "quarantine"})
    with pytest.raises(PlanError, match="no rows"):
        assign([Check("a", rule, Where(), CTX, "gate")])


def test_a_rule_without_a_fix_is_refused_and_does_not_publish_bad_rows():
    with pytest.raises(PlanError, match="no fix"):
        assign([check(on_fail="fix")])
