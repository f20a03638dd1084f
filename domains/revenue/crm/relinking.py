"""Relinking of conversations and messages after an import changed them or the CRM records.

An import marks the records that it changed. The job `LinkCrm` finds the affected records and
relinks them in batches, each in a short transaction.
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

from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue_debounced
from domains.kernel.jobs.model import Job, Queue
from domains.revenue.crm.matching import account_id_of, best_links, recompute_activity, same_name
from domains.revenue.tables import (
    accounts,
    contacts,
    conversations,
    crm_changes,
    crm_walks,
    deals,
    messages,
)

# Seconds between a change and its relinking. Long enough for writes that were in flight at the
# change to commit.
RELINK_DELAY: Final = 2.0
# Seconds until the next attempt after all attempts of a job have failed.
_RETRY_DELAY: Final = 60.0

# Records that one job relinks.
_BATCH: Final = 500
# Changed deals and accounts that one job handles.
_OWNERS_BATCH: Final = 100
# Affected records that are marked one by one. Above this, a walk relinks every record of the table.
_MAX_MARKED: Final = 5_000


class LinkCrm(Job, frozen=True, tag="revenue.link_crm"):
    """Relink the next batch of records that are affected by marked changes."""

    queue: ClassVar[Queue] = "housekeeping"


_ids = bindparam("ids", type_=ARRAY(Text))

_MARK = statement(
    insert(crm_changes)
    .from_select(
        ["workspace_id", "kind", "id"],
        select(WORKSPACE, bindparam("kind", type_=Text), func.unnest(_ids).column_valued("id")),
    )
    .on_conflict_do_nothing(),
    row,
)


def _take_changes(kinds: Sequence[str], limit: int) -> Any:
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


_TAKE_OWNERS = _take_changes(("accounts", "deals"), _OWNERS_BATCH)
_TAKE_RECORDS = _take_changes(("conversations", "messages"), _BATCH)

_deal_ids = bindparam("deals", type_=ARRAY(Text))
_account_ids = bindparam("accounts", type_=ARRAY(Text))

_ACCOUNTS_OF = statement(
    select(account_id_of(deals)).where(
        deals.c.workspace_id == WORKSPACE, deals.c.id == any_(_deal_ids)
    ),
    scalar,
)


def _values_of(table: Table, ids: Any, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.array(
        select(value)
        .where(table.c.workspace_id == WORKSPACE, table.c.id == any_(ids))
        .scalar_subquery(),
        type_=ARRAY(Text),
    )


def _contacts_of(account_ids: Any) -> ColumnElement[Any]:
    """Array of the e-mail addresses of the separately imported contacts of these accounts."""
    return func.array(
        select(func.unnest(contacts.c.contact_emails))
        .where(contacts.c.workspace_id == WORKSPACE, contacts.c.account_id == any_(account_ids))
        .scalar_subquery(),
        type_=ARRAY(Text),
    )


def _record_ids(table: Table, condition: ColumnElement[bool]) -> Select[Any]:
    return select(table.c.id).where(
        table.c.workspace_id == WORKSPACE, table.c.deleted_at.is_(None), condition
    )


def _affected(table: Table) -> Any:
    """Statement for the ids of records that the changed deals and accounts may be linked to.

    Returns at most `_MAX_MARKED` + 1 ids.
    """
    people = [
        *(
            _values_of(owner, ids, func.unnest(owner.c.contact_emails))
            for owner, ids in ((deals, _deal_ids), (accounts, _account_ids))
        ),
        _contacts_of(_account_ids),
    ]
    domains = _values_of(accounts, _account_ids, accounts.c.domain)
    # One branch for each way to reach a record, because each way has its own index.
    branches = [
        _record_ids(table, condition)
        for condition in (
            table.c.deal_id == any_(_deal_ids),
            table.c.account_id == any_(_account_ids),
            table.c.deal_id == any_(_deals_of_accounts()),
            *(table.c.outside.overlap(emails) for emails in people),
            table.c.outside_domains.overlap(domains),
        )
    ]
    affected = union_all(*branches).subquery("affected")
    return statement(
        select(cast(affected.c.id, Text)).limit(literal_column(str(_MAX_MARKED + 1))), scalar
    )


def _deals_of_accounts() -> ColumnElement[Any]:
    """Array of the ids of all deals of the changed accounts."""
    changed = (
        select(accounts.c.id, accounts.c.name)
        .where(accounts.c.workspace_id == WORKSPACE, accounts.c.id == any_(_account_ids))
        .subquery("changed_accounts")
    )
    named, unnamed = deals.alias("named"), deals.alias("unnamed")
    found = union_all(
        select(named.c.id)
        .select_from(changed.join(named, named.c.account_id == changed.c.id))
        .where(named.c.workspace_id == WORKSPACE),
        select(unnamed.c.id)
        .select_from(changed.join(unnamed, same_name(unnamed.c.account_name, changed.c.name)))
        .where(unnamed.c.workspace_id == WORKSPACE, unnamed.c.account_id.is_(None)),
    ).subquery("found")
    return func.array(select(found.c.id).scalar_subquery(), type_=ARRAY(Text))


_AFFECTED: Final = {table.name: _affected(table) for table in (conversations, messages)}

# A walk that has not started yet covers this change too. The lock keeps it from starting before the
# commit.
_PENDING_WALK = statement(
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
_ADD_WALK = statement(
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
_ADVANCE_WALK = statement(
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
_NEXT_IDS: Final = {
    table.name: statement(
        select(table.c.id)
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.deleted_at.is_(None),
            table.c.id > bindparam("after", type_=Uuid),
        )
        .order_by(table.c.id)
        .limit(literal_column(str(_BATCH))),
        scalar,
    )
    for table in (conversations, messages)
}
_LOWEST_ID: Final = UUID(int=0)


def _relink(table: Table) -> Any:
    """Statement that relinks records. Returns the former and the new deal and account of each."""
    records = (
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
        .cte("records")
    )
    best = best_links(records).cte("best")
    found = (
        select(
            records.c.record,
            records.c.deal_id.label("former_deal"),
            records.c.account_id.label("former_account"),
            *(column for column in best.c if column.name != "record"),
        )
        .select_from(records.outerjoin(best, best.c.record == records.c.record))
        .cte("found")
    )
    values: dict[str, ColumnElement[Any]] = {
        "deal_id": found.c.deal_id,
        "account_id": found.c.account_id,
    }
    if table is conversations:
        values = _keep_imported_link(found)
    return statement(
        update(table)
        .where(table.c.workspace_id == WORKSPACE, table.c.id == found.c.record)
        .values(values)
        .returning(
            found.c.former_deal, found.c.former_account, table.c.deal_id, table.c.account_id
        ),
        row,
    )


def _keep_imported_link(found: FromClause) -> dict[str, ColumnElement[Any]]:
    """Values of a conversation's link. An imported link is never replaced."""
    c = conversations.c
    imported_deal = case((c.crm_type == literal_column("'opportunity'"), c.crm_id), else_=null())
    deal = deals.alias("imported_deal")
    account_of_imported_deal = (
        select(account_id_of(deal))
        .where(deal.c.workspace_id == WORKSPACE, deal.c.id == c.crm_id)
        .scalar_subquery()
    )
    imported_account = case(
        (c.crm_type == literal_column("'account'"), c.crm_id),
        (c.crm_type == literal_column("'opportunity'"), account_of_imported_deal),
        else_=null(),
    )
    return {
        **{
            name: case((c.crm_given, c[name]), else_=found.c[name])
            for name in ("crm_id", "crm_name", "crm_type")
        },
        "deal_id": case((c.crm_given, imported_deal), else_=found.c.deal_id),
        "account_id": case((c.crm_given, imported_account), else_=found.c.account_id),
    }


