"""Which deal or account a conversation or message belongs to, and what that tells about it.

A link is found by the e-mails of those who are not the workspace's own people: contacts of deals
and accounts first, else the domains of accounts' websites. An open deal wins over its account, the
latest activity over the rest. Imports mark what they change; the job `LinkCrm` looks at the links
again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

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
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert

from domains.kernel import jobs
from domains.kernel.db import Tx
from domains.kernel.jobs import Job, Queue
from domains.kernel.keys import WorkspaceId
from domains.kernel.statements import row, scalar, statement
from domains.revenue.records import WORKSPACE
from domains.revenue.tables import accounts, conversations, crm_changes, deals, messages

# Seconds after a change at which links are looked at again: long enough for what was being written
# at that moment to be there.
_DELAY: Final = 2.0

# Deals and accounts, or records, that one job looks at.
_CHUNK: Final = 500

_AT: Final[dict[Table, Column[Any]]] = {
    conversations: conversations.c.started_at,
    messages: messages.c.created_at,
}


CrmType = Literal["contact", "account", "opportunity", "lead", "owner", "activity", "task"]


class CRMInfo(msgspec.Struct, rename="camel"):
    """The CRM record to which a conversation belongs."""

    id: Annotated[str | None, Meta(description="In the CRM")]
    name: Annotated[str | None, Meta(description="As the CRM has it")]
    type: Annotated[CrmType | None, Meta(description="Which kind of record it is")]


class LinkCrm(Job, frozen=True, tag="revenue.link_crm"):
    """Look again at the links that changes of the CRM concern, so many at a time."""

    queue: ClassVar[Queue] = "housekeeping"


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
    named = deals.alias("named")
    unnamed = deals.alias("unnamed")
    candidates = union_all(
        select(with_deal),
        select(
            theirs.c.record,
            literal_column("2"),
            theirs.c.last_activity_at,
            literal_column("'account'"),
            theirs.c.id,
            theirs.c.name,
            null(),
            theirs.c.id,
        ),
        select(theirs.c.record, literal_column("1"), *_deal_columns(named))
        .select_from(theirs.join(named, named.c.account_id == theirs.c.id))
        .where(named.c.workspace_id == WORKSPACE, _open(named)),
        select(theirs.c.record, literal_column("1"), *_deal_columns(unnamed))
        .select_from(theirs.join(unnamed, named_alike(unnamed.c.account_name, theirs.c.name)))
        .where(unnamed.c.workspace_id == WORKSPACE, unnamed.c.account_id.is_(None), _open(unnamed)),
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
            candidates.c.last_activity_at.desc().nulls_last(),
            candidates.c.crm_type,
            candidates.c.crm_id,
        )
    )


def _accounts_of(records: FromClause, match: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            records.c.record.label("record"),
            accounts.c.id,
            accounts.c.name,
            accounts.c.last_activity_at,
        )
        .select_from(records.join(accounts, match))
        .where(accounts.c.workspace_id == WORKSPACE)
    )


def _deal_columns(deal: FromClause) -> tuple[Any, ...]:
    return (
        deal.c.last_activity_at.label("last_activity_at"),
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
    return deal.c.closed.is_not(True)


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


async def seen(
    tx: Tx, workspace: WorkspaceId, deal: str | None, account: str | None, at: datetime
) -> None:
    """A new record of this time is linked to a deal and an account."""
    for table, owner in ((deals, deal), (accounts, account)):
        if owner is not None:
            await tx.first(_RAISE[table], workspace=workspace, id=owner, at=at)


async def look_again(
    tx: Tx,
    workspace: WorkspaceId,
    some_deals: Iterable[str | None],
    some_accounts: Iterable[str | None],
) -> None:
    """Records were linked to these, or are no longer: what is their latest activity?"""
    for table, owners in ((deals, some_deals), (accounts, some_accounts)):
        ids = sorted({owner for owner in owners if owner is not None})
        if ids:
            lock, refresh = _REFRESH[table]
            await tx.all(lock, workspace=workspace, ids=ids)
            await tx.first(refresh, workspace=workspace, ids=ids)


# --- changes ----------------------------------------------------------------------------------

_MARK = statement(
    insert(crm_changes)
    .from_select(
        ["workspace_id", "kind", "id"],
        select(
            WORKSPACE,
            bindparam("kind", type_=Text),
            func.unnest(_ids).column_valued("id"),
        ),
    )
    .on_conflict_do_nothing(),
    row,
)


def _take(kinds: Sequence[str]) -> Any:
    chosen = (
        select(crm_changes.c.kind, crm_changes.c.id)
        .where(
            crm_changes.c.workspace_id == WORKSPACE,
            crm_changes.c.kind.in_([literal_column(f"'{kind}'") for kind in kinds]),
        )
        .order_by(crm_changes.c.kind, crm_changes.c.id)
        .limit(literal_column(str(_CHUNK)))
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    return statement(
        delete(crm_changes)
        .where(
            crm_changes.c.workspace_id == WORKSPACE,
            tuple_(crm_changes.c.kind, crm_changes.c.id).in_(select(chosen)),
        )
        .returning(crm_changes.c.kind, crm_changes.c.id),
        row,
    )


_TAKE_OWNERS = _take(("accounts", "deals"))
_TAKE_RECORDS = _take(("conversations", "messages"))

_deal_ids = bindparam("deals", type_=ARRAY(Text))
_account_ids = bindparam("accounts", type_=ARRAY(Text))

_ACCOUNTS_OF = statement(
    select(account_of(deals)).where(
        deals.c.workspace_id == WORKSPACE, deals.c.id == any_(_deal_ids)
    ),
    scalar,
)


def _keys_of(table: Table, ids: Any, what: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.array(
        select(what)
        .where(table.c.workspace_id == WORKSPACE, table.c.id == any_(ids))
        .scalar_subquery(),
        type_=ARRAY(Text),
    )


def _branch(table: Table, condition: ColumnElement[bool]) -> Select[Any]:
    return select(table.c.id).where(
        table.c.workspace_id == WORKSPACE, table.c.deleted_at.is_(None), condition
    )


def _concerned(table: Table) -> Any:
    """Mark the records that are linked to some deals and accounts, or may be from now on."""
    contacts = [
        _keys_of(owner, ids, func.unnest(owner.c.contact_emails))
        for owner, ids in ((deals, _deal_ids), (accounts, _account_ids))
    ]
    domains = _keys_of(accounts, _account_ids, accounts.c.domain)
    reached = [
        table.c.deal_id == any_(_deal_ids),
        table.c.account_id == any_(_account_ids),
        *(table.c.outside.overlap(emails) for emails in contacts),
    ]
    # One branch for each way of reaching a record: each has an index of its own.
    branches = [_branch(table, condition) for condition in reached]
    branches.append(_branch(table, table.c.outside_domains.overlap(domains)))
    every = union_all(*branches).subquery("every")
    return statement(
        insert(crm_changes)
        .from_select(
            ["workspace_id", "kind", "id"],
            select(WORKSPACE, literal_column(f"'{table.name}'"), cast(every.c.id, Text)).distinct(),
        )
        .on_conflict_do_nothing(),
        row,
    )


_CONCERNED: Final = tuple(_concerned(table) for table in (conversations, messages))


def _relink(table: Table) -> Any:
    """Link some records anew; answers with the former and the new deal and account of each."""
    some = (
        select(
            table.c.id.label("record"),
            table.c.outside,
            table.c.outside_domains,
            table.c.deal_id,
            table.c.account_id,
        )
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            table.c.deleted_at.is_(None),
        )
        .order_by(table.c.id)
        .with_for_update(key_share=True)
        .cte("some")
    )
    best = best_links(some).cte("best")
    found = (
        select(
            some.c.record,
            some.c.deal_id.label("former_deal"),
            some.c.account_id.label("former_account"),
            *(each for each in best.c if each.name != "record"),
        )
        .select_from(some.outerjoin(best, best.c.record == some.c.record))
        .cte("found")
    )
    values: dict[str, ColumnElement[Any]] = {
        "deal_id": found.c.deal_id,
        "account_id": found.c.account_id,
    }
    if table is conversations:
        values = _unless_given(found)
    return statement(
        update(table)
        .where(table.c.workspace_id == WORKSPACE, table.c.id == found.c.record)
        .values(values)
        .returning(
            found.c.former_deal, found.c.former_account, table.c.deal_id, table.c.account_id
        ),
        row,
    )


def _unless_given(found: FromClause) -> dict[str, ColumnElement[Any]]:
    """The link of a conversation: what an import said of it stays as it is."""
    c = conversations.c
    given_deal = case((c.crm_type == literal_column("'opportunity'"), c.crm_id), else_=null())
    deal = deals.alias("given_deal")
    account_of_given = (
        select(account_of(deal))
        .where(deal.c.workspace_id == WORKSPACE, deal.c.id == c.crm_id)
        .scalar_subquery()
    )
    given_account = case(
        (c.crm_type == literal_column("'account'"), c.crm_id),
        (c.crm_type == literal_column("'opportunity'"), account_of_given),
        else_=null(),
    )
    return {
        **{
            name: case((c.crm_given, c[name]), else_=found.c[name])
            for name in ("crm_id", "crm_name", "crm_type")
        },
        "deal_id": case((c.crm_given, given_deal), else_=found.c.deal_id),
        "account_id": case((c.crm_given, given_account), else_=found.c.account_id),
    }


_RELINK: Final = {table.name: _relink(table) for table in (conversations, messages)}


async def changed(tx: Tx, workspace: WorkspaceId, kind: str, ids: Sequence[str]) -> None:
    """Records of a table (deals, accounts, conversations, messages) changed by an import.

    Soon after the commit the links that this concerns are looked at again.
    """
    if ids:
        await tx.first(_MARK, workspace=workspace, kind=kind, ids=ids)
        await jobs.enqueue_soon(tx, workspace, LinkCrm(), _DELAY)


async def link_some(tx: Tx, workspace: WorkspaceId) -> None:
    """Look at the links that some of the marked changes concern; the rest is the next job's."""
    owners = await tx.all(_TAKE_OWNERS, workspace=workspace)
    if owners:
        await _reach(tx, workspace, owners)
    else:
        records = await tx.all(_TAKE_RECORDS, workspace=workspace)
        if not records:
            return
        await _link(tx, workspace, records)
    await jobs.enqueue_soon(tx, workspace, LinkCrm(), 0)


