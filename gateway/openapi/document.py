"""OpenAPI 3.1 documents, generated from the declarations of handlers and their structs."""

import inspect
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from domains.kernel.pagination.cursor import CursorQuery
from domains.kernel.pagination.offset import OffsetQuery
from gateway.openapi.components import Components
from gateway.openapi.examples import request_example
from gateway.openapi.parameters import Parameters
from gateway.openapi.responses import responses_of
from gateway.openapi.routes import Route, routes_of
from gateway.openapi.schemas import Schemas
from gateway.operations import Surface


def build_document(surfaces: Sequence[Surface], base_url: str) -> dict[str, Any]:
    """The OpenAPI document of the surfaces together, ready to be encoded.

    `base_url`: URL at which clients reach the API.
    """
    routes = [route for surface in surfaces for route in routes_of(surface)]
    schemas = Schemas(
        [
            *(error for surface in surfaces for error in surface.error_types.values()),
            *(route.response_type for route in routes),
        ],
        [request for route in routes for request in route.request_types],
        [query for route in routes if (query := route.operation.query) is not None],
    )
    components = Components()
    parameters = Parameters(routes, components)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        described = _describe(route, schemas, parameters, components)
        paths.setdefault(route.path, {})[route.method.lower()] = described
    title, description = _title(surfaces)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version("evidence-gateway"),
            "description": description,
            "contact": {"name": "The operator of this gateway", "url": base_url},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "externalDocs": {"description": "API reference", "url": f"{base_url}/reference"},
        "servers": [{"url": base_url, "description": "This gateway"}],
        "tags": _tags(surfaces, routes),
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            **components.published(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": (
                        "An API key: `Authorization: Bearer sk_live_...`. An operation lists the "
                        "scopes that the key needs."
                    ),
                }
            },
        },
    }


def _tags(surfaces: Sequence[Surface], routes: Sequence[Route]) -> list[dict[str, str]]:
    """The tags of the routes in order. Surfaces may describe parts of one tag."""
    names = dict.fromkeys(route.surface.tag_of(route.path) for route in routes)
    return [
        {
            "name": name,
            "description": " ".join(
                surface.tags[name] for surface in surfaces if name in surface.tags
            ),
        }
        for name in names
    ]


def _title(surfaces: Sequence[Surface]) -> tuple[str, str]:
    """Title and description of the document."""
    if len(surfaces) == 1:
        return surfaces[0].title, surfaces[0].description
    summaries = " ".join(f"{surface.title}: {surface.description}" for surface in surfaces[:-1])
    return "Evidence gateway", f"One place for customer evidence. {summaries}"


def _describe(
    route: Route, schemas: Schemas, parameters: Parameters, components: Components
) -> dict[str, Any]:
    """The operation object."""
    operation = route.operation
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": _description(route),
        "tags": [route.surface.tag_of(route.path)],
        "security": [{"bearer": route.required_scopes}] if route.needs_key else [],
        "parameters": parameters.of(route),
        "responses": responses_of(route, schemas, components),
        **_pagination_hints(route),
    }
    if operation.addition:
        described["x-addition"] = True
    if route.request_types:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": _request_content(route, schemas)},
        }
    return described


def _description(route: Route) -> str:
    sentences = [inspect.getdoc(route.handler.fn) or ""]
    sentences += [f"Needs the scope `{scope}`." for scope in route.required_scopes]
    if not route.needs_key:
        sentences.append("Needs no key.")
    elif not route.required_scopes:
        sentences.append("Needs a key with any scopes.")
    if route.operation.addition:
        sentences.append("An addition: not part of the vendor's API.")
    return " ".join(filter(None, sentences))


def _pagination_hints(route: Route) -> dict[str, Any]:
    """Extensions by which Speakeasy and Fern generate clients that iterate over pages."""
    query = route.operation.query
    if query is None:
        return {}
    if issubclass(query, OffsetQuery):
        inputs = [{"name": name, "in": "parameters", "type": name} for name in ("offset", "limit")]
        outputs = {"results": "$"}
        return {
            "x-speakeasy-pagination": {"type": "offsetLimit", "inputs": inputs, "outputs": outputs}
        }
    if not issubclass(query, CursorQuery):
        return {}
    items, pagination = msgspec.structs.fields(route.response_type)
    cursor = f"{pagination.encode_name}.nextCursor"
    return {
        "x-speakeasy-pagination": {
            "type": "cursor",
            "inputs": [{"name": "cursor", "in": "parameters", "type": "cursor"}],
            "outputs": {"results": f"$.{items.encode_name}", "nextCursor": f"$.{cursor}"},
        },
        "x-fern-pagination": {
            "cursor": "$request.cursor",
            "next_cursor": f"$response.{cursor}",
            "results": f"$response.{items.encode_name}",
        },
    }


def _request_content(route: Route, schemas: Schemas) -> dict[str, Any]:
    examples = {}
    for request_type in route.request_types:
        description = str(schemas.components[request_type.__name__].get("description", ""))
        examples[request_type.__name__] = {
            "summary": description.partition("\n")[0],
            "value": request_example(request_type, schemas),
        }
    return {"schema": schemas.of(*route.request_types), "examples": examples}
