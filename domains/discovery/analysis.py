"""The analysis of a signal: the job that turns its text into insights with evidence."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Uuid,
    and_,
    any_,
    bindparam,
    delete,
    func,
    insert,
    null,
    select,
    update,
)

from domains.discovery.duplicates import compare_soon
from domains.discovery.links import INSIGHTS_OF_SIGNAL
from domains.discovery.tables import evidence, insights, products, signals
from domains.intelligence.engine import analyse as find
from domains.intelligence.findings import Document, Findings, Insight, Product, Profile
from domains.intelligence.llm.prompts import insights_found, insights_question
from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import NotFound
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.sequences import take_numbers
from domains.kernel.db.statements import row, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.model import Job, Queue
from domains.kernel.models.llm_provider import ProviderResult
from domains.kernel.models.llm_types import LLMResponse
from domains.kernel.storage.blobs import BlobMissing, Blobs

SignalType = Literal["transcript", "support_ticket", "review", "discovery_report"]

InsightType = Literal[
    "feedback", "user-interview", "market-research", "session-recording", "support-ticket", "other"
]

PROFILES: Final[dict[SignalType, Profile]] = {
    "transcript": "transcript",
    "support_ticket": "support_ticket",
    "review": "survey_response",
    "discovery_report": "discovery_report",
}

# What kind of insight a kind of signal gives.
_INSIGHT_TYPES: Final[dict[SignalType | None, InsightType]] = {
    "transcript": "user-interview",
    "support_ticket": "support-ticket",
    "review": "feedback",
    "discovery_report": "market-research",
}


class AnalyseSignal(Job, frozen=True, tag="discovery.analyse_signal"):
    """Turn a signal's text into insights."""

    queue: ClassVar[Queue] = "analysis"
    signal: UUID


class AskSignal(Job, frozen=True, tag="discovery.ask_signal"):
    """Have a provider find a signal's insights: it waits for the network, as those queued there."""

    queue: ClassVar[Queue] = "fetch"
    signal: UUID


_workspace = bindparam("workspace", type_=Uuid)
_id = bindparam("id", type_=Uuid)


class Origin(msgspec.Struct, frozen=True):
    """What the insights of a signal inherit from it."""

    signal_type: SignalType | None
    product_ids: list[UUID]
    account_id: UUID | None


class _Input(Origin, frozen=True):
    text_key: str | None
    data: msgspec.Raw | None
    additional_context: str | None
    last_job_id: UUID | None


_INPUT = statement(
    select(
        signals.c.signal_type,
        signals.c.product_ids,
        signals.c.account_id,
        signals.c.text_key,
        signals.c.data,
        signals.c.additional_context,
        signals.c.last_job_id,
    ).where(signals.c.workspace_id == _workspace, signals.c.id == _id),
    _Input,
)

_PRODUCTS = statement(
    select(products.c.id, products.c.name)
    .where(
        products.c.workspace_id == _workspace,
        (func.cardinality(bindparam("ids", type_=ARRAY(Uuid))) == 0)
        | (products.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))),
    )
    .order_by(products.c.id)
    .limit(1_000),
    lambda product_id, name: Product(id=str(product_id), name=name),
)

# What stands there when the analysis is done may not be what it read.
_DATA = statement(
    select(signals.c.data)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .with_for_update(),
    row,
)

_QUEUED = statement(
    update(signals)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .values(
        status="processing",
        last_job_id=bindparam("job"),
        started_at=func.now(),
        processed_at=null(),
        failed_at=null(),
        last_error=null(),
        updated_at=func.now(),
    )
    .returning(signals.c.id),
    scalar,
)

_NEWEST = statement(
    select(signals.c.id)
    .where(
        signals.c.workspace_id == _workspace,
        signals.c.id == _id,
        signals.c.last_job_id == bindparam("former", type_=Uuid),
    )
    .with_for_update(),
    scalar,
)
_HANDED_OVER = statement(
    update(signals)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .values(last_job_id=bindparam("job"))
    .returning(signals.c.id),
    scalar,
)

_PROCESSED = statement(
    update(signals)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .values(
        status="processed",
        inferred_context=bindparam("label"),
        engine=bindparam("engine"),
        fallback=bindparam("fallback"),
        processed_at=func.now(),
        failed_at=null(),
        last_error=null(),
        updated_at=func.now(),
    )
    .returning(signals.c.id),
    scalar,
)

_FAILED = statement(
    update(signals)
    .where(
        signals.c.workspace_id == _workspace,
        signals.c.id == _id,
        signals.c.last_job_id == bindparam("job"),
    )
    .values(
        status="failed",
        failed_at=func.now(),
        last_error=bindparam("error"),
        updated_at=func.now(),
    )
    .returning(signals.c.id),
    scalar,
)

