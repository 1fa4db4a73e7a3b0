"""Chat, mail, paging and the like, over 100 of them, by Apprise (extra ``alerts``)."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError, MissingExtraError, RunError, Where, did_you_mean
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from sluiceway.alerts.message import Message

__all__ = ["Service"]

Clean = Callable[[str], str]
_log = logging.getLogger("apprise")
_TALKATIVE = ("apprise", "urllib3.connectionpool", "urllib3.util.retry")
_TEXT = "text"  # apprise.NotifyFormat.TEXT, which is a str
_lock = threading.Lock()
_cleaners: dict[str, Clean] = {}
"""What Apprise and its HTTP client log holds URLs and tokens: all of it goes through these."""


class _Redacting(logging.Filter):
    """Stands on the loggers themselves, so that it works before any handler of the program sees a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = redact(record.getMessage())
        with _lock:
            cleaners = list(_cleaners.values())
        for clean in cleaners:
            said = clean(said)
        record.msg, record.args = said, ()
        record.exc_info = record.exc_text = None  # traces of clients quote their URLs
        return True


class _Heard(logging.Handler):
    """What Apprise says in this thread: it gives its reasons to its log alone."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.said.append(record.getMessage())


class Service:
    """One URL of Apprise.

    Raises:
        MissingExtraError: Apprise is not installed.
        ConfigError: no service has this scheme, or the URL lacks something that the service needs.
    """

    def __init__(self, url: str, *, timeout: float, clean: Clean, where: Where | None = None) -> None:
        try:
            import apprise
        except ModuleNotFoundError:
            raise MissingExtraError.of("alerts", "A channel of Apprise") from None
        with _lock:
            _cleaners[url] = clean
        for name in _TALKATIVE:
            talkative = logging.getLogger(name)
            if not any(isinstance(known, _Redacting) for known in talkative.filters):
                talkative.addFilter(_Redacting())
                talkative.addHandler(logging.NullHandler())  # we say what failed; else it is said twice
        asset = apprise.AppriseAsset(
            app_id="Sluiceway", app_desc="Sluiceway", app_url="", image_url_mask="", image_url_logo="",
            async_mode=False, storage_mode=apprise.PersistentStoreMode.MEMORY,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it loads 189 plugins, some of which warn of what they import
            plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if plugin is None:
            raise _refused(url, where)
        # what a plugin waits for a server; it has no one time for all of a message
        plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout
        self._plugin: Any = plugin
        self._kinds = {
            "resolved": apprise.NotifyType.SUCCESS, "test": apprise.NotifyType.INFO,
            "info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING,
            "error": apprise.NotifyType.FAILURE, "critical": apprise.NotifyType.FAILURE,
        }  # fmt: skip

    def __call__(self, message: Message) -> None:
        """
        Raises:
            RunError: the service did not take it, with what Apprise said of it.
        """
        sort = self._kinds[message.severity if message.kind == "raised" else message.kind]
        heard = _Heard()
        _log.addHandler(heard)
        try:
            # with the format told, it makes HTML or Markdown of it where the service wants that: else lines
            # would run together, and what an error says could be read as markup
            taken = self._plugin.notify(
                body=message.text, title=message.title, notify_type=sort, body_format=_TEXT
            )
        finally:
            _log.removeHandler(heard)
        if not taken:
            raise RunError(" ".join(heard.said) or "the service did not take it")


def _refused(url: str, where: Where | None) -> ConfigError:
    from apprise import Apprise

    scheme, separator, _ = url.partition("://")
    if not separator:  # it may be a token: it is not shown
        return ConfigError(
            "a channel is not a URL", where=where, hint="write SCHEME://…; docs/alerts.md has them"
        )
    known: set[str] = set()
    for service in Apprise().details()["schemas"]:
        known.update(service["protocols"] or ())
        known.update(service["secure_protocols"] or ())
    if scheme in known:
        return ConfigError(
            f"the URL of {scheme}:// is not complete",
            where=where,
            hint=f"see what {scheme}:// needs: https://appriseit.com/services/",
        )
    close = did_you_mean(scheme, known)
    hint = close if close.startswith("did you mean") else "docs/alerts.md lists the schemes"
    return ConfigError(f"there is no channel of the kind '{scheme}'", where=where, hint=hint)
