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
from domains.kernel.ids import new_id
from domains.kernel.jobs import Job, Queue
from domains.kernel.keys import WorkspaceId
from domains.kernel.statements import row, scalar, statement
from domains.revenue.records import EVERYTHING, WORKSPACE
from domains.revenue.tables import (
    accounts,
    conversations,
    crm_changes,
    crm_walks,
    deals,
    messages,
)

# Seconds after a change at which links are looked at again: long enough for what was being written
# at that moment to be there.
_DELAY: Final = 2.0

# Records that one job links anew.
_CHUNK: Final = 500
# Deals and accounts of which one job looks who is concerned, and so many records at most: where
# there are more, all records of the workspace are gone through.
_OWNERS_AT_ONCE: Final = 100
_FEW: Final = 5_000

# Seconds after which links are looked at again if that has failed for good.
_LATER: Final = 60.0

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


def _take(kinds: Sequence[str], limit: int) -> Any:
    chosen = (
        select(crm_changes.c.kind, crm_changes.c.id)
        .where(
            crm_changes.c.workspace_id == WORKSPACE,
            crm_changes.c.kind.in_([literal_column(f"'{kind}'") for kind in kinds]),
        )
        .order_by(crm_changes.c.kind, crm_changes.c.id)
        .limit(literal_column(str(limit)))
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


_TAKE_OWNERS = _take(("accounts", "deals"), _OWNERS_AT_ONCE)
_TAKE_RECORDS = _take(("conversations", "messages"), _CHUNK)

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
    """The records that are linked to some deals and accounts, or may be from now on: not all, if
    they are more than a few.
    """
    contacts = [
        _keys_of(owner, ids, func.unnest(owner.c.contact_emails))
        for owner, ids in ((deals, _deal_ids), (accounts, _account_ids))
    ]
    domains = _keys_of(accounts, _account_ids, accounts.c.domain)
    # One branch for each way of reaching a record: each has an index of its own.
    branches = [
        _branch(table, condition)
        for condition in (
            table.c.deal_id == any_(_deal_ids),
            table.c.account_id == any_(_account_ids),
            table.c.deal_id == any_(_deals_of_accounts()),
            *(table.c.outside.overlap(emails) for emails in contacts),
            table.c.outside_domains.overlap(domains),
        )
    ]
    every = union_all(*branches).subquery("every")
    return statement(
        select(cast(every.c.id, Text)).limit(literal_column(str(_FEW + 1))),
        scalar,
    )


def _deals_of_accounts() -> ColumnElement[Any]:
    """The deals that belong to some accounts."""
    theirs = (
        select(accounts.c.id, accounts.c.name)
        .where(accounts.c.workspace_id == WORKSPACE, accounts.c.id == any_(_account_ids))
        .subquery("some_accounts")
    )
    named, unnamed = deals.alias("named"), deals.alias("unnamed")
    every = union_all(
        select(named.c.id)
        .select_from(theirs.join(named, named.c.account_id == theirs.c.id))
        .where(named.c.workspace_id == WORKSPACE),
        select(unnamed.c.id)
        .select_from(theirs.join(unnamed, named_alike(unnamed.c.account_name, theirs.c.name)))
        .where(unnamed.c.workspace_id == WORKSPACE, unnamed.c.account_id.is_(None)),
    ).subquery("theirs")
    return func.array(select(every.c.id).scalar_subquery(), type_=ARRAY(Text))


_CONCERNED: Final = {table.name: _concerned(table) for table in (conversations, messages)}

# A walk that has not begun takes in what changed since, too. Held, so that it begins afterwards.
_WALK_WAITING = statement(
    select(crm_walks.c.id)
    .where(
        crm_walks.c.workspace_id == WORKSPACE,
        crm_walks.c.kind == bindparam("kind", type_=Text),
        crm_walks.c.after.is_(None),
    )
    .limit(literal_column("1"))
    .with_for_update(read=True, key_share=True, skip_locked=True),
    scalar,
)
_BEGIN_WALK = statement(
    insert(crm_walks).values(
        workspace_id=WORKSPACE, id=bindparam("id"), kind=bindparam("kind", type_=Text)
    ),
    row,
)
_TAKE_WALK = statement(
    select(crm_walks.c.id, crm_walks.c.kind, crm_walks.c.after)
    .where(crm_walks.c.workspace_id == WORKSPACE)
    .order_by(crm_walks.c.id)
    .limit(literal_column("1"))
    .with_for_update(skip_locked=True),
    row,
)
_WALK_ON = statement(
    update(crm_walks)
    .where(crm_walks.c.workspace_id == WORKSPACE, crm_walks.c.id == bindparam("id", type_=Uuid))
    .values(after=bindparam("after", type_=Uuid)),
    row,
)
_END_WALK = statement(
    delete(crm_walks).where(
        crm_walks.c.workspace_id == WORKSPACE, crm_walks.c.id == bindparam("id", type_=Uuid)
    ),
    row,
)
_NEXT: Final = {
    table.name: statement(
        select(table.c.id)
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.deleted_at.is_(None),
            table.c.id > bindparam("after", type_=Uuid),
        )
        .order_by(table.c.id)
        .limit(literal_column(str(_CHUNK))),
        scalar,
    )
    for table in (conversations, messages)
}
_BEFORE_ALL: Final = UUID(int=0)


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
    """Look at some of the links that the marked changes concern; the rest is the next job's."""
    if owners := await tx.all(_TAKE_OWNERS, workspace=workspace):
        await _reach(tx, workspace, owners)
    elif records := await tx.all(_TAKE_RECORDS, workspace=workspace):
        for name in _RELINK:
            ids = [UUID(record) for kind, record in records if kind == name]
            await _link(tx, workspace, name, ids)
    elif walk := await tx.first(_TAKE_WALK, workspace=workspace):
        await _walk(tx, workspace, *walk)
    else:
        return
    await jobs.enqueue_soon(tx, workspace, LinkCrm(), 0)