# Locked in the order of their ids, as `links` does.
_made = (
    select(insights.c.id)
    .where(
        insights.c.workspace_id == _workspace,
        insights.c.made_by_signal_id == _id,
        insights.c.edited_at.is_(None),
    )
    .order_by(insights.c.id)
    .with_for_update()
    .scalar_subquery()
)
_FORGET_MADE = statement(
    delete(insights).where(
        insights.c.workspace_id == _workspace,
        insights.c.id == any_(func.array(_made, type_=ARRAY(Uuid))),
    ),
    row,
)

# What a person keeps of an earlier analysis.
_KEPT = statement(
    select(evidence.c.start, evidence.c.end, evidence.c.quote)
    .select_from(evidence)
    .join(
        insights,
        and_(
            insights.c.workspace_id == evidence.c.workspace_id,
            insights.c.id == evidence.c.insight_id,
        ),
    )
    .where(
        evidence.c.workspace_id == _workspace,
        evidence.c.signal_id == _id,
        insights.c.made_by_signal_id == _id,
    ),
    row,
)

_ADD_INSIGHT = statement(
    insert(insights).values(
        id=bindparam("id"),
        workspace_id=bindparam("workspace"),
        number=bindparam("number"),
        name=bindparam("name"),
        description=bindparam("description"),
        type=bindparam("type"),
        product_id=bindparam("product"),
        account_id=bindparam("account"),
        made_by_signal_id=bindparam("signal"),
        kind=bindparam("kind"),
        sentiment=bindparam("sentiment"),
        confidence=bindparam("confidence"),
        engine=bindparam("engine"),
    ),
    row,
)

_ADD_EVIDENCE = statement(
    insert(evidence).values(
        id=bindparam("id"),
        workspace_id=bindparam("workspace"),
        insight_id=bindparam("insight"),
        signal_id=bindparam("signal"),
        quote=bindparam("quote"),
        start=bindparam("start"),
        end=bindparam("end"),
        speaker=bindparam("speaker"),
        start_time=bindparam("start_time"),
        end_time=bindparam("end_time"),
    ),
    row,
)


async def analyse(tools: Tools, workspace: WorkspaceId, job: AnalyseSignal) -> Write:
    """Find insights in a signal's text, with no transaction open; what comes back stores them.

    Where the workspace has a provider read its texts, another job does that.
    """
    given = await tools.read.first(_INPUT, workspace=workspace, id=job.signal)
    if given is None:
        return _nothing  # deleted meanwhile
    if await tools.provider.is_enabled_for(workspace):
        return lambda tx: _hand_over(tx, workspace, job.signal, given.last_job_id)
    document = await _document(tools.read, tools.blobs, workspace, given)
    findings = await tools.process_pool.run(find, document)
    return _storing(workspace, job.signal, given, document.text, findings, None)


async def ask(tools: Tools, workspace: WorkspaceId, job: AskSignal) -> Write:
    """As `analyse`, by the provider; by the engine where that gives no usable answer."""
    given = await tools.read.first(_INPUT, workspace=workspace, id=job.signal)
    if given is None:
        return _nothing
    document = await _document(tools.read, tools.blobs, workspace, given)

    async def understood(answer: LLMResponse) -> Findings:
        return await tools.process_pool.run(insights_found, document, answer.content, answer.model)

    result: ProviderResult[Findings] = await tools.provider.request(
        workspace, await tools.process_pool.run(insights_question, document), understood
    )
    findings = result.value
    if findings is None:
        findings = await tools.process_pool.run(find, document)
    return _storing(workspace, job.signal, given, document.text, findings, result.fallback_reason)


async def _hand_over(tx: Tx, workspace: WorkspaceId, signal: UUID, former: UUID | None) -> None:
    """The signal's newest job is the one that asks, unless there is a newer one."""
    if await tx.first(_NEWEST, workspace=workspace, id=signal, former=former) is None:
        return
    asking = await enqueue(tx, workspace, AskSignal(signal))
    await tx.first(_HANDED_OVER, workspace=workspace, id=signal, job=asking)


async def _document(read: Read, blobs: Blobs, workspace: WorkspaceId, given: _Input) -> Document:
    return Document(
        text=await _text(blobs, given),
        profile="raw" if given.signal_type is None else PROFILES[given.signal_type],
        additional_context=given.additional_context,
        products=await products_named(read, workspace, given.product_ids),
    )


