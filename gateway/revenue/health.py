"""Handler of the health check with a key."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import get

from domains.kernel.core.field_docs import doc
from gateway.operations import CallerDep, operation


class HealthResponse(msgspec.Struct):
    """The organization and all scopes of a valid key, including those of the other API."""

    status: Annotated[str, doc("Always `ok`", "ok")]
    org_id: Annotated[UUID, doc("Id of the organization: the key's workspace")]
    scopes: Annotated[list[str], doc("All scopes of the key", ["read", "ingest"])]


@get("/health", opt=operation("health", "any key", "Check a key", counted=False))
async def get_health(caller: CallerDep) -> HealthResponse:
    """Check a key: get its organization and all its scopes.

    The call does not count against the rate limits. 401: the key is not valid.
    """
    return HealthResponse("ok", caller.workspace, caller.ordered_scopes())


HANDLERS: Final = (get_health,)
