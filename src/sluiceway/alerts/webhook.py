"""Webhooks of our own: a JSON document by POST, signed, with an id that stays the same when sent again.

The signature is HMAC-SHA256 (RFC 2104) over ``TIMESTAMP.BODY``, in the form that Stripe's webhooks made
common: ``Sluiceway-Signature: t=1767323045,v1=5257a8…``. The timestamp is inside of what is signed, so
that an old message can't be sent again under a new one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from sluiceway import __version__
from sluiceway.errors import ConfigError, RunError, Where

if TYPE_CHECKING:
    from sluiceway.alerts.message import Message

__all__ = ["SCHEMES", "Webhook", "sign", "verify"]

SCHEMES = ("webhook+https", "webhook+http")
_TRIES = 2


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """The header ``Sluiceway-Signature`` of a body sent at ``timestamp``, seconds since 1970.

    >>> sign("key", b"{}", 1767323045)[:16]
    't=1767323045,v1='
    """
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def verify(
    secret: str, header: str, body: bytes, *, now: float | None = None, tolerance: float = 300
) -> bool:
    """Whether ``header`` signs ``body`` under ``secret`` and is no older than ``tolerance`` seconds.

    For receivers in Python. The body must be the bytes as they came, before any parsing.

    >>> header = sign("key", b"{}", 1767323045)
    >>> verify("key", header, b"{}", now=1767323050), verify("key", header, b"[]", now=1767323050)
    (True, False)
    >>> verify("key", header, b"{}", now=1767423045)
    False
    """
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp = parts.get("t", "")
    if not stamp.isdecimal():
        return False
    fresh = abs((time.time() if now is None else now) - int(stamp)) <= tolerance
    return fresh and hmac.compare_digest(sign(secret, body, int(stamp)), header)


class Webhook:
    """POST to one URL. A user and password in it become basic authentication."""

    def __init__(self, url: str, *, secret: str | None, timeout: float, where: Where | None = None) -> None:
        parts = urlsplit(url.removeprefix("webhook+"))
        try:
            port = parts.port
        except ValueError:
            port = -1
        if not parts.hostname or port == -1:
            raise ConfigError(
                "the webhook's URL has no host, or a port that is none",
                where=where,
                hint="write webhook+https://HOST/PATH",
            )
        self._url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"sluiceway/{__version__}",
            **_basic(parts),
        }
        self._secret, self._timeout = secret, timeout

    def __call__(self, message: Message) -> None:
        """
        Raises:
            RunError: it was not taken: another answer than 2xx, no connection, no answer in time.
        """
        body = json.dumps(message.document, ensure_ascii=False, separators=(",", ":")).encode()
        for attempt in range(1, _TRIES + 1):
            problem, again = self._post(body, message)
            if problem is None:
                return
            if not again or attempt == _TRIES:
                raise RunError(problem)

    def _post(self, body: bytes, message: Message) -> tuple[str | None, bool]:
        """What is wrong, if anything, and whether a second try may help."""
        import http.client
        from urllib import request
        from urllib.error import HTTPError, URLError

        class NoRedirect(request.HTTPRedirectHandler):
            """A redirect would take the message, and what authenticates it, to another place."""

            def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
                return None

        headers: Mapping[str, str] = {**self._headers, "Idempotency-Key": message.id}
        if self._secret is not None:
            headers = {**headers, "Sluiceway-Signature": sign(self._secret, body, int(time.time()))}
        post = request.Request(self._url, data=body, headers=dict(headers), method="POST")  # noqa: S310  checked above
        try:
            with request.build_opener(NoRedirect).open(post, timeout=self._timeout):
                return None, False
        except HTTPError as error:
            with error:
                moved = " (redirects are not followed)" if 300 <= error.code < 400 else ""
                return f"it answered {error.code} {error.reason}{moved}", error.code >= 500
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                return f"no answer within {self._timeout:g} s", False
            return str(error.reason), isinstance(error.reason, ConnectionError)
        except TimeoutError:
            return f"no answer within {self._timeout:g} s", False
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"{type(error).__name__}: {error}", isinstance(error, ConnectionError)


def _basic(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
