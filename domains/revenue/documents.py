"""Documents: files given by URL or content, and the text extracted from them."""

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

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.problems import Invalid, invalid
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, row, statement
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.model import Job, Queue
from domains.kernel.pagination.cursor import CursorList, CursorQuery, PaginationInfo
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import Blobs
from domains.kernel.storage.signed_urls import SignedUrls, version_of_url
from domains.kernel.tenancy.audit import Actor
from domains.kernel.tenancy.signing import Signer
from domains.revenue import example_ids, records
from domains.revenue.filters import (
    PAIRS,
    PROCESSING_STATUS,
    TextFilter,
    conditions,
    contains,
    equals,
    hints,
    pairs_hint,
    parse_filters,
    source,
    source_doc,
)
from domains.revenue.people import Person
from domains.revenue.tables import documents

NATIVE: Final = frozenset({"chat_upload", "mailbox_attachment"})

# Longer content, in characters, is decoded in a thread so that other requests can run.
_THREAD_THRESHOLD: Final = 256 * 1024

# Bounded, because signed URLs contain them.
_ContentType = Annotated[str, Meta(max_length=255)]
_Filename = Annotated[str, Meta(max_length=1000)]


_Url = Annotated[
    records.WebAddress | None, doc("http or https URL", "https://files.example/plan.pdf")
]
_Content = Annotated[str | None, doc("Content of the file in base64")]


class DocumentRequest(records.RecordRequest, kw_only=True):
    """A document. Replaces the one with the same source and id as a whole.

    It has exactly one of `url` and `content`.
    """

    created_at: Annotated[
        records.Timestamp | None, doc("Creation time in the source system", "2026-03-16T13:00:00Z")
    ] = None
    url: _Url = None
    content: _Content = None
    filename: Annotated[_Filename | None, doc("File name")] = None
    content_type: Annotated[_ContentType, doc("Media type", "application/pdf")] = "text/plain"
    author: Annotated[Person | None, doc("The author")] = None


class UpdateDocumentRequest(records.RecordChanges, kw_only=True):
    """Changes of a document. Null and absent leave a field unchanged.

    At most one of `url` and `content`. Either makes a new version, which is processed again. So
    does another `filename` or `contentType`, with the same bytes.
    """

    url: _Url = None
    content: _Content = None
    filename: Annotated[_Filename | None, doc("File name")] = None
    content_type: Annotated[_ContentType | None, doc("Media type, such as application/pdf")] = None


class DocumentQuery(CursorQuery, frozen=True, kw_only=True):
    """The query of the list of documents."""

    source_id: Annotated[TextFilter, source_doc(NATIVE)] = UNSET
    name: Annotated[
        Annotated[str, Meta(max_length=255)] | UnsetType,
        doc("Part of the display name, case-insensitive"),
    ] = UNSET
    processing_status: Annotated[records.ProcessingStatus | UnsetType, PROCESSING_STATUS] = UNSET

    def filters(self) -> dict[str, Any]:
        return parse_filters(self, _FILTERS)


class DocumentListItem(msgspec.Struct, rename="camel"):
    """A document."""

    id: Annotated[UUID, doc("Id of the document", example_ids.RECORD)]
    display_name: Annotated[str, doc("Name to show", "Halden rollout")]
    source_id: records.SourceReference
    remote_id: records.RemoteId
    url: Annotated[
        records.Url,
        doc("As pushed, or a link valid for 24 hours", "https://files.example/plan.pdf"),
    ]
    content_type: Annotated[str, doc("Media type of the original, as sent", "application/pdf")]
    created_at: records.CreatedInSource
    updated_at: records.UpdatedInSource
    processing: Annotated[
        records.Processing,
        doc("Fetching of the document and extraction of its text", records.PROCESSED),
    ]
    language: records.Language


class DocumentDetail(DocumentListItem):
    """A document with a link to its text."""

    normalized_url: Annotated[
        records.Url | None,
        doc("Valid for 24 hours; null until it is ready", "https://gateway.example/files/plan.txt"),
    ]
    normalized_content_type: Annotated[str | None, doc("Media type of the text", "text/plain")]


