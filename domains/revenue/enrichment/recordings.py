"""Recordings of conversations: fetch them, store them and transcribe them."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Text, bindparam, case, null, select

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Invalid, NotFound, Unavailable, no_disk_space
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import seconds, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.models.speech import Sentence
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import BlobMissing
from domains.kernel.untrusted import media
from domains.kernel.untrusted.documents.errors import web_page_instead_of
from domains.kernel.untrusted.documents.web_pages import is_web_page
from domains.revenue.conversations import (
    FetchRecording,
    ProcessConversation,
    TranscriptEntry,
    Transcription,
)
from domains.revenue.enrichment.conversation_state import PRESENT, state_after
from domains.revenue.enrichment.versions import (
    blob_key,
    fetched,
    is_version,
    params,
    start_version,
    update_version,
)
from domains.revenue.tables import conversations

NO_SPEECH_SERVICE: Final = (
    "No speech-to-text service is configured: the recording is stored without a transcript. "
    "Send a transcript, or ask the operator to configure a service."
)

_NOT_MEDIA: Final = (
    "The content at recordingUrl is not a supported audio or video format. Send MP4, WebM, MP3, "
    "WAV or another common format."
)

_FOLDER: Final = "recordings"

_c = conversations.c


class _Recording(NamedTuple):
    url: str | None
    key: str | None
    has_transcript: bool


_columns = (_c.recording_url, _c.recording_key, _c.transcript.is_not(None))
_GET: Final = statement(select(*_columns).where(*is_version(conversations)), _Recording)
_START_FETCH: Final = start_version(conversations, _columns, _Recording, error="recording_error")
_START_TRANSCRIPTION: Final = start_version(conversations, _columns, _Recording)
_STORE_RECORDING: Final = update_version(
    conversations,
    recording_key=bindparam("key", type_=Text),
    recording_content_type=bindparam("content_type", type_=Text),
    recording_kind=bindparam("kind", type_=Text),
    recording_error=null(),
    state=state_after(recording_key=PRESENT, recording_error=null()),
)
_STORE_TRANSCRIPT: Final = update_version(
    conversations,
    _c.transcript.is_(None),
    transcript=bindparam("transcript", type_=_c.transcript.type),
    # Without an `endedAt` in the request, the conversation ends with its last sentence.
    ended_at=case(
        (_c.ended_at == _c.started_at, _c.started_at + seconds("length")), else_=_c.ended_at
    ),
    error=null(),
    state=state_after(transcript=PRESENT, error=null()),
)
_reason = bindparam("reason", type_=Text)
_FAIL_FETCH: Final = update_version(
    conversations, recording_error=_reason, state=state_after(recording_error=PRESENT)
)
_FAIL_TRANSCRIPTION: Final = update_version(
    conversations, error=_reason, state=state_after(error=PRESENT)
)


async def fetch(tools: Tools, workspace: WorkspaceId, job: FetchRecording) -> Write | None:
    """Store the recording at the conversation's `recordingUrl` and enqueue its transcription.

    Raises Invalid if it cannot be fetched or is neither audio nor video, Unavailable if a later
    attempt may succeed.
    """
    version = params(workspace, job)
    recording = await tools.read.first(_START_FETCH, **version)
    key = blob_key(_FOLDER, workspace, job)
    if recording is None:
        return lambda tx: retention.discard(tx, workspace, [key])
    if recording.url is None:
        return None
    max_bytes = tools.settings.recording_max_bytes
    async with fetched(tools, recording.url, max_bytes) as response:
        chunks = response.body
        head = await _read_head(chunks)
        kind = media.detect_format(b"".join(head))
        if kind is None:
            is_page = is_web_page(b"".join(head))
            raise Invalid(web_page_instead_of("a recording") if is_page else _NOT_MEDIA)
        await tools.blobs.put_stream(
            key,
            _concatenate(head, chunks),
            content_type=kind.content_type,
            filename=f"recording{kind.suffix}",
        )

    async def write(tx: Tx) -> None:
        stored = await tx.first(
            _STORE_RECORDING,
            **version,
            key=key,
            content_type=kind.content_type,
            kind="video" if kind.video else "audio",
        )
        if stored is None:
            # The version was replaced or deleted while the job ran.
            await retention.discard(tx, workspace, [key])
            return
        await retention.keep(tx, workspace, key)
        if not recording.has_transcript:
            await enqueue(tx, workspace, Transcription(job.conversation_id, job.version))

    return write


async def _read_head(chunks: AsyncIterator[bytes]) -> list[bytes]:
    """Read the chunks that are needed to detect the media type."""
    head: list[bytes] = []
    async for chunk in chunks:
        head.append(chunk)
        if sum(map(len, head)) >= media.HEAD_BYTES:
            break
    return head


async def _concatenate(head: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in head:
        yield chunk
    async for chunk in rest:
        yield chunk


async def transcribe(tools: Tools, workspace: WorkspaceId, job: Transcription) -> Write | None:
    """Store the transcript of a recording and enqueue the conversation's summary.

    Raises Invalid without a speech-to-text service, or if the recording contains no speech.
    """
    version = params(workspace, job)
    recording = await tools.read.first(_START_TRANSCRIPTION, **version)
    if recording is None or recording.key is None or recording.has_transcript:
        return None
    if tools.speech is None:
        raise Invalid(NO_SPEECH_SERVICE)
    with tempfile.TemporaryDirectory(prefix="recording-") as folder:
        path = Path(folder) / "recording"
        pieces = Path(folder) / "pieces"
        try:
            pieces.mkdir()
            await tools.blobs.save(recording.key, path)
            with path.open("rb") as file:
                kind = media.detect_format(file.read(media.HEAD_BYTES))
        except BlobMissing as error:
            raise NotFound("The stored recording is missing.") from error
        except OSError as error:
            raise no_disk_space(error) or Unavailable(
                "The recording could not be written to temporary storage. Try again."
            ) from error
        if kind is None:
            raise Invalid("The stored recording is not a supported audio or video format.")
        transcript = await tools.speech.transcribe(path, kind, pieces)
    entries = _entries(transcript.sentences)
    if not entries:
        raise Invalid("The recording contains no speech.")

    async def write(tx: Tx) -> None:
        stored = await tx.first(
            _STORE_TRANSCRIPT,
            **version,
            transcript=msgspec.json.encode(entries),
            length=entries[-1].end_time,
        )
        if stored is not None:
            await enqueue(tx, workspace, ProcessConversation(job.conversation_id, job.version))

    return write


def _entries(sentences: list[Sentence]) -> list[TranscriptEntry]:
    return [
        TranscriptEntry(sentence.speaker or "Unknown", sentence.text, sentence.start, sentence.end)
        for sentence in sentences
    ]


async def mark_failed(
    tx: Tx, workspace: WorkspaceId, job: FetchRecording | Transcription, _id: UUID, reason: str
) -> None:
    """Store why the version has no recording or transcript. Discard unreferenced bytes."""
    version = params(workspace, job)
    if isinstance(job, FetchRecording):
        reason = f"The recording could not be fetched. {reason}"
        await tx.first(_FAIL_FETCH, **version, reason=reason)
    else:
        await tx.first(_FAIL_TRANSCRIPTION, **version, reason=reason)
    recording = await tx.first(_GET, **version)
    if recording is None or recording.key is None:
        await retention.discard(tx, workspace, [blob_key(_FOLDER, workspace, job)])
