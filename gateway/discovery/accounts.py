"""Handlers of accounts, which are those of the revenue record."""

from typing import Final

from litestar import Response, get

from domains.revenue.crm import directory
from domains.revenue.crm.directory import Account, AccountLookup
from gateway.discovery.responses import paged
from gateway.operations import AnyRequest, CallerDep, IdInPath, ReadDep, operation
from gateway.requests import parse_query


@get(
    "/accounts",
    opt=operation(
        "listCrmAccounts", "accounts:read", "List accounts", query=AccountLookup, addition=True
    ),
)
async def list_accounts(
    request: AnyRequest, caller: CallerDep, read: ReadDep
) -> Response[list[Account]]:
    """Lists the accounts that were imported from the CRM, or looks one up."""
    query = parse_query(request, AccountLookup)
    return paged(await directory.page(read, caller.workspace, query), query)


@get(
    "/accounts/{id:str}",
    opt=operation("getCrmAccount", "accounts:read", "Get an account", errors=(404,), addition=True),
)
async def get_account(id: IdInPath, caller: CallerDep, read: ReadDep) -> Account:
    """Gets an account by its UUID. The list finds it by its id in the CRM."""
    return await directory.get(read, caller.workspace, id)


HANDLERS: Final = (list_accounts, get_account)