class ListDocumentsResponse(msgspec.Struct, rename="camel"):
    """A page of documents, newest first."""

    documents: Annotated[list[DocumentListItem], doc("The documents of this page")]
    pagination: Annotated[PaginationInfo, doc("Cursor of the next page")]


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


class _StoredDocument(msgspec.Struct, frozen=True):
    """A document as stored."""

    id: UUID
    display_name: str
    source_id: str
    remote_id: str
    url: str | None
    content_type: str
    created_at: datetime | None
    updated_at: datetime | None
    state: records.ProcessingStatus
    error: str | None
    found_language: str | None
    blob_key: str | None
    filename: str | None
    normalized_key: str | None
    normalized_url: str | None
    normalized_content_type: str | None


_c = documents.c
_columns = tuple(_c[name] for name in _StoredDocument.__struct_fields__)

_FILTERS: Final = (
    source(_c.source_id, NATIVE),
    contains("name", _c.display_name),
    equals("processing_status", _c.state),
)
DOCUMENTS: Final = CursorList(
    table=documents,
    columns=_columns,
    row_factory=_StoredDocument,
    query_type=DocumentQuery,
    order_by=_c.ordered_at,
    where=(_c.deleted_at.is_(None),),
    filters=conditions(_FILTERS) | {"public": _c.public},
    hints=hints(_FILTERS) | {PAIRS: pairs_hint(_c.display_name)},
    indexed={"source_id", "processing_status"},
)
_GET = statement(
    select(*_columns).where(*records.is_visible(documents)), _StoredDocument, reuses_plan=True
)

_former = (
    select(
        *(_c.id, _c.blob_key, _c.fetched_key, _c.normalized_key),
        *(_c.filename, _c.content_type),
    )
    .where(records.has_identity(documents))
    .with_for_update(key_share=True)
    .cte("former")
)
# Values that other bytes reset.
_FETCHED: Final = ("fetched_key", "fetched_content_type")
# Values that a new version resets, also one of the same bytes.
_TEXT_RESET: Final[dict[str, Any]] = {
    "normalized_key": null(),
    "text_encoding": null(),
    "text_encoding_confidence": null(),
    "found_language": null(),
    "normalized_url": null(),
    "normalized_content_type": null(),
    "error": null(),
    "state": literal_column("'pending'"),
}
_UPSERT = records.upsert_statement(
    documents,
    (
        *("display_name", "filename", "content_type", "author", "url", "blob_key"),
        *("public", "owner_emails", "created_at", "updated_at"),
    ),
    row,
    computed={**dict.fromkeys(_FETCHED, null()), **_TEXT_RESET},
    returning=(_c.version, _c.former_blob_key, _c.former_fetched_key, _c.former_normalized_key),
    keep_former=("blob_key", "fetched_key", "normalized_key"),
    versioned=True,
)
_source = records.active_source()
_LOCK = statement(select(_former).select_from(_source.outerjoin(_former, true())), row)

_new_bytes = bindparam("new_bytes", type_=Boolean)
_new_version = bindparam("new_version", type_=Boolean)
_UPDATE = statement(
    update(documents)
    .where(_c.workspace_id == WORKSPACE, _c.id == bindparam("id", type_=Uuid))
    .values(
        {
            **{
                name: records.new_or_current(name, _c[name])
                for name in (
                    *("display_name", "public", "owner_emails", "updated_at"),
                    *("filename", "content_type"),
                )
            },
            **{
                name: case((_new_bytes, bindparam(name, type_=Text)), else_=_c[name])
                for name in ("url", "blob_key")
            },
            **{name: case((_new_bytes, null()), else_=_c[name]) for name in _FETCHED},
            **{
                name: case((_new_version, value), else_=_c[name])
                for name, value in _TEXT_RESET.items()
            },
            "version": _c.version + case((_new_version, 1), else_=0),
        }
    )
    .returning(_c.version),
    row,
)
_DELETE = records.deletion_statement(documents, _c.blob_key, _c.fetched_key, _c.normalized_key)


