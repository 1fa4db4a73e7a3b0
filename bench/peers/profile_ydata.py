"""ydata-profiling's minimal report of a Parquet file, as a document.

profile_ydata.py FILE
"""

from __future__ import annotations

import json
import sys

import pandas as pd
from ydata_profiling import ProfileReport


def main(path: str) -> None:
    report = ProfileReport(pd.read_parquet(path), minimal=True, progress_bar=False)
    told = json.loads(report.to_json())
    print(json.dumps({"rows": told["table"]["n"], "columns": len(told["variables"])}))


if __name__ == "__main__":
    main(sys.argv[1])
