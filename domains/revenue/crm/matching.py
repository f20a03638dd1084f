"""Which deal or account a conversation or message belongs to, and what that tells about it.

A link is found by the e-mails of those who are not the workspace's own people: contacts of deals
and accounts first, else the domains of accounts' websites. An open deal wins over its account, the
latest activity over the rest. `relinking` looks at the links again where the CRM changes.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta
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
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.jobs.enqueue import enqueue_debounced
from domains.kernel.jobs.model import Job, Queue
from domains.revenue import example_ids
from domains.revenue.records import INCLUDE_PRIVATE
from domains.revenue.tables import (
    accounts,
    conversations,
    deals,
    messages,
)

# Seconds after a change at which a deal is refreshed: what changes meanwhile goes with it.
_REFRESHED_AFTER: Final = 3.0

_AT: Final[dict[Table, Column[Any]]] = {
    conversations: conversations.c.started_at,
    messages: messages.c.created_at,
}


CrmType = Literal["contact", "account", "opportunity", "lead", "owner", "activity", "task"]


class CRMInfo(msgspec.Struct, rename="camel"):
    """The CRM record to which a conversation belongs."""

    id: Annotated[str | None, Meta(description="In the CRM", examples=[example_ids.DEAL])]
    name: Annotated[str | None, Meta(description="As the CRM has it", examples=["Halden rollout"])]
    type: Annotated[CrmType | None, Meta(description="Which kind of record it is")]


# --- finding the link -------------------------------------------------------------------------


def named_alike(name: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[bool]:
    """That two names are equal but for letter case; their beginning is what an index knows."""
    return and_(_begin(name) == _begin(other), func.lower(name) == func.lower(other))


def _begin(name: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.left(func.lower(name), literal_column("200"))


def best_links(records: FromClause) -> Select[Any]:
    """The link of each of some records, where it has one.

    The records have the columns record, outside and outside_domains; the answer has record,
    crm_id, crm_name, crm_type, deal_id and account_id.
    """
    by_contact = _accounts_of(records, accounts.c.contact_emails.overlap(records.c.outside))
    with_deal = (
        select(
            records.c.record.label("record"),
            case((_open(deals), 0), else_=2).label("rank"),
            *_deal_columns(deals),
        )
        .select_from(records.join(deals, deals.c.contact_emails.overlap(records.c.outside)))
        .where(deals.c.workspace_id == WORKSPACE)
        .cte("with_deal")
    )
    with_account = by_contact.cte("with_account")
    by_domain = (
        _accounts_of(records, accounts.c.domain == any_(records.c.outside_domains))
        .where(
            accounts.c.domain != literal_column("''"),
            ~select(with_deal.c.record).where(with_deal.c.record == records.c.record).exists(),
            ~select(with_account.c.record)
            .where(with_account.c.record == records.c.record)
            .exists(),
        )
        .cte("by_domain")
    )
    theirs = union_all(select(with_account), select(by_domain)).cte("theirs")
    # Once for each account, however many records and deals it has.
    owners = select(theirs.c.id, theirs.c.name).distinct().cte("owners")
    named, unnamed = deals.alias("named"), deals.alias("unnamed")
    open_deals = union_all(
        _best_deal(owners, named, named.c.account_id == owners.c.id),
        _best_deal(
            owners,
            unnamed,
            unnamed.c.account_id.is_(None) & named_alike(unnamed.c.account_name, owners.c.name),
        ),
    ).cte("open_deals")
    candidates = union_all(
        select(with_deal),
        select(
            theirs.c.record,
            literal_column("2"),
            theirs.c.ordered_at,
            literal_column("'account'"),
            theirs.c.id,
            theirs.c.name,
            null(),
            theirs.c.id,
        ),
        select(
            theirs.c.record,
            literal_column("1"),
            *(each for each in open_deals.c if each.name != "owner"),
        ).select_from(theirs.join(open_deals, open_deals.c.owner == theirs.c.id)),
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
            candidates.c.rank,
            candidates.c.ordered_at.desc(),
            candidates.c.crm_type,
            candidates.c.crm_id.desc(),
        )
    )


def _best_deal(owners: FromClause, deal: FromClause, match: ColumnElement[bool]) -> Select[Any]:
    """The open deal with the latest activity of each account, where it has one."""
    best = (
        select(*_deal_columns(deal))
        .where(deal.c.workspace_id == WORKSPACE, match, _open(deal))
        .order_by(deal.c.ordered_at.desc(), deal.c.id.desc())
        .limit(literal_column("1"))
        .correlate(owners)
        .lateral()
    )
    return select(owners.c.id.label("owner"), *best.c).select_from(owners.join(best, true()))


def _accounts_of(records: FromClause, match: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            records.c.record.label("record"),
            accounts.c.id,
            accounts.c.name,
            accounts.c.ordered_at,
        )
        .select_from(records.join(accounts, match))
        .where(accounts.c.workspace_id == WORKSPACE)
    )


def _deal_columns(deal: FromClause) -> tuple[Any, ...]:
    return (
        # Those without activity come last.
        deal.c.ordered_at.label("ordered_at"),
        literal_column("'opportunity'").label("crm_type"),
        deal.c.id.label("crm_id"),
        deal.c.name.label("crm_name"),
        deal.c.id.label("deal_id"),
        account_of(deal).label("account_id"),
    )


def account_of(deal: FromClause) -> ColumnElement[Any]:
    """The account to which a deal belongs: the one it names by id, else by name."""
    owner = accounts.alias()
    return func.coalesce(
        deal.c.account_id,
        select(func.min(owner.c.id))
        .where(owner.c.workspace_id == WORKSPACE, named_alike(owner.c.name, deal.c.account_name))
        .correlate(deal)
        .scalar_subquery(),
    )


def _open(deal: FromClause) -> ColumnElement[bool]:
    return deal.c.closed.is_not(literal_column("true"))


def link_of_one() -> CTE:
    """The link of one record with the parameters `outside` and `outside_domains`."""
    one = select(
        literal_column("1").label("record"),
        bindparam("outside", type_=ARRAY(Text)).label("outside"),
        bindparam("outside_domains", type_=ARRAY(Text)).label("outside_domains"),
    ).cte("one")
    return best_links(one).cte("link")


# --- what a link tells ------------------------------------------------------------------------

_ids = bindparam("ids", type_=ARRAY(Text))


def _latest(of: Table, owner: Column[Any], owned: str) -> ColumnElement[Any]:
    return (
        select(func.max(_AT[of]))
        .where(
            of.c.workspace_id == WORKSPACE,
            of.c[owned] == owner,
            of.c.deleted_at.is_(None),
        )
        .scalar_subquery()
    )


def _refresh(table: Table, owned: str) -> tuple[Any, Any]:
    """Statements that lock some records, and set their activity to that of what is linked."""
    some = (table.c.workspace_id == WORKSPACE, table.c.id == any_(_ids))
    locked = select(table.c.id).where(*some).order_by(table.c.id).with_for_update(key_share=True)
    current = table.alias("current")
    seen = (
        select(
            current.c.id,
            func.greatest(
                _latest(conversations, current.c.id, owned),
                _latest(messages, current.c.id, owned),
            ).label("at"),
        )
        .where(current.c.workspace_id == WORKSPACE, current.c.id == any_(_ids))
        .subquery("seen")
    )
    refreshed = (
        update(table)
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.id == seen.c.id,
            table.c.activity_seen_at.is_distinct_from(seen.c.at),
        )
        .values(activity_seen_at=seen.c.at)
    )
    return statement(locked, scalar), statement(refreshed, row)


def _raise(table: Table) -> Any:
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


# In the order in which they are locked.
_OWNERS: Final = ((deals, "deal_id"), (accounts, "account_id"))
_REFRESH: Final = {table: _refresh(table, owned) for table, owned in _OWNERS}
_RAISE: Final = {table: _raise(table) for table, _ in _OWNERS}


class RefreshDeal(Job, frozen=True, tag="revenue.refresh_deal"):
    """Make a deal's summary anew from what is linked to it."""

    queue: ClassVar[Queue] = "analysis"
    deal_id: str

    @property
    def subject(self) -> str:
        return self.deal_id


