"""Links from conversations and messages to deals and accounts, and the activity that follows.

A link is found by the e-mail addresses of external people: by the contacts of deals and accounts
first, then by the domains of accounts. A contact with exactly the address takes precedence over one
that is equal without plus tags (`ana+crm@acme.com`), then an open deal over its account, then the
latest activity. `relinking` recomputes links when deals or accounts change.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

import msgspec
from sqlalchemy import (
    ARRAY,
    CTE,
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on

from domains.kernel.core.field_docs import doc, named
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, Statement, row, scalar, statement
from domains.kernel.jobs.enqueue import enqueue_debounced
from domains.kernel.jobs.model import Job, Queue
from domains.revenue import example_ids
from domains.revenue.records import INCLUDE_PRIVATE, not_found
from domains.revenue.tables import accounts, contacts, conversations, deals, messages

T = TypeVar("T")

# Seconds between a change and the refresh of its deal. Changes in between share one refresh.
_REFRESH_DELAY: Final = 3.0

_TIME_COLUMN: Final[dict[Table, Column[Any]]] = {
    conversations: conversations.c.started_at,
    messages: messages.c.created_at,
}

LastActivity = Annotated[
    datetime | None, doc("As in the CRM, or the time of the newest linked conversation or message")
]
CrmType = Annotated[
    Literal["contact", "account", "opportunity", "lead", "owner", "activity", "task"],
    named("CRMObjectTypes", "Type of a CRM record. Deals are `opportunity`"),
]


class CRMInfo(msgspec.Struct, rename="camel"):
    """The CRM record that a conversation is linked to."""

    id: Annotated[str | None, doc("Id in the CRM", example_ids.DEAL)]
    name: Annotated[str | None, doc("Name in the CRM", "Halden rollout")]
    type: Annotated[CrmType | None, doc("Type of record", "opportunity")]


# --- finding the link -------------------------------------------------------------------------


def same_name(name: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[bool]:
    """Case-insensitive equality in NFC that can use the index on the first 200 characters."""
    return and_(_prefix(name) == _prefix(other), _compared(name) == _compared(other))


def _prefix(name: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.left(_compared(name), literal_column("200"))


def _compared(name: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.lower(func.nfc(name))


def best_links(records: FromClause) -> Select[Any]:
    """Select the best link of each record that has at least one.

    `records` has the columns record, outside and outside_domains. The result has the columns
    record, crm_id, crm_name, crm_type, deal_id and account_id.
    """
    by_contact = union_all(
        _accounts_of(
            records,
            accounts.c.contact_emails.overlap(records.c.outside),
            _by_base_address(accounts, records),
        ),
        _accounts_of_contacts(records),
    )
    with_deal = (
        select(
            records.c.record.label("record"),
            _by_base_address(deals, records).label("by_base"),
            case((_open(deals), 0), else_=2).label("rank"),
            *_deal_columns(deals),
        )
        .select_from(records.join(deals, deals.c.contact_emails.overlap(records.c.outside)))
        .where(deals.c.workspace_id == WORKSPACE)
        .cte("with_deal")
    )
    with_account = by_contact.cte("with_account")
    by_domain = (
        _accounts_of(
            records, accounts.c.domain == any_(records.c.outside_domains), literal_column("false")
        )
        .where(
            accounts.c.domain != literal_column("''"),
            ~select(with_deal.c.record).where(with_deal.c.record == records.c.record).exists(),
            ~select(with_account.c.record)
            .where(with_account.c.record == records.c.record)
            .exists(),
        )
        .cte("by_domain")
    )
    matches = union_all(select(with_account), select(by_domain)).cte("matches")
    # Look for the best deal once per account, not once per record.
    owners = select(matches.c.id, matches.c.name).distinct().cte("owners")
    named, unnamed = deals.alias("named"), deals.alias("unnamed")
    open_deals = union_all(
        _best_deal(owners, named, named.c.account_id == owners.c.id),
        _best_deal(
            owners,
            unnamed,
            unnamed.c.account_id.is_(None) & same_name(unnamed.c.account_name, owners.c.name),
        ),
    ).cte("open_deals")
    candidates = union_all(
        select(with_deal),
        select(
            matches.c.record,
            matches.c.by_base,
            literal_column("2"),
            matches.c.ordered_at,
            literal_column("'account'"),
            matches.c.id,
            matches.c.name,
            null(),
            matches.c.id,
        ),
        select(
            matches.c.record,
            matches.c.by_base,
            literal_column("1"),
            *(column for column in open_deals.c if column.name != "owner"),
        ).select_from(matches.join(open_deals, open_deals.c.owner == matches.c.id)),
    ).subquery("candidates")
    return (
        select(
            candidates.c.record,
            candidates.c.crm_id,
            candidates.c.crm_name,
            candidates.c.crm_type,
            candidates.c.deal_id,
            candidates.c.account_id,
        )
        .ext(distinct_on(candidates.c.record))
        .order_by(
            candidates.c.record,
            candidates.c.by_base,
            candidates.c.rank,
            candidates.c.ordered_at.desc(),
            candidates.c.crm_type,
            candidates.c.crm_id.desc(),
        )
    )


def _best_deal(owners: FromClause, deal: FromClause, match: ColumnElement[bool]) -> Select[Any]:
    """For each account with open deals, select the one with the latest activity."""
    best = (
        select(*_deal_columns(deal))
        .where(deal.c.workspace_id == WORKSPACE, match, _open(deal))
        .order_by(deal.c.ordered_at.desc(), deal.c.id.desc())
        .limit(literal_column("1"))
        .correlate(owners)
        .lateral()
    )
    return select(owners.c.id.label("owner"), *best.c).select_from(owners.join(best, true()))


def _by_base_address(owner: Table, records: FromClause) -> ColumnElement[bool]:
    """True if the contacts and the record have no address in common but for plus tags."""
    known, sent = (
        func.given_addresses(emails, type_=ARRAY(Text))
        for emails in (owner.c.contact_emails, records.c.outside)
    )
    return not_(known.bool_op("&&")(sent))


def _accounts_of(
    records: FromClause, match: ColumnElement[bool], by_base: ColumnElement[bool]
) -> Select[Any]:
    return (
        select(
            records.c.record.label("record"),
            by_base.label("by_base"),
            *(accounts.c.id, accounts.c.name, accounts.c.ordered_at),
        )
        .select_from(records.join(accounts, match))
        .where(accounts.c.workspace_id == WORKSPACE)
    )


def _accounts_of_contacts(records: FromClause) -> Select[Any]:
    """For each record, select the accounts whose separately imported contacts it has."""
    people = records.join(contacts, contacts.c.contact_emails.overlap(records.c.outside))
    return (
        select(
            records.c.record.label("record"),
            _by_base_address(contacts, records).label("by_base"),
            *(accounts.c.id, accounts.c.name, accounts.c.ordered_at),
        )
        .select_from(people.join(accounts, accounts.c.id == contacts.c.account_id))
        .where(accounts.c.workspace_id == WORKSPACE, contacts.c.workspace_id == WORKSPACE)
    )


def _deal_columns(deal: FromClause) -> tuple[Any, ...]:
    return (
        deal.c.ordered_at.label("ordered_at"),
        literal_column("'opportunity'").label("crm_type"),
        deal.c.id.label("crm_id"),
        deal.c.name.label("crm_name"),
        deal.c.id.label("deal_id"),
        account_id_of(deal).label("account_id"),
    )


def account_id_of(deal: FromClause) -> ColumnElement[Any]:
    """Id of a deal's account, which the deal names by id or else by name."""
    owner = accounts.alias()
    return func.coalesce(
        deal.c.account_id,
        select(func.min(owner.c.id))
        .where(owner.c.workspace_id == WORKSPACE, same_name(owner.c.name, deal.c.account_name))
        .correlate(deal)
        .scalar_subquery(),
    )


