"""An environment with a Spark that Delta Lake and Iceberg are made for: neither has jars for pyspark 4.3 yet.

    python scripts/spark41.py            # makes .venv-spark41 and prints its interpreter

The jars come from Maven Central, once, into .venv-spark41/ivy; without a network it says so.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from scripts.servers import ServerUnavailableError  # noqa: E402

__all__ = ["JARS", "VENV", "conf", "install"]

VENV = ROOT / ".venv-spark41"
PACKAGES = ("pyspark==4.1.4", "pandas==2.3.3", "numpy==2.4.6", "py4j==0.10.9.9", "pytest", "hypothesis")
JARS = (
    "io.delta:delta-spark_4.1_2.13:4.4.0",
    "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
)
_OTHERS = ("pyspark", "pandas", "numpy", "py4j")
"""Packages that are pinned for the other environment and have pins of their own here."""
_FETCH = "from pyspark.sql import SparkSession as S; b = S.builder.master('local[1]')"


def conf() -> dict[str, str]:
    """Settings of Spark with both formats."""
    return {
        "spark.jars.ivy": str(VENV / "ivy"),
        "spark.jars.packages": ",".join(JARS),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }


def install() -> Path:
    """The interpreter of the environment, made if need be, with the jars.

    Raises:
        ServerUnavailableError: no Python for it, or the packages or jars could not be fetched.
    """
    python, stamp = VENV / "bin" / "python", VENV / "packages"
    listed = "\n".join([*PACKAGES, *JARS, (ROOT / "constraints.txt").read_text(), str(ROOT)])
    with (Path(tempfile.gettempdir()) / "sluiceway-spark41.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers that start together install once
        if stamp.exists() and stamp.read_text() == listed:
            return python
        base = next((p for n in ("python3.11", "python3.12", "python3.13") if (p := shutil.which(n))), None)
        if base is None:
            raise ServerUnavailableError("no Python 3.11, 3.12 or 3.13 for Spark 4.1")
        if not python.exists():
            _call([base, "-m", "venv", str(VENV)])
        pins = VENV / "constraints.txt"
        lines = (ROOT / "constraints.txt").read_text().splitlines()
        pins.write_text("\n".join(line for line in lines if line.partition("==")[0] not in _OTHERS))
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _call([*pip, "-c", str(pins), *PACKAGES, "-e", str(ROOT)])
        settings = "".join(f".config({key!r}, {value!r})" for key, value in conf().items())
        _call([str(python), "-c", f"{_FETCH}{settings}; b.getOrCreate().stop()"])
        stamp.write_text(listed)
    return python


def _call(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        tail = " ".join((done.stderr or done.stdout).split())[-300:]
        raise ServerUnavailableError(f"Spark 4.1: {' '.join(command[1:3])[:60]} failed: {tail}")


if __name__ == "__main__":
    print(install())
