"""Pushed records: identity by source and remote id, upsert and soft deletion."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import (
    CTE,
    Boolean,
    Column,
    ColumnElement,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.field_docs import doc, named
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.problems import FieldError, Forbidden, NotFound, invalid
from domains.kernel.core.timestamps import parse_timestamp
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, Statement, row, scalar, statement
from domains.kernel.tenancy import audit
from domains.kernel.tenancy.audit import Actor
from domains.kernel.untrusted.url_policy import UrlNotAllowed, parse_url
from domains.revenue import example_ids
from domains.revenue.people import Email, Version
from domains.revenue.tables import sources

T = TypeVar("T")

Timestamp = Annotated[
    str | int | float,
    named(
        "Timestamp",
        "ISO 8601 date-time, Unix seconds or Unix milliseconds. Without an offset it is UTC",
        extra_json_schema={
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "number", "format": "double"},
            ]
        },
    ),
]
# A whole number that fits into a bigint column.
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
# Longer values do not fit into an index.
Identifier = Annotated[str, Meta(min_length=1, max_length=512)]
# Names and display names of sources and object types.
DisplayLabel = Annotated[str, Meta(min_length=1, max_length=255)]
# Bounded, because a trigram index covers it.
DisplayName = Annotated[str, Meta(max_length=10_000)]
# Bounded, because encoding a long list would block other requests.
Emails = Annotated[list[Email], Meta(max_length=1000)]
# URL that can be fetched. Servers accept no longer ones.
WebAddress = Annotated[str, Meta(max_length=8192, extra_json_schema={"format": "uri"})]
# URL in a response.
Url = Annotated[str, Meta(extra_json_schema={"format": "uri"})]

# Fields of several responses.
SourceReference = Annotated[
    str, doc("The source: a UUID or the name of its origin", example_ids.SOURCE)
]
RemoteId = Annotated[str, doc("Id in the source system", example_ids.REMOTE)]
ProcessingStatus = Annotated[
    Literal["pending", "processing", "processed", "failed"],
    named("ProcessingStatus", "State of the background processing of a record"),
]
RecordStatus = Annotated[
    Literal["created", "updated"], named("RecordStatus", "What a push did to the record")
]
Language = Annotated[
    str | None, doc("Language of the text (BCP 47). Null until processed or if unknown", "en")
]
CreatedInSource = Annotated[datetime | None, doc("Creation time in the source system")]
UpdatedInSource = Annotated[datetime | None, doc("Time of the last change in the source system")]


class RecordRequest(msgspec.Struct, rename="camel", kw_only=True):
    """Fields of every pushed record."""

    version: Version = 1
    id: Annotated[Identifier, doc("The record's id in the source system", example_ids.REMOTE)]
    source_id: Annotated[UUID, doc("One of your sources", example_ids.SOURCE)]
    display_name: Annotated[DisplayName, doc("Name to show", "Halden rollout")] = ""
    updated_at: Annotated[Timestamp | None, doc("Time of the last change there")] = None
    public: Annotated[bool, doc("True if everybody in the organization may see it")] = False
    owner_emails: Annotated[Emails, doc("E-mail addresses of its owners")] = []


class RecordChanges(msgspec.Struct, rename="camel", kw_only=True):
    """Fields that can change in every pushed record. Null and absent leave a field unchanged."""

    version: Version = 1
    display_name: Annotated[DisplayName | None, doc("Name to show")] = None
    public: Annotated[bool | None, doc("True if everybody in the organization may see it")] = None
    owner_emails: Annotated[Emails | None, doc("E-mail addresses of its owners")] = None
    updated_at: Annotated[Timestamp | None, doc("Time of the last change there")] = None


class RecordResponse(msgspec.Struct, rename="camel"):
    """The result of a push."""

    status: Annotated[RecordStatus, doc("`created` for a new record")]
    record_id: Annotated[UUID, doc("Id of the record in this API", example_ids.RECORD)]
    id: Annotated[str, doc("Id in the source system, as sent", example_ids.REMOTE)]
    source_id: Annotated[UUID, doc("The source, as sent", example_ids.SOURCE)]


class Processing(msgspec.Struct, rename="camel"):
    """State of the background processing of a record's current version."""

    status: Annotated[
        ProcessingStatus,
        doc(
            "`pending`: not started; `processing`: started, or to be tried again; `processed`: all"
            " results are stored; `failed`: a result is missing",
            "processed",
        ),
    ]
    error: Annotated[str | None, doc("Why it failed, as a sentence; null otherwise")]
    note: Annotated[
        str | None, doc("Why a processed record may lack findings, as a sentence; null otherwise")
    ]


