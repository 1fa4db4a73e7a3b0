"""What a schedule is to other orchestrators."""

from __future__ import annotations

import ast
from datetime import UTC, datetime

import pytest

from sluiceway.integrations.code import literal
from sluiceway.integrations.outline import Outline, When, delays
from sluiceway.orchestrate.policy import backoff
from sluiceway.spec.schedule import ScheduleSpec


@pytest.mark.parametrize("every", [60, 300, 900, 1800, 3600, 7200, 21600, 86400])
def test_cron_of_an_interval_has_its_moments(every: int) -> None:
    (cron,), timezone, rest = When(every=float(every)).clock
    assert rest is None
    after = datetime(2026, 3, 28, 22, 7, 13, tzinfo=UTC)  # over a night of a changed clock
    ours = ScheduleSpec(every=float(every), timezone="Europe/Amsterdam").moments(after)
    theirs = ScheduleSpec(crons=(cron,), timezone=timezone).moments(after)
    assert [next(ours) for _ in range(50)] == [next(theirs) for _ in range(50)]


@pytest.mark.parametrize("every", [1, 90, 420, 25200, 172800])
def test_an_interval_that_cron_can_t_say_stays_one(every: int) -> None:
    assert When(every=float(every)).clock == ((), "UTC", float(every))


def test_an_interval_with_a_beginning_is_counted_from_it() -> None:
    start = datetime(2026, 1, 1, 0, 7, tzinfo=UTC)
    assert When(every=900.0, start=start).clock == ((), "UTC", 900.0)


@pytest.mark.parametrize("kind", ["constant", "linear", "exponential"])
def test_delays_are_those_of_our_workers(kind: str) -> None:
    outline = Outline("a", "t", attempts=4, delay=3.0, backoff=kind)  # type: ignore[arg-type]
    assert delays(outline) == [backoff(kind, 3.0, n, 1.0) for n in (1, 2, 3)]


TEXTS = ["", "a'b", 'a"b', "a\\b", "a'\"\\b", "line\nbreak\ttab\x00", "größe \u2028", '"', "'", "{x}%s"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_literal_is_the_text_again(text: str) -> None:
    assert ast.literal_eval(literal(text)) == text
    assert "\n" not in literal(text)
