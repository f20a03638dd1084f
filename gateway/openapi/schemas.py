"""JSON Schemas of the structs that handlers decode and encode."""

import inspect
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType

_REF: Final = "#/components/schemas/{name}"


class Schemas:
    """Component schemas of all structs within `types`, by name. Their fields have examples."""

    def __init__(self, types: Iterable[Any]) -> None:
        self.components = dict(sorted(component_schemas(types).items()))

    def of(self, *types: Any) -> dict[str, Any]:
        """Schema for a value of any of the types (`oneOf`). Structs are `$ref` references."""
        schemas, _ = msgspec.json.schema_components(types, ref_template=_REF)
        return schemas[0] if len(schemas) == 1 else {"oneOf": list(schemas)}

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Resolve a reference to its schema. Returns any other schema unchanged."""
        if "$ref" not in schema:
            return schema
        component: Mapping[str, Any] = self.components[schema["$ref"].rpartition("/")[2]]
        return component

    def published(self) -> dict[str, Any]:
        """The components without examples, which the documents show in requests and responses."""
        published: dict[str, Any] = without_examples(self.components)
        return published


def without_examples(schema: Any) -> Any:
    """Return the schema without the examples of its fields."""
    if isinstance(schema, list):
        return [without_examples(item) for item in schema]
    if isinstance(schema, dict):
        return {
            name: without_examples(value)
            for name, value in schema.items()
            # A property of this name would be an object.
            if name != "examples" or not isinstance(value, list)
        }
    return schema


def component_schemas(types: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Schemas of all structs within the types, by name."""
    types = list(types)
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    structs = {struct.__name__: struct for struct in _structs(types)}
    for name, schema in components.items():
        # The title repeats the name.
        schema.pop("title", None)
        if not schema.get("required"):
            schema.pop("required", None)
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        if name in structs:
            for field in msgspec.structs.fields(structs[name]):
                _complete(field.type, schema["properties"][field.encode_name])
    return components


def _structs(types: Iterable[Any]) -> set[type[msgspec.Struct]]:
    """The structs within the types, at any depth."""
    structs: set[type[msgspec.Struct]] = set()
    queue = list(types)
    while queue:
        type_ = queue.pop()
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct) and type_ not in structs:
            structs.add(type_)
            queue += [field.type for field in msgspec.structs.fields(type_)]
        queue += get_args(type_)
    return structs


def _complete(type_: Any, schema: dict[str, Any]) -> None:
    """Add to a field's schema what msgspec omits.

    msgspec gives no format to a date-time whose offset is optional, sorts the values of a Literal
    and gives them no type, and ignores the Meta of a union.
    """
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ is datetime:
        schema["format"] = "date-time"
    elif origin is Literal:
        schema["enum"] = list(arguments)
        for value_type, name in ((str, "string"), (int, "integer")):
            if all(type(value) is value_type for value in arguments):
                schema["type"] = name
    elif origin is Annotated:
        _complete_annotated(arguments[0], arguments[1:], schema)
    elif origin in (Union, UnionType):
        _complete_union([member for member in arguments if member is not UnsetType], schema)
    elif origin is list and "items" in schema:
        _complete(arguments[0], schema["items"])


def _complete_annotated(type_: Any, metadata: Iterable[Any], schema: dict[str, Any]) -> None:
    """Field metadata overrides type metadata; of descriptions, the field's comes first."""
    metas = [meta for meta in metadata if isinstance(meta, msgspec.Meta)]
    schema.pop("description", None)
    _complete(type_, schema)
    descriptions = [schema.get("description"), *(meta.description for meta in metas)]
    if any(descriptions):
        schema["description"] = ": ".join(filter(None, reversed(descriptions)))
    for meta in metas:
        schema.update(meta.extra_json_schema or {})
        if meta.examples:
            schema["examples"] = meta.examples


def _complete_union(types: list[Any], schema: dict[str, Any]) -> None:
    if len(types) == 1:
        _complete(types[0], schema)
    elif not _structs(types):
        # msgspec puts null at the end.
        types.sort(key=lambda type_: type_ is type(None))
        flat: list[Any] = []
        for type_, member in zip(types, schema["anyOf"], strict=True):
            _complete(type_, member)
            if "description" in member:
                schema["description"] = member.pop("description")
            flat += member["anyOf"] if member.keys() == {"anyOf"} else [member]
        schema["anyOf"] = flat
