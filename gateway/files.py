"""Stored objects by their signed links: no key, no listing, nothing that a browser would run."""

import re
import time
from typing import Any, Final
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from domains.kernel.blobs import BlobMissing, Blobs
from domains.kernel.downloads import Download, Downloads
from domains.kernel.problems import NotFound
from gateway.surface import operation, query

_SAFE_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(; ?charset=[A-Za-z0-9-]+)?")


@get(
    "/files/{key:path}",
    opt=operation("downloadFile", "public", "A stored file, by its link", query=Download),
)
async def download_file(
    request: Request[Any, Any, Any],
    key: FromPath[str],
    blobs: NamedDependency[Blobs],
    downloads: NamedDependency[Downloads],
) -> Response[bytes]:
    asked = query(request, Download)
    key = str(key).removeprefix("/")
    downloads.check(key, asked, time.time())
    try:
        body = await blobs.get(key)
    except BlobMissing:
        raise NotFound("The file is not there any more.") from None
    kind = asked.type if _SAFE_TYPE.fullmatch(asked.type) else "application/octet-stream"
    return Response(
        body,
        headers={
            "Content-Type": kind,
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(asked.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-store",
        },
    )


HANDLERS: Final = (download_file,)
