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
from gateway.surface import Surface, operation


def handlers(surfaces: Sequence[Surface]) -> list[HTTPRouteHandler]:
    """Handlers of the OpenAPI documents, all surfaces and each alone, and of the reference page.

    They are made when they are first asked for, in a thread: they take longer than a start should.
    """

    @functools.cache
    def everything() -> dict[str, Any]:
        return build_document(surfaces)

    def handler(path: str, make: Callable[[], dict[str, Any]]) -> HTTPRouteHandler:
        made = functools.cache(lambda: msgspec.json.encode(make()))

        @get(path, opt=operation("openapi", "public", "OpenAPI document"))
        async def serve() -> Response[bytes]:
            return Response(await asyncio.to_thread(made), media_type=MediaType.JSON)

        return serve

    page = functools.cache(lambda: reference.render(everything()))

    @get(["/", "/reference"], opt=operation("reference", "public", "The API reference"))
    async def serve_reference() -> Response[bytes]:
        return Response(
            await asyncio.to_thread(page),
            media_type=MediaType.HTML,
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "X-Content-Type-Options": "nosniff",
            },
        )

    alone = [
        handler(f"{surface.prefixes[0]}/openapi.json", functools.partial(build_document, [surface]))
        for surface in surfaces
        if surface.prefixes[0] != "/"
    ]
    return [handler("/openapi.json", everything), *alone, serve_reference]
