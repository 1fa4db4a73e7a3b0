"""Several pipelines in one call: in order or side by side, and later the rest of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.cli.progress import Progress
from sluiceway.cli.run import run_one
from sluiceway.cli.summary import exit_code, print_result
from sluiceway.ids import new_run_id
from sluiceway.orchestrate.together import Asked, Together, stopped_by
from sluiceway.run.result import RunResult
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.cli.console import Console
    from sluiceway.cli.options import Options
    from sluiceway.orchestrate.graph import Graph
    from sluiceway.spec.model import Pipeline

__all__ = ["run_several"]


def run_several(
    options: Options, chosen: Sequence[Pipeline], graph: Graph, asked: Asked, group: str | None = None
) -> int:
    """Run them, each after what it needs, print how each went; the exit code is the worst's.

    Args:
        group: of an earlier call, whose runs these go on with.
    """
    project = chosen[0].project
    id = group or new_run_id()
    with Store.open(project.metadata) as store:
        if not asked.dry_run and group is None:
            payload = {"pipelines": [p.name for p in chosen], **asked.as_dict()}
            environment = chosen[0].environment.name
            store.groups.begin(id, environment, "selection", None, payload, datetime.now(UTC))
        if asked.jobs > 1:
            documents, codes = _side_by_side(options.console, store, chosen, graph, asked, id)
        else:
            documents, codes = _in_turn(options.console, chosen, graph, asked, id)
        if not asked.dry_run:
            store.groups.set(id, datetime.now(UTC), state="finished")
    if any(document["status"] != "succeeded" for document in documents) and not asked.dry_run:
        options.console.say(f"  when it is mended: sluiceway runs retry {id}")
    options.console.document({"group": id, "runs": documents})
    return next((code for code in (2, 1, 3) if code in codes), 0)


def _in_turn(
    console: Console, chosen: Sequence[Pipeline], graph: Graph, asked: Asked, group: str
) -> tuple[list[dict[str, Any]], set[int]]:
    results: dict[str, RunResult] = {}
    at = None if asked.at is None else datetime.fromisoformat(asked.at)
    with Progress(console) as progress:
        for pipeline in chosen:
            ended: dict[str, str] = {name: result.status for name, result in results.items()}
            because = stopped_by(pipeline.name, graph, ended, fail_fast=asked.fail_fast)
            if because is not None:
                results[pipeline.name] = _skipped(pipeline, because, group, dry_run=asked.dry_run)
                continue
            results[pipeline.name] = run_one(
                pipeline, progress, full_refresh=asked.full_refresh, dry_run=asked.dry_run, at=at,
                group=group, retries=asked.retries, one_of_several=True,
            )  # fmt: skip
    for result in results.values():
        print_result(console, result, judged_only=asked.dry_run)
    return [r.as_dict() for r in results.values()], {exit_code(r) for r in results.values()}


def _side_by_side(
    console: Console, store: Store, chosen: Sequence[Pipeline], graph: Graph, asked: Asked, group: str
) -> tuple[list[dict[str, Any]], set[int]]:
    from sluiceway.cli.longrun import drained_by_signals

    done = 0

    def say(document: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        _tell(console, document, f"[{done}/{len(chosen)}]")

    def skipped(pipeline: Pipeline, because: str) -> dict[str, Any]:
        return _skipped(pipeline, because, group, dry_run=asked.dry_run).as_dict()

    together = Together(store, graph, asked, group, skipped=skipped, say=say)
    with drained_by_signals(together.stop, together.kill):
        documents = together.run(chosen)
    codes = {*map(_code, documents), *([1] if together.stopped else ())}  # skipped by a signal is not done
    return [{k: v for k, v in d.items() if k != "config"} for d in documents], codes


def _tell(console: Console, document: dict[str, Any], count: str) -> None:
    published = (document.get("records") or {}).get("published")
    rows = "" if published is None or document["status"] != "succeeded" else f"  {published:,} published"
    seconds = f"  {document['execution_time']:.1f} s" if document.get("execution_time") else ""
    console.say(f"{count} {document['pipeline']}: {document['status']}{seconds}{rows}")
    error = document.get("error")
    if error is not None:
        console.say(f"  {error['message']}" + (f" ({error['where']})" if error.get("where") else ""))
        console.say(f"  see: sluiceway runs logs {document['run_id']}")
    for note in document.get("notes") or ():
        console.say(f"  note: {note}")


def _code(document: dict[str, Any]) -> int:
    if document["status"] in ("succeeded", "skipped"):
        return 0
    if document["status"] == "blocked":
        return 3
    return 2 if document.get("config") else 1


def _skipped(pipeline: Pipeline, because: str, group: str, *, dry_run: bool) -> RunResult:
    """A pipeline that does not begin; it is written down as a run that was skipped."""
    name, environment, run_id = pipeline.name, pipeline.environment.name, new_run_id()
    if not dry_run:
        with Store.open(pipeline.project.metadata) as store:
            store.record_skipped(run_id, name, environment, datetime.now(UTC), because, group_id=group)
    return RunResult(run_id, name, environment, status="skipped", notes=(because,))
