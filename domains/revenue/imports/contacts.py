"""Import of contacts: people with ids of their own, who belong to accounts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import FieldError, invalid
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, Statement, row, statement
from domains.revenue.crm import relinking
from domains.revenue.crm.matching import same_name
from domains.revenue.imports.prepared import (
    Outcome,
    PreparedRecord,
    array_literal,
    crm_id,
    optional_crm_id,
)
from domains.revenue.imports.structs import ContactImport
from domains.revenue.people import contact_emails
from domains.revenue.tables import accounts, contacts

_COLUMNS: Final = ("name", "email", "contact_emails", "title", "phone")
_ONE: Final = literal_column("1", type_=BigInteger)
_PARAMETERS: Final = ("id", "account_id", "account_name", *_COLUMNS)


class Contacts:
    """The kind of contacts. They are stored apart from their accounts.

    So an account keeps its contacts when it is imported again, and the order in which both are
    imported again does not matter. A contact without an account in the workspace is refused.
    """

    struct: Final = ContactImport
    id_field: Final = "contactId"

    def prepare(self, contact: ContactImport, _own_domains: Sequence[str]) -> PreparedRecord:
        """Validate a contact. Raises Invalid with the field at fault."""
        account_name = (contact.account_name or "").strip() or None
        values = {
            "id": crm_id(contact.contact_id, "contactId"),
            "account_id": optional_crm_id(contact.account_id, "accountId"),
            "account_name": account_name,
            "name": contact.name,
            "email": contact.email,
            "contact_emails": array_literal(contact_emails([contact])),
            "title": contact.title,
            "phone": contact.phone,
        }
        if values["account_id"] is None and account_name is None:
            raise invalid("accountId", "must not be empty: a contact belongs to an account")
        return PreparedRecord(values["id"], values)

    async def store(
        self, tx: Tx, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome:
        """Store a batch. Of several contacts with the same id, the last one is stored."""
        records = dict(sorted(dict(batch).items()))
        rows = await tx.all(_STORE, workspace=workspace, **_arrays(records))
        changed = {account for _, _, *pair in rows for account in pair if account is not None}
        await relinking.mark_changed(tx, workspace, "accounts", sorted(changed))
        return _outcome(records, rows)

    async def preview(
        self, read: Read, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome:
        """Return what `store` would return, without storing anything."""
        records = dict(batch)
        return _outcome(records, await read.all(_PREVIEW, workspace=workspace, **_arrays(records)))


def _arrays(records: Mapping[Any, Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [values[name] for values in records.values()] for name in _PARAMETERS}


def _outcome(
    records: Mapping[Any, Mapping[str, Any]], rows: Iterable[tuple[Any, int, Any, Any]]
) -> Outcome:
    outcome = Outcome([], {})
    for contact, matches, _, _ in rows:
        if matches == 1:
            outcome.changed.append(contact)
            continue
        values = records[contact]
        field, name = "accountId", values["account_id"]
        if name is None:
            field, name = "accountName", values["account_name"]
        reason = (
            "is the name of several accounts. Name the account by its id"
            if matches
            else "is not an account of the workspace. Import the accounts first"
        )
        outcome.refused[contact] = FieldError(field, f"{name[:64]!r} {reason}")
    return outcome


def _resolved() -> CTE:
    """The contacts of a batch, with the id of their account and the number of accounts that match.

    A contact names its account by id or else by name.
    """
    records = (
        func.unnest(*(bindparam(name, type_=ARRAY(Text)) for name in _PARAMETERS))
        .table_valued(*(column(name, Text) for name in _PARAMETERS))
        .render_derived(name="records")
    )
    by_id, by_name = accounts.alias("by_id"), accounts.alias("by_name")
    matches = union_all(
        select(by_id.c.id)
        .where(by_id.c.workspace_id == WORKSPACE, by_id.c.id == records.c.account_id)
        .correlate(records),
        select(by_name.c.id)
        .where(
            by_name.c.workspace_id == WORKSPACE,
            records.c.account_id.is_(None),
            same_name(by_name.c.name, records.c.account_name),
        )
        .correlate(records),
    ).subquery("matches")
    found = (
        select(
            func.min(matches.c.id).label("account_id"), func.count(matches.c.id).label("matches")
        )
        .correlate(records)
        .lateral("found")
    )
    others = {name: records.c[name] for name in ("id", *_COLUMNS)}
    # Arrays are sent as text: the elements of an array of arrays must have one length.
    others["contact_emails"] = cast(records.c.contact_emails, ARRAY(Text)).label("contact_emails")
    return (
        select(*others.values(), found.c.account_id, found.c.matches)
        .select_from(records.join(found, true()))
        .cte("resolved")
    )


def _store() -> Statement[tuple[Any, ...]]:
    """Statement that stores the contacts of one account each, if they are new or differ.

    Returns id, 1, the new and the former account of each; and of each contact that has no account
    or several, its id and their number. Unchanged contacts are not returned.
    """
    resolved = _resolved()
    former = (
        select(contacts.c.id, contacts.c.account_id)
        .select_from(resolved.join(contacts, contacts.c.id == resolved.c.id))
        .where(contacts.c.workspace_id == WORKSPACE)
        .cte("former")
    )
    names = ("id", "account_id", *_COLUMNS)
    adding = insert(contacts).from_select(
        ["workspace_id", *names],
        select(WORKSPACE, *(resolved.c[name] for name in names)).where(resolved.c.matches == _ONE),
    )
    changes = {name: adding.excluded[name] for name in names if name != "id"}
    stored = (
        adding.on_conflict_do_update(
            index_elements=["workspace_id", "id"],
            set_=changes,
            where=or_(*(contacts.c[name].is_distinct_from(new) for name, new in changes.items())),
        )
        .returning(contacts.c.id, contacts.c.account_id)
        .cte("stored")
    )
    return statement(
        union_all(
            select(stored.c.id, _ONE, stored.c.account_id, former.c.account_id).select_from(
                stored.outerjoin(former, former.c.id == stored.c.id)
            ),
            select(resolved.c.id, resolved.c.matches, null(), null()).where(
                resolved.c.matches != _ONE
            ),
        ),
        row,
    )


def _preview() -> Statement[tuple[Any, ...]]:
    """Statement that returns what the one of `_store` would, and changes nothing."""
    resolved = _resolved()
    names = ("account_id", *_COLUMNS)
    existing = and_(contacts.c.workspace_id == WORKSPACE, contacts.c.id == resolved.c.id)
    differs = or_(*(contacts.c[name].is_distinct_from(resolved.c[name]) for name in names))
    return statement(
        select(resolved.c.id, resolved.c.matches, resolved.c.account_id, contacts.c.account_id)
        .select_from(resolved.outerjoin(contacts, existing))
        .where(or_(contacts.c.id.is_(None), resolved.c.matches != _ONE, differs)),
        row,
    )


_STORE: Final = _store()
_PREVIEW: Final = _preview()
