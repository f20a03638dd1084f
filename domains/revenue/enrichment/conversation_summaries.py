"""What is found in conversations: category and summary, and where each item of it was said."""

from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    literal_column,
    null,
    select,
    update,
)

from domains.intelligence.dialogue.turns import Audience, Turn
from domains.intelligence.llm.prompts import conversation_question
from domains.intelligence.outline import Outline, answered, choices, outline
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.model import Job
from domains.kernel.models.llm_provider import Consulted
from domains.kernel.models.llm_types import Answer, Question
from domains.revenue.conversations import (
    AskConversation,
    FetchRecording,
    Participant,
    ProcessConversation,
    SummaryEvidence,
    TranscriptEntry,
)
from domains.revenue.crm import matching
from domains.revenue.tables import conversations, deals

_c = conversations.c
_version = (
    _c.workspace_id == WORKSPACE,
    _c.id == bindparam("id", type_=Uuid),
    _c.version == bindparam("version", type_=Integer),
    _c.deleted_at.is_(None),
)


class _Said(msgspec.Struct, frozen=True):
    title: str | None
    type: Audience
    started_at: datetime
    participants: msgspec.Raw
    outside: list[str]
    transcript: msgspec.Raw | None
    recording_url: str | None
    recording_key: str | None
    stage: str | None


_stage = (
    select(deals.c.stage)
    .where(deals.c.workspace_id == WORKSPACE, deals.c.id == _c.deal_id)
    .scalar_subquery()
)
_SAID: Final = statement(
    select(*(_c[name] for name in _Said.__struct_fields__[:-1]), _stage).where(*_version), _Said
)
_lacking = and_(_c.recording_url.is_not(None), _c.recording_key.is_(None), _c.error.is_not(None))
_ENRICHED: Final = statement(
    update(conversations)
    .where(*_version)
    .values(
        found_category=bindparam("category", type_=Text),
        found_summary=bindparam("summary", type_=_c.found_summary.type),
        found_evidence=bindparam("evidence", type_=_c.found_evidence.type),
        found_engine=bindparam("engine", type_=Text),
        found_fallback=bindparam("fallback", type_=Text),
        # A recording that could not be had is still missing.
        state=case((_lacking, literal_column("'failed'")), else_=literal_column("'processed'")),
        error=case((_lacking, _c.error), else_=null()),
    )
    .returning(_c.deal_id),
    row,
)
_FAILED: Final = statement(
    update(conversations)
    .where(*_version)
    .values(state=literal_column("'failed'"), error=bindparam("reason", type_=Text))
    .returning(_c.id),
    scalar,
)

_TRANSCRIPT: Final = msgspec.json.Decoder(list[TranscriptEntry])
_PARTICIPANTS: Final = msgspec.json.Decoder(list[Participant])


class _Given(NamedTuple):
    """What a child process gets to know of a conversation."""

    transcript: bytes
    participants: bytes
    outside: list[str]
    audience: Audience
    title: str
    held_on: date
    stage: str | None


class _Made(NamedTuple):
    """What is stored of what was found."""

    engine: str
    category: str
    summary: bytes
    evidence: bytes


async def enrich(tools: Tools, workspace: WorkspaceId, job: ProcessConversation) -> Write | None:
    """Store category and summary of what was said, and have the linked deal refreshed.

    Where the workspace has a provider read its texts, another job does that.
    """
    found = await tools.read.first(_SAID, **_which(workspace, job))
    if found is None:
        return None
    if found.transcript is None:
        if found.recording_url is None or found.recording_key is not None:
            return None
        return _queueing(workspace, FetchRecording(job.conversation_id, job.version))
    if await tools.provider.is_used_by(workspace):
        return _queueing(workspace, AskConversation(job.conversation_id, job.version))
    made = await tools.process_pool.run(_outlined, _given(found, found.transcript))
    return _storing(workspace, job, made, None)


async def ask(tools: Tools, workspace: WorkspaceId, job: AskConversation) -> Write | None:
    """As `enrich`, by the provider; by the engine where that gives no usable answer."""
    found = await tools.read.first(_SAID, **_which(workspace, job))
    if found is None or found.transcript is None:
        return None
    given = _given(found, found.transcript)

    async def understood(answer: Answer) -> _Made:
        return await tools.process_pool.run(_understood, given, answer.content, answer.model)

    consulted: Consulted[_Made] = await tools.provider.consult(
        workspace, await tools.process_pool.run(_question, given), understood
    )
    made = consulted.found
    if made is None:
        made = await tools.process_pool.run(_outlined, given)
    return _storing(workspace, job, made, consulted.fallback)


def _which(workspace: WorkspaceId, job: ProcessConversation | AskConversation) -> dict[str, object]:
    return {"workspace": workspace, "id": job.conversation_id, "version": job.version}


def _given(said: _Said, transcript: msgspec.Raw) -> _Given:
    return _Given(
        bytes(transcript),
        bytes(said.participants),
        said.outside,
        said.type,
        said.title or "",
        said.started_at.date(),
        said.stage,
    )


def _queueing(workspace: WorkspaceId, job: Job) -> Write:
    async def write(tx: Tx) -> None:
        await enqueue(tx, workspace, job)

    return write


def _storing(
    workspace: WorkspaceId,
    job: ProcessConversation | AskConversation,
    made: _Made,
    fallback: str | None,
) -> Write:
    async def write(tx: Tx) -> None:
        stored = await tx.first(
            _ENRICHED, **_which(workspace, job), **made._asdict(), fallback=fallback
        )
        if stored is not None:
            await matching.refresh_soon(tx, workspace, stored)

    return write


async def enriching_failed(
    tx: Tx,
    workspace: WorkspaceId,
    job: ProcessConversation | AskConversation,
    _id: UUID,
    reason: str,
) -> None:
    """Mark why there is no summary, unless the conversation has become another meanwhile."""
    await tx.first(_FAILED, **_which(workspace, job), reason=reason)


# --- in child processes, since reading ten thousand sentences takes a while --------------------


def _outlined(given: _Given) -> _Made:
    entries, turns = _turns(given)
    found = outline(turns, given.audience, given.title, held_on=given.held_on, stage=given.stage)
    return _made(entries, found)


def _question(given: _Given) -> Question:
    _, turns = _turns(given)
    return conversation_question(turns, *choices(given.audience), given.title)


def _understood(given: _Given, content: bytes, model: str) -> _Made:
    entries, turns = _turns(given)
    return _made(entries, answered(turns, given.audience, content, model))


def _turns(given: _Given) -> tuple[list[TranscriptEntry], list[Turn]]:
    """What was said as it is stored, and with whose side said it: that of the e-mail's domain."""
    own = {
        # Who has no name speaks under the address.
        each.name or each.email
        for each in _PARTICIPANTS.decode(given.participants)
        if each.email and each.email.lower() not in given.outside
    }
    entries = _TRANSCRIPT.decode(given.transcript)
    return entries, [Turn(each.speaker, each.text, each.speaker in own) for each in entries]


def _made(entries: list[TranscriptEntry], found: Outline) -> _Made:
    evidence = {
        heading: [
            SummaryEvidence(
                each.item,
                each.quote,
                entries[each.turn].speaker,
                entries[each.turn].start_time,
                entries[each.turn].end_time,
            )
            for each in shown
        ]
        for heading, shown in found.evidence.items()
    }
    return _Made(
        found.engine,
        found.category,
        msgspec.json.encode(found.summary),
        msgspec.json.encode(evidence),
    )
