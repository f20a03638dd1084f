"""The analysis of a signal: jobs that find insights in its text."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, any_, bindparam, func, null, select, update

from domains.discovery.findings import SignalContext, SignalType, replace
from domains.discovery.tables import products, signals
from domains.intelligence.child_calls import find_insights, insights_found, insights_question
from domains.intelligence.findings import Document, Findings, Product, Profile
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import NotFound
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, Statement, row, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.model import Job, Queue
from domains.kernel.jobs.record_names import names_in
from domains.kernel.models.llm_provider import ProviderResult
from domains.kernel.models.llm_types import LLMResponse
from domains.kernel.storage.blobs import BlobMissing, Blobs

PROFILES: Final[dict[SignalType, Profile]] = {
    "transcript": "transcript",
    "support_ticket": "support_ticket",
    "review": "survey_response",
    "discovery_report": "discovery_report",
    "feedback_record": "feedback_record",
}

_MAX_PRODUCTS: Final = 1_000


class AnalyseSignal(Job, frozen=True, tag="discovery.analyse_signal"):
    """Find a signal's insights with the built-in engine."""

    queue: ClassVar[Queue] = "analysis"
    signal: UUID


class AnalyseSignalWithProvider(Job, frozen=True, tag="discovery.ask_signal"):
    """Find a signal's insights with the LLM provider.

    Runs in the fetch queue, because it waits for the network.
    """

    queue: ClassVar[Queue] = "fetch"
    signal: UUID


class _Input(SignalContext, frozen=True):
    text_key: str | None
    data: msgspec.Raw | None
    additional_context: str | None
    last_job_id: UUID | None


_c = signals.c
SIGNAL_NAMES: Final = names_in(signals, "SIGNAL-", _c.number)
_id = bindparam("id", type_=Uuid)
_by_id = (_c.workspace_id == WORKSPACE, _c.id == _id)

_INPUT = statement(select(*(_c[name] for name in _Input.__struct_fields__)).where(*_by_id), _Input)

_PRODUCTS = statement(
    select(products.c.id, products.c.name)
    .where(
        products.c.workspace_id == WORKSPACE,
        (func.cardinality(bindparam("ids", type_=ARRAY(Uuid))) == 0)
        | (products.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))),
    )
    .order_by(products.c.id)
    .limit(_MAX_PRODUCTS),
    lambda product_id, name: Product(id=str(product_id), name=name),
)

_LOCK_DATA = statement(select(_c.data).where(*_by_id).with_for_update(), row)


def _update(*conditions: ColumnElement[bool], **values: Any) -> Statement[UUID]:
    changed = update(signals).where(*_by_id, *conditions).values(values)
    return statement(changed.returning(_c.id), scalar)


_SET_QUEUED = _update(
    status="processing",
    last_job_id=bindparam("job"),
    started_at=func.now(),
    processed_at=null(),
    failed_at=null(),
    last_error=null(),
    updated_at=func.now(),
)
_LOCK_IF_LAST_JOB = statement(
    select(_c.id)
    .where(*_by_id, _c.last_job_id == bindparam("last_job", type_=Uuid))
    .with_for_update(),
    scalar,
)
_SET_LAST_JOB = _update(last_job_id=bindparam("job"))
_SET_PROCESSED = _update(
    # Unless the text was replaced during the analysis.
    _c.text_key.is_not_distinct_from(bindparam("text_key", type_=Text)),
    status="processed",
    inferred_context=bindparam("context"),
    language=bindparam("language"),
    engine=bindparam("engine"),
    fallback=bindparam("fallback"),
    processed_at=func.now(),
    failed_at=null(),
    last_error=null(),
    updated_at=func.now(),
)
_SET_FAILED = _update(
    _c.last_job_id == bindparam("job"),
    status="failed",
    failed_at=func.now(),
    last_error=bindparam("error"),
    updated_at=func.now(),
)


async def analyse(tools: Tools, workspace: WorkspaceId, job: AnalyseSignal) -> Write | None:
    """Find insights in a signal's text. The returned function stores them.

    Enqueues `AnalyseSignalWithProvider` instead if the workspace uses the LLM provider.
    """
    signal = await tools.read.first(_INPUT, workspace=workspace, id=job.signal)
    if signal is None:
        return None
    if await tools.provider.is_enabled_for(workspace):
        return lambda tx: _enqueue_provider_job(tx, workspace, job.signal, signal.last_job_id)
    document = await _document(tools.read, tools.blobs, workspace, signal)
    findings = await tools.process_pool.run(find_insights, document)
    return _store(workspace, job.signal, signal, document.text, findings, None)


