"""Responses of operations in the OpenAPI documents: statuses, headers, bodies and links."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from domains.kernel.pagination.offset import COUNT_CAP, OffsetQuery
from gateway.openapi.examples import error_example, response_example
from gateway.openapi.parameters import parameters_of
from gateway.openapi.routes import Route, routes_of
from gateway.openapi.schemas import Schemas

_MEANINGS: Final = {
    200: "Success",
    201: "Created",
    304: "The record is still the one that the caller has",
    400: "The request is invalid: malformed JSON, a missing field or a wrong value",
    401: "The API key is missing, unknown, expired or revoked",
    403: "The key lacks the scope",
    404: "There is no such record in this workspace",
    409: "The request conflicts with another one",
    411: "Content-Length is missing",
    412: "The record has changed since it was read",
    413: "The body is too large",
    429: "A rate limit of the key is exceeded",
    500: "An internal error occurred",
    503: "A dependency is unavailable. Try again",
}
_FORBIDDEN: Final = "The key lacks the scope, or the source or object type is of another workspace"

_STRING: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_FLAG: Final = {"type": "boolean"}
# Description, schema, and whether each response that documents the header has it.
_HEADERS: Final = {
    "X-Request-Id": ("Identifies this request in the logs; your own id is kept", _STRING, True),
    "X-RateLimit-Limit": (
        "Requests allowed in the window nearest to its limit; absent for a key without limits",
        _COUNT,
        False,
    ),
    "X-RateLimit-Remaining": ("Requests left in that window", _COUNT, False),
    "X-RateLimit-Reset": ("Unix time when that window next admits a request", _COUNT, False),
    "Retry-After": ("Seconds to wait before the next attempt", _COUNT, True),
    "WWW-Authenticate": ("Always `Bearer`", _STRING, True),
    "Idempotent-Replayed": ("`true`: the stored response of an earlier request", _FLAG, False),
    "X-Total-Count": (
        f"Number of records in the whole list. Counting stops at {COUNT_CAP:,}: then this is "
        f"{COUNT_CAP} and `X-Total-Count-Capped` is `true`",
        _COUNT,
        True,
    ),
    "Link": ("The pages around this one: first, prev, next and last, as known", _STRING, True),
    "ETag": ("Identifies this state of the record; absent in a stored response", _STRING, False),
    "X-Limit": ("The limit in force", _COUNT, True),
    "X-Offset": ("The offset in force", _COUNT, True),
    "X-Total-Count-Capped": (
        "`true` if there are more records than `X-Total-Count`; otherwise absent",
        _FLAG,
        False,
    ),
}
_RATE_LIMIT: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_PAGINATION: Final = ("X-Total-Count", "X-Limit", "X-Offset", "X-Total-Count-Capped", "Link")
_ERROR_HEADERS: Final[Mapping[int, Sequence[str]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def header_components() -> dict[str, Any]:
    return {
        name: {"description": description, "required": always, "schema": schema}
        for name, (description, schema, always) in _HEADERS.items()
    }


def responses_of(route: Route, schemas: Schemas) -> dict[str, Any]:
    """Responses by status: the success first, then the errors in order."""
    operation = route.operation
    counted = route.needs_key and operation.counted
    schema = schemas.of(route.response_type)
    headers = ["X-Request-Id", *(_RATE_LIMIT if counted else ())]
    if route.needs_key and route.method == "POST":
        headers.append("Idempotent-Replayed")
    if operation.query is not None and issubclass(operation.query, OffsetQuery):
        headers += _PAGINATION
    is_conditional = operation.version_of is not None
    if is_conditional and route.method != "DELETE":
        headers.append("ETag")
    status = route.handler.status_code or 200
    body = {"schema": schema, "example": response_example(route, schemas)}
    success = _response(_MEANINGS[status], headers, {"application/json": body})
    if status == 201 and (links := _links(route)):
        success["links"] = links
    responses = {str(status): success}
    if is_conditional and route.method == "GET":
        responses["304"] = _response(_MEANINGS[304], headers, {})
    for status in sorted(_error_statuses(route)):
        # Requests that admission refuses are not counted, all others are.
        admitted = status not in (401, 403) or status in operation.errors
        headers = ["X-Request-Id"]
        if not route.sets_status:
            headers += _ERROR_HEADERS.get(status, ())
        if status == 429 or (counted and admitted):
            headers += _RATE_LIMIT
        meaning = _FORBIDDEN if status == 403 and admitted else _MEANINGS[status]
        if route.sets_status:
            content = {"application/json": {"schema": schema}}
        else:
            content = _error_content(route, status, schemas)
        responses[str(status)] = _response(meaning, headers, content)
    return responses


def _response(
    description: str, headers: Iterable[str], content: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": content,
    }


def _error_statuses(route: Route) -> set[int]:
    operation = route.operation
    statuses = set(operation.errors)
    if not route.needs_key:
        return statuses
    statuses |= {401, 429, 500, 503}
    if operation.access != "any key":
        statuses |= {400, 403}
    if operation.version_of is not None and route.method in ("PATCH", "DELETE"):
        statuses.add(412)
    if route.method in ("POST", "PATCH"):
        statuses.add(413)
        if route.surface.needs_length:
            statuses.add(411)
    return statuses


def _error_content(route: Route, status: int, schemas: Schemas) -> dict[str, Any]:
    error_types = route.surface.error_types
    return {
        route.surface.media_type: {
            "schema": schemas.of(error_types.get(route.method, error_types["*"])),
            "example": error_example(route, status, _MEANINGS[status], schemas),
        }
    }


def _links(creation: Route) -> dict[str, Any]:
    """Operations on the created record: those below its path, and changes by query."""
    links = {}
    for route in routes_of(creation.surface):
        changes = route.path == creation.path and route.method != "POST"
        if not changes and not route.path.startswith(f"{creation.path}/{{"):
            continue
        parameters = {
            parameter["name"]: f"$response.body#/{_source_field(parameter, creation)}"
            for parameter in parameters_of(route)
            if parameter["required"]
        }
        if parameters:
            links[route.operation.id] = {
                "operationId": route.operation.id,
                "parameters": parameters,
                "description": f"{route.operation.summary}: the created record",
            }
    return links


def _source_field(parameter: Mapping[str, Any], creation: Route) -> str:
    """The field of the created record that fills the parameter of a link."""
    fields = [field.encode_name for field in msgspec.structs.fields(creation.response_type)]
    name: str = parameter["name"]
    if parameter["in"] == "query":
        return name if name in fields else "id"
    return next(field for field in creation.surface.id_fields if field in fields)
