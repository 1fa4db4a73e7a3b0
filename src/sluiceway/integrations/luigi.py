"""Luigi: ``SluicewayTask`` with a target, and a file of tasks for a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.integrations.code import Code, Names, call, listed, literal
from sluiceway.integrations.outline import Export, Outline, begin, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sluiceway.integrations.elsewhere import Sluiceway

__all__ = ["tasks"]

_RETRIES = (
    "The run counts the tries itself, as `retry:` says, since Luigi has no delay of one task; however it "
    "ended, the same luigi process does not begin it again."
)
_TAKEN = "All ENVIRONMENT PROJECT SluicewayTarget SluicewayTask luigi os"


def _target() -> type:
    import luigi

    class SluicewayTarget(luigi.Target):  # type: ignore[misc]
        """There when a run of the pipeline for that moment was published."""

        def __init__(self, runs: Sluiceway, pipeline: str, at: datetime) -> None:
            self._runs, self._pipeline, self._at = runs, pipeline, at

        def exists(self) -> bool:
            return self._at in _published(self._runs, self._pipeline, [self._at])

        def __str__(self) -> str:
            return f"{self._pipeline} at {self._at.isoformat()}"

    return SluicewayTarget


def _task() -> type:
    import logging
    from datetime import UTC
    from multiprocessing.sharedctypes import RawValue

    import luigi

    from sluiceway.integrations.elsewhere import Failed, RunEnded, Sluiceway, summary

    log = logging.getLogger("luigi-interface")
    target = __getattr__("SluicewayTarget")

    class SluicewayTask(luigi.Task):  # type: ignore[misc]
        """One run of ``pipeline`` for the moment ``at``, in UTC. A subclass names pipeline and project.

        The run tries again itself, as the pipeline's ``retry:`` says. However it ended, this luigi process
        does not begin it again, even if it keeps alive and tries failed tasks: what the gate blocked stays
        failed. Luigi called anew does. ``bulk_complete`` serves luigi's ranges, such as ``RangeDailyBase``.
        """

        at = luigi.DateMinuteParameter(description="the moment that the run stands for, in UTC")
        pipeline = ""
        project = "."
        environment: str | None = None
        command: str | None = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._ended = RawValue("b", 0)  # shared with the process that Luigi forks for the task

        @classmethod
        def _runs(cls) -> Sluiceway:
            return Sluiceway(cls.project, cls.environment, cls.command)

        @property
        def moment(self) -> datetime:
            at: datetime = self.at
            return at.replace(tzinfo=UTC)

        def output(self) -> Any:
            return target(self._runs(), self.pipeline, self.moment)

        @classmethod
        def bulk_complete(cls, parameter_tuples: Iterable[Any]) -> list[Any]:
            """Those that are done, with one question for each moment."""
            asked = {given: _naive(given).replace(tzinfo=UTC) for given in parameter_tuples}
            done = _published(cls._runs(), cls.pipeline, list(asked.values()))
            return [given for given, at in asked.items() if at in done]

        def run(self) -> None:
            if self._ended.value:
                raise Failed("it ended without success a while ago; call luigi anew", {}, final=True)
            try:
                document = self._runs().run(
                    self.pipeline, at=self.moment.isoformat(), retries=True, log=log.info
                )
            except RunEnded as error:
                self._ended.value = 1
                self._say(str(error))
                raise
            self._say(summary(document))

        def _say(self, text: str) -> None:
            log.info("%s: %s", self.pipeline, text)
            tell = getattr(self, "set_status_message", None)  # Luigi's page shows it
            if tell is not None:
                tell(text)

        def on_failure(self, exception: BaseException) -> str:
            """What Luigi keeps of it: our verdict has no trace."""
            return str(exception) if isinstance(exception, RunEnded) else str(super().on_failure(exception))

    return SluicewayTask


def _published(runs: Sluiceway, pipeline: str, moments: Sequence[datetime]) -> set[datetime]:
    """Those of the moments that a run which succeeded stood for."""
    from datetime import datetime

    found: set[datetime] = set()
    for at in moments:
        said = runs.ask(
            "runs", "list", "--pipeline", pipeline, "--status", "succeeded", "--at", at.isoformat()
        )  # fmt: skip
        found |= {datetime.fromisoformat(run["nominal_at"]) for run in said["runs"] if run["kind"] == "run"}
    return found


def _naive(given: Any) -> datetime:
    """The moment of a task's parameters, as luigi's ranges give them."""
    found: datetime = given[0] if isinstance(given, tuple) else given
    return found


_MADE = {"SluicewayTarget": _target, "SluicewayTask": _task}


def __getattr__(name: str) -> Any:
    if name not in _MADE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    if name not in globals():
        made = _MADE[name]()
        made.__module__, made.__qualname__ = __name__, name
        globals()[name] = made
    return globals()[name]


def tasks(project: str, folder: str, environment: str, outlines: Sequence[Outline]) -> Export:
    """A file with one task a pipeline, and one for all of them. Luigi has no clock: whoever starts it gives
    ``--at``."""
    code = begin("Luigi", "luigi", project, outlines, _RETRIES)
    code.put("import os")
    code.blank()
    code.put("import luigi")
    code.imports("sluiceway.integrations.luigi", ["SluicewayTask"])
    code.blank()
    code.put("PROJECT = ", call("os.environ.get", '"SLUICEWAY_PROJECT"', literal(folder)))
    code.put(f"ENVIRONMENT = {literal(environment)}")
    classes, notes = Names(_TAKEN), list[str]()
    names = {o.name: classes.of(o.name, _camel(o.name)) for o in outlines}
    for outline in outlines:
        when = _spoken(outline)
        notes += [f"{outline.name}: Luigi has no clock; its schedule is {when}"] if when else []
        code.blank(2)
        code.put(f"class {names[outline.name]}(SluicewayTask):")
        with code.indented():
            if outline.description:
                code.put(f'"""{words(outline.description)}"""')
                code.blank()
            if when:
                code.put(f"# Schedule, for whoever calls luigi: {when}")
            code.put(f"pipeline = {literal(outline.name)}")
            code.put("project = PROJECT")
            code.put("environment = ENVIRONMENT")
            if outline.owner and "@" in outline.owner:
                code.put(f"owner_email = {literal(outline.owner)}")
            if outline.priority:
                code.put(f"priority = {outline.priority}")
            _requires(code, [names[need] for need in outline.needs])
    code.blank(2)
    code.put("class All(luigi.WrapperTask):")
    with code.indented():
        code.put("at = luigi.DateMinuteParameter()")
        _requires(code, list(names.values()))
    return Export(code.text(), tuple(notes))


def _requires(code: Code, names: Sequence[str]) -> None:
    if not names:
        return
    code.blank()
    code.put("def requires(self):")
    with code.indented():
        code.put("return ", listed([f"{name}(at=self.at)" for name in names]))


def _spoken(outline: Outline) -> str:
    when = outline.when
    said = [f"{cron} {when.timezone}" for cron in when.crons]
    said += [f"every {when.every:g} s"] if when.every is not None else []
    return "; ".join([*said, *when.lost])


def _camel(name: str) -> str:
    return "".join(
        part[:1].upper() + part[1:] for part in name.replace("-", "_").replace(".", "_").split("_")
    )
