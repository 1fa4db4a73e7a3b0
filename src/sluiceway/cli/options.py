"""What every command takes: ``--project``, ``--env``, ``--json``, and how a command finds its files."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.console import Console
from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

    from sluiceway.spec.model import EnvironmentSpec, Pipeline, Project

__all__ = ["Options", "common", "moment_of", "variables_of"]


@dataclass(frozen=True)
class Options:
    """The common options of one call."""

    project_folder: Path | None
    environment: str | None
    console: Console

    def project(self) -> Project:
        """Raises SpecError with the place where the project file is wrong or missing."""
        from sluiceway.spec.project import load_project

        return load_project(self.project_folder)

    def environment_of(self, project: Project) -> EnvironmentSpec:
        """The environment named by ``--env``, or the project's first."""
        from sluiceway.errors import did_you_mean

        if self.environment is None:
            return project.environments[0]
        for environment in project.environments:
            if environment.name == self.environment:
                return environment
        names = [environment.name for environment in project.environments]
        raise ConfigError(
            f"there is no environment '{self.environment}'", hint=did_you_mean(self.environment, names)
        )

    def pipeline(
        self, name: str, project: Project | None = None, variables: dict[str, Any] | None = None
    ) -> Pipeline:
        """The pipeline behind a name or a file, resolved for the environment."""
        from sluiceway.spec.pipeline import PipelineConfig
        from sluiceway.spec.project import find_pipeline
        from sluiceway.spec.resolve import resolve

        project = project or self.project()
        config = PipelineConfig.load(find_pipeline(project, name))
        return resolve(config, project, environment=self.environment, variables=variables)


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the three options; the command gets them as one ``Options``, its first argument."""

    @click.option(
        "--project",
        "project_folder",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="The project's folder; the working folder, or the nearest above it, if absent.",
    )
    @click.option("--env", "environment", metavar="NAME", help="The environment; the first one if absent.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else there.")
    @functools.wraps(function)
    def wrapper(
        *args: Any, project_folder: Path | None, environment: str | None, as_json: bool, **kwargs: Any
    ) -> Any:
        return function(Options(project_folder, environment, Console(json=as_json)), *args, **kwargs)

    return wrapper


def moment_of(value: str | None) -> datetime | None:
    """``--at``: a date or a time in ISO 8601; without a zone it is UTC.

    Raises:
        ConfigError: it is neither.

    >>> moment_of("2013-02-01").isoformat()
    '2013-02-01T00:00:00+00:00'
    """
    from datetime import UTC, datetime

    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise ConfigError(
            f"--at '{value}' is no date or time",
            hint="write --at 2026-11-27 or --at 2026-11-27T06:00:00+01:00",
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def variables_of(values: tuple[str, ...]) -> dict[str, Any]:
    """``--vars``: ``name=value`` pairs, or one JSON object. A value that is JSON has its type.

    Raises:
        ConfigError: neither of the two.

    >>> variables_of(("day=2013-01-01", "limit=5", '{"deep": true}'))
    {'day': '2013-01-01', 'limit': 5, 'deep': True}
    """
    variables: dict[str, Any] = {}
    for value in values:
        if value.lstrip().startswith("{"):
            variables.update(_object(value))
            continue
        name, separator, text = value.partition("=")
        if not separator or not name.strip().isidentifier():
            raise ConfigError(
                f"--vars {value!r} is not NAME=VALUE",
                hint='write --vars day=2013-01-01, or one JSON object: --vars \'{"day": "2013-01-01"}\'',
            )
        variables[name.strip()] = _scalar(text)
    return variables


def _object(text: str) -> dict[str, Any]:
    import json

    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--vars is not JSON: {error}", hint="quote it: --vars '{\"a\": 1}'") from None
    assert isinstance(value, dict)
    return value


def _scalar(text: str) -> Any:
    """Numbers, true, false and null as JSON has them; anything else is text."""
    import json

    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value if isinstance(value, int | float | str) or value is None else text
