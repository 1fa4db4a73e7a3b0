"""Data contracts: Open Data Contract Standard v3 files (``*.odcs.yaml``) as the gate needs them.

The contract's schema and quality become rules of ours; whatever else it holds stays in ``raw``.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from sluiceway.errors import SpecError, did_you_mean
from sluiceway.schema import Column, Schema
from sluiceway.spec.declared import parse_rules
from sluiceway.spec.model import ContractSpec, DeclaredRule
from sluiceway.spec.odcs_quality import quality_rule
from sluiceway.spec.odcs_types import column_type
from sluiceway.spec.validate import brief, under
from sluiceway.spec.yaml import Document, KeyPath, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sluiceway.schema import TableName
    from sluiceway.spec.model import Project

__all__ = [
    "ObjectReader",
    "chosen_object",
    "contract_of",
    "load_contract",
    "read_contract",
    "read_contract_document",
]

_REQUIRED = ("version", "apiVersion", "kind", "id", "status")
_KEYS = {
    "contract": (
        "version kind apiVersion id name tenant tags status servers dataProduct description domain schema "
        "support price team roles slaDefaultElement slaProperties authoritativeDefinitions "
        "customProperties contractCreatedTs"
    ),
    "object": (
        "id name logicalType physicalName physicalType description businessName authoritativeDefinitions "
        "tags customProperties dataGranularityDescription properties relationships quality"
    ),
    "property": (
        "id name physicalName physicalType description businessName authoritativeDefinitions tags "
        "customProperties primaryKey primaryKeyPosition logicalType logicalTypeOptions required unique "
        "partitioned partitionKeyPosition classification encryptedName transformSourceObjects transformLogic "
        "transformDescription examples criticalDataElement relationships quality properties items"
    ),
}
_FORMATS = {"email": "email", "uuid": "uuid", "uri": "url", "ipv4": "ipv4", "ipv6": "ipv6"}


def load_contract(
    path: Path, *, project: Project | None = None, table: TableName | None = None
) -> ContractSpec:
    """``read_contract`` of a path that is relative to the project's folder, if there is such a file.

    Raises:
        SpecError: with file, line and key.
    """
    inside = project.folder / path if project is not None and not path.is_file() else path
    return read_contract(inside, table)


def read_contract(path: Path, table: TableName | None = None) -> ContractSpec:
    """Read a contract.

    Args:
        table: chooses among several schema objects by name or physical name; one needs no choice.

    Raises:
        SpecError: it is not such a file, or one of its rules can't be understood; with the place.
    """
    return contract_of(read_yaml(path), path, table)


def contract_of(document: Document, path: Path, table: TableName | None = None) -> ContractSpec:
    """``read_contract`` of what was parsed already.

    Raises:
        SpecError: as ``read_contract``.
    """
    raw = _header(document)
    found = chosen_object(raw, table, document)
    if found is None:
        return ContractSpec(str(raw["id"]), path, None, raw=raw)
    base, declared = found
    reader = ObjectReader(document, base, declared)
    return ContractSpec(
        id=str(raw["id"]),
        file=path,
        schema=reader.schema(),
        rules=reader.rules(),
        classified=frozenset(
            name for name, item in reader.properties if item.get("classification", "public") != "public"
        ),
        raw=raw,
    )


def read_contract_document(path: Path) -> dict[str, Any]:
    """The whole document of a contract file, whatever tables it has.

    Raises:
        SpecError: it is not such a file.
    """
    return _header(read_yaml(path))


def _header(document: Document) -> dict[str, Any]:
    raw = document.value
    if not isinstance(raw, dict):
        what = "is empty" if raw is None else f"is {brief(raw)}, not a mapping"
        raise SpecError(
            f"the contract {what}", where=document.where(), hint="begin it with kind: DataContract"
        )
    for key in _REQUIRED:
        if raw.get(key) is None:
            raise SpecError(
                f"the key '{key}' is missing",
                where=document.where(),
                hint=f"a contract needs {', '.join(_REQUIRED)}",
            )
    if raw["kind"] != "DataContract":
        raise SpecError(
            f"expected kind: DataContract, got {brief(raw['kind'])}", where=document.where(("kind",))
        )
    if not str(raw["apiVersion"]).startswith("v3."):
        raise SpecError(
            f"apiVersion {brief(raw['apiVersion'])} can't be read",
            where=document.where(("apiVersion",)),
            hint="write apiVersion: v3.1.0",
        )
    _keys(raw, "contract", (), document)
    return raw


def _keys(value: Mapping[str, Any], kind: str, path: KeyPath, document: Document) -> None:
    """A key that is almost one of the standard's is a typo; others are kept as they are."""
    known = _KEYS[kind].split()
    for key in value:
        close = get_close_matches(key, known, n=1, cutoff=0.8)
        if key not in known and close:
            raise SpecError(
                f"unknown key '{key}'", where=document.where((*path, key)), hint=f"did you mean '{close[0]}'?"
            )


