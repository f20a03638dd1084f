"""Handlers of documents."""

from typing import Final

from litestar import delete, get, patch, post
from litestar.params import RawBody

from domains.revenue import documents
from domains.revenue.documents import (
    DocumentDetail,
    DocumentQuery,
    DocumentRequest,
    ListDocumentsResponse,
    UpdateDocumentRequest,
)
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from gateway.operations import (
    ActorDep,
    AllowlistDep,
    AnyRequest,
    BlobsDep,
    CallerDep,
    IdInPath,
    ReadDep,
    SignedUrlsDep,
    SignerDep,
    TxDep,
)
from gateway.requests import decode_body, decode_new, parse_query
from gateway.revenue.requests import (
    ingest_operation,
    read_operation,
    uuid_in_path,
    visibility_filter,
)


@get("/documents", opt=read_operation("listDocuments", "List documents", query=DocumentQuery))
async def list_documents(
    request: AnyRequest,
    caller: CallerDep,
    read: ReadDep,
    signer: SignerDep,
    signed_urls: SignedUrlsDep,
) -> ListDocumentsResponse:
    """List documents, newest first, in pages of 50 or `limit`.

    All filters must match. 400: a filter that is not valid, or a cursor of another list or with
    other filters.
    """
    query = parse_query(request, DocumentQuery)
    return await documents.page(
        read, signer, signed_urls, caller.workspace, query, visibility_filter(caller)
    )


@get(
    "/documents/{document_id:str}",
    opt=read_operation("getDocument", "Get a document", version_of=documents.version_of),
)
async def get_document(
    document_id: IdInPath, caller: CallerDep, read: ReadDep, signed_urls: SignedUrlsDep
) -> DocumentDetail:
    """Get a document with a link to its text, valid for 24 hours.

    404: there is no such document, or it is deleted.
    """
    record = uuid_in_path(document_id, "documentId")
    return await documents.get(
        read, signed_urls, caller.workspace, record, include_private=not caller.hides_private
    )


@post(
    "/documents", opt=ingest_operation("createDocument", "Push a document", request=DocumentRequest)
)
async def create_document(
    body: RawBody, caller: CallerDep, tx: TxDep, blobs: BlobsDep, allowed: AllowlistDep
) -> RecordResponse:
    """Create the document with this `sourceId` and `id`, or replace it as a whole.

    201 in both cases; `status` says which. Send exactly one of `url` and `content` (base64); the
    body has at most 10 MB. Its text is extracted later: see `processing`. 403: the source is not
    one of the organization's.
    """
    new = await decode_new(body, DocumentRequest)
    return await documents.create(tx, blobs, allowed, caller.workspace, new)


@patch(
    "/documents",
    opt=ingest_operation(
        "updateDocument",
        "Change a document",
        request=UpdateDocumentRequest,
        query=RecordAddress,
        example={"status": "updated"},
    ),
)
async def update_document(
    request: AnyRequest,
    body: RawBody,
    caller: CallerDep,
    tx: TxDep,
    blobs: BlobsDep,
    allowed: AllowlistDep,
) -> RecordResponse:
    """Change the document with this `sourceId` and `remoteId`.

    Null and absent leave a field unchanged. Another `url`, `content`, `filename` or `contentType`
    makes a new version, which is processed again. 404: there is no such document.
    """
    address = parse_query(request, RecordAddress)
    changes = await decode_body(body, UpdateDocumentRequest)
    return await documents.change(tx, blobs, allowed, caller.workspace, address, changes)


@delete(
    "/documents",
    status_code=200,
    opt=ingest_operation("deleteDocument", "Delete a document", query=RecordAddress),
)
async def delete_document(
    request: AnyRequest, caller: CallerDep, actor: ActorDep, tx: TxDep
) -> DeletedRecordResponse:
    """Delete the document with this `sourceId` and `remoteId`. Its bytes are erased later.

    404: there is no such document.
    """
    address = parse_query(request, RecordAddress)
    return await documents.remove(tx, caller.workspace, address, actor)


HANDLERS: Final = (list_documents, get_document, create_document, update_document, delete_document)
