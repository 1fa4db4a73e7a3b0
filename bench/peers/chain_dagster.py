"""N ops that do nothing, each after the one before it, in one Dagster job, in process, nothing kept."""

from __future__ import annotations

import json
import sys
from typing import Any

from dagster import In, Nothing, Out, job, op

DONE: list[int] = []


def op_of(number: int) -> Any:
    @op(name=f"step_{number}", ins={"before": In(Nothing)} if number else {}, out=Out(Nothing))
    def step() -> None:
        DONE.append(number)

    return step


count = int(sys.argv[1])
sys.setrecursionlimit(20_000)


@job
def chain() -> None:
    before = None
    for number in range(count):
        made = op_of(number)
        before = made() if before is None else made(before)


if __name__ == "__main__":
    result = chain.execute_in_process()
    print(json.dumps({"done": len(DONE), "in_order": list(range(count)) == DONE, "ok": result.success}))
