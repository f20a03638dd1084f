"""Accounts: imported from the CRM, read-only, with activity and contacts from linked records."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET
from sqlalchemy import ARRAY, Text, any_, bindparam, func, literal_column, select, union_all

from domains.kernel.core.field_docs import ValueMap, doc
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.db.statements import WORKSPACE, statement
from domains.kernel.pagination.cursor import CursorList, CursorQuery20, PaginationInfo
from domains.kernel.pagination.cursor_statements import RangeFilter
from domains.kernel.tenancy.signing import Signer
from domains.revenue import example_ids
from domains.revenue.addresses.email_domains import other_spelling
from domains.revenue.crm import matching
from domains.revenue.crm.matching import same_name
from domains.revenue.filters import (
    PAIRS,
    After,
    Before,
    TextFilter,
    activity_range,
    compared,
    conditions,
    contains,
    hints,
    pairs_hint,
    parse_filters,
    pattern,
    time_range,
    unindexed,
)
from domains.revenue.people import Contact, Owner, distinct_emails
from domains.revenue.tables import accounts, contacts, deals


class AccountQuery(CursorQuery20, frozen=True, kw_only=True):
    """The query of the list of accounts."""

    name: Annotated[TextFilter, doc("Part of the name, case-insensitive")] = UNSET
    website: Annotated[
        TextFilter, doc("Part of the website, case-insensitive. IDN and Punycode are equal")
    ] = UNSET
    owner: Annotated[TextFilter, doc("Part of the owner's name or e-mail address")] = UNSET
    created_after: Annotated[After, doc("Created at or after this time")] = UNSET
    created_before: Annotated[Before, doc("Created at or before this time")] = UNSET
    last_activity_after: Annotated[After, doc("Last activity at or after this time")] = UNSET
    last_activity_before: Annotated[Before, doc("Last activity at or before this time")] = UNSET

    def filters(self) -> dict[str, Any]:
        parameters = parse_filters(self, _FILTERS)
        if self.website is not UNSET and (other := other_spelling(self.website)) != self.website:
            for name in ("website", unindexed("website"), PAIRS):
                parameters.pop(name, None)
            parameters["websites"] = [pattern(self.website), pattern(other)]
        return parameters


class AccountOwner(Owner):
    """The owner of an account."""


class AccountContact(Contact):
    """A person who belongs to the account."""


class LatestDeal(msgspec.Struct, rename="camel"):
    """The open deal created last, or the closed deal created last if none is open."""

    deal_id: Annotated[str, doc("Id in the CRM", example_ids.DEAL)]
    name: Annotated[str | None, doc("Name in the CRM", "Halden rollout")]
    stage: Annotated[str | None, doc("Stage in the CRM", "Contract sent")]
    amount: Annotated[float | None, doc("In the CRM's currency", 48000.0)]
    close_date: Annotated[datetime | None, doc("Expected or actual close date")]


class AccountListItem(msgspec.Struct, rename="camel"):
    """An account."""

    account_id: Annotated[str, doc("Id in the CRM", example_ids.ACCOUNT)]
    name: Annotated[str | None, doc("Name in the CRM", "Halden")]
    website: Annotated[str | None, doc("Website in the CRM", "https://halden.example")]
    owner: Annotated[AccountOwner | None, doc("The owner of the account")]
    created_date: Annotated[datetime | None, doc("Creation time in the CRM")]
    last_activity_date: matching.LastActivity
    latest_deal: Annotated[LatestDeal | None, doc("The latest deal")]


class AccountDetail(AccountListItem):
    """An account with contacts and CRM fields."""

    contacts: Annotated[list[AccountContact], doc("People who belong to the account")]
    synced_crm_fields: Annotated[
        ValueMap | None, doc("Other fields", {"Industry": "Logistics", "Employees": 640})
    ]


class ListAccountsResponse(msgspec.Struct, rename="camel"):
    """A page of accounts, those with the latest activity first."""

    accounts: Annotated[list[AccountListItem], doc("The accounts of this page")]
    pagination: Annotated[PaginationInfo, doc("Cursor of the next page")]


_c = accounts.c


def _matching_deals(match: Any) -> Any:
    return (
        select(
            *(deals.c.id, deals.c.name, deals.c.stage, deals.c.amount, deals.c.close_date),
            *(deals.c.created_at, deals.c.closed.is_not(True).label("open")),
        )
        .where(deals.c.workspace_id == WORKSPACE, match)
        .correlate(accounts)
    )


_deals = union_all(
    _matching_deals(deals.c.account_id == _c.id),
    _matching_deals(deals.c.account_id.is_(None) & same_name(deals.c.account_name, _c.name)),
).subquery("account_deals")
_latest = (
    select(
        func.json_build_object(
            *(literal_column("'dealId'"), _deals.c.id),
            *(literal_column("'name'"), _deals.c.name),
            *(literal_column("'stage'"), _deals.c.stage),
            *(literal_column("'amount'"), _deals.c.amount),
            *(literal_column("'closeDate'"), _deals.c.close_date),
        )
    )
    .order_by(_deals.c.open.desc(), _deals.c.created_at.desc().nulls_last(), _deals.c.id.desc())
    .limit(literal_column("1"))
    .correlate(accounts)
    .scalar_subquery()
)
# Bound on the imported contacts in a response.
_MAX_PEOPLE: Final = 10_000
_people = (
    select(contacts.c.name, contacts.c.email, contacts.c.title, contacts.c.phone)
    .where(contacts.c.workspace_id == WORKSPACE, contacts.c.account_id == _c.id)
    .order_by(contacts.c.name, contacts.c.id)
    .limit(literal_column(str(_MAX_PEOPLE)))
    .correlate(accounts)
    .subquery("people")
)
_imported_people = (
    select(
        func.json_agg(
            func.json_build_object(
                *(literal_column("'name'"), _people.c.name),
                *(literal_column("'email'"), _people.c.email),
                *(literal_column("'title'"), _people.c.title),
                *(literal_column("'phone'"), _people.c.phone),
            )
        )
    )
    .correlate(accounts)
    .scalar_subquery()
)
_columns = (
    *(_c.id, _c.name, _c.website, _c.owner_name, _c.owner_email, _c.created_at),
    _c.last_activity_at,
    _latest,
)
_DEAL: Final = msgspec.json.Decoder(LatestDeal)
_PEOPLE: Final = msgspec.json.Decoder(list[AccountContact])


def _values(columns: Sequence[Any]) -> tuple[Any, ...]:
    *names, owner_name, owner_email, created_at, last_activity_at, deal = columns
    has_owner = owner_name is not None or owner_email is not None
    owner = AccountOwner(owner_name, owner_email) if has_owner else None
    # Decoded and encoded again, so that amount and date have the format of all responses.
    latest = None if deal is None else _DEAL.decode(deal)
    return *names, owner, created_at, last_activity_at, latest


def _item(*columns: Any) -> AccountListItem:
    return AccountListItem(*_values(columns))


def _detail(*columns: Any) -> tuple[AccountDetail, bool]:
    """Return an account, and True if it has imported contacts."""
    *others, own, fields, people = columns
    imported = own if people is None else _with_people(own, people)
    values = (*_values(others), imported or [], fields)
    return AccountDetail(*values), imported is not None


def _with_people(own: msgspec.Raw | None, people: msgspec.Raw) -> list[AccountContact]:
    """Add people to the account's own contacts, unless these have their e-mail addresses."""
    contacts = [] if own is None else _PEOPLE.decode(own)
    known = set(distinct_emails(contacts))
    others = _PEOPLE.decode(people)
    return [*contacts, *(each for each in others if known.isdisjoint(distinct_emails([each])))]


