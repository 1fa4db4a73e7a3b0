"""Airflow 3: ``SluicewayOperator``, and a file of DAGs for a project.

The operator's class is made when it is first asked for, so that this module is read without Airflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.integrations.code import Code, header, literal, name_of

if TYPE_CHECKING:
    from sluiceway.orchestrate.graph import Graph
    from sluiceway.spec.model import Pipeline, Project

__all__ = ["dags"]


def _operator() -> type:
    from airflow.exceptions import AirflowException, AirflowFailException
    from airflow.sdk import BaseOperator

    from sluiceway.integrations.elsewhere import Blocked, Failed, Sluiceway, summary

    class SluicewayOperator(BaseOperator):  # type: ignore[misc]
        """One run of a pipeline of ours. A gate that blocks fails the task at once, without another try.

        Args:
            pipeline: its name. project: its folder. environment: ``--env``, the project's first if absent.
            at: the moment that the run stands for; Airflow's logical date, where the DAG run has one.
            command: our command, if neither ``SLUICEWAY_BIN`` nor the path has it.
        """

        template_fields = ("pipeline", "at", "variables")

        def __init__(
            self,
            *,
            pipeline: str,
            project: str,
            environment: str | None = None,
            at: str | None = "{{ logical_date.isoformat() if logical_date else '' }}",
            variables: dict[str, Any] | None = None,
            command: str | None = None,
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            self.pipeline, self.project, self.environment = pipeline, project, environment
            self.at, self.variables, self.command = at, variables, command
            self._run: Sluiceway | None = None

        def execute(self, context: Any) -> dict[str, Any]:
            self._run = Sluiceway(self.project, self.environment, self.command)
            try:
                document = self._run.run(
                    self.pipeline, at=self.at or None, variables=self.variables, log=self.log.info
                )
            except Blocked as error:
                raise AirflowFailException(str(error)) from None
            except Failed as error:
                raise (AirflowFailException if error.final else AirflowException)(str(error)) from None
            self.log.info("%s", summary(document))
            return {
                key: document.get(key) for key in ("run_id", "status", "records", "quality_score", "snapshot")
            }

        def on_kill(self) -> None:
            if self._run is not None:
                self._run.cancel()

    SluicewayOperator.__module__, SluicewayOperator.__qualname__ = __name__, "SluicewayOperator"
    return SluicewayOperator


def __getattr__(name: str) -> Any:
    if name != "SluicewayOperator":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    made = globals()[name] = _operator()
    return made


def dags(project: Project, pipelines: list[Pipeline], graph: Graph, folder: str) -> str:
    """A file with one DAG a pipeline. What runs by the clock keeps its cron; what needs other pipelines, and
    has no clock, runs when their tables were loaded."""
    code = Code(header("Airflow 3", project.name))
    code += "from datetime import timedelta\n"
    code += "from airflow.sdk import DAG, Asset, CronTriggerTimetable"
    code += "from sluiceway.integrations.airflow import SluicewayOperator\n"
    code += f"PROJECT = {literal(folder)}"
    code += f"ENVIRONMENT = {literal(pipelines[0].environment.name if pipelines else None)}\n"
    tables = sorted({str(p.destination.table) for p in pipelines})
    for table in tables:
        code += f"{name_of(table).upper()} = Asset({literal(table)})"
    for pipeline in pipelines:
        code += "\n"
        _dag(code, pipeline, graph)
    return code.text()


def _dag(code: Code, pipeline: Pipeline, graph: Graph) -> None:
    inputs = [
        name_of(str(graph.nodes[need].output)).upper()
        for need in (graph.upstream(pipeline.name) if pipeline.name in graph.nodes else ())
    ]
    retries = max(0, pipeline.retry.attempts - 1)
    code += "with DAG("
    with code.indented():
        code += f"dag_id={literal(pipeline.name)},"
        if pipeline.description:
            code += f"description={literal(pipeline.description)},"
        code += f"schedule={_schedule(pipeline, inputs)},"
        code += "catchup=False,"
        code += "max_active_runs=1,"
        code += f"tags={literal(['sluiceway', *pipeline.tags])},"
        code += "default_args={"
        with code.indented():
            code += f"'owner': {literal(pipeline.owner or 'sluiceway')},".replace("'owner'", '"owner"')
            code += f'"retries": {retries},'
            code += f'"retry_delay": timedelta(seconds={pipeline.retry.delay:g}),'
            code += f'"retry_exponential_backoff": {pipeline.retry.backoff == "exponential"},'
            if pipeline.timeout:
                code += f'"execution_timeout": timedelta(seconds={pipeline.timeout:g}),'
        code += "},"
    code += "):"
    with code.indented():
        code += "SluicewayOperator("
        with code.indented():
            code += 'task_id="run",'
            code += f"pipeline={literal(pipeline.name)},"
            code += "project=PROJECT,"
            code += "environment=ENVIRONMENT,"
            if inputs:
                code += f"inlets=[{', '.join(inputs)}],"
            code += f"outlets=[{name_of(str(pipeline.destination.table)).upper()}],"
        code += ")"


def _schedule(pipeline: Pipeline, inputs: list[str]) -> str:
    spec = pipeline.schedule
    if spec is not None and spec.crons:
        return f"CronTriggerTimetable({literal(spec.crons[0])}, timezone={literal(spec.timezone)})"
    if spec is not None and spec.every is not None:
        return f"timedelta(seconds={spec.every:g})"
    if inputs:
        return f"({' & '.join(inputs)})" if len(inputs) > 1 else f"[{inputs[0]}]"
    return "None"
