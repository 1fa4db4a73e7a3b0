"""Environments with other orchestrators, each made once by pip: they pin what we don't.

python scripts/orchestrators.py            # makes both and prints their interpreters
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from scripts.servers import ServerUnavailableError  # noqa: E402

__all__ = ["PACKAGES", "QUIET", "install"]

PACKAGES = {
    # Prefect can't schedule on SQLAlchemy 2.1: "Can't evaluate bulk DML statement"
    "orchestrators": (
        "luigi==3.8.1",
        "dagster==1.13.29",
        "prefect==3.8.8",
        "fastapi<0.155",
        "sqlalchemy<2.1",
    ),
    "airflow": ("apache-airflow==3.3.*",),
}
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}
"""Nobody phones home."""


def install(name: str) -> Path:
    """The interpreter of ``.venv-NAME``, made if need be.

    Raises:
        ServerUnavailableError: its packages could not be installed.
    """
    folder = ROOT / f".venv-{name}"
    python, stamp, wanted = folder / "bin" / "python", folder / "packages", "\n".join(PACKAGES[name])
    with (Path(tempfile.gettempdir()) / f"sluiceway-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers that start together install once
        if stamp.exists() and stamp.read_text() == wanted:
            return python
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES[name]],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise ServerUnavailableError(f"{name} can't be installed: {done.stderr.strip()[-200:]}")
        stamp.write_text(wanted)
    return python


if __name__ == "__main__":
    for each in PACKAGES:
        print(install(each))
