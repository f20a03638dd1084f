"""API keys: scopes, rate limits, creation, listing and revocation."""

import hashlib
import secrets
import string
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, insert, select, update

from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.problems import Invalid, NotFound
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, parameters, scalar, statement
from domains.kernel.db.tables import api_keys, workspaces

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
    """An API key without its text, which only `create_key` returns."""

    id: UUID
    workspace_id: WorkspaceId
    workspace_name: str
    name: str
    prefix: str
    scopes: list[str]
    limits: RateLimitOverrides
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def hash_key(text: str) -> bytes:
    """Hash a key's text for storage. It has 238 random bits, so a plain hash is irreversible."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


_CROSS_TENANT: Final = "operators administer every workspace"
_ADD_KEY = statement(
    insert(api_keys)
    .values(
        workspace_id=WORKSPACE,
        **parameters("id", "name", "digest", "prefix", "scopes", "limits", "expires_at"),
    )
    .returning(api_keys.c.id),
    scalar,
)


def _key(*columns: Any) -> ApiKey:
    fields = dict(zip(ApiKey.__struct_fields__, columns, strict=True))
    fields["limits"] = msgspec.json.decode(fields["limits"], type=RateLimitOverrides)
    return ApiKey(**fields)


_KEYS = select(
    *(
        workspaces.c.name if name == "workspace_name" else api_keys.c[name]
        for name in ApiKey.__struct_fields__
    )
).join(workspaces)
_ALL_KEYS = statement(_KEYS.order_by(api_keys.c.id), _key, cross_tenant_reason=_CROSS_TENANT)
_ONE_KEY = statement(
    _KEYS.where(api_keys.c.id == bindparam("id"), api_keys.c.workspace_id == WORKSPACE), _key
)
_REVOKE = statement(
    update(api_keys)
    .where(api_keys.c.id == bindparam("id"))
    .values(revoked_at=func.coalesce(api_keys.c.revoked_at, func.now()))
    .returning(api_keys.c.id),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)


async def create_key(
    tx: Tx,
    workspace: WorkspaceId,
    scopes: list[Scope],
    *,
    name: str = "",
    limits: RateLimitOverrides = RateLimitOverrides(),  # noqa: B008 - frozen
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key. Returns the record and the secret key text, which is not stored.

    Raises Invalid for an invalid name or an empty list of scopes.
    """
    if len(name) > 200 or not name.isprintable():
        raise Invalid("A key's name has at most 200 printable characters.")
    if not scopes:
        raise Invalid("A key needs at least one scope.")
    text = "sk_live_" + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    key_id = new_id()
    await tx.one(
        _ADD_KEY,
        id=key_id,
        workspace=workspace,
        name=name,
        digest=hash_key(text),
        prefix=text[:_PREFIX_LENGTH],
        scopes=sorted(set(scopes), key=SCOPES.index),
        limits=msgspec.json.encode(limits),
        expires_at=expires_at,
    )
    return await tx.one(_ONE_KEY, id=key_id, workspace=workspace), text


async def list_keys(read: Read) -> list[ApiKey]:
    """Return all keys of all workspaces, revoked ones included, oldest first."""
    return await read.all(_ALL_KEYS)


async def revoke_key(tx: Tx, key_id: UUID) -> None:
    """Revoke a key in all processes at once. Revoking it again has no effect. Raises NotFound."""
    if await tx.first(_REVOKE, id=key_id) is None:
        raise NotFound(f"There is no key {key_id}.")
    await tx.notify(KEYS_CHANNEL, str(key_id))
