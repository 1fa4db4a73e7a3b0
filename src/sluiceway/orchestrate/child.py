"""Inside the process of one run: it reads its order, runs it, and says over a pipe how it goes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway import logs
from sluiceway.errors import FencedError, GateError, SluicewayError, StoreError
from sluiceway.events import Event, NodeFinished, NodeStarted, RunStarted
from sluiceway.orchestrate.order import MARK
from sluiceway.secrets import redact, redact_tree, registered

if TYPE_CHECKING:
    from sluiceway.orchestrate.order import Order
    from sluiceway.spec.model import Pipeline

__all__ = ["live"]


def live(order: Order, said: int, lifeline: int) -> int:
    """Run ``order``; ``said`` is the pipe to the worker. Gives the exit code.

    When ``lifeline`` ends, so has the worker: nobody watches any more, so the whole group goes.
    """
    os.environ.clear()
    os.environ.update({**order.process_environment, MARK: order.mark})
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    logs.configure("info")
    if order.nice:
        os.nice(order.nice)
    voice = _Voice(said)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # what came since the fork is heard now
        voice.say(_outcome(order, voice))
    except KeyboardInterrupt:
        voice.say({"status": "cancelled", "error": {"type": "CancelledError", "message": "told to stop"}})
        return 1
    except BaseException as bug:  # noqa: BLE001  it is shown with its trace, and the worker learns that it was one
        traceback.print_exc()
        voice.say({"status": "failed", "error": {"type": type(bug).__name__, "message": redact(str(bug))}})
        return 1
    return 0


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _watch(lifeline: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(lifeline, 1):
            pass
    os.killpg(0, signal.SIGKILL)


class _Voice:
    """One JSON document a line. A worker that is gone is not talked to."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._done = 0
        self._told: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def say(self, document: dict[str, Any]) -> None:
        self._write(redact_tree(document))

    def tell_secrets(self) -> None:
        """The worker masks what this process and its children print, so it must know what. It knows them
        anyhow: it has the environment that they come from."""
        if new := registered() - self._told:
            self._told |= new
            self._write({"secrets": sorted(new)})

    def _write(self, document: dict[str, Any]) -> None:
        line = json.dumps(document, default=str).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError):
            while line:
                line = line[os.write(self._pipe, line) :]

    def event(self, event: Event) -> None:
        self.tell_secrets()
        now = event.at.isoformat()
        match event:
            case RunStarted():
                self.say({"progress": {"node": "plan", "done": 0, "since": now}})
            case NodeStarted():
                self.say({"progress": {"node": event.node, "done": self._done, "since": now}})
            case NodeFinished():
                self._done += 1
                failed = f"  failed: {event.error}" if event.error else ""
                rows = "" if event.rows is None else f"  {event.rows:,} rows"
                _tell(f"{now[:19]} {event.node}: {event.seconds:.2f} s{rows}{failed}")
                self.say(
                    {"progress": {"node": event.node, "done": self._done, "rows": event.rows, "since": now}}
                )


def _tell(line: str) -> None:
    if logs.structured():
        return  # it is among the logs, with its fields
    sys.stdout.write(redact(line) + "\n")
    sys.stdout.flush()


def _outcome(order: Order, voice: _Voice) -> dict[str, Any]:
    try:
        result = _run(order, voice)
    except GateError as error:
        if error.result is None:
            raise
        result = error.result
    except SluicewayError as error:
        _tell(f"error: {error}")
        if logs.structured():  # it may not have begun, and then nobody else says it
            logs.say("sluiceway.run", logging.ERROR, str(error), run_id=order.run_id, error=error.as_dict())
        return {"status": "failed", "error": error.as_dict(), "config": error.exit_code == 2}
    if result.error is not None:
        _tell(f"{result.status}: {result.error}")
    else:
        _tell(f"{result.status}: {result.records.published or 0:,} rows published")
    wrong = None if result.error is None else result.error.as_dict()
    return {
        "status": result.status, "error": wrong, "fenced": isinstance(result.error, FencedError),
        "records": result.records.as_dict(), "quality_score": result.quality_score,
        **({} if order.claim else {"result": result.as_dict()}),
    }  # fmt: skip


def _run(order: Order, voice: _Voice) -> Any:
    from pathlib import Path

    from sluiceway.run.runner import run
    from sluiceway.run.ticket import Ticket
    from sluiceway.run.window import over
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline, project_at
    from sluiceway.spec.resolve import resolve
    from sluiceway.store.store import Store

    project = project_at(Path(order.project))
    config = PipelineConfig.load(find_pipeline(project, order.pipeline))
    pipeline = resolve(config, project, environment=order.environment, variables=dict(order.variables))
    if order.interval is not None:
        start, end = (datetime.fromisoformat(text) for text in order.interval)
        pipeline = over(pipeline, start, end)
    voice.tell_secrets()
    voice.say(
        {
            "limits": {
                "timeout": pipeline.timeout, "memory": pipeline.memory_limit,
                "backoff": pipeline.retry.backoff, "delay": pipeline.retry.delay, "owner": pipeline.owner,
            }
        }
    )  # fmt: skip

    def fence() -> None:
        asked = time.monotonic()
        while True:
            try:
                with Store.open(project.metadata) as store:
                    claimed = store.queue.is_claimed(order.claim, order.token)
                break
            except StoreError:
                if time.monotonic() - asked > order.patience:
                    raise
                time.sleep(1.0)
        if not claimed:
            raise FencedError("the run was given to another worker; this one publishes nothing")

    at = None if order.at is None else datetime.fromisoformat(order.at).astimezone(UTC)
    ticket = Ticket(
        order.run_id, order.attempt, str(order.token), fence if order.claim else None, order.group_id,
        retries=order.retries, more=order.more, lane=_lane(order, pipeline),
    )  # fmt: skip
    return run(
        pipeline, full_refresh=order.full_refresh, dry_run=order.dry_run, progress=voice.event, at=at,
        ticket=ticket,
    )  # fmt: skip


def _lane(order: Order, pipeline: Pipeline) -> str | None:
    """What looks at no cursor and moves none waits for no other run of its pipeline: the queue has said how
    many of them there may be."""
    cursors = any(spec.incremental is not None for spec in pipeline.sources.values())
    if order.interval is None and (cursors or pipeline.max_active_runs == 1):
        return None
    return f"run {order.run_id}"
