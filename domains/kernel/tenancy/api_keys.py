"""API keys: scopes, rate limits, creation, rotation, change, listing and revocation."""

import hashlib
import secrets
import string
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Interval,
    Uuid,
    any_,
    bindparam,
    case,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.network import parse_network
from domains.kernel.core.problems import Conflict, Invalid, NotFound
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, days, parameters, row, scalar, statement
from domains.kernel.db.tables import api_keys, workspaces
from domains.kernel.tenancy import audit
from domains.kernel.tenancy.audit import Actor

Scope = Literal[
    "signals:read",
    "signals:write",
    "signals:delete",
    "insights:read",
    "insights:write",
    "insights:delete",
    "opportunities:read",
    "opportunities:write",
    "opportunities:delete",
    "ideas:read",
    "ideas:write",
    "ideas:delete",
    "products:read",
    "products:write",
    "accounts:read",
    "read",
    "ingest",
    "ask_sybill",
]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

# A notification on this channel makes every process clear its cache of API keys.
KEYS_CHANNEL: Final = "keys"

_ALPHABET: Final = string.ascii_letters + string.digits
_SECRET_LENGTH: Final = 40
_PREFIX_LENGTH: Final = 12
_MAX_NAME_LENGTH: Final = 200
_MAX_DESCRIPTION_LENGTH: Final = 1_000
_MAX_NETWORKS: Final = 100

# Days before the expiry of a key from which operators are warned.
EXPIRY_WARNING_DAYS: Final = 14


class RateLimits(msgspec.Struct, frozen=True):
    """Maximum requests per sliding window; None: no limit."""

    minute: int | None
    hour: int | None
    day: int | None


