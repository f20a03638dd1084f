"""`Idempotency-Key` on POST: a repeated request gets the stored response of the first one."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from litestar import Response

from domains.kernel.core.problems import Unavailable, invalid
from domains.kernel.db.database import Database, Read, Tx
from domains.kernel.tenancy import idempotency
from domains.kernel.tenancy.idempotency import Reservation, StoredResponse
from domains.kernel.tenancy.keyring import Caller

HEADER: Final = "Idempotency-Key"
# As ASGI spells it.
HEADER_NAME: Final = HEADER.lower().encode()
_MAX_LENGTH: Final = 255


class Replay(Exception):
    """The request was already answered with the stored response."""

    def __init__(self, stored: StoredResponse) -> None:
        super().__init__()
        self.stored = stored


async def reserve(read: Read, caller: Caller, path: str, key: bytes, body: bytes) -> Reservation:
    """Reserve the key for the request.

    Raises Invalid for a malformed key, Replay if the request was already answered, and Conflict if
    it is running or the key was used for another request.
    """
    text = key.decode("latin-1")
    if not 0 < len(text) <= _MAX_LENGTH or not text.isascii() or not text.isprintable():
        raise invalid(HEADER, f"must be 1 to {_MAX_LENGTH} printable ASCII characters")
    digest = hashlib.sha256(path.encode() + b"\0")
    digest.update(body)
    reservation = Reservation(caller.workspace, caller.key, text, digest.digest())
    stored = await idempotency.reserve(read, reservation)
    if stored is not None:
        raise Replay(stored)
    return reservation


@contextlib.asynccontextmanager
async def transaction(
    database: Database, reservation: Reservation
) -> AsyncIterator[tuple[Tx, Callable[[StoredResponse], Awaitable[None]]]]:
    """Open a transaction, with a function that stores the response in it.

    Releases the key if the request is refused or fails. Raises Conflict if it lost the key.
    """
    try:
        async with database.transaction() as tx:
            yield tx, lambda response: idempotency.store_response(tx, reservation, response)
    except BaseException:
        # If this fails, the reservation expires after a minute.
        with contextlib.suppress(Unavailable):
            await idempotency.release(database.read, reservation)
        raise


def to_response(stored: StoredResponse) -> Response[bytes]:
    """Return the stored response, marked as a replay."""
    return Response(
        stored.body,
        status_code=stored.status,
        media_type=stored.media_type,
        headers={"Idempotent-Replayed": "true"},
    )
