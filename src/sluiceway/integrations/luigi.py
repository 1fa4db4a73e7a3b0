"""Luigi: ``SluicewayTask`` with a target, and a file of tasks for a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.integrations.code import Code, header, literal, name_of

if TYPE_CHECKING:
    from sluiceway.orchestrate.graph import Graph
    from sluiceway.spec.model import Pipeline, Project

__all__ = ["tasks"]


def _classes() -> dict[str, Any]:
    import logging
    from datetime import UTC, datetime

    import luigi

    from sluiceway.integrations.elsewhere import Sluiceway, summary

    log = logging.getLogger("luigi-interface")

    class SluicewayTarget(luigi.Target):  # type: ignore[misc]
        """There when a run of the pipeline for that moment has succeeded."""

        def __init__(self, runs: Sluiceway, pipeline: str, at: datetime) -> None:
            self._runs, self._pipeline, self._at = runs, pipeline, at

        def exists(self) -> bool:
            found = self._runs.ask(
                "runs", "list", "--pipeline", self._pipeline, "--status", "succeeded", "--limit", "500"
            )
            moments = [run["nominal_at"] for run in found["runs"] if run["nominal_at"]]
            return any(datetime.fromisoformat(moment) == self._at for moment in moments)

    class SluicewayTask(luigi.Task):  # type: ignore[misc]
        """One run of ``pipeline`` for the moment ``at``, in UTC. A subclass names pipeline and project.

        Luigi tries a failed task again by its own settings (``retry_count``); a run that the gate blocked is
        not tried again, since ``disabled`` says so to the scheduler.
        """

        at = luigi.DateMinuteParameter()
        pipeline = ""
        project = "."
        environment: str | None = None
        command: str | None = None

        def _runs(self) -> Sluiceway:
            return Sluiceway(self.project, self.environment, self.command)

        @property
        def moment(self) -> datetime:
            at: datetime = self.at
            return at.replace(tzinfo=UTC)

        def output(self) -> SluicewayTarget:
            return SluicewayTarget(self._runs(), self.pipeline, self.moment)

        def run(self) -> None:
            document = self._runs().run(self.pipeline, at=self.moment.isoformat(), log=log.info)
            log.info("%s", summary(document))
            self.set_status_message(summary(document))

    for made in (SluicewayTarget, SluicewayTask):
        made.__module__, made.__qualname__ = __name__, made.__name__
    return {"SluicewayTarget": SluicewayTarget, "SluicewayTask": SluicewayTask}


def __getattr__(name: str) -> Any:
    if name not in ("SluicewayTarget", "SluicewayTask"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals().update(_classes())
    return globals()[name]


def tasks(project: Project, pipelines: list[Pipeline], graph: Graph, folder: str) -> str:
    """A file with one task a pipeline, and one for all of them. Luigi has no clock: whoever starts it gives
    ``--at``."""
    code = Code(header("Luigi", project.name))
    code += "import luigi\n"
    code += "from sluiceway.integrations.luigi import SluicewayTask\n"
    code += f"PROJECT = {literal(folder)}"
    code += f"ENVIRONMENT = {literal(pipelines[0].environment.name if pipelines else None)}"
    names = {p.name: _class_of(p.name) for p in pipelines}
    for pipeline in pipelines:
        needs = (
            [n for n in graph.upstream(pipeline.name) if n in names] if pipeline.name in graph.nodes else []
        )
        code += "\n"
        code += f"class {names[pipeline.name]}(SluicewayTask):"
        with code.indented():
            if pipeline.description:
                code += f"{literal(pipeline.description)}\n"
            code += f"pipeline = {literal(pipeline.name)}"
            code += "project = PROJECT"
            code += "environment = ENVIRONMENT"
            code += f"retry_count = {pipeline.retry.attempts}"
            code += f"priority = {pipeline.priority}"
            if pipeline.timeout:
                code += f"worker_timeout = {int(pipeline.timeout)}"
            if needs:
                code += ""
                code += "def requires(self):"
                with code.indented():
                    code += f"return [{', '.join(f'{names[n]}(at=self.at)' for n in needs)}]"
        code += ""
    code += "\nclass All(luigi.WrapperTask):"
    with code.indented():
        code += "at = luigi.DateMinuteParameter()\n"
        code += "def requires(self):"
        with code.indented():
            code += f"return [{', '.join(f'{name}(at=self.at)' for name in names.values())}]"
    return code.text()


def _class_of(name: str) -> str:
    made = "".join(part[:1].upper() + part[1:] for part in name_of(name).split("_"))
    return f"{made}Run" if made in ("All", "SluicewayTask", "") else made
