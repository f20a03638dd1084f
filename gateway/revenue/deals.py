"""Handlers of deals."""

from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from domains.kernel.db.database import Read
from domains.kernel.tenancy.keyring import Caller
from domains.kernel.tenancy.signing import Signer
from domains.revenue import deals
from domains.revenue.deals import DealDetail, DealQuery, ListDealsResponse
from gateway.operations import operation
from gateway.requests import parse_query
from gateway.revenue.requests import READ, crm_id_in_path

_DealId = Annotated[str, Meta(min_length=1, description="The id that the CRM gave to the deal.")]


@get(
    "/deals",
    opt=operation("listDeals", "read", "List deals", query=DealQuery, errors=READ),
)
async def list_deals(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
    signer: NamedDependency[Signer],
) -> ListDealsResponse:
    query = parse_query(request, DealQuery)
    return await deals.page(read, signer, caller.workspace, query)


@get(
    "/deals/{deal_id:path}",
    opt=operation("getDeal", "read", "Get a deal", errors=READ, path_id=_DealId),
)
async def get_deal(
    deal_id: FromPath[str], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> DealDetail:
    return await deals.get(
        read,
        caller.workspace,
        crm_id_in_path(deal_id, "deal"),
        include_private=not caller.hides_private,
    )


HANDLERS: Final = (list_deals, get_deal)