def _mappings(value: Any, path: KeyPath, document: Document) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise SpecError(f"expected a list, got {brief(value)}", where=document.where(path))
    for n, item in enumerate(value):
        if not isinstance(item, dict):
            raise SpecError(f"expected a mapping, got {brief(item)}", where=document.where((*path, n)))
    return value


def chosen_object(
    raw: Mapping[str, Any], table: TableName | None, document: Document
) -> tuple[KeyPath, dict[str, Any]] | None:
    """The schema object that is meant, with its place; None where the contract has none.

    Raises:
        SpecError: there are several, and ``table`` names none of them.
    """
    objects = _mappings(raw.get("schema"), ("schema",), document)
    for n, item in enumerate(objects):
        _name(item, ("schema", n), document)
        _keys(item, "object", ("schema", n), document)
    if not objects:
        return None
    if len(objects) == 1:
        return ("schema", 0), objects[0]
    wanted = {str(table).casefold(), table.name.casefold()} if table is not None else set()
    for n, item in enumerate(objects):
        if wanted & {str(item["name"]).casefold(), str(item.get("physicalName")).casefold()}:
            return ("schema", n), item
    names = [str(item["name"]) for item in objects]
    raise SpecError(
        f"the contract has {len(objects)} schema objects and none is called '{table or ''}'",
        where=document.where(("schema",)),
        hint=did_you_mean(table.name, names) if table else f"there are: {', '.join(names)}",
    )


def _name(item: Mapping[str, Any], path: KeyPath, document: Document) -> str:
    name = item.get("name")
    if not isinstance(name, str) or not name:
        raise SpecError("the key 'name' is missing", where=document.where(path), hint="write name: …")
    return name


