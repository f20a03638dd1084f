"""Records as an import brings them: in the shapes in which the API answers them, ids included.

A record is (workspace, id), and an import replaces it as a whole; a record that was pushed is left
alone. What was stored already as it is given stays untouched. What an import leaves out and links
to the CRM tell, they tell soon after the commit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.problems import invalid
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, Statement, row, scalar, statement
from domains.revenue import conversations, documents, messages, tables
from domains.revenue.conversations import Category, MeetingType, TranscriptEntry, attendance
from domains.revenue.crm import relinking
from domains.revenue.crm.matching import CrmType
from domains.revenue.records import (
    DisplayName,
    Emails,
    Timestamp,
    WebAddress,
    address_of,
    distinct,
    moment_of,
    outside,
    web_address,
)

S = TypeVar("S", bound=msgspec.Struct)

# Cursors hold the ids of deals and accounts.
_LONGEST_ID: Final = 128
_LONGEST_HOST: Final = 253

_Label = Annotated[str, Meta(max_length=1000)]
# Longer ones fit into no index.
_Key = Annotated[str, Meta(max_length=512)]
_Object = dict[str, Any]
_Native = Annotated[str, Meta(min_length=1)]
# What a whole number of 64 bits can be, and so what can be stored.
_Size = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


# --- what is taken ----------------------------------------------------------------------------


class Party(msgspec.Struct, rename="camel", kw_only=True):
    """An owner, author, sender or recipient."""

    name: _Label | None = None
    email: _Key | None = None


class Contact(Party, kw_only=True):
    """Somebody on the customer's side."""

    title: _Label | None = None
    phone: _Label | None = None


_Contacts = Annotated[list[Contact], Meta(max_length=10_000)]


class DealImport(msgspec.Struct, rename="camel", kw_only=True):
    """A deal as it is read. `accountId` names its account where the name alone may not tell it."""

    deal_id: str
    name: _Label | None = None
    account_id: str | None = None
    account_name: _Label | None = None
    stage: _Label | None = None
    pipeline: _Label | None = None
    amount: float | None = None
    close_date: Timestamp | None = None
    closed: bool | None = None
    created_date: Timestamp | None = None
    last_activity_date: Timestamp | None = None
    owner: Party | None = None
    summary: _Object | None = None
    crm_autofill: _Object | None = None
    contacts: _Contacts | None = None


class AccountImport(msgspec.Struct, rename="camel", kw_only=True):
    """An account as it is read. Its latest deal is never given: the deals tell it.

    `domain`: of its people's e-mails, where the website has another one.
    """

    account_id: str
    name: _Label | None = None
    website: WebAddress | None = None
    domain: Annotated[str, Meta(max_length=_LONGEST_HOST)] | None = None
    owner: Party | None = None
    created_date: Timestamp | None = None
    last_activity_date: Timestamp | None = None
    contacts: _Contacts | None = None
    synced_crm_fields: _Object | None = None


class Attendee(Party, kw_only=True):
    """Somebody who took part."""

    attended: bool = True


class GivenCrm(msgspec.Struct, rename="camel", kw_only=True):
    """The CRM record to which a conversation belongs."""

    id: str | None = None
    name: _Label | None = None
    type: CrmType | None = None


class GivenRecordings(msgspec.Struct, rename="camel", kw_only=True):
    """Links to what was recorded."""

    video_url: WebAddress | None = None
    audio_url: WebAddress | None = None


class _NativeImport(msgspec.Struct, rename="camel", kw_only=True):
    """What every record of another origin may say besides what is read of it."""

    source_id: _Native
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    public: bool = False
    owner_emails: Emails = []


class ConversationImport(_NativeImport, kw_only=True):
    """A conversation as it is read."""

    conversation_id: UUID
    title: DisplayName | None = None
    start_time: Timestamp
    end_time: Timestamp | None = None
    type: MeetingType | None = None
    category: Category | None = None
    participants: Annotated[list[Attendee], Meta(max_length=1000)] = []
    crm: GivenCrm | None = None
    summary: _Object | None = None
    transcript: Annotated[list[TranscriptEntry], Meta(max_length=100_000)] | None = None
    recordings: GivenRecordings | None = None