# An example.
PROCESSED: Final = {"status": "processed", "error": None, "note": None}


class RecordAddress(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The query that identifies the record to change or delete."""

    remote_id: Annotated[Identifier, doc("The `id` with which it was pushed")]
    source_id: Annotated[UUID, doc("The source through which it was pushed")]


class DeletedRecordResponse(msgspec.Struct, rename="camel"):
    """A deleted record."""

    status: Annotated[Literal["deleted"], doc("Always `deleted`")]
    record_id: Annotated[UUID, doc("Record id", example_ids.RECORD)]
    id: Annotated[str, doc("Id in the source system", example_ids.REMOTE)]
    source_id: Annotated[UUID, doc("The source", example_ids.SOURCE)]
    deleted_at: Annotated[datetime, doc("Time of the deletion")]


# --- problems ---------------------------------------------------------------------------------


def forbidden(field: str, noun: str) -> Forbidden:
    """Problem for a write through a source or object type that the caller may not write to.

    It is the same for unknown ids and for ids of other workspaces, which it must not reveal.
    """
    message = f"{field}: there is no such {noun} that you may write to"
    return Forbidden(message, FieldError(field, message))


def not_found(noun: str, reference: object) -> NotFound:
    """Problem if the workspace has no such record."""
    return NotFound(f"There is no {noun} {str(reference)[:64]!r} in this organization.")


# --- statements -------------------------------------------------------------------------------

_SOURCE: Final = bindparam("source", type_=Uuid)
_REMOTE: Final = bindparam("remote", type_=Text)

# Parameter of statements that show a record: private records are included.
INCLUDE_PRIVATE: Final = bindparam("include_private", type_=Boolean)

IS_ACTIVE_SOURCE: Final = (
    sources.c.workspace_id == WORKSPACE,
    sources.c.id == _SOURCE,
    sources.c.deleted_at.is_(None),
)

ACTIVE_SOURCE: Final = statement(select(sources.c.id).where(*IS_ACTIVE_SOURCE), scalar)


def active_source() -> CTE:
    """The source of the parameter `source`, if it accepts writes."""
    return select(sources.c.id).where(*IS_ACTIVE_SOURCE).cte("source")


def has_identity(table: Table) -> ColumnElement[bool]:
    """Condition: the record has the parameters `source` and `remote`, and is not deleted."""
    return and_(
        table.c.workspace_id == WORKSPACE,
        table.c.source_id == cast(_SOURCE, Text),
        table.c.remote_id == _REMOTE,
        # Literal SQL, because a partial index is not used with a parameter.
        text(f"{table.name}.deleted_at is null and not {table.name}.native"),
    )


def upsert_statement(
    table: Table,
    columns: Iterable[str],
    row_factory: Callable[..., T],
    *,
    computed: Mapping[str, ColumnElement[Any]] | None = None,
    joined: Sequence[CTE] = (),
    returning: Sequence[Any] = (),
    keep_former: Sequence[str] = (),
    where: ColumnElement[bool] | None = None,
    versioned: bool = False,
    source: CTE | None = None,
) -> Statement[T]:
    """Insert or wholly replace the record of the parameters `source` and `remote`.

    `columns` are set to the parameters of their names, `computed` to expressions over the CTEs
    `joined`, each of which has at most one row. Returns the record's id, which is the parameter
    `id` for a new record, and `returning`. Returns nothing if the source does not accept writes or
    the existing record does not meet `where`. `source`: the CTE of the source if it has further
    conditions than `active_source`.

    The replaced version's values of the columns `keep_former` are stored in the `former_` columns:
    only the UPDATE itself sees the version that it replaces when others write concurrently.
    """
    source = active_source() if source is None else source
    values: dict[str, Any] = {
        "workspace_id": WORKSPACE,
        "id": bindparam("id", type_=Uuid),
        "source_id": cast(source.c.id, Text),
        "remote_id": _REMOTE,
        **{name: bindparam(name, type_=table.c[name].type) for name in columns},
        **(computed or {}),
    }
    origin: Any = source
    for cte in joined:
        origin = origin.outerjoin(cte, true())
    adding = insert(table).from_select(list(values), select(*values.values()).select_from(origin))
    identity = ("workspace_id", "id", "source_id", "remote_id")
    changes: dict[str, Any] = {
        name: adding.excluded[name] for name in values if name not in identity
    }
    changes |= {f"former_{name}": table.c[name] for name in keep_former}
    if versioned:
        changes["version"] = table.c.version + 1
    return statement(
        adding.on_conflict_do_update(
            index_elements=["workspace_id", "source_id", "remote_id"],
            index_where=text("deleted_at is null and not native"),
            set_=changes,
            where=where,
        ).returning(table.c.id, *returning),
        row_factory,
        reuses_plan=True,
    )


def deletion_statement(table: Table, *returning: Column[Any]) -> Statement[tuple[Any, ...]]:
    """Mark the record of the parameters `source` and `remote` as deleted.

    Returns its id, the time and `returning`, or nulls if there is no such record. Returns no row
    if the source does not accept writes. The audit log gets an entry; see `audit.with_entry`.
    """
    source = active_source()
    deletion = (
        update(table)
        .where(has_identity(table), select(source.c.id).exists())
        .values(deleted_at=func.now())
        .returning(table.c.id, table.c.deleted_at, *returning)
    )
    noun = table.name.removesuffix("s")
    gone = audit.with_entry(deletion, f"{noun}.delete", noun).cte("gone")
    return statement(select(gone).select_from(source.outerjoin(gone, true())), row)


def is_visible(table: Table) -> tuple[ColumnElement[bool], ...]:
    """Conditions: the record has the parameter `id`, is not deleted, and may be shown."""
    return (
        table.c.workspace_id == WORKSPACE,
        table.c.id == bindparam("id", type_=Uuid),
        table.c.deleted_at.is_(None),
        or_(table.c.public, INCLUDE_PRIVATE),
    )


def new_or_current(parameter: str, column: Column[Any]) -> ColumnElement[Any]:
    """Value in an UPDATE: the parameter, or the current value if the parameter is null."""
    value = bindparam(parameter, type_=column.type)
    return case((value.is_(None), column), else_=value)


# --- operations -------------------------------------------------------------------------------


def upsert_parameters(workspace: WorkspaceId, new: RecordRequest, record: UUID) -> dict[str, Any]:
    """Parameters that every upsert has. `record` is the id of a new record. Raises Invalid."""
    return {
        "workspace": workspace,
        "source": new.source_id,
        "remote": new.id,
        "id": record,
        "public": new.public,
        "owner_emails": new.owner_emails,
        "updated_at": optional_timestamp(new.updated_at, "updatedAt"),
    }


def upsert_response(record: UUID, new: UUID, remote: str, source: UUID) -> RecordResponse:
    """Response to an upsert: `created` if the record has the new id, else `updated`."""
    return RecordResponse("created" if record == new else "updated", record, remote, source)


async def get_visible(
    read: Read,
    get: Statement[T],
    workspace: WorkspaceId,
    record: UUID,
    noun: str,
    include_private: bool,
) -> T:
    """Get a record by its id with a statement that uses `is_visible`. Raises NotFound."""
    shown = await read.first(get, workspace=workspace, id=record, include_private=include_private)
    if shown is None:
        raise not_found(noun, record)
    return shown


async def write_existing(
    tx: Tx,
    write: Statement[tuple[Any, ...]],
    workspace: WorkspaceId,
    address: RecordAddress,
    noun: str,
    **params: object,
) -> tuple[Any, ...]:
    """Lock or delete the record of an address, and return the statement's row.

    `params`: further parameters of the statement.

    Raises Forbidden if the source does not accept writes, NotFound if there is no such record.
    """
    written = await tx.first(
        write, workspace=workspace, source=address.source_id, remote=address.remote_id, **params
    )
    if written is None:
        raise forbidden("sourceId", "source")
    if written[0] is None:
        raise not_found(noun, address.remote_id)
    return written


async def delete_record(
    tx: Tx,
    deletion: Statement[tuple[Any, ...]],
    workspace: WorkspaceId,
    address: RecordAddress,
    noun: str,
    actor: Actor,
) -> tuple[DeletedRecordResponse, Sequence[Any]]:
    """Delete the record of an address. Returns the response and the deletion's other columns.

    Raises Forbidden or NotFound.
    """
    record, deleted_at, *returned = await write_existing(
        tx, deletion, workspace, address, noun, **actor.parameters()
    )
    response = DeletedRecordResponse(
        "deleted", record, address.remote_id, address.source_id, deleted_at
    )
    return response, returned


# --- values -----------------------------------------------------------------------------------


def optional_timestamp(value: str | float | None, field: str) -> datetime | None:
    """Parse a timestamp of a request, or None. Raises Invalid."""
    return None if value is None else parse_timestamp(value, field)


def fetchable_url(url: str, field: str, allowed: FetchAllowlist | None = None) -> str:
    """Return the URL if it may be fetched. Raises Invalid.

    Host names are resolved only when the URL is fetched.
    """
    try:
        parse_url(url, allowed or FetchAllowlist())
    except UrlNotAllowed as error:
        raise invalid(field, str(error)) from error
    return url