async def _reach(tx: Tx, workspace: WorkspaceId, owners: list[tuple[str, str]]) -> None:
    some_deals = [each for kind, each in owners if kind == "deals"]
    some_accounts = [each for kind, each in owners if kind == "accounts"]
    await look_again(tx, workspace, some_deals, some_accounts)
    theirs = await tx.all(_ACCOUNTS_OF, workspace=workspace, deals=some_deals)
    reached = sorted({*some_accounts, *filter(None, theirs)})
    for mark in _CONCERNED:
        await tx.first(mark, workspace=workspace, deals=some_deals, accounts=reached)


async def _link(tx: Tx, workspace: WorkspaceId, records: list[tuple[str, str]]) -> None:
    owners: list[tuple[str | None, ...]] = []
    for name, relink in _RELINK.items():
        ids = sorted(UUID(each) for kind, each in records if kind == name)
        owners += await tx.all(relink, workspace=workspace, ids=ids)
    await look_again(
        tx,
        workspace,
        (deal for former, _, now, _ in owners for deal in (former, now)),
        (account for _, former, _, now in owners for account in (former, now)),
    )


# --- people who were met ----------------------------------------------------------------------

# Conversations and messages in which people are looked for, the newest.
_LOOKED_AT: Final = 100


def met(owned: str) -> Any:
    """Name and e-mail of those from outside in what is linked to the parameter `id`, once each."""
    people = [
        _people(conversations, owned, conversations.c.participants),
        _people(messages, owned, messages.c.recipients),
        _people(messages, owned, func.json_build_array(messages.c.sender)),
    ]
    every = union_all(*people).subquery("every")
    return statement(
        select(func.max(every.c.name), every.c.email)
        .where(every.c.email == any_(every.c.outside))
        .group_by(every.c.email)
        .order_by(every.c.email),
        row,
    )


def _people(table: Table, owned: str, shown: ColumnElement[Any]) -> Select[Any]:
    newest = (
        select(table.c.outside, shown.label("people"))
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c[owned] == bindparam("id", type_=Text),
            table.c.deleted_at.is_(None),
        )
        .order_by(_AT[table].desc())
        .limit(literal_column(str(_LOOKED_AT)))
        .subquery()
    )
    person = func.json_array_elements(newest.c.people).table_valued("value").lateral("person")
    name, email = (
        func.json_extract_path_text(person.c.value, literal_column(f"'{field}'"))
        for field in ("name", "email")
    )
    return select(
        name.label("name"), func.lower(email).label("email"), newest.c.outside
    ).select_from(newest.join(person, true()))
