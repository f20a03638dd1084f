"""Handlers of opportunities."""

from typing import Final

from litestar import Response, delete, get, patch, post
from litestar.params import RawBody

from domains.discovery.opportunities import (
    OPPORTUNITIES,
    Opportunity,
    OpportunityCreate,
    OpportunityQuery,
    OpportunityUpdate,
)
from gateway import etags
from gateway.discovery.path_ids import OPPORTUNITY_ID
from gateway.discovery.responses import DELETED, Deleted, paged
from gateway.operations import (
    ActorDep,
    AnyRequest,
    BaseUrlDep,
    CallerDep,
    IdInPath,
    IfMatchDep,
    ReadDep,
    TxDep,
    operation,
)
from gateway.requests import decode_body, decode_new, parse_query


@get(
    "/opportunities",
    opt=operation(
        "listOpportunities", "opportunities:read", "List opportunities", query=OpportunityQuery
    ),
)
async def list_opportunities(
    request: AnyRequest, caller: CallerDep, read: ReadDep, base_url: BaseUrlDep
) -> Response[list[Opportunity]]:
    """List the opportunities of the workspace, newest first.

    A page has up to 100 opportunities. All filters must match; `q` searches names and
    descriptions. 400: a limit, offset or filter that is not valid.
    """
    query = parse_query(request, OpportunityQuery)
    return paged(await OPPORTUNITIES.page(read, caller.workspace, query), query, request, base_url)


@get(
    "/opportunities/{id:str}",
    opt=operation(
        "getOpportunity",
        "opportunities:read",
        "Get an opportunity",
        errors=(404,),
        path_id=OPPORTUNITY_ID,
        version_of=etags.whole,
    ),
)
async def get_opportunity(id: IdInPath, caller: CallerDep, read: ReadDep) -> Opportunity:
    """Get an opportunity. 404: the workspace has no opportunity with this id."""
    return await OPPORTUNITIES.get(read, caller.workspace, id)


@post(
    "/opportunities",
    opt=operation(
        "createOpportunity",
        "opportunities:write",
        "Create an opportunity",
        request=OpportunityCreate,
        errors=(409,),
        version_of=etags.whole,
    ),
)
async def create_opportunity(body: RawBody, caller: CallerDep, tx: TxDep) -> Opportunity:
    """Create an opportunity.

    400: an empty name or description, a score outside 0 to 100, or ids of insights or ideas that
    do not exist.
    """
    new = await decode_new(body, OpportunityCreate)
    return await OPPORTUNITIES.create(tx, caller.workspace, new)


@patch(
    "/opportunities/{id:str}",
    opt=operation(
        "updateOpportunity",
        "opportunities:write",
        "Change an opportunity",
        request=OpportunityUpdate,
        errors=(404,),
        path_id=OPPORTUNITY_ID,
        version_of=etags.whole,
    ),
)
async def update_opportunity(
    id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Opportunity:
    """Change an opportunity. Absent fields stay as they are; lists are replaced as a whole.

    400: a value that is not valid, or ids of linked records that do not exist.
    """
    changes = await decode_body(body, OpportunityUpdate)
    return await OPPORTUNITIES.change(tx, caller.workspace, id, changes, if_match)


@delete(
    "/opportunities/{id:str}",
    status_code=200,
    opt=operation(
        "deleteOpportunity",
        "opportunities:delete",
        "Delete an opportunity",
        errors=(404,),
        path_id=OPPORTUNITY_ID,
        version_of=etags.whole,
    ),
)
async def delete_opportunity(
    id: IdInPath, caller: CallerDep, actor: ActorDep, tx: TxDep, if_match: IfMatchDep
) -> Deleted:
    """Delete an opportunity and its links. The linked insights and ideas stay."""
    await OPPORTUNITIES.remove(tx, caller.workspace, id, actor, if_match)
    return DELETED


HANDLERS: Final = (
    list_opportunities,
    get_opportunity,
    create_opportunity,
    update_opportunity,
    delete_opportunity,
)
