"""N tasks that do nothing, each after the one before it, in Luigi's local scheduler."""

from __future__ import annotations

import json
import sys

import luigi

DONE: list[int] = []


class Step(luigi.Task):
    number = luigi.IntParameter()

    def requires(self) -> list[luigi.Task]:
        return [Step(self.number - 1)] if self.number else []

    def run(self) -> None:
        DONE.append(self.number)

    def complete(self) -> bool:
        return self.number < len(DONE)


sys.setrecursionlimit(10_000)
count = int(sys.argv[1])
ok = luigi.build([Step(count - 1)], local_scheduler=True, log_level="ERROR")
print(json.dumps({"done": len(DONE), "in_order": list(range(count)) == DONE, "ok": ok}))
