"""Who is told, how often and when it is over; with a clock of the tests' own."""

from __future__ import annotations

import pytest

from sluiceway.alerts.dispatch import dispatch, raise_alert, resolve_alert, send_held
from sluiceway.alerts.model import Alert
from sluiceway.store.store import Store

TO = "to: 'file:said.jsonl'"


def statuses(deliveries):
    return [(d.kind, d.status) for d in deliveries]


def test_an_alert_is_written_down_and_told(make, alert, said, clock):
    project = make(f"{{{TO}}}")
    given = alert(
        details={
            "reasons": ["unique:id: 3 of 10", "range:amount: 1 of 10"],
            "records": {"staged": 10, "published": 0, "read": None},
            "next": "sluiceway runs show r1",
        }
    )
    told = raise_alert(project, "dev", given, clock=clock)
    assert [(d.channel, d.key, d.status, d.error) for d in told] == [
        ("alerts[0]", "run_failed:orders", "sent", None)
    ]
    [message] = said()
    assert message["title"] == "[error] orders: the run failed"
    assert (message["kind"], message["project"], message["environment"]) == ("raised", "shop", "dev")
    [inside] = message["alerts"]
    assert inside["details"]["reasons"] == given.details["reasons"]
    assert (inside["count"], inside["dataset"], inside["owner"]) == (1, "mart.orders", "sales-data")
    with Store.open(project.metadata) as store:
        [row] = store.alerts.alerts()
        assert (row["key"], row["state"], row["count"]) == ("run_failed:orders", "open", 1)
        [sent] = store.alerts.history()
        assert (sent["channel"], sent["status"], sent["at"]) == (
            "alerts[0]", "sent", "2026-01-02T03:04:05.000000Z",
        )  # fmt: skip


def test_without_routes_it_is_written_down_all_the_same(make, alert, clock):
    project = make("{to: 'file:said.jsonl', pipelines: other}")
    assert raise_alert(project, "dev", alert(), clock=clock) == ()
    with Store.open(project.metadata) as store:
        assert [row["key"] for row in store.alerts.alerts("dev")] == ["run_failed:orders"]
        assert store.alerts.alerts("prod") == []


def test_the_text_says_what_why_where_how_much_and_what_to_type(make, alert, clock, capsys):
    details = {
        "reasons": [f"check{n}: 1 of 10" for n in range(7)],
        "records": {"staged": 12345},
        "next": "sluiceway runs show r1",
    }
    raise_alert(make("{to: 'console:'}"), "dev", alert(details=details), clock=clock)
    out, text = capsys.readouterr()
    assert out == ""  # stdout belongs to --json
    for part in (
        "[error] orders: the run failed", "the disk is full", "  - check4: 1 of 10", "and 2 more",
        "pipeline: orders", "dataset: mart.orders", "environment: dev", "owner: sales-data", "run: r1",
        "12,345 staged", "next: sluiceway runs show r1",
    ):  # fmt: skip
        assert part in text
    assert "check5" not in text


@pytest.mark.parametrize(
    ("route", "given", "wanted"),
    [
        ("", {}, True),
        ("severity: error", {}, True),
        ("severity: critical", {}, False),
        ("severity: warning", {"severity": "info"}, False),
        ("pipelines: 'ord*'", {}, True),
        ("pipelines: [a, b]", {}, False),
        ("pipelines: '*'", {"pipeline": None}, False),
        ("datasets: 'mart.*'", {}, True),
        ("datasets: 'raw.*'", {}, False),
        ("owners: [sales-data]", {}, True),
        ("owners: finance", {}, False),
        ("environments: prod", {}, False),
        ("environments: [prod, dev]", {}, True),
        ("kinds: 'run_*'", {}, True),
        ("kinds: 'quality_*'", {}, False),
        ("on: failed", {}, True),
        ("on: [blocked, degraded]", {}, False),
        ("on: degraded", {"kind": "quality_degradation"}, True),
        ("on: blocked, kinds: 'run_f*'", {}, True),
        ("on: all", {"kind": "run_cancelled"}, True),
        ("", {"kind": "run_cancelled"}, False),
        ("", {"kind": "quarantine", "details": {"share": 0.5}}, False),
        ("quarantined: 1%", {"kind": "quarantine", "details": {"share": 0.011}}, True),
        ("quarantined: 1%", {"kind": "quarantine", "details": {"share": 0.01}}, False),
        ("on: quarantined", {"kind": "quarantine", "details": {"share": 0.0001}}, True),
        ("quarantined: 1%, severity: critical", {"kind": "quarantine", "details": {"share": 0.5}}, True),
        ("quarantined: 1%, pipelines: other", {"kind": "quarantine", "details": {"share": 0.5}}, False),
        ("slow: 10m", {"kind": "run_slow", "details": {"seconds": 601}}, True),
        ("slow: 10m", {"kind": "run_slow", "details": {"seconds": 599}}, False),
        ("slow: 10m", {}, True),
        ("on: all", {"kind": "run_slow", "details": {"seconds": 1e9}}, False),
        ("kinds: '*'", {"kind": "run_slow", "details": {"seconds": 1e9}}, False),
        ("on: [slow, failed], slow: 1s", {"kind": "run_slow", "details": {"seconds": 2}}, True),
    ],
)
def test_routing(make, alert, said, clock, route, given, wanted):
    project = make(f"{{{TO}, {route}}}" if route else f"{{{TO}}}")
    told = raise_alert(project, "dev", alert(**given), clock=clock)
    assert (len(told), len(said())) == (int(wanted), int(wanted))


