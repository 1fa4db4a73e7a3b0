"""The workload ``profile``: what data is like, against DuckDB's SUMMARIZE and ydata-profiling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bench import data, projects
from bench.measure import Contender, contest, last_json
from bench.peering import OFFLINE, ROOT, Peers
from bench.report import Table
from bench.workloads import Sizes, by_hand, named

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PROFILE"]

_PEER = "ydata-profiling"
_COLUMNS = 12
_LIST = ROOT / "bench" / "peers_profile.txt"


def figures(value: object) -> int:
    """How many numbers a document holds."""
    if isinstance(value, dict | list):
        return sum(map(figures, value.values() if isinstance(value, dict) else value))
    return int(isinstance(value, int | float) and not isinstance(value, bool))


def looked_at(rows: int) -> Callable[[str], str]:
    """All rows and columns, and where it is said, the defects that were planted."""

    def judge(said: str) -> str:
        answer = last_json(said)
        columns = answer["columns"]
        there = columns if isinstance(columns, int) else len(columns)
        if (answer["rows"], there) != (rows, _COLUMNS):
            return f"{answer['rows']} rows and {there} columns, expected {rows} and {_COLUMNS}"
        if isinstance(columns, int):
            return "ok"
        found = {c["name"]: c for c in columns}
        if found["amount"]["negatives"] != len(range(0, rows, 200_000)):
            return f"{found['amount']['negatives']} negative amounts"
        return f"ok {figures(columns)} numbers, read {answer['scans']} times"

    return judge


def _ours(path: Path, rows: int) -> Contender:
    return Contender("sluiceway profile", "ours", [projects.SLUICEWAY, "profile", str(path), "--json"],
                     cwd=data.OUT, truth=looked_at(rows))  # fmt: skip


def _by_hand(path: Path, rows: int) -> Contender:
    return Contender("DuckDB, SUMMARIZE", "hand", by_hand("profile_summarize", path), truth=looked_at(rows))


def proposed(rows: int) -> Callable[[str], str]:
    """All rows were looked at, and rules came of it."""

    def judge(said: str) -> str:
        answer = last_json(said)
        if answer["rows"] != rows or not answer["rules"]:
            return f"{answer['rows']} rows and {len(answer['rules'])} rules"
        return f"ok {len(answer['rules'])} rules, {answer['refuted']} refuted, read {answer['scans']} times"

    return judge


def suggest(sizes: Sizes, peers: Peers) -> Iterator[Table]:
    """Rules out of ten million rows, against the profile that they begin with."""
    path, _ = data.made("gate", sizes.gate)
    ours = Contender("sluiceway suggest", "ours", [projects.SLUICEWAY, "suggest", str(path), "--json"],
                     cwd=data.OUT, truth=proposed(sizes.gate))  # fmt: skip
    other = Contender("sluiceway profile", "hand", [projects.SLUICEWAY, "profile", str(path), "--json"],
                      cwd=data.OUT, truth=looked_at(sizes.gate))  # fmt: skip
    found = contest([ours, other], sizes.rounds)
    yield Table(f"suggest, {named(sizes.gate)}", found, (("wall ratio", 2.0), ("peak MB", 1500)))


def profile(sizes: Sizes, peers: Peers) -> Iterator[Table]:
    """Twelve columns of ten million rows, of one million with the peer, of fifty for memory."""
    path, _ = data.made("gate", sizes.gate)
    found = contest([_ours(path, sizes.gate), _by_hand(path, sizes.gate)], sizes.rounds)
    note = "SUMMARIZE has neither histograms, top values, lengths, shapes, outliers, keys nor pairs."
    yield Table(f"profile, {named(sizes.gate)}", found, (("wall ratio", 3.0), ("peak MB", 1500)), [note])

    path, _ = data.made("gate", sizes.small)
    own = _own(peers)
    peer = Contender(
        f"{_PEER}, minimal", "peer", own.script("profile_ydata", path), environment=OFFLINE,
        rounds=sizes.peer_rounds, truth=looked_at(sizes.small), missing=own.missing(_PEER),
    )  # fmt: skip
    found = contest([_ours(path, sizes.small), _by_hand(path, sizes.small), peer], sizes.rounds)
    notes = []
    if found[2].runs:
        notes.append(
            f"{_PEER} takes {found[2].wall / found[0].wall:.1f} times as long (goal: 20), "
            f"and {found[2].cpu / found[0].cpu:.1f} times the CPU."
        )
    yield Table(f"profile, {named(sizes.small)}, with {_PEER}", found, (), notes)

    if sizes.memory:
        path, _ = data.made("gate", sizes.memory)
        found = contest([_ours(path, sizes.memory), _by_hand(path, sizes.memory)], 1)
        yield Table(f"profile, {named(sizes.memory)}", found, (("wall ratio", 3.0), ("peak MB", 1500)))


def _own(peers: Peers) -> Peers:
    """This peer's environment; left out where the others are."""
    own = Peers(ROOT / ".venv-bench-profile", _LIST)
    reason = peers.missing(*(line.split("==")[0] for line in peers.wanted()))
    if reason is not None and "--no-peers" in reason:
        own.leave_out(reason)
    else:
        own.make()
    return own


PROFILE: dict[str, Callable[[Sizes, Peers], Iterator[Table]]] = {"profile": profile, "suggest": suggest}
