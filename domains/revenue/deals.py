"""Deals: imported from the CRM, read-only, with activity and summary from linked records."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Boolean, Text, bindparam, func, literal_column, select

from domains.kernel.core.field_docs import ValueMap, doc
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.db.statements import WORKSPACE, statement
from domains.kernel.pagination.cursor import CursorList, CursorQuery20, PaginationInfo
from domains.kernel.pagination.cursor_statements import RangeFilter
from domains.kernel.tenancy.signing import Signer
from domains.revenue import example_ids
from domains.revenue.crm import matching
from domains.revenue.filters import (
    PAIRS,
    After,
    Before,
    TextFilter,
    activity_range,
    conditions,
    contains,
    equals,
    hints,
    number_range,
    pairs_hint,
    parse_filters,
    time_range,
)
from domains.revenue.people import Contact, Owner
from domains.revenue.tables import KNOWN_CLOSED_SQL, deals


class DealQuery(CursorQuery20, frozen=True, kw_only=True):
    """The query of the list of deals."""

    name: Annotated[TextFilter, doc("Part of the name, case-insensitive")] = UNSET
    stage: Annotated[TextFilter, doc("Part of the stage, case-insensitive")] = UNSET
    closed: Annotated[bool | UnsetType, doc("True for closed deals, false for all others")] = UNSET
    owner: Annotated[TextFilter, doc("Part of the owner's name, case-insensitive")] = UNSET
    close_date_after: Annotated[After, doc("Close date at or after this time")] = UNSET
    close_date_before: Annotated[Before, doc("Close date at or before this time")] = UNSET
    amount_min: Annotated[float | UnsetType, doc("Amount of at least this")] = UNSET
    amount_max: Annotated[float | UnsetType, doc("Amount of at most this")] = UNSET
    last_activity_after: Annotated[After, doc("Last activity at or after this time")] = UNSET
    last_activity_before: Annotated[Before, doc("Last activity at or before this time")] = UNSET

    def filters(self) -> dict[str, Any]:
        return parse_filters(self, _FILTERS)


class DealOwner(Owner):
    """The owner of a deal."""


class DealContact(Contact):
    """A person on the customer's side."""


class DealListItem(msgspec.Struct, rename="camel"):
    """A deal."""

    deal_id: Annotated[str, doc("Id in the CRM", example_ids.DEAL)]
    name: Annotated[str | None, doc("Name in the CRM", "Halden rollout")]
    account_name: Annotated[str | None, doc("The customer", "Halden")]
    stage: Annotated[str | None, doc("Stage in the CRM", "Contract sent")]
    pipeline: Annotated[str | None, doc("Pipeline in the CRM", "Sales")]
    amount: Annotated[float | None, doc("In the CRM's currency", 48000.0)]
    close_date: Annotated[datetime | None, doc("Expected or actual close date")]
    closed: Annotated[bool | None, doc("True if it is won or lost", False)]
    created_date: Annotated[datetime | None, doc("Creation time in the CRM")]
    last_activity_date: matching.LastActivity
    owner: Annotated[DealOwner | None, doc("The owner of the deal")]


class DealDetail(DealListItem):
    """A deal with summary, suggested CRM values and contacts."""

    summary: Annotated[
        ValueMap | None, doc("Text or texts by heading", {"Pain Points": ["Exports fail."]})
    ]
    crm_autofill: Annotated[
        ValueMap | None, doc("Suggested CRM values", {"Next Steps": "Send the plan."})
    ]
    contacts: Annotated[list[DealContact], doc("People on the customer's side")]


class ListDealsResponse(msgspec.Struct, rename="camel"):
    """A page of deals, those with the latest activity first."""

    deals: Annotated[list[DealListItem], doc("The deals of this page")]
    pagination: Annotated[PaginationInfo, doc("Cursor of the next page")]


_c = deals.c
_columns = (
    *(_c.id, _c.name, _c.account_name, _c.stage, _c.pipeline, _c.amount, _c.close_date, _c.closed),
    *(_c.created_at, _c.last_activity_at, _c.owner_name, _c.owner_email),
)


def _owner(name: str | None, email: str | None) -> DealOwner | None:
    return None if name is None and email is None else DealOwner(name, email)


def _item(*columns: Any) -> DealListItem:
    return DealListItem(*(*columns[:10], _owner(*columns[10:])))


def _detail(*columns: Any) -> tuple[DealDetail, bool]:
    """Return a deal, and True if its contacts were imported."""
    *others, contacts = columns
    values = (*others[:10], _owner(*others[10:12]), *others[12:], contacts or [])
    return DealDetail(*values), contacts is not None


_FILTERS: Final = (
    contains("name", _c.name),
    contains("stage", _c.stage),
    # A deal that is not known to be closed counts as open, as for the latest deal of an account.
    equals("closed", literal_column(KNOWN_CLOSED_SQL, type_=Boolean)),
    contains("owner", _c.owner_name),
    *time_range("close_date", _c.close_date),
    *number_range("amount", _c.amount),
    *activity_range(_c.ordered_at),
)
DEALS: Final = CursorList(
    table=deals,
    columns=_columns,
    row_factory=_item,
    query_type=DealQuery,
    order_by=_c.ordered_at,
    filters=conditions(_FILTERS),
    lower_bound="last_activity_after",
    upper_bound="last_activity_before",
    ranges=(
        RangeFilter(_c.amount, "amount_min", "amount_max"),
        RangeFilter(_c.close_date, "close_date_after", "close_date_before"),
    ),
    indexed={"closed"},
    hints=hints(_FILTERS) | {PAIRS: pairs_hint(_c.name, _c.stage, _c.owner_name)},
)
_GET = statement(
    select(
        *_columns,
        # Imported values take precedence over computed ones.
        func.coalesce(_c.summary, _c.found_summary),
        func.coalesce(_c.crm_autofill, _c.found_crm_autofill),
        _c.contacts,
    ).where(_c.workspace_id == WORKSPACE, _c.id == bindparam("id", type_=Text)),
    _detail,
)
_CONTACTS = matching.contacts_statement("deal_id", DealContact)


async def page(
    read: Read, signer: Signer, workspace: WorkspaceId, query: DealQuery
) -> ListDealsResponse:
    """Get a page of deals."""
    listed = await DEALS.page(read, signer, workspace, query)
    return ListDealsResponse(listed.items, listed.pagination)


async def get(
    read: Read, workspace: WorkspaceId, deal: str, *, include_private: bool
) -> DealDetail:
    """Get a deal by its CRM id. Raises NotFound."""
    detail: DealDetail = await matching.get_with_contacts(
        read, _GET, _CONTACTS, workspace, deal, "deal", include_private
    )
    return detail
