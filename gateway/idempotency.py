"""`Idempotency-Key` on POST: a repeated request gets the stored response of the first one."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Request, Response
from litestar.response.base import ASGIResponse

from domains.kernel.core.problems import Unavailable, invalid
from domains.kernel.db.database import Database, Tx
from domains.kernel.tenancy import idempotency
from domains.kernel.tenancy.idempotency import Reservation, StoredResponse
from domains.kernel.tenancy.keyring import Caller

HEADER: Final = "Idempotency-Key"
_MAX_LENGTH: Final = 255


class Replay(Exception):
    """The request was already answered with the stored response."""

    def __init__(self, stored: StoredResponse) -> None:
        super().__init__()
        self.stored = stored


class RecordedResponse(Response[Any]):
    """Keeps the rendered response in the request's state, to be stored before the commit."""

    def to_asgi_response(
        self, app: Any, request: Request[Any, Any, Any], **options: Any
    ) -> ASGIResponse:
        rendered = super().to_asgi_response(app, request, **options)
        request.scope["state"]["response"] = rendered
        return rendered


@contextlib.asynccontextmanager
async def transaction(request: Request[Any, Any, Any], database: Database) -> AsyncIterator[Tx]:
    """Open the request's transaction. With an Idempotency-Key, it also stores the response.

    Raises Replay if the request was already answered, Conflict if it is running or the key was
    used for another request.
    """
    reservation = await _reserve(request, database)
    try:
        async with database.transaction() as tx:
            yield tx
            if reservation is not None:
                await idempotency.store_response(tx, reservation, _rendered(request))
    except BaseException:
        if reservation is not None:
            # If this fails, the reservation expires after a minute.
            with contextlib.suppress(Unavailable):
                await idempotency.release(database.read, reservation)
        raise


async def _reserve(request: Request[Any, Any, Any], database: Database) -> Reservation | None:
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None:
        return None
    if not 0 < len(key) <= _MAX_LENGTH or not key.isascii() or not key.isprintable():
        raise invalid(HEADER, f"must be 1 to {_MAX_LENGTH} printable ASCII characters")
    caller: Caller = request.scope["state"]["caller"]
    digest = hashlib.sha256(request.scope["path"].encode() + b"\0" + await request.body()).digest()
    reservation = Reservation(caller.workspace, caller.key, key, digest)
    stored = await idempotency.reserve(database.read, reservation)
    if stored is not None:
        raise Replay(stored)
    return reservation


def _rendered(request: Request[Any, Any, Any]) -> StoredResponse:
    response: ASGIResponse = request.scope["state"]["response"]
    headers = dict(response.encoded_headers)
    media_type = headers.get(b"content-type", b"application/json").decode()
    return StoredResponse(response.status_code, media_type, response.body)


def to_response(stored: StoredResponse) -> Response[bytes]:
    """Return the stored response, marked as a replay."""
    return Response(
        stored.body,
        status_code=stored.status,
        media_type=stored.media_type,
        headers={"Idempotent-Replayed": "true"},
    )
