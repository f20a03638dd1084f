"""Idempotency records: the first answer to a request, kept for those who send it again."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import Interval, and_, bindparam, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import Conflict
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import row, scalar, statement
from domains.kernel.db.tables import idempotency

# How long an answer is kept, and for how long a request may be under way before it counts as dead.
KEPT: Final = timedelta(hours=24)
IN_FLIGHT: Final = timedelta(seconds=60)


class StoredResponse(msgspec.Struct, frozen=True):
    """An answer as it was sent; the header is its Content-Type."""

    status: int
    media_type: str
    body: bytes


class Reservation(msgspec.Struct, frozen=True):
    """The right to be the first request of an idempotency key."""

    workspace: WorkspaceId
    key: UUID
    name: str
    fingerprint: bytes
    token: UUID = msgspec.field(default_factory=new_id)


_workspace = bindparam("workspace", type_=idempotency.c.workspace_id.type)
_mine = (
    idempotency.c.workspace_id == _workspace,
    idempotency.c.key_id == bindparam("key"),
    idempotency.c.idempotency_key == bindparam("name"),
)
_stale = or_(
    idempotency.c.created_at < func.now() - literal(KEPT, Interval),
    and_(
        idempotency.c.status.is_(None),
        idempotency.c.created_at < func.now() - literal(IN_FLIGHT, Interval),
    ),
)

_RESERVE = statement(
    insert(idempotency)
    .values(
        workspace_id=_workspace,
        key_id=bindparam("key"),
        idempotency_key=bindparam("name"),
        fingerprint=bindparam("fingerprint"),
        token=bindparam("token"),
    )
    .on_conflict_do_update(
        index_elements=[idempotency.c.key_id, idempotency.c.idempotency_key],
        set_={
            "fingerprint": bindparam("fingerprint"),
            "token": bindparam("token"),
            "status": None,
            "body": None,
            "created_at": func.now(),
        },
        where=and_(idempotency.c.workspace_id == _workspace, _stale),
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
    ).where(*_mine),
    row,
)
_KEEP = statement(
    update(idempotency)
    .where(*_mine, idempotency.c.token == bindparam("token"))
    .values(status=bindparam("status"), media_type=bindparam("media_type"), body=bindparam("body"))
    .returning(idempotency.c.key_id),
    scalar,
)
_RELEASE = statement(
    delete(idempotency).where(
        *_mine,
        idempotency.c.token == bindparam("token"),
        idempotency.c.status.is_(None),
    ),
    row,
)


_FORGET = statement(
    delete(idempotency).where(idempotency.c.created_at < func.now() - literal(KEPT, Interval)),
    row,
    cross_tenant_reason="what is over is over in every workspace",
)


async def delete_expired(read: Read) -> None:
    """Delete the answers that are kept no longer."""
    await read.first(_FORGET)


async def reserve(read: Read, wanted: Reservation) -> StoredResponse | None:
    """None: go ahead, and `keep` or `release`. Else the answer that the same request got.

    Conflict if the key came with another request, or its first request is still under way.
    """
    asked = {"workspace": wanted.workspace, "key": wanted.key, "name": wanted.name}
    if (
        await read.first(_RESERVE, **asked, fingerprint=wanted.fingerprint, token=wanted.token)
        is not None
    ):
        return None
    found = await read.first(_FIND, **asked)
    if found is None:
        raise Conflict("The first request with this Idempotency-Key just ended. Send it again.")
    fingerprint, status, media_type, body = found
    if fingerprint != wanted.fingerprint:
        raise Conflict("This Idempotency-Key was used for another request.")
    if status is None:
        raise Conflict("The first request with this Idempotency-Key is still under way.")
    return StoredResponse(status, media_type, body)


async def store_response(tx: Tx, held: Reservation, answer: StoredResponse) -> None:
    """Keep the answer, with the transaction's other changes; Conflict if the right was lost."""
    kept = await tx.first(
        _KEEP,
        workspace=held.workspace,
        key=held.key,
        name=held.name,
        token=held.token,
        status=answer.status,
        media_type=answer.media_type,
        body=answer.body,
    )
    if kept is None:
        raise Conflict("The request took too long and another one took its Idempotency-Key.")


async def release(read: Read, held: Reservation) -> None:
    """Free the key: the request was refused or failed."""
    await read.first(
        _RELEASE,
        workspace=held.workspace,
        key=held.key,
        name=held.name,
        token=held.token,
    )
