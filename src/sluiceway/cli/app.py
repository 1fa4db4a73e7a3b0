"""The root command, loaded lazily, and the one place that turns an exception into an exit code.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 blocked by the gate.
"""

from __future__ import annotations

import importlib
import keyword
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from sluiceway import __version__
from sluiceway.cli.console import Console
from sluiceway.errors import ConfigError, SluicewayError, did_you_mean, machine_error

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["COMMANDS", "app", "invoke"]

COMMANDS = (
    "init",
    "demo",
    "run",
    "plan",
    "explain",
    "check",
    "profile",
    "suggest",
    "rules",
    "contract",
    "quality",
    "quarantine",
    "graph",
    "runs",
    "rollback",
    "schedule",
    "worker",
    "workers",
    "serve",
    "backfill",
    "health",
    "fix",
    "lineage",
    "alerts",
    "connectors",
    "import",
    "export",
    "schema",
    "doctor",
)
"""In the order in which a newcomer meets them. ``NAME`` is ``sluiceway.cli.NAME:command``; Python's own
words get an underscore (``import_``)."""

EPILOG = "Start with:  sluiceway demo   (real data, one command)   or   sluiceway init my-project"


class LazyGroup(click.Group):
    """Finds a command's file when it is asked for. The files import nothing heavy at the top."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"sluiceway.cli.{module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command '{args[0]}'; {did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="sluiceway")
@click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    envvar="SLUICEWAY_LOG_FORMAT",
    help="Logs as text, or as JSON with the run's id in each line.",
)
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error"), case_sensitive=False),
    envvar="SLUICEWAY_LOG_LEVEL",
    help="Log what is at least as bad as this.",
)
def app(log_format: str | None, log_level: str | None) -> None:
    """Data pipelines with a gate before the load: nothing is published without a verdict."""
    if log_format is None and log_level is None:
        return
    from sluiceway import logs

    for name, value in ((logs.FORMAT, log_format), (logs.LEVEL, log_level)):
        if value is not None:
            os.environ[name] = value  # for the runs that we start, too
    logs.configure()


def invoke(args: list[str]) -> int:
    """Run one command line and give its exit code. Never raises what a user's mistake can cause."""
    json = "--json" in args
    console = Console(json=json)
    try:
        with _terminate_as_interrupt():
            code = app.main(args=list(args), prog_name="sluiceway", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        console.fail(_usage(error))
        return 2
    except (KeyboardInterrupt, click.Abort):
        from sluiceway.errors import CancelledError

        console.fail(CancelledError("cancelled"))
        return 1
    except SluicewayError as error:
        console.fail(error)
        return error.exit_code
    except BrokenPipeError:  # `sluiceway runs list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        told = machine_error(error)
        if told is None:
            console.bug(error)
            return 1
        console.fail(told)
        return told.exit_code
    except Exception as error:  # noqa: BLE001  whatever else escapes is a bug of ours: trace and versions
        console.bug(error)
        return 1
    return code if isinstance(code, int) else 0


def _usage(error: click.ClickException) -> ConfigError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "sluiceway"
    return ConfigError(error.format_message(), hint=f"see: {path} --help")


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: recorded as cancelled, nothing half published."""

    def stop(_number: int, _frame: FrameType | None) -> Any:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: whoever runs us there owns the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
