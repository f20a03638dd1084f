"""Handlers of opportunities."""

from typing import Any, Final

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from domains.discovery.opportunities import (
    OPPORTUNITIES,
    Opportunity,
    OpportunityCreate,
    OpportunityQuery,
    OpportunityUpdate,
)
from domains.kernel.db.database import Read, Tx
from domains.kernel.tenancy.keyring import Caller
from gateway.discovery.answers import DELETED, Deleted, paged
from gateway.operations import operation
from gateway.requests import decode_body, parse_query


@get(
    "/opportunities",
    opt=operation(
        "listOpportunities", "opportunities:read", "List opportunities", query=OpportunityQuery
    ),
)
async def list_opportunities(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> Response[list[Opportunity]]:
    query = parse_query(request, OpportunityQuery)
    return paged(await OPPORTUNITIES.page(read, caller.workspace, query), query)


@get(
    "/opportunities/{id:str}",
    opt=operation("getOpportunity", "opportunities:read", "Get an opportunity", errors=(404,)),
)
async def get_opportunity(
    id: FromPath[str],  # noqa: A002 - the documented name
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
) -> Opportunity:
    return await OPPORTUNITIES.get(read, caller.workspace, id)


@post(
    "/opportunities",
    opt=operation(
        "createOpportunity",
        "opportunities:write",
        "Create an opportunity",
        request=OpportunityCreate,
        errors=(409,),
    ),
)
async def create_opportunity(
    body: RawBody, caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> Opportunity:
    new = await decode_body(body, OpportunityCreate)
    return await OPPORTUNITIES.create(tx, caller.workspace, new)


@patch(
    "/opportunities/{id:str}",
    opt=operation(
        "updateOpportunity",
        "opportunities:write",
        "Change an opportunity",
        request=OpportunityUpdate,
        errors=(404,),
    ),
)
async def update_opportunity(
    id: FromPath[str],  # noqa: A002
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
) -> Opportunity:
    changes = await decode_body(body, OpportunityUpdate)
    return await OPPORTUNITIES.change(tx, caller.workspace, id, changes)


@delete(
    "/opportunities/{id:str}",
    status_code=200,
    opt=operation(
        "deleteOpportunity", "opportunities:delete", "Delete an opportunity", errors=(404,)
    ),
)
async def delete_opportunity(
    id: FromPath[str],  # noqa: A002
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
) -> Deleted:
    await OPPORTUNITIES.remove(tx, caller.workspace, id)
    return DELETED


HANDLERS: Final = (
    list_opportunities,
    get_opportunity,
    create_opportunity,
    update_opportunity,
    delete_opportunity,
)
