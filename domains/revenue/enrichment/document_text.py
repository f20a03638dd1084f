"""Text of documents: fetch the original if it has a URL, then extract its text in a sandbox."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Double, Text, bindparam, literal_column, null, select

from domains.intelligence.language import detect, excerpt
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Invalid, NotFound, Unavailable, no_disk_space
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import BlobMissing
from domains.kernel.untrusted.documents.errors import UnreadableDocument
from domains.kernel.untrusted.documents.extraction import ExtractedText
from domains.kernel.untrusted.documents.file_kinds import (
    charset_parameter,
    declared_filename,
    is_specific,
    media_type,
)
from domains.kernel.untrusted.documents.kinds import GENERIC_TYPES
from domains.kernel.untrusted.documents.web_pages import (
    refuse_sign_in_page,
    refuse_unexpected_page,
)
from domains.revenue.documents import FetchDocument, ProcessDocument, filename_in_url
from domains.revenue.enrichment.versions import (
    blob_key,
    enqueue_only,
    fetched,
    is_version,
    params,
    start_version,
    update_version,
)
from domains.revenue.tables import documents

log = structlog.get_logger()

_FOLDER: Final = "documents"

_c = documents.c


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


_columns = tuple(_c[name] for name in _Original.__struct_fields__)
_GET: Final = statement(select(*_columns).where(*is_version(documents)), _Original)
_START: Final = start_version(documents, _columns, _Original)
_STORE_ORIGINAL: Final = update_version(
    documents,
    fetched_key=bindparam("key", type_=Text),
    fetched_content_type=bindparam("content_type", type_=Text),
)
_STORE_TEXT: Final = update_version(
    documents,
    normalized_key=bindparam("key", type_=Text),
    normalized_content_type=literal_column("'text/plain'"),
    text_encoding=bindparam("encoding", type_=Text),
    text_encoding_confidence=bindparam("confidence", type_=Double),
    found_language=bindparam("language", type_=Text),
    state=literal_column("'processed'"),
    error=null(),
)
_FAIL: Final = update_version(
    documents, state=literal_column("'failed'"), error=bindparam("reason", type_=Text)
)


async def fetch(tools: Tools, workspace: WorkspaceId, job: FetchDocument) -> Write | None:
    """Store the bytes at the document's URL and enqueue the extraction of their text.

    Raises Invalid if they cannot be fetched, Unavailable if a later attempt may succeed.
    """
    version = params(workspace, job)
    original = await tools.read.first(_START, **version)
    key = blob_key(_FOLDER, workspace, job)
    if original is None:
        return lambda tx: retention.discard(tx, workspace, [key])
    if original.url is None:
        return None
    max_bytes = tools.settings.document_max_bytes
    async with fetched(tools, original.url, max_bytes) as response:
        content_type = response.content_type or original.content_type
        filename = original.filename or response.filename or filename_in_url(original.url)
        await tools.blobs.put_stream(
            key, response.body, content_type=content_type, filename=filename
        )

    async def write(tx: Tx) -> None:
        stored = await tx.first(_STORE_ORIGINAL, **version, key=key, content_type=content_type)
        if stored is None:
            # The version was replaced or deleted while the job ran.
            await retention.discard(tx, workspace, [key])
        else:
            await retention.keep(tx, workspace, key)
            await enqueue(tx, workspace, ProcessDocument(job.document_id, job.version))

    return write


async def extract(tools: Tools, workspace: WorkspaceId, job: ProcessDocument) -> Write | None:
    """Store the text of a document. Raises Invalid with the reason if none can be extracted."""
    version = params(workspace, job)
    original = await tools.read.first(_START, **version)
    key = f"{blob_key(_FOLDER, workspace, job)}.txt"
    if original is None:
        return lambda tx: retention.discard(tx, workspace, [key])
    if original.key is None:
        return enqueue_only(workspace, FetchDocument(job.document_id, job.version))
    extracted = await _extract_text(tools, original, original.key)
    encoding, confidence = extracted.guess or (None, None)
    if encoding:
        log.info("encoding_guessed", encoding=encoding, confidence=confidence)
    language = await tools.process_pool.run(detect, excerpt(extracted.text))
    await tools.blobs.put(
        key,
        extracted.text.encode(),
        content_type="text/plain; charset=utf-8",
        filename=f"{original.filename or 'document'}.txt",
    )

    async def write(tx: Tx) -> None:
        stored = await tx.first(
            _STORE_TEXT,
            **version,
            key=key,
            encoding=encoding,
            confidence=confidence,
            language=language,
        )
        if stored is None:
            # The version was replaced or deleted while the job ran.
            await retention.discard(tx, workspace, [key])
        else:
            await retention.keep(tx, workspace, key)

    return write


async def _extract_text(tools: Tools, original: _Original, key: str) -> ExtractedText:
    content_type = _content_type(original)
    url_filename = filename_in_url(original.url)
    declared_name = declared_filename(original.content_type, original.filename)
    filename = declared_name or url_filename or None
    with tempfile.TemporaryDirectory(prefix="document-") as folder:
        path = Path(folder) / "original"
        try:
            await tools.blobs.save(key, path)
            if original.url is not None:
                await asyncio.to_thread(
                    refuse_unexpected_page, path, original.content_type, declared_name
                )
            extracted = await tools.text_extractor.extract(path, content_type, filename)
            await asyncio.to_thread(
                refuse_sign_in_page, path, original.content_type, url_filename, extracted.text
            )
        except BlobMissing as error:
            raise NotFound("The stored bytes of this document are missing.") from error
        except UnreadableDocument as error:
            raise Invalid(str(error)) from error
        except OSError as error:
            raise no_disk_space(error) or Unavailable(
                "The document could not be written to temporary storage. Try again."
            ) from error
    return extracted


def _content_type(original: _Original) -> str:
    """The type that the sender declared, if it is specific, else that of the response."""
    declared, responded = original.content_type, original.fetched_content_type
    if responded is None or (is_specific(declared) and not _adds_charset(declared, responded)):
        return declared
    return declared if media_type(responded) in GENERIC_TYPES else responded


def _adds_charset(declared: str, responded: str) -> bool:
    """True if the response declares the same type, and a charset that the sender did not."""
    is_same = media_type(declared) == media_type(responded)
    return is_same and charset_parameter(declared) is None


async def mark_failed(
    tx: Tx, workspace: WorkspaceId, job: FetchDocument | ProcessDocument, _id: UUID, reason: str
) -> None:
    """Store the reason why this version of the document has no text. Discard unreferenced bytes."""
    version = params(workspace, job)
    await tx.first(_FAIL, **version, reason=reason)
    original = await tx.first(_GET, **version)
    key = blob_key(_FOLDER, workspace, job)
    unreferenced = [f"{key}.txt"]
    is_stored = original is not None and original.fetched_key is not None
    # A newer version may have the bytes that this one fetched.
    if isinstance(job, FetchDocument) and not is_stored:
        unreferenced.append(key)
    await retention.discard(tx, workspace, unreferenced)
