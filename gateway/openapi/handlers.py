"""Handlers of the OpenAPI documents, of the API reference and of its icon."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import yaml
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from gateway.etags import etag_of
from gateway.openapi import reference
from gateway.openapi.document import build_document
from gateway.operations import Surface, operation

# Caches keep them for five minutes, then ask whether they are still current.
_PUBLIC: Final = "public, max-age=300"
_PUBLIC_FOR_A_DAY: Final = "public, max-age=86400"

_YAML: Final = "application/yaml"

# A quotation mark on a rounded square: evidence is what was said.
_ICON: Final = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">\
<rect width="32" height="32" rx="7" fill="#1f5f5b"/>\
<path fill="#fff" d="M7 22c4-1 6-3 6-6H8V9h8v7c0 6-3 9-8 9z"/>\
<path fill="#fff" d="M18 22c4-1 6-3 6-6h-5V9h8v7c0 6-3 9-8 9z"/>\
</svg>"""


class _Content(NamedTuple):
    """A response body that is the same for all requests, with its ETag."""

    body: bytes
    etag: bytes

    @classmethod
    def of(cls, body: bytes) -> "_Content":
        return cls(body, etag_of(body))

    def response(self, media_type: str, cache_control: str) -> Response[bytes]:
        headers = {"ETag": self.etag.decode(), "Cache-Control": cache_control}
        return Response(self.body, media_type=media_type, headers=headers)


def openapi_handlers(surfaces: Sequence[Surface], base_url: str) -> list[HTTPRouteHandler]:
    """Return handlers of the combined document, each surface's document and the reference page.

    Documents are built on the first request, in a thread: building would delay the start.
    """

    @functools.cache
    def whole_document() -> dict[str, Any]:
        return build_document(surfaces, base_url)

    @functools.cache
    def page() -> _Content:
        return _Content.of(reference.render(whole_document()))

    @get(["/", "/reference"], opt=operation("reference", "public", "API reference"))
    async def serve_reference() -> Response[bytes]:
        content = await asyncio.to_thread(page)
        response = content.response(MediaType.HTML, _PUBLIC)
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    documents = [
        handler
        for surface in surfaces
        if surface.prefixes[0] != "/"
        for handler in _document_handlers(
            surface.prefixes[0], functools.partial(build_document, [surface], base_url)
        )
    ]
    return [
        *_document_handlers("", whole_document),
        *documents,
        serve_reference,
        redirect_to_reference,
        serve_icon,
    ]


def _document_handlers(
    prefix: str, build: Callable[[], dict[str, Any]]
) -> tuple[HTTPRouteHandler, HTTPRouteHandler]:
    """Handlers of one document as JSON and as YAML."""

    @functools.cache
    def as_json() -> _Content:
        return _Content.of(msgspec.json.encode(build()))

    @functools.cache
    def as_yaml() -> _Content:
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
        return _Content.of(text)

    @get(f"{prefix}/openapi.json", opt=operation("openapi", "public", "OpenAPI document"))
    async def serve_json() -> Response[bytes]:
        return (await asyncio.to_thread(as_json)).response(MediaType.JSON, _PUBLIC)

    @get(f"{prefix}/openapi.yaml", opt=operation("openapiYaml", "public", "OpenAPI document"))
    async def serve_yaml() -> Response[bytes]:
        return (await asyncio.to_thread(as_yaml)).response(_YAML, _PUBLIC)

    return serve_json, serve_yaml


# The C library writes YAML in a tenth of the time, where PyYAML was built with it.
_Dumper: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@get("/docs", opt=operation("docs", "public", "Redirect to the API reference"))
async def redirect_to_reference() -> Response[str]:
    return Response(
        "", status_code=302, media_type=MediaType.TEXT, headers={"Location": "/reference"}
    )


@get(["/favicon.ico", "/favicon.svg"], opt=operation("icon", "public", "Icon of the pages"))
async def serve_icon() -> Response[bytes]:
    return _Content.of(_ICON).response("image/svg+xml", _PUBLIC_FOR_A_DAY)
