"""Handlers of documents."""

from typing import Any, Final

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody, SkipValidation

from domains.kernel.core.network import FetchAllowlist
from domains.kernel.db.database import Read, Tx
from domains.kernel.storage.blobs import Blobs
from domains.kernel.storage.signed_urls import SignedUrls
from domains.kernel.tenancy.keyring import Caller
from domains.kernel.tenancy.signing import Signer
from domains.revenue import documents
from domains.revenue.documents import (
    DocumentDetail,
    DocumentQuery,
    DocumentRequest,
    ListDocumentsResponse,
    UpdateDocumentRequest,
)
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from gateway.operations import operation
from gateway.requests import decode_body, parse_query
from gateway.revenue.requests import READ, WRITE, uuid_in_path, visibility_filter


@get(
    "/documents",
    opt=operation("listDocuments", "read", "List documents", query=DocumentQuery, errors=READ),
)
async def list_documents(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
    signer: NamedDependency[Signer],
    signed_urls: NamedDependency[SignedUrls],
) -> ListDocumentsResponse:
    query = parse_query(request, DocumentQuery)
    return await documents.page(
        read, signer, signed_urls, caller.workspace, query, visibility_filter(caller)
    )


@get(
    "/documents/{document_id:str}",
    opt=operation("getDocument", "read", "Get a document", errors=READ),
)
async def get_document(
    document_id: FromPath[str],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
    signed_urls: NamedDependency[SignedUrls],
) -> DocumentDetail:
    record = uuid_in_path(document_id, "documentId")
    return await documents.get(
        read, signed_urls, caller.workspace, record, include_private=not caller.hides_private
    )


@post(
    "/documents",
    opt=operation(
        "createDocument", "ingest", "Push a document", request=DocumentRequest, errors=WRITE
    ),
)
async def create_document(
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
    blobs: NamedDependency[Blobs],
    allowed: NamedDependency[SkipValidation[FetchAllowlist]],
) -> RecordResponse:
    new = await decode_body(body, DocumentRequest)
    return await documents.create(tx, blobs, allowed, caller.workspace, new)


@patch(
    "/documents",
    opt=operation(
        "updateDocument",
        "ingest",
        "Change a document",
        request=UpdateDocumentRequest,
        query=RecordAddress,
        errors=WRITE,
        example={"status": "updated"},
    ),
)
async def update_document(
    request: Request[Any, Any, Any],
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
    blobs: NamedDependency[Blobs],
    allowed: NamedDependency[SkipValidation[FetchAllowlist]],
) -> RecordResponse:
    address = parse_query(request, RecordAddress)
    changes = await decode_body(body, UpdateDocumentRequest)
    return await documents.change(tx, blobs, allowed, caller.workspace, address, changes)


@delete(
    "/documents",
    status_code=200,
    opt=operation(
        "deleteDocument", "ingest", "Delete a document", query=RecordAddress, errors=WRITE
    ),
)
async def delete_document(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> DeletedRecordResponse:
    address = parse_query(request, RecordAddress)
    return await documents.remove(tx, caller.workspace, address)


HANDLERS: Final = (list_documents, get_document, create_document, update_document, delete_document)
