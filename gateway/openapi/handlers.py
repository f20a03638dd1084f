"""Handlers of the OpenAPI documents."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from gateway.openapi.document import build_document
from gateway.operations import Surface, operation


def openapi_handlers(surfaces: Sequence[Surface]) -> list[HTTPRouteHandler]:
    """Return handlers of the combined document and of each surface's document.

    Documents are built on the first request, in a thread: building would delay the start.
    """
    parts = {"": surfaces, **{surface.documents_path: [surface] for surface in surfaces}}
    return [
        _document_handler(f"{path}/openapi.json", functools.partial(build_document, part))
        for path, part in parts.items()
    ]


def _document_handler(path: str, build: Callable[[], dict[str, Any]]) -> HTTPRouteHandler:
    encoded = functools.cache(lambda: msgspec.json.encode(build()))

    @get(path, opt=operation("openapi", "public", "OpenAPI document"))
    async def serve() -> Response[bytes]:
        return Response(await asyncio.to_thread(encoded), media_type=MediaType.JSON)

    return serve
