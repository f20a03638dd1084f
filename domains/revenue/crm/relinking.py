"""Links to the CRM are looked at again where an import changes it.

An import marks what it changes; the job `LinkCrm` finds the records which that concerns, and links
them anew, in parts of which each is one short transaction.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    null,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.ids import new_id
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue_debounced
from domains.kernel.jobs.model import Job, Queue
from domains.revenue.crm.matching import account_of, best_links, named_alike, recompute_activity
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


class LinkCrm(Job, frozen=True, tag="revenue.link_crm"):
    """Look again at the links that changes of the CRM concern, so many at a time."""

    queue: ClassVar[Queue] = "housekeeping"


_ids = bindparam("ids", type_=ARRAY(Text))

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
        await enqueue_debounced(tx, workspace, LinkCrm(), _DELAY)


async def relink(_tools: Tools, workspace: WorkspaceId, _job: LinkCrm) -> Write:
    """Recompute links in the transaction that ends the job: only the database has work to do."""
    return lambda tx: link_some(tx, workspace)


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
    await enqueue_debounced(tx, workspace, LinkCrm(), 0)


async def linking_failed(
    tx: Tx, workspace: WorkspaceId, _job: LinkCrm, _id: UUID, _reason: str
) -> None:
    """Try again later: what is marked must not stay so for ever."""
    await enqueue_debounced(tx, workspace, LinkCrm(), _LATER)


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
    await recompute_activity(tx, workspace, some_deals, some_accounts)


async def _walk(tx: Tx, workspace: WorkspaceId, walk: UUID, kind: str, after: UUID | None) -> None:
    ids = await tx.all(_NEXT[kind], workspace=workspace, after=after or _BEFORE_ALL)
    await _link(tx, workspace, kind, ids)
    if len(ids) < _CHUNK:
        await tx.first(_END_WALK, workspace=workspace, id=walk)
    else:
        await tx.first(_WALK_ON, workspace=workspace, id=walk, after=ids[-1])


async def _link(tx: Tx, workspace: WorkspaceId, kind: str, ids: list[UUID]) -> None:
    linked = await tx.all(_RELINK[kind], workspace=workspace, ids=sorted(ids))
    await recompute_activity(
        tx,
        workspace,
        (deal for former, _, now, _ in linked for deal in (former, now)),
        (account for _, former, _, now in linked for account in (former, now)),
    )
