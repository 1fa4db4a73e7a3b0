"""The tests' Spark leaves no JVM behind, however it ends."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STARTS = """
import sys
from scripts import sparks
try:
    spark = sparks.start()
except sparks.SparkUnavailableError as error:
    print("no", error, flush=True)
    sys.exit()
print(spark._process.pid, spark.session.sql("SELECT 1 + 1").collect()[0][0], flush=True)
sys.stdin.readline()
spark.close()
"""


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("ends", ["closed", "killed"])
def test_the_jvm_is_gone_afterwards(ends: str) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    with subprocess.Popen(
        [sys.executable, "-c", STARTS], cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as driver:  # fmt: skip
        assert driver.stdin is not None
        assert driver.stdout is not None
        first, _, rest = driver.stdout.readline().partition(" ")
        if first == "no":
            pytest.skip(f"no Spark: {rest}")
        assert rest.strip() == "2"
        jvm = os.pidfd_open(int(first))
        try:
            if ends == "killed":
                driver.kill()
            else:
                driver.stdin.write("\n")
                driver.stdin.flush()
            gone, _, _ = select.select([jvm], [], [], 60)  # a pidfd is readable when its process has ended
            assert gone
        finally:
            os.close(jvm)
            driver.kill()
