"""Examples of requests, responses and errors, built from the examples of fields."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from domains.kernel.core.problems import Problem, invalid
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
_ERROR_MESSAGES: Final = {
    401: "The API key is not valid: it is unknown, expired or revoked.",
    429: "Rate limit exceeded",
}


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
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
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
    return _DEFAULTS.get(schema.get("format", schema.get("type")))


def _has_example(schema: Mapping[str, Any]) -> bool:
    """True if the field declares examples or contains a struct."""
    if "examples" in schema or "$ref" in schema:
        return True
    nested = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return any(map(_has_example, nested))


def error_example(route: Route, status: int, meaning: str) -> Any:
    """The error body that the surface renders for a typical problem of this status.

    It is the same for all operations with this error body.
    """
    if status == 400:
        types = route.surface.error_types
        only_reads = route.method == "GET" and types["GET"] is not types["*"]
        mistake = ("limit", "must be a whole number") if only_reads else ("name", "is required")
        problem: Problem = invalid(*mistake)
    else:
        problem_type = next(kind for kind in Problem.__subclasses__() if kind.status == status)
        problem = problem_type(_ERROR_MESSAGES.get(status, f"{meaning}."))
    return msgspec.to_builtins(route.surface.error_body(problem, _REQUEST_ID, route.method))
