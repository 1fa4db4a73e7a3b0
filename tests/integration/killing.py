"""Runs in processes of their own that end at a chosen instant, and what must be true after the next run.

The kills are a chain: each has a batch of its own, is killed, and is followed by a run that is not. After
every link the warehouse must equal a model in a few lines of Python, so a fault of any link would show in
all that follow.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from tests.integration.conftest import ProjectOnDisk

ROOT = Path(__file__).resolve().parents[2]

_CHILD = """\
import os, signal, sys
from pathlib import Path
from sluiceway.events import NodeStarted
from sluiceway.run.runner import run
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import resolve

folder, name, kind, when = sys.argv[1:]
seen = 0

def die(event):
    global seen
    seen += 1
    if kind == "event" and seen == float(when):
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "publish" and isinstance(event, NodeStarted) and event.node == "publish":
        # the kernel ends the process, wherever it is: no Python runs for it, as with SIGKILL
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(float(when), 1e-6))

project = load_project(Path(folder))
result = run(resolve(PipelineConfig.load(find_pipeline(project, name)), project), progress=die)
signal.setitimer(signal.ITIMER_REAL, 0)
print(result.status, result.error, seen)
"""


def killed(folder: Path, kind: str, when: float, name: str = "a") -> tuple[bool, str]:
    """Run ``name`` and have it killed at event ``when``, or ``when`` seconds into its publish; whether it
    was, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(folder), name, kind, str(when)],
        capture_output=True, text=True, timeout=180, check=False, cwd=ROOT,
    )  # fmt: skip
    ended = done.returncode in (-signal.SIGKILL, -signal.SIGALRM)
    assert ended or done.returncode == 0, done.stderr
    return ended, done.stdout + done.stderr


Row = tuple[int, int, int, int]
"""id, v, ver, seq"""


@dataclass
class Chain:
    """Batches, and the model of what a warehouse holds after them."""

    mode: str
    size: int = 12
    rows: list[Row] = field(default_factory=list)
    quarantined: list[int] = field(default_factory=list)
    receipts: list[tuple[int, int, int]] = field(default_factory=list)
    seq: int = 0

    def next_batch(self) -> str:
        """A CSV: new keys, newer and older versions of keys that are there, a row that is turned away."""
        number = len(self.receipts)
        batch: list[Row] = []
        for j in range(self.size):
            self.seq += 1
            key = number * (self.size // 2) + j
            version = number * 10 - (30 if j == 1 else 0)
            batch.append((key, -self.seq if j == 2 else self.seq, version, self.seq))
        good = [row for row in batch if row[1] >= 0]
        late = 0
        if self.mode == "merge":
            there = {row[0]: row for row in self.rows}
            for row in good:
                if row[0] in there and there[row[0]][2] > row[2]:
                    late += 1
                else:
                    there[row[0]] = row
            self.rows = list(there.values())
        else:
            self.rows += good
        self.quarantined += [row[3] for row in batch if row[1] < 0]
        self.receipts.append((len(good), len(batch) - len(good), late))
        return "id,v,ver,seq\n" + "".join(",".join(map(str, row)) + "\n" for row in batch)

    def pipeline(self) -> str:
        keys = ", primary_key: id, version: ver" if self.mode == "merge" else ""
        return f"""\
            pipeline: a
            sources:
              a: {{type: csv, path: data/a.csv, incremental: {{cursor: seq}}}}
            transform:
              - derive: {{twice: v * 2}}
            rules:
              - not_null: id
              - range: {{column: v, min: 0}}
                on_fail: quarantine
            destination: {{table: mart.a, mode: {self.mode}{keys}}}
            """

    def compare(self, project: ProjectOnDisk, place: object) -> None:
        """The warehouse holds what a run never killed would have left."""
        assert sorted(project.rows("mart.a", "id, v, ver, seq")) == sorted(self.rows), place
        turned = project.query('SELECT "row", reasons, status FROM {q}')
        assert sorted(int(json.loads(row)["seq"]) for row, _, _ in turned) == self.quarantined, place
        assert {(why, status) for _, why, status in turned} <= {('["range:v"]', "waiting")}, place
        sink = project.sink()
        sink.open(None)
        try:
            receipts, cursors = sink.receipts(pipeline="a"), sink.state("a")
        finally:
            sink.close()
        assert [(c.source, c.column, c.value) for c in cursors] == [("a", "seq", str(self.seq))], place
        found = [(r.published, r.quarantined, r.late) for r in receipts if r.published + r.quarantined]
        assert found[::-1] == self.receipts, place
        self._settled(project, {r.run_id for r in receipts}, place)

    def _settled(self, project: ProjectOnDisk, committed: set[str], place: object) -> None:
        """The store says of every run what the receipts say; nothing of a killed one lies about."""
        with Store.open(load_project(project.folder).metadata) as store:
            statuses = {run["run_id"]: run["status"] for run in store.runs(limit=1000)}
            marks = [cursor["value"] for cursor in store.cursors(pipeline="a")]
        wanted = {run: "succeeded" if run in committed else "failed" for run in statuses}
        assert statuses == wanted, place
        assert marks == [str(self.seq)], place
        staging = project.folder / ".sluiceway" / "staging"
        assert [path.name for path in staging.glob("*")] == [], place


def chain_of_kills(project: ProjectOnDisk, chain: Chain, kind: str, instants: list[float]) -> int:
    """Kill at each of ``instants``; how many of the runs were killed before they ended."""
    project.write("pipelines/a.yml", chain.pipeline())
    count = 0
    for when in instants:
        project.write("data/a.csv", chain.next_batch())
        ended, said = killed(project.folder, kind, when)
        count += ended
        result: Any = project.run("a")
        assert result.status == "succeeded", (when, said, result.error)
        chain.compare(project, (kind, when, said))
        if kind == "event" and not ended:
            return count
    return count
