"""Channels against real servers: webhooks, mail, a service of Apprise; refusals, silence, and secrets."""

from __future__ import annotations

import base64
import email
import logging
import subprocess
import sys
import time

import pytest

from sluiceway.alerts.dispatch import raise_alert, try_channels
from sluiceway.alerts.webhook import sign, verify
from sluiceway.store.store import Store


def only(deliveries):
    [one] = deliveries
    return one


# webhooks -------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_and_verifies(make, alert, hooks):
    project = make(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/in', secret: a-key-of-ours}}")
    assert only(raise_alert(project, "dev", alert())).status == "sent"
    [request] = hooks.requests
    header = request.headers["Sluiceway-Signature"]
    assert verify("a-key-of-ours", header, request.body)
    assert not verify("another-key", header, request.body)
    assert not verify("a-key-of-ours", header, request.body + b" ")
    assert not verify("a-key-of-ours", header, request.body, now=time.time() + 301)
    stamp = int(header.partition(",")[0].removeprefix("t="))
    assert not verify("a-key-of-ours", header.replace(f"t={stamp}", f"t={stamp + 1}"), request.body)
    assert not verify("a-key-of-ours", "rubbish", request.body)
    assert request.headers["Content-Type"] == "application/json"
    assert request.json["alerts"][0]["key"] == "run_failed:orders"
    assert request.json["version"] == 1


def test_the_signature_is_hmac_sha256_over_timestamp_and_body():
    """As the documentation says it, computed with openssl by hand."""
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "key"],
        input=b"1767323045.{}",
        capture_output=True,
        check=True,
    )
    digest = made.stdout.decode().split()[-1]
    assert sign("key", b"{}", 1767323045) == f"t=1767323045,v1={digest}"