class GivenAttachment(msgspec.Struct, rename="camel", kw_only=True):
    """A file that came with a message. Its address is kept and never fetched."""

    id: UUID | None = None
    filename: str | None = None
    content_type: str | None = None
    size: _Size | None = None
    url: str = ""


class MessageImport(_NativeImport, kw_only=True):
    """A message as it is read."""

    message_id: UUID
    remote_id: _Key | None = None
    thread_id: _Key | None = None
    subject: DisplayName | None = None
    sender: Party | None = None
    recipients: Annotated[list[Party], Meta(max_length=1000)] = []
    body: Annotated[str, Meta(max_length=100_000)]
    body_preview: _Label | None = None
    created_at: Timestamp
    attachments: Annotated[list[GivenAttachment], Meta(max_length=1000)] = []


class DocumentImport(_NativeImport, kw_only=True):
    """A document as it is read."""

    id: UUID
    remote_id: _Key | None = None
    display_name: DisplayName | None = None
    filename: _Label | None = None
    content_type: Annotated[str, Meta(max_length=255)] = "text/plain"
    author: Party | None = None
    url: WebAddress
    normalized_url: WebAddress | None = None
    normalized_content_type: Annotated[str, Meta(max_length=255)] | None = None


# --- what becomes of it -----------------------------------------------------------------------

# Otherwise the check of each row's foreign key is planned anew, which takes as long as the row.
_PLAN_ONCE: Final = statement(
    select(
        func.set_config(
            literal_column("'plan_cache_mode'"), literal_column("'auto'"), literal_column("true")
        )
    ),
    scalar,
)


class Ready(NamedTuple):
    """A record that has been checked: its id, and the values of its columns by name."""

    id: Any
    values: dict[str, Any]


class Outcome(NamedTuple):
    """Of some records: the ids of those that were, or would be, stored, and of those refused."""

    changed: list[Any]
    refused: list[Any]


class Kind(Generic[S]):
    """How one kind of record is imported.

    `struct` is what is taken, `id_field` the name of the id in it. `values` makes the values of the
    columns of it, or raises Invalid; it gets the e-mail domains of the workspace's own people too.
    """

    def __init__(
        self,
        table: Table,
        struct: type[S],
        id_field: str,
        values: Callable[[S, Sequence[str]], dict[str, Any]],
        columns: Iterable[str],
        *,
        native: bool,
    ) -> None:
        self.struct: Final = struct
        self.id_field: Final = id_field
        self._table = table
        self._values = values
        self._columns = tuple(columns)
        self._marks = table.name in _LINKED
        upserted = _Upserted(table, ("id", *self._columns), native)
        self._store = upserted.storing()
        self._look = upserted.looking()

    def ready(self, given: S, own_domains: Sequence[str]) -> Ready:
        """The record as it is stored; Invalid names what is wrong."""
        values = self._values(given, own_domains)
        return Ready(values["id"], values)

    async def store(self, tx: Tx, workspace: WorkspaceId, batch: Sequence[Ready]) -> Outcome:
        """Store records; of several with the same id the last one counts."""
        await tx.one(_PLAN_ONCE)
        found = await tx.all(self._store, workspace=workspace, **self._arrays(batch))
        outcome = _outcome(found)
        if self._marks:
            await relinking.mark_changed(
                tx, workspace, self._table.name, [str(each) for each in outcome.changed]
            )
        if self._table is tables.conversations:
            await conversations.summarise(tx, workspace, outcome.changed)
        return outcome

    async def look(self, read: Read, workspace: WorkspaceId, batch: Sequence[Ready]) -> Outcome:
        """What `store` would do, without doing it."""
        return _outcome(await read.all(self._look, workspace=workspace, **self._arrays(batch)))

    def _arrays(self, batch: Sequence[Ready]) -> dict[str, list[Any]]:
        # In one order for everybody, since each is locked until the commit.
        last = sorted(dict(batch).items())
        names = ("id", *self._columns)
        return {name: [values[name] for _, values in last] for name in names}


# What links between records and the CRM are made of.
_LINKED: Final = frozenset({"deals", "accounts", "conversations", "messages"})


def _outcome(found: Iterable[tuple[Any, bool]]) -> Outcome:
    outcome = Outcome([], [])
    for record, pushed in found:
        (outcome.refused if pushed else outcome.changed).append(record)
    return outcome


