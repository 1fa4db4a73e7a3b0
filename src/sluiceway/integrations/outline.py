"""What a pipeline is to another orchestrator: when it runs, what it needs, how often it is tried."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.integrations.code import Call, Code, call, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.orchestrate.graph import Graph
    from sluiceway.spec.model import Pipeline

__all__ = ["Export", "Outline", "When", "begin", "delays", "moment", "outlined", "when_of", "words"]


@dataclass(frozen=True)
class When:
    """``every`` in seconds. ``datasets`` are tables that it waits for: for any of them, or for all. ``lost``
    is what the pipeline's schedule says beyond this."""

    crons: tuple[str, ...] = ()
    every: float | None = None
    timezone: str = "UTC"
    datasets: tuple[str, ...] = ()
    any: bool = False
    start: datetime | None = None
    end: datetime | None = None
    catchup: bool = False
    lost: tuple[str, ...] = ()

    @property
    def clock(self) -> tuple[tuple[str, ...], str, float | None]:
        """Cron expressions, their time zone, and seconds where the interval is none that cron can say.

        >>> When(every=900.0).clock, When(every=5400.0).clock
        ((('*/15 * * * *',), 'UTC', None), ((), 'UTC', 5400.0))
        """
        if self.every is None or self.crons or self.start is not None:
            return self.crons, self.timezone, self.every
        cron = _cron(self.every)
        return ((), "UTC", self.every) if cron is None else ((cron,), "UTC", None)


@dataclass(frozen=True)
class Outline:
    """A pipeline. ``needs`` are the pipelines that it needs, of those that are exported with it; ``reads``
    are tables. Seconds everywhere."""

    name: str
    table: str
    file: str = ""
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    when: When = When()
    attempts: int = 1
    delay: float = 0.0
    backoff: Literal["exponential", "linear", "constant"] = "constant"
    timeout: float | None = None
    priority: int = 0
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Export:
    """A file, what it can't say (``notes``), and what it is about, as JSON has it."""

    text: str
    notes: tuple[str, ...] = ()
    pipelines: tuple[dict[str, Any], ...] = ()


def outlined(pipeline: Pipeline, graph: Graph, chosen: Sequence[str]) -> Outline:
    """Of one pipeline; ``chosen`` are those that are exported."""
    node, up = graph.nodes[pipeline.name], graph.upstream(pipeline.name)
    table = str(pipeline.destination.table)
    loaded = tuple(dict.fromkeys(str(graph.nodes[need].output) for need in up))
    reads = dict.fromkeys(sorted({*loaded, *node.reads} - {table}))
    folder = pipeline.project.folder
    inside = pipeline.file is not None and pipeline.file.is_relative_to(folder)
    return Outline(
        name=pipeline.name, table=table,
        file=str(pipeline.file.relative_to(folder) if inside and pipeline.file else pipeline.file or ""),
        description=" ".join(pipeline.description.split()), owner=pipeline.owner, tags=tuple(pipeline.tags),
        needs=tuple(need for need in up if need in chosen), reads=tuple(reads),
        when=when_of(pipeline, loaded), attempts=pipeline.retry.attempts, delay=pipeline.retry.delay,
        backoff=pipeline.retry.backoff, timeout=pipeline.timeout, priority=pipeline.priority,
    )  # fmt: skip


def when_of(pipeline: Pipeline, loaded: Sequence[str] = ()) -> When:
    """``schedule:``. A pipeline that has none waits for all tables (``loaded``) that others load for it."""
    spec = pipeline.schedule
    if spec is None:
        return When(datasets=tuple(loaded))
    lost = [f"files: {pattern}" for pattern in spec.files]
    lost += [f"jitter: {spec.jitter:g} s"] if spec.jitter else []
    return When(
        spec.crons, spec.every, spec.timezone, spec.datasets, spec.when == "any",
        _moment(spec.start, spec.timezone), _moment(spec.end, spec.timezone), spec.catchup == "all",
        tuple(lost),
    )  # fmt: skip


def delays(outline: Outline) -> list[float]:
    """Seconds before each further try, as our own workers wait, without their chance.

    >>> delays(Outline("a", "t", attempts=4, delay=2, backoff="linear"))
    [2, 4, 6]
    """
    from sluiceway.run.ticket import backoff

    return [backoff(outline.backoff, outline.delay, n) for n in range(1, outline.attempts)]


def begin(tool: str, command: str, project: str, outlines: Sequence[Outline], retries: str) -> Code:
    """A file's docstring: what made it, from what, and who counts the tries."""
    code = Code()
    code.put(f'"""{words(f"The pipelines of {project} for {tool}.")}')
    code.blank()
    for line in textwrap.wrap(
        f"Written by `sluiceway export {command}`; export it anew when one of these changes:", 88
    ):
        code.put(line)
    code.blank()
    for outline in outlines:
        code.put(f"- {words(outline.file or outline.name)}")
    code.blank()
    for line in textwrap.wrap(
        f"Each task is one run of `sluiceway run`, and the gate's verdict is the task's. {retries}", 88
    ):
        code.put(line)
    code.put('"""')
    code.blank()
    return code


def moment(at: datetime | None) -> Call | None:
    """Python for a time in UTC."""
    if at is None:
        return None
    parts = [at.year, at.month, at.day, at.hour, at.minute, *([at.second] if at.second else [])]
    return call("datetime", *[literal(part) for part in parts], tzinfo="timezone.utc")


def _moment(text: str | None, timezone: str) -> datetime | None:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)


def words(text: str) -> str:
    """For a docstring: one line, with nothing that ends it or escapes.

    >>> words('C:\\\\x  "q"')
    "C:/x 'q'"
    """
    return " ".join(text.replace("\\", "/").replace('"', "'").split())


def _cron(seconds: float) -> str | None:
    """Cron for an interval that is counted from 1970 in UTC, where it fits into an hour or a day.

    >>> _cron(60), _cron(7200), _cron(86400), _cron(90), _cron(25200)
    ('* * * * *', '0 */2 * * *', '0 0 * * *', None, None)
    """
    minutes, rest = divmod(seconds, 60)
    if rest or minutes < 1:
        return None
    whole = int(minutes)
    if 60 % whole == 0 and whole < 60:
        return "* * * * *" if whole == 1 else f"*/{whole} * * * *"
    hours, rest = divmod(whole, 60)
    if rest or 24 % hours:
        return None
    return {1: "0 * * * *", 24: "0 0 * * *"}.get(hours, f"0 */{hours} * * *")
