"""Writing down datasets, their columns, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from sluiceway.store.connect import insert_into
from sluiceway.store.tables import column_edges, columns, dataset_edges, datasets
from sluiceway.store.values import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sluiceway.events import RunFinished

__all__ = ["describe", "full_name", "key", "publish", "set_columns", "set_edges", "touch"]

Key = tuple[str, str]
Ids = dict[Key, int]


def key(dataset: Mapping[str, Any]) -> Key:
    """What tells datasets of one environment apart: (namespace, name), without secrets."""
    return text(str(dataset["namespace"])), text(str(dataset["name"]))


def full_name(namespace: str, name: str) -> str:
    """``namespace.name``, as lineage facts name a dataset."""
    return f"{namespace}.{name}" if namespace else name


def touch(con: Connection, environment: str, found: Iterable[Mapping[str, Any]], at: datetime) -> Ids:
    """The ids of datasets, which are made where they are new.

    The rows stay locked until the commit, always taken in the same order, so that two runs that know
    the same datasets wait for one another and can't lock each other out.
    """
    ids: Ids = {}
    for namespace, name in sorted({key(dataset) for dataset in found}):
        statement = insert_into(con, datasets).values(
            environment=text(environment),
            namespace=namespace,
            name=name,
            description="",
            owner="",
            first_seen_at=at,
            last_seen_at=at,
        )
        statement = statement.on_conflict_do_update(
            index_elements=["environment", "namespace", "name"], set_={"last_seen_at": at}
        )
        ids[namespace, name] = con.execute(statement.returning(datasets.c.id)).scalar_one()
    return ids


def set_columns(con: Connection, ids: Ids, found: Iterable[Mapping[str, Any]]) -> None:
    """The columns that datasets have now. A dataset that says nothing of its columns keeps its own."""
    for dataset in found:
        listed = dataset.get("columns")
        if not listed:
            continue
        dataset_id = ids[key(dataset)]
        new = [(text(c["name"]), position, text(str(c["type"]))) for position, c in enumerate(listed)]
        there = con.execute(
            select(columns.c.name, columns.c.position, columns.c.type)
            .where(columns.c.dataset_id == dataset_id)
            .order_by(columns.c.position)
        )
        if [tuple(row) for row in there] == new:
            continue
        con.execute(delete(columns).where(columns.c.dataset_id == dataset_id))
        con.execute(
            columns.insert(),
            [
                {"dataset_id": dataset_id, "name": name, "position": position, "type": type_}
                for name, position, type_ in new
            ],
        )


def describe(con: Connection, dataset_id: int, alias: str | None, description: str, owner: str) -> None:
    con.execute(
        update(datasets)
        .where(datasets.c.id == dataset_id)
        .values(
            alias=None if alias is None else text(alias), description=text(description), owner=text(owner)
        )
    )


def publish(con: Connection, dataset_id: int, event: RunFinished) -> None:
    con.execute(
        update(datasets)
        .where(datasets.c.id == dataset_id)
        .values(pipeline=text(event.pipeline), published_at=event.at)
    )


def set_edges(con: Connection, output: int, ids: Ids, event: RunFinished) -> None:
    """The edges by which this pipeline makes its output now; those it no longer has are removed.

    A rollback or a replay says nothing about where columns come from, and leaves the edges alone.
    """
    if not event.inputs and not event.lineage:
        return
    pipeline = text(event.pipeline)
    found = _column_edges(con, output, ids, event)
    inputs = {ids[key(dataset)] for dataset in event.inputs} | {edge[1] for edge in found}
    mine = (dataset_edges.c.pipeline == pipeline) & (dataset_edges.c.output_id == output)
    con.execute(delete(dataset_edges).where(mine))
    if inputs:
        con.execute(
            dataset_edges.insert(),
            [
                {
                    "pipeline": pipeline,
                    "input_id": input_id,
                    "output_id": output,
                    "run_id": event.run_id,
                    "seen_at": event.at,
                }
                for input_id in sorted(inputs)
            ],
        )
    _replace_column_edges(con, pipeline, output, found)


Edge = tuple[str, int, str, str, str, bool]  # output column, input, its column, type, subtype, masking


def _column_edges(con: Connection, output: int, ids: Ids, event: RunFinished) -> set[Edge]:
    known = _names(ids, event.inputs)
    unknown = sorted({i["dataset"] for inputs in event.lineage.values() for i in inputs} - known.keys())
    strangers = {name: _split(name) for name in unknown}
    made = touch(
        con,
        event.environment,
        [{"namespace": namespace, "name": name} for namespace, name in strangers.values()],
        event.at,
    )
    known |= {name: made[key({"namespace": parts[0], "name": parts[1]})] for name, parts in strangers.items()}
    masked: dict[tuple[str, int, str, str, str], bool] = {}
    for column, inputs in event.lineage.items():
        for item in inputs:
            edge = (
                text(column),
                known[item["dataset"]],
                text(item["column"]),
                item.get("type") or "DIRECT",
                item.get("subtype") or "",
            )
            masked[edge] = masked.get(edge, True) and bool(item.get("masking"))
    return {(*edge, masking) for edge, masking in masked.items()}


def _names(ids: Ids, inputs: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Every way in which lineage may name an input: in full, by its name, by its source's name."""
    known: dict[str, int] = {}
    for dataset in inputs:
        found = ids[key(dataset)]
        known.setdefault(str(dataset["name"]), found)
        if dataset.get("source"):
            known[str(dataset["source"])] = found
    for dataset in inputs:
        known[full_name(str(dataset["namespace"]), str(dataset["name"]))] = ids[key(dataset)]
    return known


def _split(name: str) -> Key:
    """(namespace, name) of ``namespace.name``; a URI in front can't be told from the name."""
    namespace, dot, rest = name.partition(".")
    return (namespace, rest) if dot and "://" not in name else ("", name)


def _replace_column_edges(con: Connection, pipeline: str, output: int, found: set[Edge]) -> None:
    """Only what changed is written: most runs change nothing here."""
    c = column_edges.c
    there = con.execute(
        select(c.id, c.output_column, c.input_id, c.input_column, c.type, c.subtype, c.masking).where(
            c.pipeline == pipeline, c.output_id == output
        )
    )
    old = {(row[1], row[2], row[3], row[4], row[5], row[6]): row[0] for row in there}
    gone = [old[edge] for edge in old.keys() - found]
    for start in range(0, len(gone), 500):
        con.execute(delete(column_edges).where(c.id.in_(gone[start : start + 500])))
    new = sorted(found - old.keys())
    if new:
        con.execute(
            column_edges.insert(),
            [
                {
                    "pipeline": pipeline,
                    "output_id": output,
                    "output_column": output_column,
                    "input_id": input_id,
                    "input_column": input_column,
                    "type": type_,
                    "subtype": subtype,
                    "masking": masking,
                }
                for output_column, input_id, input_column, type_, subtype, masking in new
            ],
        )
