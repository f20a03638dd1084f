"""Authentication of API keys, with a cache that revocations clear in every process."""

import asyncio
import contextlib
import hmac
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import Float, bindparam, cast, func, or_, select

from domains.kernel.core.problems import Unauthorized
from domains.kernel.core.settings import Settings
from domains.kernel.core.tasks import cancel_and_wait
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.db.statements import statement
from domains.kernel.db.tables import api_keys, workspaces
from domains.kernel.tenancy.api_keys import (
    KEYS_CHANNEL,
    SCOPES,
    RateLimitOverrides,
    RateLimits,
    hash_key,
)

_CACHED_KEYS: Final = 10_000


class Caller(msgspec.Struct, frozen=True):
    """Who sends a request: the outcome of authentication."""

    workspace: WorkspaceId
    workspace_name: str
    key: UUID
    prefix: str
    scopes: frozenset[str]
    limits: RateLimits
    # The e-mail domains of the workspace's own people, as it has set them.
    own_domains: tuple[str, ...]
    # Whether the revenue record shows the workspace public records only.
    hides_private: bool

    def ordered_scopes(self) -> list[str]:
        """The scopes in their documented order."""
        return [scope for scope in SCOPES if scope in self.scopes]


_FIND = statement(
    select(
        api_keys.c.digest,
        api_keys.c.id,
        api_keys.c.prefix,
        api_keys.c.scopes,
        api_keys.c.limits,
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
    lambda *columns: columns,
    cross_tenant_reason="the key is what names the workspace",
)


class Keyring:
    """Authenticates, with a cache that no revocation outlives.

    A revocation notifies every process, which then forgets all keys. While such a notification
    might not arrive, every request asks the database.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._read = database.read
        self._default = RateLimits(
            settings.limit_per_minute, settings.limit_per_hour, settings.limit_per_day
        )
        self._cache: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._generation = 0
        self._link = database.listener(
            {KEYS_CHANNEL: lambda _payload: self.clear_cache()}, self.clear_cache
        )

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for revocations meanwhile; without this nothing is cached."""
        listening = asyncio.create_task(self._link.run())
        try:
            yield
        finally:
            await cancel_and_wait(listening)

    def clear_cache(self) -> None:
        """Drop every cached key, and what is being looked up at this moment."""
        self._cache.clear()
        self._generation += 1

    async def authenticate(self, authorization: str | None) -> Caller:
        """The caller of an `Authorization` header; Unauthorized if it names no living key."""
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
        if not self._link.alive or (known := self._cache.get(hashed)) is None:
            return None
        caller, until = known
        if time.monotonic() >= until:
            del self._cache[hashed]
            return None
        self._cache.move_to_end(hashed)
        return caller

    async def _look_up(self, hashed: bytes) -> Caller | None:
        generation, asked = self._generation, time.monotonic()
        found = await self._read.first(_FIND, digest=hashed)
        if found is None or not hmac.compare_digest(found[0], hashed):
            return None
        _, key, prefix, scopes, limits, workspace, name, domains, hides, expires_in = found
        choice = msgspec.json.decode(limits, type=RateLimitOverrides)
        caller = Caller(
            workspace,
            name,
            key,
            prefix,
            frozenset(scopes),
            choice.resolve(self._default),
            tuple(domains),
            hides,
        )
        # A revocation that arrived during the look-up may have come after its answer.
        if generation == self._generation:
            until = float("inf") if expires_in is None else asked + expires_in
            self._cache[hashed] = (caller, until)
            if len(self._cache) > _CACHED_KEYS:
                self._cache.popitem(last=False)
        return caller