class _Upserted:
    """The statements that insert or replace the records of a table, given as an array a column."""

    def __init__(self, table: Table, names: Sequence[str], native: bool) -> None:
        self._table = table
        self._names = names
        # What a native record has whatever the import says.
        self._also: dict[str, Any] = (
            {"native": literal_column("true"), "deleted_at": null()} if native else {}
        )
        if "state" in table.c:
            self._also |= {"state": literal_column("'processed'"), "error": null()}
        # What was found in the former content goes with it.
        self._anew: dict[str, Any] = {}
        if table is tables.conversations:
            self._anew = {
                "version": table.c.version + 1,
                "found_category": null(),
                "found_summary": null(),
            }
        self._pushed = ~table.c.native if native else literal_column("false")
        sent = {name: _as_sent(table.c[name]) for name in names}
        self._given = (
            func.unnest(*(bindparam(name, type_=ARRAY(sent[name])) for name in names))
            .table_valued(*(column(name, sent[name]) for name in names))
            .render_derived(name="given")
        )

    def storing(self) -> Statement[tuple[Any, ...]]:
        """Answers with the id of each that was inserted or is different now, and with false.

        And with the id of each that belongs to a pushed record, and true.
        """
        table = self._table
        given = self._from_given()
        values = {"workspace_id": WORKSPACE, **given, **self._also}
        adding = insert(table).from_select(list(values), select(*values.values()))
        changes = self._changes(adding.excluded)
        stored = (
            adding.on_conflict_do_update(
                index_elements=["workspace_id", "id"],
                set_=changes | self._anew,
                where=and_(~self._pushed, self._different(changes)),
            )
            .returning(table.c.id)
            .cte("stored")
        )
        pushed = select(table.c.id, literal_column("true")).where(
            table.c.workspace_id == WORKSPACE,
            table.c.id == any_(bindparam("id", type_=ARRAY(_as_sent(table.c.id)))),
            self._pushed,
        )
        return statement(union_all(select(stored.c.id, literal_column("false")), pushed), row)

    def looking(self) -> Statement[tuple[Any, ...]]:
        """Answers as `storing` does."""
        table, given = self._table, self._given
        there = and_(table.c.workspace_id == WORKSPACE, table.c.id == given.c.id)
        pushed = func.coalesce(self._pushed, literal_column("false"))
        different = self._different(self._changes(_Named(self._from_given())))
        return statement(
            select(given.c.id, pushed)
            .select_from(given.outerjoin(table, there))
            .where(or_(table.c.id.is_(None), self._pushed, different)),
            row,
        )

    def _from_given(self) -> dict[str, ColumnElement[Any]]:
        """What is given, in the types of the table."""
        return {
            name: cast(self._given.c[name], self._table.c[name].type)
            if isinstance(self._table.c[name].type, JSON | ARRAY)
            else self._given.c[name]
            for name in self._names
        }

    def _changes(self, new: Any) -> dict[str, Any]:
        """The values that a replaced record gets."""
        table = self._table
        changes = {name: new[name] for name in self._names if name != "id"} | self._also
        if table is tables.conversations:
            # What links found stays until the next look at them, unless it had been given.
            replaced = or_(new["crm_given"], table.c.crm_given)
            for name in ("crm_id", "crm_name", "crm_type"):
                changes[name] = case((replaced, new[name]), else_=table.c[name])
        return changes

    def _different(self, changes: Mapping[str, Any]) -> ColumnElement[bool]:
        return or_(
            *(
                _comparable(self._table.c[name]).is_distinct_from(_comparable(value))
                for name, value in changes.items()
            )
        )


class _Named:
    """Expressions by name, as the columns of `excluded` are."""

    def __init__(self, expressions: Mapping[str, ColumnElement[Any]]) -> None:
        self._expressions = expressions

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        return self._expressions[name]


def _as_sent(of: Column[Any]) -> Any:
    """The type in which a column's values are sent: arrays of arrays would have to be square."""
    return Text() if isinstance(of.type, JSON | ARRAY | Text) else of.type


def _comparable(value: ColumnElement[Any]) -> ColumnElement[Any]:
    # json has no equality of its own.
    return cast(value, Text) if isinstance(value.type, JSON) else value


