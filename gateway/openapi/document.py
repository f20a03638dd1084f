"""OpenAPI 3.1 documents, generated from the declarations of handlers and their structs."""

import inspect
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from gateway.openapi.examples import request_example
from gateway.openapi.parameters import parameters_of
from gateway.openapi.responses import header_components, responses_of
from gateway.openapi.routes import Route, routes_of
from gateway.openapi.schemas import Schemas
from gateway.openapi.topics import with_topics
from gateway.operations import Surface


def build_document(surfaces: Sequence[Surface]) -> dict[str, Any]:
    """The OpenAPI document of the surfaces together, ready to be encoded."""
    routes = [route for surface in surfaces for route in routes_of(surface)]
    schemas = Schemas(
        [
            *(error for surface in surfaces for error in surface.error_types.values()),
            *(route.response_type for route in routes),
            *(request for route in routes for request in route.request_types),
        ]
    )
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    for route in routes:
        described = _describe(route, schemas)
        paths.setdefault(route.path, {})[route.method.lower()] = described
        tags[described["tags"][0]] = None
    title, description = _title(surfaces)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version("evidence-gateway"),
            "description": with_topics(description, surfaces),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": schemas.published(),
            "headers": header_components(),
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `Authorization: Bearer sk_live_...`",
                }
            },
        },
    }


def _title(surfaces: Sequence[Surface]) -> tuple[str, str]:
    """Title and description of the document."""
    if len(surfaces) == 1:
        return surfaces[0].title, surfaces[0].description
    summaries = " ".join(f"{surface.title}: {surface.description}" for surface in surfaces[:-1])
    return "Evidence gateway", f"One place for customer evidence. {summaries}"


def _describe(route: Route, schemas: Schemas) -> dict[str, Any]:
    """The operation object."""
    operation = route.operation
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": _description(route),
        "tags": [route.surface.tag_of(route.path)],
        "parameters": parameters_of(route),
        "responses": responses_of(route, schemas),
    }
    if route.needs_key:
        described["security"] = [{"apiKey": []}]
        described["x-required-scopes"] = route.required_scopes
    if operation.addition:
        described["x-addition"] = True
    if operation.deprecation:
        described["deprecated"] = True
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
    if deprecation := route.operation.deprecation:
        sentences.append(
            f"Deprecated since {deprecation.since}; may be removed from {deprecation.sunset} on."
        )
    return " ".join(filter(None, sentences))


def _request_content(route: Route, schemas: Schemas) -> dict[str, Any]:
    examples = {}
    for request_type in route.request_types:
        description = str(schemas.components[request_type.__name__].get("description", ""))
        examples[request_type.__name__] = {
            "summary": description.partition("\n")[0],
            "value": request_example(request_type, schemas),
        }
    return {"schema": schemas.of(*route.request_types), "examples": examples}
