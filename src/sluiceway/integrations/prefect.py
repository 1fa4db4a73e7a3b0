"""Prefect 3: ``sluiceway_task``, ``sluiceway_flow``, and a file of flows for a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.integrations.code import Call, Code, Expression, Names, call, listed, literal
from sluiceway.integrations.outline import Export, Outline, begin, delays, moment, words

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["flows", "sluiceway_flow", "sluiceway_task"]

_RETRIES = "Prefect counts the tries, as `retry:` says; what the gate blocked is not tried again."
_GRACE = 60
_TAKEN = (
    "Cron DeploymentCompoundTrigger DeploymentEventTrigger ENVIRONMENT Interval PROJECT at datetime "
    "everything flow os published runs serve sluiceway_task stopping timedelta timezone wait"
)


def sluiceway_task(
    pipeline: str,
    project: str,
    environment: str | None = None,
    *,
    command: str | None = None,
    variables: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """A task that runs a pipeline of ours; called with ``at``, a time in ISO 8601, or without: then a run
    that Prefect's schedule began stands for the moment that it was scheduled for.

    A run that the gate blocked fails without another try, and so does one that another try would not help:
    a wrong setting, a run whose time is over. Prefect counts the other tries, and the run itself makes one.
    What ends the task meanwhile stops the run, which then publishes nothing.

    Args:
        command: our command, where it is neither in ``SLUICEWAY_BIN`` nor on the path.
        variables: of the pipeline's SQL, as ``--vars`` gives them.
        options: of ``prefect.task``: ``retries``, ``retry_delay_seconds``, ``timeout_seconds``, ``tags``, …
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
        document = Sluiceway(project, environment, command).run(
            pipeline, at=at or _scheduled(), variables=variables, log=log.info
        )
        log.info(summary(document))
        told = ("run_id", "status", "verdict", "records", "quality_score", "snapshot")
        return {key: document.get(key) for key in told}

    return task(run, **{"name": pipeline, "retry_condition_fn": worth_it, **options})


def sluiceway_flow(
    pipeline: str, project: str, environment: str | None = None, *, command: str | None = None, **options: Any
) -> Any:
    """A flow of one ``sluiceway_task``, to be served or deployed. ``options`` are the task's."""
    from prefect import flow

    work = sluiceway_task(pipeline, project, environment, command=command, **options)

    def run(at: str | None = None) -> Any:
        return work(at)

    return flow(run, name=pipeline)


