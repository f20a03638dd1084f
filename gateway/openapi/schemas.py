"""JSON Schemas of the structs that handlers decode and encode."""

import copy
import inspect
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType

_REF: Final = "#/components/schemas/{name}"
_INT32_MAX: Final = 2**31 - 1


class Schemas:
    """Component schemas by name: of structs, and of types that `named` gives a name.

    `responses`, `requests` and `queries`: types of which the document shows all structs, or of the
    queries only the named types.
    """

    def __init__(
        self, responses: Iterable[Any], requests: Iterable[Any], queries: Iterable[Any] = ()
    ) -> None:
        requests, queries = list(requests), list(queries)
        components = component_schemas([*responses, *requests, *queries])
        sent = {struct.__name__ for struct in _structs(requests)}
        for name, schema in components.items():
            _describe_defaults(schema, is_request=name in sent)
        for query in queries:
            components.pop(query.__name__, None)
        self.components = dict(sorted(components.items()))
        self._known: dict[tuple[Any, ...], dict[str, Any]] = {}

    def of(self, *types: Any) -> dict[str, Any]:
        """Schema for a value of any of the types (`oneOf`). Structs are `$ref` references."""
        if types not in self._known:
            schemas, _ = msgspec.json.schema_components(types, ref_template=_REF)
            self._known[types] = schemas[0] if len(schemas) == 1 else {"oneOf": list(schemas)}
        return self._known[types]

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Resolve a reference to its schema. Returns any other schema unchanged."""
        if "$ref" not in schema:
            return schema
        component: Mapping[str, Any] = self.components[schema["$ref"].rpartition("/")[2]]
        return component


def component_schemas(types: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Schemas of all structs and named types within the types, by name."""
    types = list(types)
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    structs = {struct.__name__: struct for struct in _structs(types)}
    named: dict[str, dict[str, Any]] = {}
    for name, schema in components.items():
        # The title repeats the name.
        schema.pop("title", None)
        if not schema.get("required"):
            schema.pop("required", None)
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        if name in structs:
            for field in msgspec.structs.fields(structs[name]):
                _complete(field.type, schema["properties"][field.encode_name], named)
    components |= named
    for schema in components.values():
        _add_formats(schema)
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


# --- what msgspec omits -----------------------------------------------------------------------

_Named = dict[str, dict[str, Any]]


def _complete(type_: Any, schema: dict[str, Any], named: _Named) -> None:
    """Add to a schema what msgspec omits, and move named types within it to `named`.

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
        _complete_annotated(arguments[0], arguments[1:], schema, named)
    elif origin in (Union, UnionType):
        _complete_union([member for member in arguments if member is not UnsetType], schema, named)
    elif origin is list and "items" in schema:
        _complete(arguments[0], schema["items"], named)
    elif origin is dict and isinstance(schema.get("additionalProperties"), dict):
        _complete(arguments[1], schema["additionalProperties"], named)


def _complete_annotated(
    type_: Any, metadata: Iterable[Any], schema: dict[str, Any], named: _Named
) -> None:
    """Field metadata overrides type metadata; of descriptions, the field's comes first.

    A type with a title becomes a component. The metadata after the title describes its use.
    """
    metas = [meta for meta in metadata if isinstance(meta, msgspec.Meta)]
    schema.pop("description", None)
    title = next((number for number, meta in enumerate(metas) if meta.title), None)
    if title is None:
        _complete(type_, schema, named)
    else:
        _add_named(type_, metas[: title + 1], named)
        default = {"default": schema["default"]} if "default" in schema else {}
        schema.clear()
        schema.update({"$ref": _REF.format(name=metas[title].title), **default})
        metas = metas[title + 1 :]
    descriptions = [schema.get("description"), *(meta.description for meta in metas)]
    if any(descriptions):
        schema["description"] = ": ".join(filter(None, reversed(descriptions)))
    for meta in metas:
        schema.update(copy.deepcopy(meta.extra_json_schema or {}))
        if meta.examples:
            schema["examples"] = meta.examples


def _add_named(type_: Any, metas: list[msgspec.Meta], named: _Named) -> None:
    """Add the component of a named type."""
    name = str(metas[-1].title)
    if name in named:
        return
    (schema,), _ = msgspec.json.schema_components([Annotated[type_, *metas]], ref_template=_REF)
    schema.pop("title", None)
    named[name] = schema
    _complete(type_, schema, named)
    schema["description"] = metas[-1].description
    for meta in metas:
        schema.update(copy.deepcopy(meta.extra_json_schema or {}))


def _complete_union(types: list[Any], schema: dict[str, Any], named: _Named) -> None:
    if len(types) == 1:
        _complete(types[0], schema, named)
        return
    # msgspec puts null at the end.
    types.sort(key=lambda type_: type_ is type(None))
    flat: list[Any] = []
    for type_ in types:
        (member,), _ = msgspec.json.schema_components([type_], ref_template=_REF)
        _complete(type_, member, named)
        # They say more about the field than about one of its types.
        for keyword in ("description", "examples"):
            if keyword in member:
                schema[keyword] = member.pop(keyword)
        flat += member["anyOf"] if member.keys() == {"anyOf"} else [member]
    schema["anyOf"] = flat


def _add_formats(schema: Any) -> None:
    """Give numbers a format, and mark objects without properties as free-form."""
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind == "integer":
        small = schema.get("maximum", _INT32_MAX + 1) <= _INT32_MAX
        schema.setdefault("format", "int32" if small else "int64")
    elif kind == "number":
        schema.setdefault("format", "double")
    elif kind == "object" and "properties" not in schema:
        # Code generators take an object without this for one that has no properties.
        schema["additionalProperties"] = schema.get("additionalProperties") or True
    for name in ("items", "additionalProperties"):
        _add_formats(schema.get(name))
    for member in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        _add_formats(member)


def _describe_defaults(schema: dict[str, Any], *, is_request: bool) -> None:
    """Move the defaults of a struct's fields to their descriptions.

    Code generators make a property with a default required, also in requests. In responses, a
    default says nothing: the field is present or absent.
    """
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if is_request and default not in (None, "", [], {}):
            text = f"Default: `{default if isinstance(default, str) else json.dumps(default)}`"
            field["description"] = ". ".join(filter(None, (field.get("description"), text)))
