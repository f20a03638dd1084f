"""What each kind of job does: one table."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from domains.discovery import analysis, duplicates
from domains.discovery.analysis import AnalyseSignal, AskSignal
from domains.discovery.duplicates import CompareInsights
from domains.kernel.core.settings import Settings
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.job_tools import Tools
from domains.kernel.jobs.model import Job
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import DeleteBlob
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
from workers.runner import Actor


async def _delete_blob(tools: Tools, _workspace: WorkspaceId, job: DeleteBlob) -> None:
    await tools.blobs.delete(job.key)


async def _delete_blob_later(
    tx: Tx, workspace: WorkspaceId, job: DeleteBlob, _id: UUID, _reason: str
) -> None:
    # A long outage of the object store must not leave the object undeleted.
    await retention.discard(tx, workspace, [job.key])


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
    AnalyseSignal: Actor(
        run=analysis.analyse, failed=analysis.analysis_failed, time_limit=_computing
    ),
    AskSignal: Actor(run=analysis.ask, failed=analysis.analysis_failed, time_limit=_asking),
    CompareInsights: Actor(run=duplicates.compare, time_limit=_computing),
    DeleteBlob: Actor(run=_delete_blob, failed=_delete_blob_later),
    LinkCrm: Actor(run=relinking.relink, failed=relinking.retry_later),
    FetchDocument: Actor(
        run=document_text.fetch, failed=document_text.mark_failed, time_limit=_fetching
    ),
    ProcessDocument: Actor(
        run=document_text.extract, failed=document_text.mark_failed, time_limit=_reading
    ),
    FetchRecording: Actor(
        run=recordings.fetch, failed=recordings.mark_failed, time_limit=_fetching
    ),
    Transcription: Actor(
        run=recordings.transcribe, failed=recordings.mark_failed, time_limit=_transcribing
    ),
    ProcessConversation: Actor(
        run=conversation_summaries.enrich,
        failed=conversation_summaries.mark_failed,
        time_limit=_computing,
    ),
    AskConversation: Actor(
        run=conversation_summaries.enrich_with_provider,
        failed=conversation_summaries.mark_failed,
        time_limit=_asking,
    ),
    RefreshDeal: Actor(run=deal_summaries.refresh, time_limit=_computing),
}