class ObjectReader:
    """One schema object: its columns and its rules."""

    def __init__(self, document: Document, base: KeyPath, declared: dict[str, Any]) -> None:
        self.document, self.base, self.declared = document, base, declared
        self.names = {str(declared["name"]), str(declared.get("physicalName") or declared["name"])}
        self.paths: dict[str, KeyPath] = {}
        self.properties: list[tuple[str, dict[str, Any]]] = []
        for n, item in enumerate(_mappings(declared.get("properties"), (*base, "properties"), document)):
            path = (*base, "properties", n)
            _keys(item, "property", path, document)
            name = str(item.get("physicalName") or _name(item, path, document))
            if name in self.paths:
                raise SpecError(f"the property '{name}' is given twice", where=document.where(path))
            self.paths[name] = path
            self.properties.append((name, item))

    def schema(self) -> Schema | None:
        columns = [
            Column(name, column_type(item), not (item.get("required") or item.get("primaryKey")))
            for name, item in self.properties
        ]
        return Schema(tuple(columns)) if columns else None

    def rules(self) -> tuple[DeclaredRule, ...]:
        found: list[DeclaredRule] = []
        for path, entry in self.entries():
            found += self._declare(entry, path)
        return tuple(found)

    def _declare(self, rule: dict[str, Any], path: KeyPath) -> tuple[DeclaredRule, ...]:
        return parse_rules([rule], lambda _: self.document.where(path), "contract")

    def entries(self) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
        """Items of ``rules:``, each with its place; whatever is wrong with one is at that place."""
        for part in self.parts():
            yield from part()

    def parts(self) -> Iterator[Callable[[], list[tuple[KeyPath, dict[str, Any]]]]]:
        """``entries`` in pieces that fail one by one: what a mistake in one spares are the others."""
        for name, item in self.properties:
            path = self.paths[name]
            for read in (self._flags, self._options):
                yield lambda read=read, name=name, item=item, path=path: [  # type: ignore[misc]
                    ((*path, *key), rule) for key, rule in read(name, item, path)
                ]
            yield from self._listed(item, path, name)
        primary = self._primary_key()
        if primary:
            yield lambda: [((*self.paths[primary[0]], "primaryKey"), {"unique": primary})]
        yield from self._listed(self.declared, self.base, None)

    def _listed(
        self, item: Mapping[str, Any], path: KeyPath, name: str | None
    ) -> Iterator[Callable[[], list[tuple[KeyPath, dict[str, Any]]]]]:
        for key, read in (("relationships", self._relationship), ("quality", self._check)):
            for n, each in enumerate(_mappings(item.get(key), (*path, key), self.document)):
                at = (*path, key, n)
                yield lambda read=read, each=each, at=at: [  # type: ignore[misc]
                    (at, rule) for rule in read(each, at, name)
                ]

    def _flags(
        self, name: str, item: Mapping[str, Any], path: KeyPath
    ) -> list[tuple[KeyPath, dict[str, Any]]]:
        for key in ("required", "unique", "primaryKey"):
            if key in item and not isinstance(item[key], bool):
                raise SpecError(
                    f"expected true or false, got {brief(item[key])}", where=self.document.where((*path, key))
                )
        rules: list[tuple[KeyPath, dict[str, Any]]] = []
        if item.get("required") or item.get("primaryKey"):
            rules.append((("required" if item.get("required") else "primaryKey",), {"not_null": name}))
        if item.get("unique") and self._primary_key() != [name]:
            rules.append((("unique",), {"unique": name}))
        return rules

    def _primary_key(self) -> list[str]:
        parts = [
            (item.get("primaryKeyPosition", -1), name)
            for name, item in self.properties
            if item.get("primaryKey")
        ]
        if all(isinstance(position, int) and position > 0 for position, _ in parts):
            parts.sort()
        return [name for _, name in parts]

    def _options(
        self, name: str, item: Mapping[str, Any], path: KeyPath
    ) -> list[tuple[KeyPath, dict[str, Any]]]:
        options = item.get("logicalTypeOptions") or {}
        if not isinstance(options, dict):
            raise SpecError(
                f"expected a mapping, got {brief(options)}",
                where=self.document.where((*path, "logicalTypeOptions")),
            )
        if item.get("logicalType") in ("array", "object"):
            return []
        rules: list[dict[str, Any]] = []
        length = {
            ours: options[theirs]
            for theirs, ours in (("minLength", "min"), ("maxLength", "max"))
            if theirs in options
        }
        if length:
            rules.append({"length": {"column": name, **length}})
        if "pattern" in options:
            rules.append({"pattern": {"column": name, "regex": options["pattern"]}})
        named = _FORMATS.get(str(options.get("format")))
        if item.get("logicalType") == "string" and named is not None:
            rules.append({"pattern": {"column": name, "format": named}})
        bounds = _bounds(options)
        if bounds:
            rules.append({"range": {"column": name, **bounds}})
        if "multipleOf" in options:
            quoted = '"' + name.replace('"', '""') + '"'
            step = options["multipleOf"]
            if isinstance(step, bool) or not isinstance(step, int | float) or not step > 0:
                raise SpecError(
                    f"expected a number above 0, got {brief(step)}",
                    where=self.document.where((*path, "logicalTypeOptions", "multipleOf")),
                )
            rules.append({"expression": f"{quoted} % {step!r} = 0"})
        return [(("logicalTypeOptions",), rule) for rule in rules]

    def _relationship(
        self, relation: Mapping[str, Any], path: KeyPath, name: str | None
    ) -> list[dict[str, Any]]:
        targets = _references(relation.get("to"))
        columns = [name] if name is not None else [c for _, c in _references(relation.get("from"))]
        tables = {table for table, _ in targets}
        if not targets or len(tables) != 1 or len(targets) != len(columns):
            raise SpecError(
                "the relationship can't be read",
                where=self.document.where(path),
                hint="write to: TABLE.COLUMN, and in a schema object from: TABLE.COLUMN as well",
            )
        own = {each.casefold() for each in self.names}
        to = [f"{'_' if table.casefold() in own else table}.{column}" for table, column in targets]
        columns = [self._physical(column) for column in columns]
        single = len(to) == 1
        rule = {"column": columns[0] if single else columns, "to": to[0] if single else to}
        return [{"relationships": rule}]

    def _physical(self, column: str) -> str:
        return next((name for name, item in self.properties if item.get("name") == column), column)

    def _check(self, check: Mapping[str, Any], path: KeyPath, name: str | None) -> list[dict[str, Any]]:
        rule = quality_rule(check, name, self.names, self._physical, under(self.document.where, *path))
        return [] if rule is None else [rule]


def _bounds(options: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds as ``range`` writes them; v3.0 also had ``exclusiveMinimum: true`` beside ``minimum``."""
    bounds: dict[str, Any] = {}
    for side, ours in (("Minimum", "min"), ("Maximum", "max")):
        plain, exclusive = options.get(side.lower()), options.get(f"exclusive{side}")
        if isinstance(exclusive, bool):
            plain, exclusive = (None, plain) if exclusive else (plain, None)
        if exclusive is not None:
            bounds[f"{ours}_exclusive"] = exclusive
        elif plain is not None:
            bounds[ours] = plain
    return bounds


def _references(value: Any) -> list[tuple[str, str]]:
    """``table.column``, or ``schema/table/properties/column``, or a list of them."""
    found = []
    for text in value if isinstance(value, list) else [value]:
        if not isinstance(text, str) or "#" in text:
            return []
        parts = text.strip("/").split("/")
        if len(parts) == 4 and parts[0] == "schema" and parts[2] == "properties":
            found.append((parts[1], parts[3]))
        elif len(parts) == 1 and "." in text:
            table, _, column = text.rpartition(".")
            found.append((table, column))
        else:
            return []
    return found