_RELINK: Final = {table.name: _relink(table) for table in (conversations, messages)}


async def mark_changed(tx: Tx, workspace: WorkspaceId, kind: str, ids: Sequence[str]) -> None:
    """Mark imported records of a table as changed and enqueue the relinking.

    `kind` is deals, accounts, conversations or messages.
    """
    if ids:
        await tx.first(_MARK, workspace=workspace, kind=kind, ids=ids)
        await enqueue_debounced(tx, workspace, LinkCrm(), RELINK_DELAY)


async def relink(_tools: Tools, workspace: WorkspaceId, _job: LinkCrm) -> Write:
    """Return a write function that relinks one batch in the transaction that ends the job."""
    return lambda tx: relink_batch(tx, workspace)


async def relink_batch(tx: Tx, workspace: WorkspaceId) -> None:
    """Handle one batch of marked changes, and enqueue the next job until none is left."""
    if owners := await tx.all(_TAKE_OWNERS, workspace=workspace):
        await _mark_affected(tx, workspace, owners)
    elif records := await tx.all(_TAKE_RECORDS, workspace=workspace):
        for name in _RELINK:
            ids = [UUID(record) for kind, record in records if kind == name]
            await _relink_records(tx, workspace, name, ids)
    elif walk := await tx.first(_TAKE_WALK, workspace=workspace):
        await _advance_walk(tx, workspace, *walk)
    else:
        return
    await enqueue_debounced(tx, workspace, LinkCrm(), 0)


