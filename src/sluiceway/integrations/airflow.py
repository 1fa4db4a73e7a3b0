"""Airflow 3: ``SluicewayOperator``, and a file of DAGs for a project.

The operator's class is made when it is first asked for, so that this module is read without Airflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.integrations.code import Call, Code, Expression, Names, call, listed, literal
from sluiceway.integrations.outline import Export, Outline, When, begin, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["dags"]

_RETRIES = "Airflow counts the tries, as `retry:` says; what the gate blocked is not tried again."
_GRACE = 60
_SDK = (
    "DAG Asset AssetAll AssetAny AssetOrTimeSchedule CronTriggerTimetable DeltaTriggerTimetable "
    "MultipleCronTriggerTimetable"
)
_TAKEN = "ENVIRONMENT PROJECT SluicewayOperator datetime os timedelta timezone"


def _operator() -> type:
    from airflow.sdk import BaseOperator

    from sluiceway.integrations.elsewhere import Blocked, Failed, Sluiceway, summary

    try:
        from airflow.sdk.exceptions import AirflowException, AirflowFailException
    except ImportError:  # Airflow 3.0
        from airflow.exceptions import AirflowException, AirflowFailException

    class SluicewayOperator(BaseOperator):  # type: ignore[misc]
        """One run of a pipeline of ours. What the run said is its XCom, and on its outlets' events.

        A gate that blocks fails the task at once, without another try; so does what another try would not
        help, such as a wrong setting or a run whose time is over. Airflow counts the other tries, and the
        run itself makes one. A task that is killed, or whose ``execution_timeout`` is over, stops its run,
        which then publishes nothing.

        Args:
            pipeline: its name. project: its folder. environment: ``--env``, the project's first if absent.
            at: the moment that the run stands for; the DAG run's logical date if absent, where it has one.
            variables: of the pipeline's SQL, as ``--vars`` gives them.
            command: our command, where it is neither in ``SLUICEWAY_BIN`` nor on the path.
        """

        template_fields = ("pipeline", "project", "environment", "at", "variables")
        ui_color = "#d3ecf5"

        def __init__(
            self,
            *,
            pipeline: str,
            project: str,
            environment: str | None = None,
            at: str | None = None,
            variables: dict[str, Any] | None = None,
            command: str | None = None,
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            self.pipeline, self.project, self.environment = pipeline, project, environment
            self.at, self.variables, self.command = at, variables, command
            self._run: Sluiceway | None = None

        def execute(self, context: Any) -> dict[str, Any]:
            run = self._run = Sluiceway(self.project, self.environment, self.command)
            try:
                document = run.run(
                    self.pipeline,
                    at=self.at or _logical(context),
                    variables=self.variables,
                    log=self.log.info,
                )
            except Blocked as error:
                raise AirflowFailException(str(error)) from None
            except Failed as error:
                raise (AirflowFailException if error.final else AirflowException)(str(error)) from None
            self.log.info("%s", summary(document))
            told = ("run_id", "status", "verdict", "records", "quality_score", "snapshot")
            said = {key: document.get(key) for key in told}
            events = context.get("outlet_events")
            for outlet in self.outlets if events is not None else ():
                events[outlet].extra = said
            return said

        def on_kill(self) -> None:
            if self._run is not None:
                self._run.cancel()

    SluicewayOperator.__module__, SluicewayOperator.__qualname__ = __name__, "SluicewayOperator"
    return SluicewayOperator


def _logical(context: Any) -> str | None:
    """A DAG run that assets started has no logical date."""
    at = getattr(context.get("dag_run"), "logical_date", None)
    return None if at is None else str(at.isoformat())


def __getattr__(name: str) -> Any:
    if name != "SluicewayOperator":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    made = globals()[name] = _operator()
    return made


def dags(project: str, folder: str, environment: str, outlines: Sequence[Outline]) -> Export:
    """A file with one DAG a pipeline. What runs by the clock keeps its cron; what waits for tables runs when
    they were loaded."""
    names = Names(_SDK, _TAKEN)
    tables = sorted({table for o in outlines for table in (o.table, *o.reads, *o.when.datasets)})
    assets = {table: names.of(table, table.upper()) for table in tables}
    body, notes = Code(), list[str]()
    for outline in outlines:
        body.blank(2 if outline is outlines[0] else 1)
        lost = _lost(outline)
        notes += [f"{outline.name}: Airflow has nothing for {what}" for what in lost]
        for what in lost:
            body.put(f"# Not in this file: {what}")
        _dag(body, outline, assets)
    code = begin("Airflow 3", "airflow", project, outlines, _RETRIES)
    text = body.text()
    code.put("import os")
    timed = [
        name for name in ("datetime", "timedelta", "timezone") if f"{name}(" in text or f"{name}." in text
    ]
    if timed:
        code.imports("datetime", timed)
    code.blank()
    code.imports("airflow.sdk", [name for name in _SDK.split() if f"{name}(" in text or name == "Asset"])
    code.imports("sluiceway.integrations.airflow", ["SluicewayOperator"])
    code.blank()
    code.put("PROJECT = ", call("os.environ.get", '"SLUICEWAY_PROJECT"', literal(folder)))
    code.put(f"ENVIRONMENT = {literal(environment)}")
    code.blank()
    for table, name in assets.items():
        code.put(f"{name} = ", call("Asset", literal(table)))
    return Export(code.text() + "\n" + text, tuple(notes))


def _dag(code: Code, outline: Outline, assets: dict[str, str]) -> None:
    when, owner = outline.when, outline.owner
    code.put("with ", call(
        "DAG",
        dag_id=literal(outline.name),
        description=literal(outline.description) if outline.description else None,
        schedule=_schedule(when, assets),
        start_date=moment(when.start),
        end_date=moment(when.end),
        catchup=literal(when.catchup),
        max_active_runs="1",
        tags=literal(["sluiceway", *outline.tags]),
    ), ":")  # fmt: skip
    again = outline.attempts > 1
    inlets = [assets[table] for table in outline.reads]
    with code.indented():
        code.put(call(
            "SluicewayOperator",
            task_id='"run"',
            pipeline=literal(outline.name),
            project="PROJECT",
            environment="ENVIRONMENT",
            owner=literal(owner) if owner else None,
            retries=literal(outline.attempts - 1),
            retry_delay=_seconds(outline.delay) if again else None,
            retry_exponential_backoff="2.0" if again and outline.backoff == "exponential" else None,
            # our own time limit speaks first: it says so in the run's record, and is not tried again
            execution_timeout=None if outline.timeout is None else _seconds(outline.timeout + _GRACE),
            priority_weight=literal(outline.priority + 1) if outline.priority > 0 else None,
            inlets=listed(list(inlets)) if inlets else None,
            outlets=listed([assets[outline.table]]),
        ))  # fmt: skip


def _seconds(seconds: float) -> Call:
    return call("timedelta", seconds=f"{seconds:g}")


def _schedule(when: When, assets: dict[str, str]) -> Expression:
    crons, timezone, every = when.clock
    clock: Expression | None = None
    if crons:
        name = "CronTriggerTimetable" if len(crons) == 1 else "MultipleCronTriggerTimetable"
        clock = call(name, *[literal(cron) for cron in crons], timezone=literal(timezone))
    elif every is not None:
        clock = call("DeltaTriggerTimetable", _seconds(every))
    waits: list[Expression] = [assets[table] for table in when.datasets]
    tables = listed(waits) if len(waits) == 1 else call("AssetAny" if when.any else "AssetAll", *waits)
    if clock is None:
        return tables if waits else "None"
    return call("AssetOrTimeSchedule", timetable=clock, assets=tables) if waits else clock


def _lost(outline: Outline) -> list[str]:
    """What its file says that Airflow has no words for."""
    when, lost = outline.when, list(outline.when.lost)
    if when.crons and when.every is not None:
        lost.append(f"every: {when.every:g} s, beside cron")
    if outline.attempts > 2 and outline.backoff == "linear":
        lost.append("retry.backoff: linear; the delay stays the same")
    if outline.priority < 0:
        lost.append(f"priority: {outline.priority}")
    return lost
