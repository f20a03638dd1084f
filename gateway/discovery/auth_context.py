"""The workspace and scopes of the key that a request sends."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import get

from domains.kernel.core.field_docs import doc
from gateway.operations import CallerDep, operation


class AuthWorkspace(msgspec.Struct):
    """The workspace that the key belongs to."""

    id: Annotated[UUID, doc("UUID of the workspace")]
    name: Annotated[str, doc("Name given by the operator", "Acme")]


class AuthCredential(msgspec.Struct):
    """A key with its scopes."""

    id: Annotated[
        UUID, doc("UUID of the key. Not a secret", "0199c2f0-2d33-7c75-81a6-0f1e2d3c4b5a")
    ]
    scopes: Annotated[list[str], doc("Permissions in both APIs", ["signals:read", "insights:read"])]


class AuthContext(msgspec.Struct):
    """The workspace and the key of a request."""

    workspace: Annotated[AuthWorkspace, doc("Workspace of the key")]
    credential: Annotated[AuthCredential, doc("The key")]


@get(
    "/auth/context",
    opt=operation("getAuthContext", "any key", "The workspace and scopes of this key"),
)
async def get_auth_context(caller: CallerDep) -> AuthContext:
    """Get the workspace and the scopes of the key of the request. 401: the key is not valid."""
    return AuthContext(
        AuthWorkspace(caller.workspace, caller.workspace_name),
        AuthCredential(caller.key, caller.ordered_scopes()),
    )


HANDLERS: Final = (get_auth_context,)
