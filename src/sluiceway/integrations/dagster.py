"""Dagster: an asset a pipeline with a check for each of its rules, and a file of them for a project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.integrations.code import Code, header, literal, name_of

if TYPE_CHECKING:
    from sluiceway.orchestrate.graph import Graph
    from sluiceway.spec.model import Pipeline, Project

__all__ = ["assets", "check_name", "sluiceway_asset"]


def check_name(id: str) -> str:
    """Dagster's names are letters, digits and underscores.

    >>> check_name("not_null:order_id")
    'not_null_order_id'
    """
    return re.sub(r"\W", "_", id)


def sluiceway_asset(
    pipeline: str,
    table: str,
    project: str,
    environment: str | None = None,
    *,
    deps: Sequence[str] = (),
    checks: Sequence[str] = (),
    command: str | None = None,
    **options: Any,
) -> Any:
    """The asset of ``table``, made by a run of the pipeline. What each check of ours found is a result of the
    asset's check; a run that the gate blocked fails without another try.

    Args:
        deps: tables that it is made from. checks: ids of its checks, as ``sluiceway explain`` says them.
        options: of ``dagster.multi_asset``: ``retry_policy``, ``op_tags``, …
    """
    import dagster

    from sluiceway.integrations.elsewhere import Blocked, Failed, Sluiceway, summary

    key = dagster.AssetKey(table.split("."))
    specs = [dagster.AssetSpec(key, deps=[dagster.AssetKey(dep.split(".")) for dep in deps])]
    known = {check_name(id): id for id in checks}
    declared = [dagster.AssetCheckSpec(name=name, asset=key, description=id) for name, id in known.items()]

    def results(document: dict[str, Any]) -> Iterator[Any]:
        found = {check["id"]: check for check in document.get("checks", [])}
        for name, id in known.items():
            check = found.get(id)
            worse = check is not None and check["on_fail"] == "block"
            severity = dagster.AssetCheckSeverity.ERROR if worse else dagster.AssetCheckSeverity.WARN
            numbers = {k: check[k] for k in ("failing", "total") if check[k] is not None} if check else {}
            yield dagster.AssetCheckResult(
                passed=bool(check and check["passed"]), check_name=name, asset_key=key, severity=severity,
                metadata=numbers, description=check["message"] if check else "the run did not get as far",
            )  # fmt: skip

    def compute(context: Any) -> Iterator[Any]:
        runs = Sluiceway(project, environment, command)
        try:
            document = runs.run(pipeline, log=context.log.info)
        except Blocked as error:
            yield from results(error.document)
            raise dagster.Failure(str(error), allow_retries=False) from None
        except Failed as error:
            raise dagster.Failure(str(error), allow_retries=not error.final) from None
        context.log.info(summary(document))
        yield from results(document)
        numbers = {k: v for k, v in document["records"].items() if v is not None}
        score = document.get("quality_score")
        more = {} if score is None else {"quality_score": float(score)}
        yield dagster.MaterializeResult(
            asset_key=key, metadata={**numbers, **more, "run_id": document["run_id"]}
        )

    compute.__annotations__ = {}
    named = dagster.multi_asset(
        name=name_of(pipeline), specs=specs, check_specs=declared, can_subset=False, **options
    )
    return named(compute)


def assets(
    project: Project, pipelines: list[Pipeline], graph: Graph, folder: str, checks: dict[str, list[str]]
) -> str:
    """A file with an asset a pipeline, its checks, and the schedules. ``checks``: pipeline -> ids."""
    code = Code(header("Dagster", project.name))
    imported = "AssetSelection Backoff Definitions RetryPolicy ScheduleDefinition define_asset_job"
    code += "from dagster import (\n    " + ",\n    ".join(imported.split()) + ",\n)\n"
    code += "from sluiceway.integrations.dagster import sluiceway_asset\n"
    code += f"PROJECT = {literal(folder)}"
    code += f"ENVIRONMENT = {literal(pipelines[0].environment.name if pipelines else None)}\n"
    for pipeline in pipelines:
        needs = [str(graph.nodes[need].output) for need in graph.upstream(pipeline.name)]
        table = str(pipeline.destination.table)
        code += f"{name_of(pipeline.name)} = sluiceway_asset("
        with code.indented():
            code += f"{literal(pipeline.name)}, {literal(table)}, PROJECT, ENVIRONMENT,"
            code += f"deps={literal(needs)},"
            code += f"checks={literal(checks.get(pipeline.name, []))},"
            if pipeline.retry.attempts > 1:
                code += f"retry_policy={_retry(pipeline)},"
        code += ")"
    code += ""
    code += "defs = Definitions("
    with code.indented():
        code += f"assets=[{', '.join(name_of(p.name) for p in pipelines)}],"
        code += "schedules=["
        with code.indented():
            for pipeline in pipelines:
                spec = pipeline.schedule
                if spec is None or not spec.crons:
                    continue
                name = name_of(pipeline.name)
                code += "ScheduleDefinition("
                with code.indented():
                    code += f"job=define_asset_job({literal(f'{name}_job')}, AssetSelection.assets({name})),"
                    code += f"cron_schedule={literal(spec.crons[0])},"
                    code += f"execution_timezone={literal(spec.timezone)},"
                code += "),"
        code += "],"
    code += ")"
    return code.text()


def _retry(pipeline: Pipeline) -> str:
    backoff = "Backoff.EXPONENTIAL" if pipeline.retry.backoff == "exponential" else "None"
    times = pipeline.retry.attempts - 1
    return f"RetryPolicy(max_retries={times}, delay={pipeline.retry.delay:g}, backoff={backoff})"