# --- operations -------------------------------------------------------------------------------


async def create(
    tx: Tx, blobs: Blobs, allowed: FetchAllowlist, workspace: WorkspaceId, new: DocumentRequest
) -> records.RecordResponse:
    """Insert or replace a document, and enqueue its processing.

    `allowed` are the internal hosts that may be fetched from. Raises Invalid, and Forbidden if the
    source does not accept the caller's writes.
    """
    if (new.url is None) == (new.content is None):
        raise Invalid("exactly one of url or content must be provided")
    if new.url is not None:
        records.fetchable_url(new.url, "url", allowed)
    new_record = new_id()
    created_at = records.optional_timestamp(new.created_at, "createdAt")
    parameters = records.upsert_parameters(workspace, new, new_record)
    filename = new.filename or new.display_name or new.id
    blob_key = await _store_content(tx, blobs, workspace, new.content, new.content_type, filename)
    stored = await tx.first(
        _UPSERT,
        display_name=new.display_name or new.filename or filename_in_url(new.url) or new.id,
        filename=new.filename or None,
        content_type=new.content_type,
        author=None if new.author is None else msgspec.json.encode(new.author),
        url=new.url,
        blob_key=blob_key,
        created_at=created_at,
        **parameters,
    )
    if stored is None:
        raise records.forbidden("sourceId", "source")
    record, version, *former_keys = stored
    if record != new_record:
        await retention.discard(tx, workspace, former_keys)
    await _enqueue_processing(tx, workspace, record, version, new.url)
    return records.upsert_response(record, new_record, new.id, new.source_id)


async def change(
    tx: Tx,
    blobs: Blobs,
    allowed: FetchAllowlist,
    workspace: WorkspaceId,
    address: records.RecordAddress,
    changes: UpdateDocumentRequest,
) -> records.RecordResponse:
    """Change a document. Another URL, content, file name or content type makes a new version.

    Raises Invalid, Forbidden or NotFound.
    """
    if changes.url is not None and changes.content is not None:
        raise Invalid("at most one of url or content can be provided")
    if changes.url is not None:
        records.fetchable_url(changes.url, "url", allowed)
    updated_at = records.optional_timestamp(changes.updated_at, "updatedAt")
    blob_key = await _store_content(
        tx, blobs, workspace, changes.content, changes.content_type, changes.filename
    )
    record, *former_keys, filename, content_type = await records.write_existing(
        tx, _LOCK, workspace, address, "document"
    )
    *former_bytes, former_text = former_keys
    has_new_bytes = changes.url is not None or blob_key is not None
    has_new_name = changes.filename not in (None, filename)
    has_new_type = changes.content_type not in (None, content_type)
    is_new_version = has_new_bytes or has_new_name or has_new_type
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
        new_bytes=has_new_bytes,
        new_version=is_new_version,
        url=changes.url,
        blob_key=blob_key,
    )
    if has_new_bytes:
        await retention.discard(tx, workspace, former_bytes)
    if is_new_version:
        await retention.discard(tx, workspace, [former_text])
        await _enqueue_processing(tx, workspace, record, version, changes.url)
    return records.RecordResponse("updated", record, address.remote_id, address.source_id)


async def remove(
    tx: Tx, workspace: WorkspaceId, address: records.RecordAddress, actor: Actor
) -> records.DeletedRecordResponse:
    """Delete a document. Its bytes are deleted after the retention period.

    Raises Forbidden or NotFound.
    """
    response, keys = await records.delete_record(tx, _DELETE, workspace, address, "document", actor)
    await retention.discard(tx, workspace, keys)
    return response


