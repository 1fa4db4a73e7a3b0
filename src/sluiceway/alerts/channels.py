"""A URL of ``to:`` as something that messages can be given to; and keeping that URL to ourselves."""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from sluiceway.alerts.message import Message
from sluiceway.alerts.webhook import SCHEMES, Webhook
from sluiceway.errors import ConfigError, RunError, Where
from sluiceway.secrets import MASK, redact, register_secret

__all__ = ["Send", "cleaner", "open_channel"]

Send = Callable[[Message], None]
_CONSOLE = ("console:", "console://")
_WORD = re.compile(r"[^/:@?&=#,\s]+")
_TOKEN = re.compile(r"(?=.*[0-9A-Z])[\w\-.~+%]{8,}|[\w\-.~+%]{20,}")


def open_channel(
    url: str, *, folder: Path, secret: str | None = None, timeout: float = 5.0, where: Where | None = None
) -> Send:
    """What sends to ``url``; it raises RunError where a message is not taken.

    Args:
        url: ``webhook+https://…``, ``webhook+http://…``, ``console:``, ``file:PATH``, or one of Apprise's.
        folder: what a file's path is relative to.
        secret: signs webhooks.
        timeout: seconds.

    Raises:
        ConfigError: no such scheme, or something is missing in the URL; MissingExtraError too.
    """
    register_secret(secret)
    clean = cleaner(url)
    scheme, _, rest = url.partition(":")
    if scheme in SCHEMES:
        return Webhook(url, secret=secret, timeout=timeout, where=where)
    if url in _CONSOLE:
        return _console
    if scheme == "file":
        return _file(rest, folder, where)
    from sluiceway.alerts.services import Service

    return Service(url, timeout=timeout, clean=clean, where=where)


def cleaner(url: str) -> Callable[[str], str]:
    """Makes texts that must not hold any part of ``url``: for what libraries say of a channel.

    What looks like a token, and the URL as a whole, is registered as secret for everything else that leaves
    the process. Words of it are not: masking ``alerts`` everywhere would shred ordinary texts.

    >>> cleaner("slack://T1JJ3T3L2/A1BRTD4JD/secretword")("posting to A1BRTD4JD/secretword failed")
    'posting to ***/*** failed'
    """
    scheme, _, rest = url.partition(":")
    if "://" not in url and scheme != "file":  # no URL: perhaps a token that was put there by mistake
        register_secret(url if len(url) >= 8 and url not in _CONSOLE else None)
        return redact
    if scheme == "file" or not rest.strip("/"):
        return redact
    web = scheme in SCHEMES
    place = rest.lstrip("/")
    login, at, after = place.rpartition("@")
    # a webhook's host is known to all who can read the error; so is that of a mail server
    host = re.split(r"[/?]", after, maxsplit=1)[0]
    shown = {host, host.partition(":")[0]} if web or at else set()
    parts = {part for part in _WORD.findall(place) if part not in shown and len(part) >= 4}
    parts |= {unquote(part) for part in parts}
    register_secret(url)
    register_secret(place if len(place) >= 12 and place != host else None)
    register_secret(login.partition(":")[2])
    for part in parts:
        if _TOKEN.fullmatch(part) and part not in shown:
            register_secret(part)
    ordered = sorted(parts, key=len, reverse=True)

    def clean(text: str) -> str:
        text = redact(text)
        for part in ordered:
            text = text.replace(part, MASK)
        return text

    return clean


def _console(message: Message) -> None:
    """stderr: stdout belongs to ``--json``."""
    sys.stderr.write(f"{message.title}\n{message.text}\n")
    sys.stderr.flush()


def _file(place: str, folder: Path, where: Where | None) -> Send:
    path = place[2:] if place.startswith("//") else place
    if not path:
        raise ConfigError("the file has no name", where=where, hint="write file:alerts.jsonl")
    target = folder / path

    def send(message: Message) -> None:
        """One JSON document a line, under a lock: processes side by side never mix theirs."""
        data = (json.dumps(message.document, ensure_ascii=False) + "\n").encode()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(target, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                end = os.fstat(handle).st_size
                if os.write(handle, data) != len(data):
                    os.ftruncate(handle, end)
                    raise RunError(f"{path}: the disk is full")
            finally:
                os.close(handle)
        except OSError as error:
            raise RunError(f"{path}: {error.strerror or error}") from None

    return send
