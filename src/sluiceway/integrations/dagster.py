"""Dagster: an asset a pipeline with a check for each of its rules, and a file of them for a project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sluiceway.errors import ConfigError
from sluiceway.integrations.code import Code, Expression, Names, call, listed, literal, name_of
from sluiceway.integrations.outline import Export, Outline, begin

__all__ = ["assets", "check_names", "key_of", "sluiceway_asset", "sluiceway_assets"]

_RETRIES = "Dagster counts the tries, as `retry:` says; what the gate blocked is not tried again."
_DAGSTER = (
    "AssetSelection AutomationCondition Backoff Definitions RetryPolicy RunRequest ScheduleDefinition "
    "SensorDefinition define_asset_job"
)
_TAKEN = "ENVIRONMENT PROJECT defs os sluiceway_asset"
_SCHEDULED = "dagster/scheduled_execution_time"


def check_names(ids: Sequence[str]) -> dict[str, str]:
    """Dagster's name of each check, of letters, digits and underscores; no two are the same.

    >>> check_names(["not_null:order_id", "unique:a,b", "unique:a:b"])
    {'not_null_order_id': 'not_null:order_id', 'unique_a_b': 'unique:a,b', 'unique_a_b_2': 'unique:a:b'}
    """
    names = Names()
    return {names.of(id, re.sub(r"\W", "_", id)): id for id in ids}


def key_of(table: str) -> list[str]:
    """The parts of an asset's key, of the letters that Dagster takes.

    >>> key_of("mart.orders"), key_of("mart.größe")
    (['mart', 'orders'], ['mart', 'gr__e'])
    """
    return [re.sub(r"[^A-Za-z0-9_]", "_", part) for part in table.split(".")]


def sluiceway_asset(
    pipeline: str,
    table: str,
    project: str,
    environment: str | None = None,
    *,
    deps: Sequence[str] = (),
    checks: Sequence[str] = (),
    description: str | None = None,
    owner: str | None = None,
    tags: Sequence[str] = (),
    automation_condition: Any = None,
    command: str | None = None,
    **options: Any,
) -> Any:
    """The asset of ``table``, made by a run of the pipeline. What each check of ours found is a result of the
    asset's check; a run that the gate blocked fails without another try, and so does one that another try
    would not help. Dagster counts the other tries, and the run itself makes one.

    The run stands for the moment that a schedule began it for, for the end of a partition of time, or for
    now. What ends the step meanwhile stops it, and it publishes nothing.

    Args:
        deps: tables that it is made from. checks: ids of its checks, as ``sluiceway explain`` says them.
        owner: a mail address, or the name of a team.
        command: our command, where it is neither in ``SLUICEWAY_BIN`` nor on the path.
        options: of ``dagster.multi_asset``: ``retry_policy``, ``partitions_def``, ``op_tags``, …
    """
    import dagster

    from sluiceway.integrations.elsewhere import Blocked, Failed, Sluiceway, summary

    key = dagster.AssetKey(key_of(table))
    spec = dagster.AssetSpec(
        key,
        deps=[dagster.AssetKey(key_of(dep)) for dep in deps],
        description=description,
        owners=[owner if "@" in owner else f"team:{name_of(owner)}"] if owner else None,
        tags={re.sub(r"[^\w.-]", "_", tag, flags=re.ASCII)[:63]: "" for tag in tags},
        kinds={"sluiceway"},
        automation_condition=automation_condition,
    )
    known = check_names(checks)
    declared = [dagster.AssetCheckSpec(name=name, asset=key, description=id) for name, id in known.items()]

    def compute(context: Any) -> Iterator[Any]:
        try:
            document = Sluiceway(project, environment, command).run(
                pipeline, at=_moment(context), log=context.log.info
            )
        except Blocked as error:
            yield from _results(error.document, known, key)
            raise dagster.Failure(
                str(error), metadata=_numbers(error.document), allow_retries=False
            ) from None
        except Failed as error:
            raise dagster.Failure(
                str(error), metadata=_numbers(error.document), allow_retries=not error.final
            ) from None
        context.log.info(summary(document))
        yield from _results(document, known, key)
        yield dagster.MaterializeResult(asset_key=key, metadata=_numbers(document))

    compute.__annotations__ = {}
    named = dagster.multi_asset(
        name=name_of(pipeline), specs=[spec], check_specs=declared, can_subset=False, **options
    )
    return named(compute)


def sluiceway_assets(
    project: str,
    environment: str | None = None,
    *,
    select: Sequence[str] = (),
    command: str | None = None,
    **options: Any,
) -> list[Any]:
    """The assets of a project's pipelines, as it is now: our command is asked when the code is loaded. They
    have the checks, needs, owners and tries of their files; schedules are yours, or the exported file's.

    Args:
        select: patterns, as ``sluiceway run --select`` takes them. options: as for ``sluiceway_asset``.

    Raises:
        sluiceway.integrations.elsewhere.Failed: the project can't be read.
    """
    import dagster

    from sluiceway.integrations.elsewhere import Sluiceway

    chosen = [word for pattern in select for word in ("--select", pattern)]
    said = Sluiceway(project, environment, command).ask("export", "dagster", *chosen)
    made = []
    for one in said["pipelines"]:
        policy = None
        if one["attempts"] > 1:
            backoff = {"exponential": dagster.Backoff.EXPONENTIAL, "linear": dagster.Backoff.LINEAR}
            policy = dagster.RetryPolicy(one["attempts"] - 1, one["delay"], backoff.get(one["backoff"]))
        given = {
            "deps": one["reads"], "checks": one["checks"], "description": one["description"] or None,
            "owner": one["owner"] or None, "tags": one["tags"], "retry_policy": policy, "command": command,
        }  # fmt: skip
        made.append(sluiceway_asset(one["name"], one["table"], project, environment, **{**given, **options}))
    return made


def _moment(context: Any) -> str | None:
    """The moment that the run stands for: of the partition, or of the schedule."""
    if context.has_partition_key:
        try:
            return str(context.partition_time_window.end.isoformat())
        except Exception:  # noqa: BLE001  partitions that are not of time say so by errors of several kinds
            return None
    tags: dict[str, str] = context.run.tags
    return tags.get(_SCHEDULED)


def _results(document: dict[str, Any], known: dict[str, str], key: Any) -> Iterator[Any]:
    """What each check found. One that blocks is an error, any other a warning."""
    import dagster

    found = {check["id"]: check for check in document.get("checks", [])}
    for name, id in known.items():
        check = found.get(id, {})
        worse = check.get("on_fail") == "block"
        told = ("failing", "total", "observed", "severity", "on_fail", "dimension", "phase")
        yield dagster.AssetCheckResult(
            passed=bool(check.get("passed")),
            check_name=name,
            asset_key=key,
            severity=dagster.AssetCheckSeverity.ERROR if worse else dagster.AssetCheckSeverity.WARN,
            metadata={k: _plain(check[k]) for k in told if check.get(k) is not None},
            description=check.get("message") if check else "the run did not get as far",
        )


def _numbers(document: dict[str, Any]) -> dict[str, Any]:
    """A run's records and score, its verdict and its id, for an asset's page."""
    told = {**(document.get("records") or {})}
    told |= {key: document.get(key) for key in ("quality_score", "verdict", "run_id", "snapshot")}
    return {key: _plain(value) for key, value in told.items() if value is not None}


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | dict) else str(value)


def assets(project: str, folder: str, environment: str, outlines: Sequence[Outline]) -> Export:
    """A file with an asset a pipeline, its checks, and the schedules.

    Raises:
        ConfigError: two pipelines load one table, which Dagster has one asset for.
    """
    loaders: dict[tuple[str, ...], str] = {}
    for outline in outlines:
        other = loaders.setdefault(tuple(key_of(outline.table)), outline.name)
        if other != outline.name:
            raise ConfigError(
                f"{other} and {outline.name} load {outline.table}, and Dagster has one asset a table",
                hint=f"export one of them: --select {other}",
            )
    names, body, notes = Names(_DAGSTER, _TAKEN), Code(), list[str]()
    made = {outline.name: names.of(outline.name) for outline in outlines}
    schedules, sensors = list[Expression](), list[Expression]()
    jobs: list[Expression] = [call("define_asset_job", '"everything"', "AssetSelection.all()")]
    for outline in outlines:
        _asset(body, outline, made[outline.name])
        timed = _schedules(outline, made[outline.name]), _sensors(outline, made[outline.name])
        schedules, sensors = schedules + timed[0], sensors + timed[1]
        if timed[0] or timed[1]:
            jobs.append(call(
                "define_asset_job", literal(f"{made[outline.name]}_job"),
                f"AssetSelection.assets({made[outline.name]})",
            ))  # fmt: skip
        notes += [f"{outline.name}: Dagster has nothing for {what}" for what in _lost(outline)]
    body.blank()
    body.put("defs = ", call(
        "Definitions",
        assets=listed(list(made.values())),
        jobs=listed(jobs),
        schedules=listed(schedules) if schedules else None,
        sensors=listed(sensors) if sensors else None,
    ))  # fmt: skip
    code, text = begin("Dagster", "dagster", project, outlines, _RETRIES), body.text()
    code.put("import os")
    code.blank()
    code.imports("dagster", [name for name in _DAGSTER.split() if f"{name}(" in text or f"{name}." in text])
    code.imports("sluiceway.integrations.dagster", ["sluiceway_asset"])
    code.blank()
    code.put("PROJECT = ", call("os.environ.get", '"SLUICEWAY_PROJECT"', literal(folder)))
    code.put(f"ENVIRONMENT = {literal(environment)}")
    code.blank()
    return Export(code.text() + "\n" + text, tuple(notes))


def _asset(code: Code, outline: Outline, name: str) -> None:
    when, retry = outline.when, None
    if outline.attempts > 1:
        backoff = {"exponential": "Backoff.EXPONENTIAL", "linear": "Backoff.LINEAR"}.get(outline.backoff)
        retry = call(
            "RetryPolicy", max_retries=literal(outline.attempts - 1), delay=f"{outline.delay:g}",
            backoff=backoff,
        )  # fmt: skip
    code.put(f"{name} = ", call(
        "sluiceway_asset",
        literal(outline.name),
        literal(outline.table),
        "PROJECT",
        "ENVIRONMENT",
        deps=listed([literal(table) for table in outline.reads]) if outline.reads else None,
        checks=listed([literal(id) for id in outline.checks]) if outline.checks else None,
        description=literal(outline.description) if outline.description else None,
        owner=literal(outline.owner) if outline.owner else None,
        tags=listed([literal(tag) for tag in outline.tags]) if outline.tags else None,
        automation_condition="AutomationCondition.eager()" if when.datasets else None,
        retry_policy=retry,
    ))  # fmt: skip


def _schedules(outline: Outline, name: str) -> list[Expression]:
    crons, timezone, _ = outline.when.clock
    if not crons:
        return []
    cron = literal(crons[0]) if len(crons) == 1 else literal(list(crons))
    job = literal(f"{name}_job")
    zone = literal(timezone)
    return [call("ScheduleDefinition", job_name=job, cron_schedule=cron, execution_timezone=zone)]


def _sensors(outline: Outline, name: str) -> list[Expression]:
    """Cron can't say every 90 seconds: a sensor that asks for a run each time that it is looked at can."""
    every = outline.when.clock[2]
    if every is None:
        return []
    return [call(
        "SensorDefinition", name=literal(f"{name}_sensor"), job_name=literal(f"{name}_job"),
        minimum_interval_seconds=literal(max(1, round(every))), evaluation_fn="lambda _: RunRequest()",
    )]  # fmt: skip


def _lost(outline: Outline) -> list[str]:
    """What its file says that this one does not."""
    when, lost = outline.when, list(outline.when.lost)
    lost += [key for key, at in (("start:", when.start), ("end:", when.end)) if at is not None]
    lost += ["catchup: all"] if when.catchup else []
    lost += ["when: all"] if len(when.datasets) > 1 and not when.any else []
    return lost