def _storing(
    workspace: WorkspaceId,
    signal: UUID,
    given: _Input,
    text: str,
    findings: Findings,
    fallback: str | None,
) -> Write:
    async def write(tx: Tx) -> None:
        if given.text_key is None:
            found = await tx.first(_DATA, workspace=workspace, id=signal)
            if found is not None and found[0] != given.data:
                # The data was replaced meanwhile: its quotes would be of a text that is gone.
                await queue(tx, workspace, signal)
                return
        updated = await tx.first(
            _PROCESSED,
            workspace=workspace,
            id=signal,
            label=findings.context,
            engine=findings.engine,
            fallback=fallback,
        )
        if updated is None:
            return
        await tx.first(_FORGET_MADE, workspace=workspace, id=signal)
        kept = await tx.all(_KEPT, workspace=workspace, id=signal)
        new = _without(findings.insights, [(a, b) for a, b, quote in kept if text[a:b] == quote])
        await store(tx, workspace, signal, given, findings.engine, new)

    return write


async def queue(tx: Tx, workspace: WorkspaceId, signal_id: UUID) -> UUID:
    """Queue the analysis of a signal and show it there; the job's id."""
    job = await enqueue(tx, workspace, AnalyseSignal(signal_id))
    await tx.one(_QUEUED, workspace=workspace, id=signal_id, job=job)
    return job


async def analysis_failed(
    tx: Tx, workspace: WorkspaceId, job: AnalyseSignal | AskSignal, job_id: UUID, reason: str
) -> None:
    """Show on the signal that its newest analysis failed for good."""
    await tx.first(_FAILED, workspace=workspace, id=job.signal, job=job_id, error=reason)


async def _nothing(_tx: Tx) -> None:
    return


async def _text(blobs: Blobs, given: _Input) -> str:
    if given.text_key is None:
        return "\n".join(_strings(msgspec.json.decode(given.data or b"null")))
    try:
        return (await blobs.get(given.text_key)).decode()
    except BlobMissing:
        raise NotFound("The stored text of this signal is missing.") from None


def _strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value that reads like language, in its order."""
    if isinstance(value, str):
        if " " in value.strip():
            yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


async def products_named(
    read: Read, workspace: WorkspaceId, product_ids: list[UUID]
) -> tuple[Product, ...]:
    """The products whose names are matched: these, or the workspace's if none are given."""
    return tuple(await read.all(_PRODUCTS, workspace=workspace, ids=product_ids))


def _without(found: Iterable[Insight], held: Sequence[tuple[int, int]]) -> list[Insight]:
    """What is new: findings without the quotes that overlap a held slice of the same text.

    A finding that has no other quote is one that somebody keeps already.
    """
    new = []
    for insight in found:
        quotes = tuple(
            quote
            for quote in insight.quotes
            if not any(start < quote.end and quote.start < end for start, end in held)
        )
        if quotes:
            new.append(msgspec.structs.replace(insight, quotes=quotes))
    return new


async def store(
    tx: Tx,
    workspace: WorkspaceId,
    signal_id: UUID,
    origin: Origin,
    engine: str,
    found: Sequence[Insight],
) -> list[UUID]:
    """Store findings as draft insights with their evidence, linked to the signal; their ids."""
    numbers = await take_numbers(tx, workspace, "INSIGHT", len(found))
    made = [(new_id(), each) for each in found]
    await tx.execute_many(
        _ADD_INSIGHT,
        [
            {
                "id": insight_id,
                "workspace": workspace,
                "number": number,
                "name": each.name,
                "description": each.description,
                "type": insight_type(origin),
                "product": product_of(origin, each),
                "account": origin.account_id,
                "signal": signal_id,
                "kind": each.kind,
                "sentiment": each.sentiment,
                "confidence": each.confidence,
                "engine": engine,
            }
            for number, (insight_id, each) in zip(numbers, made, strict=True)
        ],
    )
    ids = [insight_id for insight_id, _ in made]
    await INSIGHTS_OF_SIGNAL.add(tx, workspace, signal_id, ids)
    await tx.execute_many(
        _ADD_EVIDENCE,
        [
            {
                "id": new_id(),
                "workspace": workspace,
                "insight": insight_id,
                "signal": signal_id,
                "quote": quote.text,
                "start": quote.start,
                "end": quote.end,
                "speaker": quote.speaker,
                "start_time": quote.start_time,
                "end_time": quote.end_time,
            }
            for insight_id, each in made
            for quote in each.quotes
        ],
    )
    if ids:
        await compare_soon(tx, workspace)
    return ids


def insight_type(origin: Origin) -> InsightType:
    """The type of what is found in such a signal."""
    return _INSIGHT_TYPES.get(origin.signal_type, "other")


def product_of(origin: Origin, found: Insight) -> UUID | None:
    """The product that the insight names, else the one that the signal was given for."""
    if found.product_id is not None:
        return UUID(found.product_id)
    return origin.product_ids[0] if len(origin.product_ids) == 1 else None
