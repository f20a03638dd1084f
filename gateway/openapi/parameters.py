"""Parameters of operations in the OpenAPI documents."""

import re
from typing import Any, Final

import msgspec

from gateway.openapi.routes import Route
from gateway.openapi.schemas import component_schemas, without_examples

_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "Makes it safe to repeat the request: for 24 hours, the same key and body get the first "
        "response and have no second effect."
    ),
    # Printable ASCII. HTTP strips spaces at both ends.
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}


_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of the record that you have. 304 without a body if it is still current.",
    "schema": {"type": "string"},
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "ETag of the record that you read. 412 if it has changed since. `*`: any state.",
    "schema": {"type": "string"},
}


def parameters_of(route: Route) -> list[dict[str, Any]]:
    """Parameters in path, query and headers."""
    parameters = _path_parameters(route) + _query_parameters(route)
    if route.operation.version_of is not None and route.method != "POST":
        parameters.append(_IF_NONE_MATCH if route.method == "GET" else _IF_MATCH)
    if route.needs_key and route.method == "POST":
        parameters.append(_IDEMPOTENCY_KEY)
    return parameters


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    """The id in the path. Without a declared description it is named after its collection."""
    match = re.search(r"([\w-]+)/\{(\w+)\}", route.path)
    if match is None:
        return []
    collection, name = match.groups()
    record = f"{collection[:-3]}y" if collection.endswith("ies") else collection.removesuffix("s")
    (schema,), _ = msgspec.json.schema_components([route.operation.path_id])
    description = schema.pop("description", f"The uuid of the {record.replace('-', ' ')}.")
    path_id = {"name": name, "in": "path", "required": True}
    return [{**path_id, "description": description, "schema": schema}]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    query = route.operation.query
    if query is None:
        return []
    struct = without_examples(component_schemas([query])[query.__name__])
    documented = route.surface.vendor_parameters
    parameters = []
    for name, schema in struct["properties"].items():
        parameter = {
            "name": name,
            "in": "query",
            "required": name in struct.get("required", ()),
            "description": schema.pop("description", ""),
            "schema": schema,
        }
        is_undocumented = documented is not None and name not in documented
        if is_undocumented or name in route.surface.added_parameters:
            parameter["x-addition"] = True
        parameters.append(parameter)
    return parameters
