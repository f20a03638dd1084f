"""Stored files by signed URL, without an API key. Browsers never execute them."""

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
from msgspec import UNSET

from domains.kernel.core.problems import NotFound, Problem, Unavailable
from domains.kernel.storage.blobs import BlobMissing, Blobs, content_disposition, safe_content_type
from domains.kernel.storage.signed_urls import FileQuery, SignedUrls, invalid_url
from gateway.operations import operation
from gateway.requests import parse_query

logger = structlog.get_logger()

_PARAMETERS: Final = FileQuery.__struct_fields__

# The page in which a browser plays a recording loads it again, and has styles of its own.
_INLINE_POLICY: Final = "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'"
_POLICY: Final = "sandbox; default-src 'none'"
_RECORDINGS: Final = ("audio/", "video/")
# A single range. Other Range headers are ignored, as RFC 9110 allows.
_RANGE: Final = re.compile(r"(?i)bytes=(?:([0-9]{1,100})-([0-9]{0,100})|-([0-9]{1,100}))")


class RangeNotSatisfiable(Problem):
    """The range begins after the last byte."""

    status, code, title = 416, "range_not_satisfiable", "Range not satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The range begins after the last of the file's {size} bytes.",
            headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
        )


@route(
    "/files/{key:path}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    status_code=200,
    opt=operation("downloadFile", "public", "Download a stored file", query=FileQuery),
)
async def download_file(
    request: Request[Any, Any, Any],
    key: FromPath[str],
    blobs: NamedDependency[Blobs],
    signed_urls: NamedDependency[SignedUrls],
) -> Response[Any]:
    key = str(key).removeprefix("/")
    download = _parse_signed_url(request, key)
    signed_urls.verify(key, download, time.time())
    content_type = safe_content_type(download.type)
    is_inline = download.disposition is not UNSET and content_type.startswith(_RECORDINGS)
    try:
        size = await blobs.size(key)
        # Contents never change under a key: each version of a file has its own.
        etag = f'"{hashlib.sha256(key.encode()).hexdigest()[:32]}"'
        headers = {
            "Content-Type": content_type,
            "Content-Disposition": content_disposition(
                download.name, "inline" if is_inline else "attachment"
            ),
            "Content-Length": str(size),
            "Accept-Ranges": "bytes",
            "ETag": etag,
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": _INLINE_POLICY if is_inline else _POLICY,
            "Cache-Control": "private, no-store",
        }
        if request.method == HttpMethod.HEAD:
            return Response(None, headers=headers)
        byte_range = None
        if request.headers.get("If-Range", etag) == etag:
            byte_range = parse_range(request.headers.getall("Range", []), size)
        start, end = byte_range or (0, size)
        if byte_range is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
            headers["Content-Length"] = str(end - start)
        chunks = blobs.stream(key, start, end)
        # Read before the response starts, so that an error can still become a 404 or 503.
        first = await anext(chunks, b"")
    except BlobMissing:
        raise NotFound("The file no longer exists.") from None
    status = 200 if byte_range is None else 206
    return Stream(_log_failure(first, chunks), headers=headers, status_code=status)


def _parse_signed_url(request: Request[Any, Any, Any], key: str) -> FileQuery:
    """Parse the parameters. Raises NotFound unless path and parameters form a signed URL."""
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in pairs]
    # Other spellings of the path could evade path rules of a cache or proxy.
    if (
        request.scope["raw_path"] != f"/files/{quote(key)}".encode()
        # Parameters are unknown, repeated or reordered. parse_query reports missing ones.
        or names != [name for name in _PARAMETERS if name in names]
        # Elsewhere an empty parameter equals an absent one.
        or ("disposition", "") in pairs
    ):
        raise invalid_url()
    return parse_query(request, FileQuery)


def parse_range(headers: list[str], size: int) -> tuple[int, int] | None:
    """Return start and exclusive end of the requested range, or None for the whole file.

    Raises RangeNotSatisfiable if the range begins after the last byte.
    """
    match = _RANGE.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        # The last bytes of an empty file are the whole file.
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


async def _log_failure(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    try:
        async for chunk in chunks:
            yield chunk
    except (BlobMissing, Unavailable) as error:
        # The server then closes the connection, and the client sees that bytes are missing.
        logger.warning("download_failed", error=type(error).__name__)
        raise


HANDLERS: Final = (download_file,)
