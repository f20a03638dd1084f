"""Examples of requests, responses and errors, built from the examples of fields."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from domains.kernel.core.problems import Invalid, Problem, invalid
from gateway.openapi.parameters import parameters_of
from gateway.openapi.routes import Route
from gateway.openapi.schemas import Schemas

# Values of fields that declare no example, by format or type.
_DEFAULTS: Final[Mapping[str | None, Any]] = {
    "uuid": "0199c2f0-1c22-7b64-b0f5-9e8d7c6b5a40",
    "date-time": "2026-03-16T13:00:00Z",
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "object": {},
}
_REQUEST_ID: Final = "0199c2f4-7b1e-7c0d-9f55-3a1e6c2b8d10"


def request_example(request_type: Any, schemas: Schemas) -> Any:
    """Build a body with the fields that are required or have examples."""
    return _example(schemas.of(request_type), schemas)


def response_example(route: Route, schemas: Schemas) -> Any:
    """Build the example of a success response from the examples of its struct's fields.

    Fields with the same name in the request example override it. The operation's example
    overrides both.
    """
    example = _example(schemas.of(route.response_type), schemas)
    changes = route.operation.example
    if isinstance(example, list):
        return [_merged(item, changes) for item in example]
    for request_type in route.request_types[:1]:
        sent = request_example(request_type, schemas)
        example |= {name: value for name, value in sent.items() if name in example}
    return _merged(example, changes)


def _merged(example: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**example, **changes}
    return {name: value for name, value in merged.items() if value is not msgspec.UNSET}


def _example(schema: Mapping[str, Any], schemas: Schemas) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
    schema = schemas.resolve(schema)
    if "properties" in schema:
        return {
            name: _example(field, schemas)
            for name, field in schema["properties"].items()
            if name in schema.get("required", ()) or _has_example(field)
        }
    if schema.get("type") == "array":
        return [_example(schema["items"], schemas)]
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    return _DEFAULTS.get(schema.get("format", schema.get("type")))


def _has_example(schema: Mapping[str, Any]) -> bool:
    """True if the field declares examples or contains a struct."""
    if "examples" in schema or "$ref" in schema:
        return True
    nested = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return any(map(_has_example, nested))


# --- errors -----------------------------------------------------------------------------------


def error_example(route: Route, status: int, meaning: str, schemas: Schemas) -> Any:
    """The error body that the surface renders for a typical problem of this status."""
    if status == 400:
        problem = _typical_invalid(route, schemas)
    else:
        problem_type = next(kind for kind in Problem.__subclasses__() if kind.status == status)
        messages = {
            401: "The API key is not valid: it is unknown, expired or revoked.",
            403: f"API key missing required scope: {route.operation.access}",
            429: "Rate limit exceeded",
        }
        problem = problem_type(messages.get(status, f"{meaning}."))
    return msgspec.to_builtins(route.surface.error_body(problem, _REQUEST_ID, route.method))


def _typical_invalid(route: Route, schemas: Schemas) -> Problem:
    """Build the problem of a typical mistake in the query, else in the body or the path."""
    parameters = parameters_of(route)
    if in_query := [parameter for parameter in parameters if parameter["in"] == "query"]:
        return _invalid_parameter(in_query)
    if route.request_types:
        return _invalid_field(schemas.resolve(schemas.of(route.request_types[0])))
    if route.surface.refuses_malformed_ids:
        for parameter in parameters:
            if parameter["schema"].get("format") == "uuid":
                return invalid(parameter["name"], "must be a UUID")
    return Invalid("The request could not be read.")


def _invalid_parameter(parameters: list[dict[str, Any]]) -> Problem:
    """Report a required parameter as missing, else `limit` or the first one as invalid."""
    for parameter in parameters:
        if parameter["required"]:
            return invalid(parameter["name"], "is required")
        if parameter["name"] == "limit":
            return invalid("limit", "must be a whole number")
    name, schema = parameters[0]["name"], parameters[0]["schema"]
    if schema.get("format") == "uuid":
        return invalid(name, "is not a valid UUID")
    return invalid(name, f"must be a string of at most {schema['maxLength']} characters")


def _invalid_field(body: Mapping[str, Any]) -> Problem:
    """Report a required field as missing, else an enumeration or the first field as invalid."""
    for name in body.get("required", ()):
        return invalid(name, "is required")
    for name, field in body["properties"].items():
        if "enum" in field:
            return invalid(name, f"must be one of {', '.join(map(str, field['enum']))}")
    return invalid(next(iter(body["properties"])), "is not valid")
