"""Runs with fixes that are killed at every event: after the next run the table, the quarantine and the
before-images are those of a run that was never killed, each once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.killing import killed

if TYPE_CHECKING:
    from tests.integration.conftest import ProjectOnDisk

EVENTS = [float(number) for number in range(1, 40)]
SETTINGS = {
    "ducklake": "{type: ducklake, path: .sluiceway/lake}",
    "duckdb": "{type: duckdb, path: out.duckdb}",
    "parquet": "{type: parquet, path: out}",
}
PIPELINE = """\
pipeline: a
sources:
  a: {type: csv, path: data/a.csv, columns: {id: BIGINT, v: BIGINT, s: VARCHAR, seq: BIGINT}, INCREMENTAL}
rules:
  - range: {column: v, min: 0, max: 100}
    on_fail: fix
  - accepted_values: {column: s, values: [paid, shipped]}
    on_fail: fix
destination: {table: mart.a, mode: MODE}
"""


@dataclass
class Model:
    """What the warehouse must hold after the batches so far: in plain Python."""

    merge: bool
    rows: list[tuple[int, int, str, int]] = field(default_factory=list)
    quarantined: list[int] = field(default_factory=list)
    images: list[tuple[int, str, str]] = field(default_factory=list)
    seq: int = 0

    def batch(self) -> str:
        lines = ["id,v,s,seq"]
        for v, s in ((5, "paid"), (500, "Paid "), (-3, "shiped"), (7, "lost")):
            self.seq += 1
            lines.append(f"{self.seq},{v},{s},{self.seq}")
            if s == "lost":
                self.quarantined.append(self.seq)
                continue
            good = (min(max(v, 0), 100), {"Paid ": "paid", "shiped": "shipped"}.get(s, s))
            self.rows.append((self.seq, *good, self.seq))
            if good != (v, s):
                self.images.append((self.seq, str(v), s))
        return "\n".join(lines) + "\n"

    def compare(self, project: ProjectOnDisk, place: object) -> None:
        assert sorted(project.rows("mart.a", "id, v, s, seq")) == self.rows, place
        turned = project.query("SELECT \"row\" FROM {q} WHERE source <> 'fixed'")
        assert sorted(int(json.loads(row)["id"]) for (row,) in turned) == self.quarantined, place
        kept = project.query("SELECT \"row\", quarantine_id FROM {q} WHERE source = 'fixed'")
        found = []
        for text, _ in kept:
            row: dict[str, Any] = {part: json.loads(inner) for part, inner in json.loads(text).items()}
            found.append((int(row["after"]["id"]), row["before"]["v"], row["before"]["s"]))
        assert sorted(found) == self.images, place
        assert len({id_ for _, id_ in kept}) == len(kept), place


def chain(project: ProjectOnDisk, *, merge: bool) -> int:
    text = PIPELINE.replace("MODE", "merge, primary_key: id" if merge else "append")
    project.write("pipelines/a.yml", text.replace("INCREMENTAL", "incremental: {cursor: seq}"))
    model, count = Model(merge), 0
    for when in EVENTS:
        project.write("data/a.csv", model.batch())
        ended, said = killed(project.folder, "event", when)
        count += ended
        result = project.run("a")
        assert result.status == "succeeded", (when, said, result.error)
        model.compare(project, (when, said))
        if not ended:
            break
    return count


@pytest.mark.chaos
@pytest.mark.parametrize("warehouse", SETTINGS)
def test_before_images_are_neither_lost_nor_doubled_by_kills(make_project: Any, warehouse: str) -> None:
    kind = SETTINGS[warehouse]
    settings = f"project: test\nenvironments:\n  dev:\n    warehouse: {kind}\n"
    project = make_project({}, settings=settings)
    assert chain(project, merge=warehouse != "parquet") > 8


def test_a_kill_right_before_the_publish_and_one_right_after_it(make_project: Any) -> None:
    kind = SETTINGS["ducklake"]
    project = make_project({}, settings=f"project: test\nenvironments:\n  dev:\n    warehouse: {kind}\n")
    text = PIPELINE.replace("MODE", "merge, primary_key: id").replace(
        "INCREMENTAL", "incremental: {cursor: seq}"
    )
    project.write("pipelines/a.yml", text)
    model = Model(True)
    seen: list[str] = []
    project.write("data/a.csv", model.batch())
    project.run(
        "a", progress=lambda event: seen.append(f"{type(event).__name__} {getattr(event, 'node', '')}")
    )
    model.compare(project, "before the kills")
    at = seen.index("NodeStarted publish") + 1
    for when in (at, at + 1):
        project.write("data/a.csv", model.batch())
        ended, said = killed(project.folder, "event", float(when))
        assert ended, said
        assert project.run("a").status == "succeeded"
        model.compare(project, (when, said))
