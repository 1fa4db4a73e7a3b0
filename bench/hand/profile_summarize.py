"""DuckDB's own profile, which is less: extremes, mean, deviation, quartiles, approximate distincts.

profile_summarize.py FILE
"""

from __future__ import annotations

import sys

from duck import connect, say


def main(path: str) -> None:
    found = connect().execute("SUMMARIZE SELECT * FROM read_parquet(?)", [path]).fetchall()
    say(rows=int(found[0][10]), columns=len(found))


if __name__ == "__main__":
    main(sys.argv[1])
