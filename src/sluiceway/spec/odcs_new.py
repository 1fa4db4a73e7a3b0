"""A contract of the Open Data Contract Standard for a table that has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.schema import Schema, TableName
from sluiceway.spec.odcs_types import property_type

__all__ = ["API_VERSION", "new_contract", "properties_of"]

API_VERSION = "v3.1.0"


def new_contract(
    name: str,
    schema: Schema | None,
    *,
    key: Sequence[str] = (),
    table: TableName | None = None,
    version: str = "1.0.0",
    status: str = "draft",
    description: str = "",
    owner: str = "",
    tags: Sequence[str] = (),
    classification: Mapping[str, str] | None = None,
    sla: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """A contract document with the table's columns; rules are put into it by ``with_rules``.

    Args:
        name: the contract's id and name, such as ``mart.orders``.
        schema: the table's columns; columns that can't be NULL are ``required``.
        key: the primary key, in its order.
        table: what the contract is about, if it isn't called as the contract.
        classification: column -> its class, such as ``confidential``.
        sla: items of ``slaProperties``.

    >>> made = new_contract("mart.orders", Schema.of({"id": "BIGINT"}), key=["id"], owner="sales")
    >>> made["schema"][0]["name"], made["schema"][0]["physicalName"], made["team"]
    ('orders', 'mart.orders', {'name': 'sales'})
    >>> made["schema"][0]["properties"][0]["primaryKeyPosition"]
    1
    """
    at = table or TableName.parse(name)
    described: dict[str, Any] = {"name": at.name, "physicalName": str(at), "physicalType": "table"}
    if description:
        described["description"] = description
    if schema is not None:
        described["properties"] = properties_of(schema, key, classification or {})
    made: dict[str, Any] = {
        "version": version,
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": name,
        "name": name,
        "status": status,
    }
    if tags:
        made["tags"] = list(tags)
    made["schema"] = [described]
    if owner:
        made["team"] = {"name": owner}
    if sla:
        made["slaProperties"] = [dict(item) for item in sla]
    return made


def properties_of(
    schema: Schema, key: Sequence[str] = (), classification: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The columns as ``properties``, in their order.

    >>> properties_of(Schema.of({"a": "DATE"}), classification={"a": "internal"})
    [{'name': 'a', 'logicalType': 'date', 'physicalType': 'DATE', 'classification': 'internal'}]
    """
    positions = {name.casefold(): n for n, name in enumerate(key, 1)}
    found: list[dict[str, Any]] = []
    for column in schema:
        item: dict[str, Any] = {"name": column.name}
        position = positions.get(column.name.casefold())
        if position is not None:
            item |= {"primaryKey": True, "primaryKeyPosition": position}
        item |= property_type(column.type)
        if not column.nullable:
            item["required"] = True
        if classification and column.name in classification:
            item["classification"] = classification[column.name]
        found.append(item)
    return found
