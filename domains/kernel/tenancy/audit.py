"""Audit log: changes and deletions, each with its actor, time and origin.

An entry commits with the change that it records. It holds ids, names of fields and counts, but no
texts and no keys.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
    DateTime,
    Integer,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, days, scalar, statement
from domains.kernel.db.tables import audit_log, workspaces

_c = audit_log.c

# Entries that one statement deletes, so that it ends within its timeout.
_BATCH: Final = 5_000


class Actor(msgspec.Struct, frozen=True):
    """The author of a change: an API key, or an operator if `key` is None.

    `name`: prefix of the key, or name of the operator. `origin`: address of the client, or host
    name of the command line.
    """

    name: str
    origin: str
    key: UUID | None = None

    def parameters(self) -> dict[str, object]:
        """Parameters of a statement made by `with_entry`."""
        return {"actor": self.name, "origin": self.origin, "actor_key": self.key}


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of the log. `record_id` is None if the action is about several records."""

    at: datetime
    workspace_id: UUID
    workspace_name: str
    action: str
    actor: str
    key_id: UUID | None
    origin: str
    record_kind: str
    record_id: UUID | None
    details: msgspec.Raw


class EntryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions on entries. A field that is None matches every entry.

    `action` is a whole action or its first part: `key` matches `key.revoke`. `key` matches the
    actions of an API key, and the changes of it. `since` is inclusive, `until` exclusive.
    """

    workspace: UUID | None = None
    action: str | None = None
    key: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


_ACTOR: Final = {
    "actor": bindparam("actor", type_=Text),
    "key_id": bindparam("actor_key", type_=Uuid),
    "origin": bindparam("origin", type_=Text),
}
_RECORD = statement(
    insert(audit_log)
    .values(
        workspace_id=WORKSPACE,
        action=bindparam("action"),
        record_kind=bindparam("record_kind"),
        record_id=bindparam("record_id", type_=Uuid),
        details=bindparam("details"),
        **_ACTOR,
    )
    .returning(_c.id),
    scalar,
)
_SET_DETAILS = statement(
    update(audit_log)
    .where(_c.workspace_id == WORKSPACE, _c.id == bindparam("entry", type_=BigInteger))
    .values(details=bindparam("new_details", type_=_c.details.type))
    .returning(_c.id),
    scalar,
)


def _filter_conditions() -> tuple[Any, ...]:
    workspace, key = bindparam("workspace", type_=Uuid), bindparam("key", type_=Uuid)
    action = bindparam("action", type_=Text)
    since = bindparam("since", type_=DateTime(timezone=True))
    until = bindparam("until", type_=DateTime(timezone=True))
    about_key = (_c.record_kind == literal_column("'key'")) & (_c.record_id == key)
    return (
        or_(workspace.is_(None), _c.workspace_id == workspace),
        or_(
            action.is_(None),
            _c.action == action,
            func.split_part(_c.action, ".", 1) == action,
        ),
        or_(key.is_(None), _c.key_id == key, about_key),
        or_(since.is_(None), _c.at >= since),
        or_(until.is_(None), _c.at < until),
    )


_LIST = statement(
    select(
        *(
            workspaces.c.name if name == "workspace_name" else _c[name]
            for name in Entry.__struct_fields__
        )
    )
    .select_from(audit_log.join(workspaces, workspaces.c.id == _c.workspace_id))
    .where(*_filter_conditions())
    .order_by(_c.at.desc(), _c.id.desc())
    .limit(bindparam("limit", type_=Integer)),
    Entry,
    cross_tenant_reason="operators administer every workspace",
)
_expired = (
    select(_c.id)
    .where(_c.at < func.now() - days("days"))
    .order_by(_c.at, _c.id)
    .limit(literal_column(str(_BATCH)))
)
_DELETE_EXPIRED = statement(
    delete(audit_log).where(_c.id == any_(func.array(_expired.scalar_subquery()))).returning(_c.id),
    scalar,
    cross_tenant_reason="retention is the same for every workspace",
)


def with_entry(change: ReturningDelete[Any] | ReturningUpdate[Any], action: str, kind: str) -> Any:
    """Build a statement that executes a change and records each row that it returns.

    The first column that the change returns is the id of the record. The statement returns the rows
    of the change. It takes the parameters of the change, `workspace` and `Actor.parameters`.
    """
    changed = change.cte("changed")
    values: dict[str, Any] = {
        "workspace_id": WORKSPACE,
        "action": cast(literal(action, Text), Text),
        "record_kind": cast(literal(kind, Text), Text),
        "record_id": changed.c[0],
        **_ACTOR,
    }
    entry = insert(audit_log).from_select(list(values), select(*values.values())).cte("entry")
    return select(changed).add_cte(entry)


async def record(
    tx: Tx,
    workspace: WorkspaceId,
    actor: Actor,
    action: str,
    kind: str,
    record_id: UUID | None = None,
    **details: object,
) -> int:
    """Add an entry that commits with the transaction. Returns its id, for `set_details`.

    `details` must not contain texts of customers or keys.
    """
    return await tx.one(
        _RECORD,
        workspace=workspace,
        action=action,
        record_kind=kind,
        record_id=record_id,
        details=msgspec.json.encode(details),
        **actor.parameters(),
    )


async def set_details(tx: Tx, workspace: WorkspaceId, entry: int, **details: object) -> None:
    """Replace the details of an entry, for an action that takes several transactions."""
    await tx.first(
        _SET_DETAILS, workspace=workspace, entry=entry, new_details=msgspec.json.encode(details)
    )


async def list_entries(read: Read, filters: EntryFilter, limit: int) -> list[Entry]:
    """List the newest entries that match, newest first."""
    return await read.all(_LIST, **msgspec.structs.asdict(filters), limit=limit)


async def delete_expired(read: Read, retention_days: float) -> int:
    """Delete the entries older than `retention_days`; 0 keeps all. Returns how many."""
    total = 0
    while retention_days:
        deleted = len(await read.all(_DELETE_EXPIRED, days=retention_days))
        total += deleted
        if deleted < _BATCH:
            break
    return total
