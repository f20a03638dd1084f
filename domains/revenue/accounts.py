"""Accounts, as imports bring them: read only, with what linked records tell about them."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Text, bindparam, func, literal_column, select, union_all

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.db.statements import WORKSPACE, statement
from domains.kernel.pagination.cursor import (
    CursorList,
    CursorQuery20,
    PaginationInfo,
)
from domains.kernel.tenancy.signing import Signer
from domains.revenue import example_ids
from domains.revenue.crm import matching
from domains.revenue.crm.matching import same_name
from domains.revenue.filters import (
    LowerBound,
    UpperBound,
    activity_range,
    conditions,
    contains,
    hints,
    parse_filters,
    time_range,
)
from domains.revenue.records import EmailAddress, FullName, not_found
from domains.revenue.tables import accounts, deals


class AccountQuery(CursorQuery20, frozen=True, kw_only=True):
    """The query of the list of accounts."""

    name: Annotated[str | UnsetType, Meta(description="Part of the name, in any letter case")] = (
        UNSET
    )
    website: Annotated[
        str | UnsetType, Meta(description="Part of the website, in any letter case")
    ] = UNSET
    owner: Annotated[
        str | UnsetType,
        Meta(description="Part of the owner's name or e-mail, in any letter case"),
    ] = UNSET
    created_after: Annotated[LowerBound | UnsetType, Meta(description="Made then or later")] = UNSET
    created_before: Annotated[UpperBound | UnsetType, Meta(description="Made then or earlier")] = (
        UNSET
    )
    last_activity_after: Annotated[
        LowerBound | UnsetType, Meta(description="Last active then or later")
    ] = UNSET
    last_activity_before: Annotated[
        UpperBound | UnsetType, Meta(description="Last active then or earlier")
    ] = UNSET

    def filters(self) -> dict[str, Any]:
        return parse_filters(self, _FILTERS)


class AccountOwner(msgspec.Struct, rename="camel"):
    """Whose account it is."""

    name: Annotated[str | None, Meta(description="Full name", examples=["Rosa Lind"])] = None
    email: Annotated[
        str | None, Meta(description="E-mail address", examples=["rosa@acme.example"])
    ] = None


class AccountContact(msgspec.Struct, rename="camel"):
    """Somebody who belongs to the account."""

    name: FullName = None
    email: EmailAddress = None
    title: Annotated[
        str | None, Meta(description="What they are there", examples=["Operations"])
    ] = None
    phone: Annotated[
        str | None, Meta(description="Telephone number", examples=["+47 555 0199"])
    ] = None


class LatestDeal(msgspec.Struct, rename="camel"):
    """The latest open deal by creation; where none is open, the latest closed one."""

    deal_id: Annotated[str, Meta(description="In the CRM", examples=[example_ids.DEAL])]
    name: Annotated[str | None, Meta(description="As the CRM has it", examples=["Halden rollout"])]
    stage: Annotated[str | None, Meta(description="As the CRM has it", examples=["Contract sent"])]
    amount: Annotated[float | None, Meta(description="In the CRM's currency", examples=[48000.0])]
    close_date: Annotated[datetime | None, Meta(description="When it closes, or did")]


class AccountListItem(msgspec.Struct, rename="camel"):
    """An account."""

    account_id: Annotated[str, Meta(description="In the CRM", examples=[example_ids.ACCOUNT])]
    name: Annotated[str | None, Meta(description="As the CRM has it", examples=["Halden"])]
    website: Annotated[
        str | None, Meta(description="As the CRM has it", examples=["https://halden.example"])
    ]
    owner: Annotated[AccountOwner | None, Meta(description="Whose account it is")]
    created_date: Annotated[datetime | None, Meta(description="When it was made")]
    last_activity_date: Annotated[
        datetime | None,
        Meta(description="As the CRM has it, else of the newest linked conversation or message"),
    ]
    latest_deal: Annotated[LatestDeal | None, Meta(description="Its latest deal")]


class AccountDetail(AccountListItem):
    """An account with what is known about it."""

    contacts: Annotated[list[AccountContact], Meta(description="People who belong to it")]
    synced_crm_fields: Annotated[
        dict[str, Any] | None,
        Meta(
            description="Further fields, as the CRM has them",
            examples=[{"Industry": "Logistics", "Employees": 640}],
        ),
    ]


class ListAccountsResponse(msgspec.Struct, rename="camel"):
    """A page of accounts, those with the latest activity first."""

    accounts: Annotated[list[AccountListItem], Meta(description="The page")]
    pagination: Annotated[PaginationInfo, Meta(description="How the list goes on")]


_c = accounts.c


def _deals_of(match: Any) -> Any:
    """Deals of an account, of which at most one is wanted."""
    return (
        select(
            deals.c.id,
            deals.c.name,
            deals.c.stage,
            deals.c.amount,
            deals.c.close_date,
            deals.c.created_at,
            deals.c.closed.is_not(True).label("open"),
        )
        .where(deals.c.workspace_id == WORKSPACE, match)
        .correlate(accounts)
    )


_theirs = union_all(
    _deals_of(deals.c.account_id == _c.id),
    _deals_of(deals.c.account_id.is_(None) & same_name(deals.c.account_name, _c.name)),
).subquery("theirs")
_latest = (
    select(
        func.json_build_object(
            *(literal_column("'dealId'"), _theirs.c.id),
            *(literal_column("'name'"), _theirs.c.name),
            *(literal_column("'stage'"), _theirs.c.stage),
            *(literal_column("'amount'"), _theirs.c.amount),
            *(literal_column("'closeDate'"), _theirs.c.close_date),
        )
    )
    .order_by(_theirs.c.open.desc(), _theirs.c.created_at.desc().nulls_last(), _theirs.c.id.desc())
    .limit(literal_column("1"))
    .correlate(accounts)
    .scalar_subquery()
)
_columns = (
    _c.id,
    _c.name,
    _c.website,
    _c.owner_name,
    _c.owner_email,
    _c.created_at,
    _c.last_activity_at,
    _latest,
)
_DEAL: Final = msgspec.json.Decoder(LatestDeal)


def _values(*columns: Any) -> tuple[Any, ...]:
    account, name, website, owner_name, owner_email, created_at, active_at, deal = columns
    owner = None
    if owner_name is not None or owner_email is not None:
        owner = AccountOwner(owner_name, owner_email)
    # Decoded, so that its amount and date look as everywhere.
    latest = None if deal is None else _DEAL.decode(deal)
    return account, name, website, owner, created_at, active_at, latest


def _item(*columns: Any) -> AccountListItem:
    return AccountListItem(*_values(*columns))


def _detail(*columns: Any) -> tuple[AccountDetail, bool]:
    """An account, and whether an import gave its contacts."""
    *others, contacts, fields = columns
    values = (*_values(*others), contacts or [], fields)
    return AccountDetail(*values), contacts is not None


_FILTERS: Final = (
    contains("name", _c.name),
    contains("website", _c.website),
    contains("owner", _c.owner_text),
    *time_range("created", _c.created_at),
    *activity_range(_c.ordered_at),
)
ACCOUNTS: Final = CursorList(
    "accounts",
    accounts,
    _columns,
    _item,
    AccountQuery,
    order_by=_c.ordered_at,
    order_id=_c.id,
    filters=conditions(_FILTERS),
    bounds={"last_activity_after", "last_activity_before"},
    hints=hints(_FILTERS),
)
_GET = statement(
    select(*_columns, _c.contacts, _c.synced_crm_fields).where(
        _c.workspace_id == WORKSPACE, _c.id == bindparam("id", type_=Text)
    ),
    _detail,
)
_CONTACTS = matching.contacts_statement("account_id")


async def page(
    read: Read, signer: Signer, workspace: WorkspaceId, wanted: AccountQuery
) -> ListAccountsResponse:
    """The wanted accounts."""
    found = await ACCOUNTS.page(read, signer, workspace, wanted)
    return ListAccountsResponse(found.items, found.pagination)


async def get(
    read: Read, workspace: WorkspaceId, account: str, *, include_private: bool
) -> AccountDetail:
    """An account by the CRM's id; NotFound. Contacts no import gave are those who were met."""
    found = await read.first(_GET, workspace=workspace, id=account)
    if found is None:
        raise not_found("account", account)
    detail, given_contacts = found
    if not given_contacts:
        people = await read.all(
            _CONTACTS, workspace=workspace, id=account, include_private=include_private
        )
        detail.contacts = [AccountContact(name, email) for name, email in people]
    return detail
