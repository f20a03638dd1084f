"""Workspaces, API keys, scopes, and the caller that a key makes."""

import asyncio
import contextlib
import hashlib
import hmac
import re
import secrets
import string
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final, Literal, NewType, get_args
from uuid import UUID

import msgspec
from sqlalchemy import Float, bindparam, cast, func, insert, or_, select, update

from domains.kernel.db import REFUSALS, Database, Read, Tx, end
from domains.kernel.ids import new_id, parse_id
from domains.kernel.problems import Conflict, Invalid, NotFound, Unauthorized
from domains.kernel.settings import Settings
from domains.kernel.statements import scalar, statement
from domains.kernel.tables import api_keys, workspaces

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
    "read",
    "ingest",
    "ask_sybill",
]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

# Proof that a check was made: only authentication, a claimed job and the operator's commands have
# one, and every function of a domain demands it.
WorkspaceId = NewType("WorkspaceId", UUID)

# The notification channel that says: forget what you know of keys.
CHANNEL: Final = "keys"

_ALPHABET: Final = string.ascii_letters + string.digits
_SECRET_LENGTH: Final = 40
_PREFIX_LENGTH: Final = 12
_CACHED_KEYS: Final = 10_000

_DOMAIN: Final = re.compile(r"[^@\s.,:/]+(\.[^@\s.,:/]+)+")

REFUSALS["uq_workspaces_name"] = lambda: Conflict("A workspace of that name exists already.")


class Limits(msgspec.Struct, frozen=True):
    """Requests per moving window; None: no limit."""

    minute: int | None
    hour: int | None
    day: int | None


class LimitChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key's own limits: UNSET means the deployment's, None means none."""

    minute: int | msgspec.UnsetType | None = msgspec.UNSET
    hour: int | msgspec.UnsetType | None = msgspec.UNSET
    day: int | msgspec.UnsetType | None = msgspec.UNSET

    def resolve(self, default: Limits) -> Limits:
        """What is in force; a default never makes a longer window tighter than a chosen one."""
        minute = default.minute if self.minute is msgspec.UNSET else self.minute
        hour = _at_least(default.hour, minute) if self.hour is msgspec.UNSET else self.hour
        day = _at_least(default.day, hour) if self.day is msgspec.UNSET else self.day
        return Limits(minute, hour, day)


def _at_least(limit: int | None, floor: int | None) -> int | None:
    return limit if limit is None or floor is None else max(limit, floor)


UNLIMITED: Final = LimitChoice(None, None, None)


class Workspace(msgspec.Struct, frozen=True, rename="camel"):
    id: WorkspaceId
    name: str
    created_at: datetime
    domains: list[str]
    hides_private: bool


class Caller(msgspec.Struct, frozen=True):
    """Who sends a request: the outcome of authentication."""

    workspace: WorkspaceId
    workspace_name: str
    key: UUID
    prefix: str
    scopes: frozenset[str]
    limits: Limits
    # The e-mail domains of the workspace's own people, as it has set them.
    own_domains: tuple[str, ...]
    # Whether the revenue record shows the workspace public records only.
    hides_private: bool

    def ordered_scopes(self) -> list[str]:
        """The scopes in their documented order."""
        return [scope for scope in SCOPES if scope in self.scopes]


class Key(msgspec.Struct, frozen=True):
    """An API key as operators see it; its text is shown once, when it is made."""

    id: UUID
    workspace: WorkspaceId
    workspace_name: str
    name: str
    prefix: str
    scopes: list[str]
    limits: LimitChoice
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def digest(text: str) -> bytes:
    """What is stored of a key: its text has 238 random bits, so a plain hash is not reversed."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


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
    across="the key is what names the workspace",
)


class Keyring:
    """Authenticates, with a cache that no revocation outlives.

    A revocation notifies every process, which then forgets all keys. While such a notification
    might not arrive, every request asks the database.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._read = database.read
        self._default = Limits(
            settings.limit_per_minute, settings.limit_per_hour, settings.limit_per_day
        )
        self._cache: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._generation = 0
        self._link = database.listener({CHANNEL: lambda _payload: self.forget()}, self.forget)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Listen for revocations meanwhile; without this nothing is cached."""
        listening = asyncio.create_task(self._link.run())
        try:
            yield
        finally:
            await end(listening)

    def forget(self) -> None:
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
        hashed = digest(text)
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
        choice = msgspec.json.decode(limits, type=LimitChoice)
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


