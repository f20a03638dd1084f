"""OpenAPI 3.1, made from what handlers declare and the structs that really decode and encode."""

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from gateway.surface import Operation, Surface

_REF: Final = "#/components/schemas/{name}"
_REASONS: Final = {
    400: "The request is wrong",
    401: "No valid API key",
    403: "The key lacks the scope",
    404: "There is no such record in this workspace",
    409: "The request conflicts with another",
    411: "Content-Length is missing",
    413: "The body is too large",
    429: "A rate limit is exceeded",
    500: "Something went wrong on our side",
    503: "A part that the request needs is away",
}
_PAGE_HEADERS: Final = {
    "X-Total-Count": "Records of the whole list, digits only",
    "X-Limit": "The limit that was in force",
    "X-Offset": "The offset that was in force",
    "X-Total-Count-Capped": "`true` where counting stopped before the end",
}


def document(surfaces: Sequence[Surface]) -> dict[str, Any]:
    """The OpenAPI document of some surfaces together, ready to be encoded."""
    schemas = _Schemas(surfaces)
    paths: dict[str, dict[str, Any]] = {}
    for surface in surfaces:
        for path, method, handler in _routes(surface):
            described = _operation(surface, path, method, handler, schemas)
            paths.setdefault(path, {})[method.lower()] = described
    single = surfaces[0] if len(surfaces) == 1 else None
    return {
        "openapi": "3.1.0",
        "info": {
            "title": single.title if single else "Evidence gateway",
            "version": version("evidence-gateway"),
            "description": single.description
            if single
            else "One place for customer evidence: "
            + " ".join(f"{surface.title}: {surface.description}" for surface in surfaces[:-1]),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `Authorization: Bearer sk_live_...`",
                }
            },
        },
    }


def _routes(surface: Surface) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Path, method and handler of each operation, under the documented prefix."""
    prefix = surface.prefixes[0].rstrip("/")
    for handler in surface.handlers:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", min(handler.paths, key=len))
        for method in sorted(handler.http_methods):
            yield prefix + path, str(method), handler


def _operation(
    surface: Surface, path: str, method: str, handler: HTTPRouteHandler, schemas: "_Schemas"
) -> dict[str, Any]:
    declared: Operation = handler.opt["operation"]
    described: dict[str, Any] = {
        "operationId": declared.id,
        "summary": declared.summary,
        "tags": [surface.tag_of(path)],
        "parameters": [*_path_parameters(path), *_query_parameters(declared)],
        "responses": _responses(surface, method, handler, schemas),
    }
    if declared.access != "public":
        scopes = [] if declared.access == "any key" else [declared.access]
        described["security"] = [{"apiKey": []}]
        described["x-required-scopes"] = scopes
        described["description"] = (
            f"Needs the scope `{scopes[0]}`." if scopes else "Any valid key will do."
        )
    if declared.addition:
        described["x-addition"] = True
        described["description"] = (
            f"{described.get('description', '')} An addition: not part of the vendor's API.".strip()
        )
    if declared.request is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas.of(declared.request)}},
        }
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(declared: Operation) -> list[dict[str, Any]]:
    if declared.query is None:
        return []
    (_, components) = msgspec.json.schema_components([declared.query], ref_template=_REF)
    properties = components[declared.query.__name__]["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.pop("description", ""),
            "schema": schema,
        }
        for name, schema in properties.items()
    ]


def _responses(
    surface: Surface, method: str, handler: HTTPRouteHandler, schemas: "_Schemas"
) -> dict[str, Any]:
    declared: Operation = handler.opt["operation"]
    answer = _answer_type(handler)
    success: dict[str, Any] = {
        "description": "Success",
        "content": {"application/json": {"schema": schemas.of(answer)}},
    }
    if declared.query is not None:
        success["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}}
            for name, meaning in _PAGE_HEADERS.items()
        }
    responses = {str(handler.status_code or 200): success}
    error = surface.error_types.get(method, surface.error_types["*"])
    for status in sorted(_statuses(surface, method, declared)):
        responses[str(status)] = {
            "description": _REASONS[status],
            "content": {surface.media_type: {"schema": schemas.of(error)}},
        }
    return responses


def _statuses(surface: Surface, method: str, declared: Operation) -> Iterable[int]:
    yield from declared.errors
    if declared.access == "public":
        return
    yield from (401, 429, 500, 503)
    if declared.access != "any key":
        yield from (400, 403)
    if method in ("POST", "PATCH"):
        yield 413
        if surface.needs_length:
            yield 411


def _answer_type(handler: HTTPRouteHandler) -> Any:
    answer = get_type_hints(handler.fn)["return"]
    return get_args(answer)[0] if get_origin(answer) is Response else answer


class _Schemas:
    """The component schemas of everything that the surfaces take and answer."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        types: list[Any] = []
        for surface in surfaces:
            types += surface.error_types.values()
            for _, _, handler in _routes(surface):
                declared: Operation = handler.opt["operation"]
                types.append(_answer_type(handler))
                types += _alternatives(declared.request)
        (_, components) = msgspec.json.schema_components(types, ref_template=_REF)
        self.components = {name: _plain(schema) for name, schema in sorted(components.items())}

    def of(self, wanted: Any) -> dict[str, Any]:
        """The schema of a type, by reference where it is a struct."""
        alternatives = list(_alternatives(wanted))
        (made, _) = msgspec.json.schema_components(alternatives, ref_template=_REF)
        schemas = [_plain(schema) for schema in made]
        return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}


def _alternatives(wanted: Any) -> Iterator[Any]:
    """The members of a union of structs, which msgspec itself could not tell apart."""
    if isinstance(wanted, UnionType):
        yield from get_args(wanted)
    elif wanted is not None:
        yield wanted


def _plain(schema: Any) -> Any:
    """Titles that only repeat a name are left out."""
    if isinstance(schema, dict):
        return {
            key: _plain(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    return schema
