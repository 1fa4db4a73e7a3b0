"""A publish as one script of BigQuery's: one job, one transaction, no session that could be left open.

A script goes on when the process that sent it is killed, and then commits or rolls back as a whole, so there
is no half of it to find; the receipt says which it was.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sluiceway.connectors.loading import Load

__all__ = ["again_on_conflict", "check_of", "publish_script", "transaction"]

T = TypeVar("T")
_CHECK = "sluiceway:check:"
_CONFLICT = re.compile(r"concurrent update|serialize access|transaction conflict|failed to commit", re.I)
_TRIES_FOR = 120.0
"""Seconds in which a transaction that lost against another one is tried again."""


def transaction(declare: Sequence[str], statements: Sequence[str], answer: str = "") -> str:
    """The script. Each statement ends in its semicolon; ``answer`` is an expression that it gives back."""
    lines = [*declare, "BEGIN TRANSACTION;", *statements, "COMMIT TRANSACTION;"]
    return "\n".join([*lines, *([f"SELECT {answer};"] if answer else [])])


def publish_script(receipts: str, run: str, plan: Load, work: Sequence[str], last: Sequence[str]) -> str:
    """The script of a publish, in which nothing happens where the run has a receipt already.

    Args:
        receipts: the table. ``run``: the run's id as a literal.
        plan: the load mode's statements; ``sluiceway_late`` then holds how many rows were late.
        work: what is written beside the rows. ``last``: statements that end the transaction, which others
            that publish at the same time wait for or lose against.
    """
    body = [f"{sql};" for sql in plan.prepare]
    for number, check in enumerate(plan.checks):
        message = f"CONCAT('{_CHECK}{number}:', CAST(sluiceway_count AS STRING))"
        body += [
            f"SET sluiceway_count = ({check.sql});",
            f"IF sluiceway_count > 0 THEN RAISE USING MESSAGE = {message}; END IF;",
        ]
    if plan.late:
        body.append(f"SET sluiceway_late = ({plan.late});")
    body += [f"{sql};" for sql in (*plan.statements, *work)]
    body += last
    declare = [
        "DECLARE sluiceway_done INT64 DEFAULT 0;",
        "DECLARE sluiceway_count INT64 DEFAULT 0;",
        "DECLARE sluiceway_late INT64 DEFAULT 0;",
    ]
    return transaction(
        declare,
        [
            f"SET sluiceway_done = (SELECT count(*) FROM {receipts} WHERE run_id = {run});",
            "IF sluiceway_done = 0 THEN", *body, "END IF;",
        ],
    )  # fmt: skip


def check_of(text: str) -> tuple[int, int] | None:
    """Which check of the plan stopped the script, and its count; None where it was something else.

    >>> check_of("400 sluiceway:check:1:3; reason: invalidQuery")
    (1, 3)
    """
    found = re.search(rf"{_CHECK}(\d+):(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def again_on_conflict(work: Callable[[], T]) -> T:
    """``work``, again where BigQuery cancelled it because of another transaction on the same table."""
    from google.api_core.exceptions import GoogleAPICallError

    deadline = time.monotonic() + _TRIES_FOR
    while True:
        try:
            return work()
        except GoogleAPICallError as error:
            if not _CONFLICT.search(str(error)) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.2, 1.0))  # noqa: S311 spreads those that lost, no secret
