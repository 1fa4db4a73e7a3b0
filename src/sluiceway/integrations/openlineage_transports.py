"""How OpenLineage events leave: a line in a file, a POST, a line on stderr."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from sluiceway import __version__
from sluiceway.errors import ConfigError, RunError, Where
from sluiceway.secrets import redact, register_secret

__all__ = ["TRANSPORTS"]

Send = Callable[[dict[str, Any]], None]
Make = Callable[[Mapping[str, Any], Path, Where], Send]


def _line(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _console(_config: Mapping[str, Any], _folder: Path, _where: Where) -> Send:
    def send(event: dict[str, Any]) -> None:
        """stderr: stdout belongs to ``--json``."""
        sys.stderr.write(_line(event) + "\n")
        sys.stderr.flush()

    return send


def _file(config: Mapping[str, Any], folder: Path, where: Where) -> Send:
    if not isinstance(config.get("path"), str) or not config["path"]:
        raise ConfigError(
            "the file transport needs a path", where=where, hint="path: .sluiceway/openlineage.jsonl"
        )
    path = folder / config["path"]

    def send(event: dict[str, Any]) -> None:
        """One line under a lock: runs side by side never mix theirs, nor leave half a one."""
        data = (_line(event) + "\n").encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            end = os.fstat(handle).st_size
            written = os.write(handle, data)
            if written != len(data):  # the disk is full
                os.ftruncate(handle, end)
                raise RunError(
                    f"OpenLineage: {path} took {written} of {len(data)} bytes", hint="free some space"
                )
        finally:
            os.close(handle)

    return send


def _http(config: Mapping[str, Any], _folder: Path, where: Where) -> Send:
    base = config.get("url")
    parts = urlsplit(base) if isinstance(base, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "the http transport needs a url of http or https", where=where, hint="url: http://HOST:5000"
        )
    endpoint = str(config.get("endpoint") or "api/v1/lineage").lstrip("/")
    url = urljoin(str(base).rstrip("/") + "/", endpoint)
    timeout = _timeout(config, where)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"sluiceway/{__version__}",
        **_headers(config, where),
        **_authorization(config, where),
    }
    return lambda event: _post(url, _line(event).encode(), headers, timeout)


def _timeout(config: Mapping[str, Any], where: Where) -> float:
    value = config.get("timeout", 5)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 60:
        raise ConfigError(f"timeout is {value!r}", where=where, hint="seconds, more than 0 and at most 60")
    return float(value)


def _headers(config: Mapping[str, Any], where: Where) -> dict[str, str]:
    headers = config.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise ConfigError("headers is not a mapping", where=where, hint="headers: {X-Team: data}")
    return {str(name): str(value) for name, value in headers.items()}


def _authorization(config: Mapping[str, Any], where: Where) -> dict[str, str]:
    """``auth: {type: api_key, api_key: …}``, or ``api_key: …`` for short; sent as a bearer token."""
    auth = config.get("auth")
    key = config.get("api_key")
    if auth is not None:
        known = isinstance(auth, Mapping) and auth.get("type", "api_key") == "api_key"
        key = (auth.get("api_key") or auth.get("apiKey")) if known else None
        if not key:
            raise ConfigError(
                "auth can't be used", where=where, hint="auth: {type: api_key, api_key: '${LINEAGE_KEY}'}"
            )
    if key is None:
        return {}
    register_secret(str(key))
    return {"Authorization": f"Bearer {key}"}


def _post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> None:
    """POST in a thread of its own, so that neither a slow name server nor a server that answers one
    byte a second can hold a run for longer than ``timeout``."""
    failures: list[str] = []
    worker = threading.Thread(
        target=_attempt, args=(url, body, headers, timeout, failures), daemon=True, name="openlineage"
    )
    worker.start()
    worker.join(timeout)
    if worker.is_alive():
        failures.append(f"no answer within {timeout:g} s")
    if failures:
        raise RunError(
            redact(f"OpenLineage: {url}: {failures[0]}"),
            hint="check lineage.url in sluiceway.yml and that the server runs",
        )


def _attempt(url: str, body: bytes, headers: Mapping[str, str], timeout: float, failures: list[str]) -> None:
    import http.client
    from urllib import request
    from urllib.error import HTTPError, URLError

    class NoRedirect(request.HTTPRedirectHandler):
        """A redirected POST would become a GET without the event, and take the key elsewhere."""

        def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
            return None

    opener = request.build_opener(NoRedirect)
    post = request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310  checked in _http
    try:
        with opener.open(post, timeout=timeout):
            return
    except HTTPError as error:
        with error:
            failures.append(f"answered {error.code} {error.reason}")
    except URLError as error:
        failures.append(str(error.reason))
    except (OSError, http.client.HTTPException, ValueError) as error:
        failures.append(f"{type(error).__name__}: {error}")


TRANSPORTS: Mapping[str, tuple[tuple[str, ...], Make]] = {
    "console": ((), _console),
    "file": (("path",), _file),
    "http": (("url", "endpoint", "timeout", "headers", "auth", "api_key"), _http),
}
"""type -> (its keys, what makes its sender)."""
