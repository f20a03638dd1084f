"""Responses of operations in the OpenAPI documents: statuses, headers, bodies and links."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from domains.kernel.pagination.offset import COUNT_CAP, OffsetQuery
from gateway.openapi.components import Components
from gateway.openapi.examples import error_example, response_example
from gateway.openapi.parameters import parameters_of
from gateway.openapi.routes import Route, routes_of
from gateway.openapi.schemas import Schemas

_SUCCESS: Final = {200: "Success", 201: "Created"}
# Name and meaning of each error status.
_ERRORS: Final = {
    400: ("BadRequest", "The request is invalid: malformed JSON, a missing field or a wrong value"),
    401: ("Unauthorized", "The API key is missing, unknown, expired or revoked"),
    403: ("Forbidden", "The key lacks the scope"),
    404: ("NotFound", "There is no such record in this workspace"),
    409: ("Conflict", "The request conflicts with another one"),
    411: ("LengthRequired", "Content-Length is missing"),
    412: ("PreconditionFailed", "The record has changed since it was read"),
    413: ("TooLarge", "The body is too large"),
    429: ("RateLimited", "A rate limit of the key is exceeded"),
    500: ("InternalError", "An internal error occurred"),
    503: ("Unavailable", "A dependency is unavailable. Try again"),
}
_FORBIDDEN: Final = "The key lacks the scope, or the source or object type is of another workspace"

_STRING: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "format": "int64", "minimum": 0}
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
    "Link": (
        "The pages around this one: first, prev, next and last, as far as known; absent for a very "
        "long query",
        _STRING,
        False,
    ),
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


def responses_of(route: Route, schemas: Schemas, components: Components) -> dict[str, Any]:
    """Responses by status: the success first, then the errors in order."""
    operation = route.operation
    schema = schemas.of(route.response_type)
    headers = ["X-Request-Id", *(_RATE_LIMIT if route.is_counted else ())]
    if route.needs_key and route.method == "POST":
        headers.append("Idempotent-Replayed")
    if operation.query is not None and issubclass(operation.query, OffsetQuery):
        headers += _PAGINATION
    is_conditional = operation.version_of is not None
    if is_conditional and route.method != "DELETE":
        headers.append("ETag")
    status = route.handler.status_code or 200
    body = {"schema": schema, "example": response_example(route, schemas)}
    success = _response(_SUCCESS[status], headers, {"application/json": body}, components)
    if status == 201 and (links := _links(route)):
        success["links"] = links
    responses = {str(status): success}
    if operation.updates:
        responses["200"] = {**success, "description": "Updated", "x-addition": True}
    if is_conditional and route.method == "GET":
        meaning = "The record is still the one that the caller has"
        not_modified = _response(meaning, headers, {}, components)
        responses["304"] = components.share("responses", "NotModified", not_modified)
    return responses | {
        str(status): _error_response(route, status, schemas, components)
        for status in sorted(_error_statuses(route))
    }


def _error_response(
    route: Route, status: int, schemas: Schemas, components: Components
) -> dict[str, Any]:
    """The response to a refused request. Operations share the one of their error body."""
    name, meaning = _ERRORS[status]
    if route.sets_status and status in route.operation.errors:
        content = {"application/json": {"schema": schemas.of(route.response_type)}}
        return _response(meaning, ["X-Request-Id"], content, components)
    # A refusal of the record, not of the key: the request was admitted.
    refuses_record = status == 403 and status in route.operation.errors
    if refuses_record:
        meaning = _FORBIDDEN
    headers = ["X-Request-Id", *_ERROR_HEADERS.get(status, ())]
    # Requests that admission refuses are not counted, all others are.
    if status == 429 or (route.is_counted and (status not in (401, 403) or refuses_record)):
        headers += _RATE_LIMIT
    error_types = route.surface.error_types
    error_type = error_types.get(route.method, error_types["*"])
    body = {"schema": schemas.of(error_type), "example": error_example(route, status, meaning)}
    response = _response(meaning, headers, {route.surface.media_type: body}, components)
    if not route.is_counted:
        return response
    kind = error_type.__name__.removesuffix("Details").removesuffix("Error")
    return components.share("responses", f"{kind}{name}", response)


def _response(
    description: str, headers: Iterable[str], content: Mapping[str, Any], components: Components
) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: components.share("headers", name, _header(name)) for name in headers},
        "content": content,
    }


def _header(name: str) -> dict[str, Any]:
    description, schema, always = _HEADERS[name]
    return {"description": description, "required": always, "schema": schema}


def _error_statuses(route: Route) -> set[int]:
    operation = route.operation
    # A request with two Host headers, for example, is 400 everywhere.
    statuses = {400, *operation.errors}
    if not route.needs_key:
        return statuses
    statuses |= {401, 429, 500, 503}
    if operation.access != "any key":
        statuses.add(403)
    if operation.version_of is not None and route.method in ("PATCH", "DELETE"):
        statuses.add(412)
    if route.method in ("POST", "PATCH"):
        statuses.add(413)
        if route.surface.needs_length:
            statuses.add(411)
    return statuses


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
            if parameter.get("required")
        }
        if parameters:
            links[route.operation.id] = {
                "operationId": route.operation.id,
                "parameters": parameters,
            }
    return links


def _source_field(parameter: Mapping[str, Any], creation: Route) -> str:
    """The field of the created record that fills the parameter of a link."""
    fields = [field.encode_name for field in msgspec.structs.fields(creation.response_type)]
    name: str = parameter["name"]
    if parameter["in"] == "query":
        return name if name in fields else "id"
    return next(field for field in creation.surface.id_fields if field in fields)
