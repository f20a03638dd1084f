"""Stored objects by their signed links: no key, no listing, nothing that a browser would run."""

import hashlib
import re
import time
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import structlog
from litestar import HttpMethod, Request, Response, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from domains.kernel.core.problems import NotFound, Problem, Unavailable
from domains.kernel.storage.blobs import BlobMissing, Blobs, disposition, safe_type
from domains.kernel.storage.signed_urls import Download, Downloads, bad_link
from gateway.surface import operation, query

log = structlog.get_logger()

_PARAMETERS: Final = Download.__struct_fields__
# One range; several, and anything else, is answered with the whole, as a server may.
_RANGE: Final = re.compile(
    r"bytes=(?:([0-9]{1,100})-([0-9]{0,100})|-([0-9]{1,100}))", re.IGNORECASE
)


class RangeNotSatisfiable(Problem):
    """The range begins behind the last byte."""

    status, code, title = 416, "range_not_satisfiable", "Range not satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The file has {size} bytes, and the range none of them.",
            headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
        )


@route(
    "/files/{key:path}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    status_code=200,
    opt=operation("downloadFile", "public", "A stored file, by its link", query=Download),
)
async def download_file(
    request: Request[Any, Any, Any],
    key: FromPath[str],
    blobs: NamedDependency[Blobs],
    downloads: NamedDependency[Downloads],
) -> Response[Any]:
    key = str(key).removeprefix("/")
    asked = _asked(request, key)
    downloads.check(key, asked, time.time())
    try:
        size = await blobs.size(key)
        # Another version has another key; a repeated attempt stores the same again.
        etag = f'"{hashlib.sha256(key.encode()).hexdigest()[:32]}"'
        headers = {
            "Content-Type": safe_type(asked.type),
            "Content-Disposition": disposition(asked.name),
            "Content-Length": str(size),
            "Accept-Ranges": "bytes",
            "ETag": etag,
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-store",
        }
        if request.method == HttpMethod.HEAD:
            return Response(None, headers=headers)
        part = None
        if request.headers.get("If-Range", etag) == etag:
            part = wanted_range(request.headers.getall("Range", []), size)
        start, end = part or (0, size)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
            headers["Content-Length"] = str(end - start)
        chunks = blobs.stream(key, start, end)
        # What is wrong from the start can still be said.
        first = await anext(chunks, b"")
    except BlobMissing:
        raise NotFound("The file is not there any more.") from None
    return Stream(_sent(first, chunks), headers=headers, status_code=200 if part is None else 206)


def _asked(request: Request[Any, Any, Any], key: str) -> Download:
    """The query; NotFound unless path and parameters are written as in a link."""
    given = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in given]
    # Another spelling of the same would be served just as well, and a cache's or a proxy's rules
    # for the path pass by.
    if (
        request.scope["raw_path"] != f"/files/{quote(key)}".encode()
        # Unknown, repeated or in another order. One that is missing is named below.
        or names != [name for name in _PARAMETERS if name in names]
    ):
        raise bad_link()
    return query(request, Download)


def wanted_range(headers: list[str], size: int) -> tuple[int, int] | None:
    """Where the range of a request begins and ends (before the second); None for the whole.

    RangeNotSatisfiable if it begins behind the last byte.
    """
    asked = _RANGE.fullmatch(headers[0]) if len(headers) == 1 else None
    if asked is None:
        return None
    first, last, suffix = asked.groups()
    if suffix is not None:
        # The last bytes of nothing are the whole.
        if int(suffix) and not size:
            return None
        start, end = max(size - int(suffix), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return start, end


async def _sent(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    try:
        async for chunk in chunks:
            yield chunk
    except (BlobMissing, Unavailable) as error:
        # It goes on: the server hangs up, and the client sees that bytes are missing.
        log.warning("download_broken", error=type(error).__name__)
        raise


HANDLERS: Final = (download_file,)
