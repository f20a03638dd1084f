"""Recordings of conversations: fetched from their addresses, kept, and written down."""

import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    Float,
    Integer,
    Interval,
    Text,
    Uuid,
    bindparam,
    case,
    literal,
    literal_column,
    null,
    select,
    update,
)

from domains.kernel.core.problems import Invalid, NotFound, Unavailable
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.models.speech import Sentence
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import BlobMissing
from domains.kernel.untrusted import media
from domains.kernel.untrusted.fetch import Unreachable
from domains.kernel.untrusted.url_policy import Refused
from domains.revenue.conversations import (
    FetchRecording,
    ProcessConversation,
    TranscriptEntry,
    Transcription,
)
from domains.revenue.tables import conversations

NO_SERVICE: Final = (
    "No speech-to-text service is set, so the recording is kept and has no transcript. "
    "Once one is set, `gateway jobs retry --kind transcription` catches up."
)

_c = conversations.c
# One version of a conversation that is still there.
_version = (
    _c.workspace_id == WORKSPACE,
    _c.id == bindparam("id", type_=Uuid),
    _c.version == bindparam("version", type_=Integer),
    _c.deleted_at.is_(None),
)
_RECORDED: Final = statement(
    select(_c.recording_url, _c.recording_key, _c.transcript.is_not(None)).where(*_version), row
)


def _change(*conditions: Any, **values: Any) -> Any:
    return statement(
        update(conversations).where(*_version, *conditions).values(values).returning(_c.id), scalar
    )


_FETCHED: Final = _change(
    recording_key=bindparam("key", type_=Text),
    recording_content_type=bindparam("content_type", type_=Text),
    recording_kind=bindparam("kind", type_=Text),
    error=null(),
    # Where only the recording was missing, nothing is any more.
    state=case((_c.found_summary.is_not(None), literal_column("'processed'")), else_=_c.state),
)
_WRITTEN_DOWN: Final = _change(
    _c.transcript.is_(None),
    transcript=bindparam("transcript", type_=_c.transcript.type),
    # Where nobody said when it ended, it did with the last word.
    ended_at=case(
        (
            _c.ended_at == _c.started_at,
            _c.started_at
            + bindparam("length", type_=Float) * literal(timedelta(seconds=1), Interval),
        ),
        else_=_c.ended_at,
    ),
    error=null(),
)
_FAILED: Final = _change(state=literal_column("'failed'"), error=bindparam("reason", type_=Text))


async def fetch(tools: Tools, workspace: WorkspaceId, job: FetchRecording) -> Write | None:
    """Store what lies at a recording's address, of `largest` bytes at most, and queue what follows.

    Invalid with the reason where it cannot be had, or is no recording; Unavailable where it may be
    had later.
    """
    which = {"workspace": workspace, "id": job.conversation_id, "version": job.version}
    found = await tools.read.first(_RECORDED, **which)
    key = _key(workspace, job)
    if found is None:
        return lambda tx: retention.discard(tx, workspace, [key])
    url, _, has_transcript = found
    if url is None:
        return None
    try:
        async with tools.fetcher.open(url, tools.settings.recording_max_bytes) as fetched:
            chunks = fetched.chunks()
            head = await _head(chunks)
            kind = media.kind_of(b"".join(head))
            if kind is None:
                raise Invalid(
                    "What lies at the recordingUrl is no sound or video that can be read."
                )
            await tools.blobs.put_stream(
                key,
                _again(head, chunks),
                content_type=kind.content_type,
                filename=f"recording{kind.suffix}",
            )
    except Refused as refused:
        raise Invalid(refused.reason) from refused
    except Unreachable as away:
        raise Unavailable(away.reason) from away

    async def write(tx: Tx) -> None:
        stored = await tx.first(
            _FETCHED,
            **which,
            key=key,
            content_type=kind.content_type,
            kind="video" if kind.video else "audio",
        )
        if stored is None:
            # Replaced or deleted meanwhile.
            await retention.discard(tx, workspace, [key])
            return
        await retention.keep(tx, workspace, key)
        if not has_transcript:
            await enqueue(tx, workspace, Transcription(job.conversation_id, job.version))

    return write


def _key(workspace: WorkspaceId, job: FetchRecording | Transcription) -> str:
    """One for all attempts at a version: what an earlier one left behind is replaced."""
    return f"recordings/{workspace}/{job.conversation_id}/{job.version}"


async def _head(chunks: AsyncIterator[bytes]) -> list[bytes]:
    """The first chunks, so many that they tell what it is."""
    head: list[bytes] = []
    async for chunk in chunks:
        head.append(chunk)
        if sum(map(len, head)) >= media.HEAD:
            break
    return head


async def _again(head: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in head:
        yield chunk
    async for chunk in rest:
        yield chunk


async def transcribe(tools: Tools, workspace: WorkspaceId, job: Transcription) -> Write | None:
    """Store what was said in a recording; Invalid with the reason where nobody can tell."""
    which = {"workspace": workspace, "id": job.conversation_id, "version": job.version}
    found = await tools.read.first(_RECORDED, **which)
    if found is None or found[1] is None or found[2]:
        return None
    if tools.speech is None:
        raise Invalid(NO_SERVICE)
    with tempfile.TemporaryDirectory(prefix="recording-") as folder:
        recording = Path(folder) / "recording"
        pieces = Path(folder) / "pieces"
        try:
            pieces.mkdir()
            await tools.blobs.save(found[1], recording)
            with recording.open("rb") as opened:
                kind = media.kind_of(opened.read(media.HEAD))
        except BlobMissing as missing:
            raise NotFound("The stored recording is missing.") from missing
        except OSError as error:
            raise Unavailable("There is no room to read the recording. Try again.") from error
        if kind is None:
            raise Invalid("The stored recording is no sound or video that can be read.")
        heard = await tools.speech.transcribe(recording, kind, pieces)
    entries = _entries(heard.sentences)
    if not entries:
        raise Invalid("Nobody speaks in the recording.")

    async def write(tx: Tx) -> None:
        stored = await tx.first(
            _WRITTEN_DOWN,
            **which,
            transcript=msgspec.json.encode(entries),
            length=entries[-1].end_time,
        )
        if stored is not None:
            follow = ProcessConversation(job.conversation_id, job.version)
            await enqueue(tx, workspace, follow)

    return write


def _entries(sentences: list[Sentence]) -> list[TranscriptEntry]:
    return [
        TranscriptEntry(each.speaker or "Unknown", each.text, each.start, each.end)
        for each in sentences
    ]


async def failed(
    tx: Tx,
    workspace: WorkspaceId,
    job: FetchRecording | Transcription,
    _id: UUID,
    reason: str,
) -> None:
    """Mark why there is no recording or transcript, unless the conversation is another by now.

    What an attempt stored without a record's naming it is given up.
    """
    which = {"workspace": workspace, "id": job.conversation_id, "version": job.version}
    await tx.first(_FAILED, **which, reason=reason)
    found = await tx.first(_RECORDED, **which)
    if found is None or found[1] is None:
        await retention.discard(tx, workspace, [_key(workspace, job)])
