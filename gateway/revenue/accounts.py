"""Handlers of accounts."""

from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from domains.kernel.db.database import Read
from domains.kernel.tenancy.keyring import Caller
from domains.kernel.tenancy.signing import Signer
from domains.revenue import accounts
from domains.revenue.accounts import AccountDetail, AccountQuery, ListAccountsResponse
from gateway.operations import operation
from gateway.requests import parse_query
from gateway.revenue.requests import READ, crm_id_in_path

_AccountId = Annotated[
    str, Meta(min_length=1, description="The id that the CRM gave to the account.")
]


@get(
    "/accounts",
    opt=operation("listAccounts", "read", "List accounts", query=AccountQuery, errors=READ),
)
async def list_accounts(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
    signer: NamedDependency[Signer],
) -> ListAccountsResponse:
    query = parse_query(request, AccountQuery)
    return await accounts.page(read, signer, caller.workspace, query)


@get(
    "/accounts/{account_id:path}",
    opt=operation("getAccount", "read", "Get an account", errors=READ, path_id=_AccountId),
)
async def get_account(
    account_id: FromPath[str], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> AccountDetail:
    account = crm_id_in_path(account_id, "account")
    return await accounts.get(
        read, caller.workspace, account, include_private=not caller.hides_private
    )


HANDLERS: Final = (list_accounts, get_account)
