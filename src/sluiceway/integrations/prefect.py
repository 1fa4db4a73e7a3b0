"""Prefect 3: ``sluiceway_task``, and a file of flows for a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.integrations.code import Code, header, literal, name_of

if TYPE_CHECKING:
    from sluiceway.orchestrate.graph import Graph
    from sluiceway.spec.model import Pipeline, Project

__all__ = ["flows", "sluiceway_task"]


def sluiceway_task(
    pipeline: str,
    project: str,
    environment: str | None = None,
    *,
    command: str | None = None,
    **options: Any,
) -> Any:
    """A task that runs a pipeline of ours; called with ``at``, a time in ISO 8601, or without.

    A run that the gate blocked, or whose settings are wrong, fails without another try. ``options`` are those
    of ``prefect.task``: ``retries``, ``retry_delay_seconds``, ``timeout_seconds``, ``tags``, …
    """
    from prefect import get_run_logger, task

    from sluiceway.integrations.elsewhere import Blocked, Failed, Sluiceway, summary

    def worth_it(_task: Any, _run: Any, state: Any) -> bool:
        try:
            state.result()
        except Blocked:
            return False
        except Failed as error:
            return not error.final
        except Exception:  # noqa: BLE001  whatever else it was: by the number of retries alone
            return True
        return False

    def run(at: str | None = None) -> dict[str, Any]:
        log = get_run_logger()
        runs = Sluiceway(project, environment, command)
        try:
            document = runs.run(pipeline, at=at, log=log.info)
        except BaseException:
            runs.cancel()
            raise
        log.info(summary(document))
        return {key: document.get(key) for key in ("run_id", "status", "records", "quality_score")}

    return task(run, name=pipeline, retry_condition_fn=worth_it, **options)


def flows(project: Project, pipelines: list[Pipeline], graph: Graph, folder: str) -> str:
    """A file with a task a pipeline, a flow a pipeline with its schedule, and one flow for all of them."""
    code = Code(header("Prefect 3", project.name))
    code += "from prefect import flow, serve"
    code += "from prefect.futures import wait"
    code += "from prefect.schedules import Cron, Interval\n"
    code += "from sluiceway.integrations.prefect import sluiceway_task\n"
    code += f"PROJECT = {literal(folder)}"
    code += f"ENVIRONMENT = {literal(pipelines[0].environment.name if pipelines else None)}\n"
    names = {p.name: name_of(p.name) for p in pipelines}
    for pipeline in pipelines:
        code += f"{names[pipeline.name]} = sluiceway_task("
        with code.indented():
            code += f"{literal(pipeline.name)}, PROJECT, ENVIRONMENT,"
            code += f"retries={max(0, pipeline.retry.attempts - 1)},"
            code += f"retry_delay_seconds={pipeline.retry.delay:g},"
            if pipeline.timeout:
                code += f"timeout_seconds={pipeline.timeout:g},"
            code += f"tags={literal(list(pipeline.tags))},"
        code += ")"
    for pipeline in pipelines:
        code += f"\n\n@flow(name={literal(pipeline.name)})"
        code += f"def {names[pipeline.name]}_flow(at: str | None = None):"
        with code.indented():
            code += f"return {names[pipeline.name]}(at)"
    code += f"\n\n@flow(name={literal(project.name)})"
    code += "def everything(at: str | None = None):"
    with code.indented():
        order = [n for n in graph.names if n in names]
        for name in order:
            needs = [f"{names[n]}_run" for n in graph.upstream(name) if n in names]
            wait = f", wait_for=[{', '.join(needs)}]" if needs else ""
            code += f"{names[name]}_run = {names[name]}.submit(at{wait})"
        code += f"runs = [{', '.join(f'{names[n]}_run' for n in order)}]"
        code += "wait(runs)  # one that fails stops only what needs it"
        code += "return [run.result() for run in runs]"
    code += '\n\nif __name__ == "__main__":'
    with code.indented():
        code += "serve("
        with code.indented():
            for pipeline in pipelines:
                given = f"{literal(pipeline.name)}{_schedule(pipeline)}"
                code += f"{names[pipeline.name]}_flow.to_deployment({given}),"
        code += ")"
    return code.text()


def _schedule(pipeline: Pipeline) -> str:
    spec = pipeline.schedule
    if spec is not None and spec.crons:
        return f", schedule=Cron({literal(spec.crons[0])}, timezone={literal(spec.timezone)})"
    if spec is not None and spec.every is not None:
        return f", schedule=Interval({spec.every:g})"
    return ""
