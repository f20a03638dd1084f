"""Handlers of the OpenAPI documents and of the API reference."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from gateway.openapi import reference
from gateway.openapi.document import build_document
from gateway.operations import Surface, operation


def openapi_handlers(surfaces: Sequence[Surface], base_url: str) -> list[HTTPRouteHandler]:
    """Return handlers of the combined document, each surface's document and the reference page.

    Documents are built on the first request, in a thread: building would delay the start.
    """

    @functools.cache
    def whole_document() -> dict[str, Any]:
        return build_document(surfaces, base_url)

    @functools.cache
    def page() -> bytes:
        return reference.render(whole_document())

    @get(["/", "/reference"], opt=operation("reference", "public", "API reference"))
    async def serve_reference() -> Response[bytes]:
        return Response(
            await asyncio.to_thread(page),
            media_type=MediaType.HTML,
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "X-Content-Type-Options": "nosniff",
            },
        )

    documents = [
        _document_handler(
            f"{surface.prefixes[0]}/openapi.json",
            functools.partial(build_document, [surface], base_url),
        )
        for surface in surfaces
        if surface.prefixes[0] != "/"
    ]
    return [_document_handler("/openapi.json", whole_document), *documents, serve_reference]


def _document_handler(path: str, build: Callable[[], dict[str, Any]]) -> HTTPRouteHandler:
    encoded = functools.cache(lambda: msgspec.json.encode(build()))

    @get(path, opt=operation("openapi", "public", "OpenAPI document"))
    async def serve() -> Response[bytes]:
        return Response(await asyncio.to_thread(encoded), media_type=MediaType.JSON)

    return serve
