"""``python -m bench``: everything is measured in one run, so that the ratios are of one machine and hour.

Ends with 1 where a count or a table is wrong, or where we or the hand-written way failed; a goal that is
not met is said and is no failure: times on a shared machine are not a test.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace

from bench.anomalies import anomalies
from bench.data import OUT
from bench.engines import ENGINES
from bench.orchestrate import ORCHESTRATE
from bench.peering import Peers
from bench.profile import PROFILE
from bench.queueing import QUEUEING
from bench.report import Table, machine, summary
from bench.trends import TRENDS
from bench.workloads import ALL, MILLION, Sizes

EVERY = {**ALL, **PROFILE, **ENGINES, **TRENDS, **QUEUEING, **ORCHESTRATE, "anomalies": anomalies}

QUICK = Sizes(gate=MILLION, load=MILLION, rows_by_row=20_000, rounds=2, peer_rounds=1)
FULL = Sizes(
    gate_large=50 * MILLION, memory=50 * MILLION, jobs=100_000, engines=(MILLION, 10 * MILLION, 50 * MILLION)
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").split("\n\n")[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a million rows each, two rounds")
    size.add_argument("--full", action="store_true", help="with the workloads of 50M rows")
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(EVERY), help=", ".join(EVERY))
    parser.add_argument("--no-peers", action="store_true", help="install no peer; they are shown as left out")
    parser.add_argument("--rounds", type=int, metavar="N", help="everyone's turns, if not 3 (--quick: 2)")
    given = parser.parse_args()
    sizes = QUICK if given.quick else (FULL if given.full else Sizes())
    if given.rounds:
        sizes = replace(sizes, rounds=given.rounds)

    OUT.mkdir(exist_ok=True)
    peers = Peers()
    if given.no_peers:
        peers.leave_out("left out by --no-peers")
    else:
        peers.make()
    where = machine()
    print(where, flush=True)
    tables: list[Table] = []
    for name in given.only or EVERY:
        for table in EVERY[name](sizes, peers):
            table.show()
            tables.append(table)
            _keep(tables, where)
    markdown = summary(tables)
    _keep(tables, where, markdown)
    bad = [text for table in tables for text in (*table.wrong, *table.broken)]
    for text in bad:
        print(f"!! {text}", file=sys.stderr)
    return 1 if bad else 0


def _keep(tables: list[Table], where: str, ending: str = "") -> None:
    """After each workload, so that what was measured outlives what fails later."""
    (OUT / "results.json").write_text(json.dumps([t.as_dict() for t in tables], indent=1), encoding="utf-8")
    parts = [f"{where}.\n", ending, *(t.markdown() for t in tables)]
    (OUT / "report.md").write_text("\n".join(p for p in parts if p), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