# --- values -----------------------------------------------------------------------------------


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _array(texts: Iterable[str]) -> str:
    """An array of texts as Postgres writes it."""
    quoted = (each.replace("\\", "\\\\").replace('"', '\\"') for each in texts)
    inside = '","'.join(quoted)
    return f'{{"{inside}"}}' if inside else "{}"


def _crm_key(value: str, field: str) -> str:
    if not value:
        raise invalid(field, "must not be empty")
    if len(value.encode()) > _LONGEST_ID:
        raise invalid(field, f"must have at most {_LONGEST_ID} bytes in UTF-8")
    if "/" in value or value in (".", ".."):
        raise invalid(field, "must be one part of a path, so that it can be read by it")
    return value


def _crm_key_of(value: str | None, field: str) -> str | None:
    return _crm_key(value, field) if value else None


def _origin(value: str, origins: frozenset[str]) -> str:
    if value not in origins:
        raise invalid("sourceId", f"must be one of {', '.join(sorted(origins))}")
    return value


def _address_of(url: str | None, field: str) -> str | None:
    return None if url is None else web_address(url, field)


def domain_of_website(website: str) -> str:
    """The e-mail domain that a website stands for: its host without `www.`; empty if it has none.

    A website may leave out its scheme.
    """
    try:
        host = urlsplit(website if "://" in website else f"//{website}").hostname or ""
    except ValueError:
        return ""
    host = host.lower().removeprefix("www.").strip(".")
    return host if "." in host and len(host) <= _LONGEST_HOST else ""


def _crm_record(given: DealImport | AccountImport) -> dict[str, Any]:
    owner = given.owner or Party()
    contacts = given.contacts
    return {
        "name": given.name,
        "owner_name": owner.name,
        "owner_email": owner.email,
        "created_at": moment_of(given.created_date, "createdDate"),
        "activity_given_at": moment_of(given.last_activity_date, "lastActivityDate"),
        "contacts": _json(contacts),
        "contact_emails": _array(
            distinct((each.email or "").strip().lower() for each in contacts or ())
        ),
    }


def _deal(given: DealImport, _own: Sequence[str]) -> dict[str, Any]:
    return {
        "id": _crm_key(given.deal_id, "dealId"),
        **_crm_record(given),
        "account_id": _crm_key_of(given.account_id, "accountId"),
        "account_name": given.account_name,
        "stage": given.stage,
        "pipeline": given.pipeline,
        "amount": given.amount,
        "close_date": moment_of(given.close_date, "closeDate"),
        "closed": given.closed,
        "summary": _json(given.summary),
        "crm_autofill": _json(given.crm_autofill),
    }


def _account(given: AccountImport, _own: Sequence[str]) -> dict[str, Any]:
    return {
        "id": _crm_key(given.account_id, "accountId"),
        **_crm_record(given),
        "website": given.website,
        "domain": domain_of_website((given.domain or given.website or "").strip()) or None,
        "synced_crm_fields": _json(given.synced_crm_fields),
    }


def _native(given: _NativeImport, origins: frozenset[str]) -> dict[str, Any]:
    return {
        "source_id": _origin(given.source_id, origins),
        "public": given.public,
        "owner_emails": _array(given.owner_emails),
        "created_at": moment_of(given.created_at, "createdAt"),
        "updated_at": moment_of(given.updated_at, "updatedAt"),
    }


def _conversation(given: ConversationImport, own: Sequence[str]) -> dict[str, Any]:
    started_at = moment_of(given.start_time, "startTime")
    ended_at = moment_of(given.end_time, "endTime") or started_at
    if started_at is None or ended_at is None or ended_at < started_at:
        raise invalid("endTime", "must not be before startTime")
    met = attendance(given.participants, given.owner_emails, own)
    link = given.crm or GivenCrm()
    recordings = given.recordings
    if recordings is not None:
        _address_of(recordings.video_url, "recordings.videoUrl")
        _address_of(recordings.audio_url, "recordings.audioUrl")
    return {
        "id": given.conversation_id,
        **_native(given, conversations.NATIVE),
        "title": given.title,
        "started_at": started_at,
        "ended_at": ended_at,
        "type": given.type or met.type,
        "category": given.category,
        "participants": _json(given.participants),
        "names": met.names,
        **{
            name: _array(getattr(met, name))
            for name in ("emails", "domains", "outside", "outside_domains")
        },
        "crm_id": _crm_key_of(link.id, "crm.id"),
        "crm_name": link.name,
        "crm_type": link.type,
        "crm_given": bool(link.id or link.name or link.type),
        "summary": _json(given.summary),
        "transcript": _json(given.transcript),
        "recordings": _json(recordings),
    }


