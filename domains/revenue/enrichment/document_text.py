"""The text of documents: fetched where they have an address, read in a child process."""

import tempfile
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Integer, Text, Uuid, bindparam, literal_column, null, select, update

from domains.kernel.core.problems import Invalid, NotFound, Unavailable
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import BlobMissing, Blobs
from domains.kernel.untrusted.documents.extraction import Extraction, Unreadable
from domains.kernel.untrusted.fetch import Unreachable
from domains.kernel.untrusted.url_policy import Refused
from domains.revenue.documents import FetchDocument, ProcessDocument, called
from domains.revenue.tables import documents

_c = documents.c
# One version of a document that is still there.
_version = (
    _c.workspace_id == WORKSPACE,
    _c.id == bindparam("id", type_=Uuid),
    _c.version == bindparam("version", type_=Integer),
    _c.deleted_at.is_(None),
)


class _Original(msgspec.Struct, frozen=True):
    url: str | None
    blob_key: str | None
    fetched_key: str | None
    fetched_content_type: str | None
    content_type: str
    filename: str | None

    @property
    def key(self) -> str | None:
        return self.blob_key or self.fetched_key


_ORIGINAL: Final = statement(
    select(*(_c[name] for name in _Original.__struct_fields__)).where(*_version), _Original
)


def _change(**values: Any) -> Any:
    return statement(update(documents).where(*_version).values(values).returning(_c.id), scalar)


_FETCHED: Final = _change(
    fetched_key=bindparam("key", type_=Text),
    fetched_content_type=bindparam("content_type", type_=Text),
)
_READ: Final = _change(
    normalized_key=bindparam("key", type_=Text),
    normalized_content_type=literal_column("'text/plain'"),
    state=literal_column("'processed'"),
    error=null(),
)
_FAILED: Final = _change(state=literal_column("'failed'"), error=bindparam("reason", type_=Text))


async def fetch(tools: Tools, workspace: WorkspaceId, job: FetchDocument) -> Write | None:
    """Store the bytes at a document's address, of `largest` bytes at most, and queue their reading.

    Invalid with the reason where they cannot be had; Unavailable where they may be had later.
    """
    which = {"workspace": workspace, "id": job.document_id, "version": job.version}
    found = await tools.read.first(_ORIGINAL, **which)
    key = _key(workspace, job)
    if found is None:
        return lambda tx: retention.discard(tx, workspace, [key])
    if found.url is None:
        return None
    try:
        async with tools.fetcher.open(found.url, tools.settings.document_max_bytes) as fetched:
            content_type = fetched.content_type or found.content_type
            filename = found.filename or fetched.filename or called(found.url)
            await tools.blobs.put_stream(
                key, fetched.chunks(), content_type=content_type, filename=filename
            )
    except Refused as refused:
        raise Invalid(refused.reason) from refused
    except Unreachable as away:
        raise Unavailable(away.reason) from away

    async def write(tx: Tx) -> None:
        stored = await tx.first(_FETCHED, **which, key=key, content_type=content_type)
        if stored is None:
            # Replaced or deleted meanwhile.
            await retention.discard(tx, workspace, [key])
        else:
            await retention.keep(tx, workspace, key)
            await enqueue(tx, workspace, ProcessDocument(job.document_id, job.version))

    return write


async def extract(tools: Tools, workspace: WorkspaceId, job: ProcessDocument) -> Write | None:
    """Store the text of a document; Invalid with the reason where there is none to be had."""
    which = {"workspace": workspace, "id": job.document_id, "version": job.version}
    found = await tools.read.first(_ORIGINAL, **which)
    key = f"{_key(workspace, job)}.txt"
    if found is None:
        return lambda tx: retention.discard(tx, workspace, [key])
    if found.key is None:
        return lambda tx: _fetch_first(tx, workspace, job)
    text = await _text_of(tools.blobs, tools.extraction, found, found.key)
    name = f"{found.filename or 'document'}.txt"
    await tools.blobs.put(
        key, text.encode(), content_type="text/plain; charset=utf-8", filename=name
    )

    async def write(tx: Tx) -> None:
        if await tx.first(_READ, **which, key=key) is None:
            # A newer version has a text of its own.
            await retention.discard(tx, workspace, [key])
        else:
            await retention.keep(tx, workspace, key)

    return write


def _key(workspace: WorkspaceId, job: FetchDocument | ProcessDocument) -> str:
    """One for all attempts at a version: what an earlier one left behind is replaced."""
    return f"documents/{workspace}/{job.document_id}/{job.version}"


async def _fetch_first(tx: Tx, workspace: WorkspaceId, job: ProcessDocument) -> None:
    await enqueue(tx, workspace, FetchDocument(job.document_id, job.version))


async def _text_of(blobs: Blobs, extraction: Extraction, original: _Original, key: str) -> str:
    declared = original.fetched_content_type or original.content_type
    filename = original.filename or called(original.url) or None
    with tempfile.TemporaryDirectory(prefix="document-") as folder:
        path = Path(folder) / "original"
        try:
            await blobs.save(key, path)
            return await extraction.text_of(path, declared, filename)
        except BlobMissing as missing:
            raise NotFound("The stored bytes of this document are missing.") from missing
        except Unreadable as unreadable:
            raise Invalid(unreadable.reason) from unreadable
        except OSError as error:
            raise Unavailable("There is no room to read the document. Try again.") from error


async def failed(
    tx: Tx, workspace: WorkspaceId, job: FetchDocument | ProcessDocument, _id: UUID, reason: str
) -> None:
    """Show on the document why it has no text, unless it has become another meanwhile.

    What an attempt stored without a record's naming it is given up.
    """
    which = {"workspace": workspace, "id": job.document_id, "version": job.version}
    await tx.first(_FAILED, **which, reason=reason)
    found = await tx.first(_ORIGINAL, **which)
    key = _key(workspace, job)
    unnamed = [f"{key}.txt"] if found is not None and found.fetched_key else [key, f"{key}.txt"]
    await retention.discard(tx, workspace, unnamed)