def test_without_a_secret_there_is_no_signature(make, alert, hooks):
    raise_alert(make(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/in'}}"), "dev", alert())
    assert "Sluiceway-Signature" not in hooks.requests[0].headers


def test_a_second_try_after_a_500_has_the_same_idempotency_key(make, alert, hooks, clock):
    project = make(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/in', throttle: 0}}")
    hooks.answers = [500]
    assert only(raise_alert(project, "dev", alert(), clock=clock)).status == "sent"
    raise_alert(project, "dev", alert(), clock=clock)
    first, again, other = [request.headers["Idempotency-Key"] for request in hooks.requests]
    assert first == again == hooks.requests[0].json["id"]
    assert other != first


@pytest.mark.parametrize(("codes", "tries", "said"), [([503, 503], 2, "503"), ([404], 1, "404")])
def test_a_webhook_that_refuses_is_a_failed_delivery(make, alert, hooks, codes, tries, said):
    hooks.answers = list(codes)
    found = only(raise_alert(make(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/in'}}"), "dev", alert()))
    assert (found.status, len(hooks.requests)) == ("failed", tries)
    assert f"it answered {said}" in found.error


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(make, alert, hooks, code):
    hooks.answers = [code]
    found = only(raise_alert(make(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/in'}}"), "dev", alert()))
    assert found.error == f"it answered {code} {found.error.split(' ', 3)[3]}"
    assert "redirects are not followed" in found.error
    assert [request.path for request in hooks.requests] == ["/in"]


def test_a_login_goes_into_a_header_and_not_into_the_url(make, alert, hooks):
    raise_alert(make(f"{{to: 'webhook+http://bob:p%40ss@127.0.0.1:{hooks.port}/in?a=1'}}"), "dev", alert())
    [request] = hooks.requests
    assert request.path == "/in?a=1"
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"bob:p@ss"


# what never answers ---------------------------------------------------------------------------------


def test_channels_that_never_answer_cost_their_timeout_once(make, alert, silent_port, said):
    hanging = f"'webhook+http://127.0.0.1:{silent_port}/x', 'json://127.0.0.1:{silent_port}/x'"
    mail = f"'mailto://127.0.0.1:{silent_port}/?from=a@b.org&to=c@d.org'"
    project = make(
        f"{{name: slow, to: [{hanging}, {mail}], timeout: 0.3}}",
        "{to: 'file:said.jsonl'}",
    )
    try_channels(project, "dev", "alerts[1]")  # imports are not what is measured
    began = time.monotonic()
    told = raise_alert(project, "dev", alert())
    assert time.monotonic() - began < 5
    assert [d.status for d in told] == ["failed", "failed", "failed", "sent"]
    assert [d.error for d in told[:3]] == ["no answer within 0.3 s"] * 3
    assert len(said()) == 2


def test_all_channels_together_have_a_budget(make, alert, silent_port):
    routes = [f"{{to: 'webhook+http://127.0.0.1:{silent_port}/{n}', timeout: 1h}}" for n in range(5)]
    began = time.monotonic()
    told = raise_alert(make(*routes), "dev", alert(), budget=0.3)
    assert time.monotonic() - began < 5
    assert {d.error for d in told} == {"no answer within 0.3 s"}


def test_a_process_ends_although_a_channel_hangs(make, silent_port):
    place = f"127.0.0.1:{silent_port}/x"
    project = make(f"{{to: ['webhook+http://{place}', 'json://{place}'], timeout: 0.2}}")
    code = (
        "import sys; from pathlib import Path; from sluiceway.spec.project import load_project\n"
        "from sluiceway.alerts.dispatch import raise_alert; from sluiceway.alerts.model import Alert\n"
        "alert = Alert('k', 'error', 'k:1', 't', 'm')\n"
        "print([d.status for d in raise_alert(load_project(Path(sys.argv[1])), 'dev', alert)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(project.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "['failed', 'failed']"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("webhook+http://no-such-host.invalid/x", ""),
        ("webhook+http://127.0.0.1:1/x", "refused"),
        ("webhook+http://", "has no host"),
        ("webhook+http://host:port/x", "a port that is none"),
        ("nosuch://x", "no channel of the kind 'nosuch'"),
        ("slak://x", "did you mean 'slack'"),
        ("slack://", "the URL of slack:// is not complete"),
        ("T1JJ3T3L2/A1BRTD4JD", "a channel is not a URL"),
        ("file:", "has no name"),
        ("${SLUICEWAY_NOT_DEFINED}", "SLUICEWAY_NOT_DEFINED is not defined"),
    ],
)
def test_a_channel_that_can_not_be_used_is_a_failed_delivery(make, alert, said, url, message):
    project = make(f"{{to: ['{url}', 'file:said.jsonl']}}")
    bad, good = raise_alert(project, "dev", alert())
    assert (bad.status, good.status) == ("failed", "sent")
    assert message in bad.error
    assert "A1BRTD4JD" not in bad.error
    assert len(said()) == 1
    with Store.open(project.metadata) as store:
        [kept] = store.alerts.history(status="failed")
        assert kept["error"] == bad.error


def test_a_route_whose_settings_can_not_be_read_is_told_of_and_not_passed_over(make, alert):
    project = make("{to: 'console:', name: ops, severity: '${SLUICEWAY_NOT_DEFINED}'}")
    found = only(raise_alert(project, "dev", alert()))
    assert (found.channel, found.status) == ("ops", "failed")
    assert "SLUICEWAY_NOT_DEFINED is not defined" in found.error


def test_without_apprise_the_command_is_told(make, alert, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    found = only(
        raise_alert(make("{to: 'slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ'}"), "dev", alert())
    )
    assert "pip install 'sluiceway[alerts]'" in found.error


# services -------------------------------------------------------------------------------------------


def test_mail_goes_through_a_real_server(make, alert, mailbox):
    url = f"mailto://bob:mail-pass-4711@127.0.0.1:{mailbox.port}/?mode=insecure&from=data@example.org&to=ops@example.org"
    given = alert(message="a <b> disk is full")
    found = only(raise_alert(make(f"{{to: '{url}', timeout: 8}}"), "dev", given))
    assert (found.status, found.error) == ("sent", None)
    assert base64.b64decode(mailbox.logins[0]) == b"\0bob\0mail-pass-4711"
    [mail] = mailbox.mails
    assert "Subject: [error] orders: the run failed" in mail
    assert "To: ops@example.org" in mail.replace('"', "")
    assert "mail-pass-4711" not in mail
    assert "github.com" not in mail  # of Apprise's own pictures and links
    message = email.message_from_string(mail)
    assert message.get_content_type() == "text/plain"
    assert "a <b> disk is full" in message.get_payload(decode=True).decode().splitlines()


def test_mail_as_html_takes_no_markup_from_an_error(make, alert, mailbox):
    url = (
        f"mailto://127.0.0.1:{mailbox.port}/?mode=insecure&from=data@example.org&to=o@example.org&format=html"
    )
    assert (
        only(raise_alert(make(f"{{to: '{url}', timeout: 8}}"), "dev", alert(message="a <b> c"))).error is None
    )
    parts = {p.get_content_type(): p for p in email.message_from_string(mailbox.mails[0]).walk()}
    html = parts["text/html"].get_payload(decode=True).decode()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "<br" in html


def test_a_service_of_apprise(make, alert, hooks):
    found = only(raise_alert(make(f"{{to: 'json://127.0.0.1:{hooks.port}/in', timeout: 8}}"), "dev", alert()))
    assert found.status == "sent"
    assert hooks.requests[0].json["title"] == "[error] orders: the run failed"
    assert hooks.requests[0].json["type"] == "failure"
    assert "the disk is full" in hooks.requests[0].json["message"]


# secrets --------------------------------------------------------------------------------------------

SECRETS = ("hunter2hunter2", "wordysecret", "T0K3Nabcdefgh", "query-s3cret", "signing-key-0815")


@pytest.mark.parametrize("scheme", ["webhook+http", "json"])
@pytest.mark.parametrize("code", [200, 404, 500])
def test_secrets_of_a_url_are_in_no_store_log_error_or_document(
    make, alert, hooks, caplog, capsys, monkeypatch, scheme, code
):
    from sluiceway.cli.app import invoke

    user, path, token, query, key = SECRETS
    place = f"bob:{user}@127.0.0.1:{hooks.port}/{path}/{token}?token={query}"
    monkeypatch.setenv("SW_ALERT_TO", f"{scheme}://{place}")
    monkeypatch.setenv("SW_ALERT_KEY", key)
    project = make("{to: '${SW_ALERT_TO}', secret: '${SW_ALERT_KEY}', timeout: 8}")
    hooks.answers = [code] * 2
    with caplog.at_level(logging.DEBUG):
        found = only(raise_alert(project, "dev", alert()))
    assert hooks.requests  # it was really sent, with what is secret in it
    assert f"/{path}/{token}" in hooks.requests[0].path
    folder = str(project.folder)
    for command in (["history"], ["list"], ["test"]):
        invoke(["alerts", *command, "--project", folder, "--json"])
    texts = [caplog.text, *capsys.readouterr(), repr(found), repr(project.alerts)]
    texts.append((project.folder / ".sluiceway" / "metadata.db").read_bytes().decode("latin-1"))
    texts += [p.read_bytes().decode("latin-1") for p in (project.folder / ".sluiceway").glob("metadata.db-*")]
    assert [secret for secret in SECRETS if any(secret in text for text in texts)] == []
    assert found.status == ("sent" if code == 200 else "failed")


def test_a_secret_in_a_message_is_not_sent(make, alert, hooks):
    from sluiceway.secrets import register_secret

    register_secret("db-pass-1234")
    project = make(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/in'}}")
    raise_alert(
        project, "dev", alert(message="login with db-pass-1234", details={"reasons": ["db-pass-1234"]})
    )
    assert b"db-pass-1234" not in hooks.requests[0].body
    assert b"login with ***" in hooks.requests[0].body


def test_plain_words_of_a_url_are_not_masked_everywhere(make, alert, hooks):
    from sluiceway.secrets import redact

    raise_alert(make(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/services/alerts'}}"), "dev", alert())
    assert redact("services and alerts") == "services and alerts"


def test_a_file_takes_a_line_a_message(make, alert, said):
    project = make("{to: 'file:said.jsonl', throttle: 0}")
    for _ in range(2):
        raise_alert(project, "dev", alert())
    assert [m["kind"] for m in said()] == ["raised", "raised"]