_WORKSPACE: Final = tuple(workspaces.c[name] for name in Workspace.__struct_fields__)
_ADD_WORKSPACE = statement(
    insert(workspaces).values(id=bindparam("id"), name=bindparam("name")).returning(*_WORKSPACE),
    Workspace,
)
_OPERATOR: Final = "operators administer every workspace"
_ALL_WORKSPACES = statement(
    select(*_WORKSPACE).order_by(workspaces.c.id), Workspace, across=_OPERATOR
)
_SET_WORKSPACE = statement(
    update(workspaces)
    .where(workspaces.c.id == bindparam("workspace"))
    .values(
        domains=func.coalesce(
            bindparam("domains", type_=workspaces.c.domains.type), workspaces.c.domains
        ),
        hides_private=func.coalesce(
            bindparam("hides_private", type_=workspaces.c.hides_private.type),
            workspaces.c.hides_private,
        ),
    )
    .returning(*_WORKSPACE),
    Workspace,
)
_ADD_KEY = statement(
    insert(api_keys)
    .values(
        id=bindparam("id"),
        workspace_id=bindparam("workspace"),
        name=bindparam("name"),
        digest=bindparam("digest"),
        prefix=bindparam("prefix"),
        scopes=bindparam("scopes"),
        limits=bindparam("limits"),
        expires_at=bindparam("expires_at"),
    )
    .returning(api_keys.c.id),
    scalar,
)
_KEY_COLUMNS: Final = (
    api_keys.c.id,
    api_keys.c.workspace_id,
    workspaces.c.name,
    api_keys.c.name,
    api_keys.c.prefix,
    api_keys.c.scopes,
    api_keys.c.limits,
    api_keys.c.created_at,
    api_keys.c.expires_at,
    api_keys.c.revoked_at,
)


def _key(*columns: Any) -> Key:
    values = list(columns)
    values[6] = msgspec.json.decode(values[6], type=LimitChoice)
    return Key(*values)


_ALL_KEYS = statement(
    select(*_KEY_COLUMNS).join(workspaces).order_by(api_keys.c.id), _key, across=_OPERATOR
)
_ONE_KEY = statement(
    select(*_KEY_COLUMNS)
    .join(workspaces)
    .where(api_keys.c.id == bindparam("id"), api_keys.c.workspace_id == bindparam("workspace")),
    _key,
)
_REVOKE = statement(
    update(api_keys)
    .where(api_keys.c.id == bindparam("id"))
    .values(revoked_at=func.coalesce(api_keys.c.revoked_at, func.now()))
    .returning(api_keys.c.id),
    scalar,
    across=_OPERATOR,
)


async def create_workspace(tx: Tx, name: str) -> Workspace:
    """A new workspace; Conflict if the name is taken, Invalid if it is empty or too long."""
    name = name.strip()
    if not 0 < len(name) <= 200 or not name.isprintable():
        raise Invalid("A workspace's name has 1 to 200 printable characters.")
    return await tx.one(_ADD_WORKSPACE, id=new_id(), name=name)


async def set_workspace(
    tx: Tx, workspace: WorkspaceId, domains: list[str] | None, hides_private: bool | None
) -> Workspace:
    """Change what is given, on every process at once; Invalid for what is no e-mail domain."""
    for each in domains or ():
        if not _DOMAIN.fullmatch(each):
            raise Invalid(f"{each!r} is not an e-mail domain such as acme.com.")
    changed = await tx.one(
        _SET_WORKSPACE,
        workspace=workspace,
        domains=None if domains is None else sorted({each.lower() for each in domains}),
        hides_private=hides_private,
    )
    # Every caller carries these.
    await tx.notify(CHANNEL, str(workspace))
    return changed


async def list_workspaces(read: Read) -> list[Workspace]:
    """Every workspace, oldest first."""
    return await read.all(_ALL_WORKSPACES)


async def find_workspace(read: Read, id_or_name: str) -> Workspace:
    """By id or by name (an id first); NotFound names what was looked for."""
    every = await list_workspaces(read)
    wanted = parse_id(id_or_name)
    for workspace in every:
        if workspace.id == wanted:
            return workspace
    for workspace in every:
        if workspace.name == id_or_name:
            return workspace
    raise NotFound(f"There is no workspace {id_or_name!r}.")


async def mint(
    tx: Tx,
    workspace: WorkspaceId,
    scopes: list[Scope],
    *,
    name: str = "",
    limits: LimitChoice = LimitChoice(),  # noqa: B008 - frozen
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """A new key and its text, which is stored nowhere and cannot be shown again."""
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
        digest=digest(text),
        prefix=text[:_PREFIX_LENGTH],
        scopes=sorted(set(scopes), key=SCOPES.index),
        limits=msgspec.json.encode(limits),
        expires_at=expires_at,
    )
    return await tx.one(_ONE_KEY, id=key_id, workspace=workspace), text


async def list_keys(read: Read) -> list[Key]:
    """Every key, oldest first, revoked ones too."""
    return await read.all(_ALL_KEYS)


async def revoke(tx: Tx, key_id: UUID) -> None:
    """End a key at once, on every process; NotFound. Revoking twice is no error."""
    if await tx.first(_REVOKE, id=key_id) is None:
        raise NotFound(f"There is no key {key_id}.")
    await tx.notify(CHANNEL, str(key_id))
