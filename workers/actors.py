"""What each kind of job does: one table."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from domains.discovery import analysis, duplicates
from domains.discovery.analysis import AnalyseSignal, AskSignal
from domains.discovery.duplicates import CompareInsights
from domains.kernel.core.settings import Settings
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.jobs.model import Job
from domains.kernel.jobs.process_pool import Compute
from domains.kernel.models.llm_provider import Provider
from domains.kernel.models.speech import Speech
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import Blobs, DeleteBlob
from domains.kernel.untrusted.documents.extraction import Extraction
from domains.kernel.untrusted.fetch import Fetcher
from domains.revenue.conversations import (
    AskConversation,
    FetchRecording,
    ProcessConversation,
    Transcription,
)
from domains.revenue.crm import relinking
from domains.revenue.crm.matching import RefreshDeal
from domains.revenue.crm.relinking import LinkCrm
from domains.revenue.documents import FetchDocument, ProcessDocument
from domains.revenue.enrichment import (
    conversation_summaries,
    deal_summaries,
    document_text,
    recordings,
)
from workers.runner import Actor, Write


class Tools(msgspec.Struct, frozen=True):
    """What jobs are done with."""

    read: Read
    blobs: Blobs
    compute: Compute
    fetcher: Fetcher
    extraction: Extraction
    speech: Speech | None
    provider: Provider
    settings: Settings


async def _analyse(tools: Tools, workspace: WorkspaceId, job: AnalyseSignal) -> Write:
    return await analysis.analyse(
        tools.read, tools.blobs, tools.compute, tools.provider, workspace, job
    )


async def _ask_signal(tools: Tools, workspace: WorkspaceId, job: AskSignal) -> Write:
    return await analysis.ask(
        tools.read, tools.blobs, tools.compute, tools.provider, workspace, job
    )


async def _compare(tools: Tools, workspace: WorkspaceId, job: CompareInsights) -> Write | None:
    return await duplicates.compare(tools.read, tools.compute, workspace, job)


async def _delete_blob(tools: Tools, _workspace: WorkspaceId, job: DeleteBlob) -> None:
    await tools.blobs.delete(job.key)


async def _delete_blob_later(
    tx: Tx, workspace: WorkspaceId, job: DeleteBlob, _id: UUID, _reason: str
) -> None:
    # A store that is away for long must not keep what was to be deleted.
    await retention.discard(tx, workspace, [job.key])


async def _link_crm(_tools: Tools, workspace: WorkspaceId, _job: LinkCrm) -> Write:
    # The database alone has work here, so all of it belongs to the transaction that ends the job.
    return lambda tx: relinking.link_some(tx, workspace)


async def _link_crm_failed(
    tx: Tx, workspace: WorkspaceId, _job: LinkCrm, _id: UUID, _reason: str
) -> None:
    await relinking.linking_failed(tx, workspace)


async def _fetch_document(tools: Tools, workspace: WorkspaceId, job: FetchDocument) -> Write | None:
    largest = tools.settings.document_max_bytes
    return await document_text.fetch(
        tools.read, tools.blobs, tools.fetcher, largest, workspace, job
    )


async def _process_document(
    tools: Tools, workspace: WorkspaceId, job: ProcessDocument
) -> Write | None:
    return await document_text.extract(tools.read, tools.blobs, tools.extraction, workspace, job)


async def _fetch_recording(
    tools: Tools, workspace: WorkspaceId, job: FetchRecording
) -> Write | None:
    largest = tools.settings.recording_max_bytes
    return await recordings.fetch(tools.read, tools.blobs, tools.fetcher, largest, workspace, job)


async def _transcribe(tools: Tools, workspace: WorkspaceId, job: Transcription) -> Write | None:
    return await recordings.transcribe(tools.read, tools.blobs, tools.speech, workspace, job)


async def _process_conversation(
    tools: Tools, workspace: WorkspaceId, job: ProcessConversation
) -> Write | None:
    return await conversation_summaries.enrich(
        tools.read, tools.compute, tools.provider, workspace, job
    )


async def _ask_conversation(
    tools: Tools, workspace: WorkspaceId, job: AskConversation
) -> Write | None:
    return await conversation_summaries.ask(
        tools.read, tools.compute, tools.provider, workspace, job
    )


async def _refresh_deal(tools: Tools, workspace: WorkspaceId, job: RefreshDeal) -> Write | None:
    return await deal_summaries.refresh(tools.read, tools.compute, workspace, job)


# Each of these has a limit of its own, which says more.


def _fetching(settings: Settings) -> float:
    return settings.fetch_time_limit + settings.job_time_limit


def _reading(settings: Settings) -> float:
    return settings.extraction_time_limit + settings.job_time_limit


def _computing(settings: Settings) -> float:
    return settings.compute_time_limit + settings.job_time_limit


def _asking(settings: Settings) -> float:
    return settings.chat_time_limit + _computing(settings)


def _transcribing(settings: Settings) -> float:
    """A long recording is cut, and asked about piece by piece."""
    return 24 * settings.speech_time_limit


ACTORS: Final[Mapping[type[Job], Actor[Tools, Any]]] = {
    AnalyseSignal: Actor(run=_analyse, failed=analysis.analysis_failed, time_limit=_computing),
    AskSignal: Actor(run=_ask_signal, failed=analysis.analysis_failed, time_limit=_asking),
    CompareInsights: Actor(run=_compare, time_limit=_computing),
    DeleteBlob: Actor(run=_delete_blob, failed=_delete_blob_later),
    LinkCrm: Actor(run=_link_crm, failed=_link_crm_failed),
    FetchDocument: Actor(run=_fetch_document, failed=document_text.failed, time_limit=_fetching),
    ProcessDocument: Actor(run=_process_document, failed=document_text.failed, time_limit=_reading),
    FetchRecording: Actor(run=_fetch_recording, failed=recordings.failed, time_limit=_fetching),
    Transcription: Actor(run=_transcribe, failed=recordings.failed, time_limit=_transcribing),
    ProcessConversation: Actor(
        run=_process_conversation,
        failed=conversation_summaries.enriching_failed,
        time_limit=_computing,
    ),
    AskConversation: Actor(
        run=_ask_conversation, failed=conversation_summaries.enriching_failed, time_limit=_asking
    ),
    RefreshDeal: Actor(run=_refresh_deal, time_limit=_computing),
}