async def retry_later(
    tx: Tx, workspace: WorkspaceId, _job: LinkCrm, _id: UUID, _reason: str
) -> None:
    """Enqueue another job after a failure, so that the marked changes are still handled."""
    await enqueue_debounced(tx, workspace, LinkCrm(), _RETRY_DELAY)


async def _mark_affected(tx: Tx, workspace: WorkspaceId, owners: list[tuple[str, str]]) -> None:
    changed_deals = [owner for kind, owner in owners if kind == "deals"]
    changed_accounts = [owner for kind, owner in owners if kind == "accounts"]
    accounts_of_deals = await tx.all(_ACCOUNTS_OF, workspace=workspace, deals=changed_deals)
    all_accounts = sorted({*changed_accounts, *filter(None, accounts_of_deals)})
    for kind, affected in _AFFECTED.items():
        ids = await tx.all(
            affected, workspace=workspace, deals=changed_deals, accounts=all_accounts
        )
        if len(ids) <= _MAX_MARKED:
            await tx.first(_MARK, workspace=workspace, kind=kind, ids=ids)
        elif await tx.first(_PENDING_WALK, workspace=workspace, kind=kind) is None:
            await tx.first(_ADD_WALK, workspace=workspace, id=new_id(), kind=kind)
    # Last, because it locks the deals and accounts until the commit.
    await recompute_activity(tx, workspace, changed_deals, changed_accounts)


async def _advance_walk(
    tx: Tx, workspace: WorkspaceId, walk: UUID, kind: str, after: UUID | None
) -> None:
    ids = await tx.all(_NEXT_IDS[kind], workspace=workspace, after=after or _LOWEST_ID)
    await _relink_records(tx, workspace, kind, ids)
    if len(ids) < _BATCH:
        await tx.first(_END_WALK, workspace=workspace, id=walk)
    else:
        await tx.first(_ADVANCE_WALK, workspace=workspace, id=walk, after=ids[-1])


async def _relink_records(tx: Tx, workspace: WorkspaceId, kind: str, ids: list[UUID]) -> None:
    relinked = await tx.all(_RELINK[kind], workspace=workspace, ids=sorted(ids))
    await recompute_activity(
        tx,
        workspace,
        (deal for former, _, current, _ in relinked for deal in (former, current)),
        (account for _, former, _, current in relinked for account in (former, current)),
    )
