"""A quality score that explains itself: what it is made of, and what changed it since another run.

The score is the weighted mean of dimensions, and a dimension the mean of its checks (semantics, *Scores*),
so a run's loss, ``1 - score``, is a sum over its checks of *weight x share that failed*. Between two runs
each term's difference is divided between its two factors at their midpoints, the Shapley value of a product
(Shapley, *A value for n-person games*, 1953; in index theory Marshall and Edgeworth's formula)::

    w1 f1 - w0 f0 = (w0 + w1)/2 (f1 - f0)  +  (f0 + f1)/2 (w1 - w0)

The first part is what the data did, the second what a change of rules or weights did. They add up to the
difference of the scores exactly; a check that is not in a run has weight 0 there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.errors import StoreError

if TYPE_CHECKING:
    from sluiceway.spec.model import Project
    from sluiceway.store.store import Store

__all__ = ["Change", "CheckScore", "Explanation", "RunScore", "explain", "quality_score", "scored"]

TABLE = "the table"
"""Stands for the column where a check judges rows together."""


@dataclass(frozen=True)
class CheckScore:
    """One check in one run. ``failed`` is the share, 0..1, that failed; ``weight`` what the check weighs in
    the run's score: all weights of a run add up to 1."""

    check: str
    rule: str
    dimension: str
    columns: tuple[str, ...]
    failed: float
    weight: float

    @property
    def loss(self) -> float:
        return self.weight * self.failed


@dataclass(frozen=True)
class RunScore:
    """The score of one run, None where no check counts; ``at`` is when it started, ISO 8601 in UTC."""

    run_id: str
    at: str
    checks: tuple[CheckScore, ...] = ()

    @property
    def score(self) -> float | None:
        return 1.0 - sum(check.loss for check in self.checks) if self.checks else None

    @property
    def dimensions(self) -> dict[str, float]:
        return self._means(lambda check: (check.dimension,))

    @property
    def columns(self) -> dict[str, float]:
        return self._means(lambda check: check.columns or (TABLE,))

    @property
    def rules(self) -> dict[str, float]:
        return self._means(lambda check: (check.rule,))

    def of(self, check: str) -> CheckScore | None:
        return next((found for found in self.checks if found.check == check), None)

    def _means(self, groups: Callable[[CheckScore], Iterable[str]]) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for check in self.checks:
            for group in groups(check):
                found.setdefault(group, []).append(1.0 - check.failed)
        return {name: sum(values) / len(values) for name, values in sorted(found.items())}


@dataclass(frozen=True)
class Change:
    """What one check, column, dimension or rule did to the score: ``by_data + by_rules``, below 0 where
    it lost. ``since_run`` is the run where a loss that still stands began, ``since`` when that started."""

    name: str
    by_data: float
    by_rules: float
    since_run: str | None = None
    since: str | None = None

    @property
    def change(self) -> float:
        return self.by_data + self.by_rules


@dataclass(frozen=True)
class Explanation:
    """The score of a dataset now, and against ``before`` if there is an earlier run."""

    dataset: str
    now: RunScore
    before: RunScore | None = None
    checks: tuple[Change, ...] = ()
    columns: tuple[Change, ...] = ()
    dimensions: tuple[Change, ...] = ()
    rules: tuple[Change, ...] = ()

    @property
    def change(self) -> float | None:
        if self.before is None or self.now.score is None or self.before.score is None:
            return None
        return self.now.score - self.before.score

    @property
    def sentence(self) -> str:
        """``0.9690, lost 0.0310 since 1 November: 0.0220 by pattern:email since 3 November (run r7)``"""
        if self.now.score is None:
            return "no check counts in the score"
        text, change = f"{self.now.score:.4f}", self.change
        if change is None or self.before is None:
            return f"{text}; there is no earlier run to compare it with"
        if abs(change) < 5e-5 and not any(abs(c.change) >= 5e-5 for c in self.checks):
            return f"{text}, as on {_day(self.before.at)}"
        text += f", {'lost' if change < 0 else 'gained'} {abs(change):.4f} since {_day(self.before.at)}"
        parts = [_part(c, change < 0) for c in self.checks if abs(c.change) >= 5e-5]
        return f"{text}: {'; '.join(parts[:4])}" if parts else text

    def as_dict(self) -> dict[str, Any]:
        """The document of ``quality score --json``."""
        groups = ("checks", "columns", "dimensions", "rules")
        return {
            "dataset": self.dataset,
            "score": self.now.score,
            "run_id": self.now.run_id,
            "at": self.now.at,
            **{name: getattr(self.now, name) for name in groups[1:]},
            "checks": [{**asdict(check), "loss": check.loss} for check in self.now.checks],
            "before": None
            if self.before is None
            else {"run_id": self.before.run_id, "at": self.before.at, "score": self.before.score},
            "change": self.change,
            "explained": {
                name: [{**asdict(c), "change": c.change} for c in getattr(self, name)] for name in groups
            },
            "sentence": self.sentence,
        }


