"""Category and summary of conversations, with the quote behind each item of the summary."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Text, bindparam, null, select, update

from domains.intelligence.findings import Audience
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, row, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.models.llm_provider import ProviderResult
from domains.kernel.models.llm_types import LLMRequest, LLMResponse
from domains.revenue.conversations import (
    FetchRecording,
    Participant,
    ProcessConversation,
    ProcessConversationWithProvider,
    SummaryEvidence,
    TranscriptEntry,
)
from domains.revenue.crm import matching
from domains.revenue.enrichment.conversation_state import PRESENT, state_after
from domains.revenue.enrichment.versions import (
    enqueue_only,
    is_version,
    params,
    start_version,
    update_version,
)
from domains.revenue.tables import conversations, deals

if TYPE_CHECKING:
    from domains.intelligence.dialogue.turns import Turn
    from domains.intelligence.outline import Outline

_c = conversations.c


class _Conversation(msgspec.Struct, frozen=True):
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
_START: Final = start_version(
    conversations,
    (*(_c[name] for name in _Conversation.__struct_fields__[:-1]), _stage),
    _Conversation,
)
_STORE: Final = statement(
    update(conversations)
    .where(*is_version(conversations))
    .values(
        found_category=bindparam("category", type_=Text),
        found_summary=bindparam("summary", type_=_c.found_summary.type),
        found_evidence=bindparam("evidence", type_=_c.found_evidence.type),
        found_engine=bindparam("engine", type_=Text),
        found_fallback=bindparam("fallback", type_=Text),
        found_language=bindparam("language", type_=Text),
        state=state_after(found_summary=PRESENT, error=null()),
        error=null(),
    )
    .returning(_c.deal_id),
    row,
)
_FAIL: Final = update_version(
    conversations, state=state_after(error=PRESENT), error=bindparam("reason", type_=Text)
)

_TRANSCRIPT: Final = msgspec.json.Decoder(list[TranscriptEntry])
_PARTICIPANTS: Final = msgspec.json.Decoder(list[Participant])


class _Input(NamedTuple):
    """A conversation for the child process, with transcript and participants as JSON."""

    transcript: bytes
    participants: bytes
    outside: list[str]
    audience: Audience
    title: str
    held_on: date
    stage: str | None


class _Enrichment(NamedTuple):
    """Values to store, with summary and evidence as JSON."""

    engine: str
    category: str
    summary: bytes
    evidence: bytes
    language: str | None


async def enrich(tools: Tools, workspace: WorkspaceId, job: ProcessConversation) -> Write | None:
    """Store category and summary of a transcript, and schedule the refresh of the linked deal.

    Enqueues `ProcessConversationWithProvider` instead if the workspace uses the LLM provider.
    """
    conversation = await tools.read.first(_START, **params(workspace, job))
    if conversation is None:
        return None
    if conversation.transcript is None:
        if conversation.recording_url is None or conversation.recording_key is not None:
            return None
        return enqueue_only(workspace, FetchRecording(job.conversation_id, job.version))
    if await tools.provider.is_enabled_for(workspace):
        return enqueue_only(
            workspace, ProcessConversationWithProvider(job.conversation_id, job.version)
        )
    content = _input(conversation, conversation.transcript)
    enrichment = await tools.process_pool.run(_enrich_with_engine, content)
    return _store_enrichment(workspace, job, enrichment, None)


async def enrich_with_provider(
    tools: Tools, workspace: WorkspaceId, job: ProcessConversationWithProvider
) -> Write | None:
    """Like `enrich`, but with the LLM provider. Uses the engine if the response is unusable."""
    conversation = await tools.read.first(_START, **params(workspace, job))
    if conversation is None or conversation.transcript is None:
        return None
    content = _input(conversation, conversation.transcript)

    async def parse(response: LLMResponse) -> _Enrichment:
        return await tools.process_pool.run(
            _parse_response, content, response.content, response.model
        )

    result: ProviderResult[_Enrichment] = await tools.provider.request(
        workspace, await tools.process_pool.run(_build_request, content), parse
    )
    enrichment = result.value
    if enrichment is None:
        enrichment = await tools.process_pool.run(_enrich_with_engine, content)
    return _store_enrichment(workspace, job, enrichment, result.fallback_reason)


def _input(conversation: _Conversation, transcript: msgspec.Raw) -> _Input:
    return _Input(
        bytes(transcript),
        bytes(conversation.participants),
        conversation.outside,
        conversation.type,
        conversation.title or "",
        conversation.started_at.date(),
        conversation.stage,
    )


def _store_enrichment(
    workspace: WorkspaceId,
    job: ProcessConversation | ProcessConversationWithProvider,
    enrichment: _Enrichment,
    fallback: str | None,
) -> Write:
    async def write(tx: Tx) -> None:
        stored = await tx.first(
            _STORE, **params(workspace, job), **enrichment._asdict(), fallback=fallback
        )
        if stored is not None:
            await matching.schedule_refresh(tx, workspace, stored)

    return write


async def mark_failed(
    tx: Tx,
    workspace: WorkspaceId,
    job: ProcessConversation | ProcessConversationWithProvider,
    _id: UUID,
    reason: str,
) -> None:
    """Store the reason why this version of the conversation has no summary."""
    await tx.first(_FAIL, **params(workspace, job), reason=reason)


# --- run in child processes, because a long transcript takes seconds ---------------------------
# They import the engine themselves: the worker does not load it.


def _enrich_with_engine(content: _Input) -> _Enrichment:
    from domains.intelligence.outline import outline

    entries, turns = _decode(content)
    result = outline(
        turns,
        content.audience,
        content.title,
        held_on=content.held_on,
        stage=content.stage,
        own_names=_own_names(content),
    )
    return _enrichment(entries, result)


def _build_request(content: _Input) -> LLMRequest:
    from domains.intelligence.outline import asked

    _, turns = _decode(content)
    return asked(turns, content.audience, content.title)


def _parse_response(content: _Input, response: bytes, model: str) -> _Enrichment:
    from domains.intelligence.outline import answered

    entries, turns = _decode(content)
    return _enrichment(entries, answered(turns, content.audience, response, model))


def _decode(content: _Input) -> tuple[list[TranscriptEntry], "list[Turn]"]:
    """Decode the transcript into entries, and the same entries as the engine's turns.

    A speaker is internal if the participant has an e-mail address that is not external.
    """
    from domains.intelligence.dialogue.turns import Turn

    internal = {
        # The transcript names a participant without a name by the e-mail address.
        participant.name or participant.email
        for participant in _PARTICIPANTS.decode(content.participants)
        if participant.email and participant.email.lower() not in content.outside
    }
    entries = _TRANSCRIPT.decode(content.transcript)
    turns = [
        Turn(
            entry.speaker,
            entry.text,
            entry.speaker in internal,
            entry.start_time,
            entry.end_time,
        )
        for entry in entries
    ]
    return entries, turns


def _own_names(content: _Input) -> set[str]:
    """Return the names in the e-mail domains of the participants, such as "acme" of acme.com."""
    from domains.intelligence.heads.names import organisations

    return organisations(each.email for each in _PARTICIPANTS.decode(content.participants))


def _enrichment(entries: list[TranscriptEntry], result: "Outline") -> _Enrichment:
    evidence = {
        heading: [
            SummaryEvidence(
                item.item,
                item.quote,
                entries[item.turn].speaker,
                entries[item.turn].start_time,
                entries[item.turn].end_time,
            )
            for item in items
        ]
        for heading, items in result.evidence.items()
    }
    return _Enrichment(
        result.engine,
        result.category,
        msgspec.json.encode(result.summary),
        msgspec.json.encode(evidence),
        result.language,
    )
