"""Handlers of accounts, which are those of the revenue record."""

from typing import Final

from litestar import Response, get

from domains.revenue.crm import directory
from domains.revenue.crm.directory import Account, AccountLookup
from gateway import etags
from gateway.discovery.responses import paged
from gateway.operations import AnyRequest, BaseUrlDep, CallerDep, IdInPath, ReadDep, operation
from gateway.requests import parse_query


@get(
    "/accounts",
    opt=operation(
        "listCrmAccounts", "accounts:read", "List accounts", query=AccountLookup, addition=True
    ),
)
async def list_accounts(
    request: AnyRequest, caller: CallerDep, read: ReadDep, base_url: BaseUrlDep
) -> Response[list[Account]]:
    """List the accounts that were imported from the CRM, or look one up.

    A page has 20 accounts, or `limit` up to 100. `name`, `domain` and `externalId` must match
    exactly. 400: a limit, offset or filter that is not valid.
    """
    query = parse_query(request, AccountLookup)
    return paged(await directory.page(read, caller.workspace, query), query, request, base_url)


@get(
    "/accounts/{id:str}",
    opt=operation(
        "getCrmAccount",
        "accounts:read",
        "Get an account",
        errors=(404,),
        addition=True,
        version_of=etags.whole,
    ),
)
async def get_account(id: IdInPath, caller: CallerDep, read: ReadDep) -> Account:
    """Get an account by its UUID. The list finds it by its id in the CRM.

    404: the workspace has no account with this id.
    """
    return await directory.get(read, caller.workspace, id)


HANDLERS: Final = (list_accounts, get_account)
