"""Handlers of accounts."""

from typing import Annotated, Final

from litestar import get

from domains.kernel.core.field_docs import doc
from domains.revenue import accounts
from domains.revenue.accounts import AccountDetail, AccountQuery, ListAccountsResponse
from gateway.operations import AnyRequest, CallerDep, IdInPath, ReadDep, SignerDep
from gateway.requests import parse_query
from gateway.revenue.requests import crm_id_in_path, read_operation

_AccountId = Annotated[str, doc("The id that the CRM gave to the account.", min_length=1)]


@get("/accounts", opt=read_operation("listAccounts", "List accounts", query=AccountQuery))
async def list_accounts(
    request: AnyRequest, caller: CallerDep, read: ReadDep, signer: SignerDep
) -> ListAccountsResponse:
    """List accounts of the CRM, those with the latest activity first, in pages of 20 or `limit`.

    All filters must match. 400: a filter that is not valid, or a cursor of another list or with
    other filters.
    """
    query = parse_query(request, AccountQuery)
    return await accounts.page(read, signer, caller.workspace, query)


@get(
    "/accounts/{account_id:path}",
    opt=read_operation("getAccount", "Get an account", path_id=_AccountId),
)
async def get_account(account_id: IdInPath, caller: CallerDep, read: ReadDep) -> AccountDetail:
    """Get an account with contacts, CRM fields and its latest deal.

    The id may contain `/`, sent as `%2F`. 404: there is no such account.
    """
    account = crm_id_in_path(account_id, "account")
    return await accounts.get(
        read, caller.workspace, account, include_private=not caller.hides_private
    )


HANDLERS: Final = (list_accounts, get_account)
