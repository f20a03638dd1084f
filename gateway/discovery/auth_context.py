"""Who am I: the workspace and the scopes of the key that asks."""

from typing import Final
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency

from domains.kernel.keys import Caller
from gateway.surface import operation


class AuthWorkspace(msgspec.Struct):
    """The workspace that the key belongs to."""

    id: UUID
    name: str


class AuthCredential(msgspec.Struct):
    """The key: its id and all its scopes."""

    id: UUID
    scopes: list[str]


class AuthContext(msgspec.Struct):
    """The workspace and the credential behind a request."""

    workspace: AuthWorkspace
    credential: AuthCredential


@get(
    "/auth/context",
    opt=operation("getAuthContext", "any key", "The workspace and scopes of this key"),
)
async def get_auth_context(caller: NamedDependency[Caller]) -> AuthContext:
    return AuthContext(
        AuthWorkspace(caller.workspace, caller.workspace_name),
        AuthCredential(caller.key, caller.ordered_scopes()),
    )


HANDLERS: Final = (get_auth_context,)
