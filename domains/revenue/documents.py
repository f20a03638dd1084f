"""Documents: files, by their address or their bytes, of which the text is made readable."""

import asyncio
import binascii
import time
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import (
    Boolean,
    Text,
    Uuid,
    bindparam,
    case,
    literal_column,
    null,
    select,
    true,
    update,
)

from domains.kernel.core.ids import new_id
from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.problems import Invalid, invalid
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, row, statement
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.model import Job, Queue
from domains.kernel.pagination.cursor import CursorList, CursorQuery, PaginationInfo
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import Blobs
from domains.kernel.storage.signed_urls import Downloads
from domains.kernel.tenancy.signing import Signer
from domains.revenue import example_ids
from domains.revenue.filters import conditions, contains, parse_filters, source
from domains.revenue.records import (
    DeletedRecordResponse,
    DisplayName,
    Emails,
    Person,
    RecordAddress,
    RecordRequest,
    RecordResponse,
    RemoteId,
    SourceReference,
    Timestamp,
    Version,
    WebAddress,
    active_source,
    deletion_response,
    deletion_statement,
    fetchable_url,
    forbidden,
    has_identity,
    is_visible,
    new_or_current,
    not_found,
    optional_timestamp,
    upsert_response,
    upsert_statement,
)
from domains.revenue.tables import documents

NATIVE: Final = frozenset({"chat_upload"})

# Content of more characters than this is decoded in a thread.
_LARGE: Final = 256 * 1024

# Both stand in links to the bytes.
_ContentType = Annotated[str, Meta(max_length=255)]
_Filename = Annotated[str, Meta(max_length=1000)]


class DocumentRequest(RecordRequest, kw_only=True):
    """A document, as a whole: one of the same source and id is replaced.

    It has exactly one of `url` and `content`.
    """

    created_at: Annotated[
        Timestamp | None,
        Meta(
            description="When it was made in the source system", examples=["2026-03-16T13:00:00Z"]
        ),
    ] = None
    url: Annotated[
        WebAddress | None,
        Meta(
            description="Where it can be fetched: http or https",
            examples=["https://files.example/plan.pdf"],
        ),
    ] = None
    content: Annotated[str | None, Meta(description="Its bytes in base64")] = None
    filename: Annotated[_Filename | None, Meta(description="Its file name")] = None
    content_type: Annotated[
        _ContentType, Meta(description="Such as application/pdf", examples=["application/pdf"])
    ] = "text/plain"
    author: Annotated[Person | None, Meta(description="Who wrote it")] = None


class UpdateDocumentRequest(msgspec.Struct, rename="camel", kw_only=True):
    """What changes of a document; null and absent leave a field as it is.

    `url` or `content`, one at most, makes a new version, which is processed again.
    """

    version: Version = 1
    display_name: Annotated[DisplayName | None, Meta(description="What people call it")] = None
    public: Annotated[
        bool | None, Meta(description="Whether everybody in the organization may see it")
    ] = None
    owner_emails: Annotated[Emails | None, Meta(description="Those to whom it belongs")] = None
    updated_at: Annotated[
        Timestamp | None, Meta(description="When it changed in the source system")
    ] = None
    url: Annotated[
        WebAddress | None,
        Meta(
            description="Where it can be fetched: http or https",
            examples=["https://files.example/plan.pdf"],
        ),
    ] = None
    content: Annotated[str | None, Meta(description="Its bytes in base64")] = None
    filename: Annotated[_Filename | None, Meta(description="Its file name")] = None
    content_type: Annotated[_ContentType | None, Meta(description="Such as application/pdf")] = None


class DocumentQuery(CursorQuery, frozen=True, kw_only=True):
    """The query of the list of documents."""

    source_id: Annotated[
        str | UnsetType,
        Meta(description=f"Those of this source: a UUID or {', '.join(sorted(NATIVE))}"),
    ] = UNSET
    name: Annotated[
        Annotated[str, Meta(max_length=255)] | UnsetType,
        Meta(description="Part of the display name, in any letter case"),
    ] = UNSET

    def filters(self) -> dict[str, Any]:
        return parse_filters(self, _FILTERS)