class RateLimitOverrides(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rate limits of one key. UNSET: the deployment's limit; None: no limit."""

    minute: int | msgspec.UnsetType | None = msgspec.UNSET
    hour: int | msgspec.UnsetType | None = msgspec.UNSET
    day: int | msgspec.UnsetType | None = msgspec.UNSET

    def resolve(self, default: RateLimits) -> RateLimits:
        """Return the effective limits.

        A default limit is raised to the next shorter window's limit if that is higher.
        """
        minute = default.minute if self.minute is msgspec.UNSET else self.minute
        hour = _raised_to(default.hour, minute) if self.hour is msgspec.UNSET else self.hour
        day = _raised_to(default.day, hour) if self.day is msgspec.UNSET else self.day
        return RateLimits(minute, hour, day)


def _raised_to(limit: int | None, floor: int | None) -> int | None:
    return limit if limit is None or floor is None else max(limit, floor)


UNLIMITED: Final = RateLimitOverrides(None, None, None)


class ApiKey(msgspec.Struct, frozen=True, rename="camel"):
    """An API key without its text, which only `create_key` and `rotate_key` return."""

    id: UUID
    workspace_id: WorkspaceId
    workspace_name: str
    name: str
    description: str
    prefix: str
    scopes: list[str]
    limits: RateLimitOverrides
    # Networks of the clients that may use the key. Empty: all.
    allow: list[str]
    # None: the key was created before operators were recorded.
    created_by: str | None
    created_at: datetime
    # Accurate to a minute. None: never.
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    # The key that this one was created to replace, and the one that replaces it.
    replaces: UUID | None
    replaced_by: UUID | None


class KeyChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Changes of a key. A field that is None stays as it is."""

    name: str | None = None
    description: str | None = None
    allow: list[str] | None = None


def hash_key(text: str) -> bytes:
    """Hash a key's text for storage. It has 238 random bits, so a plain hash is irreversible."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


_CROSS_TENANT: Final = "operators administer every workspace"
_c = api_keys.c
_id = bindparam("id", type_=Uuid)
_ADD_KEY = statement(
    insert(api_keys)
    .values(
        workspace_id=WORKSPACE,
        **parameters(
            *("id", "name", "description", "digest", "prefix", "scopes", "limits", "allow"),
            *("created_by", "expires_at", "replaces"),
        ),
    )
    .returning(_c.id),
    scalar,
)


def _key(*columns: Any) -> ApiKey:
    fields = dict(zip(ApiKey.__struct_fields__, columns, strict=True))
    fields["limits"] = msgspec.json.decode(fields["limits"], type=RateLimitOverrides)
    return ApiKey(**fields)


_successors = api_keys.alias("successors")
_replaced_by = (
    select(_successors.c.id)
    .where(_successors.c.workspace_id == _c.workspace_id, _successors.c.replaces == _c.id)
    .scalar_subquery()
)
_JOINED: Final[dict[str, Any]] = {
    "workspace_name": workspaces.c.name,
    "replaced_by": _replaced_by,
}
_KEYS = select(
    *(_JOINED[name] if name in _JOINED else _c[name] for name in ApiKey.__struct_fields__)
).join(workspaces)
_ALL_KEYS = statement(_KEYS.order_by(_c.id), _key, cross_tenant_reason=_CROSS_TENANT)
_ONE_KEY = statement(_KEYS.where(_c.id == _id), _key, cross_tenant_reason=_CROSS_TENANT)
_LOCK = statement(
    select(_c.id).where(_c.id == _id).with_for_update(), scalar, cross_tenant_reason=_CROSS_TENANT
)
_REVOKE = statement(
    update(api_keys)
    .where(_c.id == _id)
    .values(revoked_at=func.coalesce(_c.revoked_at, func.now()))
    .returning(_c.workspace_id),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)


def _new_or_current(name: str) -> Any:
    return func.coalesce(bindparam(name, type_=_c[name].type), _c[name])


_CHANGE = statement(
    update(api_keys)
    .where(_c.id == _id)
    .values({name: _new_or_current(name) for name in KeyChanges.__struct_fields__})
    .returning(_c.workspace_id),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)
_overlap = bindparam("overlap", type_=Interval)
_END = statement(
    update(api_keys)
    .where(_c.id == _id)
    .values(
        revoked_at=case((_overlap == timedelta(0), func.now()), else_=null()),
        expires_at=case(
            (_overlap == timedelta(0), _c.expires_at),
            else_=func.least(_c.expires_at, func.now() + _overlap),
        ),
    )
    .returning(_c.id),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)
# The time of the database, which also decides when a key has expired.
_NOW = statement(select(func.now()), scalar)


async def create_key(
    tx: Tx,
    workspace: WorkspaceId,
    scopes: Sequence[Scope],
    actor: Actor,
    *,
    name: str = "",
    description: str = "",
    limits: RateLimitOverrides = RateLimitOverrides(),  # noqa: B008 - frozen
    allow: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key. Returns the record and the secret key text, which is not stored.

    `allow`: addresses and networks from which the key may be used; none: from all. Raises Invalid
    for an invalid name, description or network, or an empty list of scopes.
    """
    if not scopes:
        raise Invalid("A key needs at least one scope.")
    changes = _checked(KeyChanges(name=name, description=description, allow=list(allow)))
    key_id, text = await _add_key(
        tx,
        workspace,
        actor,
        scopes=sorted(set(scopes), key=SCOPES.index),
        limits=limits,
        expires_at=expires_at,
        replaces=None,
        **msgspec.structs.asdict(changes),
    )
    await audit.record(tx, workspace, actor, "key.create", "key", key_id)
    return await tx.one(_ONE_KEY, id=key_id), text


async def _add_key(
    tx: Tx, workspace: WorkspaceId, actor: Actor, *, limits: RateLimitOverrides, **values: Any
) -> tuple[UUID, str]:
    """Store a new key. Returns its id and text."""
    text = "sk_live_" + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    key_id = await tx.one(
        _ADD_KEY,
        id=new_id(),
        workspace=workspace,
        digest=hash_key(text),
        prefix=text[:_PREFIX_LENGTH],
        limits=msgspec.json.encode(limits),
        created_by=actor.name,
        **values,
    )
    return key_id, text


async def rotate_key(
    tx: Tx, key_id: UUID, overlap: timedelta, actor: Actor
) -> tuple[ApiKey, str, ApiKey]:
    """Create a key that replaces another. Returns its record, its text, and the replaced key.

    The new key has the other one's workspace, name, description, scopes, limits, networks and
    lifetime. The other one works until `overlap` has passed, but not beyond its own expiry; with
    an overlap of 0 it is revoked. Raises NotFound, and Conflict if the key is revoked, expired or
    replaced already.
    """
    await tx.first(_LOCK, id=key_id)
    # A statement after the lock, so that it sees a rotation that held the lock.
    old, now = await get_key(tx, key_id), await tx.one(_NOW)
    _require_rotatable(old, now)
    successor, text = await _add_key(
        tx,
        old.workspace_id,
        actor,
        name=old.name,
        description=old.description,
        scopes=old.scopes,
        limits=old.limits,
        allow=old.allow,
        expires_at=None if old.expires_at is None else now + (old.expires_at - old.created_at),
        replaces=old.id,
    )
    await tx.one(_END, id=old.id, overlap=overlap)
    await audit.record(
        tx, old.workspace_id, actor, "key.rotate", "key", old.id, replacedBy=str(successor)
    )
    await tx.notify(KEYS_CHANNEL, str(old.id))
    return await tx.one(_ONE_KEY, id=successor), text, await tx.one(_ONE_KEY, id=old.id)


def _require_rotatable(key: ApiKey, now: datetime) -> None:
    if key.replaced_by is not None:
        raise Conflict(f"Key {key.id} was rotated already: rotate {key.replaced_by} instead.")
    expired = key.expires_at is not None and key.expires_at <= now
    if expired or key.revoked_at is not None:
        state = "expired" if key.revoked_at is None else "revoked"
        raise Conflict(
            f"Key {key.id} is {state}, so it cannot be rotated. Create a new key with "
            "`gateway keys create`."
        )


async def change_key(tx: Tx, key_id: UUID, changes: KeyChanges, actor: Actor) -> ApiKey:
    """Change a key in all processes at once. Raises Invalid or NotFound."""
    checked = _checked(changes)
    workspace = await tx.first(_CHANGE, id=key_id, **msgspec.structs.asdict(checked))
    if workspace is None:
        raise _no_key(key_id)
    fields = list(msgspec.to_builtins(checked))
    await audit.record(tx, workspace, actor, "key.change", "key", key_id, fields=fields)
    await tx.notify(KEYS_CHANNEL, str(key_id))
    return await tx.one(_ONE_KEY, id=key_id)


def _checked(changes: KeyChanges) -> KeyChanges:
    """Return the changes with networks in their normal form. Raises Invalid."""
    name, description, allow = changes.name or "", changes.description or "", changes.allow or []
    if len(name) > _MAX_NAME_LENGTH or not name.isprintable():
        raise Invalid(f"A key's name has at most {_MAX_NAME_LENGTH} printable characters.")
    if len(description) > _MAX_DESCRIPTION_LENGTH or not description.isprintable():
        raise Invalid(
            f"A key's description has at most {_MAX_DESCRIPTION_LENGTH:,} printable characters."
        )
    if len(allow) > _MAX_NETWORKS:
        raise Invalid(f"A key has at most {_MAX_NETWORKS} allowed addresses and networks.")
    try:
        networks = [str(parse_network(network)) for network in allow]
    except ValueError as error:
        raise Invalid(str(error)) from None
    return msgspec.structs.replace(
        changes, allow=None if changes.allow is None else list(dict.fromkeys(networks))
    )


async def get_key(read: Read, key_id: UUID) -> ApiKey:
    """Get a key by its id. Raises NotFound."""
    key = await read.first(_ONE_KEY, id=key_id)
    if key is None:
        raise _no_key(key_id)
    return key


async def list_keys(read: Read) -> list[ApiKey]:
    """Return all keys of all workspaces, revoked ones included, oldest first."""
    return await read.all(_ALL_KEYS)


async def revoke_key(tx: Tx, key_id: UUID, actor: Actor) -> ApiKey:
    """Revoke a key in all processes at once. Revoking it again has no effect. Raises NotFound."""
    workspace = await tx.first(_REVOKE, id=key_id)
    if workspace is None:
        raise _no_key(key_id)
    await audit.record(tx, workspace, actor, "key.revoke", "key", key_id)
    await tx.notify(KEYS_CHANNEL, str(key_id))
    return await tx.one(_ONE_KEY, id=key_id)


def _no_key(key_id: UUID) -> NotFound:
    return NotFound(f"There is no key {key_id}: `gateway keys list` shows them.")


# --- expiry and use ---------------------------------------------------------------------------

# A replaced key is expected to expire.
_EXPIRING = statement(
    _KEYS.where(
        _c.revoked_at.is_(None),
        _c.expires_at > func.now(),
        _c.expires_at <= func.now() + days(EXPIRY_WARNING_DAYS),
        _replaced_by.is_(None),
    ).order_by(_c.expires_at),
    _key,
    cross_tenant_reason=_CROSS_TENANT,
)
_not_just_used = (
    select(_c.id)
    .where(
        _c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        or_(_c.last_used_at.is_(None), _c.last_used_at < func.now() - timedelta(seconds=30)),
    )
    # Another process that updates the row writes the same time.
    .with_for_update(skip_locked=True)
)
_SET_LAST_USE = statement(
    update(api_keys).where(_c.id.in_(_not_just_used)).values(last_used_at=func.now()),
    row,
    cross_tenant_reason="the key determines the workspace",
)


async def list_expiring(read: Read) -> list[ApiKey]:
    """List the keys that expire within EXPIRY_WARNING_DAYS and are not replaced, soonest first."""
    return await read.all(_EXPIRING)


async def set_last_use(read: Read, key_ids: Sequence[UUID]) -> None:
    """Set the time of the last use of keys to now, unless it is less than 30 s ago."""
    await read.first(_SET_LAST_USE, ids=key_ids)
