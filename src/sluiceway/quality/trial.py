"""Which rules are tried on which history: the words of the command line resolved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.errors import ConfigError
from sluiceway.quality.backtest import backtest
from sluiceway.quality.declared import chosen, declared_for, pipelines_loading

if TYPE_CHECKING:
    from sluiceway.quality.backtest_model import Backtest
    from sluiceway.spec.model import Project

__all__ = ["tried"]


def tried(
    target: str,
    rules: Sequence[str],
    project: Project,
    environment: str | None = None,
    *,
    contract: Path | None = None,
    last: int | None = None,
) -> Backtest:
    """The back-test of rules by their ids; of all that are declared for none.

    Args:
        target: a pipeline, or a dataset of the warehouse.
        contract: whose rules are tried, in the place of the declared ones.

    Raises:
        ConfigError: there is no such pipeline, dataset, contract or rule.
    """
    pipelines = pipelines_loading(target, project, environment)
    destination = pipelines[0].destination if pipelines else None
    dataset = target if destination is None else str(destination.table)
    if destination is None and contract is None:
        raise ConfigError(
            f"no pipeline loads '{target}', so no rules are declared for it",
            hint="give some: --contract FILE",
        )
    declared = declared_for(dataset if contract is not None else target, project, environment, contract)
    return backtest(
        dataset,
        chosen(declared, rules),
        project=project,
        environment=environment,
        destination=destination,
        last=last,
    )