class DocumentListItem(msgspec.Struct, rename="camel"):
    """A document."""

    id: Annotated[
        UUID, Meta(description="The id by which it is read", examples=[example_ids.DOCUMENT])
    ]
    display_name: Annotated[
        str, Meta(description="What people call it", examples=["Halden rollout"])
    ]
    source_id: SourceReference
    remote_id: RemoteId
    url: Annotated[
        str,
        Meta(
            description="The original: the address that was given, or a link valid for 24 hours",
            examples=["https://files.example/plan.pdf"],
        ),
    ]
    content_type: Annotated[
        str, Meta(description="Of the original, as it was given", examples=["application/pdf"])
    ]
    created_at: Annotated[datetime | None, Meta(description="As the source system said")]
    updated_at: Annotated[datetime | None, Meta(description="As the source system said")]


class DocumentDetail(DocumentListItem):
    """A document and where its text is."""

    normalized_url: Annotated[
        str | None,
        Meta(
            description="Its text: a link valid for 24 hours; null until it is there",
            examples=["https://gateway.example/files/plan.txt"],
        ),
    ]
    normalized_content_type: Annotated[
        str | None, Meta(description="Of the text", examples=["text/plain"])
    ]


class ListDocumentsResponse(msgspec.Struct, rename="camel"):
    """A page of documents, newest first."""

    documents: Annotated[list[DocumentListItem], Meta(description="The page")]
    pagination: Annotated[PaginationInfo, Meta(description="How the list goes on")]


class DocumentJob(Job, frozen=True):
    """Base of the jobs for one version of a document. A newer version has its own jobs."""

    document_id: UUID
    version: int

    @property
    def record_id(self) -> UUID:
        return self.document_id


class FetchDocument(DocumentJob, frozen=True, tag="revenue.fetch_document"):
    """Fetch the document from its URL."""

    queue: ClassVar[Queue] = "fetch"


class ProcessDocument(DocumentJob, frozen=True, tag="revenue.process_document"):
    """Extract the text of the document."""

    queue: ClassVar[Queue] = "ingest"


# --- statements -------------------------------------------------------------------------------


class _Stored(msgspec.Struct, frozen=True):
    """A document as its row has it."""

    id: UUID
    display_name: str
    source_id: str
    remote_id: str
    url: str | None
    content_type: str
    created_at: datetime | None
    updated_at: datetime | None
    blob_key: str | None
    filename: str | None
    normalized_key: str | None
    normalized_url: str | None
    normalized_content_type: str | None


_c = documents.c
_columns = tuple(_c[name] for name in _Stored.__struct_fields__)

_FILTERS: Final = (source(_c.source_id, NATIVE), contains("name", _c.display_name))
DOCUMENTS: Final = CursorList(
    "documents",
    documents,
    _columns,
    _Stored,
    DocumentQuery,
    order_by=_c.ordered_at,
    order_id=_c.id,
    where=(_c.deleted_at.is_(None),),
    filters=conditions(_FILTERS) | {"public": _c.public},
    indexed={"source_id"},
)
_GET = statement(select(*_columns).where(*is_visible(documents)), _Stored)

_former = (
    select(_c.id, _c.blob_key, _c.fetched_key, _c.normalized_key)
    .where(has_identity(documents))
    .with_for_update(key_share=True)
    .cte("former")
)
# What was made of the former content goes with it.
_ANEW: Final[dict[str, Any]] = {
    "fetched_key": null(),
    "fetched_content_type": null(),
    "normalized_key": null(),
    "normalized_url": null(),
    "normalized_content_type": null(),
    "error": null(),
    "state": literal_column("'processing'"),
}
_UPSERT = upsert_statement(
    documents,
    (
        *("display_name", "filename", "content_type", "author", "url", "blob_key"),
        *("public", "owner_emails", "created_at", "updated_at"),
    ),
    row,
    computed=_ANEW,
    returning=(
        _c.version,
        _c.former_blob_key,
        _c.former_fetched_key,
        _c.former_normalized_key,
    ),
    keep_former=("blob_key", "fetched_key", "normalized_key"),
    versioned=True,
)
_source = active_source()
_FIND = statement(select(_former).select_from(_source.outerjoin(_former, true())), row)

