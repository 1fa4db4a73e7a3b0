"""Debian's Prometheus and Alertmanager on private ports, for tests; stopped and cleared afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from scripts.servers import ServerUnavailableError, apt_install, die_with_parent, free_port  # noqa: E402

__all__ = ["Prometheus", "install"]

PACKAGES = ("prometheus", "prometheus-alertmanager")
_START = 30.0


def install() -> None:
    """By apt-get, where they are missing.

    Raises:
        ServerUnavailableError: they can't be had.
    """
    missing = [name for name in PACKAGES if shutil.which(name) is None]
    if missing:
        apt_install(missing)


class Prometheus:
    """Scrapes ``targets`` each second by ``rules``, and sends what fires to ``webhook``."""

    def __init__(
        self, folder: Path, targets: list[str], rules: Path | None = None, webhook: str = ""
    ) -> None:
        install()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port, alert_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config: dict[str, Any] = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [{"job_name": "sluiceway", "static_configs": [{"targets": targets}]}],
        }
        if rules is not None:
            config["rule_files"] = [str(rules)]
        if webhook:
            place = [{"static_configs": [{"targets": [f"127.0.0.1:{alert_port}"]}]}]
            config["alerting"] = {"alertmanagers": place}
            route = {"receiver": "hook", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
            receivers = [{"name": "hook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}]
            self._write(folder / "alertmanager.yml", {"route": route, "receivers": receivers})
        self._write(folder / "prometheus.yml", config)
        try:
            if webhook:
                self._start(
                    folder / "alertmanager.log", "prometheus-alertmanager",
                    f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alerts",
                    f"--web.listen-address=127.0.0.1:{alert_port}", "--cluster.listen-address=",
                )  # fmt: skip
                self._await(f"http://127.0.0.1:{alert_port}/-/ready")
            self._start(
                folder / "prometheus.log", "prometheus", f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{self.port}",
            )  # fmt: skip
            self._await(f"{self.url}/-/ready")
        except BaseException:
            self.close()
            raise

    def _write(self, path: Path, value: dict[str, Any]) -> None:
        path.write_text(json.dumps(value), encoding="utf-8")  # which is YAML too

    def _start(self, log: Path, *command: str) -> None:
        with log.open("wb") as out:
            self._processes.append(
                subprocess.Popen(command, stdout=out, stderr=out, preexec_fn=die_with_parent)  # noqa: PLW1509  as servers.py does
            )

    def _await(self, url: str) -> None:
        until = time.monotonic() + _START
        while True:
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except OSError:
                if time.monotonic() > until or self._processes[-1].poll() is not None:
                    raise ServerUnavailableError(f"{url} did not answer") from None
                time.sleep(0.1)

    def ask(self, path: str, **parameters: str) -> Any:
        """``data`` of its HTTP API; raises ValueError with its words where it refuses."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{json.load(error)['error']}: {parameters}") from None

    def until(self, query: str, seconds: float = 30.0) -> Any:
        """The answer of a query when it is not empty any more."""
        end = time.monotonic() + seconds
        while True:
            found = self.ask("query", query=query)["result"]
            if found:
                return found
            if time.monotonic() > end:
                raise TimeoutError(f"nothing in {seconds:g} s: {query}")
            time.sleep(0.2)

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=20)

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
