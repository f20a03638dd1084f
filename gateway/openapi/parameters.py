"""Parameters of operations in the OpenAPI documents."""

import collections
import inspect
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from gateway.openapi.components import Components
from gateway.openapi.routes import Route
from gateway.openapi.schemas import component_schemas

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


class _Parameter(NamedTuple):
    """A parameter and the name of its component, which is shown if operations share it."""

    component: str
    described: dict[str, Any]


class Parameters:
    """Parameters of all operations of a document.

    Those that several operations of one surface have are components.
    """

    def __init__(self, routes: Iterable[Route], components: Components) -> None:
        self._components = components
        self._by_route = {_key(route): _parameters(route) for route in routes}
        self._uses = collections.Counter(
            (surface, parameter.component)
            for (surface, *_), parameters in self._by_route.items()
            for parameter in parameters
        )

    def of(self, route: Route) -> list[dict[str, Any]]:
        """Parameters in path, query and headers, or references to them."""
        return [
            self._components.share("parameters", *parameter)
            if self._uses[route.surface.title, parameter.component] > 1
            else parameter.described
            for parameter in self._by_route[_key(route)]
        ]


def parameters_of(route: Route) -> list[dict[str, Any]]:
    """Parameters in path, query and headers."""
    return [parameter.described for parameter in _parameters(route)]


def _key(route: Route) -> tuple[str, str, str]:
    return route.surface.title, route.method, route.path


def _parameters(route: Route) -> list[_Parameter]:
    parameters = _path_parameters(route) + _query_parameters(route)
    if route.needs_key and route.method == "POST":
        parameters.append(_Parameter("IdempotencyKey", _IDEMPOTENCY_KEY))
    return parameters


def _path_parameters(route: Route) -> list[_Parameter]:
    """The id in the path. Without a declared description it is named after its collection."""
    match = re.search(r"([\w-]+)/\{(\w+)\}", route.path)
    if match is None:
        return []
    collection, name = match.groups()
    record = f"{collection[:-3]}y" if collection.endswith("ies") else collection.removesuffix("s")
    (schema,), _ = msgspec.json.schema_components([route.operation.path_id])
    description = schema.pop("description", f"The uuid of the {record.replace('-', ' ')}.")
    path_id = {"name": name, "in": "path", "required": True}
    return [
        _Parameter(
            f"{record.capitalize()}Reference" if name == "id" else name[0].upper() + name[1:],
            {**path_id, "description": description, "schema": schema},
        )
    ]


def _query_parameters(route: Route) -> list[_Parameter]:
    query = route.operation.query
    if query is None:
        return []
    struct = component_schemas([query])[query.__name__]
    documented = route.surface.vendor_parameters
    parameters = []
    for name, schema in struct["properties"].items():
        described = {
            "name": name,
            "in": "query",
            "required": name in struct.get("required", ()),
            "description": schema.pop("description", ""),
            "schema": schema,
        }
        is_undocumented = documented is not None and name not in documented
        if is_undocumented or name in route.surface.added_parameters:
            described["x-addition"] = True
        owner = _declaring_struct(query, name).__name__
        parameters.append(_Parameter(owner + name[0].upper() + name[1:], described))
    return parameters


def _declaring_struct(query: type[msgspec.Struct], encode_name: str) -> type:
    """The struct, `query` or a base of it, that declares the field."""
    name = next(
        field.name for field in msgspec.structs.fields(query) if field.encode_name == encode_name
    )
    return next(base for base in query.__mro__ if name in inspect.get_annotations(base))