async def refresh_soon(tx: Tx, workspace: WorkspaceId, some_deals: Iterable[str | None]) -> None:
    """What is linked to these deals has changed: soon their summaries are made anew, once each."""
    for deal in sorted({each for each in some_deals if each is not None}):
        await enqueue_debounced(tx, workspace, RefreshDeal(deal), _REFRESHED_AFTER)


async def seen(
    tx: Tx, workspace: WorkspaceId, deal: str | None, account: str | None, at: datetime
) -> None:
    """A new record of this time is linked to a deal and an account."""
    await refresh_soon(tx, workspace, (deal,))
    for table, owner in ((deals, deal), (accounts, account)):
        if owner is not None:
            await tx.first(_RAISE[table], workspace=workspace, id=owner, at=at)


async def recompute_activity(
    tx: Tx,
    workspace: WorkspaceId,
    some_deals: Iterable[str | None],
    some_accounts: Iterable[str | None],
) -> None:
    """Records were linked to these, or are no longer: what is their latest activity?"""
    linked_deals = tuple(some_deals)
    await refresh_soon(tx, workspace, linked_deals)
    for table, owners in ((deals, linked_deals), (accounts, some_accounts)):
        ids = sorted({owner for owner in owners if owner is not None})
        if ids:
            lock, refresh = _REFRESH[table]
            await tx.all(lock, workspace=workspace, ids=ids)
            await tx.first(refresh, workspace=workspace, ids=ids)