def _day(at: str) -> str:
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%B %Y}"


def _part(change: Change, losing: bool) -> str:
    words = f"{abs(change.change):.4f} by {change.name}"
    if (change.change < 0) != losing:
        words = f"{'lost' if change.change < 0 else 'gained'} {words}"
    if abs(change.by_rules) > abs(change.by_data):
        words += " (its weight changed)"
    if change.since is not None:
        words += f" since {_day(change.since)} (run {change.since_run})"
    return words


def scored(
    run_id: str, at: str, checks: Iterable[Mapping[str, Any]], weights: Mapping[str, float]
) -> RunScore:
    """The score of a run out of its checks, as the store has them.

    Info and shadow checks don't count, nor those that were not able to judge (an ``anomaly`` in training).

    >>> checks = [{"id": "not_null:id", "rule": "not_null", "dimension": "completeness", "severity": "error",
    ...            "columns": ["id"], "failing": 1, "total": 4}]
    >>> scored("r1", "2026-11-01T00:00:00Z", checks, {}).score
    0.75
    """
    counted = [check for check in checks if _counts(check)]
    sizes: dict[str, int] = {}
    for check in counted:
        sizes[check["dimension"]] = sizes.get(check["dimension"], 0) + 1
    whole = sum(weights.get(name, 1.0) for name in sizes)
    if whole == 0:
        return RunScore(run_id, at)
    return RunScore(
        run_id,
        at,
        tuple(
            CheckScore(
                str(check["id"]),
                str(check["rule"]),
                str(check["dimension"]),
                tuple(check.get("columns") or ()),
                _failed(check),
                weights.get(check["dimension"], 1.0) / whole / sizes[check["dimension"]],
            )
            for check in counted
        ),
    )


def _counts(check: Mapping[str, Any]) -> bool:
    untrained = check["rule"] == "anomaly" and not check.get("total")
    return check["severity"] != "info" and not check.get("shadow") and not untrained


def _failed(check: Mapping[str, Any]) -> float:
    failing, total = check.get("failing") or 0, check.get("total") or 0
    return min(1.0, failing / total) if total else float(failing > 0)


def explain(
    dataset: str, now: RunScore, before: RunScore | None, between: Sequence[RunScore] = ()
) -> Explanation:
    """What made the score of ``now`` differ from that of ``before``.

    Args:
        between: the runs after ``before`` and before ``now``, oldest first: where losses began.
    """
    if before is None or now.score is None or before.score is None:
        return Explanation(dataset, now, before)
    names = dict.fromkeys(check.check for run in (now, before) for check in run.checks)
    single = [(_change(name, now, before, between), now.of(name) or before.of(name)) for name in names]
    pairs = [(change, check) for change, check in single if check is not None]
    return Explanation(
        dataset,
        now,
        before,
        checks=_ordered(change for change, _ in pairs),
        columns=_grouped(pairs, lambda check: check.columns or (TABLE,)),
        dimensions=_grouped(pairs, lambda check: (check.dimension,)),
        rules=_grouped(pairs, lambda check: (check.rule,)),
    )


