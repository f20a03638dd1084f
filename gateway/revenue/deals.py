"""Handlers of deals."""

from typing import Annotated, Final

from litestar import get

from domains.kernel.core.field_docs import doc
from domains.revenue import deals
from domains.revenue.deals import DealDetail, DealQuery, ListDealsResponse
from gateway.operations import AnyRequest, CallerDep, IdInPath, ReadDep, SignerDep
from gateway.requests import parse_query
from gateway.revenue.requests import crm_id_in_path, read_operation

_DealId = Annotated[str, doc("The id that the CRM gave to the deal.", min_length=1)]


@get("/deals", opt=read_operation("listDeals", "List deals", query=DealQuery))
async def list_deals(
    request: AnyRequest, caller: CallerDep, read: ReadDep, signer: SignerDep
) -> ListDealsResponse:
    """List deals of the CRM, those with the latest activity first, in pages of 20 or `limit`.

    All filters must match. 400: a filter that is not valid, or a cursor of another list or with
    other filters.
    """
    query = parse_query(request, DealQuery)
    return await deals.page(read, signer, caller.workspace, query)


@get("/deals/{deal_id:path}", opt=read_operation("getDeal", "Get a deal", path_id=_DealId))
async def get_deal(deal_id: IdInPath, caller: CallerDep, read: ReadDep) -> DealDetail:
    """Get a deal with summary, suggested CRM values and contacts.

    The id may contain `/`, sent as `%2F`. 404: there is no such deal.
    """
    return await deals.get(
        read,
        caller.workspace,
        crm_id_in_path(deal_id, "deal"),
        include_private=not caller.hides_private,
    )


HANDLERS: Final = (list_deals, get_deal)
