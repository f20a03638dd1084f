"""Registry of job kinds and the functions that run them."""

from collections.abc import Mapping
from typing import Any, Final

from domains.discovery import analysis, duplicates
from domains.discovery.analysis import AnalyseSignal, AnalyseSignalWithProvider
from domains.discovery.duplicates import CompareInsights
from domains.kernel.core.settings import Settings
from domains.kernel.job_tools import Tools
from domains.kernel.jobs.model import Job
from domains.kernel.storage import retention
from domains.kernel.storage.retention import DeleteBlob
from domains.revenue.conversations import (
    FetchRecording,
    ProcessConversation,
    ProcessConversationWithProvider,
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

# Time limits of one attempt. A step's own timeout expires first and raises a clearer error;
# `job_time_limit` allows for the rest of the job.


def _fetch_limit(settings: Settings) -> float:
    return settings.fetch_time_limit + settings.job_time_limit


def _extraction_limit(settings: Settings) -> float:
    return settings.extraction_time_limit + settings.job_time_limit


def _computation_limit(settings: Settings) -> float:
    return settings.compute_time_limit + settings.job_time_limit


def _chat_limit(settings: Settings) -> float:
    return settings.chat_time_limit + _computation_limit(settings)


def _transcription_limit(settings: Settings) -> float:
    """Long recordings are split: one request per part."""
    return 24 * settings.speech_time_limit


ACTORS: Final[Mapping[type[Job], Actor[Tools, Any]]] = {
    AnalyseSignal: Actor(
        run=analysis.analyse, failed=analysis.mark_failed, time_limit=_computation_limit
    ),
    AnalyseSignalWithProvider: Actor(
        run=analysis.analyse_with_provider, failed=analysis.mark_failed, time_limit=_chat_limit
    ),
    CompareInsights: Actor(run=duplicates.compare, time_limit=_computation_limit),
    DeleteBlob: Actor(
        run=lambda tools, _workspace, job: tools.blobs.delete(job.key),
        failed=retention.deletion_failed,
    ),
    LinkCrm: Actor(run=relinking.relink, failed=relinking.retry_later),
    FetchDocument: Actor(
        run=document_text.fetch, failed=document_text.mark_failed, time_limit=_fetch_limit
    ),
    ProcessDocument: Actor(
        run=document_text.extract, failed=document_text.mark_failed, time_limit=_extraction_limit
    ),
    FetchRecording: Actor(
        run=recordings.fetch, failed=recordings.mark_failed, time_limit=_fetch_limit
    ),
    Transcription: Actor(
        run=recordings.transcribe, failed=recordings.mark_failed, time_limit=_transcription_limit
    ),
    ProcessConversation: Actor(
        run=conversation_summaries.enrich,
        failed=conversation_summaries.mark_failed,
        time_limit=_computation_limit,
    ),
    ProcessConversationWithProvider: Actor(
        run=conversation_summaries.enrich_with_provider,
        failed=conversation_summaries.mark_failed,
        time_limit=_chat_limit,
    ),
    RefreshDeal: Actor(run=deal_summaries.refresh, time_limit=_computation_limit),
}