def test_the_same_problem_is_told_once_a_throttle(make, alert, said, clock):
    project = make(f"{{{TO}, throttle: 15m}}")
    told = []
    for _ in range(4):
        told += raise_alert(project, "dev", alert(), clock=clock)
        clock.forward(minutes=6)
    assert [d.status for d in told] == ["sent", "throttled", "throttled", "sent"]
    assert [m["alerts"][0]["count"] for m in said()] == [1, 4]


def test_no_throttle_tells_every_time(make, alert, said, clock):
    project = make(f"{{{TO}, throttle: 0}}")
    for _ in range(3):
        raise_alert(project, "dev", alert(), clock=clock)
    assert len(said()) == 3


def test_another_environment_is_another_problem(make, alert, said, clock):
    project = make(f"{{{TO}}}")
    for environment in ("dev", "prod"):
        raise_alert(project, environment, alert(), clock=clock)
    assert [m["environment"] for m in said()] == ["dev", "prod"]


def test_what_becomes_worse_is_told_within_the_throttle(make, alert, said, clock):
    project = make(f"{{{TO}, throttle: 1h}}")
    for severity in ("warning", "critical", "error"):
        raise_alert(project, "dev", alert(severity=severity), clock=clock)
    assert [m["severity"] for m in said()] == ["warning", "critical"]


def test_a_clock_that_is_put_back_silences_nobody_for_long(make, alert, said, clock):
    project = make(f"{{{TO}, throttle: 15m}}")
    raise_alert(project, "dev", alert(), clock=clock)
    clock.forward(days=-30)
    raise_alert(project, "dev", alert(), clock=clock)
    assert len(said()) == 2


def test_a_channel_that_failed_is_tried_at_the_next_time(make, alert, said, clock, tmp_path):
    project = make(f"{{{TO}, throttle: 1h}}")
    (tmp_path / "said.jsonl").mkdir()
    [first] = raise_alert(project, "dev", alert(), clock=clock)
    assert (first.status, first.error) == ("failed", "said.jsonl: Is a directory")
    (tmp_path / "said.jsonl").rmdir()
    [second] = raise_alert(project, "dev", alert(), clock=clock)
    assert second.status == "sent"
    assert len(said()) == 1


def test_it_is_told_when_it_is_over(make, alert, said, clock):
    project = make(f"{{{TO}}}", "{to: 'file:never.jsonl', severity: critical}")
    raise_alert(project, "dev", alert(), clock=clock)
    clock.forward(minutes=1)
    assert statuses(resolve_alert(project, "dev", "run_failed:orders", clock=clock)) == [("resolved", "sent")]
    assert [m["kind"] for m in said()] == ["raised", "resolved"]
    assert said()[1]["title"] == "[resolved] orders: the run failed"
    assert not (
        project.folder / "never.jsonl"
    ).exists()  # who was not told of it needn't hear that it is over
    assert resolve_alert(project, "dev", "run_failed:orders", clock=clock) == ()
    with Store.open(project.metadata) as store:
        assert store.alerts.alerts() == []
        [row] = store.alerts.alerts(state=None)
        assert (row["state"], row["resolved_at"]) == ("resolved", "2026-01-02T03:05:05.000000Z")