def _open(deal: FromClause) -> ColumnElement[bool]:
    return deal.c.closed.is_not(literal_column("true"))


def link_cte() -> CTE:
    """Best link of one record with the parameters `outside` and `outside_domains`."""
    one = select(
        literal_column("1").label("record"),
        bindparam("outside", type_=ARRAY(Text)).label("outside"),
        bindparam("outside_domains", type_=ARRAY(Text)).label("outside_domains"),
    ).cte("one")
    return best_links(one).cte("link")


# --- activity of deals and accounts -----------------------------------------------------------

_ids = bindparam("ids", type_=ARRAY(Text))


def _latest(table: Table, owner_id: Column[Any], link: str) -> ColumnElement[Any]:
    return (
        select(func.max(_TIME_COLUMN[table]))
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c[link] == owner_id,
            table.c.deleted_at.is_(None),
        )
        .scalar_subquery()
    )


def _recompute(table: Table, link: str) -> tuple[Any, Any]:
    """Statements that lock deals or accounts, and set their activity from the linked records."""
    chosen = (table.c.workspace_id == WORKSPACE, table.c.id == any_(_ids))
    lock = select(table.c.id).where(*chosen).order_by(table.c.id).with_for_update(key_share=True)
    current = table.alias("current")
    seen = (
        select(
            current.c.id,
            func.greatest(
                _latest(conversations, current.c.id, link), _latest(messages, current.c.id, link)
            ).label("at"),
        )
        .where(current.c.workspace_id == WORKSPACE, current.c.id == any_(_ids))
        .subquery("seen")
    )
    changed = (
        update(table)
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.id == seen.c.id,
            table.c.activity_seen_at.is_distinct_from(seen.c.at),
        )
        .values(activity_seen_at=seen.c.at)
    )
    return statement(lock, scalar), statement(changed, row)


def _raise_activity(table: Table) -> Any:
    at = bindparam("at", type_=table.c.activity_seen_at.type)
    return statement(
        update(table)
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.id == bindparam("id", type_=Text),
            or_(table.c.activity_seen_at.is_(None), table.c.activity_seen_at < at),
        )
        .values(activity_seen_at=at),
        row,
    )


