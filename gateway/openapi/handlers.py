"""Handlers of the OpenAPI documents and of the icon of the pages."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import yaml
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from gateway.openapi.document import build_document
from gateway.openapi.static_content import FOR_A_DAY, StaticContent
from gateway.operations import Surface, operation

_YAML: Final = "application/yaml"

# A quotation mark on a rounded square: evidence is what was said.
_ICON: Final = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">\
<rect width="32" height="32" rx="7" fill="#1f5f5b"/>\
<path fill="#fff" d="M7 22c4-1 6-3 6-6H8V9h8v7c0 6-3 9-8 9z"/>\
<path fill="#fff" d="M18 22c4-1 6-3 6-6h-5V9h8v7c0 6-3 9-8 9z"/>\
</svg>"""

# The C library writes YAML in a tenth of the time, where PyYAML was built with it.
_Dumper: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def openapi_handlers(surfaces: Sequence[Surface], base_url: str) -> list[HTTPRouteHandler]:
    """Return handlers of the combined document, of each surface's document, and of the icon.

    Documents are built on the first request, in a thread: building would delay the start.
    """
    parts = {"": surfaces, **{surface.documents_path: [surface] for surface in surfaces}}
    return [
        *(
            handler
            for path, part in parts.items()
            for handler in _document_handlers(
                path, functools.partial(build_document, part, base_url)
            )
        ),
        serve_icon,
    ]


def _document_handlers(
    folder: str, build: Callable[[], dict[str, Any]]
) -> tuple[HTTPRouteHandler, HTTPRouteHandler]:
    """Handlers of one document as JSON and as YAML."""

    @functools.cache
    def as_json() -> StaticContent:
        return StaticContent.of(msgspec.json.encode(build()))

    @functools.cache
    def as_yaml() -> StaticContent:
        # Decoded from JSON, so that both are the same, and no two parts of it are one object,
        # which YAML would write as an alias.
        text = yaml.dump(
            msgspec.json.decode(as_json().body),
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=100,
            encoding="utf-8",
        )
        return StaticContent.of(text)

    @get(f"{folder}/openapi.json", opt=operation("openapi", "public", "OpenAPI document"))
    async def serve_json() -> Response[bytes]:
        return (await asyncio.to_thread(as_json)).response(MediaType.JSON)

    @get(f"{folder}/openapi.yaml", opt=operation("openapiYaml", "public", "OpenAPI document"))
    async def serve_yaml() -> Response[bytes]:
        return (await asyncio.to_thread(as_yaml)).response(_YAML)

    return serve_json, serve_yaml


@get(["/favicon.ico", "/favicon.svg"], opt=operation("icon", "public", "Icon of the pages"))
async def serve_icon() -> Response[bytes]:
    return StaticContent.of(_ICON).response("image/svg+xml", FOR_A_DAY)
