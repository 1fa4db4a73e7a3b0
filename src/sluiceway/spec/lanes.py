"""Runs of one pipeline side by side: where what they leave behind does not hang on their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.errors import PlanError

if TYPE_CHECKING:
    from sluiceway.errors import Where

__all__ = ["refuse_side_by_side"]


def refuse_side_by_side(mode: str, version: str | None, table: str, where: Where) -> None:
    """Raises PlanError where the last of several runs to end would decide what is left in ``table``.

    >>> from sluiceway.errors import Where
    >>> refuse_side_by_side("append", None, "mart.orders", Where())
    >>> refuse_side_by_side("merge", "updated_at", "mart.orders", Where())
    """
    if mode == "replace":
        raise PlanError(
            f"runs side by side: each would replace all of {table}, and the last to end would win",
            where=where, hint="write mode: append or merge in destination:, or let runs go one at a time",
        )  # fmt: skip
    if mode == "scd2":
        raise PlanError(
            f"runs side by side: the history in {table} is written in the order of time",
            where=where, hint="let runs go one at a time",
        )  # fmt: skip
    if mode == "merge" and version is None:
        raise PlanError(
            f"runs side by side: in {table} older rows of a key could overwrite newer ones",
            where=where, hint="write version: COLUMN in destination:, or let runs go one at a time",
        )  # fmt: skip
