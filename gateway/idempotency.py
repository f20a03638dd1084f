"""`Idempotency-Key` on POST: the same request sent again gets the first one's answer."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Request, Response
from litestar.response.base import ASGIResponse

from domains.kernel.core.problems import Unavailable, invalid
from domains.kernel.db.database import Database, Tx
from domains.kernel.tenancy import idempotency
from domains.kernel.tenancy.idempotency import Answer, Reservation
from domains.kernel.tenancy.keyring import Caller

HEADER: Final = "Idempotency-Key"
_LONGEST: Final = 255


class Replay(Exception):
    """The request was answered before; this is the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class RememberedResponse(Response[Any]):
    """Leaves the rendered answer with the request, so that it can be stored before the commit."""

    def to_asgi_response(
        self, app: Any, request: Request[Any, Any, Any], **given: Any
    ) -> ASGIResponse:
        made = super().to_asgi_response(app, request, **given)
        request.scope["state"]["answer"] = made
        return made


@contextlib.asynccontextmanager
async def transaction(request: Request[Any, Any, Any], database: Database) -> AsyncIterator[Tx]:
    """The request's transaction; with an Idempotency-Key the answer is stored in it.

    Replay if the request was answered before, Conflict if it may not run.
    """
    held = await _reserve(request, database)
    try:
        async with database.transaction() as tx:
            yield tx
            if held is not None:
                await idempotency.keep(tx, held, _answer(request))
    except BaseException:
        if held is not None:
            # If even this fails, the reservation ends by itself after a minute.
            with contextlib.suppress(Unavailable):
                await idempotency.release(database.read, held)
        raise


async def _reserve(request: Request[Any, Any, Any], database: Database) -> Reservation | None:
    name = request.headers.get(HEADER)
    if request.method != "POST" or name is None:
        return None
    if not 0 < len(name) <= _LONGEST or not name.isascii() or not name.isprintable():
        raise invalid(HEADER, f"must be 1 to {_LONGEST} printable ASCII characters")
    caller: Caller = request.scope["state"]["caller"]
    seen = hashlib.sha256(request.scope["path"].encode() + b"\0" + await request.body())
    wanted = Reservation(caller.workspace, caller.key, name, seen.digest())
    answer = await idempotency.reserve(database.read, wanted)
    if answer is not None:
        raise Replay(answer)
    return wanted


def _answer(request: Request[Any, Any, Any]) -> Answer:
    made: ASGIResponse = request.scope["state"]["answer"]
    headers = dict(made.encoded_headers)
    media_type = headers.get(b"content-type", b"application/json").decode()
    return Answer(made.status_code, media_type, made.body)


def replayed(answer: Answer) -> Response[bytes]:
    """The first answer once more, marked as such."""
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.media_type,
        headers={"Idempotent-Replayed": "true"},
    )