def _message(given: MessageImport, own: Sequence[str]) -> dict[str, Any]:
    people = [*([] if given.sender is None else [given.sender]), *given.recipients]
    emails = distinct(map(address_of, people))
    outsiders, outside_domains = outside(emails, given.owner_emails, own)
    preview = given.body_preview
    return {
        "id": given.message_id,
        **_native(given, messages.NATIVE),
        "remote_id": given.remote_id,
        "thread_id": given.thread_id,
        "subject": given.subject,
        "sender": _json(given.sender),
        "recipients": _json(given.recipients),
        "body": given.body,
        "body_preview": messages.preview(given.body) if preview is None else preview,
        "attachments": _json(
            [
                messages.StoredAttachment(
                    # The same one each time, so that nothing changes when it is imported again.
                    each.id or uuid5(given.message_id, f"attachment {number}"),
                    each.filename,
                    each.content_type,
                    each.size,
                    each.url,
                )
                for number, each in enumerate(given.attachments, start=1)
            ]
        ),
        "emails": _array(emails),
        "outside": _array(outsiders),
        "outside_domains": _array(outside_domains),
    }


def _document(given: DocumentImport, _own: Sequence[str]) -> dict[str, Any]:
    remote = given.remote_id or str(given.id)
    return {
        "id": given.id,
        **_native(given, documents.NATIVE),
        "remote_id": remote,
        "display_name": given.display_name
        or given.filename
        or documents.filename_in_url(given.url)
        or remote,
        "filename": given.filename,
        "content_type": given.content_type,
        "author": _json(given.author),
        "url": web_address(given.url, "url"),
        "normalized_url": _address_of(given.normalized_url, "normalizedUrl"),
        "normalized_content_type": given.normalized_content_type,
    }


_CRM_COLUMNS: Final = (
    *("name", "owner_name", "owner_email", "created_at", "activity_given_at"),
    *("contacts", "contact_emails"),
)
_NATIVE_COLUMNS: Final = ("source_id", "public", "owner_emails", "created_at", "updated_at")

# In the order in which several of them are locked in one transaction.
KINDS: Final[Mapping[str, Kind[Any]]] = {
    "conversations": Kind(
        tables.conversations,
        ConversationImport,
        "conversationId",
        _conversation,
        (
            *_NATIVE_COLUMNS,
            *("title", "started_at", "ended_at", "type", "category", "participants"),
            *("names", "emails", "domains", "outside", "outside_domains"),
            *("crm_id", "crm_name", "crm_type", "crm_given"),
            *("summary", "transcript", "recordings"),
        ),
        native=True,
    ),
    "messages": Kind(
        tables.messages,
        MessageImport,
        "messageId",
        _message,
        (
            *_NATIVE_COLUMNS,
            *("remote_id", "thread_id", "subject", "sender", "recipients"),
            *("body", "body_preview", "attachments"),
            *("emails", "outside", "outside_domains"),
        ),
        native=True,
    ),
    "documents": Kind(
        tables.documents,
        DocumentImport,
        "id",
        _document,
        (
            *_NATIVE_COLUMNS,
            *("remote_id", "display_name", "filename", "content_type", "author"),
            *("url", "normalized_url", "normalized_content_type"),
        ),
        native=True,
    ),
    "deals": Kind(
        tables.deals,
        DealImport,
        "dealId",
        _deal,
        (
            *_CRM_COLUMNS,
            *("account_id", "account_name", "stage", "pipeline", "amount"),
            *("close_date", "closed", "summary", "crm_autofill"),
        ),
        native=False,
    ),
    "accounts": Kind(
        tables.accounts,
        AccountImport,
        "accountId",
        _account,
        (*_CRM_COLUMNS, "website", "domain", "synced_crm_fields"),
        native=False,
    ),
}
