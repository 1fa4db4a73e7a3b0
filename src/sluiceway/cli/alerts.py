"""``sluiceway alerts``: what is wrong now, who was told, and who is not to be told for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.alerts.model import Delivery

__all__ = ["command"]


@click.group()
def command() -> None:
    """Alerts: what is open, test the channels, silence, and who was told of what."""


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Alerts at most.")
@common
def list_(options: Options, everything: bool, limit: int) -> None:
    """List open alerts and the silences that hold."""
    from sluiceway.alerts.dispatch import now
    from sluiceway.store.store import Store

    project = options.project()
    environment = _chosen(options)
    with Store.open(project.metadata) as store:
        found = store.alerts.alerts(environment, None if everything else "open", limit)
        silences = store.alerts.silenced(environment, now())
    columns = ("alert", "severity", "env", "state", "times", "since", "last", "title")
    rows = [
        (
            alert["key"], alert["severity"], alert["environment"], alert["state"], alert["count"],
            _time(alert["first_at"]), _time(alert["last_at"]), alert["title"],
        )
        for alert in found
    ]  # fmt: skip
    options.console.table(columns, rows, ("times",))
    if not found:
        options.console.say("there are no alerts" if everything else "no alert is open")
    for silence in silences:
        said = f"silenced in {silence['environment']}: {silence['pattern']} until {_time(silence['until'])}"
        options.console.say(f"  {said}  {silence['reason']}   (id {silence['id']})")
    options.console.document({"alerts": found, "silences": silences})


@command.command()
@click.argument("name", required=False)
@common
def test(options: Options, name: str | None) -> int:
    """Send a test message to every channel, or to the one called NAME."""
    from sluiceway.alerts.dispatch import try_channels

    project = options.project()
    told = try_channels(project, options.environment_of(project).name, name)
    return _told(options, told)


@command.command()
@common
def send(options: Options) -> int:
    """Send what was held for its group and is due; the end of every run does that too."""
    from sluiceway.alerts.dispatch import send_held

    project = options.project()
    told = send_held(project, options.environment_of(project).name)
    if not told:
        options.console.say("nothing is due")
    return _told(options, told)


@command.command()
@click.argument("pattern")
@click.option("--for", "period", required=True, metavar="2h", help="How long, such as 30m, 2h or 3d.")
@click.option("--reason", default="", help="Why; those who wonder will read it.")
@common
def silence(options: Options, pattern: str, period: str, reason: str) -> None:
    """Tell nobody of alerts whose name fits PATTERN, such as 'run_failed:sales_*', for a while.

    They are still written down, and listed.
    """
    from datetime import timedelta

    from sluiceway.alerts.dispatch import now
    from sluiceway.store.store import Store
    from sluiceway.units import duration

    try:
        until = now() + timedelta(seconds=duration(period))
    except (OverflowError, ValueError):
        raise ConfigError(f"--for is '{period}'", hint="write a duration such as 30m, 2h or 3d") from None
    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        number = store.alerts.silence(environment, pattern, reason, until, now())
    options.console.say(f"{pattern} is silenced in {environment} until {_time(until.isoformat())} UTC")
    options.console.say(f"  end it:  sluiceway alerts unsilence {number}")
    options.console.document(
        {"id": number, "environment": environment, "pattern": pattern, "reason": reason, "until": until}
    )


@command.command()
@click.argument("pattern")
@common
def unsilence(options: Options, pattern: str) -> None:
    """End the silences with this PATTERN or id."""
    from sluiceway.alerts.dispatch import now
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        count = store.alerts.unsilence(environment, pattern, now())
    if not count:
        raise ConfigError(
            f"no silence '{pattern}' holds in {environment}", hint="see them: sluiceway alerts list"
        )
    options.console.say(f"ended {count} silence{'s' if count > 1 else ''}")
    options.console.document({"ended": count})


@command.command()
@click.option("--failed", is_flag=True, help="Only what a channel did not take.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Deliveries at most.")
@common
def history(options: Options, failed: bool, limit: int) -> None:
    """List who was told of what, newest first."""
    from sluiceway.store.store import Store

    project = options.project()
    with Store.open(project.metadata) as store:
        found = store.alerts.history(_chosen(options), limit, "failed" if failed else None)
    columns = ("at", "env", "channel", "alert", "kind", "status", "error")
    rows: list[tuple[Any, ...]] = [
        (_time(d["at"]), d["environment"], d["channel"], d["key"], d["kind"], d["status"], d["error"])
        for d in found
    ]
    options.console.table(columns, rows)
    if not found:
        options.console.say("nobody was told of anything yet")
    options.console.document({"deliveries": found})


def _told(options: Options, told: Sequence[Delivery]) -> int:
    """What became of messages; 1 where a channel did not take one."""
    from dataclasses import asdict

    rows = [(d.channel, d.key, d.status, d.error) for d in told]
    options.console.table(("channel", "alert", "status", "error"), rows)
    options.console.document({"deliveries": [asdict(d) for d in told]})
    return 1 if any(d.status == "failed" for d in told) else 0


def _chosen(options: Options) -> str | None:
    """The environment that was named; all of them if none was."""
    if options.environment is None:
        return None
    return options.environment_of(options.project()).name


def _time(at: str) -> str:
    return at[:19].replace("T", " ")
