"""The benchmark's own honesty: what is wrong is said, who fails is shown, the figures are the child's."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

from bench.anomalies import RATE, judged_right, measure
from bench.measure import Contender, Measured, contest
from bench.report import Table, summary
from bench.workloads import same_counts, same_run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def python(name: str, code: str, role: str = "ours", **more: object) -> Contender:
    return Contender(name, role, [sys.executable, "-c", code], **more)  # type: ignore[arg-type]


def test_a_missing_defect_and_an_invented_one_are_both_wrong() -> None:
    judge = same_counts({"email": 3, "amount": 1})
    assert judge(json.dumps({"counts": {"email": 3, "amount": 1, "phone": 0}})) == "ok"
    assert judge(json.dumps({"counts": {"email": 2, "amount": 1}})) == "email: 2, planted 3"
    assert judge(json.dumps({"counts": {"amount": 1}})) == "email: 0, planted 3"
    assert judge(json.dumps({"counts": {"email": 3, "amount": 1, "phone": 4}})) == "phone: 4, planted none"


def test_rows_of_a_run_are_held_against_what_was_planted() -> None:
    judge = same_run({"amount": 2}, 10, 2)
    records = {"staged": 10, "published": 8, "quarantined": 2}
    checks = [{"id": "amount", "failing": 2}, {"id": "unique:id", "failing": 0}]
    assert judge(json.dumps({"records": records, "checks": checks})).startswith("ok")
    lost = judge(json.dumps({"records": {**records, "published": 7}, "checks": checks}))
    assert lost == "published 7, expected 8"


def test_contenders_take_turns_and_a_failed_one_stays_in_the_table(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write = f"open({str(log)!r}, 'a').write"
    found = contest(
        [
            python("a", f"{write}('a')"),
            python("b", f"{write}('b')", "hand"),
            python("broken", "raise SystemExit('no such thing')", "peer"),
            Contender("absent", "peer", ["false"], missing="not installed: no wheel"),
        ],
        3,
    )
    assert log.read_text() == "ababab"
    assert [m.runs for m in found] == [3, 3, 0, 0]
    assert found[2].failed == "exit 1: no such thing"
    text = Table("t", found).markdown()
    assert "FAILED: exit 1: no such thing" in text
    assert "FAILED: not installed: no wheel" in text


def test_the_figures_are_of_the_child_itself() -> None:
    spin = "import time\nwhile time.process_time() < 0.3: pass\nx = bytearray(200_000_000)"
    (measured,) = contest([python("busy", spin)], 1)
    assert measured.cpu >= 0.3
    # no upper bound: the kernel's account of a child's memory begins with that of the process that starts it
    assert measured.peak > 190
    assert measured.wall > 0


def test_an_answer_that_can_not_be_read_is_wrong_and_not_passed_over() -> None:
    (measured,) = contest([python("mute", "print('nothing to see')", truth=same_counts({"email": 1}))], 1)
    assert "can't be read" in measured.wrong


def test_a_wrong_result_meets_no_goal(capsys: pytest.CaptureFixture[str]) -> None:
    ours = Measured("we", "ours", [1.0], [1.0], 10.0, wrong="email: 2, planted 3")
    hand = Measured("they", "hand", [2.0], [2.0], 10.0)
    table = Table("gate", [ours, hand], (("wall ratio", 1.1),))
    assert "NO FIGURE" in summary([table])
    assert table.wrong == ["gate: we: email: 2, planted 3"]
    ours.wrong = ""
    assert "| 0.50 | 0.50 | met |" in summary([table])
    ours.walls = [3.0]
    assert "not met" in summary([table])
    assert math.isclose(table.least("wall"), 2.0)
    capsys.readouterr()


def test_the_anomaly_rule_finds_what_is_planted_in_histories_and_little_else() -> None:
    figures = measure(20)
    assert figures["recall"] >= 0.9
    assert figures["precision"] >= 0.9
    assert figures["rate"] <= 2 * RATE  # 600 points: the stated rate is six of them


def test_figures_below_what_is_asked_are_wrong() -> None:
    good = {"precision": 0.95, "recall": 0.95, "events": 80, "rate": 0.002, "series": 100}
    assert judged_right(json.dumps(good)).startswith("ok ")
    for worse in ({"precision": 0.89}, {"recall": 0.89}, {"rate": 0.02}):
        assert not judged_right(json.dumps({**good, **worse})).startswith("ok")