_FILTERS: Final = (
    contains("name", _c.name),
    contains("website", _c.website),
    contains("owner", _c.owner_text),
    *time_range("created", _c.created_at),
    *activity_range(_c.ordered_at),
)
ACCOUNTS: Final = CursorList(
    table=accounts,
    columns=_columns,
    row_factory=_item,
    query_type=AccountQuery,
    order_by=_c.ordered_at,
    filters=conditions(_FILTERS)
    | {
        "websites": compared(_c.website).bool_op("~~*")(
            any_(bindparam("websites", type_=ARRAY(Text)))
        )
    },
    lower_bound="last_activity_after",
    upper_bound="last_activity_before",
    ranges=(RangeFilter(_c.created_at, "created_after", "created_before"),),
    hints=hints(_FILTERS) | {PAIRS: pairs_hint(_c.name, _c.website, _c.owner_text)},
)
_GET = statement(
    select(*_columns, _c.contacts, _c.synced_crm_fields, _imported_people).where(
        _c.workspace_id == WORKSPACE, _c.id == bindparam("id", type_=Text)
    ),
    _detail,
)
_CONTACTS = matching.contacts_statement("account_id", AccountContact)


async def page(
    read: Read, signer: Signer, workspace: WorkspaceId, query: AccountQuery
) -> ListAccountsResponse:
    """Get a page of accounts."""
    listed = await ACCOUNTS.page(read, signer, workspace, query)
    return ListAccountsResponse(listed.items, listed.pagination)


async def get(
    read: Read, workspace: WorkspaceId, account: str, *, include_private: bool
) -> AccountDetail:
    """Get an account by its CRM id. Raises NotFound."""
    detail: AccountDetail = await matching.get_with_contacts(
        read, _GET, _CONTACTS, workspace, account, "account", include_private
    )
    return detail
