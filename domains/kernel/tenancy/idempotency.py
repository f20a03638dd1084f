"""Idempotency keys: the first response to a request is stored and returned to its retries."""

from uuid import UUID

import msgspec
from sqlalchemy import and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.problems import Conflict
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import (
    WORKSPACE,
    days,
    parameters,
    row,
    scalar,
    seconds,
    statement,
)
from domains.kernel.db.tables import idempotency


class StoredResponse(msgspec.Struct, frozen=True):
    """A response as it was sent. `media_type` is its Content-Type header."""

    status: int
    media_type: str
    body: bytes


class Reservation(msgspec.Struct, frozen=True):
    """An attempt of a request to reserve its idempotency key."""

    workspace: WorkspaceId
    api_key: UUID
    idempotency_key: str
    # A hash of the request, to detect a key that is reused for another request.
    fingerprint: bytes
    # Distinguishes this attempt from others with the same fingerprint.
    token: UUID = msgspec.field(default_factory=new_id)


_same_key = (
    idempotency.c.workspace_id == WORKSPACE,
    idempotency.c.key_id == bindparam("api_key"),
    idempotency.c.idempotency_key == bindparam("name"),
)
_expired = idempotency.c.created_at < func.now() - days(1)
# A reservation without a response is void after a minute: its process has died.
_abandoned = and_(
    idempotency.c.status.is_(None), idempotency.c.created_at < func.now() - seconds(60)
)
_attempt = parameters("fingerprint", "token")

_RESERVE = statement(
    insert(idempotency)
    .values(
        workspace_id=WORKSPACE,
        key_id=bindparam("api_key"),
        idempotency_key=bindparam("name"),
        **_attempt,
    )
    .on_conflict_do_update(
        index_elements=[idempotency.c.key_id, idempotency.c.idempotency_key],
        set_={**_attempt, "status": None, "body": None, "created_at": func.now()},
        where=and_(idempotency.c.workspace_id == WORKSPACE, or_(_expired, _abandoned)),
    )
    .returning(idempotency.c.key_id),
    scalar,
)
_FIND = statement(
    select(
        idempotency.c.fingerprint,
        idempotency.c.status,
        idempotency.c.media_type,
        idempotency.c.body,
    ).where(*_same_key),
    row,
)
_STORE = statement(
    update(idempotency)
    .where(*_same_key, idempotency.c.token == bindparam("token"))
    .values(**parameters("status", "media_type", "body"))
    .returning(idempotency.c.key_id),
    scalar,
)
_RELEASE = statement(
    delete(idempotency).where(
        *_same_key, idempotency.c.token == bindparam("token"), idempotency.c.status.is_(None)
    ),
    row,
)
_DELETE_EXPIRED = statement(
    delete(idempotency).where(_expired),
    row,
    cross_tenant_reason="retention is the same for every workspace",
)


async def reserve(read: Read, reservation: Reservation) -> StoredResponse | None:
    """Reserve the idempotency key, or return the response that is stored under it.

    If None is returned, the caller runs the request, then calls `store_response` or `release`.
    Raises Conflict if the key belongs to another request or its first request is in progress.
    """
    key = _key_parameters(reservation)
    reserved = await read.first(
        _RESERVE, **key, fingerprint=reservation.fingerprint, token=reservation.token
    )
    if reserved is not None:
        return None
    record = await read.first(_FIND, **key)
    if record is None:
        raise Conflict("The first request with this Idempotency-Key just ended. Send it again.")
    fingerprint, status, media_type, body = record
    if fingerprint != reservation.fingerprint:
        raise Conflict("This Idempotency-Key was used for another request.")
    if status is None:
        raise Conflict("The first request with this Idempotency-Key is still under way.")
    return StoredResponse(status, media_type, body)


async def store_response(tx: Tx, reservation: Reservation, response: StoredResponse) -> None:
    """Store the response in the request's transaction. Raises Conflict if it lost the key."""
    stored = await tx.first(
        _STORE,
        **_key_parameters(reservation),
        token=reservation.token,
        status=response.status,
        media_type=response.media_type,
        body=response.body,
    )
    if stored is None:
        raise Conflict("The request took too long and another one took its Idempotency-Key.")


async def release(read: Read, reservation: Reservation) -> None:
    """Release the idempotency key of a request that was refused or failed."""
    await read.first(_RELEASE, **_key_parameters(reservation), token=reservation.token)


async def delete_expired(read: Read) -> None:
    """Delete the responses whose retention has ended."""
    await read.first(_DELETE_EXPIRED)


def _key_parameters(reservation: Reservation) -> dict[str, object]:
    return {
        "workspace": reservation.workspace,
        "api_key": reservation.api_key,
        "name": reservation.idempotency_key,
    }
