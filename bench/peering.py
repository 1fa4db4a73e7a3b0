"""The peers' environment: made once, beside ours, from ``bench/peers.txt``; never imported from here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["OFFLINE", "ROOT", "Peers"]

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "bench" / "peers"
LIST = ROOT / "bench" / "peers.txt"
OFFLINE = {
    "SODA_CORE_TELEMETRY_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
}
"""No peer phones home while it is measured."""


class Peers:
    """Which peers there are. One that can't be installed has its reason in ``why_not``."""

    def __init__(self, folder: Path = ROOT / ".venv-bench", listed: Path = LIST) -> None:
        self.folder, self.list = folder, listed
        self.python = str(folder / "bin" / "python")
        self.why_not: dict[str, str] = {}

    def make(self) -> None:
        stamp = self.folder / ".peers.txt"
        wanted = self.list.read_text(encoding="utf-8")
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return
        print(f"installing the peers into {self.folder.name}; once", flush=True)
        if not Path(self.python).exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        if self._pip("-r", str(self.list)) is None:
            stamp.write_text(wanted, encoding="utf-8")
            return
        # together they don't go: each by itself, so that one missing peer doesn't hide the others
        for line in self.wanted():
            reason = self._pip(line)
            if reason is not None:
                self.why_not[line.split("==")[0]] = f"not installed: {reason}"

    def leave_out(self, reason: str) -> None:
        self.why_not = {line.split("==")[0]: reason for line in self.wanted()}

    def wanted(self) -> list[str]:
        lines = self.list.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line and not line.startswith("#")]

    def _pip(self, *what: str) -> str | None:
        command = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return None
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        return lines[-1][:120]

    def script(self, name: str, *arguments: object) -> list[str]:
        return [self.python, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]

    def missing(self, *packages: str) -> str | None:
        """Why a peer can't be run, if it can't."""
        return next((self.why_not[p] for p in packages if p in self.why_not), None)
