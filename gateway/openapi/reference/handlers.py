"""Handlers of the API reference: the viewer page, Markdown and llms.txt."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from domains.kernel.core.problems import NotFound
from gateway.middleware import compression
from gateway.openapi.document import build_document
from gateway.openapi.reference import llms_txt, markdown, page
from gateway.openapi.static_content import StaticContent
from gateway.operations import Surface, operation


def reference_handlers(surfaces: Sequence[Surface], base_url: str) -> list[HTTPRouteHandler]:
    """Return handlers of the reference of all surfaces, for the server at `base_url`.

    Like the OpenAPI documents, all is built on the first request, in a thread.
    """
    by_folder = {surface.documents_path: [surface] for surface in surfaces}
    assets = functools.cache(page.load_assets)

    @functools.cache
    def document(folder: str) -> dict[str, Any]:
        return build_document(by_folder.get(folder, surfaces), base_url)

    @functools.cache
    def rendered_page() -> StaticContent:
        documents = {folder: document(folder) for folder in by_folder}
        title = document("")["info"]["title"]
        return StaticContent.of(page.render_page(title, documents, list(assets())))

    @get(["/", "/reference"], opt=operation("reference", "public", "API reference"))
    async def serve_page(request: Request[Any, Any, Any]) -> Response[bytes] | Response[str]:
        if request.scope["raw_path"] not in (b"/", b"/reference"):
            # With a slash at the end, the relative URLs of the page would lead elsewhere.
            return _to_reference(request)
        content = await asyncio.to_thread(rendered_page)
        return content.response(
            MediaType.HTML, Content_Security_Policy=page.POLICY, Referrer_Policy="no-referrer"
        )

    @get(
        "/reference/assets/{name:str}",
        opt=operation("referenceAsset", "public", "Script of the API reference", path_id=str),
    )
    async def serve_asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        asset = (await asyncio.to_thread(assets)).get(name)
        if asset is None:
            raise NotFound("There is no such file.")
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "public, max-age=31536000, immutable",
        }
        if compression.accepts(request.headers.get("Accept-Encoding", "").encode(), b"gzip"):
            content = asset.compressed
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        else:
            content = await asyncio.to_thread(asset.decompressed)
        return Response(content, media_type="text/javascript", headers=headers)

    def render_markdown(folder: str) -> bytes:
        return markdown.render(document(folder), base_url).encode()

    def render_llms_txt() -> bytes:
        documents = {folder: document(folder) for folder in by_folder}
        return llms_txt.render(document("")["info"], documents, base_url).encode()

    return [
        serve_page,
        redirect_to_reference,
        serve_asset,
        _text_handler("/llms.txt", "text/plain", render_llms_txt),
        *(
            _text_handler(
                f"{folder}/reference.md",
                "text/markdown",
                functools.partial(render_markdown, folder),
            )
            for folder in ("", *by_folder)
        ),
    ]


@get("/docs", opt=operation("docs", "public", "Redirect to the API reference"))
async def redirect_to_reference(request: Request[Any, Any, Any]) -> Response[str]:
    return _to_reference(request)


def _to_reference(request: Request[Any, Any, Any]) -> Response[str]:
    """Redirect by a relative URL, which keeps a prefix that a proxy has removed from the path."""
    location = "../" * (request.scope["raw_path"].count(b"/") - 1) + "reference"
    return Response("", status_code=302, media_type=MediaType.TEXT, headers={"Location": location})


def _text_handler(path: str, media_type: str, render: Callable[[], bytes]) -> HTTPRouteHandler:
    rendered = functools.cache(lambda: StaticContent.of(render()))

    @get(path, opt=operation("referenceText", "public", "API reference as text"))
    async def serve() -> Response[bytes]:
        return (await asyncio.to_thread(rendered)).response(media_type)

    return serve
