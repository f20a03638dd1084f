"""Authentication by API key, with a cache that a revocation clears in every process."""

import hmac
import time
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import Float, bindparam, cast, func, or_, select

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.network import Network, parse_network
from domains.kernel.core.problems import Unauthorized
from domains.kernel.core.settings import Settings
from domains.kernel.core.tasks import background_task
from domains.kernel.db.database import Database
from domains.kernel.db.statements import row, statement
from domains.kernel.db.tables import api_keys, workspaces
from domains.kernel.tenancy.api_keys import (
    KEYS_CHANNEL,
    SCOPES,
    RateLimitOverrides,
    RateLimits,
    hash_key,
)

_CACHE_SIZE: Final = 10_000
# Seconds after which a cached key is read again, in case a notification was lost although those
# before and after it arrived.
_CACHE_LIFETIME: Final = 60.0


class Caller(msgspec.Struct, frozen=True):
    """The authenticated sender of a request."""

    workspace: WorkspaceId
    workspace_name: str
    key: UUID
    prefix: str
    scopes: frozenset[str]
    limits: RateLimits
    # E-mail domains of the workspace's internal people.
    own_domains: tuple[str, ...]
    # True: the revenue API shows public records only.
    hides_private: bool
    # The ids as text: formatting them takes longer than the look-up of a cached key.
    workspace_text: str
    key_text: str
    # Networks of the clients that may use the key. Empty: all.
    allowed: tuple[Network, ...] = ()

    def ordered_scopes(self) -> list[str]:
        """Return the scopes in the order of `SCOPES`."""
        return [scope for scope in SCOPES if scope in self.scopes]


_FIND = statement(
    select(
        api_keys.c.digest,
        api_keys.c.id,
        api_keys.c.prefix,
        api_keys.c.scopes,
        api_keys.c.limits,
        api_keys.c.allow,
        workspaces.c.id,
        workspaces.c.name,
        workspaces.c.domains,
        workspaces.c.hides_private,
        cast(func.extract("epoch", api_keys.c.expires_at - func.now()), Float),
    )
    .join(workspaces, workspaces.c.id == api_keys.c.workspace_id)
    .where(
        api_keys.c.digest == bindparam("digest"),
        api_keys.c.revoked_at.is_(None),
        or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.now()),
    ),
    row,
    cross_tenant_reason="the key determines the workspace",
)


class Keyring:
    """Authenticates requests. Caches keys, but not beyond their revocation or expiry.

    A revocation notifies every process, which then clears its cache. While it is not proven that
    notifications arrive, every request queries the database: a revoked key is refused after
    `PROOF_LIFETIME` seconds at the latest.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._read = database.read
        self._default_limits = RateLimits(
            settings.limit_per_minute, settings.limit_per_hour, settings.limit_per_day
        )
        self._cache: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._generation = 0
        self._listener = database.listener(
            {KEYS_CHANNEL: lambda _payload: self.clear_cache()}, self.clear_cache
        )

    def listening(self) -> AbstractAsyncContextManager[None]:
        """Listen for revocations inside the context. Outside it nothing is cached."""
        return background_task(self._listener.run())

    def clear_cache(self) -> None:
        """Drop every cached key. Look-ups in progress will not be cached."""
        self._cache.clear()
        self._generation += 1

    async def authenticate(self, authorization: str | None) -> Caller:
        """Return the caller of an `Authorization` header. Raises Unauthorized."""
        scheme, _, text = (authorization or "").partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            raise Unauthorized(
                "No API key. Send it in the header `Authorization: Bearer sk_live_...`."
            )
        hashed = hash_key(text)
        caller = self._cached(hashed) or await self._look_up(hashed)
        if caller is None:
            raise Unauthorized("The API key is not valid: it is unknown, expired or revoked.")
        return caller

    def _cached(self, hashed: bytes) -> Caller | None:
        if not self._listener.proven or (entry := self._cache.get(hashed)) is None:
            return None
        caller, expires_at = entry
        if time.monotonic() >= expires_at:
            del self._cache[hashed]
            return None
        self._cache.move_to_end(hashed)
        return caller

    async def _look_up(self, hashed: bytes) -> Caller | None:
        generation, started_at = self._generation, time.monotonic()
        record = await self._read.first(_FIND, digest=hashed)
        if record is None or not hmac.compare_digest(record[0], hashed):
            return None
        _, key, prefix, scopes, limits, allow, workspace, name, *further = record
        domains, hides_private, expires_in = further
        overrides = msgspec.json.decode(limits, type=RateLimitOverrides)
        caller = Caller(
            workspace,
            name,
            key,
            prefix,
            frozenset(scopes),
            overrides.resolve(self._default_limits),
            tuple(domains),
            hides_private,
            str(workspace),
            str(key),
            tuple(map(parse_network, allow)),
        )
        # If the cache was cleared during the look-up, the key may have been revoked.
        if generation == self._generation:
            lifetime = _CACHE_LIFETIME if expires_in is None else min(expires_in, _CACHE_LIFETIME)
            self._cache[hashed] = (caller, started_at + lifetime)
            if len(self._cache) > _CACHE_SIZE:
                self._cache.popitem(last=False)
        return caller