# Every transaction locks deals before accounts, so that two of them cannot deadlock.
_OWNERS: Final = ((deals, "deal_id"), (accounts, "account_id"))
_RECOMPUTE: Final = {table: _recompute(table, link) for table, link in _OWNERS}
_RAISE_ACTIVITY: Final = {table: _raise_activity(table) for table, _ in _OWNERS}


class RefreshDeal(Job, frozen=True, tag="revenue.refresh_deal"):
    """Rebuild a deal's summary from its linked conversations and messages."""

    queue: ClassVar[Queue] = "analysis"
    deal_id: str

    @property
    def subject(self) -> str:
        return self.deal_id


async def schedule_refresh(tx: Tx, workspace: WorkspaceId, deal_ids: Iterable[str | None]) -> None:
    """Enqueue one debounced refresh for each deal. None means no deal."""
    for deal in sorted({deal for deal in deal_ids if deal is not None}):
        await enqueue_debounced(tx, workspace, RefreshDeal(deal), _REFRESH_DELAY)


async def record_activity(
    tx: Tx, workspace: WorkspaceId, deal: str | None, account: str | None, at: datetime
) -> None:
    """Advance the last activity of a deal and an account to the time of a new linked record."""
    await schedule_refresh(tx, workspace, (deal,))
    for table, owner in ((deals, deal), (accounts, account)):
        if owner is not None:
            await tx.first(_RAISE_ACTIVITY[table], workspace=workspace, id=owner, at=at)


async def recompute_activity(
    tx: Tx,
    workspace: WorkspaceId,
    deal_ids: Iterable[str | None],
    account_ids: Iterable[str | None],
) -> None:
    """Recompute the activity of deals and accounts that gained or lost linked records."""
    linked_deals = tuple(deal_ids)
    await schedule_refresh(tx, workspace, linked_deals)
    for table, owners in ((deals, linked_deals), (accounts, account_ids)):
        ids = sorted({owner for owner in owners if owner is not None})
        if ids:
            lock, recompute = _RECOMPUTE[table]
            await tx.all(lock, workspace=workspace, ids=ids)
            await tx.first(recompute, workspace=workspace, ids=ids)


# --- contacts ---------------------------------------------------------------------------------

# Newest conversations, and newest messages, that are searched for contacts.
_NEWEST: Final = 100
_MAX_CONTACTS: Final = 200


def contacts_statement(link: str, row_factory: Callable[[str | None, str], T]) -> Statement[T]:
    """Statement for name and e-mail address of external people in records linked to `id`.

    `link` is the column that has the id of the deal or account. Private records count if
    `include_private` is true.
    """
    newest = [
        _newest(conversations, link, conversations.c.participants),
        _newest(messages, link, messages.c.recipients),
        _newest(messages, link, func.json_build_array(messages.c.sender)),
    ]
    outsiders = union_all(
        *(select(func.unnest(records.c.outside).label("email")) for records in newest[:2])
    ).subquery("outsiders")
    people = union_all(*map(_people, newest)).subquery("people")
    return statement(
        select(func.max(people.c.name), people.c.email)
        .where(people.c.email.in_(select(outsiders.c.email)))
        .group_by(people.c.email)
        .order_by(people.c.email)
        .limit(literal_column(str(_MAX_CONTACTS))),
        row_factory,
    )


async def get_with_contacts(
    read: Read,
    get: Statement[tuple[Any, bool]],
    contacts: Statement[Any],
    workspace: WorkspaceId,
    record: str,
    noun: str,
    include_private: bool,
) -> Any:
    """Get a deal or account by its CRM id. Raises NotFound.

    `get` returns the record, and True if its contacts were imported. If False, use `contacts`.
    """
    found = await read.first(get, workspace=workspace, id=record)
    if found is None:
        raise not_found(noun, record)
    detail, has_imported_contacts = found
    if not has_imported_contacts:
        detail.contacts = await read.all(
            contacts, workspace=workspace, id=record, include_private=include_private
        )
    return detail


def _newest(table: Table, link: str, people: ColumnElement[Any]) -> FromClause:
    return (
        select(table.c.outside, people.label("people"))
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c[link] == bindparam("id", type_=Text),
            table.c.deleted_at.is_(None),
            or_(table.c.public, INCLUDE_PRIVATE),
        )
        .order_by(_TIME_COLUMN[table].desc())
        .limit(literal_column(str(_NEWEST)))
        .cte()
    )


def _people(records: FromClause) -> Select[Any]:
    person = func.json_array_elements(records.c.people).table_valued("value").lateral("person")
    name, email = (
        func.json_extract_path_text(person.c.value, literal_column(f"'{field}'"))
        for field in ("name", "email")
    )
    return select(name.label("name"), func.lower(func.btrim(email)).label("email")).select_from(
        records.join(person, true())
    )