async def linking_failed(tx: Tx, workspace: WorkspaceId) -> None:
    """Try again later: what is marked must not stay so for ever."""
    await jobs.enqueue_soon(tx, workspace, LinkCrm(), _LATER)


async def _reach(tx: Tx, workspace: WorkspaceId, owners: list[tuple[str, str]]) -> None:
    some_deals = [each for kind, each in owners if kind == "deals"]
    some_accounts = [each for kind, each in owners if kind == "accounts"]
    theirs = await tx.all(_ACCOUNTS_OF, workspace=workspace, deals=some_deals)
    reached = sorted({*some_accounts, *filter(None, theirs)})
    for kind, concerned in _CONCERNED.items():
        ids = await tx.all(concerned, workspace=workspace, deals=some_deals, accounts=reached)
        if len(ids) <= _FEW:
            await tx.first(_MARK, workspace=workspace, kind=kind, ids=ids)
        elif await tx.first(_WALK_WAITING, workspace=workspace, kind=kind) is None:
            await tx.first(_BEGIN_WALK, workspace=workspace, id=new_id(), kind=kind)
    # At last, since it locks them.
    await look_again(tx, workspace, some_deals, some_accounts)


async def _walk(tx: Tx, workspace: WorkspaceId, walk: UUID, kind: str, after: UUID | None) -> None:
    ids = await tx.all(_NEXT[kind], workspace=workspace, after=after or _BEFORE_ALL)
    await _link(tx, workspace, kind, ids)
    if len(ids) < _CHUNK:
        await tx.first(_END_WALK, workspace=workspace, id=walk)
    else:
        await tx.first(_WALK_ON, workspace=workspace, id=walk, after=ids[-1])


async def _link(tx: Tx, workspace: WorkspaceId, kind: str, ids: list[UUID]) -> None:
    linked = await tx.all(_RELINK[kind], workspace=workspace, ids=sorted(ids))
    await look_again(
        tx,
        workspace,
        (deal for former, _, now, _ in linked for deal in (former, now)),
        (account for _, former, _, now in linked for account in (former, now)),
    )


# --- people who were met ----------------------------------------------------------------------

# Conversations and messages in which people are looked for, the newest; and people at most.
_LOOKED_AT: Final = 100
_MOST_CONTACTS: Final = 200


def met(owned: str) -> Any:
    """Name and e-mail of those from outside in what is linked to the parameter `id`, once each.

    With the parameter `everything` false only in what is public.
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
            or_(table.c.public, EVERYTHING),
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