async def analyse_with_provider(
    tools: Tools, workspace: WorkspaceId, job: AnalyseSignalWithProvider
) -> Write | None:
    """Like `analyse`, but with the LLM provider. Uses the engine if the response is unusable."""
    signal = await tools.read.first(_INPUT, workspace=workspace, id=job.signal)
    if signal is None:
        return None
    document = await _document(tools.read, tools.blobs, workspace, signal)

    async def parse(response: LLMResponse) -> Findings:
        return await tools.process_pool.run(
            insights_found, document, response.content, response.model
        )

    result: ProviderResult[Findings] = await tools.provider.request(
        workspace, await tools.process_pool.run(insights_question, document), parse
    )
    findings = result.value
    if findings is None:
        findings = await tools.process_pool.run(find_insights, document)
    return _store(workspace, job.signal, signal, document.text, findings, result.fallback_reason)


async def queue(tx: Tx, workspace: WorkspaceId, signal_id: UUID) -> UUID:
    """Queue the analysis of a signal and set its status to `processing`. Returns the job's id."""
    job = await enqueue(tx, workspace, AnalyseSignal(signal_id))
    await tx.one(_SET_QUEUED, workspace=workspace, id=signal_id, job=job)
    return job


async def mark_failed(
    tx: Tx,
    workspace: WorkspaceId,
    job: AnalyseSignal | AnalyseSignalWithProvider,
    job_id: UUID,
    reason: str,
) -> None:
    """Set the signal's status to `failed`, unless a newer job analyses it."""
    await tx.first(_SET_FAILED, workspace=workspace, id=job.signal, job=job_id, error=reason)


async def matched_products(
    read: Read, workspace: WorkspaceId, product_ids: list[UUID]
) -> tuple[Product, ...]:
    """Get the products to look for in a text: the given ones, or all if `product_ids` is empty.

    Returns at most 1,000.
    """
    return tuple(await read.all(_PRODUCTS, workspace=workspace, ids=product_ids))


async def _enqueue_provider_job(
    tx: Tx, workspace: WorkspaceId, signal_id: UUID, last_job: UUID | None
) -> None:
    """Enqueue `AnalyseSignalWithProvider` and set it as the signal's last job.

    Does nothing if a newer job than `last_job` has been enqueued.
    """
    if await _is_last_job(tx, workspace, signal_id, last_job):
        job = await enqueue(tx, workspace, AnalyseSignalWithProvider(signal_id))
        await tx.first(_SET_LAST_JOB, workspace=workspace, id=signal_id, job=job)


async def _is_last_job(tx: Tx, workspace: WorkspaceId, signal_id: UUID, job: UUID | None) -> bool:
    """True if no newer job was enqueued for the signal, which stays locked."""
    params = {"workspace": workspace, "id": signal_id, "last_job": job}
    return await tx.first(_LOCK_IF_LAST_JOB, **params) is not None


def _store(
    workspace: WorkspaceId,
    signal_id: UUID,
    signal: _Input,
    text: str,
    findings: Findings,
    fallback: str | None,
) -> Write:
    async def write(tx: Tx) -> None:
        if signal.text_key is None:
            locked = await tx.first(_LOCK_DATA, workspace=workspace, id=signal_id)
            if locked is not None and locked[0] != signal.data:
                # The data was replaced during the analysis: the quotes are of the old text.
                await queue(tx, workspace, signal_id)
                return
        updated = await tx.first(
            _SET_PROCESSED,
            workspace=workspace,
            id=signal_id,
            context=findings.context,
            text_key=signal.text_key,
            language=findings.language,
            engine=findings.engine,
            fallback=fallback,
        )
        if updated is not None:
            await replace(tx, workspace, signal_id, signal, text, findings)
        elif await _is_last_job(tx, workspace, signal_id, signal.last_job_id):
            # The text was replaced while this job was about to read it.
            await queue(tx, workspace, signal_id)

    return write


async def _document(read: Read, blobs: Blobs, workspace: WorkspaceId, signal: _Input) -> Document:
    return Document(
        text=await _text(blobs, signal),
        data=None if signal.text_key else bytes(signal.data or b"null"),
        profile="raw" if signal.signal_type is None else PROFILES[signal.signal_type],
        additional_context=signal.additional_context,
        products=await matched_products(read, workspace, signal.product_ids),
    )


async def _text(blobs: Blobs, signal: _Input) -> str:
    if signal.text_key is None:
        return "\n".join(_strings(msgspec.json.decode(signal.data or b"null")))
    try:
        return (await blobs.get(signal.text_key)).decode()
    except BlobMissing:
        raise NotFound("The stored text of this signal is missing.") from None


def _strings(value: Any) -> Iterator[str]:
    """Return the strings in a JSON value, in order, except codes and others without a space."""
    if isinstance(value, str):
        if " " in value.strip():
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
