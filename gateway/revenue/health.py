"""Handler of the health check with a key."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import get
from msgspec import Meta

from gateway.operations import CallerDep, operation


class HealthResponse(msgspec.Struct):
    """The organization and all scopes of a valid key, including those of the other API."""

    status: Annotated[str, Meta(description="Always `ok`", examples=["ok"])]
    org_id: Annotated[UUID, Meta(description="Id of the organization: the key's workspace")]
    scopes: Annotated[
        list[str], Meta(description="All scopes of the key", examples=[["read", "ingest"]])
    ]


@get("/health", opt=operation("health", "any key", "Check a key", counted=False))
async def get_health(caller: CallerDep) -> HealthResponse:
    return HealthResponse("ok", caller.workspace, caller.ordered_scopes())


HANDLERS: Final = (get_health,)
