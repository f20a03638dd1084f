"""The contracts of the two public APIs: operations, parameters and models.

The tables are `tests/contracts/*.json`. A type is the name of a primitive, of an entry of `types`
or `named`, or of a model. Entries of `named` and models are components of the document. `[x]` is a
list, and `x?` may be null. A pair adds keywords of JSON Schema to a type. A field whose name ends
with `!` is required. `...` includes the fields of another entry. `$comment` is the reason for a
limit that the vendor does not document.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

FOLDER: Final = Path(__file__).parents[1] / "contracts"

_NULL: Final = {"type": "null"}
# Keywords of JSON Schema whose values are types.
_WITH_TYPES: Final = ("items", "additionalProperties", "anyOf")
_PRIMITIVES: Final[Json] = {
    "text": {"type": "string"},
    "flag": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "object": {"type": "object", "additionalProperties": True},
    "any": {},
    "uuid": {"type": "string", "format": "uuid"},
    "uri": {"type": "string", "format": "uri"},
    "address": {"type": "string", "format": "email"},
    "time": {"type": "string", "format": "date-time"},
}


class Field(NamedTuple):
    """A field of a model, or a parameter: its JSON Schema without null and default."""

    schema: Json
    nullable: bool = False
    required: bool = False
    default: Any = None


class Operation(NamedTuple):
    """An operation. `scope` is None if any key is accepted; `path` has no prefix."""

    name: str
    method: str
    path: str
    scope: str | None
    bodies: tuple[str, ...]
    status: int
    answer: Json
    query: Mapping[str, Field]
    addition: bool

    @property
    def collection(self) -> str:
        """First segment of the path, which is the kind of record."""
        return self.path.split("/")[1]

    @property
    def parameter(self) -> str | None:
        """Name of the path parameter, if any."""
        found = re.search(r"\{(\w+)\}", self.path)
        return found and found[1]


class Contract:
    """Operations and models of one API, read from its table."""

    def __init__(self, name: str) -> None:
        table = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        self.prefix: str = table["prefix"]
        self._types: Json = _PRIMITIVES | table["types"]
        self._named: Json = table["named"]
        self._parts: Json = table.get("parts", {}) | table["models"]
        self.named = {name: self.schema(schema) for name, schema in self._named.items()}
        _NAMED.update(self.named)
        self.models = {model: self._fields(fields) for model, fields in table["models"].items()}
        self.operations = {
            name: self._operation(table, name, *row) for name, row in table["operations"].items()
        }

    def schema(self, spec: Any) -> Any:
        """The JSON Schema of a type, or of a schema whose nested types are names."""
        if isinstance(spec, bool):
            return spec
        if isinstance(spec, list):
            return [self.schema(each) for each in spec]
        if isinstance(spec, dict):
            return {
                keyword: self.schema(value) if keyword in _WITH_TYPES else value
                for keyword, value in spec.items()
                if keyword != "$comment"
            }
        if spec.endswith("?"):
            return {"anyOf": [self.schema(spec[:-1]), _NULL]}
        if spec.startswith("["):
            return {"type": "array", "items": self.schema(spec[1:-1])}
        if spec in self._types:
            return self.schema(self._types[spec])
        assert spec in self._parts or spec in self._named, spec
        return reference(spec)

    def _fields(self, fields: Json) -> dict[str, Field]:
        found: dict[str, Field] = {}
        for name, spec in fields.items():
            if name == "...":
                found |= self._fields(self._parts[spec])
                continue
            kind, more = spec if isinstance(spec, list) else (spec, {})
            nullable = isinstance(kind, str) and kind.endswith("?")
            schema = self.schema(kind[:-1] if nullable else kind) | more
            default = schema.pop("default", None)
            found[name.rstrip("!")] = Field(schema, nullable, name.endswith("!"), default)
        return found

    def _operation(
        self, table: Json, name: str, call: str, scope: str | None, body: str | None, answer: Any
    ) -> Operation:
        method, path = call.split(" ")
        status = 201 if method == "POST" else 200
        if isinstance(answer, str) and " " in answer:
            status, answer = int(answer.split(" ")[0]), answer.split(" ")[1]
        return Operation(
            name,
            method,
            path,
            scope,
            tuple(body.split(" | ")) if body else (),
            status,
            self.schema(answer),
            self._fields(table["queries"].get(name, {})),
            name in table["additions"],
        )


# Named types of both APIs.
_NAMED: Final[Json] = {}


def inlined(schema: Json) -> Json:
    """The schema with named types instead of references, without what restricts no value."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in _NAMED:
        return inlined(_NAMED[name])
    found: Json = {}
    for keyword, value in schema.items():
        if isinstance(value, dict):
            found[keyword] = inlined(value)
        elif keyword == "anyOf":
            found[keyword] = [inlined(each) for each in value]
        elif (keyword, value) != ("additionalProperties", True) and (
            keyword != "format" or value in ("uuid", "date-time")
        ):
            found[keyword] = value
    return found


def reference(model: str) -> Json:
    """A reference to a model of the document."""
    return {"$ref": f"#/components/schemas/{model}"}


def field_of(described: Json, *, required: bool) -> Field:
    """Parse a field or parameter of a document. A field has its default in the description."""
    facts = {
        name: value for name, value in described.items() if name not in ("description", "examples")
    }
    nullable = _NULL in facts.get("anyOf", ())
    if nullable:
        kinds = [each for each in facts.pop("anyOf") if each != _NULL]
        facts |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    default = facts.pop("default", None)
    if stated := re.search("Default: `([^`]+)`$", described.get("description", "")):
        default = stated[1] if facts.get("type", "string") == "string" else json.loads(stated[1])
    return Field(facts, nullable, required, default)


DISCOVERY: Final = Contract("discovery")
REVENUE: Final = Contract("revenue")
