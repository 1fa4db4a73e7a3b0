"""N tasks that do nothing, each after the one before it, in one Prefect flow on its own local server."""

from __future__ import annotations

import json
import sys

from prefect import flow, task

DONE: list[int] = []


@task
def step(number: int, _before: int) -> int:
    DONE.append(number)
    return number


@flow
def chain(count: int) -> int:
    before = -1
    for number in range(count):
        before = step(number, before)
    return before


if __name__ == "__main__":
    count = int(sys.argv[1])
    chain(count)
    print(json.dumps({"done": len(DONE), "in_order": list(range(count)) == DONE, "ok": True}))