# --- people who were met ----------------------------------------------------------------------

# Conversations and messages in which people are looked for, the newest; and people at most.
_LOOKED_AT: Final = 100
_MOST_CONTACTS: Final = 200


def met(owned: str) -> Any:
    """Name and e-mail of those from outside in what is linked to the parameter `id`, once each.

    With the parameter `include_private` false only in what is public.
    """
    newest = [
        _newest(conversations, owned, conversations.c.participants),
        _newest(messages, owned, messages.c.recipients),
        _newest(messages, owned, func.json_build_array(messages.c.sender)),
    ]
    outsiders = union_all(
        *(select(func.unnest(each.c.outside).label("email")) for each in newest[:2])
    ).subquery("outsiders")
    people = union_all(*map(_people, newest)).subquery("people")
    return statement(
        select(func.max(people.c.name), people.c.email)
        .where(people.c.email.in_(select(outsiders.c.email)))
        .group_by(people.c.email)
        .order_by(people.c.email)
        .limit(literal_column(str(_MOST_CONTACTS))),
        row,
    )


def _newest(table: Table, owned: str, shown: ColumnElement[Any]) -> FromClause:
    return (
        select(table.c.outside, shown.label("people"))
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c[owned] == bindparam("id", type_=Text),
            table.c.deleted_at.is_(None),
            or_(table.c.public, INCLUDE_PRIVATE),
        )
        .order_by(_AT[table].desc())
        .limit(literal_column(str(_LOOKED_AT)))
        .cte()
    )


def _people(newest: FromClause) -> Select[Any]:
    person = func.json_array_elements(newest.c.people).table_valued("value").lateral("person")
    name, email = (
        func.json_extract_path_text(person.c.value, literal_column(f"'{field}'"))
        for field in ("name", "email")
    )
    return select(name.label("name"), func.lower(func.btrim(email)).label("email")).select_from(
        newest.join(person, true())
    )
