"""Which rules judge data that a door was given, and judging it by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import PlanError, Where
from sluiceway.quality.loaded import classified
from sluiceway.run.check import check_data
from sluiceway.run.doors import QualityResult
from sluiceway.run.standing import kind_of_file
from sluiceway.spec.contract import load_contract
from sluiceway.spec.declared import parse_rules
from sluiceway.spec.model import ContractSpec, QualitySpec

if TYPE_CHECKING:
    from sluiceway.quality.doorconfig import QualityConfig
    from sluiceway.quality.model import Profile
    from sluiceway.run.result import RunResult
    from sluiceway.spec.model import DeclaredRule, Project

__all__ = ["Judge", "is_name", "judge_for", "judged", "rules_from"]


@dataclass(frozen=True)
class Judge:
    """``contract`` has the rules; ``left_out`` are ids of rules that need more than the data itself."""

    contract: ContractSpec
    quality: QualitySpec
    left_out: tuple[str, ...] = ()


def is_name(target: Any) -> bool:
    """A dataset's name, and neither a file nor rows.

    >>> is_name("mart.orders"), is_name("orders.csv"), is_name([{"id": 1}])
    (True, False, False)
    """
    return isinstance(target, str) and kind_of_file(target) is None and ":" not in target


def judge_for(
    target: Any,
    config: QualityConfig,
    project: Project,
    environment: str | None,
    rules: Sequence[Mapping[str, Any]] = (),
) -> Judge | None:
    """The rules given, else the contract's, else those of the pipeline that loads ``target``; None if there
    are none.

    Raises:
        SpecError, PlanError: they can't be read.
    """
    from sluiceway.quality.mending import owner_of

    quality = QualitySpec(thresholds=config.thresholds, weights=config.weights)
    hidden = classified(target, project, config.contract)
    given = [dict(rule) for rule in (rules or config.rules)]
    if given:
        parsed = parse_rules(given, lambda path: Where(key=".".join(map(str, ("rules", *path)))))
        return Judge(_made(parsed, hidden), quality)
    if config.contract is not None:
        spec = load_contract(config.contract, project=project)
        return Judge(spec, quality) if spec.rules else None
    owner = owner_of(project, environment, target) if is_name(target) else None
    if owner is None:
        return None
    fits = tuple(d for d in owner.rules if d.origin != "implied" and not d.rule.reads())
    others = tuple(d.rule.kind for d in owner.rules if d.origin != "implied" and d.rule.reads())
    quality = replace(
        owner.quality,
        thresholds={**owner.quality.thresholds, **config.thresholds},
        weights={**owner.quality.weights, **config.weights},
    )
    return Judge(_made(fits, hidden), quality, others) if fits else None


def judged(
    target: Any, judge: Judge | None, config: QualityConfig, project: Project, environment: str | None
) -> tuple[RunResult, QualityResult]:
    """Judge ``target`` as it stands; the result goes into the history.

    Raises:
        PlanError: there are no rules, or they don't fit the data. SourceError, EngineError: it can't be read.
    """
    if judge is None:
        raise PlanError(
            "nothing says what the data must be like",
            hint="give QualityConfig(rules=[{'not_null': 'id'}]) or a contract; a workflow makes some itself",
        )
    run = check_data(
        target, judge.contract, project=project, environment=environment, quality=judge.quality,
        name=config.dataset_id,
    )  # fmt: skip
    if run.status == "failed":
        run.raise_for_status()
    found = QualityResult(run.checks, run.quality_score, dict(run.dimensions), judge.quality.thresholds)
    return run, found


def _made(rules: Sequence[DeclaredRule], hidden: frozenset[str]) -> ContractSpec:
    return ContractSpec("", Path(), None, tuple(rules), hidden)


def rules_from(profile: Profile) -> list[dict[str, Any]]:
    """The plainest rules that the data itself holds to: columns without a gap are filled in, and a single
    column that was found to be a key, exactly, is one. They warn, and block nothing.

    >>> from sluiceway.quality.model import ColumnProfile, KeyCandidate, Profile
    >>> id_ = ColumnProfile("id", "BIGINT", 3, 0)
    >>> rules_from(Profile("t", 3, (id_,), keys=(KeyCandidate(("id",), 1.0, False),)))
    [{'not_null': 'id', 'severity': 'warning'}, {'unique': 'id', 'severity': 'warning'}]
    """
    found: list[dict[str, Any]] = []
    if profile.rows:
        found += [{"not_null": c.name} for c in profile.columns if c.count and not c.nulls]
    exact = (k for k in profile.keys if len(k.columns) == 1 and k.share == 1 and not k.approximate)
    found += [{"unique": k.columns[0]} for k in exact]
    return [{**rule, "severity": "warning"} for rule in found]