def _scheduled() -> str | None:
    """The moment that a schedule began the flow for; of a flow that was called by hand there is none."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    found = None if context is None else context.flow_run
    if found is None or not found.auto_scheduled or found.expected_start_time is None:
        return None
    return str(found.expected_start_time.isoformat())


def flows(project: str, folder: str, environment: str, outlines: Sequence[Outline]) -> Export:
    """A file with a task a pipeline, a flow a pipeline with its schedule, and one flow for all of them."""
    made = Names(_TAKEN)
    names = {o.name: made.of(o.name) for o in outlines}
    own = {o.name: made.of(f"{o.name} flow", f"{names[o.name]}_flow") for o in outlines}
    body, notes = Code(), list[str]()
    for outline in outlines:
        _task(body, outline, names[outline.name])
    for outline in outlines:
        body.blank(2)
        about = literal(outline.description) if outline.description else None
        body.put("@", call("flow", name=literal(outline.name), description=about))
        body.put(f"def {own[outline.name]}(at: str | None = None):")
        with body.indented():
            body.put(f"return {names[outline.name]}(at)")
    _everything(body, project, outlines, names, Names(_TAKEN, *names.values(), *own.values()))
    _published(body, outlines)
    body.blank(2)
    body.put('if __name__ == "__main__":')
    with body.indented():
        deployed: list[Expression] = []
        for outline in outlines:
            deployed.append(_deployment(outline, own[outline.name], outlines))
            notes += [f"{outline.name}: Prefect has nothing for {what}" for what in _lost(outline, outlines)]
        body.put(call("serve", *deployed))
    return Export(_head(project, folder, environment, outlines, body.text()), tuple(notes))


def _head(project: str, folder: str, environment: str, outlines: Sequence[Outline], text: str) -> str:
    def used(*names: str) -> list[str]:
        return [name for name in names if f"{name}(" in text or f"{name}." in text]

    code = begin("Prefect 3", "prefect", project, outlines, _RETRIES)
    code.put("import os")
    timed = used("datetime", "timedelta", "timezone")
    if timed:
        code.imports("datetime", timed)
    code.blank()
    code.imports("prefect", ["flow", "serve"])
    for module, names in (
        ("prefect.events", used("DeploymentCompoundTrigger", "DeploymentEventTrigger")),
        ("prefect.futures", ["wait"]),
        ("prefect.schedules", used("Cron", "Interval")),
    ):
        if names:
            code.imports(module, names)
    code.imports("sluiceway.integrations.elsewhere", ["stopping"])
    code.imports("sluiceway.integrations.prefect", ["sluiceway_task"])
    code.blank()
    code.put("PROJECT = ", call("os.environ.get", '"SLUICEWAY_PROJECT"', literal(folder)))
    code.put(f"ENVIRONMENT = {literal(environment)}")
    code.blank()
    return code.text() + "\n" + text


def _task(code: Code, outline: Outline, name: str) -> None:
    waits = delays(outline)
    each = f"{waits[0]:g}" if len(set(waits)) == 1 else f"[{', '.join(f'{wait:g}' for wait in waits)}]"
    code.put(f"{name} = ", call(
        "sluiceway_task",
        literal(outline.name),
        "PROJECT",
        "ENVIRONMENT",
        description=literal(outline.description) if outline.description else None,
        retries=literal(outline.attempts - 1),
        retry_delay_seconds=each if waits else None,
        # our own time limit speaks first: it says so in the run's record, and is not tried again
        timeout_seconds=None if outline.timeout is None else f"{outline.timeout + _GRACE:g}",
        tags=literal(["sluiceway", *outline.tags]),
    ))  # fmt: skip


def _everything(
    code: Code, project: str, outlines: Sequence[Outline], names: dict[str, str], locals: Names
) -> None:
    code.blank(2)
    code.put(f"@flow(name={literal(project)})")
    code.put("def everything(at: str | None = None):")
    with code.indented():
        code.put(f'"""{words("All of them, each after those that it needs.")}"""')
        futures = {o.name: locals.of(o.name, f"{names[o.name]}_run") for o in outlines}
        code.put("with stopping():")
        with code.indented():
            for outline in outlines:
                needs: list[Expression] = [futures[need] for need in outline.needs]
                asked = call(f"{names[outline.name]}.submit", "at", wait_for=listed(needs) if needs else None)
                code.put(f"{futures[outline.name]} = ", asked)
            code.put("runs = ", listed(list(futures.values())))
            code.put("wait(runs)  # one that fails stops only what needs it")
        code.put("return [run.result() for run in runs]")


def _published(code: Code, outlines: Sequence[Outline]) -> None:
    if not any(_waits(outline, outlines) for outline in outlines):
        return
    code.blank(2)
    code.put("def published(flow_name):")
    with code.indented():
        code.put('"""When the flow of a pipeline has succeeded."""')
        related = Call(
            "{",
            ((None, '"prefect.resource.role": "flow"'), (None, '"prefect.resource.name": flow_name')),
            "}",
        )
        code.put("return ", call(
            "DeploymentEventTrigger",
            expect='{"prefect.flow-run.Completed"}',
            match='{"prefect.resource.id": "prefect.flow-run.*"}',
            match_related=related,
        ))  # fmt: skip


def _waits(outline: Outline, outlines: Sequence[Outline]) -> list[str]:
    """The pipelines here whose tables it waits for."""
    return [o.name for o in outlines if o.table in outline.when.datasets and o.name != outline.name]


def _deployment(outline: Outline, flow: str, outlines: Sequence[Outline]) -> Call:
    when, waits = outline.when, _waits(outline, outlines)
    crons, timezone, every = when.clock
    clocks: list[Expression] = [call("Cron", literal(c), timezone=literal(timezone)) for c in crons]
    if every is not None:
        anchor = moment(when.start)
        clocks.append(call("Interval", f"{every:g}", anchor_date=anchor))
    triggers: list[Expression] = [f"published({literal(name)})" for name in waits]
    if len(triggers) > 1 and not when.any:
        triggers = [call("DeploymentCompoundTrigger", require='"all"', triggers=listed(triggers))]
    return call(
        f"{flow}.to_deployment",
        literal(outline.name),
        schedules=listed(clocks) if clocks else None,
        triggers=listed(triggers) if triggers else None,
        concurrency_limit="1",
        tags=literal(["sluiceway", *outline.tags]),
    )


def _lost(outline: Outline, outlines: Sequence[Outline]) -> list[str]:
    """What its file says that this one does not."""
    when, lost = outline.when, list(outline.when.lost)
    here = {o.table for o in outlines}
    lost += [f"dataset {table}, which no flow here loads" for table in when.datasets if table not in here]
    if when.start is not None and when.crons:
        lost.append("start: beside cron")
    if when.end is not None:
        lost.append("end:")
    if when.catchup:
        lost.append("catchup: all")
    return lost