async def page(
    read: Read,
    signer: Signer,
    signed_urls: SignedUrls,
    workspace: WorkspaceId,
    query: DocumentQuery,
    visible: frozenset[str],
) -> ListDocumentsResponse:
    """Get a page of documents. `visible` names the filters that hide private records."""
    listed = await DOCUMENTS.page(read, signer, workspace, query, extra_filters=visible)
    # Concurrently: signing links one after the other takes three times as long.
    fields = (_list_item_fields(document, signed_urls) for document in listed.items)
    items = [DocumentListItem(*values) for values in await asyncio.gather(*fields)]
    return ListDocumentsResponse(items, listed.pagination)


async def get(
    read: Read,
    signed_urls: SignedUrls,
    workspace: WorkspaceId,
    record: UUID,
    *,
    include_private: bool,
) -> DocumentDetail:
    """Get a document by its record id. Raises NotFound."""
    document = await records.get_visible(read, _GET, workspace, record, "document", include_private)
    text_url = document.normalized_url
    if document.normalized_key is not None:
        # Without a charset some clients decode the text wrongly.
        content_type = f"{document.normalized_content_type or 'text/plain'}; charset=utf-8"
        name = f"{(document.filename or document.display_name).removesuffix('.txt')}.txt"
        text_url = await signed_urls.create(
            document.normalized_key, content_type, name, time.time()
        )
    fields = await _list_item_fields(document, signed_urls)
    return DocumentDetail(*(*fields, text_url, document.normalized_content_type))


def version_of(document: DocumentDetail) -> DocumentDetail:
    """The document with the objects of its links instead of the links."""
    now = time.time()
    return msgspec.structs.replace(
        document,
        url=version_of_url(document.url, now),
        normalized_url=version_of_url(document.normalized_url, now),
    )


async def _list_item_fields(document: _StoredDocument, signed_urls: SignedUrls) -> tuple[Any, ...]:
    url = document.url
    if document.blob_key is not None:
        name = document.filename or document.display_name
        url = await signed_urls.create(document.blob_key, document.content_type, name, time.time())
    return (
        document.id,
        document.display_name,
        document.source_id,
        document.remote_id,
        url,
        document.content_type,
        document.created_at,
        document.updated_at,
        # Without a note: no findings are made of documents.
        records.Processing(document.state, document.error, None),
        document.found_language,
    )


async def _store_content(
    tx: Tx,
    blobs: Blobs,
    workspace: WorkspaceId,
    content: str | None,
    content_type: str | None,
    filename: str | None,
) -> str | None:
    """Store base64 content in the object store and return its key, or None without content.

    Called before the first statement, so that no connection waits for the object store. The object
    is deleted if the transaction is rolled back.
    """
    if content is None:
        return None
    if len(content) > _THREAD_THRESHOLD:
        body = await asyncio.to_thread(_decode_base64, content)
    else:
        body = _decode_base64(content)
    key = f"documents/{workspace}/{new_id()}"
    tx.on_rollback(lambda: blobs.delete(key))
    await blobs.put(key, body, content_type=content_type, filename=filename)
    return key


def _decode_base64(content: str) -> bytes:
    """Decode base64, also in several lines and without the padding. Raises Invalid."""
    try:
        body = binascii.a2b_base64(content, strict_mode=True)
    except ValueError:
        # Copied only here: the content may be large.
        content = content.replace("\r", "").replace("\n", "")
        padding = "=" * (-len(content) % 4)
        try:
            body = binascii.a2b_base64(content + padding, strict_mode=True)
        except ValueError:
            raise invalid("content", "is not base64 in the standard alphabet") from None
    if not body:
        raise invalid("content", "is empty")
    return body


async def _enqueue_processing(
    tx: Tx, workspace: WorkspaceId, record: UUID, version: int, url: str | None
) -> None:
    """Enqueue the fetch of `url`, or the extraction of the text from bytes that are stored."""
    job = ProcessDocument if url is None else FetchDocument
    await enqueue(tx, workspace, job(record, version))


def filename_in_url(url: str | None) -> str:
    """Return the last segment of the URL's path, decoded. Empty if there is none."""
    path = urlsplit(url or "").path
    return unquote(path.rstrip("/").rpartition("/")[2])[:1000].replace("\0", "")