_anew = bindparam("anew", type_=Boolean)
_UPDATE = statement(
    update(documents)
    .where(_c.workspace_id == WORKSPACE, _c.id == bindparam("id", type_=Uuid))
    .values(
        {
            **{
                name: new_or_current(name, _c[name])
                for name in (
                    *("display_name", "public", "owner_emails", "updated_at"),
                    *("filename", "content_type"),
                )
            },
            **{
                name: case((_anew, bindparam(name, type_=Text)), else_=_c[name])
                for name in ("url", "blob_key")
            },
            **{name: case((_anew, value), else_=_c[name]) for name, value in _ANEW.items()},
            "version": _c.version + case((_anew, 1), else_=0),
        }
    )
    .returning(_c.version),
    row,
)
_DELETE = deletion_statement(documents, _c.blob_key, _c.fetched_key, _c.normalized_key)


# --- what the API does ------------------------------------------------------------------------


async def create(
    tx: Tx, blobs: Blobs, allowed: FetchAllowlist, workspace: WorkspaceId, new: DocumentRequest
) -> RecordResponse:
    """Store a document, or replace it, and queue its processing. `allowed`: internal hosts.

    Invalid names what is wrong; Forbidden where the source is not the workspace's.
    """
    if (new.url is None) == (new.content is None):
        raise Invalid("exactly one of url or content must be provided")
    if new.url is not None:
        fetchable_url(new.url, "url", allowed)
    made = new_id()
    created_at = optional_timestamp(new.created_at, "createdAt")
    updated_at = optional_timestamp(new.updated_at, "updatedAt")
    name = new.filename or new.display_name or new.id
    blob_key = await _keep(tx, blobs, workspace, new.content, new.content_type, name)
    stored = await tx.first(
        _UPSERT,
        workspace=workspace,
        source=new.source_id,
        remote=new.id,
        id=made,
        display_name=new.display_name or new.filename or filename_in_url(new.url) or new.id,
        filename=new.filename or None,
        content_type=new.content_type,
        author=None if new.author is None else msgspec.json.encode(new.author),
        url=new.url,
        blob_key=blob_key,
        public=new.public,
        owner_emails=new.owner_emails,
        created_at=created_at,
        updated_at=updated_at,
    )
    if stored is None:
        raise forbidden("sourceId", "source")
    record, version, *former_keys = stored
    if record != made:
        await retention.discard(tx, workspace, former_keys)
    await _process(tx, workspace, record, version, new.url)
    return upsert_response(record, made, new.id, new.source_id)


async def change(
    tx: Tx,
    blobs: Blobs,
    allowed: FetchAllowlist,
    workspace: WorkspaceId,
    address: RecordAddress,
    changes: UpdateDocumentRequest,
) -> RecordResponse:
    """Change a document; with another url or content it becomes a new version.

    NotFound; Forbidden where the source is not the workspace's.
    """
    if changes.url is not None and changes.content is not None:
        raise Invalid("at most one of url or content can be provided")
    if changes.url is not None:
        fetchable_url(changes.url, "url", allowed)
    updated_at = optional_timestamp(changes.updated_at, "updatedAt")
    blob_key = await _keep(
        tx,
        blobs,
        workspace,
        changes.content,
        changes.content_type,
        changes.filename,
    )
    found = await tx.first(
        _FIND, workspace=workspace, source=address.source_id, remote=address.remote_id
    )
    if found is None:
        raise forbidden("sourceId", "source")
    record, *former_keys = found
    if record is None:
        raise not_found("document", address.remote_id)
    anew = changes.url is not None or blob_key is not None
    (version,) = await tx.one(
        _UPDATE,
        workspace=workspace,
        id=record,
        display_name=changes.display_name or None,
        public=changes.public,
        owner_emails=changes.owner_emails,
        updated_at=updated_at,
        filename=changes.filename,
        content_type=changes.content_type,
        anew=anew,
        url=changes.url,
        blob_key=blob_key,
    )
    if anew:
        await retention.discard(tx, workspace, former_keys)
        await _process(tx, workspace, record, version, changes.url)
    return RecordResponse("updated", record, address.remote_id, address.source_id)


