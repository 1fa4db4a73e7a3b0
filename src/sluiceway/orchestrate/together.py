"""Several pipelines side by side, each a process of its own, each after those that it needs."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.ids import new_run_id
from sluiceway.orchestrate.forker import Forker
from sluiceway.orchestrate.order import Order
from sluiceway.orchestrate.policy import decide
from sluiceway.orchestrate.process import RunProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sluiceway.orchestrate.graph import Graph
    from sluiceway.spec.model import Pipeline
    from sluiceway.store.store import Store

__all__ = ["Asked", "Together", "stopped_by"]

_LOOK = 0.5


@dataclass(frozen=True)
class Asked:
    """What one call asks of each of its runs. ``at`` is ISO 8601 in UTC; ``retries``: a run tries again by
    itself, as ``retry:`` says; ``fail_fast``: when one did not succeed, no other begins."""

    full_refresh: bool = False
    dry_run: bool = False
    at: str | None = None
    retries: bool = True
    variables: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 1
    fail_fast: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "variables": dict(self.variables)}


def stopped_by(
    name: str, graph: Graph | None, ended: Mapping[str, str], *, fail_fast: bool = False
) -> str | None:
    """Why a pipeline does not begin, where those that ended did so: None where it may.

    Whatever lies between two pipelines, selected or not, its rows would be those of before.
    """
    needs = graph.ancestors(name) if graph is not None and name in graph.nodes else ()
    how = {"blocked": "was blocked", "skipped": "was skipped", "cancelled": "was cancelled"}
    bad = {other: status for other, status in ended.items() if status != "succeeded"}
    for other, status in bad.items():
        if other in needs:
            return f"{other}, which it needs, {how.get(status, status)}"
    first = next((other for other, status in bad.items() if status != "skipped"), None)
    return f"{first} did not succeed, and --fail-fast was asked for" if fail_fast and first else None


class Together:
    """``Together(store, graph, asked, group).run(pipelines)``: each run's document, as of ``run --json``.

    Args:
        say: called with the document of each run when it has ended, and its seconds.
        skipped: gives the document of a pipeline that does not begin, for this reason.
    """

    def __init__(
        self,
        store: Store,
        graph: Graph | None,
        asked: Asked,
        group: str,
        *,
        skipped: Callable[[Pipeline, str], dict[str, Any]],
        say: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self._store, self._graph, self._asked, self._group = store, graph, asked, group
        self._skipped, self._say = skipped, say
        self._forker = Forker()
        self._wake = threading.Event()
        self._running: dict[str, RunProcess] = {}
        self._near: dict[str, frozenset[str]] = {}
        self.stopped = self._killed = False

    def stop(self) -> None:
        """Begin nothing more, and tell what runs to stop. From signal handlers too, which take no lock."""
        self.stopped = True

    def kill(self) -> None:
        """The same, and end what runs now."""
        self.stopped = self._killed = True

    def run(self, pipelines: Sequence[Pipeline]) -> list[dict[str, Any]]:
        """Each after those that it needs, in the order that is given.

        Raises:
            RunError: there is no process to be had.
        """
        waiting, found = list(pipelines), {}
        self._look_at(pipelines)
        self._forker.start()
        try:
            while waiting or self._running:
                if self.stopped:
                    for process in self._running.values():
                        process.kill("cancel") if self._killed else process.stop("cancel")
                for name, document in self._ended():
                    found[name] = document
                    self._say(document)
                waiting = self._begin(waiting, found)
                if waiting or self._running:
                    self._wake.wait(_LOOK)
                    self._wake.clear()
        finally:
            for process in self._running.values():
                process.kill("cancel")
            self._forker.close()
        return [found[pipeline.name] for pipeline in pipelines]

    def _begin(self, waiting: list[Pipeline], found: dict[str, dict[str, Any]]) -> list[Pipeline]:
        """Start what may start, skip what will not; those that wait on."""
        left: list[Pipeline] = []
        ended = {name: document["status"] for name, document in found.items()}
        failed = any(status != "succeeded" for status in ended.values())
        for pipeline in waiting:
            because, near = None, self._near[pipeline.name]
            if self.stopped:
                because = "the call was told to stop"
            elif failed and (
                self._asked.fail_fast or any(ended.get(n, "succeeded") != "succeeded" for n in near)
            ):
                because = stopped_by(pipeline.name, self._graph, ended, fail_fast=self._asked.fail_fast)
            if because is not None:
                found[pipeline.name] = self._skipped(pipeline, because)
                ended[pipeline.name] = "skipped"
                self._say(found[pipeline.name])
            elif len(self._running) < self._asked.jobs and near <= ended.keys():
                self._start(pipeline)
            else:
                left.append(pipeline)
        return left

    def _look_at(self, pipelines: Sequence[Pipeline]) -> None:
        """What each waits for: what is further away has ended when those have."""
        graph, all_ = self._graph, {pipeline.name for pipeline in pipelines}
        for name in all_:
            known = graph is not None and name in graph.nodes
            self._near[name] = graph.nearest(name, all_) if graph is not None and known else frozenset()

    def _start(self, pipeline: Pipeline) -> None:
        asked, project = self._asked, pipeline.project
        order = Order(
            project=str(project.folder), environment=pipeline.environment.name, pipeline=str(pipeline.file),
            run_id=new_run_id(), attempt=1, claim=0, token=0, at=asked.at, group_id=self._group,
            full_refresh=asked.full_refresh, dry_run=asked.dry_run, retries=asked.retries,
            variables=dict(asked.variables), process_environment=dict(os.environ),
        )  # fmt: skip
        log = project.folder / ".sluiceway" / "logs" / f"{order.run_id}.log"
        process = RunProcess(order, self._forker, log, project.orchestrate.stop_grace, self._wake.set)
        process.start()
        self._running[pipeline.name] = process

    def _ended(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for name, process in list(self._running.items()):
            self._keep(process)
            if process.ended is not None:
                del self._running[name]
                found.append((name, self._document(name, process)))
        return found

    def _keep(self, process: RunProcess) -> None:
        lines, run_id = process.lines(), process.order.run_id
        lines += [f"warning: {process.warnings.popleft()[1]}" for _ in range(len(process.warnings))]
        if lines:
            self._store.logs.append(run_id, self._store.logs.next_seq(run_id), lines, datetime.now(UTC))

    def _document(self, name: str, process: RunProcess) -> dict[str, Any]:
        """What the run said of itself; where it could not, how it ended."""
        ended, order = process.ended, process.order
        assert ended is not None
        self._keep(process)
        said = ended.said or {}
        if ended.why in ("stop", "lost"):
            ended = replace(ended, why="cancel")
        decision = decide(ended, process.limits, 1, 1, datetime.now(UTC))
        if "result" in said and said["status"] == decision.status:
            return {**said["result"], "execution_time": round(ended.seconds, 3)}
        if not order.dry_run:
            self._store.mark(order.run_id, str(decision.status), error=decision.error)
        return {
            "run_id": order.run_id, "pipeline": name, "environment": order.environment,
            "status": decision.status, "success": False, "error": decision.error,
            "execution_time": round(ended.seconds, 3), "config": bool(said.get("config")),
        }  # fmt: skip