def _change(name: str, now: RunScore, before: RunScore, between: Sequence[RunScore]) -> Change:
    new, old = now.of(name), before.of(name)
    w1, f1 = (new.weight, new.failed) if new else (0.0, old.failed if old else 0.0)
    w0, f0 = (old.weight, old.failed) if old else (0.0, f1)
    by_data = -(w0 + w1) / 2 * (f1 - f0)
    by_rules = -(f0 + f1) / 2 * (w1 - w0)
    began: RunScore | None = None
    if by_data + by_rules < 0:
        least = old.failed if old else 0.0
        began = now
        for run in reversed(between):
            found = run.of(name)
            if found is None:
                continue  # not judged there: the run was turned away earlier
            if found.failed <= least:
                break
            began = run
    return Change(name, by_data, by_rules, began.run_id if began else None, began.at if began else None)


def _ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Those that lost most first; checks that did nothing are left out."""
    return tuple(sorted((c for c in changes if c.change), key=lambda c: (c.change, c.name)))


def _grouped(
    pairs: Sequence[tuple[Change, CheckScore]], groups: Callable[[CheckScore], Sequence[str]]
) -> tuple[Change, ...]:
    """By group; a check of several columns gives each an equal part, so that sums stay exact."""
    data: dict[str, float] = {}
    rules: dict[str, float] = {}
    for change, check in pairs:
        among = groups(check)
        for name in among:
            data[name] = data.get(name, 0.0) + change.by_data / len(among)
            rules[name] = rules.get(name, 0.0) + change.by_rules / len(among)
    return _ordered(Change(name, data[name], rules[name]) for name in data)


# --- out of the store ---


def quality_score(
    dataset: str,
    *,
    project: Project,
    environment: str | None = None,
    pipeline: str | None = None,
    since: datetime | None = None,
    against: str | None = None,
) -> Explanation:
    """The newest score of a dataset, and what changed it.

    Args:
        pipeline: whose runs; of whoever judged the dataset last if absent.
        since: compare with the newest run at or before this time, else the oldest after it.
        against: compare with this run. Neither: with the run before.

    Raises:
        StoreError: no such dataset, or no run has judged it.
    """
    from sluiceway.store.store import Store

    with Store.open(project.metadata) as store:
        runs = _runs(store, dataset, environment, pipeline)
        if not runs:
            raise StoreError(
                f"no run has judged '{dataset}'", hint="sluiceway run PIPELINE, or sluiceway check"
            )
        place = _baseline(runs, since, against)
        scores = [_scored(store, runs[-1])]
        before = None if place is None else _scored(store, runs[place])
        first = len(runs) if place is None else place + 1
        between = [scored(run[0], run[1], run[2], {}) for run in runs[first:-1]]
    return explain(dataset, scores[0], before, between)


_Run = tuple[str, str, list[dict[str, Any]]]


def _runs(store: Store, dataset: str, environment: str | None, pipeline: str | None) -> list[_Run]:
    """(run, when, its checks), oldest first, of one pipeline. Runs without a checked gate are left out."""
    if pipeline is None:
        newest = store.checks_history(dataset=dataset, environment=environment, limit=1)
        pipeline = newest[0]["pipeline"] if newest else None
    rows = store.checks_history(pipeline, dataset=dataset, environment=environment, limit=None)
    found: dict[str, _Run] = {}
    for row in rows:
        found.setdefault(row["run_id"], (row["run_id"], row["started_at"], []))[2].append(row)
    whole = [run for run in found.values() if any(check["phase"] == "gate" for check in run[2])]
    return whole[::-1]


def _scored(store: Store, run: _Run) -> RunScore:
    config = store.run(run[0])["config"] or {}
    declared = (config.get("quality") or {}).get("weights") or {}
    weights = {name: float(value) for name, value in declared.items() if _is_number(value)}
    return scored(run[0], run[1], run[2], weights)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _baseline(runs: Sequence[_Run], since: datetime | None, against: str | None) -> int | None:
    if against is not None:
        place = next((i for i, run in enumerate(runs) if run[0] == against), None)
        if place is None:
            raise StoreError(f"run {against} has not judged this dataset", hint="sluiceway runs list")
        return place
    if len(runs) < 2:
        return None
    if since is None:
        return len(runs) - 2
    start = since.replace(tzinfo=UTC) if since.tzinfo is None else since
    older = [i for i, run in enumerate(runs[:-1]) if datetime.fromisoformat(run[1]) <= start]
    return older[-1] if older else 0