def test_what_comes_back_after_it_was_over_is_news(make, alert, said, clock):
    project = make(f"{{{TO}, throttle: 1h}}")
    raise_alert(project, "dev", alert(), clock=clock)
    resolve_alert(project, "dev", "run_failed:orders", clock=clock)
    raise_alert(project, "dev", alert(), clock=clock)
    assert [m["kind"] for m in said()] == ["raised", "resolved", "raised"]


def test_resolve_false_keeps_quiet(make, alert, said, clock):
    project = make(f"{{{TO}, resolve: false}}")
    raise_alert(project, "dev", alert(), clock=clock)
    assert resolve_alert(project, "dev", "run_failed:orders", clock=clock) == ()
    assert [m["kind"] for m in said()] == ["raised"]
    with Store.open(project.metadata) as store:
        assert store.alerts.alerts() == []


def test_a_group_makes_one_message_a_window(make, alert, said, clock):
    project = make(f"{{{TO}, group_by: owner, throttle: 10m}}")
    told = []
    for name in ("orders", "customers", "rates"):
        told += raise_alert(project, "dev", alert(name), clock=clock)
        clock.forward(minutes=1)
    other = raise_alert(project, "dev", alert("ledger", owner="finance"), clock=clock)
    assert [d.status for d in (*told, *other)] == ["sent", "held", "held", "sent"]
    assert raise_alert(project, "dev", alert("rates"), clock=clock)[0].status == "throttled"
    assert send_held(project, "dev", clock=clock) == ()
    clock.forward(minutes=8)
    assert statuses(send_held(project, "dev", clock=clock)) == [("raised", "sent"), ("raised", "sent")]
    assert [len(m["alerts"]) for m in said()] == [1, 1, 2]
    assert said()[2]["title"] == "[error] 2 alerts in shop, the first: customers: the run failed"
    assert send_held(project, "dev", clock=clock) == ()


def test_alerts_raised_together_are_one_message(make, alert, said, clock):
    project = make(f"{{{TO}, group_by: [owner, environment]}}")
    told = dispatch(project, "dev", [alert(f"p{n}") for n in range(7)], clock=clock)
    assert {d.status for d in told} == {"sent"}
    assert [len(m["alerts"]) for m in said()] == [7]


def test_what_was_held_and_is_over_is_never_told(make, alert, said, clock):
    project = make(f"{{{TO}, group_by: owner, throttle: 10m}}")
    raise_alert(project, "dev", alert("orders"), clock=clock)
    raise_alert(project, "dev", alert("customers"), clock=clock)
    assert resolve_alert(project, "dev", "run_failed:customers", clock=clock) == ()
    clock.forward(hours=1)
    assert send_held(project, "dev", clock=clock) == ()
    assert len(said()) == 1


def test_silence(make, alert, said, clock):
    from datetime import timedelta

    project = make(f"{{{TO}}}")
    with Store.open(project.metadata) as store:
        store.alerts.silence("dev", "run_failed:ord*", "moving", clock.at + timedelta(hours=2), clock.at)
    [quiet] = raise_alert(project, "dev", alert(), clock=clock)
    assert (quiet.status, quiet.error) == ("silenced", "run_failed:ord*: moving")
    assert said() == []
    assert raise_alert(project, "dev", alert("customers"), clock=clock)[0].status == "sent"
    assert raise_alert(project, "prod", alert(), clock=clock)[0].status == "sent"
    clock.forward(hours=3)
    assert raise_alert(project, "dev", alert(), clock=clock)[0].status == "sent"


def test_a_process_that_died_while_sending_does_not_keep_the_others_quiet(make, alert, said, clock):
    project = make(f"{{{TO}, throttle: 1h}}")
    with Store.open(project.metadata) as store:
        from dataclasses import asdict

        with store.alerts.session("dev", clock()) as session:
            row = session.raise_(asdict(alert()))
            session.add(row["alert_id"], "alerts[0]", "raised", "sending", "run_failed:orders")
    assert raise_alert(project, "dev", alert(), clock=clock)[0].status == "throttled"
    clock.forward(minutes=3)
    assert raise_alert(project, "dev", alert(), clock=clock)[0].status == "sent"
    assert len(said()) == 1


def test_an_alert_is_of_a_known_severity_and_has_a_key():
    with pytest.raises(ValueError, match="info, warning, error, critical"):
        Alert("k", "fatal", "k", "t", "m")
    with pytest.raises(ValueError, match="needs a key"):
        Alert("k", "info", "", "t", "m")
