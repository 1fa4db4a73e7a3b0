"""``sluiceway schedule``: what people see and type."""

from __future__ import annotations

import json

import pytest

CRON = 'schedule: "0 6 * * *"\ntimezone: Asia/Kolkata\n'


@pytest.fixture
def scheduled(project):
    """The orders pipeline with a schedule, and one whose file is broken."""
    file = project / "pipelines" / "orders.yml"
    file.write_text(file.read_text("utf-8") + CRON, "utf-8")
    project.joinpath("pipelines", "x.yml").write_text("pipeline: [", "utf-8")
    return project


def test_schedule_alone_runs_the_scheduler(scheduled, sluiceway):
    ran = sluiceway("schedule", "--once", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == {"queued": []}
    assert "list" in sluiceway("schedule", "--help").out


def test_the_list_shows_the_next_moment_the_pause_and_what_is_broken(scheduled, sluiceway):
    [found] = json.loads(sluiceway("schedule", "list", "--json").out)["schedules"]
    assert (found["pipeline"], found["schedule"], found["paused"]) == ("orders", "0 6 * * *", False)
    assert found["next_at"][11:16] == "00:30"
    assert sluiceway("schedule", "pause", "orders", "--reason", "holiday").code == 0
    ran = sluiceway("schedule", "list", "--json")
    document = json.loads(ran.out)
    assert (document["schedules"][0]["next_at"], document["schedules"][0]["reason"]) == (None, "holiday")
    assert [path.rpartition("/")[2] for path in document["broken"]] == ["x.yml"]
    assert sluiceway("schedule", "resume", "orders").code == 0
    assert json.loads(sluiceway("schedule", "list", "--json").out)["schedules"][0]["next_at"] is not None


def test_next_moments_are_shown_in_the_pipeline_s_zone(scheduled, sluiceway):
    ran = sluiceway("schedule", "next", "orders", "-n", "3")
    shown = [line for line in (ran.out + ran.err).splitlines() if "T06:00:00+05:30" in line]
    assert len(shown) == 3
    moments = json.loads(sluiceway("schedule", "next", "orders", "-n", "3", "--json").out)["moments"]
    assert len(set(moments)) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pause", "nobody"), "there is no pipeline 'nobody'"),
        (("trigger", "orders", "--at", "soon"), "no date or time"),
        (("next", "unscheduled"), "runs by no clock"),
    ],
)
def test_mistakes_say_what_to_do(scheduled, sluiceway, arguments, says):
    scheduled.joinpath("pipelines", "unscheduled.yml").write_text(
        "pipeline: unscheduled\nsources: {a: {type: csv, path: data/a.csv}}\ndestination: {table: mart.a}\n"
    )
    ran = sluiceway("schedule", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_run_that_is_asked_for_waits_in_the_queue(scheduled, sluiceway):
    made = json.loads(
        sluiceway("schedule", "trigger", "orders", "--vars", "a=1", "--at", "2026-01-02", "--json").out
    )
    from sluiceway.spec.project import load_project
    from sluiceway.store.store import Store

    with Store.open(load_project(scheduled).metadata) as store:
        [job] = store.queue.jobs("dev")
    assert (job["run_id"], job["trigger"], job["status"]) == (made["run_id"], "manual", "queued")
    assert job["nominal_at"][:10] == "2026-01-02"
    assert job["payload"]["vars"] == {"a": 1}