async def remove(tx: Tx, workspace: WorkspaceId, address: RecordAddress) -> DeletedRecordResponse:
    """Delete a document, and in the time of retention its bytes; NotFound, or Forbidden where the
    source is not the workspace's.
    """
    found = await tx.first(
        _DELETE, workspace=workspace, source=address.source_id, remote=address.remote_id
    )
    answer = deletion_response(found, address, "document")
    if found is not None:
        await retention.discard(tx, workspace, found[2:])
    return answer


async def page(
    read: Read,
    signer: Signer,
    downloads: Downloads,
    workspace: WorkspaceId,
    wanted: DocumentQuery,
    only: frozenset[str],
) -> ListDocumentsResponse:
    """The wanted documents."""
    found = await DOCUMENTS.page(read, signer, workspace, wanted, extra_filters=only)
    # Together: one after the other they take three times as long.
    items = await asyncio.gather(*(_shown(stored, downloads) for stored in found.items))
    return ListDocumentsResponse([DocumentListItem(*each) for each in items], found.pagination)


async def get(
    read: Read, downloads: Downloads, workspace: WorkspaceId, record: UUID, *, include_private: bool
) -> DocumentDetail:
    """A document by its record id; NotFound."""
    found = await read.first(_GET, workspace=workspace, id=record, include_private=include_private)
    if found is None:
        raise not_found("document", record)
    text_url = found.normalized_url
    if found.normalized_key is not None:
        # Without its encoding some clients take it for another.
        kind = f"{found.normalized_content_type or 'text/plain'}; charset=utf-8"
        name = f"{(found.filename or found.display_name).removesuffix('.txt')}.txt"
        text_url = await downloads.link(found.normalized_key, kind, name, time.time())
    fields = await _shown(found, downloads)
    return DocumentDetail(*(*fields, text_url, found.normalized_content_type))


async def _shown(stored: _Stored, downloads: Downloads) -> tuple[Any, ...]:
    url = stored.url
    if stored.blob_key is not None:
        name = stored.filename or stored.display_name
        url = await downloads.link(stored.blob_key, stored.content_type, name, time.time())
    return (
        stored.id,
        stored.display_name,
        stored.source_id,
        stored.remote_id,
        url,
        stored.content_type,
        stored.created_at,
        stored.updated_at,
    )


async def _keep(
    tx: Tx,
    blobs: Blobs,
    workspace: WorkspaceId,
    content: str | None,
    content_type: str | None,
    filename: str | None,
) -> str | None:
    """Put content into the object store, before any connection waits for that; its key."""
    if content is None:
        return None
    if len(content) > _LARGE:
        body = await asyncio.to_thread(_decoded, content)
    else:
        body = _decoded(content)
    key = f"documents/{workspace}/{new_id()}"
    tx.on_rollback(lambda: blobs.delete(key))
    await blobs.put(key, body, content_type=content_type, filename=filename)
    return key


def _decoded(content: str) -> bytes:
    try:
        body = binascii.a2b_base64(content, strict_mode=True)
    except ValueError:
        raise invalid("content", "is not base64 in the standard alphabet") from None
    if not body:
        raise invalid("content", "is empty")
    return body


async def _process(
    tx: Tx, workspace: WorkspaceId, record: UUID, version: int, url: str | None
) -> None:
    kind = ProcessDocument if url is None else FetchDocument
    await enqueue(tx, workspace, kind(record, version))


def filename_in_url(url: str | None) -> str:
    """Last segment of the URL's path, decoded; empty if there is none."""
    path = urlsplit(url or "").path
    return unquote(path.rstrip("/").rpartition("/")[2])[:1000].replace("\0", "")
